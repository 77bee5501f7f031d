//! `stdata.lock`: what was fetched, exactly.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache::write_whole;
use crate::digest::hexadecimal;
use crate::error::HubError;
use crate::name;
use crate::repository::{Commit, Repository, Revision};

/// The version that is written.
const VERSION: u32 = 1;

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is no lock.
    #[error("{}: is no lock file: {reason}; move it away and fetch again", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A later program wrote it.
    #[error("{}: has version {found}, this program knows {VERSION}: use a newer one", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// As found.
        found: u32,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] HubError),
}

/// Every fetched file: where from, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Lock")]
pub struct Lock {
    /// The version of this format.
    pub version: u32,
    /// The repositories, and the commit that each one's revision was.
    pub repositories: Vec<LockedRepository>,
    /// The files, by repository and path.
    pub files: Vec<LockedFile>,
    /// The archives that were unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<LockedArchive>,
}

/// A repository and its commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// `datasets/OWNER/NAME` or `models/OWNER/NAME`.
    pub repository: Repository,
    /// The branch, tag or commit that was asked for.
    pub revision: Revision,
    /// The commit that it was.
    pub commit: Commit,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// The repository.
    pub repository: Repository,
    /// The commit that it was fetched at.
    pub commit: Commit,
    /// Its path in the repository.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of the content, in hexadecimal.
    pub sha256: String,
    /// When it was fetched or first found: UTC, RFC 3339.
    pub time: String,
    /// Where it was put below the data root; only in the cache when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<String>,
}

/// An archive that was unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedArchive {
    /// The repository.
    pub repository: Repository,
    /// The archive's path in the repository; of its first part when it comes in parts.
    pub path: String,
    /// The folder below the data root that it was unpacked into.
    pub folder: String,
    /// Files unpacked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The list of these files, below the data root: JSON lines with path, size and sha256.
    pub list: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: VERSION,
            repositories: Vec::new(),
            files: Vec::new(),
            archives: Vec::new(),
        }
    }
}

impl Lock {
    /// Its name in the data root.
    pub const FILE: &'static str = "stdata.lock";

    /// Reads the lock of a data root; an empty one when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or holds what no lock of ours does, such as a path that leads out of the root.
    pub fn read(root: &Path) -> Result<Self, LockError> {
        let path = root.join(Self::FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(HubError::io("read", &path, error).into()),
        };
        let format = |reason: String| LockError::Format {
            path: path.clone(),
            reason,
        };
        let found: Version =
            serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        if found.version != VERSION {
            return Err(LockError::Version {
                path,
                found: found.version,
            });
        }
        let lock: Self =
            serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        for name in lock.names() {
            name::check(name).map_err(|fault| format(format!("{} {fault}", name::shown(name))))?;
        }
        Ok(lock)
    }

    /// Every text in it that becomes a path.
    fn names(&self) -> impl Iterator<Item = &str> {
        let files = self
            .files
            .iter()
            .flat_map(|file| std::iter::once(file.path.as_str()).chain(file.placed.as_deref()));
        let archives = self
            .archives
            .iter()
            .flat_map(|archive| [&archive.path, &archive.folder, &archive.list])
            .map(String::as_str);
        files.chain(archives)
    }

    /// Its text: the same lock always has the same.
    #[must_use]
    pub fn text(&self) -> String {
        // A struct of texts and numbers always has a text.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The sha256 of its text, for reports to cite.
    #[must_use]
    pub fn sha256(&self) -> String {
        use sha2::Digest;
        hexadecimal(&sha2::Sha256::digest(self.text()))
    }

    /// Writes it into a data root, whole or not at all; not when it is there just so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, root: &Path) -> Result<(), LockError> {
        let path = root.join(Self::FILE);
        let text = self.text();
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        Ok(write_whole(&path, text.as_bytes())?)
    }

    /// The commit that a repository is held at.
    #[must_use]
    pub fn repository(&self, repository: &Repository) -> Option<&LockedRepository> {
        self.repositories
            .iter()
            .find(|locked| locked.repository == *repository)
    }

    /// Holds a repository at a commit from now on.
    pub fn hold(&mut self, held: LockedRepository) {
        self.repositories
            .retain(|locked| locked.repository != held.repository);
        self.repositories.push(held);
        self.repositories
            .sort_by(|a, b| a.repository.cmp(&b.repository));
    }

    /// A file, whatever the commit.
    #[must_use]
    pub fn file(&self, repository: &Repository, path: &str) -> Option<&LockedFile> {
        let key = (repository, path);
        let at = self
            .files
            .binary_search_by(|file| (&file.repository, file.path.as_str()).cmp(&key));
        at.ok().map(|at| &self.files[at])
    }

    /// Records a file. The time of one that is recorded just so stays.
    pub fn record(&mut self, mut file: LockedFile) {
        match self.files.binary_search_by(|found| {
            (&found.repository, &found.path).cmp(&(&file.repository, &file.path))
        }) {
            Ok(at) => {
                if self.files[at].sha256 == file.sha256 {
                    file.time.clone_from(&self.files[at].time);
                }
                if file.placed.is_none() {
                    file.placed.clone_from(&self.files[at].placed);
                }
                self.files[at] = file;
            }
            Err(at) => self.files.insert(at, file),
        }
    }

    /// Records an unpacked archive.
    pub fn record_archive(&mut self, archive: LockedArchive) {
        self.archives.retain(|found| {
            (&found.repository, &found.path, &found.folder)
                != (&archive.repository, &archive.path, &archive.folder)
        });
        self.archives.push(archive);
        self.archives
            .sort_by(|a, b| (&a.repository, &a.path).cmp(&(&b.repository, &b.path)));
    }
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A locked file of this path and content.
    pub(crate) fn file(path: &str, content: &str) -> LockedFile {
        use sha2::Digest;
        LockedFile {
            repository: "datasets/o/n".parse().unwrap(),
            commit: "1".repeat(40).parse().unwrap(),
            path: path.to_owned(),
            size: content.len() as u64,
            sha256: hexadecimal(&sha2::Sha256::digest(content)),
            time: "2026-01-01T00:00:00Z".to_owned(),
            placed: Some(format!("annotations/{path}")),
        }
    }

    #[test]
    fn locks_are_read_as_written_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), Lock::default());
        let mut lock = Lock::default();
        lock.record(file("b", "x"));
        lock.record(file("a", "y"));
        lock.record(LockedFile {
            time: "later".into(),
            ..file("b", "x")
        });
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        let paths: Vec<_> = lock.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a", "b"]);
        assert_eq!(
            lock.files[1].time, "2026-01-01T00:00:00Z",
            "a file found again keeps its time"
        );
    }

    #[test]
    fn locks_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lock::default();
        lock.record(LockedFile {
            placed: Some("../../etc/passwd".into()),
            ..file("a", "x")
        });
        lock.write(folder.path()).unwrap();
        let error = Lock::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("leaves its folder"), "{error}");
        for (text, word) in [
            ("{}", "version"),
            ("{\"version\": 2}", "version 2"),
            ("x", "no lock file"),
        ] {
            std::fs::write(folder.path().join(Lock::FILE), text).unwrap();
            let error = Lock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
