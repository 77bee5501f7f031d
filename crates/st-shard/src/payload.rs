//! The bytes of one clip in a shard: a run of tar members.

use serde::{Deserialize, Serialize};
use st_schema::ClipId;

use crate::plan::sha256;
use crate::{ClipEntry, ClipKind, ShardError};

/// Tar's unit.
pub(crate) const BLOCK: usize = 512;

/// What a clip's `.json` member says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipFacts {
    /// The clip's name.
    pub clip: ClipId,
    /// Image or video.
    pub kind: ClipKind,
    /// The media file, as the clip's key names it.
    pub media: String,
    /// First and last frame of the clip in the file, inclusive; the whole file when absent.
    pub split: Option<[u64; 2]>,
    /// Displayed width of the original in pixels.
    pub source_width: u32,
    /// Displayed height of the original in pixels.
    pub source_height: u32,
    /// Average frames per second of the original; 0 for an image or when unknown.
    pub fps: f64,
    /// Frames of the original file.
    pub source_frames: u64,
    /// For each stored frame its place in the plan, rising; the number in its member's name.
    pub places: Vec<u32>,
    /// For each stored frame its number in the file.
    pub indices: Vec<u64>,
    /// For each stored frame its presentation time in seconds.
    pub seconds: Vec<f64>,
    /// Places of the plan that could not be filled.
    pub missing: u32,
}

/// A clip ready for a shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The index row; shard number and offset are set when the shard is put together.
    pub entry: ClipEntry,
    /// The tar members.
    pub bytes: Vec<u8>,
}

impl Payload {
    /// Puts a clip together. `shown[i]` is the picture of `jpegs` that stored frame `i` shows, so that repeats are
    /// encoded once; all have `size` (width, height).
    ///
    /// # Errors
    /// When the facts do not fit each other.
    pub fn new(
        facts: &ClipFacts,
        jpegs: &[Vec<u8>],
        shown: &[usize],
        size: (u32, u32),
    ) -> Result<Self, ShardError> {
        let clip = facts.clip.as_str();
        let lists = [facts.places.len(), facts.indices.len(), facts.seconds.len()];
        if lists != [shown.len(); 3] || shown.iter().any(|at| *at >= jpegs.len()) {
            return Err(ShardError::Jpeg(format!(
                "clip {clip}: its lists do not fit each other"
            )));
        }
        let (width, height) = size;
        let count = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        let json =
            serde_json::to_vec(facts).map_err(|error| ShardError::Jpeg(error.to_string()))?;
        let total: usize = shown.iter().map(|at| jpegs[*at].len() + 2 * BLOCK).sum();
        let mut bytes = Vec::with_capacity(total + json.len() + 2 * BLOCK);
        append(&mut bytes, &format!("{clip}.json"), &json)?;
        for (place, at) in facts.places.iter().zip(shown) {
            append(&mut bytes, &format!("{clip}.{place:03}.jpg"), &jpegs[*at])?;
        }
        let entry = ClipEntry {
            clip: facts.clip.clone(),
            shard: 0,
            offset: 0,
            length: bytes.len() as u64,
            frames: count,
            missing: facts.missing,
            width,
            height,
            source_width: facts.source_width,
            source_height: facts.source_height,
            fps: facts.fps,
            source_frames: facts.source_frames,
            kind: facts.kind,
            media: facts.media.clone(),
            split: facts.split,
            sha256: sha256(&bytes),
        };
        Ok(Self { entry, bytes })
    }
}

fn append(bytes: &mut Vec<u8>, name: &str, content: &[u8]) -> Result<(), ShardError> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

/// Splits the bytes of a clip into members: (name, content). Trusts nothing.
pub(crate) fn members(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut members = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let header = bytes
            .get(at..at + BLOCK)
            .ok_or("a member's header is cut off")?;
        let header = tar::Header::from_byte_slice(header);
        let sum: u32 = checksum(header.as_bytes());
        if header.cksum().ok() != Some(sum) {
            return Err(format!("the member header at byte {at} is damaged"));
        }
        let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        let size = header
            .entry_size()
            .ok()
            .and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| format!("{name} has no valid size"))?;
        let start = at + BLOCK;
        let end = start.checked_add(size).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| format!("{name} reaches beyond the clip"))?;
        members.push((name, &bytes[start..end]));
        at = end.next_multiple_of(BLOCK);
    }
    Ok(members)
}

/// Tar's checksum: the sum of the header's bytes with its own field taken as spaces.
fn checksum(header: &[u8; BLOCK]) -> u32 {
    let field = 148..156;
    let sum: u32 = header
        .iter()
        .enumerate()
        .filter(|(at, _)| !field.contains(at))
        .map(|(_, b)| u32::from(*b))
        .sum();
    sum + 8 * u32::from(b' ')
}
