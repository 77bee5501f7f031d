//! `steval report`: runs to one page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use serde_json::Value;
use st_eval::baseline::{self, Constant};
use st_eval::benchmark;
use st_eval::captions::{CaptionError, CaptionTable};
use st_eval::report::chart::{self, Series};
use st_eval::report::{
    Cell, Column, Comparison, NamedChoiceRow, OutcomeRow, Picture, Report, Row, SummaryRow,
    TaskTable, render_html, render_markdown,
};
use st_eval::score::{self, Line, MetricDef};
use st_eval::strict::Truth;
use st_eval::{
    Bootstrap, EvalTask, Interval, Measure, Outcome, Prediction, Protocol, RecordScore, Table,
    answer,
};
use st_media::remote::Client;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::media;
use crate::picture::{self, Overlay};
use crate::write::write_atomically;

/// Flags of `steval report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    steval report --run untrained=runs/tiny/eval/untrained --run blind=runs/tiny/eval/blind \\\n    \
    --run trained=runs/tiny/eval/trained --constant --metrics runs/tiny/metrics.jsonl --out runs/tiny/report.html\n\n\
    The last --run is the one that the pictures show. Each names a folder of result files, one for each benchmark.")]
pub(crate) struct Args {
    /// A run: its name and its folder of result files; the last one is the subject
    #[arg(long = "run", required = true, value_name = "NAME=DIR", value_parser = parse_run)]
    pub(crate) runs: Vec<(String, PathBuf)>,
    /// Where the page goes; the same name with .md holds the tables
    #[arg(long, value_name = "FILE.html")]
    pub(crate) out: PathBuf,
    /// Add the column of the best constant answers
    #[arg(long)]
    pub(crate) constant: bool,
    /// The training's metrics.jsonl, for its loss curve
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// The page's heading
    #[arg(long, default_value = "Spatio-temporal grounding", value_name = "TEXT")]
    pub(crate) title: String,
    /// Below the heading: what was run, on which machine
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) subtitle: String,
    /// Which rules
    #[arg(long, default_value_t, value_name = "NAME")]
    pub(crate) protocol: Protocol,
    /// Folder with METEOR 1.5's resources, for ELC's captions
    #[arg(long, value_name = "DIR")]
    pub(crate) meteor: Option<PathBuf>,
    /// Pictures of answers, spread over the benchmarks
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) pictures: usize,
    /// Seed of the bootstrap intervals
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Resamples of the bootstrap
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) resamples: usize,
}

fn parse_run(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_owned(), folder.into()))
        }
        _ => Err("a run is NAME=DIR, as in trained=runs/tiny/eval/trained".to_owned()),
    }
}

/// Frames of a clip among which those are picked that tell most.
const CANDIDATES: usize = 40;

/// One run's answers to one benchmark.
struct RunScores {
    lines: Vec<(usize, Line<'static>)>,
    scores: Vec<RecordScore>,
    table: Table,
    /// ELC's captions; none where no reference has a word.
    captions: Option<CaptionTable>,
}

/// One benchmark in all runs.
struct Bench {
    name: String,
    task: EvalTask,
    /// By run; `None` where the run has no file for it.
    runs: Vec<Option<RunScores>>,
    constant: Vec<Constant>,
}

/// Writes the page.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let bootstrap = Bootstrap {
        seed: args.seed,
        resamples: args.resamples.max(1),
    };
    let benches = load(args, &bootstrap)?;
    let mut troubles = Vec::new();
    let report = Report {
        title: args.title.clone(),
        subtitle: args.subtitle.clone(),
        columns: columns(args, &benches),
        summary: summary(args, &benches),
        tables: benches
            .iter()
            .map(|bench| task_table(args, bench, has_paper(&benches)))
            .collect(),
        loss: args.metrics.as_deref().map(loss_chart).transpose()?,
        named_choice: named_choice(args, &benches),
        pictures: pictures(args, globals, &benches, &mut troubles)?,
        comparisons: comparisons(args, &benches, &bootstrap),
        notes: notes(
            args,
            benches
                .iter()
                .flat_map(|bench| bench.runs.iter().flatten())
                .any(|run| run.table.constrained > 0),
        ),
    };
    write_atomically(&args.out, render_html(&report)?.as_bytes())?;
    let markdown = render_markdown(&report)?;
    write_atomically(&args.out.with_extension("md"), markdown.as_bytes())?;
    for trouble in &troubles {
        globals.say(format!("no picture: {trouble}"));
    }
    globals.emit(
        &report_summary(args, &benches),
        terminal_table(args, &benches),
    )?;
    Ok(if troubles.is_empty() {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

fn load(args: &Args, bootstrap: &Bootstrap) -> anyhow::Result<Vec<Bench>> {
    let mut files: BTreeMap<String, Vec<Option<PathBuf>>> = BTreeMap::new();
    for (index, (name, folder)) in args.runs.iter().enumerate() {
        let found =
            result_files(folder).with_context(|| format!("--run {name}={}", folder.display()))?;
        if found.is_empty() {
            bail!(
                "--run {name}={}: no *.jsonl of a benchmark in it",
                folder.display()
            );
        }
        for path in found {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files
                .entry(stem)
                .or_insert_with(|| vec![None; args.runs.len()])[index] = Some(path);
        }
    }
    let mut benches = Vec::new();
    for (name, paths) in files {
        let task = benchmark::find(&name)
            .map(|known| known.task)
            .or_else(|| EvalTask::of_path(&format!("{name}.jsonl")));
        let Some(task) = task else {
            bail!(
                "{name}.jsonl: its name tells no task; name it after a benchmark, or with rec, tvg, stvg, svg or elc"
            )
        };
        let mut runs = Vec::new();
        for path in paths {
            runs.push(
                path.map(|path| score_run(args, &path, task, bootstrap))
                    .transpose()?,
            );
        }
        let constant = if args.constant {
            constants(task, &runs, bootstrap)
        } else {
            Vec::new()
        };
        benches.push(Bench {
            name,
            task,
            runs,
            constant,
        });
    }
    benches.sort_by_key(|bench| bench.task);
    Ok(benches)
}

fn result_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_result = path.extension().is_some_and(|kind| kind == "jsonl");
        if is_result && !name.contains(".scores.") && !name.starts_with('.') {
            found.push(path);
        }
    }
    Ok(found)
}

fn score_run(
    args: &Args,
    path: &Path,
    task: EvalTask,
    bootstrap: &Bootstrap,
) -> anyhow::Result<RunScores> {
    let lines: Vec<(usize, Line)> = score::read_lines(&fs_err::read_to_string(path)?)
        .into_iter()
        .map(|(number, line)| (number, line.map(Prediction::into_owned)))
        .collect();
    let scores = score::score_lines(args.protocol, task, &lines);
    let table = Table::of(args.protocol, task, &scores, Some(bootstrap));
    let captions = if task == EvalTask::Elc {
        match CaptionTable::of(args.protocol, &lines, args.meteor.as_deref()) {
            Ok(table) => Some(table),
            Err(CaptionError::Undefined(_)) => None,
            Err(error @ CaptionError::Meteor(_)) => return Err(error.into()),
        }
    } else {
        None
    };
    Ok(RunScores {
        lines,
        scores,
        table,
        captions,
    })
}

fn constants(task: EvalTask, runs: &[Option<RunScores>], bootstrap: &Bootstrap) -> Vec<Constant> {
    let Some(run) = runs.iter().flatten().next_back() else {
        return Vec::new();
    };
    let truths: Vec<Truth> = run
        .lines
        .iter()
        .filter_map(|(_, line)| Truth::of(task, line.as_ref().ok()?).ok())
        .collect();
    baseline::constants(task, &truths, Some(bootstrap))
}

/// Constant answers, runs, the paper: where there are such.
fn columns(args: &Args, benches: &[Bench]) -> Vec<Column> {
    let constant = args.constant.then(|| Column {
        name: "constant".to_owned(),
        title: "the answer that scores best without looking, chosen for each metric".to_owned(),
    });
    let runs = args.runs.iter().enumerate().map(|(index, (name, folder))| {
        let constrained = benches
            .iter()
            .filter_map(|bench| bench.runs[index].as_ref())
            .any(|run| run.table.constrained > 0);
        Column {
            name: if constrained {
                format!("{name} (constrained)")
            } else {
                name.clone()
            },
            title: folder.display().to_string(),
        }
    });
    let paper = has_paper(benches).then(|| Column {
        name: "paper".to_owned(),
        title: "LLaVA-ST-7B as published (arXiv:2501.08282), by the original's protocol".to_owned(),
    });
    constant.into_iter().chain(runs).chain(paper).collect()
}

fn has_paper(benches: &[Bench]) -> bool {
    benches
        .iter()
        .filter_map(|bench| benchmark::find(&bench.name))
        .any(|known| !known.published.is_empty())
}

/// The paper's number for a metric of either protocol: the one of the same measure and threshold.
fn published(bench: &Bench, metric: &MetricDef) -> Option<f64> {
    let threshold = |summary| match summary {
        score::Summary::Mean => None,
        score::Summary::AtLeast(threshold) | score::Summary::Above(threshold) => Some(threshold),
    };
    let same = |other: &&MetricDef| {
        other.measure == metric.measure && threshold(other.summary) == threshold(metric.summary)
    };
    let original = score::metrics(Protocol::Original, bench.task)
        .iter()
        .find(same)?;
    published_by_name(bench, original.name)
}

fn published_by_name(bench: &Bench, name: &str) -> Option<f64> {
    benchmark::find(&bench.name)?
        .published
        .iter()
        .find_map(|(metric, value)| (*metric == name).then_some(*value))
}

fn task_table(args: &Args, bench: &Bench, paper: bool) -> TaskTable {
    let definitions = score::metrics(args.protocol, bench.task);
    let rows = definitions
        .iter()
        .map(|metric| table_row(args, bench, metric, paper))
        .chain(caption_rows(args, bench, paper))
        .collect();
    let outcomes = named_runs(args, bench).map(|(name, run)| {
        let kinds: Vec<String> = run
            .table
            .outcomes
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        OutcomeRow {
            name: name.to_owned(),
            text: kinds.join(", "),
        }
    });
    let known = benchmark::find(&bench.name);
    let published = known
        .filter(|known| !known.published.is_empty())
        .map(|known| {
            let numbers: Vec<String> = known
                .published
                .iter()
                .map(|(metric, value)| format!("{metric} {value}"))
                .collect();
            format!(
                "LLaVA-ST-7B in its paper (arXiv:2501.08282, original protocol): {}",
                numbers.join(", ")
            )
        });
    TaskTable {
        title: known.map_or_else(|| bench.name.clone(), |known| known.title.to_owned()),
        task: task_words(bench.task).to_owned(),
        records: named_runs(args, bench)
            .map(|(_, run)| run.table.records)
            .max()
            .unwrap_or_default(),
        rows,
        outcomes: outcomes.collect(),
        histogram: histogram(args, bench),
        published,
    }
}

/// The metrics that stand for a benchmark: its means, and its main share.
fn is_headline(task: EvalTask, metric: &MetricDef) -> bool {
    match metric.summary {
        score::Summary::Mean => true,
        score::Summary::AtLeast(threshold) | score::Summary::Above(threshold) => {
            (threshold - 0.5).abs() < 1e-9 && metric.measure == main_measure(task)
        }
    }
}

fn summary(args: &Args, benches: &[Bench]) -> Vec<SummaryRow> {
    let paper = has_paper(benches);
    let title = |bench: &Bench| {
        benchmark::find(&bench.name)
            .map_or_else(|| bench.name.clone(), |known| known.title.to_owned())
    };
    let rows = benches.iter().flat_map(|bench| {
        let headline = score::metrics(args.protocol, bench.task)
            .iter()
            .filter(|metric| is_headline(bench.task, metric));
        headline.map(move |metric| SummaryRow {
            benchmark: title(bench),
            row: table_row(args, bench, metric, paper),
        })
    });
    rows.collect()
}

fn named_runs<'a>(
    args: &'a Args,
    bench: &'a Bench,
) -> impl Iterator<Item = (&'a str, &'a RunScores)> {
    args.runs
        .iter()
        .zip(&bench.runs)
        .filter_map(|((name, _), run)| Some((name.as_str(), run.as_ref()?)))
}

/// A number and its interval.
type Number = (Option<f64>, Option<Interval>);

fn table_row(args: &Args, bench: &Bench, metric: &MetricDef, paper: bool) -> Row {
    let mut numbers: Vec<Number> = Vec::new();
    if args.constant {
        let found = bench.constant.iter().find(|one| one.metric == metric.name);
        numbers.push((
            found.map(|one| one.value),
            found.and_then(|one| one.interval),
        ));
    }
    for run in &bench.runs {
        let found = run
            .as_ref()
            .and_then(|run| run.table.metrics.iter().find(|one| one.name == metric.name));
        numbers.push((
            found.and_then(|one| one.value),
            found.and_then(|one| one.interval),
        ));
    }
    let paper = paper.then(|| published(bench, metric));
    row(metric.name, metric.is_percent(), &numbers, paper.as_slice())
}

/// ELC's captions, whose numbers are of the whole file.
fn caption_rows(args: &Args, bench: &Bench, paper: bool) -> Vec<Row> {
    let scores: Vec<Option<Vec<(&str, f64)>>> = bench
        .runs
        .iter()
        .map(|run| Some(run.as_ref()?.captions.as_ref()?.corpus.named()))
        .collect();
    let Some(names) = scores.iter().flatten().next() else {
        return Vec::new();
    };
    let rows = names.iter().enumerate().map(|(index, (name, _))| {
        let constant = args.constant.then_some((None, None));
        let runs = scores
            .iter()
            .map(|run| (run.as_ref().map(|named| named[index].1), None));
        let numbers: Vec<Number> = constant.into_iter().chain(runs).collect();
        let paper = paper.then(|| published_by_name(bench, name));
        row(name, false, &numbers, paper.as_slice())
    });
    rows.collect()
}

/// A row of numbers, the paper's last where there is such a column; that one wins nothing, its protocol is another.
fn row(name: &str, percent: bool, numbers: &[Number], paper: &[Option<f64>]) -> Row {
    let highest = numbers
        .iter()
        .filter_map(|(value, _)| *value)
        .fold(f64::NEG_INFINITY, f64::max);
    let full = if percent { 100.0 } else { 1.0 };
    let text =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| number(value, percent));
    let cells = numbers.iter().map(|(value, interval)| Cell {
        text: text(*value),
        interval: interval
            .map(|i| format!("{} – {}", number(i.low, percent), number(i.high, percent)))
            .unwrap_or_default(),
        bar: value.map_or(0.0, |value| (value / full * 100.0).clamp(0.0, 100.0)),
        best: value.is_some_and(|value| value >= highest && value > 0.0),
    });
    let paper = paper.iter().map(|value| Cell {
        text: text(*value),
        ..Cell::default()
    });
    Row {
        metric: name.to_owned(),
        main: !percent,
        cells: cells.chain(paper).collect(),
    }
}

/// The number that speaks for a task.
const fn main_measure(task: EvalTask) -> Measure {
    match task {
        EvalTask::Rec => Measure::Iou,
        EvalTask::Tvg => Measure::Tiou,
        EvalTask::Stvg | EvalTask::Svg | EvalTask::Elc => Measure::Viou,
    }
}

fn histogram(args: &Args, bench: &Bench) -> Option<String> {
    const CLASSES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
    let measure = main_measure(bench.task);
    // The subject of the page first, so that it keeps its colour.
    let mut runs: Vec<(String, &'static str, Vec<f64>)> = named_runs(args, bench)
        .map(|(name, run)| {
            let values = run
                .scores
                .iter()
                .filter(|one| one.counted)
                .filter_map(|one| one.values.get(measure))
                .collect();
            (name.to_owned(), "", values)
        })
        .collect();
    runs.reverse();
    runs.truncate(CLASSES.len());
    for (run, class) in runs.iter_mut().zip(CLASSES) {
        run.1 = class;
    }
    let label = match measure {
        Measure::Iou => "IoU of a record",
        Measure::Tiou => "temporal IoU of a record",
        Measure::Siou => "spatial IoU of a record",
        Measure::Viou => "spatio-temporal IoU of a record",
    };
    (!runs.is_empty()).then(|| chart::histogram(&runs, label))
}

fn named_choice(args: &Args, benches: &[Bench]) -> Vec<NamedChoiceRow> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let rows = benches
        .iter()
        .flat_map(|bench| named_runs(args, bench))
        .filter_map(|(name, run)| {
            let choice = run.table.named_choice?;
            Some(NamedChoiceRow {
                name: name.to_owned(),
                chosen: percent(choice.chosen),
                interval: format!(
                    "{} – {}",
                    percent(choice.interval.low),
                    percent(choice.interval.high)
                ),
                chance: percent(choice.chance),
                best_iou: format!("{:.3}", choice.best_iou),
            })
        });
    rows.collect()
}

fn comparisons(args: &Args, benches: &[Bench], bootstrap: &Bootstrap) -> Vec<Comparison> {
    let mut found = Vec::new();
    let Some(((subject, _), others)) = args.runs.split_last() else {
        return found;
    };
    for bench in benches {
        let Some((Some(second), firsts)) = bench
            .runs
            .split_last()
            .map(|(last, rest)| (last.as_ref(), rest))
        else {
            continue;
        };
        for ((name, _), first) in others.iter().zip(firsts) {
            let Some(first) = first else { continue };
            let metric = score::metrics(args.protocol, bench.task)
                .iter()
                .find(|metric| metric.measure == main_measure(bench.task) && !metric.is_percent());
            let Some(metric) = metric else { continue };
            if let Some(one) = compare(bench, metric, (name, first), (subject, second), bootstrap) {
                found.push(one);
            }
        }
    }
    found
}

fn compare(
    bench: &Bench,
    metric: &MetricDef,
    (first_name, first): (&str, &RunScores),
    (second_name, second): (&str, &RunScores),
    bootstrap: &Bootstrap,
) -> Option<Comparison> {
    let value = |one: &RecordScore| metric.of(&one.values).unwrap_or(0.0);
    let key = |one: &RecordScore| one.index.unwrap_or(one.line as u64);
    let firsts: BTreeMap<u64, f64> = first
        .scores
        .iter()
        .map(|one| (key(one), value(one)))
        .collect();
    let pairs: Vec<(f64, f64)> = second
        .scores
        .iter()
        .filter_map(|one| Some((*firsts.get(&key(one))?, value(one))))
        .collect();
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let outcome = bootstrap.compare(&a, &b)?;
    let count = |test: fn(f64, f64) -> bool| pairs.iter().filter(|(a, b)| test(*a, *b)).count();
    Some(Comparison {
        benchmark: bench.name.clone(),
        metric: metric.name.to_owned(),
        first: first_name.to_owned(),
        second: second_name.to_owned(),
        difference: format!("{:+.3}", outcome.difference),
        interval: format!(
            "{:+.3} – {:+.3}",
            outcome.interval.low, outcome.interval.high
        ),
        p_value: if outcome.p_value < 0.001 {
            "< 0.001".to_owned()
        } else {
            format!("{:.3}", outcome.p_value)
        },
        counts: format!(
            "{} / {} / {}",
            count(|a, b| b > a),
            count(|a, b| b.to_bits() == a.to_bits()),
            count(|a, b| b < a)
        ),
        significant: outcome.interval.low > 0.0 || outcome.interval.high < 0.0,
    })
}

/// Training and validation loss from `metrics.jsonl`; lines without a loss are left out.
fn loss_chart(path: &Path) -> anyhow::Result<String> {
    let text = fs_err::read_to_string(path)?;
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line)
            .with_context(|| format!("{}: not a line of metrics", path.display()))?;
        let (Some(step), Some(loss)) = (line["step"].as_f64(), line["loss"].as_f64()) else {
            continue;
        };
        match line["kind"].as_str() {
            Some("validation") => validation.push((step, loss)),
            _ => train.push((step, loss)),
        }
    }
    let series = [("training", "s0", train), ("held out", "s1", validation)];
    let series: Vec<Series> = series
        .into_iter()
        .filter(|(_, _, points)| !points.is_empty())
        .map(|(name, class, points)| Series {
            name: name.to_owned(),
            class,
            points,
        })
        .collect();
    if series.is_empty() {
        bail!("{}: no line with a step and a loss", path.display());
    }
    Ok(chart::lines(&series, "step", "loss"))
}

fn pictures(
    args: &Args,
    globals: &Globals,
    benches: &[Bench],
    troubles: &mut Vec<String>,
) -> anyhow::Result<Vec<Picture>> {
    let media = media::client();
    let shown: Vec<(&Bench, &RunScores)> = benches
        .iter()
        .filter_map(|bench| Some((bench, bench.runs.last()?.as_ref()?)))
        .collect();
    let mut found = Vec::new();
    for (index, (bench, run)) in shown.iter().enumerate() {
        // As even a share as there can be; the first benchmarks take the remainder.
        let share = args.pictures / shown.len() + usize::from(index < args.pictures % shown.len());
        for (label, score) in select(run, main_measure(bench.task), share) {
            match picture(globals, &media, bench, run, score, label) {
                Ok(picture) => found.push(picture),
                Err(error) if media::is_fatal(&error) => return Err(error),
                Err(error) => {
                    troubles.push(format!("{} line {}: {error:#}", bench.name, score.line));
                }
            }
        }
    }
    Ok(found)
}

/// Records from the best to the worst at even steps, an honest cross-section.
fn select(run: &RunScores, measure: Measure, count: usize) -> Vec<(&'static str, &RecordScore)> {
    let mut ranked: Vec<&RecordScore> = run
        .scores
        .iter()
        .filter(|one| !matches!(one.outcome, Outcome::Unreadable(_) | Outcome::Missing))
        .collect();
    let value = |one: &RecordScore| one.values.get(measure).unwrap_or(0.0);
    ranked.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.line.cmp(&b.line)));
    let count = count.min(ranked.len());
    (0..count)
        .map(|place| {
            let at = if count < 2 {
                0
            } else {
                place * (ranked.len() - 1) / (count - 1)
            };
            let label = match place {
                0 => "best",
                _ if place + 1 == count => "worst",
                _ if 2 * place + 1 == count => "median",
                _ if 2 * place < count => "upper half",
                _ => "lower half",
            };
            (label, ranked[at])
        })
        .collect()
}

fn picture(
    globals: &Globals,
    media: &Client,
    bench: &Bench,
    run: &RunScores,
    score: &RecordScore,
    label: &str,
) -> anyhow::Result<Picture> {
    let record = run
        .lines
        .iter()
        .find_map(|(number, line)| {
            (*number == score.line)
                .then_some(line.as_ref().ok())
                .flatten()
        })
        .context("its line cannot be read")?;
    let given = answer::read(bench.task, record.text()).unwrap_or_default();
    let overlay = Overlay::of(bench.task, record, &given)?;
    let path = picture::find_media(record.media(), std::slice::from_ref(&globals.root))?;
    let split = record
        .split
        .flatten()
        .and_then(|[first, last]| Some([u64::try_from(first).ok()?, u64::try_from(last).ok()?]));
    let strip = picture::load(
        media,
        &path,
        bench.task,
        split,
        if bench.task == EvalTask::Rec {
            1
        } else {
            CANDIDATES
        },
    )?;
    let canvas = match bench.task {
        EvalTask::Rec => picture::still(&strip, &overlay, 360),
        _ => picture::contact_strip(&picture::telling(&strip, &overlay, 6), &overlay, 200),
    };
    let bytes = canvas.to_jpeg(82)?;
    let values = [
        ("IoU", score.values.iou),
        ("tIoU", score.values.tiou),
        ("sIoU", score.values.siou),
        ("vIoU", score.values.viou),
    ];
    let values: Vec<String> = values
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {:.2}", (*value)?)))
        .collect();
    let prompt = record.prompt.as_deref().unwrap_or_default();
    Ok(Picture {
        label: label.to_owned(),
        task: bench.task.as_str().to_uppercase(),
        question: prompt.replace("<image>\n", "").replace("<video>\n", ""),
        answer: shorten(
            if record.error.is_some() {
                "(no answer)"
            } else {
                readable(record).trim()
            },
            220,
        ),
        score: values.join(" · "),
        uri: format!(
            "data:image/jpeg;base64,{}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        ),
        wide: bench.task != EvalTask::Rec,
    })
}

fn readable<'a>(record: &'a Prediction<'_>) -> &'a str {
    record
        .converted_outputs
        .as_ref()
        .and_then(Option::as_deref)
        .unwrap_or_else(|| record.text())
}

fn shorten(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        text.to_owned()
    } else {
        text.chars().take(letters).chain(['…']).collect()
    }
}

fn notes(args: &Args, constrained: bool) -> Vec<String> {
    let mut notes = vec![match args.protocol {
        Protocol::Strict => "Strict protocol: every record of the benchmark counts, an answer that cannot be read scores 0, thresholds are reached at ≥. siou averages over the truth's frames, viou over the frames of truth and answer together.".to_owned(),
        Protocol::Original => "Original protocol: the released Python scorer's numbers, its quirks included.".to_owned(),
    }];
    notes.push(format!(
        "Small numbers are 95 % bootstrap intervals over records ({} resamples, seed {}). Means lie in 0 – 1, @ metrics are percentages.",
        args.resamples, args.seed
    ));
    if args.constant {
        notes.push("constant: the one answer that scores best without looking, searched for each metric on this very benchmark; it may use what the question gives away.".to_owned());
    }
    if constrained {
        notes.push("constrained: the decoding allowed only well-formed coordinates; such scores stand apart from those of the model alone.".to_owned());
    }
    if args.runs.iter().any(|(name, _)| name.contains("blind")) {
        notes.push("blind: the same model with the clips exchanged among the records, so that only what the question tells is left.".to_owned());
    }
    notes.push("Pictures run from the best record to the worst at even steps of rank.".to_owned());
    notes
}

const fn task_words(task: EvalTask) -> &'static str {
    match task {
        EvalTask::Rec => "REC: where in the image",
        EvalTask::Tvg => "TVG: when",
        EvalTask::Stvg => "STVG: when and where",
        EvalTask::Svg => "SVG: where, in a given span",
        EvalTask::Elc => "ELC: until when, what and where",
    }
}

fn number(value: f64, percent: bool) -> String {
    let text = if percent {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    };
    // The original's IoU of boxes that do not meet may lie just below zero, which would be shown as "-0.000".
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

fn run_json(run: &RunScores) -> Value {
    let mut value = serde_json::to_value(&run.table).unwrap_or_default();
    if let Some(captions) = &run.captions {
        value["captions"] = serde_json::to_value(captions).unwrap_or_default();
    }
    value
}

/// The numbers for `--json`.
fn report_summary(args: &Args, benches: &[Bench]) -> Value {
    let of_bench = |bench: &Bench| {
        let runs: serde_json::Map<String, Value> = named_runs(args, bench)
            .map(|(name, run)| (name.to_owned(), run_json(run)))
            .collect();
        serde_json::json!({"benchmark": bench.name, "task": bench.task, "runs": runs, "constant": bench.constant})
    };
    serde_json::json!({"report": args.out, "benchmarks": benches.iter().map(of_bench).collect::<Vec<_>>()})
}

/// The main numbers of each benchmark, for the terminal.
fn terminal_table(args: &Args, benches: &[Bench]) -> String {
    let mut text = String::new();
    let columns = columns(args, benches);
    let paper = has_paper(benches);
    let _ = write!(text, "{:<16} {:<9}", "benchmark", "metric");
    for column in &columns {
        let _ = write!(text, " {:>22}", column.name);
    }
    text.push('\n');
    for bench in benches {
        for metric in score::metrics(args.protocol, bench.task) {
            if !is_headline(bench.task, metric) {
                continue;
            }
            let _ = write!(text, "{:<16} {:<9}", bench.name, metric.name);
            for cell in table_row(args, bench, metric, paper).cells {
                let interval = cell.interval.replace(" – ", ", ");
                let shown = if interval.is_empty() {
                    cell.text
                } else {
                    format!("{} [{interval}]", cell.text)
                };
                let _ = write!(text, " {shown:>22}");
            }
            text.push('\n');
        }
    }
    for row in named_choice(args, benches) {
        let _ = writeln!(
            text,
            "named one chosen by {}: {} ({}), by chance {}",
            row.name, row.chosen, row.interval, row.chance
        );
    }
    let _ = write!(text, "\nreport: {}", args.out.display());
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn what_rounds_to_nothing_has_no_sign() {
        assert_eq!(number(-0.0001, false), "0.000");
        assert_eq!(number(-0.0, true), "0.0");
        assert_eq!(number(-0.25, false), "-0.250");
    }
}
