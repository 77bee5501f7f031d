//! tar, streaming.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::kind::ArchiveKind;
use super::parts::Parts;
use super::refusal::{ArchiveError, Refusal};
use super::unpack::{Sink, Source};
use crate::error::HubError;
use crate::event::{Event, Observer};

/// Bytes that may be read between two entries: headers and long names. The reader keeps long names in memory.
const BETWEEN: u64 = 1 << 20;
const BUFFER: usize = 1 << 20;

pub(crate) fn read(source: &Source<'_>, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let parts =
        Parts::new(source.parts).map_err(|error| HubError::io("read", &source.parts[0], error))?;
    let counted = Counted {
        inner: BufReader::with_capacity(BUFFER, parts),
        name: source.name,
        observer: sink.observer(),
    };
    match source.kind {
        ArchiveKind::TarGz => entries(MultiGzDecoder::new(counted), sink),
        _ => entries(counted, sink),
    }
}

fn entries(reader: impl Read, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let allowance = Rc::new(Cell::new(Some(BETWEEN)));
    let mut archive = Archive::new(Metered {
        inner: reader,
        allowance: Rc::clone(&allowance),
    });
    let mut entries = archive.entries().map_err(|error| sink.broken(&error))?;
    loop {
        allowance.set(Some(BETWEEN));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| sink.broken(&error))?;
        allowance.set(None);
        sink.entry()?;
        one(&mut entry, sink)?;
        // What was not read is read over here, so that it does not count as coming between two entries.
        let left = io::copy(&mut entry, &mut io::sink()).map_err(|error| sink.broken(&error))?;
        sink.count(left)?;
    }
    Ok(())
}

fn one<R: Read>(entry: &mut tar::Entry<'_, R>, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = entry.header().entry_type();
    let target = |entry: &tar::Entry<'_, R>| {
        entry
            .link_name_bytes()
            .map(|target| String::from_utf8_lossy(&target).into_owned())
            .unwrap_or_default()
    };
    match kind {
        EntryType::Directory => sink.folder(&name),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            if !sink.is_there(&name, size) {
                sink.file(&name, size, entry)?;
            }
        }
        EntryType::Symlink => sink.link(&name, &target(entry)),
        EntryType::Link => sink.hard_link(&name, &target(entry))?,
        EntryType::XGlobalHeader => {}
        _ => sink.refuse(&name, Refusal::Special),
    }
    Ok(())
}

/// Tells how much of the archive was read.
struct Counted<'a, R> {
    inner: R,
    name: &'a str,
    observer: &'a dyn Observer,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.observer.event(Event::Came {
            path: self.name,
            bytes: count as u64,
        });
        Ok(count)
    }
}

/// Fails when more is read than allowed.
struct Metered<R> {
    inner: R,
    allowance: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = self.allowance.get() {
            let left = left
                .checked_sub(count as u64)
                .ok_or_else(|| io::Error::other("its headers have no end"))?;
            self.allowance.set(Some(left));
        }
        Ok(count)
    }
}
