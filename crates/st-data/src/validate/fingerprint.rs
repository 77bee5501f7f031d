//! Telling records that say the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use foldhash::quality::FixedState;
use st_schema::{Record, Role, Side, Task};

use super::Rule;

/// What a record asks and answers, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Clip and questions, without case, spaces and punctuation.
    question: u64,
    /// Answers and their numbers, likewise.
    answer: u32,
    /// Everything but the name, to the letter.
    exact: u32,
    /// Whether another answer to the same question contradicts this one.
    exclusive: bool,
}

/// The hash is part of no file; it only has to be the same within a run.
const STATE: u64 = 0x5354_4441;

impl Fingerprint {
    /// The fingerprint of a record.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "32 bits are enough beside the 64 of the question"
    )]
    pub fn of(record: &Record) -> Self {
        let state = FixedState::with_seed(STATE);
        let (mut question, mut answer, mut exact) = (
            state.build_hasher(),
            state.build_hasher(),
            state.build_hasher(),
        );
        for hasher in [&mut question, &mut exact] {
            hasher.write(record.media.kind().as_bytes());
            hasher.write(record.media.path().as_bytes());
            for end in record.meta.split.into_iter().flatten() {
                hasher.write_u64(end);
            }
        }
        let mut plain = Vec::new();
        for turn in &record.conversations {
            exact.write(turn.value.as_bytes());
            exact.write_u8(turn.from as u8);
            plain.clear();
            plain.extend(
                turn.value
                    .bytes()
                    .filter(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
                    .map(|byte| byte.to_ascii_lowercase()),
            );
            let hasher = if turn.from == Role::Gpt {
                &mut answer
            } else {
                &mut question
            };
            hasher.write(&plain);
            hasher.write_usize(plain.len());
        }
        let mut grounded = false;
        for (axis, side, numbers) in record.variables.iter() {
            grounded |= side == Side::Output && !numbers.is_empty();
            let hasher = if side == Side::Output {
                &mut answer
            } else {
                &mut question
            };
            for hasher in [hasher, &mut exact] {
                hasher.write_u8(axis as u8);
                for number in numbers {
                    hasher.write_u64(number.to_bits());
                }
            }
        }
        let exclusive = grounded || record.task == Some(Task::Classification);
        Self {
            question: question.finish(),
            answer: answer.finish() as u32,
            exact: exact.finish() as u32,
            exclusive,
        }
    }
}

/// The fingerprints seen so far: about 17 bytes a record.
#[derive(Debug, Default)]
pub struct Duplicates {
    seen: HashMap<u64, (u32, u32), BuildHasherDefault<AsIs>>,
}

impl Duplicates {
    /// Adds a fingerprint and says under which rule it repeats or contradicts an earlier one.
    pub fn add(&mut self, print: &Fingerprint) -> Option<Rule> {
        let value = (print.answer, print.exact);
        let first = match self.seen.entry(print.question) {
            Entry::Vacant(place) => {
                place.insert(value);
                return None;
            }
            Entry::Occupied(first) => *first.get(),
        };
        if let Some(rule) = repeats(first, value) {
            return Some(rule);
        }
        // A further answer has its own place, so that it is known when it comes again.
        let place = print.question
            ^ (u64::from(print.answer) << 32 | u64::from(print.answer)).rotate_left(17);
        let before = self.seen.insert(place, value);
        let conflict = print.exclusive.then_some(Rule::AnswerConflict);
        before
            .and_then(|before| repeats(before, value))
            .or(conflict)
    }
}

fn repeats(before: (u32, u32), now: (u32, u32)) -> Option<Rule> {
    if before == now {
        Some(Rule::DuplicateExact)
    } else if before.0 == now.0 {
        Some(Rule::DuplicateText)
    } else {
        None
    }
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
