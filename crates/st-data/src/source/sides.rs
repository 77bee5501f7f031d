//! Tables beside the annotations: image sizes, trajectories, id mappings, media lengths.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::container::{Container, read_all};
use super::inputs::Inputs;
use super::{Info, Reject, Side, SideKey, SourceError};
use crate::read::Options;

/// A source's tables, looked up by name.
#[derive(Debug, Default)]
pub struct Sides {
    tables: HashMap<&'static str, Table>,
}

#[derive(Debug)]
enum Table {
    /// Read as a whole.
    Entries(HashMap<String, Arc<Value>>),
    /// One file for each entry, read when it is asked for; the last one is kept.
    Files {
        container: Container,
        paths: HashMap<String, PathBuf>,
        last: Mutex<Option<(String, Arc<Value>)>>,
    },
}

impl Sides {
    /// Reads the tables that are there.
    ///
    /// # Errors
    /// When a table cannot be read, or a row of it lacks its key.
    pub(super) fn open(
        info: &'static Info,
        inputs: &Inputs,
        options: &Options,
    ) -> Result<Self, SourceError> {
        let mut tables = HashMap::new();
        for (name, paths) in &inputs.sides {
            let Some(side) = info.sides.iter().find(|side| side.name == *name) else {
                continue;
            };
            tables.insert(*name, Table::open(side, paths, options)?);
        }
        Ok(Self { tables })
    }

    /// The tables that a source's example brings along.
    pub(super) fn of_example(info: &'static Info) -> Self {
        let mut tables = HashMap::new();
        for (side, key, json) in info.example.sides {
            // A test reads every example.
            let value = serde_json::from_str(json).unwrap_or_default();
            let table = tables
                .entry(*side)
                .or_insert_with(|| Table::Entries(HashMap::new()));
            if let Table::Entries(entries) = table {
                entries.insert((*key).to_owned(), Arc::new(value));
            }
        }
        Self { tables }
    }

    /// Whether the table is there at all.
    #[must_use]
    pub fn has(&self, side: &str) -> bool {
        self.tables.contains_key(side)
    }

    /// An entry of a table, `None` when the table or the entry is not there or cannot be read.
    #[must_use]
    pub fn find(&self, side: &str, key: &str) -> Option<Arc<Value>> {
        match self.tables.get(side)? {
            Table::Entries(entries) => entries.get(key).cloned(),
            Table::Files {
                container,
                paths,
                last,
            } => {
                // A panic elsewhere cannot leave the pair half written.
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((name, value)) = last.as_ref()
                    && name == key
                {
                    return Some(Arc::clone(value));
                }
                let value = Arc::new(one(paths.get(key)?, *container).ok()?);
                *last = Some((key.to_owned(), Arc::clone(&value)));
                Some(value)
            }
        }
    }

    /// An entry of a table.
    ///
    /// # Errors
    /// When the table or the entry is not there.
    pub fn entry(&self, side: &'static str, key: &str) -> Result<Arc<Value>, Reject> {
        self.find(side, key).ok_or_else(|| Reject::NotInSide {
            side,
            key: key.to_owned(),
        })
    }

    /// An entry of a table as the adapter's own type.
    ///
    /// # Errors
    /// When the table or the entry is not there, or of another type.
    pub fn parse<T: DeserializeOwned>(&self, side: &'static str, key: &str) -> Result<T, Reject> {
        let value = self.entry(side, key)?;
        T::deserialize(value.as_ref())
            .map_err(|error| Reject::Shape(format!("{side}, entry `{key}`: {error}")))
    }
}

impl Table {
    fn open(
        side: &'static Side,
        paths: &[PathBuf],
        options: &Options,
    ) -> Result<Self, SourceError> {
        if side.key == SideKey::FileStem {
            let named = |path: &PathBuf| {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                (
                    super::item::stem(&name.unwrap_or_default()).to_owned(),
                    path.clone(),
                )
            };
            return Ok(Self::Files {
                container: side.container,
                paths: paths.iter().map(named).collect(),
                last: Mutex::new(None),
            });
        }
        let mut entries = HashMap::new();
        for path in paths {
            read_all(path, side.container, options, |row, key, value| {
                let key = match side.key {
                    SideKey::Entry => key.ok_or("an entry without a name")?,
                    SideKey::Field(field) => text(&value[field])
                        .ok_or_else(|| format!("row {row} of {} has no `{field}`", side.name))?,
                    SideKey::Line => text(&value).ok_or("a line that is no text")?,
                    SideKey::FileStem => String::new(),
                };
                entries.insert(key, Arc::new(kept(value, side.fields)));
                Ok(())
            })?;
        }
        Ok(Self::Entries(entries))
    }
}

/// A string, or a number as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The fields that are wanted; all when none are named.
fn kept(value: Value, fields: &[&str]) -> Value {
    match value {
        Value::Object(mut map) if !fields.is_empty() => {
            map.retain(|name, _| fields.contains(&name.as_str()));
            Value::Object(map)
        }
        other => other,
    }
}

fn one(path: &Path, container: Container) -> Result<Value, SourceError> {
    let mut found = Value::Null;
    read_all(path, container, &Options::default(), |_, _, value| {
        found = value;
        Ok(())
    })?;
    Ok(found)
}

/// Media files whose length is remembered, so that memory stays flat; beyond that some are looked at again.
const REMEMBERED: usize = 1 << 17;

/// Lengths of media files in seconds, by path, file name, or name without ending.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    seconds: HashMap<String, f64>,
    /// Where media files are looked at whose length is not listed.
    media: Option<PathBuf>,
    /// What they were found to last.
    probed: Arc<Mutex<HashMap<String, Option<f64>>>>,
}

impl Durations {
    /// Adds a CSV file with the columns `id` and `seconds`.
    ///
    /// # Errors
    /// When the file cannot be read or a row has no number of seconds above zero.
    pub fn read(&mut self, path: &Path) -> Result<(), SourceError> {
        read_all(
            path,
            Container::Csv,
            &Options::default(),
            |row, _, value| {
                let seconds = value["seconds"]
                    .as_str()
                    .and_then(|text| text.trim().parse().ok());
                let seconds = seconds.filter(|seconds: &f64| *seconds > 0.0 && seconds.is_finite());
                match (value["id"].as_str(), seconds) {
                    (Some(id), Some(seconds)) => {
                        self.insert(id, seconds);
                        Ok(())
                    }
                    _ => Err(format!(
                        "row {row} needs the columns `id` and `seconds`, a number above zero"
                    )),
                }
            },
        )
    }

    /// Adds one length.
    pub fn insert(&mut self, id: &str, seconds: f64) {
        self.seconds.insert(id.to_owned(), seconds);
    }

    /// Looks at media files under `folder` where no length is listed.
    pub fn probe_in(&mut self, folder: &Path) {
        self.media = Some(folder.to_owned());
    }

    /// The length of the media file at `path` by the file itself: frames over frames per second, as Grounded-VideoLLM's reader
    /// measures it. `None` without a folder of media, for paths that lead out of it, and for files that cannot be read.
    #[must_use]
    pub(super) fn probed(&self, path: &str) -> Option<f64> {
        let inside = |part| matches!(part, std::path::Component::Normal(_));
        let folder = self.media.as_ref()?;
        if !Path::new(path).components().all(inside) {
            return None;
        }
        let lock = || self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(path) {
            return *known;
        }
        let seconds = st_media::probe(&folder.join(path)).ok().map(|probe| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "frame counts are far below 2^53"
            )]
            let frames = probe.frames as f64;
            if probe.fps > 0.0 {
                frames / probe.fps
            } else {
                probe.duration
            }
        });
        let seconds = seconds.filter(|seconds| *seconds > 0.0 && seconds.is_finite());
        let mut known = lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(path.to_owned(), seconds);
        seconds
    }

    /// The listed length of the media file at `path`.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<f64> {
        if self.seconds.is_empty() {
            return None;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        [path, name, super::item::stem(path)]
            .into_iter()
            .find_map(|key| self.seconds.get(key).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_own_length_is_frames_over_rate() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let options = st_media::encode::EncodeOptions::new(16, 16, (10, 1));
        let mut video =
            st_media::encode::VideoWriter::create(&folder.path().join("a/b.mp4"), &options)
                .unwrap();
        for _ in 0..50 {
            video.write(&[100; 16 * 16 * 3]).unwrap();
        }
        video.finish().unwrap();
        let mut durations = Durations::default();
        assert_eq!(durations.probed("a/b.mp4"), None);
        durations.probe_in(folder.path());
        assert_eq!(durations.probed("a/b.mp4"), Some(5.0));
        for path in ["gone.mp4", "../a/b.mp4", "/a/b.mp4", "a"] {
            assert_eq!(durations.probed(path), None, "{path}");
        }
        // What was found stays found.
        std::fs::remove_file(folder.path().join("a/b.mp4")).unwrap();
        assert_eq!(durations.probed("a/b.mp4"), Some(5.0));
    }
}
