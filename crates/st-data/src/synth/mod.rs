//! Synthetic ST-Align: short videos and images of coloured shapes, with exact truth, in the released format.
//!
//! A scene is drawn from a seed and a stream number of its own; training, validation and benchmark use different streams
//! and never share one. Boxes come from the geometry, not from pixels. See `docs/synth.md`.

mod benchmark;
mod constant;
mod conversation;
mod dice;
mod error;
mod options;
mod questions;
mod render;
mod scene;
mod shape;
mod write;

pub use constant::{ConstantSpan, best_constant_span};
pub use error::SynthError;
pub use options::{SynthOptions, TaskShares};
pub use write::{Observer, SynthSummary, synthesize};

/// `source` of every synthetic record.
pub const SOURCE: &str = "synth";

/// What a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// One picture.
    Image,
    /// Frames over time.
    Video,
}
