//! zip, by its directory.

use std::io::{BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::parts::Parts;
use super::refusal::{ArchiveError, Refusal};
use super::unpack::{Sink, Source};
use crate::error::HubError;
use crate::event::Event;

/// The longest target of a link, in bytes.
const TARGET: u64 = 4096;

pub(crate) fn read(source: &Source<'_>, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let parts =
        Parts::new(source.parts).map_err(|error| HubError::io("read", &source.parts[0], error))?;
    let mut archive = ZipArchive::new(BufReader::with_capacity(1 << 16, parts))
        .map_err(|error| sink.broken(&error))?;
    let mut announced: u64 = 0;
    for at in 0..archive.len() {
        let entry = archive
            .by_index_raw(at)
            .map_err(|error| sink.broken(&error))?;
        announced = announced.saturating_add(entry.size());
    }
    sink.announce(announced)?;
    for at in 0..archive.len() {
        sink.entry()?;
        let packed = one(&mut archive, at, sink)?;
        sink.observer().event(Event::Came {
            path: source.name,
            bytes: packed,
        });
    }
    Ok(())
}

/// Unpacks one entry and says how many bytes of the archive it is.
fn one<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    at: usize,
    sink: &mut Sink<'_>,
) -> Result<u64, ArchiveError> {
    let (name, size, packed) = {
        let entry = archive
            .by_index_raw(at)
            .map_err(|error| sink.broken(&error))?;
        (
            entry.name().to_owned(),
            entry.size(),
            entry.compressed_size(),
        )
    };
    if sink.is_there(&name, size) {
        return Ok(packed);
    }
    let mut entry = match archive.by_index(at) {
        Ok(entry) => entry,
        Err(ZipError::UnsupportedArchive(_)) => {
            sink.refuse(&name, Refusal::Unreadable);
            return Ok(packed);
        }
        Err(error) => return Err(sink.broken(&error)),
    };
    if entry.is_dir() {
        sink.folder(&name);
    } else if entry.is_symlink() {
        let mut target = String::new();
        let read = entry.by_ref().take(TARGET).read_to_string(&mut target);
        match read {
            Ok(_) => sink.link(&name, &target),
            Err(_) => sink.refuse(&name, Refusal::LinkOut),
        }
    } else if entry
        .unix_mode()
        .is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o100_000))
    {
        sink.refuse(&name, Refusal::Special);
    } else {
        sink.file(&name, size, &mut entry)?;
    }
    Ok(packed)
}
