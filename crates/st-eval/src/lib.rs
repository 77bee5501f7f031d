//! Scores grounding answers: metrics, benchmark protocols, baselines, reports.
//!
//! A score needs the result file only, no model: [`score_file`] and [`Table::of`], or
//! [`score::read_lines`] and [`score::score_lines`] where the lines are wanted too.
//! Two protocols are kept apart. [`Protocol::Original`] reproduces the numbers of the released Python scorer with its
//! quirks, so that published tables can be compared; [`Protocol::Strict`] counts every record and uses one threshold
//! rule. The price is two pieces of arithmetic for each task; `docs/evaluation.md` lists where they differ.
//!
//! ```
//! use st_eval::{EvalTask, Protocol, Table, score};
//!
//! let file = r#"{"gt": [0.0, 0.5], "outputs": "{<TEMP-000><TEMP-099>}", "converted_outputs": "{0.00000,1.00000}"}"#;
//! let lines = score::read_lines(file);
//! let scores = score::score_lines(Protocol::Strict, EvalTask::Tvg, &lines);
//! let table = Table::of(Protocol::Strict, EvalTask::Tvg, &scores, None);
//! assert_eq!(table.value("mtiou"), Some(0.5));
//! ```

mod bootstrap;
mod prediction;
mod task;

pub mod answer;
pub mod baseline;
pub mod benchmark;
pub mod captions;
pub mod original;
pub mod report;
pub mod result_line;
pub mod score;
mod score_file;
pub mod strict;
mod tube_line;

pub use bootstrap::{Bootstrap, Interval, PairedDifference};
pub use prediction::{InputNumbers, Prediction, Text, TruthBoxes, VideoTruth};
pub use score::{Measure, MetricScore, Outcome, Protocol, RecordScore, Table, Unparsed, Values};
pub use score_file::score_file;
pub use task::{EvalTask, UnknownEvalTask};
