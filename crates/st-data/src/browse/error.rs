//! Why a dataset cannot be looked at.

use std::path::PathBuf;

use st_shard::ShardError;

use crate::dataset::InputError;
use crate::read::ReadError;
use crate::review::ReviewError;
use crate::validate::DuplicatesError;

/// Why a dataset, or one record of it, cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    /// The inputs cannot be found.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An annotation file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Shards cannot be opened, or a clip's bytes are damaged.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// Repeats cannot be told.
    #[error(transparent)]
    Duplicates(#[from] DuplicatesError),
    /// The review file cannot be read or written.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// A file or folder is not there, or the system refuses.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A path leads out of what may be shown.
    #[error(
        "{path} lies outside the data root {root}; name the folder that holds both with --root"
    )]
    Outside {
        /// The path.
        path: PathBuf,
        /// The data root.
        root: PathBuf,
    },
    /// There are more records, files or sources than numbers for them.
    #[error("{what}: more than can be numbered; browse a part of the dataset")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
    },
    /// There is no such record.
    #[error("there is no record {0}")]
    NoRecord(usize),
    /// The file changed after it was read.
    #[error("{path} has changed since it was read; start stdata browse again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
}
