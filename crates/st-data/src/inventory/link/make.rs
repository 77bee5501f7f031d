//! Making links, by any of four ways.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roots::LinkRoots;
use super::{Link, LinkError, Plan};

/// How a file gets to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A symbolic link to the file's absolute path: no space, breaks when the file moves.
    Symlink,
    /// A second name for the file: no space, one file system.
    Hardlink,
    /// A copy that shares its blocks until one is written: no space, one file system that can (Btrfs, XFS).
    Reflink,
    /// A copy.
    Copy,
}

impl Mode {
    /// Several of what it makes, in words.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Symlink => "symbolic links",
            Self::Hardlink => "hard links",
            Self::Reflink => "reflinks",
            Self::Copy => "copies",
        }
    }
}

/// A file that could not be brought to its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The place.
    pub to: PathBuf,
    /// What the system says.
    pub reason: String,
}

/// What was made; `made + already + failed = links of the plan`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Made {
    /// Files brought to their places.
    pub made: u64,
    /// Places that someone has filled since the plan was made.
    pub already: u64,
    /// Files that could not be.
    pub failed: Vec<Failure>,
}

/// Carries a plan out; `folders` are the media folders its places are in.
pub(super) fn carry_out(
    plan: &Plan,
    mode: Mode,
    folders: &[&Path],
    step: &(impl Fn() + Sync),
) -> Result<Made, LinkError> {
    let mut shares: BTreeMap<&Path, Vec<&Link>> = BTreeMap::new();
    for link in &plan.links {
        // The innermost folder, where one holds another.
        let folder = folders
            .iter()
            .filter(|folder| link.to.starts_with(folder))
            .max_by_key(|folder| folder.as_os_str().len());
        shares
            .entry(folder.copied().unwrap_or(Path::new("")))
            .or_default()
            .push(link);
    }
    for (folder, links) in &shares {
        std::fs::create_dir_all(folder).map_err(|source| LinkError::Write {
            path: (*folder).to_owned(),
            source,
        })?;
        check(&plan.from, folder, links, mode)?;
    }
    let mut done = Made::default();
    for (folder, links) in shares {
        if mode == Mode::Symlink {
            LinkRoots::add(folder, roots(&plan.from, &links))?;
        }
        let ends: Vec<io::Result<bool>> = links
            .par_iter()
            .map(|link| {
                let end = bring(link, mode);
                step();
                end
            })
            .collect();
        for (link, end) in links.iter().zip(ends) {
            match end {
                Ok(true) => done.made += 1,
                Ok(false) => done.already += 1,
                Err(error) => done.failed.push(Failure {
                    to: link.to.clone(),
                    reason: error.to_string(),
                }),
            }
        }
    }
    let sum = done.made + done.already + done.failed.len() as u64;
    assert_eq!(
        sum,
        plan.links.len() as u64,
        "a link ended in no way or in two"
    );
    Ok(done)
}

/// The place looked in, and those that links inside it lead to.
fn roots(from: &Path, links: &[&Link]) -> BTreeSet<PathBuf> {
    let real = links
        .par_iter()
        .filter_map(|link| std::fs::canonicalize(&link.from).ok());
    let outside = real
        .filter(|file| !file.starts_with(from))
        .filter_map(|file| file.parent().map(Path::to_owned));
    let mut roots: BTreeSet<PathBuf> = outside.collect();
    roots.insert(from.to_owned());
    roots
}

/// Refuses before anything is made what cannot end well.
fn check(from: &Path, folder: &Path, links: &[&Link], mode: Mode) -> Result<(), LinkError> {
    match mode {
        Mode::Symlink => Ok(()),
        Mode::Copy => {
            let needed: u64 = links.iter().map(|link| link.bytes).sum();
            let failed = |error: rustix::io::Errno| LinkError::Write {
                path: folder.to_owned(),
                source: error.into(),
            };
            let disk = rustix::fs::statvfs(folder).map_err(failed)?;
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if needed >= free {
                return Err(LinkError::DiskFull {
                    folder: folder.to_owned(),
                    needed,
                    free,
                });
            }
            Ok(())
        }
        Mode::Hardlink | Mode::Reflink => {
            if file_system(from) == file_system(folder) {
                return Ok(());
            }
            Err(LinkError::OtherFileSystem {
                from: from.to_owned(),
                to: folder.to_owned(),
            })
        }
    }
}

/// The number of the file system that a folder is on.
fn file_system(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder)
        .ok()
        .map(|metadata| metadata.dev())
}

/// Brings one file to its place; `false` when a file with bytes is there already.
fn bring(link: &Link, mode: Mode) -> io::Result<bool> {
    let folder = link.to.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)?;
    match std::fs::symlink_metadata(&link.to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(_) => match std::fs::metadata(&link.to) {
            Ok(metadata) if metadata.is_dir() || metadata.len() > 0 => return Ok(false),
            // A link to nowhere, or a file without bytes.
            _ => std::fs::remove_file(&link.to)?,
        },
    }
    let linked = match mode {
        Mode::Symlink => std::os::unix::fs::symlink(&link.from, &link.to),
        Mode::Hardlink => {
            std::fs::canonicalize(&link.from).and_then(|from| std::fs::hard_link(from, &link.to))
        }
        Mode::Reflink | Mode::Copy => copy(link, folder, mode),
    };
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies under a temporary name in the same folder, then renames; never over a file.
fn copy(link: &Link, folder: &Path, mode: Mode) -> io::Result<()> {
    let mut from = std::fs::File::open(&link.from)?;
    let mut file = tempfile::Builder::new()
        .prefix(".stdata-")
        .tempfile_in(folder)?;
    if mode == Mode::Reflink {
        rustix::fs::ioctl_ficlone(file.as_file(), &from).map_err(|error| {
            let reason = format!(
                "the file system makes no reflinks ({error}): use --mode hardlink, symlink or copy"
            );
            io::Error::new(io::ErrorKind::Unsupported, reason)
        })?;
    } else {
        io::copy(&mut from, &mut file)?;
    }
    file.as_file()
        .set_permissions(from.metadata()?.permissions())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(&link.to)
        .map_err(|error| error.error)?;
    Ok(())
}
