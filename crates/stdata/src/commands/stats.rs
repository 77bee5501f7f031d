//! `stdata stats`: counts, measures and compares a dataset.

use std::path::{Path, PathBuf};

use anyhow::Context;
use st_data::dataset::{Input, find_dataset_files, inputs, is_dataset_file};
use st_data::read::Options;
use st_data::stats::{
    Against, Change, Examination, Kind, Listed, Look, Report, Speed, TokenCounter, examine,
    measure, table, write_clean,
};

use super::stats_reports::Reports;
use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata stats`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Lengths of spans and areas of boxes are medians, as shares of the clip and the picture.\n\n\
                        Examples:\n  stdata stats data/synth/stage3.yaml\n  stdata stats --root data --json > stats.json\n  \
                        stdata stats stage3.yaml --against bench/stvg.json=media/bench --findings found.jsonl --write-clean clean\n  \
                        stdata stats stage3.yaml --shards data/shards/stage3 --set refcoco=random:50% --speed 1.9rec"
)]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
    /// Benchmark to hold the data against: annotations as published, records, a dataset YAML, or a .txt or .csv of media
    /// names; `=FOLDER` says where its media lie. Can be given again
    #[arg(long, value_name = "FILE[=FOLDER]", value_parser = against)]
    against: Vec<(PathBuf, String)>,
    /// Shards whose frames are compared [default with no inputs: all under the data root]. Can be given again
    #[arg(long, value_name = "DIR")]
    shards: Vec<PathBuf>,
    /// Read media files too: equal bytes under other names, and frames of clips that no shard has
    #[arg(long)]
    media: bool,
    /// Take records otherwise than the dataset files say: a source, annotation file or dataset (also dataset/name), and
    /// all, first:N, end:N or random:N (N or N%). Can be given again
    #[arg(long, value_name = "NAME=STRATEGY", value_parser = change)]
    set: Vec<Change>,
    /// Count text tokens with this tokenizer.json of a Qwen2 model; without it, words are counted
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Measured speed of one GPU, for hours: records or text tokens a second, such as 1.9rec or 2400tok
    #[arg(long, value_name = "SPEED")]
    speed: Option<Speed>,
    /// Write every single finding to FILE, a JSON line each
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Write annotation and dataset files into DIR without the records that --drop names
    #[arg(long, value_name = "DIR")]
    write_clean: Option<PathBuf>,
    /// Findings that --write-clean leaves out; of records that repeat each other the first stays
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "leak", value_parser = kind)]
    drop: Vec<Kind>,
    #[command(flatten)]
    reports: Reports,
}

/// Reads `FILE` or `FILE=FOLDER`.
fn against(text: &str) -> Result<(PathBuf, String), String> {
    let (file, folder) = match text.rsplit_once('=') {
        Some((file, folder)) if !Path::new(text).exists() => (file, folder),
        _ => (text, ""),
    };
    if file.is_empty() {
        return Err("names no file".to_owned());
    }
    Ok((PathBuf::from(file), folder.to_owned()))
}

fn change(text: &str) -> Result<Change, String> {
    let (name, strategy) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not NAME=STRATEGY, such as refcoco=random:50%"))?;
    let sampling = strategy.parse().map_err(|error| format!("{error}"))?;
    Ok(Change {
        name: name.to_owned(),
        sampling,
    })
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| {
        let all = Kind::ALL.map(Kind::as_str).join(", ");
        format!("`{text}` is no kind of finding; the kinds are {all}")
    })
}

/// Reads every annotation file once, compares, and prints the tables.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let listed = listed(args, globals)?;
    let against = benchmarks(&args.against)?;
    let options = Options {
        jobs: globals.jobs,
        ..Options::default()
    };
    let progress = Progress::start(globals, "bytes", total_bytes(&listed));
    let tokens = args.tokenizer.as_deref().map(TokenCounter::open);
    let tokens = tokens.transpose()?;
    let heard = |bytes| progress.add(bytes);
    let audit = measure(&listed, &against, tokens.as_ref(), &options, heard)?;
    progress.finish();

    let look = Look {
        shards: shards(args, globals),
        media: args.media,
        changes: args.set.clone(),
        speed: args.speed,
        options,
    };
    let Examination { report, findings } = look_closely(&audit, &look, globals)?;
    args.reports
        .write(&report, &listed, &look.shards, &options, globals)?;
    if let Some(path) = &args.findings {
        findings.write(path)?;
    }
    if let Some(folder) = &args.write_clean {
        let written = write_clean(&audit, &findings, &args.drop, folder, &options)
            .with_context(|| format!("--write-clean {}", folder.display()))?;
        globals.say(format!(
            "{}: {} records kept, {} left out, {} pieces that are no records",
            folder.display(),
            written.kept,
            written.left_out,
            written.no_records
        ));
    }
    globals.emit(&report, table(&report))?;
    Ok(exit_status(&report))
}

fn look_closely(
    audit: &st_data::stats::Audit,
    look: &Look,
    globals: &Globals,
) -> anyhow::Result<Examination> {
    if look.shards.is_empty() && !look.media {
        return Ok(examine(audit, look, &|_| {})?);
    }
    let progress = Progress::start(globals, "clips", audit.clips());
    let examination = examine(audit, look, &|clips| progress.add(clips))?;
    progress.finish();
    Ok(examination)
}

fn exit_status(report: &Report) -> ExitStatus {
    let totals = &report.totals;
    let faults = totals.no_records
        + totals.wrong_counts
        + report.contradictions.records
        + report.leakage.records;
    if faults > 0 {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    }
}

fn listed(args: &Args, globals: &Globals) -> anyhow::Result<Vec<Listed>> {
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
            dataset_file: is_dataset_file(path).then(|| path.clone()),
            input,
        }));
    }
    Ok(listed)
}

/// Benchmark files, those that dataset files list with the folders they say.
fn benchmarks(given: &[(PathBuf, String)]) -> anyhow::Result<Vec<Against>> {
    let mut benchmarks = Vec::new();
    for (path, folder) in given {
        for input in inputs(std::slice::from_ref(path))? {
            let Input {
                annotations,
                media,
                data_folder,
                ..
            } = input;
            let media = media.map(|media| media.to_string_lossy().into_owned());
            benchmarks.push(Against {
                path: annotations,
                folder: media.unwrap_or_else(|| folder.clone()),
                data_folder,
            });
        }
    }
    Ok(benchmarks)
}

/// The shards asked for; without any inputs, every finished folder of shards under the data root.
fn shards(args: &Args, globals: &Globals) -> Vec<PathBuf> {
    if !args.shards.is_empty() || !args.inputs.is_empty() {
        return args.shards.clone();
    }
    let folders = std::fs::read_dir(globals.root.join("shards"));
    let mut found: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| folder.join("manifest.json").is_file())
        .collect();
    found.sort();
    found
}

/// Bytes of the annotation files, each counted once.
pub(crate) fn total_bytes(listed: &[Listed]) -> u64 {
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
