//! Values of the LLaVA-ST coordinate format: records, spans, boxes, tubes, frame plans, text.
//!
//! Everything here is a value or a pure function: nothing opens a file, reads a clock or draws a random number without a
//! seed argument. The format itself is described in `docs/coordinates.md`.
//!
//! ```
//! use st_schema::{Axis, Media, Record, Side};
//!
//! let json = r#"{"id":"a_0","type":"tvg","video":"a.mp4","conversations":[
//!   {"from":"human","value":"<video>\nWhen does the child jump?"},
//!   {"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>}"}],
//!   "variables":{"temporal_output_locations":[0.087,0.581]}}"#;
//! let record: Record = serde_json::from_str(json)?;
//! assert_eq!(record.media, Media::Video("a.mp4".into()));
//! assert_eq!(record.variables.get(Axis::Temporal, Side::Output), &[0.087, 0.581]);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod axis;
mod bbox;
mod clip;
mod coordinate;
mod dataset;
mod frames;
mod layout;
mod meta;
mod plan;
mod record;
mod scan;
mod severity;
mod span;
mod task;
mod tube;
mod turn;
mod variables;

pub mod answer;
pub mod benchmark;
pub mod compat;
pub mod text;
pub mod units;

pub use axis::{Axis, Side};
pub use bbox::{BBox, BBoxError};
pub use clip::{ClipId, ClipKey};
pub use coordinate::{
    Bin, BinPosition, CoordinateError, Fraction, FrameIndex, Pixels, Seconds, round3,
};
pub use dataset::{
    Amount, DatasetEntry, DatasetError, DatasetFile, SamplingError, SamplingStrategy,
};
pub use frames::{Frames, FramesError};
pub use meta::Meta;
pub use plan::{FramePlan, round_half_even};
pub use record::{Id, Media, Record};
pub use severity::Severity;
pub use span::{Span, SpanError};
pub use task::{Task, UnknownTask};
pub use tube::{TimedBox, Tube, TubeError};
pub use turn::{Role, Turn};
pub use variables::Variables;
