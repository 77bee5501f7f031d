//! Files that are there whole or not at all.

use std::io::{BufWriter, IntoInnerError, Result, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// A new file under a temporary name in the folder of `path`, which is made where it is missing. All whom the system's mask
/// allows may read it: results are made to be passed on. It goes away unless it is given a name.
///
/// # Errors
/// When the folder or the file cannot be made.
pub(crate) fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".stdata-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Gives a finished file its name, when its bytes are on the disk.
///
/// # Errors
/// When the disk is full or the name cannot be taken.
pub(crate) fn name(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a file under a temporary name beside its place, then renames it.
///
/// # Errors
/// When it cannot be written; what was there before is then as it was.
pub fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 18, beside(path)?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(IntoInnerError::into_error)?;
    name(file, path)
}
