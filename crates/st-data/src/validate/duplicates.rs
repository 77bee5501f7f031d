//! Which records repeat or contradict an earlier one, in memory of a fixed size.

use std::io;
use std::path::PathBuf;

use super::{Fingerprint, Rule};
use crate::spill::{SpillingMap, Value};

/// The fingerprints seen so far, in memory of a fixed size. A fingerprint's answer and exact value belong to its key, its
/// question.
#[derive(Debug, Default)]
pub struct Duplicates {
    seen: SpillingMap,
}

/// The temporary file that fingerprints go to, beyond what memory should hold, cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot keep the records' fingerprints in {folder}; set TMPDIR to a folder with 16 free bytes for each record"
)]
pub struct DuplicatesError {
    /// Where the file was to be.
    folder: PathBuf,
    /// What the system says.
    source: io::Error,
}

impl DuplicatesError {
    /// What the system says of the temporary file.
    pub(crate) fn of(source: io::Error) -> Self {
        Self {
            folder: std::env::temp_dir(),
            source,
        }
    }
}

impl Duplicates {
    /// Adds a fingerprint and says under which rule it repeats or contradicts an earlier one.
    ///
    /// # Errors
    /// When the temporary file (in the system's folder for such, `TMPDIR`) cannot be written or read.
    pub fn add(&mut self, print: &Fingerprint) -> Result<Option<Rule>, DuplicatesError> {
        self.find_or_insert(print).map_err(DuplicatesError::of)
    }

    fn find_or_insert(&mut self, print: &Fingerprint) -> io::Result<Option<Rule>> {
        let value = (print.answer, print.exact);
        let Some(first) = self.seen.get(print.question)? else {
            self.seen.insert(print.question, value)?;
            return Ok(None);
        };
        if let Some(rule) = repeats(first, value) {
            return Ok(Some(rule));
        }
        // A further answer has its own place, so that it is known when it comes again.
        let place = print.question
            ^ (u64::from(print.answer) << 32 | u64::from(print.answer)).rotate_left(17);
        let before = self.seen.get(place)?;
        self.seen.insert(place, value)?;
        let conflict = print.exclusive.then_some(Rule::AnswerConflict);
        Ok(before
            .and_then(|before| repeats(before, value))
            .or(conflict))
    }
}

fn repeats(before: Value, now: Value) -> Option<Rule> {
    if before == now {
        Some(Rule::DuplicateExact)
    } else if before.0 == now.0 {
        Some(Rule::DuplicateText)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Few questions, so that all rules are met, as hashes.
    fn prints(count: u64) -> impl Iterator<Item = Fingerprint> {
        let mut state = 7_u64;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (question, answer, exact) = (state >> 33 & 1023, state >> 43 & 3, state >> 45 & 1);
            Fingerprint {
                question: (question + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                answer: u32::try_from(answer).unwrap(),
                exact: u32::try_from(exact).unwrap(),
                exclusive: true,
            }
        })
        .take(usize::try_from(count).unwrap())
    }

    #[test]
    fn memory_or_disk_makes_no_difference() {
        let mut told = HashMap::new();
        for limit in [1, 7, 300, usize::MAX] {
            let mut duplicates = Duplicates {
                seen: SpillingMap::with_limit(limit),
            };
            let rules: Vec<Option<Rule>> = prints(5000)
                .map(|print| duplicates.add(&print).unwrap())
                .collect();
            assert_eq!(duplicates.seen.has_spilled(), limit < usize::MAX);
            told.insert(limit, rules);
        }
        let rules = &told[&usize::MAX];
        for rule in [
            Rule::DuplicateExact,
            Rule::DuplicateText,
            Rule::AnswerConflict,
        ] {
            assert!(rules.contains(&Some(rule)), "{}", rule.id());
        }
        assert!(told.values().all(|other| other == rules));
    }
}
