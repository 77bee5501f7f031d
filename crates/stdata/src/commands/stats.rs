//! `stdata stats`: counts and measures a dataset.

use std::path::{Path, PathBuf};

use st_data::dataset::{find_dataset_files, inputs};
use st_data::read::Options;
use st_data::stats::{Listed, measure, table};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata stats`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Lengths of spans and areas of boxes are medians, as shares of the clip and the picture.\n\n\
                        Example:\n  stdata stats data/synth/stage3.yaml\n  stdata stats --root data --json > stats.json"
)]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
}

/// Reads every annotation file once and prints the table.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let paths = if args.inputs.is_empty() {
        find_dataset_files(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let mut listed = Vec::new();
    for path in &paths {
        let dataset = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let entries = inputs(std::slice::from_ref(path))?;
        listed.extend(entries.into_iter().map(|input| Listed {
            dataset: dataset.clone(),
            input,
        }));
    }
    let options = Options {
        jobs: globals.jobs,
        ..Options::default()
    };
    let progress = Progress::start(globals, "bytes", total_bytes(&listed));
    let audit = measure(&listed, &options, |bytes| progress.add(bytes))?;
    progress.finish();
    let report = audit.report();
    globals.emit(&report, table(&report))?;
    Ok(
        if report.totals.no_records + report.totals.wrong_counts > 0 {
            ExitStatus::NeedsALook
        } else {
            ExitStatus::Done
        },
    )
}

/// Bytes of the annotation files, each counted once.
fn total_bytes(listed: &[Listed]) -> u64 {
    let mut files: Vec<&Path> = listed
        .iter()
        .map(|entry| entry.input.annotations.as_path())
        .collect();
    files.sort();
    files.dedup();
    files
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum()
}
