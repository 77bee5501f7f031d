//! What is counted, by dataset, task and source.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;

use serde::Serialize;
use st_schema::text::placeholders;
use st_schema::{Axis, Media, Record, Role, Side, Task};

use super::{Distribution, Listed};

/// Seed of the choice that `random:N` makes; only its size matters here.
const SEED: u64 = 0;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupKey {
    /// The dataset file, such as "stage3".
    pub dataset: String,
    /// The task that the record names; `None` when it names none of ours.
    pub task: Option<Task>,
    /// The dataset file's word for the source, else the record's, else "".
    pub source: String,
}

/// Counts and measures of the records that belong together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Group {
    /// Records in the files.
    pub records: u64,
    /// Records about an image; the rest is about a video.
    pub images: u64,
    /// The human's turns.
    pub questions: u64,
    /// Records of two questions and more.
    pub with_several_questions: u64,
    /// Records whose numbers do not match their placeholders; their spans and boxes are not measured.
    pub mismatched: u64,
    /// Lengths of spans, asked for and given, as fractions of the clip.
    pub span_length: Distribution,
    /// Where spans are: their middles.
    pub span_middle: Distribution,
    /// Areas of boxes as fractions of the picture.
    pub box_area: Distribution,
}

impl AddAssign for Group {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.images += other.images;
        self.questions += other.questions;
        self.with_several_questions += other.with_several_questions;
        self.mismatched += other.mismatched;
        self.span_length += other.span_length;
        self.span_middle += other.span_middle;
        self.box_area += other.box_area;
    }
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// Rows: by dataset, then task, then source.
    #[serde(serialize_with = "as_rows")]
    pub groups: BTreeMap<GroupKey, Group>,
    /// Records that training sees, by dataset: what each entry's `sampling_strategy` takes of its file.
    pub taken: BTreeMap<String, u64>,
    /// Records in the files, each file counted once.
    pub records: u64,
    /// Pieces of the files that are no records.
    pub no_records: u64,
    /// Different clips: file and frame range.
    pub clips: u64,
    /// Records whose clip, conversation and numbers came before.
    pub duplicates: u64,
    /// Records whose id came before. Sources number on their own, so this need not be a fault.
    pub repeated_ids: u64,
    #[serde(skip)]
    seen: Seen,
}

fn as_rows<S: serde::Serializer>(
    groups: &BTreeMap<GroupKey, Group>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        #[serde(flatten)]
        key: &'a GroupKey,
        #[serde(flatten)]
        group: &'a Group,
    }
    serializer.collect_seq(groups.iter().map(|(key, group)| Row { key, group }))
}

/// Hashes of what was met.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    records: HashSet<u64>,
    clips: HashSet<u64>,
    ids: HashSet<u64>,
}

/// One file, before its datasets are known.
#[derive(Debug, Default)]
pub(super) struct FileAudit {
    groups: BTreeMap<(Option<Task>, String), Group>,
    /// Record, clip and id of each record, hashed, in file order.
    hashes: Vec<[u64; 3]>,
    no_records: u64,
}

impl AddAssign for FileAudit {
    fn add_assign(&mut self, other: Self) {
        for (key, group) in other.groups {
            *self.groups.entry(key).or_default() += group;
        }
        self.hashes.extend(other.hashes);
        self.no_records += other.no_records;
    }
}

impl FileAudit {
    pub(super) const fn no_record(&mut self) {
        self.no_records += 1;
    }

    /// Takes in one record. `source` goes before the record's own word; `folder` tells equal paths of two folders apart.
    pub(super) fn add(&mut self, record: &Record, source: Option<&str>, folder: Option<&str>) {
        let source = source.or(record.source.as_deref()).unwrap_or_default();
        let group = self
            .groups
            .entry((record.task, source.to_owned()))
            .or_default();
        let questions = record
            .conversations
            .iter()
            .filter(|turn| turn.from == Role::Human)
            .count() as u64;
        group.records += 1;
        group.images += u64::from(matches!(record.media, Media::Image(_)));
        group.questions += questions;
        group.with_several_questions += u64::from(questions > 1);
        if measure(record, group).is_none() {
            group.mismatched += 1;
        }

        let clip = hash(&(folder, &record.media, record.meta.split));
        let mut whole = DefaultHasher::new();
        clip.hash(&mut whole);
        for turn in &record.conversations {
            turn.value.hash(&mut whole);
        }
        for (_, _, numbers) in record.variables.iter() {
            numbers.len().hash(&mut whole);
            for number in numbers {
                number.to_bits().hash(&mut whole);
            }
        }
        self.hashes
            .push([whole.finish(), clip, hash(&record.id.as_str())]);
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Audit {
    /// Takes in a file that `entries` list.
    pub(super) fn add_file(&mut self, entries: &[&Listed], file: FileAudit) {
        let length = file.hashes.len();
        for entry in entries {
            let taken = entry.input.sampling.select(length, SEED).len() as u64;
            *self.taken.entry(entry.dataset.clone()).or_default() += taken;
            for ((task, source), group) in &file.groups {
                let source = entry.input.source.as_ref().unwrap_or(source).clone();
                let key = GroupKey {
                    dataset: entry.dataset.clone(),
                    task: *task,
                    source,
                };
                *self.groups.entry(key).or_default() += group.clone();
            }
        }
        self.records += length as u64;
        self.no_records += file.no_records;
        for [record, clip, id] in file.hashes {
            self.duplicates += u64::from(!self.seen.records.insert(record));
            self.clips += u64::from(self.seen.clips.insert(clip));
            self.repeated_ids += u64::from(!self.seen.ids.insert(id));
        }
    }
}

/// Measures spans and boxes: two times side by side, and width, height, width, height side by side. `None`, and nothing
/// measured, when placeholders and numbers do not match.
fn measure(record: &Record, group: &mut Group) -> Option<()> {
    let mut lists =
        Axis::ALL.map(|axis| Side::ALL.map(|side| record.variables.get(axis, side).iter()));
    // End in the text, axis and value of the placeholders that stand side by side so far.
    let mut run: Vec<(Axis, f64)> = Vec::new();
    let (mut spans, mut boxes) = (Vec::new(), Vec::new());
    for turn in &record.conversations {
        let mut end = None;
        run.clear();
        for (start, axis, side) in placeholders(&turn.value) {
            let value = *lists[axis as usize][side as usize].next()?;
            if end != Some(start) {
                run.clear();
            }
            run.push((axis, value));
            end = Some(start + axis.placeholder(side).len());
            match run[..] {
                [(Axis::Temporal, from), (Axis::Temporal, to)] => {
                    spans.push([from, to]);
                    run.clear();
                }
                [
                    (Axis::Width, x1),
                    (Axis::Height, y1),
                    (Axis::Width, x2),
                    (Axis::Height, y2),
                ] => {
                    boxes.push((x2 - x1) * (y2 - y1));
                    run.clear();
                }
                _ => {}
            }
        }
    }
    if lists.iter().flatten().any(|list| list.len() > 0) {
        return None;
    }
    for [from, to] in spans {
        group.span_length.add(to - from);
        group.span_middle.add(f64::midpoint(from, to));
    }
    for area in boxes {
        group.box_area.add(area);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(times: &str) -> Record {
        let json = r#"{"id":"a","task":"stvg","video":"v.mp4","conversations":[{"from":"human","value":"<video>\nWhen?"},
            {"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>} <TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"}],
            "variables":{"temporal_output_locations":TIMES,"spatial_width_output_locations":[0.1,0.5],"spatial_height_output_locations":[0.2,0.7]}}"#;
        serde_json::from_str(&json.replace("TIMES", times)).unwrap()
    }

    #[test]
    fn spans_and_boxes_are_measured() {
        let mut file = FileAudit::default();
        file.add(&record("[0.2,0.5,0.2]"), None, None);
        let group = &file.groups[&(Some(Task::Stvg), String::new())];
        assert_eq!(
            (
                group.span_length.count(),
                group.box_area.count(),
                group.mismatched
            ),
            (1, 1, 0)
        );
        assert!((group.span_length.mean().unwrap() - 0.3).abs() < 1e-12);
        assert!((group.box_area.mean().unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_match_is_counted_and_not_measured() {
        for times in ["[0.2,0.5]", "[0.2,0.5,0.2,0.9]"] {
            let mut file = FileAudit::default();
            file.add(&record(times), None, None);
            let group = &file.groups[&(Some(Task::Stvg), String::new())];
            assert_eq!(
                (group.mismatched, group.span_length.count()),
                (1, 0),
                "{times}"
            );
        }
    }
}
