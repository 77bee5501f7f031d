//! Unpacks tar and zip archives, whole or split in parts, as if they came from an enemy.
//!
//! Every entry stays in the folder: names are checked by [`crate::name::check`], nothing is written through a link, links
//! lead nowhere else, devices are refused. A refused entry is told and the others are unpacked. How many entries and bytes
//! come out is limited, by what really comes out and not by what the archive says.
//!
//! Each unpacked file is listed with its size and sha256 in a JSON lines file. A run that finds the list goes on behind it.
//! A file that is in the way and has other content is not replaced.

mod confine;
mod kind;
mod list;
mod parts;
mod read_tar;
mod read_zip;
mod refusal;
mod unpack;

pub use kind::{ArchiveKind, ArchiveSet, sets};
pub use list::{Unpacked, UnpackedFile};
pub use refusal::{ArchiveError, Refusal};
pub use unpack::{Limits, Source, unpack};
