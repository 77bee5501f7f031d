//! The list of what was unpacked: JSON lines, the first of which says from what.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::make_parent;
use crate::error::HubError;
use crate::name;

/// What came out of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unpacked {
    /// Files of the archive that are in the folder now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that an earlier run unpacked or that were there already, just so.
    pub there: u64,
    /// Links that were made.
    pub links: u64,
    /// Entries that were refused, each with the reason.
    pub refused: Vec<(String, String)>,
}

/// One unpacked file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpackedFile {
    /// Below the folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of the content, in hexadecimal.
    pub sha256: String,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// What was unpacked: checksums of the parts.
    archive: Vec<String>,
    /// The end was reached.
    complete: bool,
}

/// The list while it grows.
pub(crate) struct List {
    path: PathBuf,
    growing: PathBuf,
    archive: Vec<String>,
    file: std::fs::File,
    known: HashMap<String, UnpackedFile>,
    complete: bool,
}

impl Unpacked {
    /// The files in a finished list.
    ///
    /// # Errors
    /// When it cannot be read, or has a line that is none.
    pub fn read_list(path: &Path) -> std::io::Result<Vec<UnpackedFile>> {
        let mut lines = BufReader::new(std::fs::File::open(path)?).lines();
        let head: Head = serde_json::from_str(&lines.next().transpose()?.unwrap_or_default())?;
        let mut files = Vec::new();
        for line in lines {
            let file: UnpackedFile = serde_json::from_str(&line?)?;
            name::check(&file.path).map_err(std::io::Error::other)?;
            files.push(file);
        }
        if head.complete {
            Ok(files)
        } else {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        }
    }
}

impl List {
    /// Takes up the list at `path`, if it is of the same archive.
    pub(crate) fn open(path: &Path, archive: &[String]) -> Result<Self, HubError> {
        make_parent(path)?;
        let mut growing = path.as_os_str().to_owned();
        growing.push(".part");
        let growing = PathBuf::from(growing);
        let head = |complete| Head {
            archive: archive.to_vec(),
            complete,
        };
        let complete = read_known(path, &head(true));
        let is_complete = complete.is_some();
        let known = complete
            .or_else(|| read_known(&growing, &head(false)))
            .unwrap_or_default();
        let failed = |error| HubError::io("write", &growing, error);
        // Written anew, because a killed run may have left half a line.
        let mut text = line(&head(false));
        for file in known.values() {
            text.extend(line(file));
        }
        crate::cache::write_whole(&growing, &text)?;
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(&growing)
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            archive: archive.to_vec(),
            known,
            file,
            growing,
            complete: is_complete,
        })
    }

    /// A file that an earlier run unpacked, if it is still there with its size.
    pub(crate) fn known(&self, entry: &str, place: &Path) -> Option<&UnpackedFile> {
        let known = self.known.get(entry)?;
        let same = std::fs::symlink_metadata(place)
            .is_ok_and(|found| found.is_file() && found.len() == known.size);
        same.then_some(known)
    }

    /// Whether an earlier run reached the end and everything is still there.
    pub(crate) fn is_complete(&self, folder: &Path) -> bool {
        self.complete
            && self
                .known
                .keys()
                .all(|entry| self.known(entry, &folder.join(entry)).is_some())
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &UnpackedFile> {
        self.known.values()
    }

    pub(crate) fn add(&mut self, file: UnpackedFile) -> Result<(), HubError> {
        self.file
            .write_all(&line(&file))
            .map_err(|error| HubError::io("write", &self.growing, error))?;
        self.known.insert(file.path.clone(), file);
        Ok(())
    }

    /// Gives the list its name; its lines in order.
    pub(crate) fn finish(self) -> Result<(), HubError> {
        let mut text = line(&Head {
            archive: self.archive,
            complete: true,
        });
        let mut files: Vec<&UnpackedFile> = self.known.values().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            text.extend(line(file));
        }
        crate::cache::write_whole(&self.path, &text)?;
        std::fs::remove_file(&self.growing)
            .map_err(|error| HubError::io("remove", &self.growing, error))
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Structs of texts and numbers always have a text.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The files of a list with that head, as far as its lines are whole.
fn read_known(path: &Path, head: &Head) -> Option<HashMap<String, UnpackedFile>> {
    let mut lines = BufReader::new(std::fs::File::open(path).ok()?).lines();
    let found: Head = serde_json::from_str(&lines.next()?.ok()?).ok()?;
    if found != *head {
        return None;
    }
    let mut known = HashMap::new();
    for line in lines {
        let Some(file) = line
            .ok()
            .and_then(|line| serde_json::from_str::<UnpackedFile>(&line).ok())
        else {
            break;
        };
        if name::check(&file.path).is_ok() {
            known.insert(file.path.clone(), file);
        }
    }
    Some(known)
}
