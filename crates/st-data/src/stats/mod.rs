//! Counts and measures records: how many of what, how long spans are, how large boxes, what occurs twice.
//!
//! An [`Audit`] is a value that grows by records and merges with another, so files are read in parallel and memory stays
//! flat but for eight bytes a record (to find duplicates). Rendering is a pure function of it.

mod audit;
mod distribution;
mod render;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::dataset::Input;
use crate::read::{Chunks, Options, ReadError, for_each_chunk, read_piece};

pub use audit::{Audit, Group, GroupKey};
pub use distribution::Distribution;
pub use render::table;

/// A dataset file's name and what it lists.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Name of the dataset, such as "stage3".
    pub dataset: String,
    /// One annotation file of it.
    pub input: Input,
}

/// Why statistics cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads every file once, however many datasets list it, and measures it.
///
/// `progress` hears the bytes of each chunk.
///
/// # Errors
/// When a file cannot be opened or read on. Pieces that are no records are counted, not refused.
pub fn measure(
    listed: &[Listed],
    options: &Options,
    progress: impl Fn(u64) + Sync,
) -> Result<Audit, StatsError> {
    let mut audit = Audit::default();
    let mut files: BTreeMap<PathBuf, Vec<&Listed>> = BTreeMap::new();
    for entry in listed {
        files
            .entry(entry.input.annotations.clone())
            .or_default()
            .push(entry);
    }
    for (path, entries) in files {
        let file = measure_file(&path, entries[0], options, &progress)?;
        audit.add_file(&entries, file);
    }
    Ok(audit)
}

fn measure_file(
    path: &std::path::Path,
    first: &Listed,
    options: &Options,
    progress: &(impl Fn(u64) + Sync),
) -> Result<audit::FileAudit, StatsError> {
    let chunks = Chunks::open(path, options)?;
    let mut whole = audit::FileAudit::default();
    let folder = first
        .input
        .media
        .as_ref()
        .map(|folder| folder.to_string_lossy().into_owned());
    for_each_chunk(
        chunks,
        options.jobs,
        |chunk| {
            let mut part = audit::FileAudit::default();
            for piece in &chunk.pieces {
                match read_piece(&chunk, piece) {
                    Some(Ok(record)) => {
                        part.add(&record, first.input.source.as_deref(), folder.as_deref());
                    }
                    Some(Err(_)) => part.no_record(),
                    None => {}
                }
            }
            progress(chunk.data.len() as u64);
            part
        },
        |part| -> Result<(), ReadError> {
            whole += part;
            Ok(())
        },
    )?;
    Ok(whole)
}
