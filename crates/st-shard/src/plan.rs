//! Which clips go where.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use st_schema::ClipId;

/// Version of the format that this program writes and reads.
pub(crate) const VERSION: u32 = 1;

/// What, apart from the clips, decides the bytes of a shard folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Frames taken from a video clip.
    pub frames: u32,
    /// Stored width in pixels.
    pub width: u32,
    /// Stored height in pixels.
    pub height: u32,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// What happens to clips with missing frames: `reject` or `keep`.
    pub truncated: String,
    /// Planned clips in each shard (refused ones leave it smaller).
    pub clips_per_shard: u32,
}

impl Default for Settings {
    /// The reference's 100 frames of 384x384, JPEG quality 95, 64 clips a shard (200 to 300 MB).
    fn default() -> Self {
        Self {
            frames: 100,
            width: 384,
            height: 384,
            quality: 95,
            truncated: "reject".to_owned(),
            clips_per_shard: 64,
        }
    }
}

/// The clips of a shard folder, in order, and the settings. Clip `i` belongs to shard `i / clips_per_shard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlan {
    /// Distinct clips, in order.
    pub clips: Vec<ClipId>,
    /// Everything else that decides the bytes.
    pub settings: Settings,
}

impl ShardPlan {
    /// SHA-256, in hexadecimal, of version, settings and clips: two plans with the same digest give the same bytes.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let Settings {
            frames,
            width,
            height,
            quality,
            truncated,
            clips_per_shard,
        } = &self.settings;
        hash.update(format!(
            "llava-st shards {VERSION}\n{frames} {width} {height} {quality} {truncated} {clips_per_shard}\n"
        ));
        for clip in &self.clips {
            hash.update(clip.as_str());
            hash.update("\n");
        }
        hex(&hash.finalize())
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.clips.len().div_ceil(self.per_shard())
    }

    /// The positions in `clips` that shard `shard` holds.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn clips_of(&self, shard: usize) -> std::ops::Range<usize> {
        assert!(shard < self.shards(), "shard {shard} of {}", self.shards());
        let start = shard * self.per_shard();
        start..(start + self.per_shard()).min(self.clips.len())
    }

    fn per_shard(&self) -> usize {
        (self.settings.clips_per_shard as usize).max(1)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
