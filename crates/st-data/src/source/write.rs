//! What a run writes: records, by task where that is asked for, and refused candidates. Whole or not at all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use st_schema::Task;

use super::{Rejected, Sink, SourceError};
use crate::ledger::{OutputError, Pending};

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All into one file: a JSON array, or JSON lines for a name in `.jsonl`.
    File(PathBuf),
    /// Into `<folder>/<source>_<task>.json`, a JSON array for each task.
    ByTask {
        /// The folder.
        folder: PathBuf,
        /// The source.
        source: &'static str,
    },
}

/// The name of a source's file for one task.
#[must_use]
pub fn task_file(source: &str, task: Task) -> String {
    format!("{source}_{task}.json")
}

/// Files under temporary names until [`RecordFiles::finish`].
#[derive(Debug)]
pub struct RecordFiles {
    target: Target,
    /// By task, or under `None` where all tasks go to one file.
    records: BTreeMap<Option<Task>, Records>,
    rejects: Pending,
    rejects_path: PathBuf,
    rejected: bool,
}

#[derive(Debug)]
struct Records {
    file: Pending,
    lines: bool,
    written: u64,
}

/// A line of the file of refused candidates, `rejects/normalize-<source>.jsonl`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedLine<'a> {
    /// The reason's name in the ledger.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub message: String,
    /// The raw file.
    pub file: &'a str,
    /// Which item of the file, from 0.
    pub row: u64,
    /// The item's name in its map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    /// The line in the unpacked file, from 1, in files that are lists of JSON values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte in the unpacked file, from 0, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// The record's name, as far as it got one.
    pub id: &'a str,
}

impl Records {
    fn create(path: PathBuf) -> Result<Self, SourceError> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let lines = matches!(ending, Some("jsonl" | "ndjson"));
        Ok(Self {
            file: Pending::create(path)?,
            lines,
            written: 0,
        })
    }

    fn write(&mut self, json: &[u8]) -> Result<(), SourceError> {
        let (before, after): (&[u8], &[u8]) = match (self.lines, self.written) {
            (true, _) => (b"", b"\n"),
            (false, 0) => (b"[\n", b""),
            (false, _) => (b",\n", b""),
        };
        self.written += 1;
        self.file.write(before)?;
        self.file.write(json)?;
        Ok(self.file.write(after)?)
    }

    fn finish(mut self) -> Result<(), SourceError> {
        match (self.lines, self.written) {
            (true, _) => {}
            (false, 0) => self.file.write(b"[]\n")?,
            (false, _) => self.file.write(b"\n]\n")?,
        }
        self.file.finish()?;
        Ok(())
    }
}

impl RecordFiles {
    /// Opens the files.
    ///
    /// # Errors
    /// When a folder cannot be made or written to.
    pub fn create(target: Target, rejects: PathBuf) -> Result<Self, SourceError> {
        let mut records = BTreeMap::new();
        if let Target::File(path) = &target {
            records.insert(None, Records::create(path.clone())?);
        }
        Ok(Self {
            target,
            records,
            rejects: Pending::create(rejects.clone())?,
            rejects_path: rejects,
            rejected: false,
        })
    }

    /// Gives the files their names. Where nothing was refused, refused candidates of an earlier run are removed.
    ///
    /// # Errors
    /// When a file cannot be written or renamed.
    pub fn finish(self) -> Result<(), SourceError> {
        for records in self.records.into_values() {
            records.finish()?;
        }
        if self.rejected {
            self.rejects.finish()?;
            return Ok(());
        }
        match fs_err::remove_file(&self.rejects_path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(OutputError::Write {
                    path: self.rejects_path,
                    source,
                }
                .into())
            }
            _ => Ok(()),
        }
    }
}

impl Sink for RecordFiles {
    fn record(&mut self, task: Task, json: &[u8]) -> Result<(), SourceError> {
        let key = match self.target {
            Target::File(_) => None,
            Target::ByTask { .. } => Some(task),
        };
        match self.records.entry(key) {
            Entry::Occupied(records) => records.into_mut().write(json),
            Entry::Vacant(place) => {
                let path = match &self.target {
                    Target::File(path) => path.clone(),
                    Target::ByTask { folder, source } => folder.join(task_file(source, task)),
                };
                place.insert(Records::create(path)?).write(json)
            }
        }
    }

    fn reject(&mut self, rejected: &Rejected<'_>) -> Result<(), SourceError> {
        self.rejected = true;
        let line = RefusedLine {
            reason: rejected.reject.reason(),
            message: rejected.reject.to_string(),
            file: rejected.file,
            row: rejected.row,
            key: rejected.key,
            line: rejected.position.map(|position| position.line),
            byte: rejected.position.map(|position| position.byte),
            id: rejected.id,
        };
        let json = serde_json::to_vec(&line).map_err(|error| OutputError::Format {
            path: self.rejects_path.clone(),
            reason: error.to_string(),
        })?;
        self.rejects.write(&json)?;
        Ok(self.rejects.write(b"\n")?)
    }
}
