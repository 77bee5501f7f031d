//! `stdata shard`: writes frame shards.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;
use st_data::dataset::find_dataset_files;
use st_data::shard::{
    ClipPlan, Event, InProcess, JobLimits, Task, WorkerCommand, WorkerProcess, read_inputs,
    run as run_plan,
};
use st_shard::{Settings, ShardWriter, Summary};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata shard`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stopped at any point, the same command goes on where it was. The bytes do not depend on --jobs.\n\n\
                        Example:\n  stdata shard data/synth/stage3.yaml --frames 20 --size 126\n  \
                        stdata shard stage1.yaml --out /net/shards --task-index 0 --task-count 3\n  \
                        stdata shard stage1.yaml --out /net/shards --task-count 3 --merge"
)]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
    /// Folder of the shards [default: ROOT/shards/NAME, NAME as the first input is called]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Frames taken from a video clip
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// Width and height of stored frames in pixels
    #[arg(long, default_value_t = 384, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    size: u32,
    /// JPEG quality
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// What happens to clips with missing or damaged frames
    #[arg(long, value_enum, default_value_t = Truncated::Reject)]
    truncated: Truncated,
    /// Clips in a shard
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    clips_per_shard: u32,
    /// Largest picture that is decoded, in millions of pixels
    #[arg(long, default_value_t = 64, value_name = "N")]
    max_megapixels: u64,
    /// Seconds that one clip may take
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS")]
    max_seconds: f64,
    /// Memory that one worker process may use, in MiB; 0 for no limit
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    max_memory: u64,
    /// Decode in this process: a file that crashes the decoder then ends the run
    #[arg(long)]
    in_process: bool,
    /// Make the N-th part of the shards, from 0 [default: Slurm's or Kubernetes' index]
    #[arg(long, value_name = "N")]
    task_index: Option<usize>,
    /// Number of parts, the same for all [default: Slurm's count, or 1]
    #[arg(long, value_name = "N")]
    task_count: Option<usize>,
    /// Only check that all parts are there and write the index
    #[arg(long)]
    merge: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Truncated {
    /// Refuse the clip
    Reject,
    /// Keep the frames that are there; nothing is repeated for the others
    Keep,
}

/// Environment variables that tell a task its place: (index, count, first index).
const TASK_VARIABLES: [(&str, &str, &str); 3] = [
    (
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_COUNT",
        "SLURM_ARRAY_TASK_MIN",
    ),
    ("SLURM_PROCID", "SLURM_NTASKS", ""),
    ("JOB_COMPLETION_INDEX", "", ""),
];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    folder: PathBuf,
    finished: bool,
    records: u64,
    unreadable: usize,
    clips: u64,
    stored: u64,
    rejected: u64,
    frames: u64,
    bytes: u64,
    shards: usize,
    reused: u64,
    seconds: f64,
    reasons: BTreeMap<String, u64>,
}

/// Makes the clips that are not there yet and joins them.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let started = Instant::now();
    let inputs = if args.inputs.is_empty() {
        find_dataset_files(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let folder = out_folder(args, globals, &inputs);
    let plan = ClipPlan::read(&read_inputs(&inputs)?)?;
    ensure!(
        !plan.clips.is_empty(),
        "{} names no record, so there is nothing to shard",
        inputs[0].display()
    );
    let writer = ShardWriter::open(&folder, plan.shard_plan(settings(args)))?;
    let task = task(args, |name| std::env::var(name).ok())?;
    let counts = Counts::default();
    if !args.merge && !writer.is_finished() {
        make(args, globals, &plan, &writer, task, &counts)?;
    }
    let summary = if task == Task::WHOLE || args.merge {
        Some(writer.finish()?)
    } else {
        None
    };
    let report = report(folder, &plan, &counts, summary.as_ref(), started);
    globals.emit(&report, text(&report, summary.as_ref(), globals.verbosity))?;
    for place in plan.unreadable.iter().take(5) {
        globals.say(format!("no record: {place}"));
    }
    Ok(if report.rejected > 0 || report.unreadable > 0 {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn settings(args: &Args) -> Settings {
    Settings {
        frames: args.frames,
        width: args.size,
        height: args.size,
        quality: args.quality,
        truncated: if args.truncated == Truncated::Keep {
            "keep"
        } else {
            "reject"
        }
        .to_owned(),
        clips_per_shard: args.clips_per_shard,
    }
}

fn out_folder(args: &Args, globals: &Globals, inputs: &[PathBuf]) -> PathBuf {
    if let Some(out) = &args.out {
        return out.clone();
    }
    let name = match inputs {
        [one] => one
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned()),
        _ => None,
    };
    globals
        .root
        .join("shards")
        .join(name.unwrap_or_else(|| "all".to_owned()))
}

/// The task by the flags, else by the scheduler's variables.
fn task(args: &Args, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Task> {
    let number = |name: &str| -> anyhow::Result<Option<usize>> {
        if name.is_empty() {
            return Ok(None);
        }
        let text = variable(name);
        text.map(|text| {
            text.parse()
                .with_context(|| format!("{name}={text} is no number"))
        })
        .transpose()
    };
    let (mut index, mut count) = (args.task_index, args.task_count);
    if index.is_none() && !args.merge {
        for (index_name, count_name, first_name) in TASK_VARIABLES {
            let Some(found) = number(index_name)? else {
                continue;
            };
            let total = number(count_name)?.or(count);
            // A lone index, as every Slurm job step has, is no request to share the work.
            if let Some(total) = total.filter(|total| *total > 1) {
                index = Some(found.saturating_sub(number(first_name)?.unwrap_or(0)));
                count = count.or(Some(total));
                break;
            }
        }
    }
    match (index, count) {
        (None, None | Some(1)) => Ok(Task::WHOLE),
        (None, Some(_)) if args.merge => Ok(Task::WHOLE),
        (None, Some(count)) => bail!(
            "--task-count {count} needs --task-index (0 to {})",
            count - 1
        ),
        (Some(index), None) => bail!("--task-index {index} needs --task-count"),
        (Some(index), Some(count)) => {
            ensure!(
                index < count,
                "--task-index {index} is not below --task-count {count}"
            );
            Ok(Task { index, count })
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    found: AtomicU64,
    frames: AtomicU64,
    rejected: AtomicU64,
}

fn make(
    args: &Args,
    globals: &Globals,
    plan: &ClipPlan,
    writer: &ShardWriter,
    task: Task,
    counts: &Counts,
) -> anyhow::Result<()> {
    let shards = writer.plan();
    let mine = (0..shards.shards()).filter(|shard| shard % task.count == task.index);
    let total: usize = mine.map(|shard| shards.clips_of(shard).len()).sum();
    let progress = Progress::start(globals, "clips", total as u64);
    let started = Instant::now();
    let tell = |event: Event<'_>| {
        match event {
            Event::Found => drop(counts.found.fetch_add(1, Ordering::Relaxed)),
            Event::Stored { frames, .. } => drop(
                counts
                    .frames
                    .fetch_add(u64::from(frames), Ordering::Relaxed),
            ),
            Event::Rejected(reject) => {
                counts.rejected.fetch_add(1, Ordering::Relaxed);
                if globals.verbosity > 0 {
                    globals.say(format!("refused {}: {}", reject.media, reject.detail));
                }
            }
        }
        let frames = counts.frames.load(Ordering::Relaxed);
        let rejected = counts.rejected.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let rate = frames as f64 / started.elapsed().as_secs_f64();
        progress.detail(format!("{rate:.0} frames/s, {rejected} refused"));
        progress.add(1);
    };
    let limits = JobLimits {
        pixels: args.max_megapixels.saturating_mul(1_000_000),
        seconds: Some(args.max_seconds),
    };
    let jobs = 0..globals.jobs;
    let made = if args.in_process {
        run_plan(
            plan,
            writer,
            task,
            limits,
            jobs.map(|_| InProcess).collect(),
            &tell,
        )
    } else {
        let program =
            std::env::current_exe().context("cannot find this program, to start workers")?;
        let mut arguments = vec!["shard-worker".into()];
        if args.max_memory > 0 {
            arguments.extend(["--max-memory".into(), args.max_memory.to_string().into()]);
        }
        let command = WorkerCommand { program, arguments };
        let makers = jobs.map(|_| WorkerProcess::new(command.clone())).collect();
        run_plan(plan, writer, task, limits, makers, &tell)
    };
    progress.finish();
    Ok(made?)
}

fn report(
    folder: PathBuf,
    plan: &ClipPlan,
    counts: &Counts,
    summary: Option<&Summary>,
    started: Instant,
) -> Report {
    let mut reasons = BTreeMap::new();
    for reject in summary
        .map(|summary| summary.rejects.as_slice())
        .unwrap_or_default()
    {
        *reasons.entry(reject.reason.clone()).or_insert(0) += 1;
    }
    let manifest = summary.map(|summary| &summary.manifest);
    Report {
        folder,
        finished: summary.is_some(),
        records: plan.records,
        unreadable: plan.unreadable.len(),
        clips: plan.clips.len() as u64,
        stored: manifest.map_or(0, |manifest| manifest.clips),
        rejected: manifest.map_or(counts.rejected.load(Ordering::Relaxed), |manifest| {
            manifest.rejected
        }),
        frames: manifest.map_or(counts.frames.load(Ordering::Relaxed), |manifest| {
            manifest.frames
        }),
        bytes: manifest.map_or(0, |manifest| {
            manifest.shards.iter().map(|shard| shard.bytes).sum()
        }),
        shards: manifest.map_or(0, |manifest| manifest.shards.len()),
        reused: counts.found.load(Ordering::Relaxed),
        seconds: started.elapsed().as_secs_f64(),
        reasons,
    }
}

fn text(report: &Report, summary: Option<&Summary>, verbosity: i8) -> String {
    let folder = report.folder.display();
    if summary.is_none() {
        return format!(
            "This task's shards are in {folder}; when all tasks are done, run the same with --merge."
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "megabytes for the eye")]
    let megabytes = report.bytes as f64 / 1e6;
    let mut text = format!(
        "{folder}: {} clips of {} records, {} frames, {megabytes:.1} MB in {} shards, {} refused",
        report.stored, report.records, report.frames, report.shards, report.rejected
    );
    let rejects = summary
        .map(|summary| summary.rejects.as_slice())
        .unwrap_or_default();
    let shown = if verbosity > 0 { rejects.len() } else { 5 };
    for reject in rejects.iter().take(shown) {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n  {}: {} ({} records)",
            reject.reason, reject.detail, reject.records
        );
    }
    if rejects.len() > shown {
        let _ = write!(
            text,
            "\n  and {} more in {folder}/rejects.jsonl",
            rejects.len() - shown
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn task_of(flags: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Task> {
        let args = Line::parse_from([&["shard"], flags].concat()).args;
        let value = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        task(&args, value)
    }

    #[test]
    fn tasks_come_from_flags_or_schedulers() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "5"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
        ];
        assert_eq!(task_of(&[], &[]).unwrap(), Task::WHOLE);
        assert_eq!(task_of(&[], &slurm).unwrap(), Task { index: 2, count: 4 });
        assert_eq!(
            task_of(&["--task-index=1", "--task-count=3"], &slurm).unwrap(),
            Task { index: 1, count: 3 }
        );
        let indexed = [("JOB_COMPLETION_INDEX", "2")];
        assert_eq!(
            task_of(&["--task-count=3"], &indexed).unwrap(),
            Task { index: 2, count: 3 }
        );
        assert_eq!(
            task_of(&[], &[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1")]).unwrap(),
            Task::WHOLE
        );
        assert_eq!(
            task_of(&["--merge", "--task-count=3"], &slurm).unwrap(),
            Task::WHOLE
        );
        assert!(task_of(&["--task-index=3", "--task-count=3"], &[]).is_err());
        assert!(task_of(&["--task-count=3"], &[]).is_err());
    }
}
