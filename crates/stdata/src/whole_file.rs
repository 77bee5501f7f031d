//! Files that are there whole or not at all.

use std::path::Path;

use anyhow::Context;

/// Writes a file under a temporary name beside its place and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    st_data::whole_file::write(path, |file| file.write_all(bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}
