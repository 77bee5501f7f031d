//! One row of the index.

use serde::{Deserialize, Serialize};
use st_schema::ClipId;

/// Whether a clip is an image or (part of) a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipKind {
    /// A single image: a clip of one frame.
    Image,
    /// A video or a part of one.
    Video,
}

impl ClipKind {
    /// The word in the index.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

/// Where a clip lies and what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipEntry {
    /// The clip's name.
    pub clip: ClipId,
    /// Number of the shard: `000012.tar` is 12.
    pub shard: u32,
    /// First byte of the clip in the shard.
    pub offset: u64,
    /// Bytes of the clip in the shard, headers and padding included.
    pub length: u64,
    /// Frames stored, repeats included.
    pub frames: u32,
    /// Places of the plan that could not be filled.
    pub missing: u32,
    /// Stored width in pixels.
    pub width: u32,
    /// Stored height in pixels.
    pub height: u32,
    /// Displayed width of the original in pixels.
    pub source_width: u32,
    /// Displayed height of the original in pixels.
    pub source_height: u32,
    /// Average frames per second of the original; 0 for an image or when unknown.
    pub fps: f64,
    /// Frames of the original file.
    pub source_frames: u64,
    /// Image or video.
    pub kind: ClipKind,
    /// The media file, as the clip's key names it.
    pub media: String,
    /// First and last frame of the clip in the file, inclusive; the whole file when absent.
    pub split: Option<[u64; 2]>,
    /// SHA-256 of the clip's bytes in the shard, in hexadecimal.
    pub sha256: String,
}
