//! Room on the disk.

use std::path::{Path, PathBuf};

use crate::error::HubError;

/// The nearest folder at or above `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Bytes that a user without special rights can still write at `path`, which need not exist yet.
///
/// # Errors
/// When the file system does not tell.
pub fn free(path: &Path) -> Result<u64, HubError> {
    let folder = existing(path);
    let told = rustix::fs::statvfs(&folder)
        .map_err(|error| HubError::io("ask for room at", &folder, error.into()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Whether two paths, which need not exist yet, are on the same file system.
#[must_use]
pub fn same_disk(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(existing(path)).map(|found| found.dev());
    match (device(a), device(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Refuses when `needed` bytes at `folder` would leave less than `keep` free.
///
/// # Errors
/// When there is too little room, or the file system does not tell.
pub fn require(folder: &Path, needed: u64, keep: u64) -> Result<(), HubError> {
    let free = free(folder)?;
    let total = needed.saturating_add(keep);
    if needed > 0 && free < total {
        return Err(HubError::Space {
            folder: folder.to_owned(),
            needed: total,
            free,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("not/there/yet");
        assert!(free(&inside).unwrap() > 0);
        require(&inside, 0, u64::MAX).unwrap();
        require(&inside, 1, 0).unwrap();
        let error = require(&inside, 1 << 60, 0).unwrap_err().to_string();
        assert!(
            error.contains("1.0 EiB") && error.contains("is free"),
            "{error}"
        );
        assert!(same_disk(&inside, folder.path()));
    }
}
