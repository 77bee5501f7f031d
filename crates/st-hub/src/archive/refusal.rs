//! Why an archive, or an entry of one, is refused.

use std::io::ErrorKind;

use crate::error::{HubError, human_bytes};
use crate::name::{self, NameFault};

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is damaged or cut off.
    #[error("{}: is damaged after {files} files: {reason}", name::shown(.archive))]
    Broken {
        /// The archive.
        archive: String,
        /// Files that came out before.
        files: u64,
        /// What the reader says.
        reason: String,
    },
    /// More comes out than anything sensible would hold.
    #[error("{}: refused as a bomb: more than {} come out of {}", name::shown(.archive), human_bytes(*.limit), human_bytes(*.size))]
    Bomb {
        /// The archive.
        archive: String,
        /// Bytes allowed.
        limit: u64,
        /// Bytes of the archive.
        size: u64,
    },
    /// It has too many entries.
    #[error("{}: refused: it has more than {limit} entries", name::shown(.archive))]
    TooMany {
        /// The archive.
        archive: String,
        /// Entries allowed.
        limit: u64,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] HubError),
}

/// Why an entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its name.
    #[error("its name {0}")]
    Name(NameFault),
    /// It would be written through a link.
    #[error("a folder above it is a link")]
    ThroughLink,
    /// It is a link that leaves the folder.
    #[error("it is a link that leaves the folder")]
    LinkOut,
    /// It is a device, a pipe or the like.
    #[error("it is neither file nor folder nor link")]
    Special,
    /// It is encrypted, or packed in a way that is not known.
    #[error("it is encrypted or packed in an unknown way")]
    Unreadable,
    /// Something else is there.
    #[error("something else is in its place: move that away")]
    InTheWay,
    /// The same name was there before.
    #[error("the archive has another entry of that name")]
    Twice,
    /// The disk does not take it.
    #[error("the disk does not take it: {0}")]
    Disk(ErrorKind),
}
