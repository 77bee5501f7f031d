//! The other way: evaluation files in the forms that the original's programs read, from the raw files of `VidSTG` and `VidOR`,
//! of refer (`RefCOCO`, RefCOCO+, `RefCOCOg`), and of Charades-STA.
//!
//! A file holds every sentence of its split or says which it does not hold and why: sentences are written, refused under a
//! name, or left out because they were not asked for, and the three add up ([`Account`]).

mod charades;
mod refer;
mod video;

use serde_json::{Map, Value, json};
use st_schema::Task;

use super::account::Counted;
use super::container::read_all;
use super::item::Payload;
use super::{Account, Inputs, RawItem, Reject, Rejected, Sides, SourceError};
use crate::read::Options;

/// An evaluation file that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Benchmark {
    /// ST-Align's spatio-temporal video grounding, from `VidSTG` and `VidOR`.
    Stvg,
    /// ST-Align's spatial video grounding, likewise.
    Svg,
    /// ST-Align's event localization and captioning, likewise; declarative sentences only.
    Elc,
    /// `RefCOCO`, in MDETR's form.
    Refcoco,
    /// RefCOCO+, likewise.
    RefcocoPlus,
    /// `RefCOCOg`, likewise.
    Refcocog,
    /// Charades-STA, its times as shares of the video.
    CharadesSta,
}

impl Benchmark {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Stvg,
        Self::Svg,
        Self::Elc,
        Self::Refcoco,
        Self::RefcocoPlus,
        Self::Refcocog,
        Self::CharadesSta,
    ];

    /// The source whose raw files it is made from.
    #[must_use]
    pub const fn source_name(self) -> &'static str {
        match self {
            Self::Stvg | Self::Svg | Self::Elc => "vidstg",
            Self::Refcoco => "refcoco",
            Self::RefcocoPlus => "refcoco_plus",
            Self::Refcocog => "refcocog",
            Self::CharadesSta => "charades_sta",
        }
    }

    /// What it asks.
    #[must_use]
    pub const fn task(self) -> Task {
        match self {
            Self::Stvg => Task::Stvg,
            Self::Svg => Task::Svg,
            Self::Elc => Task::Elc,
            Self::Refcoco | Self::RefcocoPlus | Self::Refcocog => Task::Rec,
            Self::CharadesSta => Task::Tvg,
        }
    }

    /// The split of the released file.
    #[must_use]
    pub const fn usual_split(self) -> &'static str {
        match self {
            Self::CharadesSta => "test",
            _ => "val",
        }
    }
}

/// Which sentences are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The split, as the source calls it.
    pub split: String,
    /// Only declarative sentences, no questions; those of `VidSTG`.
    pub declarative: bool,
    /// Only so many, the first ones.
    pub limit: Option<u64>,
}

/// An evaluation file and what became of every sentence.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub document: Value,
    /// The account.
    pub account: Account,
}

/// An entry of an evaluation file.
enum Entry {
    /// An element of a list.
    Record(Value),
    /// An element of `images` and the one at the same place of `annotations`; each gets its number as `id`.
    Pair {
        image: Map<String, Value>,
        annotation: Map<String, Value>,
    },
}

/// What becomes of a sentence.
enum End {
    Entry(Entry),
    Refused(Reject),
    LeftOut,
}

/// The sentences of one raw item, each with its name.
type Sentences = Vec<(String, End)>;

/// Makes an evaluation file. Items are taken in the order of the files.
///
/// # Errors
/// When a file cannot be read or holds something broken: an evaluation file must not shrink unseen.
pub fn write(
    benchmark: Benchmark,
    inputs: &Inputs,
    choice: &Choice,
    options: &Options,
) -> Result<Written, SourceError> {
    let info = super::find(benchmark.source_name())?.info();
    let sides = Sides::open(info, inputs, options)?;
    let mut file = Unfinished {
        entries: Vec::new(),
        limit: choice.limit,
        task: benchmark.task(),
        account: Account::new(info),
    };
    for main in &inputs.main {
        let mut items = 0;
        read_all(
            &main.path,
            main.files.container,
            options,
            |row, key, value| {
                items += 1;
                let item = RawItem {
                    form: main.files.form,
                    file: &main.name,
                    row,
                    key,
                    payload: Payload::Value(value),
                };
                let sentences = match benchmark {
                    Benchmark::Stvg | Benchmark::Svg | Benchmark::Elc => {
                        video::sentences(benchmark, &item, &sides, choice)
                    }
                    Benchmark::Refcoco | Benchmark::RefcocoPlus | Benchmark::Refcocog => {
                        refer::sentences(benchmark, &item, &sides, choice)
                    }
                    Benchmark::CharadesSta => {
                        charades::sentences(&item, &sides, choice, &mut file.account)
                    }
                };
                file.take(&item, sentences);
                Ok(())
            },
        )?;
        file.account.file(&main.name, main.files, items);
    }
    let account = file.account.checked(info)?;
    let document = document(benchmark, file.entries);
    Ok(Written { document, account })
}

/// A file while its entries arrive.
struct Unfinished {
    entries: Vec<Entry>,
    limit: Option<u64>,
    task: Task,
    account: Account,
}

impl Unfinished {
    fn take(&mut self, item: &RawItem<'_>, sentences: Result<Sentences, Reject>) {
        let nothing = || Reject::Nothing("the item has no sentence");
        let mut sentences =
            sentences.unwrap_or_else(|reject| vec![(String::new(), End::Refused(reject))]);
        if sentences.is_empty() {
            sentences.push((String::new(), End::Refused(nothing())));
        }
        for (id, end) in sentences {
            let full = self
                .limit
                .is_some_and(|limit| self.entries.len() as u64 >= limit);
            match end {
                End::Entry(_) if full => self.account.count(&Counted::LeftOut),
                End::LeftOut => self.account.count(&Counted::LeftOut),
                End::Entry(entry) => {
                    self.entries.push(entry);
                    self.account.count(&Counted::Written {
                        task: self.task,
                        repairs: &[],
                    });
                }
                End::Refused(reject) => self.account.count(&Counted::Refused(&Rejected {
                    file: item.file,
                    row: item.row,
                    key: item.key.as_deref(),
                    position: None,
                    id: &id,
                    reject: &reject,
                })),
            }
        }
    }
}

/// The entries in the form of the file.
fn document(benchmark: Benchmark, entries: Vec<Entry>) -> Value {
    let mut list = Vec::new();
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (number, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::Record(record) => list.push(record),
            Entry::Pair {
                mut image,
                mut annotation,
            } => {
                image.insert("id".into(), number.into());
                annotation.insert("id".into(), number.into());
                annotation.insert("image_id".into(), number.into());
                images.push(image);
                annotations.push(annotation);
            }
        }
    }
    if benchmark.task() == Task::Rec {
        let categories = [json!({"supercategory": "object", "id": 1, "name": "object"})];
        json!({"info": [], "licenses": [], "images": images, "annotations": annotations, "categories": categories})
    } else {
        Value::Array(list)
    }
}

/// A whole number where it is one, as Python writes what it has read as one.
#[expect(clippy::cast_possible_truncation, reason = "pixels are far below 2^53")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// Whether a file or item of this split is wanted.
fn is_split(choice: &Choice, split: &str) -> bool {
    choice.split == "all" || choice.split == split
}
