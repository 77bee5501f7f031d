//! Files that are there whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ShardError;

/// A file under a temporary name in its folder; [`Pending::commit`] renames it into place.
pub(crate) struct Pending {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<std::io::BufWriter<fs_err::File>>,
    is_in_place: bool,
}

impl Pending {
    pub(crate) fn create(path: &Path) -> Result<Self, ShardError> {
        let mut name = path.as_os_str().to_owned();
        // Tasks on several machines may write the same small file at the same time.
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(name);
        let file = fs_err::File::create(&temporary).map_err(|e| ShardError::at(path, e))?;
        let file = Some(std::io::BufWriter::with_capacity(1 << 18, file));
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file,
            is_in_place: false,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(bytes)
            .map_err(|e| ShardError::at(&self.path, e))
    }

    /// Gives the file its name; with `sync`, after its bytes are on the disk.
    pub(crate) fn commit(mut self, sync: bool) -> Result<(), ShardError> {
        let at = |e| ShardError::at(&self.path, e);
        if let Some(file) = self.file.take() {
            let file = file.into_inner().map_err(|e| at(e.into_error()))?;
            if sync {
                file.sync_all().map_err(at)?;
            }
        }
        fs_err::rename(&self.temporary, &self.path).map_err(at)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_in_place {
            // Given up half-way, perhaps for want of room. What stays behind has a name that nobody reads.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

pub(crate) fn write_file(path: &Path, bytes: &[u8], sync: bool) -> Result<(), ShardError> {
    let mut file = Pending::create(path)?;
    file.write(bytes)?;
    file.commit(sync)
}

pub(crate) fn write_json(
    path: &Path,
    value: &impl Serialize,
    sync: bool,
) -> Result<(), ShardError> {
    let text = serde_json::to_vec_pretty(value);
    let mut text = text.map_err(|source| ShardError::Json {
        path: path.to_owned(),
        source,
    })?;
    text.push(b'\n');
    write_file(path, &text, sync)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ShardError> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| ShardError::Json {
        path: path.to_owned(),
        source,
    })
}
