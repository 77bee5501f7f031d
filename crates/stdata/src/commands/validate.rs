//! `stdata validate`: judges every record of a dataset.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use st_data::dataset::{find_dataset_files, inputs, is_dataset_file, read_dataset_file};
use st_data::ledger::{Ledger, Settings, validate, write_fixed_dataset};
use st_data::read::Options;
use st_data::report;
use st_data::validate::MediaDepth;
use st_schema::FramePlan;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::marks::marks;
use crate::progress::Progress;
use crate::whole_file::write_whole;

/// Flags of `stdata validate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each record is kept, repaired or rejected; the counts are asserted to add up. The rules are in\n\
                  docs/rules.md. Rejected records go to ROOT/rejects, the report to ROOT/reports.\n\n\
                  Example:\n  stdata validate data/synth/stage3.yaml --deep\n  stdata validate stvg.json.zst --fix"
)]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
    /// Read each media file's size, frame rate and frame count
    #[arg(long)]
    media: bool,
    /// Decode every frame of every clip as well
    #[arg(long)]
    deep: bool,
    /// Write repaired files beside the old ones, as NAME.fixed.json
    #[arg(long)]
    fix: bool,
    /// Frames of the plan that tubes are held against
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// Marks of `stdata browse`, honoured [default: ROOT/review.jsonl where it exists]
    #[arg(long, value_name = "FILE")]
    review: Option<PathBuf>,
    /// Findings shown for each rule
    #[arg(long, default_value_t = 3, value_name = "N")]
    examples: usize,
    /// Longest record that is read, in MiB
    #[arg(long, default_value_t = 16, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=4096))]
    max_record: u16,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    ledger: &'a Ledger,
    /// The report as a page.
    html: &'a Path,
    /// Repaired dataset files.
    fixed: Vec<PathBuf>,
}

/// Judges, writes reports and refused records, and says what was found.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let paths = if args.inputs.is_empty() {
        find_dataset_files(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let inputs = inputs(&paths)?;
    let media = match (args.deep, args.media) {
        (true, _) => MediaDepth::Decode,
        (false, true) => MediaDepth::Facts,
        (false, false) => MediaDepth::Presence,
    };
    let settings = Settings {
        options: Options {
            jobs: globals.jobs,
            record_bytes: usize::from(args.max_record) << 20,
            ..Options::default()
        },
        plan: FramePlan {
            frames: args.frames as usize,
        },
        media,
        rejects: Some(globals.root.join("rejects")),
        fix: args.fix,
        examples: args.examples,
        review: Some(Arc::new(marks(args.review.as_deref(), globals)?)),
    };
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let total = inputs.iter().map(|input| size(&input.annotations)).sum();
    let progress = Progress::start(globals, "bytes", total);
    let ledger = validate(&inputs, &settings, |bytes| progress.add(bytes))?;
    progress.finish();

    let mut files = ledger.files.iter();
    let mut fixed = Vec::new();
    for path in paths.iter().filter(|_| args.fix) {
        let dataset = is_dataset_file(path)
            .then(|| read_dataset_file(path))
            .transpose()?;
        let count = dataset.as_ref().map_or(1, |file| file.datasets.len());
        let written: Vec<PathBuf> = files
            .by_ref()
            .take(count)
            .filter_map(|file| file.fixed.clone())
            .collect();
        match dataset {
            Some(dataset) => fixed.push(write_fixed_dataset(path, dataset, &written)?),
            None => fixed.extend(written),
        }
    }
    let reports = globals.root.join("reports");
    write_whole(
        &reports.join("validate.json"),
        &serde_json::to_vec_pretty(&ledger)?,
    )?;
    let html = reports.join("validate.html");
    write_whole(&html, report::html(&ledger)?.as_bytes())?;

    globals.emit(
        &Output {
            ledger: &ledger,
            html: &html,
            fixed: fixed.clone(),
        },
        report::text(&ledger),
    )?;
    tell(globals, &ledger, &html, &fixed);
    Ok(if ledger.total.rejected > 0 {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn tell(globals: &Globals, ledger: &Ledger, html: &Path, fixed: &[PathBuf]) {
    let rejects = ledger
        .files
        .iter()
        .filter_map(|file| file.rejects.as_deref());
    let line = |what: &str, path: &dyn Display| globals.say(format!("{what} {path}"));
    line("report:  ", &html.display());
    rejects.for_each(|path| line("rejected:", &path.display()));
    for path in fixed {
        line("fixed:   ", &path.display());
    }
    if fixed.is_empty() && ledger.total.repaired > 0 {
        globals.say("run again with --fix to write the repaired records");
    }
}
