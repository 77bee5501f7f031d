//! The training set: records joined with the shards that hold their frames.
//!
//! Annotation files stay in memory as text; a record is parsed when its turn comes. What the order needs (task and clip) is read
//! once at the start, and so is whether each record can be used at all: a record without frames is counted and named, never
//! replaced by another.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};
use st_schema::{ClipId, ClipKey, DatasetFile, Frames, Media, Record, Task};
use st_shard::ShardReader;

use crate::order::{Catalog, Entry};

/// Where files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The data root (`--root`).
    pub data: PathBuf,
    /// The folder of runs.
    pub runs: PathBuf,
}

impl Roots {
    /// A path of a recipe: as it stands (from the current folder), else below the data root.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        let below = self.data.join(path);
        [path.to_owned(), below].into_iter().find(|p| p.exists())
    }

    /// The shard folder of a dataset file where the recipe names none: `<root>/shards/<name>`.
    #[must_use]
    pub fn shards_of(&self, dataset: &Path) -> PathBuf {
        self.data
            .join("shards")
            .join(dataset.file_stem().unwrap_or_default())
    }
}

/// A training set that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file of the recipe is not there.
    #[error("{key}: {} is neither here nor below the data root {}; {remedy}", path.display(), root.display())]
    Missing {
        /// The recipe's key.
        key: String,
        /// What was looked for.
        path: PathBuf,
        /// The data root.
        root: PathBuf,
        /// What makes it.
        remedy: String,
    },
    /// A dataset file is not one.
    #[error("{}: {reason}", path.display())]
    Dataset {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An annotation file has a fault.
    #[error("{}: record {index} at byte {byte}: {reason}; `stdata validate` lists all faults", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The record, from 0.
        index: usize,
        /// Where it starts.
        byte: usize,
        /// What is wrong.
        reason: String,
    },
    /// Shards cannot be read.
    #[error("{}: {reason}; `stdata verify` checks shards, `stdata shard` makes them", path.display())]
    Shards {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Too many records are unusable.
    #[error(
        "{rejected} of {read} records are unusable ({reasons}), above data.max_rejects {limit}; first: {first}; \
         make the missing shards with `stdata shard`"
    )]
    TooManyRejects {
        /// Records left out.
        rejected: usize,
        /// Records read.
        read: usize,
        /// Counts per reason.
        reasons: String,
        /// The recipe's limit, a share.
        limit: f64,
        /// The first such record.
        first: String,
    },
}

/// A record that was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reject {
    /// Annotation file.
    pub file: PathBuf,
    /// The record, from 0.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    text: Vec<u8>,
    name: Option<String>,
}

#[derive(Debug, Clone)]
struct Place {
    source: usize,
    index: usize,
    range: Range<usize>,
}

#[derive(Debug, Clone)]
struct ClipPlace {
    id: ClipId,
    shards: usize,
    number: usize,
}

/// Records with their frames.
#[derive(Debug)]
pub struct Dataset {
    sources: Vec<Source>,
    places: Vec<Place>,
    clips: Vec<ClipPlace>,
    shards: Vec<ShardReader>,
    folders: Vec<PathBuf>,
    catalog: Catalog,
    rejects: Vec<Reject>,
    read: usize,
}

impl Dataset {
    /// Opens the dataset files of a recipe and the shards of each.
    ///
    /// `seed` decides what `random:N` takes; `limit` keeps the first records of each task only (0 is no limit).
    ///
    /// # Errors
    /// The first file that is missing or faulty, or more unusable records than `max_rejects` (a share) allows.
    pub fn open(
        key: &str,
        records: &[PathBuf],
        shards: &[PathBuf],
        roots: &Roots,
        seed: u64,
        max_rejects: f64,
    ) -> Result<Self, DataError> {
        let mut builder = Builder::default();
        for (i, file) in records.iter().enumerate() {
            let path = find(
                roots,
                &format!("{key}.records[{i}]"),
                file,
                "`stdata synth` or `stdata fetch` makes it",
            )?;
            let folder = match shards.get(i) {
                Some(folder) => folder.clone(),
                None => roots.shards_of(&path),
            };
            let remedy = format!(
                "make it with `stdata shard {} --out {}`",
                path.display(),
                folder.display()
            );
            let folder = find(roots, &format!("{key}.shards[{i}]"), &folder, &remedy)?;
            let reader = ShardReader::open(&folder).map_err(|e| DataError::Shards {
                path: folder.clone(),
                reason: e.to_string(),
            })?;
            builder.shards.push(reader);
            builder.folders.push(folder);
            builder.dataset(&path, roots, seed)?;
        }
        builder.finish(max_rejects)
    }

    /// What the order needs.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Records that can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Records that were left out, and why.
    #[must_use]
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// Records read, used and left out together.
    #[must_use]
    pub fn records_read(&self) -> usize {
        self.read
    }

    /// Parses a record.
    ///
    /// # Errors
    /// Where its text has changed into something else since `open` (it cannot).
    ///
    /// # Panics
    /// If `index` is out of range.
    pub fn record(&self, index: usize) -> Result<Record, DataError> {
        let place = &self.places[index];
        let source = &self.sources[place.source];
        let mut record: Record = serde_json::from_slice(&source.text[place.range.clone()])
            .map_err(|e| DataError::Record {
                path: source.path.clone(),
                index: place.index,
                byte: place.range.start,
                reason: e.to_string(),
            })?;
        if record.source.is_none() {
            record.source.clone_from(&source.name);
        }
        Ok(record)
    }

    /// The frames of a clip.
    ///
    /// # Errors
    /// Where the shard is damaged.
    ///
    /// # Panics
    /// If `clip` is out of range.
    pub fn frames(&self, clip: usize) -> Result<Frames, DataError> {
        let place = &self.clips[clip];
        let reader = &self.shards[place.shards];
        reader.frames(place.number).map_err(|e| DataError::Shards {
            path: PathBuf::from(place.id.as_str()),
            reason: e.to_string(),
        })
    }

    /// SHA-256 of each annotation file and each shard folder's manifest.
    ///
    /// # Errors
    /// Where a manifest cannot be read.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>, DataError> {
        let mut hashes = BTreeMap::new();
        for source in &self.sources {
            let sha = crate::checkpoint::hex(&Sha256::digest(&source.text));
            hashes.insert(source.path.display().to_string(), sha);
        }
        for folder in &self.folders {
            let path = folder.join("manifest.json");
            hashes.insert(
                path.display().to_string(),
                crate::checkpoint::hex(&Sha256::digest(fs::read(&path)?)),
            );
        }
        Ok(hashes)
    }

    /// The name of a clip.
    #[must_use]
    pub fn clip_id(&self, clip: usize) -> &ClipId {
        &self.clips[clip].id
    }
}

fn find(roots: &Roots, key: &str, path: &Path, remedy: &str) -> Result<PathBuf, DataError> {
    roots.find(path).ok_or_else(|| DataError::Missing {
        key: key.to_owned(),
        path: path.to_owned(),
        root: roots.data.clone(),
        remedy: remedy.to_owned(),
    })
}

#[derive(Default)]
struct Builder {
    sources: Vec<Source>,
    places: Vec<Place>,
    clips: Vec<ClipPlace>,
    shards: Vec<ShardReader>,
    folders: Vec<PathBuf>,
    known: HashMap<(usize, ClipId), usize>,
    catalog: Catalog,
    rejects: Vec<Reject>,
    read: usize,
}

impl Builder {
    fn dataset(&mut self, path: &Path, roots: &Roots, seed: u64) -> Result<(), DataError> {
        let faulty = |reason: String| DataError::Dataset {
            path: path.to_owned(),
            reason,
        };
        let file: DatasetFile = fs::read_to_string(path)?
            .parse()
            .map_err(|e: st_schema::DatasetError| faulty(e.to_string()))?;
        for entry in file.datasets {
            let beside = path
                .parent()
                .unwrap_or(Path::new(""))
                .join(&entry.json_path);
            let named = roots.data.join("annotations").join(&entry.json_path);
            let found = [
                beside.clone(),
                named.clone(),
                PathBuf::from(&entry.json_path),
            ]
            .into_iter()
            .find(|p| p.exists());
            let Some(json) = found else {
                let reason = format!(
                    "json_path {} is neither {} nor {}",
                    entry.json_path,
                    beside.display(),
                    named.display()
                );
                return Err(faulty(reason));
            };
            let text = fs::read(&json)?;
            let all = split(&json, &text, &entry.data_folder)?;
            let chosen = entry.sampling_strategy.select(all.len(), seed);
            let source = self.sources.len();
            for index in chosen {
                self.record(source, &json, index, &all[index]);
            }
            self.sources.push(Source {
                path: json,
                text,
                name: entry.source,
            });
        }
        Ok(())
    }

    fn record(&mut self, source: usize, path: &Path, index: usize, found: &Found) {
        self.read += 1;
        let shards = self.shards.len() - 1;
        let key = (shards, found.clip.id());
        let known = self.known.get(&key).copied();
        let Some(clip) = known.or_else(|| self.new_clip(key, found)) else {
            self.rejects.push(Reject {
                file: path.to_owned(),
                index,
                id: found.id.clone(),
                reason: "no frames in the shards".to_owned(),
            });
            return;
        };
        self.places.push(Place {
            source,
            index,
            range: found.range.clone(),
        });
        self.catalog.entries.push(Entry {
            task: found.task,
            clip,
        });
    }

    /// The number of a clip that is met for the first time; none where the shards lack it.
    fn new_clip(&mut self, key: (usize, ClipId), found: &Found) -> Option<usize> {
        let (shards, id) = key.clone();
        let number = self.shards[shards].find(&id)?;
        let clip = self.clips.len();
        self.clips.push(ClipPlace { id, shards, number });
        let video = matches!(found.clip.media, Media::Video(_));
        self.catalog.is_video.push(video);
        self.known.insert(key, clip);
        Some(clip)
    }

    fn finish(self, max_rejects: f64) -> Result<Dataset, DataError> {
        #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
        let share = self.rejects.len() as f64 / self.read.max(1) as f64;
        if share > max_rejects {
            let mut count: BTreeMap<&str, usize> = BTreeMap::new();
            for reject in &self.rejects {
                *count.entry(&reject.reason).or_default() += 1;
            }
            let reasons: Vec<String> = count.iter().map(|(r, n)| format!("{n} with {r}")).collect();
            let first = &self.rejects[0];
            return Err(DataError::TooManyRejects {
                rejected: self.rejects.len(),
                read: self.read,
                reasons: reasons.join(", "),
                limit: max_rejects,
                first: format!(
                    "{} record {} ({})",
                    first.file.display(),
                    first.index,
                    first.id
                ),
            });
        }
        Ok(Dataset {
            sources: self.sources,
            places: self.places,
            clips: self.clips,
            shards: self.shards,
            folders: self.folders,
            catalog: self.catalog,
            rejects: self.rejects,
            read: self.read,
        })
    }
}

struct Found {
    range: Range<usize>,
    id: String,
    task: Task,
    clip: ClipKey,
}

/// Finds the records of a JSON array or of JSON lines.
fn split(path: &Path, text: &[u8], data_folder: &str) -> Result<Vec<Found>, DataError> {
    let space = |at: usize| {
        text[at..]
            .iter()
            .take_while(|b| b.is_ascii_whitespace() || **b == b',')
            .count()
    };
    let mut at = space(0);
    let array = text.get(at) == Some(&b'[');
    if array {
        at += 1;
    }
    let mut found = Vec::new();
    loop {
        at += space(at);
        if at >= text.len() || (array && text[at] == b']') {
            break;
        }
        let mut stream = serde_json::Deserializer::from_slice(&text[at..]).into_iter::<Record>();
        let fault = |reason: String| DataError::Record {
            path: path.to_owned(),
            index: found.len(),
            byte: at,
            reason,
        };
        let record = match stream.next() {
            Some(Ok(record)) => record,
            Some(Err(e)) => return Err(fault(e.to_string())),
            None => break,
        };
        let end = at + stream.byte_offset();
        found.push(Found {
            range: at..end,
            id: record.id.to_string(),
            task: record.task.unwrap_or(Task::Conversation),
            clip: ClipKey::within(data_folder, &record),
        });
        at = end;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"id":"a","task":"rec","image":"i.png","conversations":[]}"#;

    #[test]
    fn arrays_and_lines_are_the_same() {
        let array = format!("\n[ {ONE},\n{ONE}]\n");
        let lines = format!("{ONE}\n{ONE}\n");
        for text in [array, lines] {
            let found = split(Path::new("f"), text.as_bytes(), ".").unwrap();
            assert_eq!(found.len(), 2);
            for f in found {
                assert_eq!(&text[f.range], ONE);
                assert_eq!(f.task, Task::Rec);
            }
        }
    }

    #[test]
    fn a_fault_names_file_record_and_byte() {
        let text = format!("[{ONE}, {{\"id\": 1]");
        let error = split(Path::new("f.json"), text.as_bytes(), ".")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with(&format!("f.json: record 1 at byte {}", ONE.len() + 3)),
            "{error}"
        );
    }
}
