//! `stdata verify`: checks shards against their index, and fetched files against `stdata.lock`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use st_hub::{Cache, Checked, Lock, human_bytes};
use st_shard::{ShardReader, VerifyReport};

use crate::environment;
use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  stdata verify data/shards/stage3\n  stdata verify data/stdata.lock --deep"
)]
pub(crate) struct Args {
    /// Shard folders and lock files [default: all under the data root]
    inputs: Vec<PathBuf>,
    /// Decode every frame, and read every unpacked file, as well
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Report {
    Shards {
        folder: PathBuf,
        #[serde(flatten)]
        report: VerifyReport,
    },
    Fetched {
        lock: PathBuf,
        /// The lock file's sha256, for reports to cite.
        sha256: String,
        #[serde(flatten)]
        report: Checked,
    },
}

/// Recomputes the checksums.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let inputs = if args.inputs.is_empty() {
        everything_under(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let mut reports = Vec::new();
    for input in inputs {
        reports.push(if is_lock(&input) {
            fetched(&input, args.deep, globals)?
        } else {
            shards(input, args.deep, globals)?
        });
    }
    globals.emit(&reports, text(&reports))?;
    Ok(if reports.iter().all(Report::is_sound) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

fn is_lock(input: &Path) -> bool {
    input.file_name().is_some_and(|name| name == Lock::FILE)
}

fn shards(folder: PathBuf, deep: bool, globals: &Globals) -> anyhow::Result<Report> {
    let total = ShardReader::open(&folder)?
        .entries()
        .iter()
        .map(|entry| entry.length)
        .sum();
    let progress = Progress::start(globals, "bytes", total);
    let report = st_shard::verify(&folder, deep, &|bytes| progress.add(bytes))?;
    progress.finish();
    Ok(Report::Shards { folder, report })
}

fn fetched(path: &Path, deep: bool, globals: &Globals) -> anyhow::Result<Report> {
    ensure!(
        path.exists(),
        "{} is not there; `stdata fetch` writes it",
        path.display()
    );
    let root = path.parent().unwrap_or(Path::new(""));
    let lock = Lock::read(root)?;
    let cache = Cache::new(environment::hub_settings()?.cache);
    let progress = Progress::start(globals, "bytes", lock.bytes_to_check(deep));
    let report = lock.check(root, &cache, globals.jobs, deep, &|bytes| {
        progress.add(bytes);
    })?;
    progress.finish();
    Ok(Report::Fetched {
        lock: path.to_owned(),
        sha256: lock.sha256(),
        report,
    })
}

fn everything_under(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = root.join("shards");
    let mut found: Vec<PathBuf> = if folder.is_dir() {
        std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.join("manifest.json").exists())
            .collect()
    } else {
        Vec::new()
    };
    found.sort();
    found.extend(Some(root.join(Lock::FILE)).filter(|lock| lock.exists()));
    ensure!(
        !found.is_empty(),
        "no finished shards and no {} under {}; name a folder",
        Lock::FILE,
        root.display()
    );
    Ok(found)
}

impl Report {
    /// What is wrong: the file and the reason.
    fn faults(&self) -> Vec<(String, String)> {
        match self {
            Self::Shards { report, .. } => {
                let faults = report.faults.iter();
                faults
                    .map(|fault| (fault.file.clone(), fault.reason.clone()))
                    .collect()
            }
            Self::Fetched { report, .. } => {
                let faults = report.faults.iter();
                faults
                    .map(|fault| (fault.file.clone(), fault.reason.clone()))
                    .collect()
            }
        }
    }

    fn is_sound(&self) -> bool {
        self.faults().is_empty()
    }

    fn counts(&self) -> String {
        match self {
            Self::Shards { folder, report } => format!(
                "{}: {} clips in {} shards, {}",
                folder.display(),
                report.clips,
                report.shards,
                human_bytes(report.bytes)
            ),
            Self::Fetched { lock, report, .. } => {
                format!(
                    "{}: {} files, {}",
                    lock.display(),
                    report.files,
                    human_bytes(report.bytes)
                )
            }
        }
    }
}

fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        let faults = report.faults();
        let found = if faults.is_empty() {
            "all as recorded".to_owned()
        } else {
            format!("{} faults", faults.len())
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {found}", report.counts());
        for (file, reason) in &faults {
            let _ = writeln!(text, "  {file}: {reason}");
        }
        if let (Report::Fetched { .. }, false) = (report, faults.is_empty()) {
            let _ = writeln!(
                text,
                "next: the `stdata fetch` that brought them, with --check"
            );
        }
    }
    text.truncate(text.trim_end().len());
    text
}
