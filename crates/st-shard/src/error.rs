//! What can go wrong with shards.

use std::path::PathBuf;

/// Why shards could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The system refused an operation; its message names the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The disk is full.
    #[error(
        "no space is left for {path}; make room and run the same command again, it goes on from here"
    )]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// A folder has no manifest.
    #[error(
        "{path} is not a finished folder of shards: it has no manifest.json; run `stdata shard` with the same --out to finish it"
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A folder was begun with other clips or settings.
    #[error(
        "{path} holds shards of another plan ({found}, not {wanted}): name another --out, or remove that folder"
    )]
    OtherPlan {
        /// The folder.
        path: PathBuf,
        /// Digest of the plan that the folder was made with.
        found: String,
        /// Digest of the plan at hand.
        wanted: String,
    },
    /// A format version that this program does not know.
    #[error("{path} has format version {found}; this program reads version {known}")]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version known.
        known: u32,
    },
    /// A JSON file does not have the expected form.
    #[error("{path}: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// The index cannot be read or written.
    #[error("{path}: {reason}")]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is not as long as the manifest says.
    #[error("{path} has {found} bytes, the manifest says {expected}")]
    Length {
        /// The shard.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Bytes differ from their checksum.
    #[error("{path}: clip {clip} is damaged: SHA-256 is {computed}, not {expected}")]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The clip.
        clip: String,
        /// The checksum on record.
        expected: String,
        /// The checksum of the bytes.
        computed: String,
    },
    /// A clip's bytes are not what the format says.
    #[error("{path}: clip {clip}: {reason}")]
    Malformed {
        /// The shard.
        path: PathBuf,
        /// The clip.
        clip: String,
        /// What is wrong.
        reason: String,
    },
    /// A frame could not be encoded or decoded.
    #[error("JPEG: {0}")]
    Jpeg(String),
    /// Not all shards are there when they are to be joined.
    #[error(
        "{path}: {missing} of {total} shards are not done, the first is {first:06}; run the tasks they belong to, then merge again"
    )]
    Missing {
        /// The folder.
        path: PathBuf,
        /// Shards that are not done.
        missing: usize,
        /// Shards of the plan.
        total: usize,
        /// Number of the first that is missing.
        first: usize,
    },
}

impl ShardError {
    /// An I/O error about `path`, with a full disk told apart.
    pub(crate) fn at(path: &std::path::Path, error: std::io::Error) -> Self {
        if matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        ) {
            return Self::DiskFull {
                path: path.to_owned(),
            };
        }
        Self::Io(error)
    }
}
