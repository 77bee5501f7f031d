//! `steval score`: result files to numbers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;
use serde::Serialize;
use st_eval::baseline::{self, Constant};
use st_eval::captions::{CaptionError, CaptionScore, CaptionTable};
use st_eval::score::{self, Line};
use st_eval::strict::Truth;
use st_eval::{Bootstrap, EvalTask, Outcome, Protocol, RecordScore, Table};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::records;
use crate::write::write_atomically;

/// Flags of `steval score`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    steval score runs/tiny/eval/*.jsonl\n  \
    steval score --protocol original --json results/st-align/vidstg/stvg.json\n  \
    steval score --task rec --constant --per-record scores/ predictions.jsonl")]
pub(crate) struct Args {
    /// Result files: one JSON object a line, ours or the original's
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Which rules: `strict`, or `original` for the released Python scorer's numbers
    #[arg(long, default_value_t, value_name = "NAME")]
    pub(crate) protocol: Protocol,
    /// rec, tvg, stvg, svg or elc [default: what the file's path says]
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<EvalTask>,
    /// How many records the benchmark has; absent lines then count as missing answers
    #[arg(long, value_name = "N")]
    pub(crate) records: Option<usize>,
    /// Also search the constant answer that scores best without looking
    #[arg(long)]
    pub(crate) constant: bool,
    /// Folder with METEOR 1.5's resources, for ELC's captions
    #[arg(long, value_name = "DIR")]
    pub(crate) meteor: Option<PathBuf>,
    /// Write each record's score to DIR/NAME.scores.jsonl and .parquet
    #[arg(long, value_name = "DIR")]
    pub(crate) per_record: Option<PathBuf>,
    /// Seed of the bootstrap intervals
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Resamples of the bootstrap; 0 leaves the intervals out
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) resamples: usize,
}

/// One file's scores.
#[derive(Debug, Serialize)]
pub(crate) struct FileScore {
    /// The file as named.
    pub(crate) file: String,
    /// The numbers.
    #[serde(flatten)]
    pub(crate) table: Table,
    /// ELC's caption metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) captions: Option<CaptionTable>,
    /// The best constant answers, one for each metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) constant: Vec<Constant>,
    /// Records to look at: unreadable lines, failures, crashes of the original.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) troubles: Vec<Trouble>,
}

/// One record to look at.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    /// Line of the file, from 1.
    pub(crate) line: usize,
    /// `failed`, `unreadable` or `crash`.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) why: String,
}

/// Scores the files.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let bootstrap = (args.resamples > 0).then_some(Bootstrap {
        seed: args.seed,
        resamples: args.resamples,
    });
    let mut files = Vec::new();
    for path in &args.files {
        files.push(score_file(path, args, bootstrap.as_ref())?);
    }
    let text = files.iter().map(render).collect::<Vec<_>>().join("\n");
    globals.emit(&files, text.trim_end())?;
    let clean = files
        .iter()
        .all(|file| file.troubles.is_empty() && !file.table.outcomes.contains_key("missing"));
    Ok(if clean {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

/// Reads, scores and adds up one file.
pub(crate) fn score_file(
    path: &Path,
    args: &Args,
    bootstrap: Option<&Bootstrap>,
) -> anyhow::Result<FileScore> {
    let name = path.display().to_string();
    let Some(task) = args.task.or_else(|| EvalTask::of_path(&name)) else {
        bail!(
            "{name}: neither the path nor --task says which task this is; add --task rec|tvg|stvg|svg|elc"
        );
    };
    // Lines are kept only for what needs more of them than their scores.
    let text = if args.constant || task == EvalTask::Elc {
        fs_err::read_to_string(path)?
    } else {
        String::new()
    };
    let lines = score::read_lines(&text);
    let mut scores = if lines.is_empty() {
        st_eval::score_file(args.protocol, task, path)
            .with_context(|| format!("cannot read {name}"))?
    } else {
        score::score_lines(args.protocol, task, &lines)
    };
    if scores.is_empty() {
        bail!("{name}: no records; is it the result file of a run that never started?");
    }
    if let Some(records) = args.records {
        if scores.len() > records {
            bail!(
                "{name}: {} lines for a benchmark of {records} records (--records); is the file from another run?",
                scores.len()
            );
        }
        score::add_missing(task, &mut scores, records);
    }
    let table = Table::of(args.protocol, task, &scores, bootstrap);
    let constant = if args.constant {
        baseline::constants(task, &truths(task, &lines), bootstrap)
    } else {
        Vec::new()
    };
    let mut troubles = troubles(&scores);
    let captions = if task == EvalTask::Elc {
        judge_captions(args.protocol, &lines, args.meteor.as_deref(), &mut troubles)?
    } else {
        None
    };
    if let Some(folder) = &args.per_record {
        let captions = captions.as_ref().map_or(&[][..], |table| &table.items);
        write_records(folder, path, task, &scores, captions)?;
    }
    Ok(FileScore {
        file: name,
        table,
        captions,
        constant,
        troubles,
    })
}

/// ELC's caption metrics; where they are not defined, that is a trouble and no failure.
fn judge_captions(
    protocol: Protocol,
    lines: &[(usize, Line)],
    meteor: Option<&Path>,
    troubles: &mut Vec<Trouble>,
) -> anyhow::Result<Option<CaptionTable>> {
    match CaptionTable::of(protocol, lines, meteor) {
        Ok(table) => Ok(Some(table)),
        Err(error @ CaptionError::Undefined(_)) => {
            troubles.push(Trouble {
                line: 0,
                kind: "crash",
                why: format!("captions: {error}"),
            });
            Ok(None)
        }
        Err(error @ CaptionError::Meteor(_)) => Err(error.into()),
    }
}

fn truths(task: EvalTask, lines: &[(usize, Line)]) -> Vec<Truth> {
    lines
        .par_iter()
        .filter_map(|(_, line)| Truth::of(task, line.as_ref().ok()?).ok())
        .collect()
}

fn write_records(
    folder: &Path,
    file: &Path,
    task: EvalTask,
    scores: &[RecordScore],
    captions: &[(usize, CaptionScore)],
) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    let stem = file.file_stem().map_or_else(
        || task.to_string(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    write_atomically(
        &folder.join(format!("{stem}.scores.jsonl")),
        &records::to_json_lines(scores, captions)?,
    )?;
    write_atomically(
        &folder.join(format!("{stem}.scores.parquet")),
        &records::to_parquet(scores, captions)?,
    )?;
    Ok(())
}

fn troubles(scores: &[RecordScore]) -> Vec<Trouble> {
    scores
        .iter()
        .filter(|one| {
            matches!(
                one.outcome,
                Outcome::Failed(_) | Outcome::Unreadable(_) | Outcome::Crash(_)
            )
        })
        .map(|one| Trouble {
            line: one.line,
            kind: one.outcome.kind(),
            why: one.outcome.detail().unwrap_or_default(),
        })
        .collect()
}

/// At most so many troubles are listed in the text form; JSON has them all.
const TROUBLES_SHOWN: usize = 10;

fn render(file: &FileScore) -> String {
    let mut text = String::new();
    let table = &file.table;
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "{}: {} ({} protocol), {} of {} records counted",
        file.file, table.task, table.protocol, table.counted, table.records
    );
    let outcomes: Vec<String> = table
        .outcomes
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let _ = writeln!(text, "  {}", outcomes.join(", "));
    if table.constrained > 0 {
        let _ = writeln!(
            text,
            "  constrained decoding: {} answers could hold only well-formed coordinates",
            table.constrained
        );
    }
    for metric in &table.metrics {
        let value = metric
            .value
            .map_or_else(|| "-".to_owned(), |value| number(value, metric.percent));
        let interval = metric.interval.map_or_else(String::new, |i| {
            format!(
                "  [{}, {}]",
                number(i.low, metric.percent),
                number(i.high, metric.percent)
            )
        });
        let constant = file
            .constant
            .iter()
            .find(|one| one.metric == metric.name)
            .map_or_else(String::new, |one| {
                format!(
                    "  constant {:>6} ({})",
                    number(one.value, metric.percent),
                    one.answer
                )
            });
        let _ = writeln!(
            text,
            "  {:<10} {value:>7}{interval:<18}{constant}",
            metric.name
        );
    }
    if let Some(choice) = &table.named_choice {
        let _ = writeln!(
            text,
            "  named one chosen {:.3} [{:.3}, {:.3}], by chance {:.3}; IoU with the best of any {:.3} ({} records)",
            choice.chosen,
            choice.interval.low,
            choice.interval.high,
            choice.chance,
            choice.best_iou,
            choice.records
        );
    }
    if let Some(captions) = &file.captions {
        let _ = writeln!(text, "  {captions}");
    }
    for trouble in file.troubles.iter().take(TROUBLES_SHOWN) {
        let _ = writeln!(
            text,
            "  line {}: {}: {}",
            trouble.line, trouble.kind, trouble.why
        );
    }
    if file.troubles.len() > TROUBLES_SHOWN {
        let _ = writeln!(
            text,
            "  … and {} more; --json lists them all",
            file.troubles.len() - TROUBLES_SHOWN
        );
    }
    text
}

fn number(value: f64, percent: bool) -> String {
    if percent {
        format!("{value:.1}")
    } else {
        format!("{value:.4}")
    }
}
