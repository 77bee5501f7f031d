//! Files that are there whole or not at all.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Writes a file under a temporary name beside its place and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut file = st_data::report::readable(tempfile::Builder::new().prefix(".stdata-"))
        .tempfile_in(folder)
        .with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
