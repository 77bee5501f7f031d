//! Scores of records, and what they add up to.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::answer;
use crate::bootstrap::{Bootstrap, Interval};
use crate::original::{self, OriginalError};
use crate::prediction::Prediction;
use crate::strict::{self, Truth, TruthError};
use crate::task::EvalTask;

/// Which rules turn answers into numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// One denominator, one threshold rule, nothing left out; see [`crate::strict`].
    #[default]
    Strict,
    /// The original's numbers to the last digit, quirks included; see [`crate::original`].
    Original,
}

impl Protocol {
    /// Both protocols.
    pub const ALL: [Self; 2] = [Self::Strict, Self::Original];

    /// The protocol's name in flags and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Original => "original",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no protocol; protocols are strict and original")]
pub struct UnknownProtocol(pub String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(word: &str) -> Result<Self, UnknownProtocol> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == word)
            .ok_or_else(|| UnknownProtocol(word.to_owned()))
    }
}

/// One record's numbers, each in `[0, 1]`; `None` where the task has no such number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Values {
    /// Box IoU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou: Option<f64>,
    /// Temporal IoU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiou: Option<f64>,
    /// Spatial IoU of a tube.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub siou: Option<f64>,
    /// Spatio-temporal IoU of a tube.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viou: Option<f64>,
}

/// Which of a record's numbers a metric is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Box IoU.
    Iou,
    /// Temporal IoU.
    Tiou,
    /// Spatial IoU of a tube.
    Siou,
    /// Spatio-temporal IoU of a tube.
    Viou,
}

impl Values {
    /// All zero, in the numbers that the task has.
    #[must_use]
    pub fn zero(task: EvalTask) -> Self {
        let (zero, none) = (Some(0.0), None);
        match task {
            EvalTask::Rec => Self {
                iou: zero,
                ..Self::default()
            },
            EvalTask::Tvg => Self {
                tiou: zero,
                ..Self::default()
            },
            EvalTask::Svg => Self {
                iou: none,
                tiou: none,
                siou: zero,
                viou: zero,
            },
            EvalTask::Stvg | EvalTask::Elc => Self {
                iou: none,
                tiou: zero,
                siou: zero,
                viou: zero,
            },
        }
    }

    /// The number of this kind.
    #[must_use]
    pub const fn get(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Iou => self.iou,
            Measure::Tiou => self.tiou,
            Measure::Siou => self.siou,
            Measure::Viou => self.viou,
        }
    }
}

/// Why an answer holds nothing to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unparsed {
    /// No text at all.
    Empty,
    /// No box `[x1 y1 x2 y2]`.
    NoBox,
    /// No span `{start end}`, or no `Ends in`.
    NoSpan,
    /// No box with a time.
    NoTube,
    /// Coordinate tokens that make no box, span or time.
    Malformed,
    /// The end comes before the start, or a box's second corner before its first.
    Reversed,
}

impl Unparsed {
    /// The kind's name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoBox => "no box",
            Self::NoSpan => "no span",
            Self::NoTube => "no timed box",
            Self::Malformed => "malformed",
            Self::Reversed => "reversed",
        }
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer was found and scored.
    Scored,
    /// There is text, but no answer in it.
    Unparsed(Unparsed),
    /// `predict` could not answer: its reason.
    Failed(String),
    /// The line cannot be read, or lacks the truth.
    Unreadable(String),
    /// The benchmark has the record, the file has no line for it.
    Missing,
    /// The original's program would stop here.
    Crash(OriginalError),
}

impl Outcome {
    /// A short word for tables.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Scored => "scored",
            Self::Unparsed(kind) => kind.as_str(),
            Self::Failed(_) => "failed",
            Self::Unreadable(_) => "unreadable",
            Self::Missing => "missing",
            Self::Crash(_) => "crash",
        }
    }

    /// The reason in words, where there is one.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Failed(why) | Self::Unreadable(why) => Some(why.clone()),
            Self::Crash(error) => Some(error.to_string()),
            _ => None,
        }
    }
}

/// One record's score.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordScore {
    /// Line of the result file, from 1; 0 for a record without a line.
    pub line: usize,
    /// The record's place in the benchmark, from 0, where the line tells it.
    pub index: Option<u64>,
    /// Path of the image or video as the file gives it.
    pub media: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the record enters the denominator.
    pub counted: bool,
    /// Its numbers.
    pub values: Values,
    /// REC with other things in the picture: whether the box lies nearest to the one that was named.
    pub named_choice: Option<NamedChoice>,
    /// Whether the decoding allowed only well-formed coordinates.
    pub constrained: bool,
}

/// Whether a predicted box chose the thing that was named among all that could have been.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NamedChoice {
    /// The named thing has the highest IoU with the predicted box, above 0.
    pub chosen: bool,
    /// The highest IoU with any of the things.
    pub best_iou: f64,
    /// One over the number of things.
    pub chance: f64,
}

/// How records' numbers become one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Summary {
    /// The mean.
    Mean,
    /// Percent of records at or above the threshold.
    AtLeast(f64),
    /// Percent of records above the threshold.
    Above(f64),
}

/// One metric of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricDef {
    /// Its name in tables and files.
    pub name: &'static str,
    /// What it is made of.
    pub measure: Measure,
    /// How.
    pub summary: Summary,
}

impl MetricDef {
    /// What one record adds: its number, or 1 or 0.
    #[must_use]
    pub fn of(&self, values: &Values) -> Option<f64> {
        let value = values.get(self.measure)?;
        Some(match self.summary {
            Summary::Mean => value,
            Summary::AtLeast(threshold) => f64::from(u8::from(value >= threshold)),
            Summary::Above(threshold) => f64::from(u8::from(value > threshold)),
        })
    }

    /// The metric from the sum over records and their number: a mean in `[0, 1]`, or a percentage.
    #[must_use]
    pub fn finish(&self, sum: f64, records: f64) -> f64 {
        match self.summary {
            Summary::Mean => sum / records,
            Summary::AtLeast(_) | Summary::Above(_) => sum / records * 100.0,
        }
    }

    /// Whether the number is a percentage.
    #[must_use]
    pub const fn is_percent(&self) -> bool {
        !matches!(self.summary, Summary::Mean)
    }
}

const fn mean(name: &'static str, measure: Measure) -> MetricDef {
    MetricDef {
        name,
        measure,
        summary: Summary::Mean,
    }
}

const fn share(name: &'static str, measure: Measure, threshold: f64) -> MetricDef {
    MetricDef {
        name,
        measure,
        summary: Summary::AtLeast(threshold),
    }
}

const fn share_above(name: &'static str, measure: Measure, threshold: f64) -> MetricDef {
    MetricDef {
        name,
        measure,
        summary: Summary::Above(threshold),
    }
}

/// The original's names and thresholds (`inference/src/metrics.py`, `inference/multi_task_eval.py`).
const ORIGINAL_REC: &[MetricDef] = &[
    mean("miou", Measure::Iou),
    share("R1@(0.5)", Measure::Iou, 0.5),
];
const ORIGINAL_TVG: &[MetricDef] = &[
    mean("miou", Measure::Tiou),
    share_above("R1@(0.3)", Measure::Tiou, 0.3),
    share_above("R1@(0.5)", Measure::Tiou, 0.5),
    share_above("R1@(0.7)", Measure::Tiou, 0.7),
];
const ORIGINAL_TUBE: &[MetricDef] = &[
    mean("mtiou", Measure::Tiou),
    share("tiou@0.3", Measure::Tiou, 0.3),
    share("tiou@0.5", Measure::Tiou, 0.5),
    share("tiou@0.7", Measure::Tiou, 0.7),
    mean("msiou", Measure::Siou),
    share("siou@0.3", Measure::Siou, 0.3),
    share("siou@0.5", Measure::Siou, 0.5),
    share("siou@0.7", Measure::Siou, 0.7),
    mean("mstiou", Measure::Viou),
    share("viou@0.3", Measure::Viou, 0.3),
    share("viou@0.5", Measure::Viou, 0.5),
    share("viou@0.7", Measure::Viou, 0.7),
];

const STRICT_REC: &[MetricDef] = &[
    mean("miou", Measure::Iou),
    share("iou@0.3", Measure::Iou, 0.3),
    share("iou@0.5", Measure::Iou, 0.5),
    share("iou@0.7", Measure::Iou, 0.7),
];
const STRICT_TVG: &[MetricDef] = &[
    mean("mtiou", Measure::Tiou),
    share("tiou@0.3", Measure::Tiou, 0.3),
    share("tiou@0.5", Measure::Tiou, 0.5),
    share("tiou@0.7", Measure::Tiou, 0.7),
];
const STRICT_TUBE: &[MetricDef] = &[
    mean("mtiou", Measure::Tiou),
    share("tiou@0.3", Measure::Tiou, 0.3),
    share("tiou@0.5", Measure::Tiou, 0.5),
    share("tiou@0.7", Measure::Tiou, 0.7),
    mean("mviou", Measure::Viou),
    share("viou@0.3", Measure::Viou, 0.3),
    share("viou@0.5", Measure::Viou, 0.5),
    share("viou@0.7", Measure::Viou, 0.7),
    mean("msiou", Measure::Siou),
    share("siou@0.3", Measure::Siou, 0.3),
    share("siou@0.5", Measure::Siou, 0.5),
    share("siou@0.7", Measure::Siou, 0.7),
];

/// The metrics of a task, in the order of tables.
#[must_use]
pub fn metrics(protocol: Protocol, task: EvalTask) -> &'static [MetricDef] {
    match (protocol, task) {
        (Protocol::Original, EvalTask::Rec) => ORIGINAL_REC,
        (Protocol::Original, EvalTask::Tvg) => ORIGINAL_TVG,
        (Protocol::Original, _) => ORIGINAL_TUBE,
        (Protocol::Strict, EvalTask::Rec) => STRICT_REC,
        (Protocol::Strict, EvalTask::Tvg) => STRICT_TVG,
        // A span that the question gives away is not scored.
        (Protocol::Strict, EvalTask::Svg) => STRICT_TUBE.split_at(4).1,
        (Protocol::Strict, EvalTask::Stvg | EvalTask::Elc) => STRICT_TUBE,
    }
}

/// One line of a result file, read or not.
pub type Line<'a> = Result<Prediction<'a>, String>;

/// Reads a result file's text, in parallel; blank lines are left out. Each line keeps its number, from 1.
#[must_use]
pub fn read_lines(text: &str) -> Vec<(usize, Line<'_>)> {
    let lines: Vec<(usize, &str)> = text
        .split('\n')
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (index + 1, line))
        .collect();
    lines
        .into_par_iter()
        .map(|(number, line)| {
            (
                number,
                Prediction::parse(line).map_err(|error| error.to_string()),
            )
        })
        .collect()
}

/// Scores every line, in the file's order.
///
/// Under [`Protocol::Original`] unreadable lines are left out of the count, as the original skips them; under
/// [`Protocol::Strict`] they count and score 0.
#[must_use]
pub fn score_lines(
    protocol: Protocol,
    task: EvalTask,
    lines: &[(usize, Line)],
) -> Vec<RecordScore> {
    lines
        .par_iter()
        .map(|(number, line)| score_line(protocol, task, *number, line))
        .collect()
}

/// Scores one line, read or not.
pub(crate) fn score_line(
    protocol: Protocol,
    task: EvalTask,
    number: usize,
    line: &Line,
) -> RecordScore {
    match line {
        Ok(record) => score_record(protocol, task, number, record),
        Err(why) => RecordScore {
            line: number,
            index: None,
            media: String::new(),
            outcome: Outcome::Unreadable(why.clone()),
            counted: protocol == Protocol::Strict,
            values: Values::zero(task),
            named_choice: None,
            constrained: false,
        },
    }
}

/// Scores one record.
#[must_use]
pub fn score_record(
    protocol: Protocol,
    task: EvalTask,
    line: usize,
    record: &Prediction,
) -> RecordScore {
    let (outcome, counted, values) = match protocol {
        Protocol::Original => original_outcome(task, record),
        Protocol::Strict => strict_outcome(task, record),
    };
    let named_choice = (task == EvalTask::Rec && protocol == Protocol::Strict)
        .then(|| named_choice(record))
        .flatten();
    RecordScore {
        line,
        index: record.index,
        media: record.media().to_owned(),
        outcome,
        counted,
        values,
        named_choice,
        constrained: record.constrained,
    }
}

fn original_outcome(task: EvalTask, record: &Prediction) -> (Outcome, bool, Values) {
    match original::score(task, record) {
        Ok(score) => {
            let outcome = if score.parsed {
                Outcome::Scored
            } else {
                Outcome::Unparsed(match task {
                    EvalTask::Rec => Unparsed::NoBox,
                    EvalTask::Tvg => Unparsed::NoSpan,
                    _ => Unparsed::NoTube,
                })
            };
            (outcome, score.counted, score.values)
        }
        Err(error) => (Outcome::Crash(error), false, Values::zero(task)),
    }
}

fn strict_outcome(task: EvalTask, record: &Prediction) -> (Outcome, bool, Values) {
    let zero = Values::zero(task);
    let truth = match Truth::of(task, record) {
        Ok(truth) => truth,
        Err(error) => return (Outcome::Unreadable(truth_message(&error)), true, zero),
    };
    if let Some(why) = &record.error {
        return (Outcome::Failed(why.to_string()), true, zero);
    }
    match answer::read(task, record.text()).and_then(|answer| strict::score(task, &truth, &answer))
    {
        Ok(values) => (Outcome::Scored, true, values),
        Err(kind) => (Outcome::Unparsed(kind), true, zero),
    }
}

fn truth_message(error: &TruthError) -> String {
    format!("the line's truth: {error}")
}

fn named_choice(record: &Prediction) -> Option<NamedChoice> {
    if record.other_boxes.is_empty() {
        return None;
    }
    let Ok(Truth::Box(named)) = Truth::of(EvalTask::Rec, record) else {
        return None;
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "a picture has a handful of things in it"
    )]
    let chance = 1.0 / (record.other_boxes.len() + 1) as f64;
    let Some(predicted) = answer::read(EvalTask::Rec, record.text())
        .ok()
        .and_then(|answer| answer.bbox)
    else {
        return Some(NamedChoice {
            chosen: false,
            best_iou: 0.0,
            chance,
        });
    };
    let named = strict::box_iou(named, predicted);
    let other = record
        .other_boxes
        .iter()
        .map(|other| strict::box_iou(*other, predicted))
        .fold(0.0, f64::max);
    Some(NamedChoice {
        chosen: named > other,
        best_iou: named.max(other),
        chance,
    })
}

/// One metric's number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricScore {
    /// Its name.
    pub name: &'static str,
    /// The number: a mean in `[0, 1]`, or a percentage; absent when nothing was counted.
    pub value: Option<f64>,
    /// Whether it is a percentage.
    pub percent: bool,
    /// 95 % bootstrap interval over records.
    pub interval: Option<Interval>,
}

/// What the records of one file add up to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The task.
    pub task: EvalTask,
    /// The rules.
    pub protocol: Protocol,
    /// Records in the file or the benchmark, counted or not.
    pub records: usize,
    /// The denominator.
    pub counted: usize,
    /// Answers whose decoding allowed only well-formed coordinates: their scores are not those of the model alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub constrained: usize,
    /// How many records ended how: `scored`, a kind of unparsed answer, `failed`, `unreadable`, `missing`, `crash`.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// The numbers.
    pub metrics: Vec<MetricScore>,
    /// REC with other things in the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_choice: Option<NamedChoiceRate>,
}

/// How often the named thing was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NamedChoiceRate {
    /// Records with other things to choose from.
    pub records: usize,
    /// Share of them with the named thing chosen.
    pub chosen: f64,
    /// The share that choosing blindly among the things would have.
    pub chance: f64,
    /// Mean of the highest IoU with any thing.
    pub best_iou: f64,
    /// 95 % bootstrap interval of `chosen`.
    pub interval: Interval,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Table {
    /// Adds records up. Sums run in the records' order, as the original's do.
    #[must_use]
    pub fn of(
        protocol: Protocol,
        task: EvalTask,
        scores: &[RecordScore],
        bootstrap: Option<&Bootstrap>,
    ) -> Self {
        let counted: Vec<&Values> = scores
            .iter()
            .filter(|one| one.counted)
            .map(|one| &one.values)
            .collect();
        let definitions = metrics(protocol, task);
        let columns: Vec<Vec<f64>> = definitions
            .iter()
            .map(|metric| {
                counted
                    .iter()
                    .map(|values| metric.of(values).unwrap_or(0.0))
                    .collect()
            })
            .collect();
        let intervals = bootstrap
            .map(|bootstrap| bootstrap.means(&columns))
            .unwrap_or_default();
        let metrics = definitions
            .iter()
            .zip(&columns)
            .enumerate()
            .map(|(index, (metric, column))| MetricScore {
                name: metric.name,
                value: summarise(protocol, task, metric, column),
                percent: metric.is_percent(),
                interval: intervals
                    .get(index)
                    .map(|interval| interval.map(|mean| metric.finish(mean, 1.0))),
            })
            .collect();
        let mut outcomes = BTreeMap::new();
        for score in scores {
            *outcomes.entry(score.outcome.kind()).or_default() += 1;
        }
        let records = match protocol {
            Protocol::Strict => scores.len(),
            Protocol::Original => scores
                .iter()
                .filter(|one| !matches!(one.outcome, Outcome::Unreadable(_)))
                .count(),
        };
        let named_choice = NamedChoiceRate::of(scores, bootstrap);
        Self {
            task,
            protocol,
            records,
            counted: counted.len(),
            constrained: scores.iter().filter(|one| one.constrained).count(),
            outcomes,
            metrics,
            named_choice,
        }
    }

    /// The number of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)?
            .value
    }
}

/// In the original's own order of operations, so that the last digit agrees.
#[expect(
    clippy::cast_precision_loss,
    reason = "files have far fewer than 2^53 lines"
)]
fn summarise(
    protocol: Protocol,
    task: EvalTask,
    metric: &MetricDef,
    column: &[f64],
) -> Option<f64> {
    let sum: f64 = column.iter().sum();
    match (column.len(), protocol, task) {
        (0, Protocol::Original, EvalTask::Rec) => Some(0.0),
        (0, ..) => None,
        (records, Protocol::Original, EvalTask::Rec) => Some(metric.finish(sum, records as f64)),
        (records, Protocol::Original, _) if metric.is_percent() => {
            Some(sum / (records as f64 / 100.0))
        }
        (records, ..) => Some(metric.finish(sum, records as f64)),
    }
}

impl NamedChoiceRate {
    #[expect(
        clippy::cast_precision_loss,
        reason = "files have far fewer than 2^53 lines"
    )]
    fn of(scores: &[RecordScore], bootstrap: Option<&Bootstrap>) -> Option<Self> {
        let choices: Vec<NamedChoice> = scores.iter().filter_map(|one| one.named_choice).collect();
        if choices.is_empty() {
            return None;
        }
        let records = choices.len();
        let column: Vec<f64> = choices
            .iter()
            .map(|one| f64::from(u8::from(one.chosen)))
            .collect();
        let mean = |sum: f64| sum / records as f64;
        let chosen = mean(column.iter().sum());
        let interval = bootstrap
            .and_then(|bootstrap| bootstrap.means(&[column]).first().copied())
            .unwrap_or(Interval {
                low: chosen,
                high: chosen,
            });
        Some(Self {
            records,
            chosen,
            chance: mean(choices.iter().map(|one| one.chance).sum()),
            best_iou: mean(choices.iter().map(|one| one.best_iou).sum()),
            interval,
        })
    }
}

/// Adds a score of 0 for every record of the benchmark that has no line.
pub fn add_missing(task: EvalTask, scores: &mut Vec<RecordScore>, benchmark_records: usize) {
    for _ in scores.len()..benchmark_records {
        scores.push(RecordScore {
            line: 0,
            index: None,
            media: String::new(),
            outcome: Outcome::Missing,
            counted: true,
            values: Values::zero(task),
            named_choice: None,
            constrained: false,
        });
    }
}
