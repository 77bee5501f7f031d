//! What a run writes: refused records, and repaired files beside the old ones. Whole or not at all.

use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use st_schema::{DatasetFile, Record};
use tempfile::NamedTempFile;

use crate::read::{Form, Position};
use crate::validate::{Finding, Rule};
use crate::whole_file;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The system refuses.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A value cannot be put into its format.
    #[error("cannot write {path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// One refused record, a line of `rejects/<file>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectLine {
    /// The severest rule that was broken.
    pub rule: Rule,
    /// What exactly is wrong.
    pub reason: String,
    /// The annotation file.
    pub file: PathBuf,
    /// The line in the unpacked file, from 1.
    pub line: u64,
    /// The byte in the unpacked file, from 0.
    pub byte: u64,
    /// The record's name; empty for what is no record.
    pub id: String,
    /// The source, when known.
    pub source: Option<String>,
    /// The record, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Value>,
    /// The bytes as text, cut after 65,536, where they are no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How many bytes of the file are refused by this line; absent for a record that is too long, or a file that cannot be read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

/// Bytes of what is no JSON that a reject line shows.
const TEXT_BYTES: usize = 1 << 16;

/// A file that takes its name when it is complete.
#[derive(Debug)]
pub(crate) struct Pending {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Pending {
    /// A new file under a temporary name in the folder of `path`.
    pub(crate) fn create(path: PathBuf) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Write {
            path: path.clone(),
            source,
        };
        let file = whole_file::beside(&path).map_err(failed)?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            path,
        })
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.file
            .write_all(bytes)
            .map_err(|source| OutputError::Write {
                path: self.path.clone(),
                source,
            })
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<PathBuf, OutputError> {
        let path = self.path;
        let failed = |source| OutputError::Write {
            path: path.clone(),
            source,
        };
        let file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        whole_file::name(file, &path).map_err(failed)?;
        Ok(path)
    }
}

/// The refused records of one file.
pub(super) struct Rejects {
    path: PathBuf,
    annotations: PathBuf,
    file: Option<Pending>,
}

impl Rejects {
    /// Nothing is written before the first refused record.
    pub(super) fn new(folder: &Path, number: usize, annotations: &Path) -> Self {
        let (stem, _) = stem_and_ending(annotations);
        Self {
            path: folder.join(format!("{number:03}-{stem}.jsonl")),
            annotations: annotations.to_owned(),
            file: None,
        }
    }

    pub(super) fn write(
        &mut self,
        finding: &Finding,
        position: Position,
        id: &str,
        source: Option<&String>,
        bytes: &[u8],
        whole: bool,
    ) -> Result<(), OutputError> {
        let record: Option<Value> = whole.then(|| serde_json::from_slice(bytes).ok()).flatten();
        let text = || String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES)]).into_owned();
        let line = RejectLine {
            rule: finding.rule,
            reason: finding.message.clone(),
            file: self.annotations.clone(),
            line: position.line,
            byte: position.byte,
            id: id.to_owned(),
            source: source.cloned(),
            text: record.is_none().then(text),
            record,
            length: whole.then_some(bytes.len() as u64),
        };
        if self.file.is_none() {
            self.file = Some(Pending::create(self.path.clone())?);
        }
        if let Some(file) = &mut self.file {
            let mut text = serde_json::to_vec(&line).map_err(|error| OutputError::Format {
                path: self.path.clone(),
                reason: error.to_string(),
            })?;
            text.push(b'\n');
            file.write(&text)?;
        }
        Ok(())
    }

    /// Gives the file its name; what an earlier run left is taken away where there is nothing now.
    pub(super) fn finish(self) -> Result<Option<PathBuf>, OutputError> {
        match self.file {
            Some(file) => file.finish().map(Some),
            None => match fs_err::remove_file(&self.path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    Err(OutputError::Write {
                        path: self.path,
                        source,
                    })
                }
                _ => Ok(None),
            },
        }
    }
}

/// The repaired form of one file.
pub(super) struct Fixed {
    annotations: PathBuf,
    form: Option<Form>,
    file: Option<Pending>,
    empty: bool,
}

impl Fixed {
    pub(super) fn new(annotations: &Path) -> Self {
        Self {
            annotations: annotations.to_owned(),
            form: None,
            file: None,
            empty: true,
        }
    }

    /// Opens the file once its form is known.
    pub(super) fn form(&mut self, form: Form) -> Result<(), OutputError> {
        if self.form.is_none() {
            let mut file = Pending::create(fixed_path(&self.annotations, form))?;
            if form != Form::Lines {
                file.write(b"[\n")?;
            }
            (self.form, self.file) = (Some(form), Some(file));
        }
        Ok(())
    }

    /// Writes a kept record, byte for byte.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let lines = self.form == Some(Form::Lines);
        let first = std::mem::replace(&mut self.empty, false);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if !lines && !first {
            file.write(b",\n")?;
        }
        file.write(bytes)?;
        if lines { file.write(b"\n") } else { Ok(()) }
    }

    pub(super) fn write_record(&mut self, record: &Record) -> Result<(), OutputError> {
        let bytes = serde_json::to_vec(record).map_err(|error| OutputError::Format {
            path: self.annotations.clone(),
            reason: error.to_string(),
        })?;
        self.write(&bytes)
    }

    pub(super) fn finish(mut self) -> Result<PathBuf, OutputError> {
        self.form(Form::Array)?;
        let path = fixed_path(&self.annotations, self.form.unwrap_or(Form::Array));
        let Some(mut file) = self.file else {
            return Err(OutputError::Format {
                path,
                reason: "the file was never opened".into(),
            });
        };
        if self.form != Some(Form::Lines) {
            file.write(b"\n]\n")?;
        }
        file.finish()
    }
}

/// A file's name without the endings of packing and format, and the latter.
fn stem_and_ending(path: &Path) -> (String, String) {
    let text = |part: Option<&OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let packed = path
        .extension()
        .is_some_and(|ending| ending == "gz" || ending == "zst");
    let name = PathBuf::from(if packed {
        text(path.file_stem())
    } else {
        text(path.file_name())
    });
    (text(name.file_stem()), text(name.extension()))
}

/// Where the repaired form of a file goes: beside it, unpacked, ending as the original's loader wants it.
#[must_use]
pub fn fixed_path(annotations: &Path, form: Form) -> PathBuf {
    let (stem, _) = stem_and_ending(annotations);
    let ending = if form == Form::Lines { "jsonl" } else { "json" };
    annotations.with_file_name(format!("{stem}.fixed.{ending}"))
}

/// Writes `NAME.fixed.yaml` beside a dataset file, listing the repaired files in place of the old ones.
///
/// # Errors
/// When it cannot be written.
pub fn write_fixed_dataset(
    path: &Path,
    mut file: DatasetFile,
    fixed: &[PathBuf],
) -> Result<PathBuf, OutputError> {
    for (entry, fixed) in file.datasets.iter_mut().zip(fixed) {
        let name = fixed.file_name().unwrap_or_default();
        entry.json_path = Path::new(&entry.json_path)
            .with_file_name(name)
            .to_string_lossy()
            .into_owned();
    }
    let (stem, _) = stem_and_ending(path);
    let target = path.with_file_name(format!("{stem}.fixed.yaml"));
    let text = serde_yaml::to_string(&file).map_err(|error| OutputError::Format {
        path: target.clone(),
        reason: error.to_string(),
    })?;
    let mut pending = Pending::create(target)?;
    pending.write(text.as_bytes())?;
    pending.finish()
}
