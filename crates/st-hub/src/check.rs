//! Whether the disk still is what the lock says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::archive::Unpacked;
use crate::cache::Cache;
use crate::digest::sha256_of;
use crate::error::HubError;
use crate::lock::Lock;

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

impl Lock {
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
    use crate::lock::tests::file;

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
