//! The standard cache, shared with Python's `huggingface_hub`:
//!
//! ```text
//! datasets--OWNER--NAME/
//!   blobs/<checksum>              content, named by what the hub calls its etag
//!   refs/<revision>               a commit
//!   snapshots/<commit>/<path>     links to ../../blobs/<checksum>
//! .locks/datasets--OWNER--NAME/<checksum>.lock
//! ```

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::api::{Listing, RemoteFile};
use crate::digest::{self, ContentId};
use crate::error::HubError;
use crate::name;
use crate::repository::{Commit, Repository, Revision};

/// Folders below a snapshot that are entered, one in another.
const DEPTH: usize = 64;

/// A folder in the standard layout. It need not exist.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `root`, which is `$HF_HUB_CACHE` or `$HF_HOME/hub`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, repository: &Repository) -> PathBuf {
        self.root.join(repository.cache_folder())
    }

    /// Where content lies, once it is complete.
    pub(crate) fn blob(&self, repository: &Repository, id: &ContentId) -> PathBuf {
        self.folder(repository).join("blobs").join(id.digits())
    }

    /// Where a file of a commit lies, once it is complete: usually a link to its content.
    #[must_use]
    pub fn snapshot(&self, repository: &Repository, commit: &Commit, path: &str) -> PathBuf {
        self.folder(repository)
            .join("snapshots")
            .join(commit.as_str())
            .join(path)
    }

    /// The commit that a revision was when it was last asked for.
    pub(crate) fn reference(&self, repository: &Repository, revision: &Revision) -> Option<Commit> {
        let path = self.folder(repository).join("refs").join(revision.as_str());
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// Remembers the commit that a revision is. A commit needs no remembering.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn remember(
        &self,
        repository: &Repository,
        revision: &Revision,
        commit: &Commit,
    ) -> Result<(), HubError> {
        if revision.commit().is_some() {
            return Ok(());
        }
        let path = self.folder(repository).join("refs").join(revision.as_str());
        if std::fs::read_to_string(&path).is_ok_and(|text| text == commit.as_str()) {
            return Ok(());
        }
        write_whole(&path, commit.as_str().as_bytes())
    }

    /// A file of a commit if it is there with the right size: the place of its content.
    #[must_use]
    pub fn find(
        &self,
        repository: &Repository,
        commit: &Commit,
        file: &RemoteFile,
    ) -> Option<PathBuf> {
        [
            self.blob(repository, &file.id),
            self.snapshot(repository, commit, &file.path),
        ]
        .into_iter()
        .find(|path| {
            std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == file.size)
        })
    }

    /// Bytes of a file that an earlier attempt has left.
    #[must_use]
    pub fn partial(&self, repository: &Repository, file: &RemoteFile) -> u64 {
        std::fs::metadata(part_of(&self.blob(repository, &file.id)))
            .map_or(0, |found| found.len().min(file.size))
    }

    /// The files of a commit that are there.
    pub(crate) fn list(
        &self,
        repository: &Repository,
        commit: &Commit,
    ) -> Result<Listing, HubError> {
        let root = self
            .folder(repository)
            .join("snapshots")
            .join(commit.as_str());
        let mut listing = Listing::default();
        let mut folders = vec![(root.clone(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(_) if depth == 0 => {
                    return Err(HubError::Offline {
                        what: format!("{repository} at {}", commit.short()),
                        cache: self.root.clone(),
                    });
                }
                Err(error) => return Err(HubError::io("read", &folder, error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| HubError::io("read", &folder, error))?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let path = format!("{prefix}{name}");
                let kind = entry
                    .file_type()
                    .map_err(|error| HubError::io("read", &folder, error))?;
                if kind.is_dir() && depth < DEPTH {
                    folders.push((entry.path(), format!("{path}/"), depth + 1));
                } else if name::check(&path).is_ok()
                    && let Ok(found) = std::fs::metadata(entry.path())
                    && found.is_file()
                {
                    let id = content_id(&entry.path())?;
                    listing.files.push(RemoteFile {
                        path,
                        size: found.len(),
                        id,
                    });
                }
            }
        }
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Links a file of a commit to its content. The link is relative, so that the cache can move as a whole.
    pub(crate) fn link(
        &self,
        repository: &Repository,
        commit: &Commit,
        file: &RemoteFile,
    ) -> Result<PathBuf, HubError> {
        let pointer = self.snapshot(repository, commit, &file.path);
        let blob = self.blob(repository, &file.id);
        if !blob.exists() {
            // Without links, Python moves the content to the snapshot itself.
            return Ok(pointer);
        }
        let ups = "../".repeat(file.path.split('/').count() + 1);
        let target = PathBuf::from(format!("{ups}blobs/{}", file.id.digits()));
        place_link(&target, &pointer)?;
        Ok(pointer)
    }

    /// Keeps other processes, Python's too, from fetching the same content at the same time. Where the file system knows
    /// no locks there is none: two downloads then write the same bytes.
    pub(crate) fn lock(
        &self,
        repository: &Repository,
        id: &ContentId,
    ) -> Result<Option<File>, HubError> {
        let path = self
            .root
            .join(".locks")
            .join(repository.cache_folder())
            .join(format!("{}.lock", id.digits()));
        make_parent(&path)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| HubError::io("write", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(file.lock().is_ok().then_some(file)),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

/// Where content grows until it is complete.
pub(crate) fn part_of(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// What the content behind a file of a snapshot is: the name of the blob it links to, else its sha256.
fn content_id(pointer: &Path) -> Result<ContentId, HubError> {
    let linked = std::fs::read_link(pointer)
        .ok()
        .and_then(|target| Some(target.file_name()?.to_str()?.to_owned()));
    if let Some(digits) = linked {
        for id in [
            ContentId::Sha256(digits.clone()),
            ContentId::GitBlob(digits),
        ] {
            if id.is_sound() {
                return Ok(id);
            }
        }
    }
    Ok(ContentId::Sha256(digest::sha256_of(pointer)?.0))
}

/// Makes the folder that is to hold `path`.
pub(crate) fn make_parent(path: &Path) -> Result<(), HubError> {
    match path.parent() {
        Some(folder) => std::fs::create_dir_all(folder)
            .map_err(|error| HubError::io("make the folder", folder, error)),
        None => Ok(()),
    }
}

/// Writes a file under another name in its folder, on the disk, and only then gives it its name.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    make_parent(path)?;
    let failed = |error| HubError::io("write", path, error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".stdata-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Puts a link to `target` at `path`, in one step also where something is there already.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn place_link(target: &Path, path: &Path) -> Result<(), HubError> {
    if std::fs::read_link(path).is_ok_and(|found| found == target) {
        return Ok(());
    }
    make_parent(path)?;
    let failed = |error| HubError::io("write the link", path, error);
    let folder = path.parent().unwrap_or(Path::new("."));
    let staging = tempfile::Builder::new()
        .prefix(".stdata-")
        .tempdir_in(folder)
        .map_err(failed)?;
    let link = staging.path().join("link");
    symlink(target, &link).map_err(failed)?;
    std::fs::rename(&link, path).map_err(failed)
}

/// Makes sure that a renamed file is still there after a power cut.
pub(crate) fn sync_folder(path: &Path) {
    // Not every file system can; the content itself is on the disk already.
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (tempfile::TempDir, Cache, Repository, Commit, RemoteFile) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        let file = RemoteFile {
            path: "a/b/c.json".to_owned(),
            size: 2,
            id: ContentId::GitBlob("9".repeat(40)),
        };
        let repository = "datasets/o/n".parse().unwrap();
        (
            folder,
            cache,
            repository,
            "1".repeat(40).parse().unwrap(),
            file,
        )
    }

    #[test]
    fn links_lead_from_the_snapshot_to_the_content() {
        let (_folder, cache, repository, commit, file) = setting();
        assert!(cache.find(&repository, &commit, &file).is_none());
        write_whole(&cache.blob(&repository, &file.id), b"hi").unwrap();
        let pointer = cache.link(&repository, &commit, &file).unwrap();
        assert!(pointer.ends_with(format!("datasets--o--n/snapshots/{commit}/a/b/c.json")));
        assert_eq!(std::fs::read(&pointer).unwrap(), b"hi");
        assert!(std::fs::read_link(&pointer).unwrap().is_relative());
        // Again is no fault, and what was listed is found again.
        cache.link(&repository, &commit, &file).unwrap();
        assert_eq!(
            cache.list(&repository, &commit).unwrap().files,
            std::slice::from_ref(&file)
        );
        // A truncated file is not taken for the whole.
        std::fs::write(cache.blob(&repository, &file.id), b"h").unwrap();
        assert!(cache.find(&repository, &commit, &file).is_none());
    }

    #[test]
    fn revisions_are_remembered() {
        let (_folder, cache, repository, commit, _) = setting();
        let revision: Revision = "refs/pr/1".parse().unwrap();
        assert_eq!(cache.reference(&repository, &revision), None);
        cache.remember(&repository, &revision, &commit).unwrap();
        assert_eq!(cache.reference(&repository, &revision), Some(commit));
    }
}
