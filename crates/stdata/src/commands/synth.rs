//! `stdata synth`: makes a synthetic dataset with exact truth.

use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Mutex;

use anyhow::Context;
use st_data::synth::{Observer, SynthOptions, SynthSummary, TaskShares, synthesize};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata synth`.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "Examples:\n  stdata synth --out data/synth --images 2000 --videos 500\n  \
                        stdata synth --out data/rec --videos 0 --tasks rec=1 --phrases 1\n  \
                        stdata synth --out data/large --annotations-only --records 1000000"
)]
pub(crate) struct Args {
    /// Folder to write; a finished one with the same options is left as it is
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Training images
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().images)]
    images: usize,
    /// Training videos
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().videos)]
    videos: usize,
    /// Validation clips: N images, and a quarter as many videos
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().validation)]
    validation: usize,
    /// Benchmark clips: N images and N videos
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().benchmark)]
    benchmark: usize,
    /// Same seed, same annotations to the byte
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().seed)]
    seed: u64,
    /// Width and height in pixels, both even
    #[arg(long, value_name = "WxH", default_value = "160x120", value_parser = pair::<u32, 'x'>)]
    size: [u32; 2],
    /// Frames of a video
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().frames)]
    frames: u64,
    /// Frames per second of a video
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().fps)]
    fps: u32,
    /// Frame plan: objects come and go on its frames, and tubes have a box on each
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().plan)]
    plan: usize,
    /// Objects in a clip; benchmark clips have at least two
    #[arg(long, value_name = "MIN-MAX", default_value = "2-3", value_parser = pair::<usize, '-'>)]
    objects: [usize; 2],
    /// Steps of the frame plan that an object is in view
    #[arg(long, value_name = "MIN-MAX", default_value = "1-6", value_parser = pair::<usize, '-'>)]
    span: [usize; 2],
    /// Share of videos with one more object, in view all along and never asked for
    #[arg(long, value_name = "SHARE", default_value_t = SynthOptions::default().distractors)]
    distractors: f64,
    /// How many colours; objects of a clip never share one
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().colors)]
    colors: usize,
    /// How many kinds of shape
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().shapes)]
    shapes: usize,
    /// Phrasings of a question; 1 keeps to the benchmark's
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().phrases)]
    phrases: usize,
    /// Records of a clip, each of another task
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().questions)]
    questions: usize,
    /// Most questions in one record, each about another object; further objects get records of their own
    #[arg(long, value_name = "N", default_value_t = SynthOptions::default().turns)]
    turns: usize,
    /// Share of each task within its kind of media, such as rec=0.6,reg=0.4,tvg=1; tasks not named are left out
    #[arg(long, value_name = "TASK=SHARE,…", default_value = "default")]
    tasks: TaskShares,
    /// Make exactly N training records and no media (needs --annotations-only)
    #[arg(long, value_name = "N")]
    records: Option<u64>,
    /// Write no media
    #[arg(long)]
    annotations_only: bool,
}

/// Reads `AxB`, or one number for both.
fn pair<T: FromStr + Copy, const SEPARATOR: char>(text: &str) -> Result<[T; 2], String> {
    let (first, second) = text.split_once(SEPARATOR).unwrap_or((text, text));
    match (first.parse(), second.parse()) {
        (Ok(first), Ok(second)) => Ok([first, second]),
        _ => Err(format!("expected two whole numbers such as 2{SEPARATOR}4")),
    }
}

impl Args {
    fn options(&self) -> SynthOptions {
        SynthOptions {
            images: self.images,
            videos: self.videos,
            validation: self.validation,
            benchmark: self.benchmark,
            seed: self.seed,
            size: self.size,
            frames: self.frames,
            fps: self.fps,
            plan: self.plan,
            objects: self.objects,
            span: self.span,
            distractors: self.distractors,
            colors: self.colors,
            shapes: self.shapes,
            phrases: self.phrases,
            questions: self.questions,
            turns: self.turns,
            tasks: self.tasks.clone(),
            records: self.records,
            annotations_only: self.annotations_only,
        }
    }
}

/// Makes the dataset.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let bars = Bars {
        globals,
        current: Mutex::new(None),
    };
    let summary = synthesize(&args.out, &args.options(), &bars)
        .with_context(|| format!("synth --out {}", args.out.display()))?;
    bars.close();
    globals.emit(&summary, describe(&summary))?;
    Ok(ExitStatus::Done)
}

/// One progress display after the other.
struct Bars<'a> {
    globals: &'a Globals,
    current: Mutex<Option<Progress<'a>>>,
}

impl Bars<'_> {
    fn close(&self) {
        if let Ok(mut current) = self.current.lock()
            && let Some(progress) = current.take()
        {
            progress.finish();
        }
    }
}

impl Observer for Bars<'_> {
    fn begin(&self, label: &str, total: u64) {
        self.close();
        if let Ok(mut current) = self.current.lock() {
            *current = Some(Progress::start(self.globals, label, total));
        }
    }

    fn advance(&self, items: u64) {
        if let Ok(current) = self.current.lock()
            && let Some(progress) = current.as_ref()
        {
            progress.add(items);
        }
    }
}

fn describe(summary: &SynthSummary) -> String {
    let mut text = String::new();
    let state = if summary.already_complete {
        "complete already"
    } else {
        "made"
    };
    let _ = writeln!(
        text,
        "{}: {state}, {} media files",
        summary.out.display(),
        summary.media
    );
    for (name, count) in &summary.records {
        let _ = writeln!(text, "  {name:<24} {count:>9}");
    }
    if let Some(constant) = &summary.constant_span {
        let [start, end] = constant.span;
        let _ = writeln!(
            text,
            "best constant span of the benchmark: {start:.2}-{end:.2}, R@0.5 {:.3}; best mean tIoU {:.3}",
            constant.recall, constant.mean_iou
        );
    }
    text.trim_end().to_owned()
}
