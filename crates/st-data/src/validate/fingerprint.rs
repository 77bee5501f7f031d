//! Telling records that say the same.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use st_schema::{Record, Role, Side, Task};

/// What a record asks and answers, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Clip and questions, without case, spaces and punctuation.
    pub(super) question: u64,
    /// Answers and their numbers, likewise.
    pub(super) answer: u32,
    /// Everything but the name, to the letter.
    pub(super) exact: u32,
    /// Whether another answer to the same question contradicts this one.
    pub(super) exclusive: bool,
}

/// The hash is part of no file; it only has to be the same within a run.
const STATE: u64 = 0x5354_4441;

impl Fingerprint {
    /// The fingerprint of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self::with_buffer(record, &mut Vec::new())
    }

    /// The same, with a buffer to be kept from record to record.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "32 bits are enough beside the 64 of the question"
    )]
    pub(super) fn with_buffer(record: &Record, plain: &mut Vec<u8>) -> Self {
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
        for turn in &record.conversations {
            exact.write(turn.value.as_bytes());
            exact.write_u8(turn.from as u8);
            let plain = plain_words(&turn.value, plain);
            let hasher = if turn.from == Role::Gpt {
                &mut answer
            } else {
                &mut question
            };
            hasher.write(plain);
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

/// Letters and digits in lower case; 0 for bytes that are left out.
const PLAIN: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte -= 1;
    }
    table
};

/// The text without case, spaces and punctuation; each byte is written, and only those that stay are stepped over.
fn plain_words<'a>(text: &str, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if buffer.len() < text.len() {
        buffer.resize(text.len(), 0);
    }
    let mut length = 0;
    for byte in text.bytes() {
        let plain = PLAIN[usize::from(byte)];
        buffer[length] = plain;
        length += usize::from(plain != 0);
    }
    &buffer[..length]
}
