//! `stdata.lock`: what was fetched, exactly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::Unpacked;
use crate::cache::{Cache, write_whole};
use crate::digest::{hexadecimal, sha256_of};
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

/// What checking a lock against the disk found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Files checked, unpacked ones included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as recorded.
    pub faults: Vec<Fault>,
}

/// A file that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, below the data root where it was put there.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
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

    /// Bytes that [`Lock::check`] will read.
    #[must_use]
    pub fn bytes_to_check(&self, deep: bool) -> u64 {
        let files: u64 = self.files.iter().map(|file| file.size).sum();
        let unpacked: u64 = self.archives.iter().map(|archive| archive.bytes).sum();
        files + if deep { unpacked } else { 0 }
    }

    /// Reads every file again and compares. Unpacked files are compared by size, and by content too when `deep`.
    ///
    /// # Errors
    /// When a list of unpacked files cannot be read. Everything else is a fault, which is told and does not stop the check.
    pub fn check(
        &self,
        root: &Path,
        cache: &Cache,
        threads: usize,
        deep: bool,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Checked, HubError> {
        let mut items = Vec::new();
        for file in &self.files {
            let (shown, place) = match &file.placed {
                Some(placed) => (placed.clone(), root.join(placed)),
                None => (
                    format!("{}/{}", file.repository, file.path),
                    cache.snapshot(&file.repository, &file.commit, &file.path),
                ),
            };
            items.push(Item {
                shown,
                place,
                size: file.size,
                sha256: Some(file.sha256.clone()),
            });
        }
        let mut listed = BTreeMap::new();
        for archive in &self.archives {
            let list = root.join(&archive.list);
            let Ok(entries) = Unpacked::read_list(&list) else {
                listed.insert(
                    archive.list.clone(),
                    "is missing or damaged: fetch again".to_owned(),
                );
                continue;
            };
            if entries.len() as u64 != archive.files {
                let reason = format!(
                    "lists {} files, {} were unpacked",
                    entries.len(),
                    archive.files
                );
                listed.insert(archive.list.clone(), reason);
            }
            for entry in entries {
                let shown = format!("{}/{}", archive.folder, entry.path);
                let place = root.join(&shown);
                items.push(Item {
                    shown,
                    place,
                    size: entry.size,
                    sha256: deep.then_some(entry.sha256),
                });
            }
        }
        let mut checked = check_items(&items, threads, progress);
        let lists = listed
            .into_iter()
            .map(|(file, reason)| Fault { file, reason });
        checked.faults.extend(lists);
        checked.faults.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(checked)
    }
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

struct Item {
    shown: String,
    place: PathBuf,
    size: u64,
    /// Compared when known.
    sha256: Option<String>,
}

fn check_items(items: &[Item], threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Checked {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(reason) = item.fault() {
                        let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                        faults.push(Fault {
                            file: item.shown.clone(),
                            reason,
                        });
                    }
                    if item.sha256.is_some() {
                        progress(item.size);
                    }
                }
            });
        }
    });
    Checked {
        files: items.len() as u64,
        bytes: items.iter().map(|item| item.size).sum(),
        faults: faults.into_inner().unwrap_or_else(PoisonError::into_inner),
    }
}

impl Item {
    fn fault(&self) -> Option<String> {
        let found = match std::fs::metadata(&self.place) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Some("is missing".to_owned());
            }
            Err(error) => return Some(format!("cannot be read: {}", error.kind())),
        };
        if found != self.size {
            return Some(format!("has {found} bytes, {} are recorded", self.size));
        }
        let sha256 = self.sha256.as_ref()?;
        match sha256_of(&self.place) {
            Ok((computed, _)) if computed == *sha256 => None,
            Ok((computed, _)) => Some(format!("has sha256 {computed}, {sha256} is recorded")),
            Err(error) => Some(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> LockedFile {
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

    #[test]
    fn the_check_finds_each_kind_of_fault() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lock::default();
        for name in ["good", "gone", "short", "other"] {
            lock.record(file(name, "content"));
        }
        let place = folder.path().join("annotations");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("good"), "content").unwrap();
        std::fs::write(place.join("short"), "conten").unwrap();
        std::fs::write(place.join("other"), "cOntent").unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        let checked = lock
            .check(folder.path(), &cache, 2, false, &|_| ())
            .unwrap();
        assert_eq!((checked.files, checked.bytes), (4, 28));
        let told: Vec<_> = checked
            .faults
            .iter()
            .map(|fault| {
                (
                    fault.file.as_str(),
                    fault
                        .reason
                        .split(' ')
                        .take(2)
                        .collect::<Vec<_>>()
                        .join(" "),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("annotations/gone", "is missing".to_owned()),
                ("annotations/other", "has sha256".to_owned()),
                ("annotations/short", "has 6".to_owned()),
            ]
        );
    }
}
