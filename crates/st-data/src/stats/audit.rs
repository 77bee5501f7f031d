//! What is counted and kept while files are read: values that merge exactly.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

use foldhash::fast::FixedState;
use st_schema::{ClipKey, Record, Task};

use super::features::Features;
use super::fingerprint::{Pair, Print, Reader};
use super::group::Group;
use super::objects;
use super::text::SKETCH;
use super::tokens::{Cache, TokenCounter};
use super::{Listed, language};
use crate::read::Position;

pub(super) type Map<K, V> = HashMap<K, V, FixedState>;

/// Slots of the table that tells which shingles are frequent in a file. Two shingles in one slot add up, which overrates
/// each by about a 65,536th of all shingles: nothing beside the shares of a hundredth and more that matter.
const SLOTS: usize = 1 << 16;

/// Names and their numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Names {
    numbers: Map<String, u32>,
    pub(super) list: Vec<String>,
}

impl Names {
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.list.push(name.to_owned());
        number
    }
}

/// In how many records of one task each shingle occurs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frequencies {
    pub(super) records: u64,
    /// Questions, then answers; empty before the first record.
    slots: Vec<u32>,
}

impl Frequencies {
    fn add(&mut self, side: usize, shingles: &[u32]) {
        if self.slots.is_empty() {
            self.slots = vec![0; 2 * SLOTS];
        }
        for shingle in shingles {
            self.slots[side * SLOTS + (*shingle as usize & (SLOTS - 1))] += 1;
        }
    }

    pub(super) fn of(&self, side: usize, shingle: u32) -> u64 {
        let slot = side * SLOTS + (shingle as usize & (SLOTS - 1));
        u64::from(self.slots.get(slot).copied().unwrap_or(0))
    }
}

impl AddAssign<&Self> for Frequencies {
    fn add_assign(&mut self, other: &Self) {
        self.records += other.records;
        if self.slots.is_empty() {
            self.slots.clone_from(&other.slots);
        } else {
            for (slot, more) in self.slots.iter_mut().zip(&other.slots) {
                *slot += more;
            }
        }
    }
}

/// An annotation file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuditedFile {
    pub(super) path: String,
    pub(super) records: u64,
    pub(super) no_records: u64,
    pub(super) benchmark: bool,
    /// The data folder as media names begin with it, and as the dataset file spells it.
    pub(super) folder: String,
    pub(super) data_folder: Option<String>,
}

/// Everything that was counted and kept.
///
/// Audits add up: measuring two halves of a dataset apart and adding them gives the same report, to the digit, as
/// measuring the whole, in whatever order. The halves must be of different records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    pub(super) files: Vec<AuditedFile>,
    pub(super) listed: Vec<(Listed, u32)>,
    pub(super) groups: BTreeMap<(u32, Option<Task>, u32), Group>,
    pub(super) frequencies: BTreeMap<(u32, Option<Task>), Frequencies>,
    pub(super) prints: Vec<Print>,
    pub(super) pairs: Vec<Pair>,
    pub(super) sketches: Vec<u32>,
    pub(super) media: Names,
    pub(super) sources: Names,
    pub(super) words: Map<Box<str>, u64>,
    pub(super) objects: Map<Box<str>, u64>,
    pub(super) languages: BTreeMap<&'static str, u64>,
    /// Where pieces stand that are no records: file and byte.
    pub(super) no_records: Vec<(u32, u64)>,
    /// The tokenizer's name, where tokens were counted.
    pub(super) tokenizer: Option<String>,
}

/// A part of one file, as one thread has read it.
#[derive(Default)]
pub(super) struct Part {
    reader: Reader,
    groups: BTreeMap<(Option<Task>, u32), Group>,
    frequencies: BTreeMap<Option<Task>, Frequencies>,
    prints: Vec<Print>,
    pairs: Vec<Pair>,
    sketches: Vec<u32>,
    media: Names,
    sources: Names,
    words: Map<Box<str>, u64>,
    objects: Map<Box<str>, u64>,
    languages: BTreeMap<&'static str, u64>,
    no_records: Vec<u64>,
}

fn count(counts: &mut Map<Box<str>, u64>, text: &str) {
    if let Some(count) = counts.get_mut(text) {
        *count += 1;
    } else {
        counts.insert(text.into(), 1);
    }
}

/// Positions in lists fit 32 bits: a list of 2^32 prints would take half a terabyte.
fn position(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Part {
    pub(super) fn no_record(&mut self, place: Position) {
        self.no_records.push(place.byte);
    }

    /// Takes in the record that starts at `place`. `folder` is the data folder of its file.
    pub(super) fn add(
        &mut self,
        record: &Record,
        place: Position,
        folder: &str,
        tokens: Option<(&TokenCounter, &mut Cache)>,
    ) {
        let features = Features::of(record);
        let source = self.sources.number(record.source.as_deref().unwrap_or(""));
        let number = position(self.prints.len());
        let sketch_at = position(self.sketches.len());
        let mut reader = std::mem::take(&mut self.reader);
        let frequencies = self.frequencies.entry(record.task).or_default();
        frequencies.records += 1;
        let mut reading = reader.read(
            record,
            features.as_ref(),
            |word| count(&mut self.words, word),
            |side, shingles| {
                frequencies.add(side, shingles);
                self.sketches
                    .extend_from_slice(&shingles[..shingles.len().min(SKETCH)]);
            },
            |pair| {
                self.pairs.push(Pair {
                    print: number,
                    ..pair
                });
            },
        );
        self.reader = reader;
        let print = &mut reading.print;
        print.line = u32::try_from(place.line).unwrap_or(u32::MAX);
        print.byte = place.byte;
        if let Some((counter, cache)) = tokens {
            print.tokens = counter.count(record, cache);
        }
        print.source = source;
        print.sketch = sketch_at;
        print.media = self
            .media
            .number(ClipKey::within(folder, record).media.path());
        if let Some(language) = language::of_sample(record, print.exact) {
            *self.languages.entry(language).or_default() += 1;
        }
        objects::for_each(record, |object| count(&mut self.objects, object));
        let group = self.groups.entry((record.task, source)).or_default();
        group.add(record, features.as_ref());
        group.question_words.add(reading.question_words);
        group.answer_words.add(reading.answer_words);
        self.prints.push(reading.print);
    }
}

impl Audit {
    /// How many different clips there are, those of benchmarks included.
    #[must_use]
    pub fn clips(&self) -> u64 {
        let mut clips: Vec<(u32, Option<[u32; 2]>)> = self
            .prints
            .iter()
            .map(|print| (print.media, print.split))
            .collect();
        clips.sort_unstable();
        clips.dedup();
        clips.len() as u64
    }

    /// Starts a file; its parts follow in order.
    pub(super) fn start_file(&mut self, file: AuditedFile) -> u32 {
        self.files.push(file);
        position(self.files.len() - 1)
    }

    /// Takes in the next part of a file.
    pub(super) fn add_part(&mut self, file: u32, part: Part) {
        let media: Vec<u32> = renumber(&part.media, &mut self.media);
        let sources: Vec<u32> = renumber(&part.sources, &mut self.sources);
        let counted = &mut self.files[file as usize];
        let first_index = counted.records;
        counted.records += part.prints.len() as u64;
        counted.no_records += part.no_records.len() as u64;
        let faults = part.no_records.into_iter().map(|byte| (file, byte));
        self.no_records.extend(faults);
        let benchmark = counted.benchmark;
        let first = position(self.prints.len());
        let first_sketch = position(self.sketches.len());
        self.sketches.extend(part.sketches);
        self.pairs.extend(part.pairs.into_iter().map(|pair| Pair {
            print: first + pair.print,
            ..pair
        }));
        for (index, print) in (first_index..).zip(part.prints) {
            self.prints.push(Print {
                file,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                media: media[print.media as usize],
                source: sources[print.source as usize],
                sketch: first_sketch + print.sketch,
                ..print
            });
        }
        for (task, more) in &part.frequencies {
            *self.frequencies.entry((file, *task)).or_default() += more;
        }
        for ((task, source), group) in &part.groups {
            let key = (file, *task, sources[*source as usize]);
            *self.groups.entry(key).or_default() += group;
        }
        if benchmark {
            return;
        }
        add_counts(&mut self.words, part.words);
        add_counts(&mut self.objects, part.objects);
        for (language, count) in part.languages {
            *self.languages.entry(language).or_default() += count;
        }
    }

    /// The sketch of a record's questions (0) or answers (1).
    pub(super) fn sketch(&self, print: &Print, side: usize) -> &[u32] {
        let [questions, answers] = print.sketch_lengths.map(usize::from);
        let start = print.sketch as usize;
        if side == 0 {
            &self.sketches[start..start + questions]
        } else {
            &self.sketches[start + questions..start + questions + answers]
        }
    }
}

fn renumber(from: &Names, to: &mut Names) -> Vec<u32> {
    from.list.iter().map(|name| to.number(name)).collect()
}

fn add_counts(to: &mut Map<Box<str>, u64>, from: Map<Box<str>, u64>) {
    for (text, more) in from {
        *to.entry(text).or_default() += more;
    }
}

impl AddAssign for Audit {
    fn add_assign(&mut self, other: Self) {
        let media = renumber(&other.media, &mut self.media);
        let sources = renumber(&other.sources, &mut self.sources);
        let mut files = Vec::with_capacity(other.files.len());
        for file in other.files {
            let known = self.files.iter().position(|known| known.path == file.path);
            files.push(position(known.unwrap_or(self.files.len())));
            if let Some(known) = known {
                let known = &mut self.files[known];
                known.records += file.records;
                known.no_records += file.no_records;
            } else {
                self.files.push(file);
            }
        }
        let (first, first_sketch) = (position(self.prints.len()), position(self.sketches.len()));
        self.sketches.extend(other.sketches);
        self.pairs.extend(other.pairs.into_iter().map(|pair| Pair {
            print: first + pair.print,
            ..pair
        }));
        self.prints
            .extend(other.prints.into_iter().map(|print| Print {
                file: files[print.file as usize],
                media: media[print.media as usize],
                source: sources[print.source as usize],
                sketch: first_sketch + print.sketch,
                ..print
            }));
        for ((file, task), more) in &other.frequencies {
            let key = (files[*file as usize], *task);
            *self.frequencies.entry(key).or_default() += more;
        }
        for ((file, task, source), group) in &other.groups {
            let key = (files[*file as usize], *task, sources[*source as usize]);
            *self.groups.entry(key).or_default() += group;
        }
        self.no_records.extend(
            other
                .no_records
                .into_iter()
                .map(|(file, byte)| (files[file as usize], byte)),
        );
        self.listed.extend(
            other
                .listed
                .into_iter()
                .map(|(listed, file)| (listed, files[file as usize])),
        );
        add_counts(&mut self.words, other.words);
        add_counts(&mut self.objects, other.objects);
        for (language, count) in other.languages {
            *self.languages.entry(language).or_default() += count;
        }
        self.tokenizer = self.tokenizer.take().or(other.tokenizer);
    }
}
