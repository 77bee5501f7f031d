//! Writing shards: clip by clip, resumable, always the same bytes.
//!
//! Finished clips wait in `work/SHARD/` until all clips of their shard are there; then they are joined in the plan's
//! order. Every file is renamed into place, so that whatever stops the program costs the clips in hand and no more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use st_schema::ClipId;

use crate::disk::{self, Pending};
use crate::manifest::{FORMAT, Manifest, ShardFile, shard_name};
use crate::payload::BLOCK;
use crate::plan::{VERSION, hex, sha256};
use crate::reader::read_manifest;
use crate::{ClipEntry, Payload, Settings, ShardError, ShardPlan, index};

/// A clip that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The clip's name.
    pub clip: ClipId,
    /// The media file, as the clip's key names it.
    pub media: String,
    /// First and last frame of the clip, inclusive; the whole file when absent.
    pub split: Option<[u64; 2]>,
    /// A short name of the reason, such as `truncated`.
    pub reason: String,
    /// The whole story, with FFmpeg's words.
    pub detail: String,
    /// Records that look at the clip.
    pub records: u64,
    /// The first of them: annotation file and record's id.
    pub first_record: String,
}

/// What became of a clip.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is stored.
    Stored(Payload),
    /// It is refused.
    Rejected(Reject),
}

/// What a finished folder holds, for reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The manifest as written.
    pub manifest: Manifest,
    /// The refused clips, in the plan's order.
    pub rejects: Vec<Reject>,
}

/// `work/plan.json`
#[derive(Serialize, Deserialize)]
struct PlanNote {
    version: u32,
    plan: String,
    settings: Settings,
    clips: usize,
}

/// `work/SHARD.json`: a shard that is done.
#[derive(Serialize, Deserialize)]
struct Part {
    file: ShardFile,
    entries: Vec<ClipEntry>,
    rejects: Vec<Reject>,
}

/// A folder of shards that is being written.
#[derive(Debug)]
pub struct ShardWriter {
    folder: PathBuf,
    plan: ShardPlan,
    digest: String,
    /// Positions of the clips that this process stored; what an earlier one left behind is checked when it is read.
    stored: Mutex<BTreeSet<usize>>,
}

impl ShardWriter {
    /// Opens `folder` for `plan`, new or where an earlier run was stopped.
    ///
    /// # Errors
    /// When the folder belongs to another plan or cannot be written.
    pub fn open(folder: &Path, plan: ShardPlan) -> Result<Self, ShardError> {
        let digest = plan.digest();
        let writer = Self {
            folder: folder.to_owned(),
            plan,
            digest,
            stored: Mutex::default(),
        };
        if let Some(found) = writer.found_digest()? {
            if found != writer.digest {
                let (path, wanted) = (folder.to_owned(), writer.digest);
                return Err(ShardError::OtherPlan {
                    path,
                    found,
                    wanted,
                });
            }
            return Ok(writer);
        }
        let work = writer.work();
        fs_err::create_dir_all(&work).map_err(|error| ShardError::at(&work, error))?;
        let note = PlanNote {
            version: VERSION,
            plan: writer.digest.clone(),
            settings: writer.plan.settings.clone(),
            clips: writer.plan.clips.len(),
        };
        disk::write_json(&work.join("plan.json"), &note, false)?;
        Ok(writer)
    }

    fn found_digest(&self) -> Result<Option<String>, ShardError> {
        if self.folder.join("manifest.json").exists() {
            return Ok(Some(read_manifest(&self.folder)?.plan));
        }
        let note = self.work().join("plan.json");
        if note.exists() {
            Ok(Some(disk::read_json::<PlanNote>(&note)?.plan))
        } else {
            Ok(None)
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &ShardPlan {
        &self.plan
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.folder.join("manifest.json").exists()
    }

    /// Whether shard `shard` is done.
    #[must_use]
    pub fn is_done(&self, shard: usize) -> bool {
        self.is_finished()
            || (self.part(shard).exists() && self.folder.join(shard_name(shard)).exists())
    }

    /// The clips of shard `shard` that are still to be made, as positions in the plan.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pending(&self, shard: usize) -> Result<Vec<usize>, ShardError> {
        if self.is_done(shard) {
            return Ok(Vec::new());
        }
        let there: BTreeSet<String> = match fs_err::read_dir(self.shard_work(shard)) {
            Ok(entries) => entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<std::io::Result<_>>()?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(error.into()),
        };
        let is_there = |clip: &ClipId| {
            there.contains(&format!("{clip}.clip")) || there.contains(&format!("{clip}.reject"))
        };
        Ok(self
            .plan
            .clips_of(shard)
            .filter(|at| !is_there(&self.plan.clips[*at]))
            .collect())
    }

    /// Keeps the outcome of clip `position` of the plan.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written.
    ///
    /// # Panics
    /// When the plan has no such clip.
    pub fn store(&self, position: usize, outcome: &Outcome) -> Result<(), ShardError> {
        let shard = self.shard_of(position);
        let clip = &self.plan.clips[position];
        let folder = self.shard_work(shard);
        fs_err::create_dir_all(&folder).map_err(|error| ShardError::at(&folder, error))?;
        match outcome {
            Outcome::Stored(payload) => {
                let path = folder.join(format!("{clip}.clip"));
                let json = serde_json::to_vec(&payload.entry);
                let json = json.map_err(|source| ShardError::Json {
                    path: path.clone(),
                    source,
                })?;
                let mut file = Pending::create(&path)?;
                file.write(&(json.len() as u64).to_le_bytes())?;
                file.write(&json)?;
                file.write(&payload.bytes)?;
                file.commit(false)?;
                self.stored().insert(position);
                Ok(())
            }
            Outcome::Rejected(reject) => {
                disk::write_json(&folder.join(format!("{clip}.reject")), reject, false)
            }
        }
    }

    /// The shard of clip `position`.
    #[must_use]
    pub fn shard_of(&self, position: usize) -> usize {
        position / (self.plan.settings.clips_per_shard as usize).max(1)
    }

    /// Joins the clips of shard `shard`, all of which must be there.
    ///
    /// # Errors
    /// When a clip is missing or damaged (it is then made again by the next run), or the disk is full.
    pub fn close_shard(&self, shard: usize) -> Result<(), ShardError> {
        if self.is_done(shard) {
            return Ok(());
        }
        let path = self.folder.join(shard_name(shard));
        let mut file = Pending::create(&path)?;
        let (mut entries, mut rejects) = (Vec::new(), Vec::new());
        let (mut hash, mut offset) = (Sha256::new(), 0);
        for position in self.plan.clips_of(shard) {
            match self.load(shard, position)? {
                Found::Stored(mut entry, bytes, start) => {
                    entry.shard = u32::try_from(shard).unwrap_or(u32::MAX);
                    entry.offset = offset;
                    offset += entry.length;
                    hash.update(&bytes[start..]);
                    file.write(&bytes[start..])?;
                    entries.push(entry);
                }
                Found::Rejected(reject) => rejects.push(reject),
            }
        }
        // A tar file ends with two empty blocks.
        let end = [0; 2 * BLOCK];
        hash.update(end);
        file.write(&end)?;
        file.commit(true)?;
        let file = ShardFile {
            name: shard_name(shard),
            bytes: offset + end.len() as u64,
            sha256: hex(&hash.finalize()),
            clips: entries.len() as u64,
        };
        disk::write_json(
            &self.part(shard),
            &Part {
                file,
                entries,
                rejects,
            },
            true,
        )?;
        remove_folder(&self.shard_work(shard))
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, BTreeSet<usize>> {
        // A set of numbers is whole after any panic.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, shard: usize, position: usize) -> Result<Found, ShardError> {
        let clip = &self.plan.clips[position];
        let folder = self.shard_work(shard);
        let refused = folder.join(format!("{clip}.reject"));
        if refused.exists() {
            return Ok(Found::Rejected(disk::read_json(&refused)?));
        }
        let path = folder.join(format!("{clip}.clip"));
        let is_known = self.stored().contains(&position);
        let loaded = parse_clip(&path, fs_err::read(&path)?, is_known);
        if loaded.is_err() {
            // Written before a power cut, say: the next run makes it again.
            fs_err::remove_file(&path)?;
        }
        loaded
    }

    /// Writes rejects, index and manifest, when all shards are done; or gives what was written before.
    ///
    /// # Errors
    /// When shards are missing (other tasks may still be at work), or the disk is full.
    pub fn finish(&self) -> Result<Summary, ShardError> {
        let rejects_path = self.folder.join("rejects.jsonl");
        if self.is_finished() {
            let lines = fs_err::read_to_string(&rejects_path)?;
            let rejects = lines
                .lines()
                .map(serde_json::from_str)
                .collect::<Result<_, _>>();
            let rejects = rejects.map_err(|source| ShardError::Json {
                path: rejects_path,
                source,
            })?;
            self.clean()?;
            return Ok(Summary {
                manifest: read_manifest(&self.folder)?,
                rejects,
            });
        }
        let missing: Vec<usize> = (0..self.plan.shards())
            .filter(|shard| !self.is_done(*shard))
            .collect();
        if let Some(first) = missing.first() {
            let (path, total) = (self.folder.clone(), self.plan.shards());
            return Err(ShardError::Missing {
                path,
                missing: missing.len(),
                total,
                first: *first,
            });
        }
        let (mut shards, mut entries, mut rejects) = (Vec::new(), Vec::new(), Vec::new());
        for shard in 0..self.plan.shards() {
            let part: Part = disk::read_json(&self.part(shard))?;
            let path = self.folder.join(&part.file.name);
            let found = fs_err::metadata(&path)?.len();
            if found != part.file.bytes {
                return Err(ShardError::Length {
                    path,
                    expected: part.file.bytes,
                    found,
                });
            }
            shards.push(part.file);
            entries.extend(part.entries);
            rejects.extend(part.rejects);
        }
        let mut lines = Vec::new();
        for reject in &rejects {
            let line = serde_json::to_vec(reject);
            lines.extend(line.map_err(|source| ShardError::Json {
                path: rejects_path.clone(),
                source,
            })?);
            lines.push(b'\n');
        }
        disk::write_file(&rejects_path, &lines, true)?;
        let index_path = self.folder.join("index.parquet");
        let index = index::write(&index_path, &entries)?;
        disk::write_file(&index_path, &index, true)?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            plan: self.digest.clone(),
            settings: self.plan.settings.clone(),
            clips: entries.len() as u64,
            rejected: rejects.len() as u64,
            frames: entries.iter().map(|entry| u64::from(entry.frames)).sum(),
            index_sha256: sha256(&index),
            shards,
        };
        disk::write_json(&self.folder.join("manifest.json"), &manifest, true)?;
        self.clean()?;
        Ok(Summary { manifest, rejects })
    }

    /// Removes what only an unfinished folder needs.
    fn clean(&self) -> Result<(), ShardError> {
        remove_folder(&self.work())?;
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "tmp")
            {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn shard_work(&self, shard: usize) -> PathBuf {
        self.work().join(format!("{shard:06}"))
    }

    fn part(&self, shard: usize) -> PathBuf {
        self.work().join(format!("{shard:06}.json"))
    }
}

/// A clip that waits in `work/`.
enum Found {
    /// Index row, the file's bytes, and where in them the tar members begin.
    Stored(ClipEntry, Vec<u8>, usize),
    Rejected(Reject),
}

fn parse_clip(path: &Path, bytes: Vec<u8>, is_known: bool) -> Result<Found, ShardError> {
    let clip = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let malformed = |reason: &str| ShardError::Malformed {
        path: path.to_owned(),
        clip: clip.clone(),
        reason: format!("{reason}; run the same command again"),
    };
    let length = bytes
        .first_chunk::<8>()
        .map(|length| u64::from_le_bytes(*length));
    let json = length.and_then(|length| usize::try_from(length).ok()?.checked_add(8));
    let json = json
        .filter(|end| *end <= bytes.len())
        .ok_or_else(|| malformed("it is cut off"))?;
    let entry: ClipEntry =
        serde_json::from_slice(&bytes[8..json]).map_err(|_| malformed("it is damaged"))?;
    let content = &bytes[json..];
    if content.len() as u64 != entry.length || !(is_known || sha256(content) == entry.sha256) {
        return Err(malformed("its checksum differs"));
    }
    Ok(Found::Stored(entry, bytes, json))
}

fn remove_folder(path: &Path) -> Result<(), ShardError> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
