//! What a video file says about itself, checked against its packets.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Limits, MediaError, Orientation, Video};

/// Facts about the video stream of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Displayed width in pixels (after turning).
    pub width: u32,
    /// Displayed height in pixels (after turning).
    pub height: u32,
    /// How stored pictures are turned for display.
    pub orientation: Orientation,
    /// Frames that are there.
    pub frames: u64,
    /// Average frames per second as the container tells it; 0 when it does not.
    pub fps: f64,
    /// Seconds from the first frame to the last.
    pub duration: f64,
    /// Set when the file ends before the container says so.
    pub truncation: Option<Truncation>,
}

/// A file that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncation {
    /// Frames that the container declares.
    pub declared: u64,
    /// FFmpeg's reason.
    pub reason: String,
}

impl Probe {
    /// Frames that the container declares: those that are there, unless the file was cut off.
    #[must_use]
    pub fn declared_frames(&self) -> u64 {
        self.truncation
            .as_ref()
            .map_or(self.frames, |cut| cut.declared.max(self.frames))
    }
}

/// Reads the facts of the video stream of `path`. All packets are read, so that the frame count is exact.
///
/// # Errors
/// When the file cannot be read, has no video stream or exceeds the default [`Limits`].
pub fn probe(path: &Path) -> Result<Probe, MediaError> {
    Ok(Video::open(path, &Limits::default())?.probe().clone())
}
