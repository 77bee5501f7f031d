//! What is kept of every record: enough to find repetitions, contradictions and leaks, and no text.

use std::collections::HashSet;
use std::hash::Hasher;

use st_schema::{Axis, Media, Record, Role, Side, Task};

use super::features::{Features, TurnShape};
use super::text::{SKETCH, for_each_word, hash_word, hasher, shingles};

/// Steps of a remembered number in one: numbers are kept to 0.004.
pub(super) const STEPS: f64 = 250.0;

/// What is kept of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Print {
    /// The annotation file's number in the audit.
    pub file: u32,
    /// The record's number in its file, from 0.
    pub index: u32,
    /// The line it starts on, from 1; 0 for benchmark items.
    pub line: u32,
    /// The byte it starts at in the unpacked file; 0 for benchmark items.
    pub byte: u64,
    /// The media path's number in the audit.
    pub media: u32,
    /// The number of the source that the record itself names.
    pub source: u32,
    /// First and last frame; the whole file when absent.
    pub split: Option<[u32; 2]>,
    pub image: bool,
    pub task: Option<Task>,
    /// Hash of the id.
    pub id: u64,
    /// Conversation and numbers, to the letter; without the clip.
    pub exact: u64,
    /// Words of questions, and their numbers.
    pub question: u64,
    /// Words of answers, and their numbers.
    pub answer: u64,
    /// A few numbers of each list, in [`STEPS`].
    pub numbers: [u8; 24],
    /// Hash of how many numbers each list has.
    pub shape: u32,
    pub words: u32,
    pub tokens: u32,
    /// Milliseconds of the clip; 0 when unknown.
    pub milliseconds: u32,
    /// Whether numbers and placeholders differ in number.
    pub wrong_counts: bool,
    /// Whether answers give boxes.
    pub boxes: bool,
    /// Where its sketches are in the audit's list: questions, then answers.
    pub sketch: u32,
    pub sketch_lengths: [u8; 2],
}

/// What is kept of one question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// The record's number in the audit.
    pub print: u32,
    /// The human turn's number in the conversation.
    pub turn: u16,
    pub kind: AnswerKind,
    /// Spans, boxes and times of the answer, all together.
    pub count: u16,
    /// Words of the question and its numbers; without the clip.
    pub question: u64,
    /// Words of the answer.
    pub answer: u64,
    /// Words in the answer.
    pub words: u16,
    /// The first spans, times and boxes of the answer, in [`STEPS`].
    pub numbers: [u8; 12],
}

/// Whether another answer to the same question must be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    /// Many answers are right.
    Open,
    /// A place or time that the question determines.
    Grounded,
    /// One word of few: yes or no, a number, a letter, a class.
    Closed,
}

/// Reads records into prints; holds buffers that are used again.
pub(super) struct Reader {
    /// Hashes of the words that exclude each other as answers.
    closed: HashSet<u64>,
    word: String,
    hashes: Vec<u64>,
    question_words: Vec<u64>,
    answer_words: Vec<u64>,
    pub shingles: Vec<u32>,
}

/// What a reader makes of a record, beside what it hands out.
pub(super) struct Reading {
    pub print: Print,
    pub question_words: u64,
    pub answer_words: u64,
}

impl Default for Reader {
    fn default() -> Self {
        let numbers = (0..=99_u32).map(|number| hash_word(&number.to_string()));
        Self {
            closed: CLOSED.into_iter().map(hash_word).chain(numbers).collect(),
            word: String::new(),
            hashes: Vec::new(),
            question_words: Vec::new(),
            answer_words: Vec::new(),
            shingles: Vec::new(),
        }
    }
}

impl Reader {
    /// Reads one record. `word` hears every word; `sketch` hears the shingles of questions and of answers, rising;
    /// `pair` hears every question that is answered.
    pub(super) fn read(
        &mut self,
        record: &Record,
        features: Option<&Features>,
        mut word: impl FnMut(&str),
        mut sketch: impl FnMut(usize, &[u32]),
        mut pair: impl FnMut(Pair),
    ) -> Reading {
        let (mut exact, mut question, mut answer) = (hasher(), hasher(), hasher());
        self.question_words.clear();
        self.answer_words.clear();
        let mut asked: Option<(usize, u64)> = None;
        for (number, turn) in record.conversations.iter().enumerate() {
            exact.write_u8(turn.from as u8);
            exact.write(turn.value.as_bytes());
            self.hashes.clear();
            for_each_word(&turn.value, &mut self.word, |text| {
                word(text);
                self.hashes.push(hash_word(text));
            });
            let words = hash_all(&self.hashes);
            let shape = features.map(|features| &features.turns[number]);
            if turn.from == Role::Gpt {
                answer.write_u64(words);
                if let (Some((asked_at, asked)), Some(shape)) = (asked.take(), shape) {
                    let kind = kind(record.task, shape, &self.hashes, &self.closed);
                    pair(make_pair(
                        asked_at,
                        asked,
                        kind,
                        words,
                        self.hashes.len(),
                        shape,
                    ));
                }
                self.answer_words.extend_from_slice(&self.hashes);
            } else {
                question.write_u64(words);
                asked = shape.map(|shape| (number, words ^ hash_shape(shape)));
                self.question_words.extend_from_slice(&self.hashes);
            }
        }
        let (numbers, shape) = numbers(record);
        for (axis, side, list) in record.variables.iter() {
            let hasher = match side {
                Side::Input => &mut question,
                Side::Output => &mut answer,
            };
            for hasher in [hasher, &mut exact] {
                hasher.write_u8(axis as u8);
                for number in list {
                    hasher.write_u64(number.to_bits());
                }
            }
        }
        let mut lengths = [0_u8; 2];
        for (side, words) in [&self.question_words, &self.answer_words]
            .into_iter()
            .enumerate()
        {
            shingles(words, &mut self.shingles);
            sketch(side, &self.shingles);
            lengths[side] = u8::try_from(self.shingles.len().min(SKETCH)).unwrap_or(u8::MAX);
        }
        let words = self.question_words.len() + self.answer_words.len();
        let print = Print {
            file: 0,
            index: 0,
            line: 0,
            byte: 0,
            media: 0,
            source: 0,
            split: record.meta.split.map(|split| split.map(saturate)),
            image: matches!(record.media, Media::Image(_)),
            task: record.task,
            id: hash_word(&record.id),
            exact: exact.finish(),
            question: question.finish(),
            answer: answer.finish(),
            numbers,
            shape,
            words: saturate(words as u64),
            tokens: 0,
            milliseconds: milliseconds(record),
            wrong_counts: features.is_none(),
            boxes: !record.variables.get(Axis::Width, Side::Output).is_empty(),
            sketch: 0,
            sketch_lengths: lengths,
        };
        Reading {
            print,
            question_words: self.question_words.len() as u64,
            answer_words: self.answer_words.len() as u64,
        }
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn hash_all(words: &[u64]) -> u64 {
    let mut hasher = hasher();
    for word in words {
        hasher.write_u64(*word);
    }
    hasher.finish()
}

fn hash_shape(shape: &TurnShape) -> u64 {
    let mut hasher = hasher();
    for number in turn_numbers(shape) {
        hasher.write_u64(number.to_bits());
    }
    hasher.finish()
}

/// Spans, then lone times, then boxes.
fn turn_numbers(shape: &TurnShape) -> impl Iterator<Item = f64> {
    let spans = shape.spans.iter().flatten().copied();
    let boxes = shape.boxes.iter().flat_map(|(_, corners)| *corners);
    spans.chain(shape.times.iter().copied()).chain(boxes)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is clamped to 0..=250 first; NaN becomes 0"
)]
fn step(number: f64) -> u8 {
    (number * STEPS).round().clamp(0.0, STEPS) as u8
}

fn make_pair(
    turn: usize,
    question: u64,
    kind: AnswerKind,
    answer: u64,
    words: usize,
    shape: &TurnShape,
) -> Pair {
    let mut numbers = [0; 12];
    for (place, number) in numbers.iter_mut().zip(turn_numbers(shape)) {
        *place = step(number);
    }
    let count = shape.spans.len() + shape.boxes.len() + shape.times.len();
    let small = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    Pair {
        print: 0,
        turn: small(turn),
        kind,
        count: small(count),
        question,
        answer,
        words: small(words),
        numbers,
    }
}

/// Words of a grounded answer beyond which it is a description, which others may word and ground otherwise.
const DESCRIPTION_WORDS: usize = 12;

fn kind(task: Option<Task>, shape: &TurnShape, words: &[u64], closed: &HashSet<u64>) -> AnswerKind {
    let grounded = !(shape.spans.is_empty() && shape.boxes.is_empty() && shape.times.is_empty());
    match task {
        Some(Task::Rec | Task::Tvg | Task::Stvg | Task::Svg | Task::Elc) if grounded => {
            AnswerKind::Grounded
        }
        Some(Task::Classification) => AnswerKind::Closed,
        None if grounded && words.len() <= DESCRIPTION_WORDS => AnswerKind::Grounded,
        _ if !grounded && matches!(words, [word] if closed.contains(word)) => AnswerKind::Closed,
        _ => AnswerKind::Open,
    }
}

/// Answers of one word that exclude each other.
const CLOSED: [&str; 26] = [
    "yes", "no", "true", "false", "zero", "one", "two", "three", "four", "five", "six", "seven",
    "eight", "nine", "ten", "none", "a", "b", "c", "d", "e", "left", "right", "before", "after",
    "both",
];

/// Up to four numbers of each list, evenly spread, and a hash of the lists' lengths.
fn numbers(record: &Record) -> ([u8; 24], u32) {
    let mut numbers = [0; 24];
    let mut lengths = hasher();
    let slots = Axis::ALL
        .into_iter()
        .flat_map(|axis| Side::ALL.map(|side| (axis, side)));
    for ((axis, side), places) in slots.zip(numbers.chunks_exact_mut(4)) {
        let list = record.variables.get(axis, side);
        lengths.write_usize(list.len());
        for (at, place) in places.iter_mut().enumerate() {
            let from = if list.len() <= 4 {
                at
            } else {
                at * (list.len() - 1) / 3
            };
            if let Some(number) = list.get(from) {
                *place = step(*number);
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are enough")]
    (numbers, lengths.finish() as u32)
}

/// How long the clip lasts, where the record says so.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "casts saturate, and frame numbers are far below 2^53"
)]
fn milliseconds(record: &Record) -> u32 {
    let frames = match record.meta.split {
        Some([first, last]) => last.checked_sub(first).map(|length| length + 1),
        None => record.meta.frames,
    };
    match (frames, record.meta.fps) {
        (Some(frames), Some(fps)) if fps > 0.0 => (frames as f64 / fps * 1000.0).round() as u32,
        _ => 0,
    }
}
