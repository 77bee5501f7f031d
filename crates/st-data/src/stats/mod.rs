//! Counts, measures and compares records: how many of what, how long spans are, how large boxes, what 100 bins lose, what
//! repeats, what contradicts, what a benchmark shares.
//!
//! An [`Audit`] is a value that grows by records and adds up with another, exactly, so files are read in parallel and
//! halves can be measured apart. It keeps no text but hashes and a sketch of every record (about 400 bytes). A [`Report`] and
//! [`Findings`] are made of it ([`examine`]), with a second look at those records that are shown; renderers are pure
//! functions of the report.

mod against;
mod audit;
mod card;
mod clean;
mod composition;
mod croissant;
mod disk;
mod distribution;
mod examination;
mod examine;
mod features;
mod findings;
mod fingerprint;
mod frames;
mod group;
mod html;
mod identity;
mod language;
mod leakage;
mod mixture;
mod objects;
mod parquet;
mod quantization;
mod render;
mod repeats;
mod report;
mod sameness;
mod text;
mod texts;
mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dataset::Input;
use crate::read::{Chunks, Options, Position, Positions, ReadError, for_each_chunk, read_piece};
use audit::AuditedFile;

pub use against::{Against, AgainstError, read_against};
pub use audit::Audit;
pub use card::{CardError, card};
pub use clean::{Cleaned, write_clean};
pub use croissant::{About, Distributed, croissant};
pub use distribution::{Distribution, Grid, Tally};
pub use examination::{Examination, Look, examine};
pub use features::{Features, RawBox, RawSpan, RawTube, TurnShape};
pub use findings::{Finding, Findings, Kind};
pub use group::Group;
pub use html::{HtmlError, LIMIT, html};
pub use identity::identity;
pub use mixture::{Change, Speed, SpeedError};
pub use parquet::{COLUMNS, Column, FeaturesError, write_features};
pub use quantization::{THRESHOLDS, box_bounds, box_iou, span_bounds, span_iou};
pub use render::table;
pub use report::{
    AxisRow, BenchmarkRow, Bound, CompositionRow, Contradiction, Contradictions, Counted,
    DatasetRow, DuplicateSet, Duplicates, EXAMPLES, Evidence, FileRow, GroupRow, KnownOverlap,
    Leak, Leakage, Likeness, Mixture, MixtureRow, Place, Quantization, Report, Sample, SharedFile,
    SharedMedia, SourcePair, TaskBound, TextSection, Totals, VERSION,
};
pub use text::for_each_word;
pub use tokens::{TokenCounter, TokensError};

/// A dataset file's name and what it lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Name of the dataset, such as "stage3".
    pub dataset: String,
    /// The dataset file, if it is one and not an annotation file by itself.
    pub dataset_file: Option<PathBuf>,
    /// One annotation file of it.
    pub input: Input,
}

/// Why statistics cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A benchmark cannot be read.
    #[error(transparent)]
    Against(#[from] AgainstError),
    /// Shards cannot be opened.
    #[error(transparent)]
    Shard(#[from] st_shard::ShardError),
    /// Tokens cannot be counted.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A dataset file cannot be read again.
    #[error(transparent)]
    Dataset(#[from] crate::dataset::InputError),
    /// A change of sampling names nothing.
    #[error(
        "`{name}` is no source, annotation file or dataset here; see the tables of stdata stats for their names"
    )]
    Change {
        /// The name.
        name: String,
    },
    /// A result cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// An annotation file is not what was audited.
    #[error("{path} has changed since it was audited; run the command again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads every file once, however many datasets list it, and measures it; then the benchmarks to hold it against.
///
/// `tokens` counts text tokens, where a tokenizer is at hand. `progress` hears the bytes of each chunk.
///
/// # Errors
/// When a file cannot be opened or read on. Pieces that are no records are counted, not refused.
pub fn measure(
    listed: &[Listed],
    against: &[Against],
    tokens: Option<&TokenCounter>,
    options: &Options,
    progress: impl Fn(u64) + Sync,
) -> Result<Audit, StatsError> {
    let mut audit = Audit {
        tokenizer: tokens.map(|tokens| tokens.name().to_owned()),
        ..Audit::default()
    };
    let mut numbers: BTreeMap<PathBuf, u32> = BTreeMap::new();
    for entry in listed {
        let path = &entry.input.annotations;
        let number = match numbers.get(path) {
            Some(number) => *number,
            None => measure_file(&mut audit, entry, tokens, options, &progress)?,
        };
        numbers.insert(path.clone(), number);
        audit.listed.push((entry.clone(), number));
    }
    for benchmark in against {
        measure_benchmark(&mut audit, benchmark)?;
    }
    Ok(audit)
}

fn measure_benchmark(audit: &mut Audit, benchmark: &Against) -> Result<(), StatsError> {
    let (items, without) = read_against(&benchmark.path)?;
    let number = audit.start_file(AuditedFile {
        path: benchmark.path.to_string_lossy().into_owned(),
        records: 0,
        no_records: without,
        benchmark: true,
        folder: benchmark.folder.clone(),
        data_folder: benchmark.data_folder.clone(),
    });
    let mut part = audit::Part::default();
    for item in &items {
        part.add(item, Position::default(), &benchmark.folder, None);
    }
    audit.add_part(number, part);
    Ok(())
}

fn measure_file(
    audit: &mut Audit,
    entry: &Listed,
    tokens: Option<&TokenCounter>,
    options: &Options,
    progress: &(impl Fn(u64) + Sync),
) -> Result<u32, StatsError> {
    let path: &Path = &entry.input.annotations;
    let folder = entry
        .input
        .media
        .as_ref()
        .map_or_else(String::new, |folder| folder.to_string_lossy().into_owned());
    let number = audit.start_file(AuditedFile {
        path: path.to_string_lossy().into_owned(),
        records: 0,
        no_records: 0,
        benchmark: false,
        folder: folder.clone(),
        data_folder: entry.input.data_folder.clone(),
    });
    for_each_chunk(
        Chunks::open(path, options)?,
        options.jobs,
        |chunk| {
            let mut part = audit::Part::default();
            let mut cache = tokens.map(TokenCounter::borrow).unwrap_or_default();
            let mut positions = Positions::new(&chunk);
            for piece in &chunk.pieces {
                let place = positions.of(piece);
                match read_piece(&chunk, piece) {
                    Some(Ok(record)) => {
                        let tokens = tokens.map(|tokens| (tokens, &mut cache));
                        part.add(&record, place, &folder, tokens);
                    }
                    Some(Err(_)) => part.no_record(place),
                    None => {}
                }
            }
            if let Some(tokens) = tokens {
                tokens.give_back(cache);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::inputs;
    use crate::synth::{Observer, SynthOptions, synthesize};

    struct Silent;

    impl Observer for Silent {
        fn begin(&self, _: &str, _: u64) {}

        fn advance(&self, _: u64) {}
    }

    /// The annotation files of a small synthetic dataset, and a copy of one of them, so that there is something to find.
    fn listed(folder: &Path) -> Vec<Listed> {
        let options = SynthOptions {
            records: Some(900),
            annotations_only: true,
            ..SynthOptions::default()
        };
        synthesize(folder, &options, &Silent).unwrap();
        let train = folder.join("annotations/train");
        let text = fs_err::read_to_string(train.join("rec.json")).unwrap();
        let changed = text
            .replace("situated", "to be seen")
            .replace("\"train-", "\"copy-");
        fs_err::write(train.join("copies.json"), changed).unwrap();
        fs_err::write(train.join("broken.jsonl"), "{\"id\":\n[]\n").unwrap();
        let yaml = folder.join("stage3.yaml");
        let mut text = fs_err::read_to_string(&yaml).unwrap();
        for name in ["copies.json", "broken.jsonl"] {
            let path = format!("annotations/train/{name}");
            text.push_str("  - data_folder: media\n    json_path: ");
            text.push_str(&path);
            text.push('\n');
        }
        fs_err::write(&yaml, text).unwrap();
        let entries = inputs(std::slice::from_ref(&yaml)).unwrap();
        let listed = |input| Listed {
            dataset: "stage3".to_owned(),
            dataset_file: Some(yaml.clone()),
            input,
        };
        entries.into_iter().map(listed).collect()
    }

    #[test]
    fn halves_add_up_to_the_whole_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let listed = listed(folder.path());
        let read = |listed: &[Listed], options: &Options| {
            measure(listed, &[], None, options, |_| {}).unwrap()
        };
        let look = Look::default();
        let report = |audit: &Audit| {
            let examined = examine(audit, &look, &|_| {}).unwrap();
            // Text compares all digits of all numbers, and says where they differ.
            let report = serde_json::to_string_pretty(&examined.report).unwrap();
            (report, examined.findings)
        };
        let whole = report(&read(&listed, &Options::default()));
        assert!(whole.1.list.len() > 10, "nothing was found to compare");
        let small = Options {
            chunk_bytes: 2048,
            jobs: 3,
            ..Options::default()
        };
        assert_eq!(report(&read(&listed, &small)), whole);
        for cut in [1, listed.len() / 2, listed.len() - 1] {
            let halves = || listed.split_at(cut);
            let (first, second) = halves();
            let mut sum = read(first, &small);
            sum += read(second, &Options::default());
            assert_eq!(report(&sum), whole, "cut at {cut}");
            let mut sum = read(second, &small);
            sum += read(first, &small);
            assert_eq!(report(&sum), whole, "cut at {cut}, in the other order");
        }
    }
}
