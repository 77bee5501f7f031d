//! Which annotation files a command works on.

use std::path::{Path, PathBuf};

use st_schema::{DatasetError, DatasetFile, SamplingStrategy};

use crate::validate::{Severities, SeverityError};

/// One annotation file and what a dataset file says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The annotation file.
    pub annotations: PathBuf,
    /// The folder that media paths start from; unknown for a file that no dataset file lists.
    pub media: Option<PathBuf>,
    /// The same as the dataset file spells it: shards know clips by it.
    pub data_folder: Option<String>,
    /// The source's name, which goes before what records say.
    pub source: Option<String>,
    /// Which records are taken.
    pub sampling: SamplingStrategy,
    /// What each rule does here.
    pub severities: Severities,
}

/// Why inputs cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A dataset file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The dataset file is no dataset file.
    #[error("{path}")]
    Dataset {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DatasetError,
    },
    /// The dataset file names a rule or severity that does not exist.
    #[error("{path}")]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SeverityError,
    },
    /// Nothing to work on.
    #[error("{path} holds no dataset file (.yaml); name a dataset file or annotation files")]
    Nothing {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Whether a path names a dataset file.
#[must_use]
pub fn is_dataset_file(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Every dataset file in a data root's folder `annotations` and in the root itself, by name.
///
/// # Errors
/// When a folder cannot be listed or holds none.
pub fn find_dataset_files(root: &Path) -> Result<Vec<PathBuf>, InputError> {
    let mut found = Vec::new();
    for folder in [root.to_owned(), root.join("annotations")] {
        if !folder.is_dir() {
            continue;
        }
        let failed = |source| InputError::Read {
            path: folder.clone(),
            source,
        };
        for entry in fs_err::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let fixed = path.file_stem().is_some_and(|stem| {
                Path::new(stem)
                    .extension()
                    .is_some_and(|end| end == "fixed")
            });
            if is_dataset_file(&path) && !fixed {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        Err(InputError::Nothing {
            path: root.to_owned(),
        })
    } else {
        Ok(found)
    }
}

/// Reads a dataset file.
///
/// # Errors
/// When it cannot be read or is none.
pub fn read_dataset_file(path: &Path) -> Result<DatasetFile, InputError> {
    let text = fs_err::read_to_string(path).map_err(|source| InputError::Read {
        path: path.to_owned(),
        source,
    })?;
    text.parse().map_err(|source| InputError::Dataset {
        path: path.to_owned(),
        source,
    })
}

/// The inputs that paths name: the entries of dataset files, and annotation files as they are.
///
/// Relative paths in a dataset file start from its own folder or, where nothing is there, from the current one, as the
/// original's files have it.
///
/// # Errors
/// When a dataset file cannot be read, is none, or names a rule that does not exist.
pub fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        if !is_dataset_file(path) {
            inputs.push(Input {
                annotations: path.clone(),
                media: None,
                data_folder: None,
                source: None,
                sampling: SamplingStrategy::All,
                severities: Severities::default(),
            });
            continue;
        }
        let file = read_dataset_file(path)?;
        let failed = |source| InputError::Rules {
            path: path.clone(),
            source,
        };
        let severities = Severities::default().with(&file.rules).map_err(failed)?;
        for entry in file.datasets {
            inputs.push(Input {
                annotations: resolve(path, &entry.json_path),
                media: Some(resolve(path, &entry.data_folder)),
                data_folder: Some(entry.data_folder),
                source: entry.source,
                sampling: entry.sampling_strategy,
                severities: severities.clone().with(&entry.rules).map_err(failed)?,
            });
        }
    }
    Ok(inputs)
}

/// The path that a dataset file means by `name`.
#[must_use]
pub fn resolve(dataset_file: &Path, name: &str) -> PathBuf {
    let beside = dataset_file.parent().unwrap_or(Path::new("")).join(name);
    if !beside.exists() && Path::new(name).exists() {
        PathBuf::from(name)
    } else {
        beside
    }
}
