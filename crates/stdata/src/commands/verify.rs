//! `stdata verify`: checks shards against their index.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use st_shard::{ShardReader, VerifyReport};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata verify data/shards/stage3")]
pub(crate) struct Args {
    /// Shard folders [default: all under the data root]
    inputs: Vec<PathBuf>,
    /// Decode every frame as well
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Serialize)]
struct Checked {
    folder: PathBuf,
    #[serde(flatten)]
    report: VerifyReport,
}

/// Recomputes the checksums.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let folders = if args.inputs.is_empty() {
        shards_under(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let mut checked = Vec::new();
    for folder in folders {
        let total = ShardReader::open(&folder)?
            .entries()
            .iter()
            .map(|entry| entry.length)
            .sum();
        let progress = Progress::start(globals, "bytes", total);
        let report = st_shard::verify(&folder, args.deep, &|bytes| progress.add(bytes))?;
        progress.finish();
        checked.push(Checked { folder, report });
    }
    globals.emit(&checked, text(&checked))?;
    let is_sound = checked
        .iter()
        .all(|checked| checked.report.faults.is_empty());
    Ok(if is_sound {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

fn shards_under(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = root.join("shards");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    found.retain(|path| path.join("manifest.json").exists());
    found.sort();
    ensure!(
        !found.is_empty(),
        "no finished shards under {}; name a folder",
        folder.display()
    );
    Ok(found)
}

fn text(checked: &[Checked]) -> String {
    let mut text = String::new();
    for (at, Checked { folder, report }) in checked.iter().enumerate() {
        let VerifyReport {
            shards,
            clips,
            bytes,
            faults,
        } = report;
        let gap = if at > 0 { "\n" } else { "" };
        let found = if faults.is_empty() {
            "all as recorded".to_owned()
        } else {
            format!("{} faults", faults.len())
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{gap}{}: {clips} clips in {shards} shards, {bytes} bytes: {found}",
            folder.display()
        );
        for fault in faults {
            let _ = write!(text, "\n  {}: {}", fault.file, fault.reason);
        }
    }
    text
}
