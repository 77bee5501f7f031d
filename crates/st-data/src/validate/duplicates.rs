//! Which records repeat or contradict an earlier one, in memory of a fixed size.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::{Fingerprint, Rule};

/// Fingerprints that are held in memory: as many as a table of 2^20 places takes, 18 MB.
const IN_MEMORY: usize = (1 << 20) / 8 * 7;

/// The fingerprints seen so far.
///
/// The latest are in a table; when it is full they go to a temporary file, sorted, 16 bytes each, and a filter of 64 MiB keeps most
/// lookups away from the file. A fingerprint's answer and exact value belong to its key, its question.
#[derive(Debug)]
pub struct Duplicates {
    recent: HashMap<u64, Value, BuildHasherDefault<AsIs>>,
    limit: usize,
    spilled: Option<Spilled>,
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

/// Answer and exact value.
type Value = (u32, u32);

impl Default for Duplicates {
    fn default() -> Self {
        Self::with_limit(IN_MEMORY)
    }
}

impl Duplicates {
    /// Holds up to `limit` fingerprints in memory.
    fn with_limit(limit: usize) -> Self {
        Self {
            recent: HashMap::default(),
            limit,
            spilled: None,
        }
    }

    /// Adds a fingerprint and says under which rule it repeats or contradicts an earlier one.
    ///
    /// # Errors
    /// When the temporary file (in the system's folder for such, `TMPDIR`) cannot be written or read.
    pub fn add(&mut self, print: &Fingerprint) -> Result<Option<Rule>, DuplicatesError> {
        self.find_or_insert(print)
            .map_err(|source| DuplicatesError {
                folder: std::env::temp_dir(),
                source,
            })
    }

    fn find_or_insert(&mut self, print: &Fingerprint) -> io::Result<Option<Rule>> {
        let value = (print.answer, print.exact);
        let Some(first) = self.get(print.question)? else {
            self.insert(print.question, value)?;
            return Ok(None);
        };
        if let Some(rule) = repeats(first, value) {
            return Ok(Some(rule));
        }
        // A further answer has its own place, so that it is known when it comes again.
        let place = print.question
            ^ (u64::from(print.answer) << 32 | u64::from(print.answer)).rotate_left(17);
        let before = self.get(place)?;
        self.insert(place, value)?;
        let conflict = print.exclusive.then_some(Rule::AnswerConflict);
        Ok(before
            .and_then(|before| repeats(before, value))
            .or(conflict))
    }

    /// The latest value of a key.
    fn get(&mut self, key: u64) -> io::Result<Option<Value>> {
        if let Some(value) = self.recent.get(&key) {
            return Ok(Some(*value));
        }
        match &mut self.spilled {
            Some(spilled) => spilled.get(key),
            None => Ok(None),
        }
    }

    fn insert(&mut self, key: u64, value: Value) -> io::Result<()> {
        self.recent.insert(key, value);
        if self.recent.len() < self.limit {
            return Ok(());
        }
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            None => self.spilled.insert(Spilled::new()?),
        };
        let mut entries: Vec<(u64, Value)> = self.recent.drain().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        spilled.append(&entries)
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

/// Bytes of one entry in the file: key, answer, exact value.
const ENTRY: usize = 16;
/// Entries in a block, the least that is read.
const BLOCK: usize = 256;
/// Words of the filter: 64 MiB.
const WORDS: usize = 1 << 23;

/// Sorted runs of entries in a temporary file that has no name and is gone with the program.
#[derive(Debug)]
struct Spilled {
    file: File,
    /// For each run where it starts in the file and the first key of each of its blocks.
    runs: Vec<(u64, Vec<u64>)>,
    /// Four bits of one word for each key: a key whose bits are not all set is in no run.
    filter: Vec<u64>,
    end: u64,
}

impl Spilled {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            runs: Vec::new(),
            filter: vec![0; WORDS],
            end: 0,
        })
    }

    fn append(&mut self, entries: &[(u64, Value)]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        let mut out = BufWriter::with_capacity(1 << 16, &self.file);
        for (key, (answer, exact)) in entries {
            out.write_all(&key.to_le_bytes())?;
            out.write_all(&answer.to_le_bytes())?;
            out.write_all(&exact.to_le_bytes())?;
            let (word, bits) = bits_of(*key);
            self.filter[word] |= bits;
        }
        out.flush()?;
        drop(out);
        let firsts = entries.iter().step_by(BLOCK).map(|(key, _)| *key);
        self.runs.push((self.end, firsts.collect()));
        self.end += (entries.len() * ENTRY) as u64;
        Ok(())
    }

    fn get(&mut self, key: u64) -> io::Result<Option<Value>> {
        let (word, bits) = bits_of(key);
        if self.filter[word] & bits != bits {
            return Ok(None);
        }
        // The latest run knows best.
        let mut end = self.end;
        for (start, firsts) in self.runs.iter().rev() {
            let run_end = std::mem::replace(&mut end, *start);
            let Some(block) = firsts.partition_point(|first| *first <= key).checked_sub(1) else {
                continue;
            };
            let from = start + (block * BLOCK * ENTRY) as u64;
            let length = (run_end - from).min((BLOCK * ENTRY) as u64);
            let mut bytes = Vec::with_capacity(BLOCK * ENTRY);
            self.file.seek(SeekFrom::Start(from))?;
            (&self.file).take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (entries, _) = bytes.as_chunks::<ENTRY>();
            let found = entries.binary_search_by_key(&key, |entry| read(entry).0);
            if let Ok(at) = found {
                return Ok(Some(read(&entries[at]).1));
            }
        }
        Ok(None)
    }
}

fn read(entry: &[u8; ENTRY]) -> (u64, Value) {
    let [k0, k1, k2, k3, k4, k5, k6, k7, value @ ..] = *entry;
    let [a0, a1, a2, a3, exact @ ..] = value;
    (
        u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]),
        (
            u32::from_le_bytes([a0, a1, a2, a3]),
            u32::from_le_bytes(exact),
        ),
    )
}

/// The word of the filter that a key belongs to, and its bits there; keys are hashes, so their own bits serve.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is a small number"
)]
fn bits_of(key: u64) -> (usize, u64) {
    let word = (key % WORDS as u64) as usize;
    let bits = [40, 46, 52, 58].map(|shift| 1 << (key >> shift & 63));
    (word, bits.iter().fold(0_u64, |all, bit| all | bit))
}

/// The keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
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
            let mut duplicates = Duplicates::with_limit(limit);
            let rules: Vec<Option<Rule>> = prints(5000)
                .map(|print| duplicates.add(&print).unwrap())
                .collect();
            assert!(duplicates.recent.len() <= limit);
            assert_eq!(duplicates.spilled.is_some(), limit < usize::MAX);
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
