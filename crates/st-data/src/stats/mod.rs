//! Counts, measures and compares records: how many of what, how long spans are, how large boxes, what 100 bins lose, what
//! repeats, what contradicts, what a benchmark shares.
//!
//! An [`Audit`] is a value that grows by records and adds up with another, exactly, so files are read in parallel and
//! halves can be measured apart. It keeps no text but a hash and a sketch of every record (about 400 bytes). A [`Report`]
//! is made of it ([`Audit::report`]); renderers are pure functions of the report.

mod audit;
mod distribution;
mod examine;
mod features;
mod fingerprint;
mod group;
mod language;
mod objects;
mod quantization;
mod render;
mod report;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dataset::Input;
use crate::read::{Chunks, Options, Positions, ReadError, for_each_chunk, read_piece};

pub use audit::Audit;
pub use distribution::{Distribution, Grid, Tally};
pub use features::{Features, RawBox, RawSpan, RawTube, TurnShape};
pub use group::Group;
pub use quantization::{THRESHOLDS, box_bounds, box_iou, span_bounds, span_iou};
pub use render::table;
pub use report::{
    AxisRow, BenchmarkRow, Bound, CompositionRow, Contradiction, Contradictions, Counted,
    DatasetRow, DuplicateSet, Duplicates, EXAMPLES, Evidence, FileRow, GroupRow, KnownOverlap,
    Leak, Leakage, Likeness, Mixture, MixtureRow, Place, Quantization, Report, Sample, SharedFile,
    SharedMedia, SourcePair, TaskBound, TextSection, Totals, VERSION,
};
pub use text::for_each_word;

/// A dataset file's name and what it lists.
#[derive(Debug, Clone, PartialEq)]
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
    let mut numbers: BTreeMap<PathBuf, u32> = BTreeMap::new();
    for entry in listed {
        let path = &entry.input.annotations;
        let number = match numbers.get(path) {
            Some(number) => *number,
            None => measure_file(&mut audit, entry, options, &progress)?,
        };
        numbers.insert(path.clone(), number);
        audit.listed.push((entry.clone(), number));
    }
    Ok(audit)
}

fn measure_file(
    audit: &mut Audit,
    entry: &Listed,
    options: &Options,
    progress: &(impl Fn(u64) + Sync),
) -> Result<u32, StatsError> {
    let path: &Path = &entry.input.annotations;
    let number = audit.start_file(&path.to_string_lossy(), false);
    let folder = entry
        .input
        .media
        .as_ref()
        .map_or_else(String::new, |folder| folder.to_string_lossy().into_owned());
    for_each_chunk(
        Chunks::open(path, options)?,
        options.jobs,
        |chunk| {
            let mut part = audit::Part::default();
            let mut positions = Positions::new(&chunk);
            for piece in &chunk.pieces {
                let line = positions.of(piece).line;
                match read_piece(&chunk, piece) {
                    Some(Ok(record)) => part.add(&record, line, &folder),
                    Some(Err(_)) => part.no_record(),
                    None => {}
                }
            }
            progress(chunk.data.len() as u64);
            part
        },
        |part| -> Result<(), ReadError> {
            audit.add_part(number, part);
            Ok(())
        },
    )?;
    Ok(number)
}
