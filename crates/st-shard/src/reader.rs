//! Reading shards by memory map.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use rayon::prelude::*;
use st_schema::{ClipId, Frames};

use crate::manifest::{FORMAT, Manifest};
use crate::plan::{VERSION, sha256};
use crate::{ClipEntry, ClipFacts, ShardError, disk, index, jpeg, layout, payload};

/// Pixels that a byte of a JPEG can stand for at most: four times what this format's Huffman tables allow.
const MOST_PIXELS_A_BYTE: u64 = 256;

/// A finished folder of shards, open for reading. Can be shared between threads.
///
/// ```no_run
/// use std::path::Path;
/// let shards = st_shard::ShardReader::open(Path::new("data/shards/stage1"))?;
/// let frames = shards.frames(0)?;
/// println!("{} frames of {}x{}", frames.count, frames.width, frames.height);
/// # Ok::<(), st_shard::ShardError>(())
/// ```
#[derive(Debug)]
pub struct ShardReader {
    folder: PathBuf,
    manifest: Manifest,
    entries: Vec<ClipEntry>,
    positions: HashMap<ClipId, usize>,
    maps: Vec<Mmap>,
}

impl ShardReader {
    /// Opens `folder`: reads manifest and index and maps the shards.
    ///
    /// # Errors
    /// When the folder is not finished, of another version, or its files do not fit the manifest in number and length.
    pub fn open(folder: &Path) -> Result<Self, ShardError> {
        let manifest = read_manifest(folder)?;
        let path = folder.join("index.parquet");
        let bytes = fs_err::read(&path)?;
        let computed = sha256(&bytes);
        if computed != manifest.index_sha256 {
            let reason = format!(
                "its SHA-256 is {computed}, the manifest says {}",
                manifest.index_sha256
            );
            return Err(ShardError::Index { path, reason });
        }
        let entries = index::read(&path, bytes)?;
        let maps = manifest
            .shards
            .iter()
            .map(|shard| map(&folder.join(&shard.name), shard.bytes));
        let maps: Vec<Mmap> = maps.collect::<Result<_, _>>()?;
        layout::check(&manifest, &entries).map_err(|reason| ShardError::Index { path, reason })?;
        let positions = entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (entry.clip.clone(), at))
            .collect();
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
            entries,
            positions,
            maps,
        })
    }

    /// What the folder holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All clips; a clip's position in this list is its number.
    #[must_use]
    pub fn entries(&self) -> &[ClipEntry] {
        &self.entries
    }

    /// Number of clips.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no clips.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of a clip.
    #[must_use]
    pub fn find(&self, clip: &ClipId) -> Option<usize> {
        self.positions.get(clip).copied()
    }

    /// The frames of clip `number`, `[frames, height, width, 3]`, decoded on rayon's current pool.
    ///
    /// # Errors
    /// When the clip's bytes are not what the format says.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn frames(&self, number: usize) -> Result<Frames, ShardError> {
        let mut frames = Frames {
            count: 0,
            height: 0,
            width: 0,
            rgb: Vec::new(),
        };
        self.frames_into(number, &mut frames)?;
        Ok(frames)
    }

    /// As [`ShardReader::frames`], into a buffer that is used again: 100 frames are 44 MB, and fresh memory for them
    /// costs a good part of the decoding.
    ///
    /// # Errors
    /// When the clip's bytes are not what the format says; `frames` then holds nothing of use.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn frames_into(&self, number: usize, frames: &mut Frames) -> Result<(), ShardError> {
        let entry = &self.entries[number];
        let (width, height) = (entry.width as usize, entry.height as usize);
        let jpegs = self.jpegs(number)?;
        let size = 3 * width * height;
        frames.rgb.resize(jpegs.len() * size, 0);
        (frames.count, frames.height, frames.width) = (jpegs.len(), height, width);
        let rgb = &mut frames.rgb;
        // Repeats of a short clip lie as equal bytes one after the other: decode the first of them, copy the rest.
        let repeats: Vec<bool> = (0..jpegs.len())
            .map(|at| at > 0 && jpegs[at] == jpegs[at - 1])
            .collect();
        rgb.par_chunks_exact_mut(size)
            .zip(&jpegs)
            .zip(&repeats)
            .filter(|(_, repeat)| !**repeat)
            .try_for_each(|((frame, jpeg), _)| jpeg::decode(jpeg, width, height, frame))
            .map_err(|error| self.malformed(entry, error.to_string()))?;
        for at in (1..jpegs.len()).filter(|at| repeats[*at]) {
            rgb.copy_within((at - 1) * size..at * size, at * size);
        }
        Ok(())
    }

    /// The JPEGs of clip `number`, in order.
    ///
    /// # Errors
    /// When the clip's bytes are not what the format says.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn jpegs(&self, number: usize) -> Result<Vec<&[u8]>, ShardError> {
        let entry = &self.entries[number];
        let members =
            payload::members(self.bytes(number)).map_err(|reason| self.malformed(entry, reason))?;
        let jpegs: Vec<&[u8]> = members
            .into_iter()
            .filter(|(name, _)| has_extension(name, "jpg"))
            .map(|(_, bytes)| bytes)
            .collect();
        // No memory is taken for a picture whose few bytes cannot hold it: 16x16 pixels take four bytes.
        let least = u64::from(entry.width) * u64::from(entry.height) / MOST_PIXELS_A_BYTE;
        if let Some(short) = jpegs.iter().position(|jpeg| (jpeg.len() as u64) < least) {
            let reason = format!(
                "frame {short} has {} bytes, too few for {}x{}",
                jpegs[short].len(),
                entry.width,
                entry.height
            );
            return Err(self.malformed(entry, reason));
        }
        if jpegs.len() != entry.frames as usize {
            let reason = format!(
                "{} frames are there, the index says {}",
                jpegs.len(),
                entry.frames
            );
            return Err(self.malformed(entry, reason));
        }
        Ok(jpegs)
    }

    /// What the clip's `.json` member says.
    ///
    /// # Errors
    /// When the member is missing or malformed.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn facts(&self, number: usize) -> Result<ClipFacts, ShardError> {
        let entry = &self.entries[number];
        let members =
            payload::members(self.bytes(number)).map_err(|reason| self.malformed(entry, reason))?;
        let json = members
            .into_iter()
            .find(|(name, _)| has_extension(name, "json"));
        let (_, json) =
            json.ok_or_else(|| self.malformed(entry, "its .json is missing".to_owned()))?;
        serde_json::from_slice(json).map_err(|error| self.malformed(entry, error.to_string()))
    }

    /// Compares the clip's bytes with the checksum in the index.
    ///
    /// # Errors
    /// When they differ.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn verify(&self, number: usize) -> Result<(), ShardError> {
        let entry = &self.entries[number];
        let computed = sha256(self.bytes(number));
        if computed == entry.sha256 {
            return Ok(());
        }
        let (path, clip) = (self.shard_path(entry), entry.clip.to_string());
        Err(ShardError::Checksum {
            path,
            clip,
            expected: entry.sha256.clone(),
            computed,
        })
    }

    pub(crate) fn shard_bytes(&self, shard: usize) -> &[u8] {
        &self.maps[shard]
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "open checked that the range lies in the mapped file"
    )]
    fn bytes(&self, number: usize) -> &[u8] {
        let entry = &self.entries[number];
        &self.maps[entry.shard as usize]
            [entry.offset as usize..(entry.offset + entry.length) as usize]
    }

    fn shard_path(&self, entry: &ClipEntry) -> PathBuf {
        self.folder
            .join(crate::manifest::shard_name(entry.shard as usize))
    }

    fn malformed(&self, entry: &ClipEntry, reason: String) -> ShardError {
        ShardError::Malformed {
            path: self.shard_path(entry),
            clip: entry.clip.to_string(),
            reason,
        }
    }
}

pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest, ShardError> {
    let path = folder.join("manifest.json");
    if !path.exists() {
        return Err(ShardError::Unfinished {
            path: folder.to_owned(),
        });
    }
    let manifest: Manifest = disk::read_json(&path)?;
    if manifest.format != FORMAT {
        let reason = format!("its format is `{}`, not `{FORMAT}`", manifest.format);
        return Err(ShardError::Index { path, reason });
    }
    if manifest.version != VERSION {
        return Err(ShardError::Version {
            path,
            found: manifest.version,
            known: VERSION,
        });
    }
    layout::names(&manifest).map_err(|reason| ShardError::Index { path, reason })?;
    Ok(manifest)
}

fn map(path: &Path, expected: u64) -> Result<Mmap, ShardError> {
    let file = fs_err::File::open(path)?;
    let found = file.metadata()?.len();
    if found != expected {
        return Err(ShardError::Length {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    #[expect(
        unsafe_code,
        reason = "memory maps are the point; finished shards are never written again"
    )]
    // SAFETY: shards are renamed into place and not changed afterwards. Whoever changes one under a running reader gets
    // wrong pictures or a bus error; checksums are there to tell.
    let map = unsafe { Mmap::map(file.file()) }?;
    Ok(map)
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}
