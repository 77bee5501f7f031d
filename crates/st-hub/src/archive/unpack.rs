//! The part that tar and zip share: limits, writing, refusals.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::confine::{Confine, link_stays};
use super::kind::ArchiveKind;
use super::list::{List, Unpacked, UnpackedFile};
use super::refusal::{ArchiveError, Refusal};
use super::{read_tar, read_zip};
use crate::digest::hexadecimal;
use crate::error::HubError;
use crate::event::{Event, Observer};
use crate::name;
use crate::space;

const BLOCK: usize = 256 << 10;
/// Bytes between two looks at the room that is left.
const LOOK_EVERY: u64 = 256 << 20;

/// What an archive may become.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes that come out for each byte that goes in. Media hardly shrink; a bomb is a thousand and more.
    pub ratio: u64,
    /// Bytes that may come out whatever the ratio.
    pub small: u64,
    /// Bytes that stay free on the disk.
    pub keep_free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 5_000_000,
            ratio: 100,
            small: 16 << 20,
            keep_free: 1 << 30,
        }
    }
}

/// An archive on this disk.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// What it is called, in messages and events.
    pub name: &'a str,
    /// How it is read.
    pub kind: ArchiveKind,
    /// Its files, in order.
    pub parts: &'a [PathBuf],
    /// Their checksums: a list of another archive is not continued.
    pub checksums: &'a [String],
}

/// Unpacks an archive into `folder` and lists what came out in `list`.
///
/// # Errors
/// When it is damaged, a bomb, or does not fit on the disk. What came out before stays, is listed and is not unpacked again.
pub fn unpack(
    source: &Source<'_>,
    folder: &Path,
    list: &Path,
    limits: Limits,
    observer: &dyn Observer,
) -> Result<Unpacked, ArchiveError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| HubError::io("make the folder", folder, error))?;
    let list = List::open(list, source.checksums)?;
    let mut sink = Sink::new(source, folder, list, limits, observer)?;
    if sink.list.is_complete(folder) {
        for file in sink.list.files() {
            sink.unpacked.files += 1;
            sink.unpacked.there += 1;
            sink.unpacked.bytes += file.size;
        }
    } else {
        match source.kind {
            ArchiveKind::Tar | ArchiveKind::TarGz => read_tar::read(source, &mut sink)?,
            ArchiveKind::Zip => read_zip::read(source, &mut sink)?,
        }
    }
    observer.event(Event::Done { path: source.name });
    sink.list.finish()?;
    Ok(sink.unpacked)
}

/// Where entries go.
pub(crate) struct Sink<'a> {
    source: &'a Source<'a>,
    confine: Confine,
    list: List,
    limits: Limits,
    observer: &'a dyn Observer,
    size: u64,
    entries: u64,
    /// Bytes that came out of the reader, also those thrown away.
    out: u64,
    looked: u64,
    seen: HashSet<String>,
    unpacked: Unpacked,
    folder: &'a Path,
}

/// A file on its way, removed when it does not arrive.
///
/// Its name follows from the entry's, so that the run after a killed one takes the same and leaves nothing behind.
struct Temporary(PathBuf);

impl Temporary {
    fn new(place: &Path, entry: &str) -> std::io::Result<(Self, File)> {
        let digits = hexadecimal(&Sha256::digest(entry)[..8]);
        let path = place.with_file_name(format!(".stdata-{digits}"));
        // Whatever has that name, a link that the archive brought too, is replaced and not written through.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((Self(path), file))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already when the file arrived.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether the reader failed or the writing did.
enum Copying {
    Reader(std::io::Error),
    Writer(std::io::Error),
    Limit(ArchiveError),
}

impl<'a> Sink<'a> {
    fn new(
        source: &'a Source<'a>,
        folder: &'a Path,
        list: List,
        limits: Limits,
        observer: &'a dyn Observer,
    ) -> Result<Self, ArchiveError> {
        let mut size = 0;
        for part in source.parts {
            size += std::fs::metadata(part)
                .map_err(|error| HubError::io("read", part, error))?
                .len();
        }
        observer.event(Event::Begun {
            path: source.name,
            size,
            there: 0,
        });
        Ok(Self {
            source,
            confine: Confine::new(folder),
            list,
            limits,
            observer,
            size,
            entries: 0,
            out: 0,
            looked: 0,
            seen: HashSet::new(),
            unpacked: Unpacked::default(),
            folder,
        })
    }

    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    pub(crate) fn broken(&self, reason: &impl ToString) -> ArchiveError {
        ArchiveError::Broken {
            archive: self.source.name.to_owned(),
            files: self.unpacked.files,
            reason: reason.to_string(),
        }
    }

    /// Counts an entry.
    pub(crate) fn entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(ArchiveError::TooMany {
                archive: self.source.name.to_owned(),
                limit: self.limits.entries,
            });
        }
        Ok(())
    }

    /// Checks that so many bytes may come out, and that there is room for them.
    pub(crate) fn announce(&self, bytes: u64) -> Result<(), ArchiveError> {
        let limit = self
            .size
            .saturating_mul(self.limits.ratio)
            .max(self.limits.small);
        if bytes > limit {
            return Err(ArchiveError::Bomb {
                archive: self.source.name.to_owned(),
                limit,
                size: self.size,
            });
        }
        let there: u64 = self.list.files().map(|file| file.size).sum();
        Ok(space::require(
            self.folder,
            bytes.saturating_sub(there),
            self.limits.keep_free,
        )?)
    }

    /// Counts bytes that came out.
    pub(crate) fn count(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.out += bytes;
        let limit = self
            .size
            .saturating_mul(self.limits.ratio)
            .max(self.limits.small);
        if self.out > limit {
            return Err(ArchiveError::Bomb {
                archive: self.source.name.to_owned(),
                limit,
                size: self.size,
            });
        }
        if self.out - self.looked >= LOOK_EVERY {
            self.looked = self.out;
            space::require(self.folder, LOOK_EVERY, self.limits.keep_free)?;
        }
        Ok(())
    }

    pub(crate) fn refuse(&mut self, entry: &str, refusal: Refusal) {
        self.unpacked
            .refused
            .push((name::shown(entry), refusal.to_string()));
    }

    /// A folder.
    pub(crate) fn folder(&mut self, entry: &str) {
        let plain = entry.trim_start_matches("./").trim_end_matches('/');
        if plain.is_empty() || plain == "." {
            return;
        }
        let made = name::check(plain)
            .map_err(Refusal::Name)
            .and_then(|()| self.confine.folder(plain));
        if let Err(refusal) = made {
            self.refuse(entry, refusal);
        }
    }

    /// A link inside the folder.
    pub(crate) fn link(&mut self, entry: &str, target: &str) {
        let made = link_stays(entry, target).and_then(|()| match self.confine.place(entry) {
            Err(Refusal::InTheWay)
                if std::fs::read_link(self.folder.join(entry.trim_start_matches("./")))
                    .is_ok_and(|found| found == Path::new(target)) =>
            {
                Ok(())
            }
            Err(refusal) => Err(refusal),
            Ok(place) if place.exists() => Err(Refusal::InTheWay),
            Ok(place) => std::os::unix::fs::symlink(target, place)
                .map_err(|error| Refusal::Disk(error.kind())),
        });
        match made {
            Ok(()) => self.unpacked.links += 1,
            Err(refusal) => self.refuse(entry, refusal),
        }
    }

    /// A second name for a file that came out before.
    pub(crate) fn hard_link(&mut self, entry: &str, target: &str) -> Result<(), ArchiveError> {
        let target = target.trim_start_matches("./");
        let found = self.confine.place(target).ok().and_then(|place| {
            self.list
                .known(target, &place)
                .cloned()
                .map(|known| (place, known))
        });
        let Some((from, known)) = found else {
            self.refuse(entry, Refusal::LinkOut);
            return Ok(());
        };
        let entry = entry.trim_start_matches("./");
        match self.confine.place(entry) {
            Err(refusal) => self.refuse(entry, refusal),
            Ok(place) if self.list.known(entry, &place).is_some() => {
                self.unpacked.files += 1;
                self.unpacked.there += 1;
                self.unpacked.bytes += known.size;
            }
            Ok(place) if place.exists() => self.refuse(entry, Refusal::InTheWay),
            Ok(place) => {
                std::fs::hard_link(&from, &place)
                    .map_err(|error| HubError::io("write the link", &place, error))?;
                self.unpacked.files += 1;
                self.unpacked.bytes += known.size;
                self.list.add(UnpackedFile {
                    path: entry.to_owned(),
                    ..known
                })?;
            }
        }
        Ok(())
    }

    /// Whether an earlier run has unpacked a file, so that its bytes need not be read.
    pub(crate) fn is_there(&mut self, entry: &str, size: u64) -> bool {
        let plain = entry.trim_start_matches("./");
        let known = self
            .list
            .known(plain, &self.folder.join(plain))
            .is_some_and(|known| known.size == size);
        if known && self.seen.insert(plain.to_owned()) {
            self.unpacked.files += 1;
            self.unpacked.there += 1;
            self.unpacked.bytes += size;
            return true;
        }
        false
    }

    /// A file that should have `expected` bytes.
    pub(crate) fn file(
        &mut self,
        entry: &str,
        expected: u64,
        reader: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        let plain = entry.trim_start_matches("./").to_owned();
        let place = match self.confine.place(&plain) {
            Ok(_) if self.seen.contains(&plain) => Err(Refusal::Twice),
            other => other,
        };
        let place = match place {
            Ok(place) => place,
            Err(refusal) => {
                self.refuse(entry, refusal);
                return Ok(());
            }
        };
        self.seen.insert(plain.clone());
        let failed = |error| HubError::io("write", &place, error);
        let (temporary, mut file) = Temporary::new(&place, &plain).map_err(failed)?;
        let (size, sha256) = match self.copy(reader, &mut file) {
            Ok(copied) => copied,
            Err(Copying::Reader(error)) => return Err(self.broken(&error)),
            Err(Copying::Writer(error)) => return Err(failed(error).into()),
            Err(Copying::Limit(error)) => return Err(error),
        };
        if size != expected {
            return Err(self.broken(&format!(
                "{} has {size} of {expected} bytes",
                name::shown(entry)
            )));
        }
        let mut there = false;
        if place.exists() {
            there = crate::digest::sha256_of(&place).is_ok_and(|(found, _)| found == sha256);
            if !there {
                self.refuse(entry, Refusal::InTheWay);
                return Ok(());
            }
        } else {
            std::fs::rename(&temporary.0, &place).map_err(failed)?;
        }
        self.unpacked.files += 1;
        self.unpacked.there += u64::from(there);
        self.unpacked.bytes += size;
        self.list.add(UnpackedFile {
            path: plain,
            size,
            sha256,
        })?;
        Ok(())
    }

    fn copy(
        &mut self,
        reader: &mut dyn Read,
        file: &mut impl Write,
    ) -> Result<(u64, String), Copying> {
        let mut block = vec![0; BLOCK];
        let mut sha256 = Sha256::new();
        let mut size = 0;
        loop {
            let count = match reader.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Copying::Reader(error)),
            };
            self.count(count as u64).map_err(Copying::Limit)?;
            file.write_all(&block[..count]).map_err(Copying::Writer)?;
            sha256.update(&block[..count]);
            size += count as u64;
        }
        Ok((size, hexadecimal(&sha256.finalize())))
    }
}
