//! Files and folders that appear whole or not at all.

use std::path::{Path, PathBuf};

use crate::WeightsError;

/// A file under a temporary name in the folder of its target; [`AtomicFile::commit`] makes it durable and gives it
/// its name. Dropped before that, it is removed and the target stays as it was.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    file: fs_err::File,
    done: bool,
}

impl AtomicFile {
    /// Starts writing a file.
    ///
    /// # Errors
    ///
    /// If the temporary file cannot be created.
    pub fn create(target: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let target = target.as_ref().to_owned();
        let temporary = temporary_name(&target);
        let file = fs_err::File::create(&temporary)?;
        Ok(Self {
            target,
            temporary,
            file,
            done: false,
        })
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &fs_err::File {
        &self.file
    }

    /// Flushes to disk, renames to the target's name and flushes the folder.
    ///
    /// # Errors
    ///
    /// If any of these steps fails.
    pub fn commit(mut self) -> Result<(), WeightsError> {
        self.file.sync_all()?;
        fs_err::rename(&self.temporary, &self.target)?;
        self.done = true;
        sync_parent(&self.target)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs_err::remove_file(&self.temporary);
        }
    }
}

/// A folder under a temporary name beside its target; [`AtomicDir::commit`] renames it. Dropped before that, it is
/// removed with everything in it.
#[derive(Debug)]
pub struct AtomicDir {
    target: PathBuf,
    temporary: PathBuf,
    done: bool,
}

impl AtomicDir {
    /// Starts writing a folder.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Exists`] if the target is there and is not an empty folder, or an I/O error.
    pub fn create(target: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let target = target.as_ref().to_owned();
        if target.exists() {
            let empty = target.is_dir() && fs_err::read_dir(&target)?.next().is_none();
            if !empty {
                return Err(WeightsError::Exists { path: target });
            }
        }
        let temporary = temporary_name(&target);
        if temporary.exists() {
            fs_err::remove_dir_all(&temporary)?;
        }
        fs_err::create_dir_all(&temporary)?;
        Ok(Self {
            target,
            temporary,
            done: false,
        })
    }

    /// Where to write until the folder is committed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Renames the folder to its target and flushes the parent. Files in it should have been flushed one by one, as
    /// [`AtomicFile`] does.
    ///
    /// # Errors
    ///
    /// If the target has come into being meanwhile, or renaming fails.
    pub fn commit(mut self) -> Result<(), WeightsError> {
        fs_err::rename(&self.temporary, &self.target)?;
        self.done = true;
        sync_parent(&self.target)
    }
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs_err::remove_dir_all(&self.temporary);
        }
    }
}

/// `.<name>.<process>.tmp` in the same folder, so that renaming never crosses a file system.
fn temporary_name(target: &Path) -> PathBuf {
    let name = target
        .file_name()
        .map_or_else(|| "out".into(), |name| name.to_string_lossy().into_owned());
    target.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn sync_parent(target: &Path) -> Result<(), WeightsError> {
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs_err::File::open(parent)?.sync_all()?;
    Ok(())
}
