//! `steval ask`: one question about one file, the answer in seconds and pixels and drawn over the file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use st_eval::strict::Answer;
use st_eval::{Unparsed, answer};
use st_media::ClipRequest;
use st_media::encode::EncodeOptions;
use st_media::remote::Client;
use st_model::generate::GenerateOptions;
use st_schema::answer::compat;
use st_schema::text::{self, Token};
use st_schema::{Axis, FramePlan, Frames, Media, Record, Side, Task, Turn, Variables};

use crate::device;
use crate::draw::{BLUE, Canvas, GREY, INK, RED, WHITE, wrapped};
use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::media;
use crate::model::Model;
use crate::picture::Overlay;
use crate::write::write_atomically;

/// Flags of `steval ask`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    steval ask --model runs/tiny/model photo.jpg \"Where can I find red circle in this image?\"\n  \
    steval ask --model runs/tiny/model clip.mp4 \"What happens in {0.1,0.4}?\" --task tr --out answers\n  \
    steval ask --model runs/tiny/model clip.mp4 \"Starts in <t0.2>, what does the one at [0.1,0.2,0.4,0.9] do?\" --task elc\n\n\
    Coordinates in the question are fractions: [x1,y1,x2,y2], {t1,t2}, <t0.4>.")]
pub(crate) struct Args {
    /// An image or a video
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The question
    pub(crate) question: String,
    /// Model folder: config.json, *.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// rec, reg, tvg, tr, stvg, svg, elc or dgc [default: rec for an image, stvg for a video]
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<Task>,
    /// First and last frame to look at, both inclusive [default: the whole video]
    #[arg(long, num_args = 2, value_names = ["FIRST", "LAST"])]
    pub(crate) split: Option<Vec<u64>>,
    /// Folder for the picture, or for the video and its contact sheet
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Ignore the folder's weights and draw others with this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) untrained: Option<u64>,
    /// Longest answer in tokens
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub(crate) max_new_tokens: usize,
    /// 0 takes the likeliest token
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    pub(crate) temperature: f64,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Allow only well-formed coordinates
    #[arg(long)]
    pub(crate) constrained: bool,
    /// Where the model runs
    #[arg(long, value_enum, default_value_t = device::Choice::Cpu)]
    pub(crate) device: device::Choice,
}

/// The tasks that one can ask for, and whether their files are images.
const TASKS: [(Task, Option<bool>); 8] = [
    (Task::Rec, Some(true)),
    (Task::Reg, Some(true)),
    (Task::Dgc, Some(true)),
    (Task::Tvg, Some(false)),
    (Task::Tr, Some(false)),
    (Task::Stvg, Some(false)),
    (Task::Svg, Some(false)),
    (Task::Elc, Some(false)),
];

/// What is known of the file: what fractions mean in it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Extent {
    width: usize,
    height: usize,
    /// Seconds of the first and the last frame looked at; absent for an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<[f64; 2]>,
}

/// The answer, for `--json`.
#[derive(Debug, Serialize)]
struct Reply {
    task: Task,
    question: String,
    /// With coordinate tokens, as the model writes it.
    raw: String,
    /// With seconds and pixels.
    text: String,
    #[serde(flatten)]
    extent: Extent,
    /// Start and end in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<[f64; 2]>,
    /// ELC's end in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
    /// Boxes in pixels with the words before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boxes: Vec<(String, [f64; 4])>,
    /// Boxes in pixels by seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tube: Vec<(f64, [f64; 4])>,
    /// What is wrong with the answer, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    unparsed: Option<&'static str>,
    /// What was written.
    files: Vec<PathBuf>,
}

/// Asks, prints, draws.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let is_image = is_image(&args.file)?;
    let task = task(args, is_image)?;
    let model = Model::open(&args.model, device::open(args.device)?, args.untrained)?;
    let media = media::client();
    let (frames, extent) = look(args, &media, &model, is_image)?;
    let record = record(args, is_image)?;
    let features = model.look(&record.media, &frames)?;
    let prompt = model.encode(&record)?;
    let options = GenerateOptions {
        max_new_tokens: args.max_new_tokens,
        temperature: args.temperature,
        seed: args.seed,
        filter: args.constrained.then(|| model.grammar()).transpose()?,
        ..GenerateOptions::default()
    };
    let raw = model.stream(&prompt, &features, &options, streamer(globals, extent))?;
    if !globals.json {
        writeln!(std::io::stdout())?;
    }
    let parsed = answer::read_task(task, &raw).and_then(|given| complete(task, given));
    let given = parsed
        .clone()
        .or_else(|_| answer::read_task(task, &raw))
        .unwrap_or_default();
    let shown = Shown {
        task,
        question: &args.question,
        text: readable(&raw, extent),
        overlay: overlay(task, &record, &given),
        answer: given,
    };
    let files = if is_image {
        draw_image(args, &shown)?
    } else {
        draw_video(args, &media, &shown)?
    };
    let reply = reply(
        args,
        &shown,
        raw,
        extent,
        parsed.err().map(Unparsed::as_str),
        files,
    );
    if globals.json {
        globals.emit(&reply, "")?;
    } else {
        for file in &reply.files {
            globals.say(format!("written: {}", file.display()));
        }
        if let Some(why) = reply.unparsed {
            globals.say(format!("the answer cannot be read as {task}: {why}"));
        }
    }
    Ok(if reply.unparsed.is_some() {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn is_image(path: &Path) -> anyhow::Result<bool> {
    if !path.is_file() {
        bail!("{}: no such file", path.display());
    }
    // The name decides; what has none of these is left to FFmpeg.
    let kind = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    Ok(["jpg", "jpeg", "png", "webp", "bmp"].contains(&kind.as_str()))
}

fn task(args: &Args, is_image: bool) -> anyhow::Result<Task> {
    let task = args
        .task
        .unwrap_or(if is_image { Task::Rec } else { Task::Stvg });
    let Some((_, wants)) = TASKS.iter().find(|(known, _)| *known == task) else {
        bail!(
            "--task {task}: one of {}",
            TASKS.map(|(task, _)| task.as_str()).join(", ")
        );
    };
    match wants {
        Some(true) if !is_image => bail!(
            "--task {task} asks about an image, {} is a video",
            args.file.display()
        ),
        Some(false) if is_image => bail!(
            "--task {task} asks about a video, {} is an image",
            args.file.display()
        ),
        _ => Ok(task),
    }
}

/// The frames that the model sees, and what fractions of them mean in the file.
fn look(
    args: &Args,
    media: &Client,
    model: &Model,
    is_image: bool,
) -> anyhow::Result<(Frames, Extent)> {
    let side = model.side();
    if is_image {
        let still = st_media::load_image(&args.file, None)?;
        let extent = Extent {
            width: still.width,
            height: still.height,
            seconds: None,
        };
        return Ok((st_media::resize(&still, side, side), extent));
    }
    let request = ClipRequest {
        plan: model.plan(),
        split: split(args)?,
        size: Some((side, side)),
        ..ClipRequest::default()
    };
    let clip = media.decode(&args.file, &request)?;
    let seconds = [
        clip.outline.seconds.first().copied().unwrap_or_default(),
        clip.outline.seconds.last().copied().unwrap_or_default(),
    ];
    let extent = Extent {
        width: clip.outline.probe.width as usize,
        height: clip.outline.probe.height as usize,
        seconds: Some(seconds),
    };
    Ok((clip.into_frames(), extent))
}

fn split(args: &Args) -> anyhow::Result<Option<[u64; 2]>> {
    match args.split.as_deref() {
        None => Ok(None),
        Some([first, last]) if first <= last => Ok(Some([*first, *last])),
        Some(other) => bail!("--split {other:?}: the first frame comes before the last"),
    }
}

/// The question as the model gets it: brackets become placeholders and numbers.
fn record(args: &Args, is_image: bool) -> anyhow::Result<Record> {
    let (marker, media) = if is_image {
        ("<image>", Media::Image(args.file.display().to_string()))
    } else {
        ("<video>", Media::Video(args.file.display().to_string()))
    };
    let question = text::compat::format_demo(&args.question, Side::Input);
    let question = if question.contains(marker) {
        question
    } else {
        format!("{marker}\n{question}")
    };
    let (turns, variables) = text::encode(&[Turn::human(question)])
        .with_context(|| format!("the question `{}`", args.question))?;
    Ok(Record::new("question", media, turns, variables))
}

/// Prints what is new of the answer, coordinates in the file's own units.
fn streamer(globals: &Globals, extent: Extent) -> impl FnMut(&str) {
    let (json, mut told) = (globals.json, String::new());
    move |raw: &str| {
        let text = readable(raw, extent);
        if let Some(new) = text.strip_prefix(told.as_str())
            && !json
        {
            let mut out = std::io::stdout().lock();
            // A reader that hangs up does not stop the drawing.
            let _ = out.write_all(new.as_bytes()).and_then(|()| out.flush());
        }
        told = text;
    }
}

/// Coordinate tokens as seconds and pixels.
fn readable(raw: &str, extent: Extent) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    for located in text::tokens(raw) {
        let Token::Bin(axis, digits) = located.token else {
            continue;
        };
        let Ok(bin) = digits.parse::<u32>() else {
            continue;
        };
        let between = &raw[at..located.start];
        out.push_str(between);
        if at > 0 && between.is_empty() {
            out.push_str(", ");
        }
        let fraction = f64::from(bin) / 99.0;
        let _ = match (axis, extent.seconds) {
            (Axis::Temporal, Some([first, last])) => {
                write!(out, "{:.2} s", first + fraction * (last - first))
            }
            (Axis::Temporal, None) => write!(out, "{fraction:.2}"),
            (Axis::Width, _) => write!(out, "{:.0}", fraction * pixels(extent.width)),
            (Axis::Height, _) => write!(out, "{:.0}", fraction * pixels(extent.height)),
        };
        at = located.end;
    }
    out.push_str(&raw[at..]);
    out
}

#[expect(clippy::cast_precision_loss, reason = "sides of pictures are small")]
fn pixels(side: usize) -> f64 {
    side as f64
}

/// Whether the answer has what its task asks for.
fn complete(task: Task, answer: Answer) -> Result<Answer, Unparsed> {
    match task {
        Task::Tvg | Task::Stvg if answer.span.is_none() => Err(Unparsed::NoSpan),
        Task::Elc if answer.end.is_none() => Err(Unparsed::NoSpan),
        Task::Rec | Task::Dgc if answer.regions.is_empty() && answer.bbox.is_none() => {
            Err(Unparsed::NoBox)
        }
        Task::Svg | Task::Stvg if answer.tube.is_empty() => Err(Unparsed::NoTube),
        _ => Ok(answer),
    }
}

/// What is drawn and written under it.
struct Shown<'a> {
    task: Task,
    question: &'a str,
    text: String,
    answer: Answer,
    overlay: Overlay,
}

fn overlay(task: Task, record: &Record, answer: &Answer) -> Overlay {
    let asked = asked_boxes(&record.variables);
    let times = record.variables.get(Axis::Temporal, Side::Input);
    let asked_span = match times {
        [start, end, ..] => Some([*start, *end]),
        [start] => Some([*start, *start]),
        [] => None,
    };
    let answer_span = match task {
        Task::Elc => answer
            .end
            .map(|end| [times.first().copied().unwrap_or(end), end]),
        _ => answer.span,
    };
    let mut boxes: Vec<(f64, [f64; 4])> = answer.tube.clone();
    if boxes.is_empty() && task == Task::Rec {
        boxes.extend(answer.bbox.map(|corners| (0.0, corners)));
    }
    // Between two of its boxes a tube is shown by the nearer one, beyond its ends not at all.
    let gap = boxes
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).abs())
        .fold(0.0, f64::max);
    Overlay {
        answer: boxes,
        answer_span,
        asked,
        asked_span,
        reach: (gap / 2.0).max(0.5 / 99.0) + 1e-9,
        ..Overlay::default()
    }
}

fn asked_boxes(variables: &Variables) -> Vec<[f64; 4]> {
    let across = variables.get(Axis::Width, Side::Input).chunks_exact(2);
    let down = variables.get(Axis::Height, Side::Input).chunks_exact(2);
    across
        .zip(down)
        .map(|(x, y)| [x[0], y[0], x[1], y[1]])
        .collect()
}

/// The widest that a picture or a video is drawn.
const WIDEST: usize = 960;

fn draw_image(args: &Args, shown: &Shown<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let frames = st_media::load_image(&args.file, None)?;
    let mut canvas = Canvas::of_frame(&frames, 0);
    if canvas.width > WIDEST || canvas.width < WIDEST / 2 {
        canvas = canvas.fitted(WIDEST.min(canvas.width.max(WIDEST / 2)), WIDEST);
    }
    shown.overlay.draw(&mut canvas, 0.0, 2);
    for (index, (phrase, corners)) in shown
        .answer
        .regions
        .iter()
        .enumerate()
        .filter(|_| shown.task == Task::Dgc)
    {
        canvas.bounding_box(*corners, 2, RED);
        let words: String = phrase
            .split_whitespace()
            .rev()
            .take(3)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join(" ");
        let (x, y) = corner(&canvas, *corners);
        canvas.label(x, y, 1, RED, &format!("{} {words}", index + 1));
    }
    let mut sheet = captioned(&canvas, shown, 0);
    if !shown.overlay.spans().is_empty() {
        sheet.time_line(
            [0, canvas.height, canvas.width, 4],
            &shown.overlay.spans(),
            None,
        );
    }
    let file = output(args, shown.task, "png");
    write_atomically(&file, &sheet.to_png()?)?;
    Ok(vec![file])
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a picture"
)]
fn corner(canvas: &Canvas, corners: [f64; 4]) -> (usize, usize) {
    let x = (corners[0].clamp(0.0, 1.0) * pixels(canvas.width)) as usize;
    let y = (corners[1].clamp(0.0, 1.0) * pixels(canvas.height)) as usize;
    (x.min(canvas.width.saturating_sub(24)), y.saturating_sub(12))
}

/// Most frames of an annotated video; a longer one is thinned out evenly and keeps its duration.
const MOST_FRAMES: u64 = 300;
/// Pixels of the time line.
const LINE: usize = 24;

fn draw_video(args: &Args, media: &Client, shown: &Shown<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let probe = media.probe(&args.file)?;
    let [first, last] = split(args)?.unwrap_or([0, probe.frames.saturating_sub(1)]);
    let count = (last - first + 1).min(MOST_FRAMES);
    let (width, height) = drawn_size(probe.width as usize, probe.height as usize);
    let small = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let request = ClipRequest {
        plan: FramePlan {
            frames: usize::try_from(count)?,
        },
        split: Some([first, last]),
        size: Some((small(width), small(height))),
        ..ClipRequest::default()
    };
    let clip = media.decode(&args.file, &request)?;
    let seconds = clip.outline.seconds.clone();
    let rate = rate(&seconds);
    let frames = clip.into_frames();
    let plan = FramePlan {
        frames: frames.count,
    };
    let words = caption_lines(shown, width);
    let panel = LINE + words.len() * 20 + 8;
    let tall = (height + panel).next_multiple_of(2);
    let file = output(args, shown.task, "mp4");
    fs_err::create_dir_all(&args.out)?;
    let mut writer = media.create(&file, &EncodeOptions::new(small(width), small(tall), rate))?;
    for index in 0..frames.count {
        let time = plan.fraction(index);
        let mut picture = Canvas::of_frame(&frames, index);
        shown.overlay.draw(&mut picture, time, 2);
        let mut page = Canvas::new(width, tall, INK);
        page.paste(&picture, 0, 0);
        page.time_line([0, height, width, LINE], &shown.overlay.spans(), Some(time));
        write_lines(&mut page, height + LINE + 4, &words);
        writer.write(&page.rgb)?;
    }
    writer.finish()?;
    let sheet = output(args, shown.task, "png");
    write_atomically(&sheet, &contact_sheet(&frames, &seconds, shown)?.to_png()?)?;
    Ok(vec![file, sheet])
}

/// At most [`WIDEST`] wide, at least 480, even sides, proportions kept.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of pictures are small"
)]
fn drawn_size(width: usize, height: usize) -> (usize, usize) {
    let target = width
        .clamp(480, 640)
        .max(if height > width { 360 } else { 480 });
    let even = |side: f64| ((side / 2.0).round() as usize).max(1) * 2;
    let scale = pixels(target) / pixels(width.max(1));
    let scale = scale.min(pixels(WIDEST) / pixels(height.max(1)));
    (even(pixels(width) * scale), even(pixels(height) * scale))
}

/// Frames per second that keep the clip's duration.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a frame rate"
)]
fn rate(seconds: &[f64]) -> (u32, u32) {
    let length =
        seconds.last().copied().unwrap_or_default() - seconds.first().copied().unwrap_or_default();
    let fps = if length > 0.0 {
        (seconds.len().saturating_sub(1)) as f64 / length
    } else {
        25.0
    };
    (
        ((fps.clamp(0.5, 120.0) * 1000.0).round() as u32).max(1),
        1000,
    )
}

fn caption_lines(shown: &Shown<'_>, width: usize) -> Vec<(crate::draw::Rgb, String)> {
    let letters = (width.saturating_sub(16)) / 16;
    let mut lines: Vec<(crate::draw::Rgb, String)> =
        wrapped(&format!("Q: {}", shown.question), letters)
            .into_iter()
            .map(|line| (BLUE, line))
            .collect();
    let answer = if shown.text.trim().is_empty() {
        "(nothing)"
    } else {
        shown.text.trim()
    };
    let mut rest: Vec<(crate::draw::Rgb, String)> = wrapped(&format!("A: {answer}"), letters)
        .into_iter()
        .map(|line| (WHITE, line))
        .collect();
    if rest.len() > 6 {
        rest.truncate(6);
        if let Some((_, line)) = rest.last_mut() {
            line.truncate(
                line.char_indices()
                    .nth(letters.saturating_sub(4))
                    .map_or(line.len(), |(at, _)| at),
            );
            line.push_str(" ...");
        }
    }
    lines.append(&mut rest);
    lines
}

fn write_lines(page: &mut Canvas, top: usize, lines: &[(crate::draw::Rgb, String)]) {
    for (index, (color, line)) in lines.iter().enumerate() {
        page.text(8, top + index * 20, 2, *color, line);
    }
}

/// The picture over question and answer; `gap` pixels between are left for a time line.
fn captioned(canvas: &Canvas, shown: &Shown<'_>, gap: usize) -> Canvas {
    let words = caption_lines(shown, canvas.width);
    let mut page = Canvas::new(
        canvas.width,
        canvas.height + gap + words.len() * 20 + 12,
        INK,
    );
    page.paste(canvas, 0, 0);
    write_lines(&mut page, canvas.height + gap + 6, &words);
    page
}

/// Twelve frames in rows of four, each with its second, over the time line, question and answer.
fn contact_sheet(frames: &Frames, seconds: &[f64], shown: &Shown<'_>) -> anyhow::Result<Canvas> {
    const COLUMNS: usize = 4;
    const TILE: usize = 300;
    const GAP: usize = 6;
    let plan = FramePlan {
        frames: frames.count,
    };
    let count = frames.count.min(12);
    let picks = FramePlan { frames: count }.indices(0, frames.count.saturating_sub(1) as u64);
    let mut tiles = Vec::new();
    for index in picks {
        let index = usize::try_from(index)?;
        let mut tile = Canvas::of_frame(frames, index).fitted(TILE, TILE);
        shown.overlay.draw(&mut tile, plan.fraction(index), 2);
        if let Some(second) = seconds.get(index) {
            let bottom = tile.height.saturating_sub(15);
            tile.label(3, bottom, 1, INK, &format!("{second:.1} s"));
        }
        tiles.push(tile);
    }
    let Some(shape) = tiles.first() else {
        bail!("the video has no frames")
    };
    let (wide, tall) = (shape.width + GAP, shape.height + GAP);
    let rows = tiles.len().div_ceil(COLUMNS);
    let mut grid = Canvas::new(tiles.len().min(COLUMNS) * wide - GAP, rows * tall, GREY);
    for (place, tile) in tiles.iter().enumerate() {
        grid.paste(tile, place % COLUMNS * wide, place / COLUMNS * tall);
    }
    let mut page = captioned(&grid, shown, LINE);
    page.time_line(
        [0, grid.height, grid.width, LINE],
        &shown.overlay.spans(),
        None,
    );
    Ok(page)
}

fn output(args: &Args, task: Task, kind: &str) -> PathBuf {
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    args.out.join(format!("{stem}.{task}.{kind}"))
}

fn reply(
    args: &Args,
    shown: &Shown<'_>,
    raw: String,
    extent: Extent,
    unparsed: Option<&'static str>,
    files: Vec<PathBuf>,
) -> Reply {
    let [first, last] = extent.seconds.unwrap_or([0.0, 1.0]);
    let seconds = |time: f64| first + time * (last - first);
    let (width, height) = (pixels(extent.width), pixels(extent.height));
    let place = |[x1, y1, x2, y2]: [f64; 4]| [x1 * width, y1 * height, x2 * width, y2 * height];
    Reply {
        task: shown.task,
        question: args.question.clone(),
        text: if shown.text.is_empty() {
            compat::normalize(&raw)
        } else {
            shown.text.clone()
        },
        raw,
        extent,
        span: shown.answer.span.map(|span| span.map(seconds)),
        end: shown.answer.end.map(seconds),
        boxes: shown
            .answer
            .regions
            .iter()
            .map(|(words, corners)| (readable(words, extent), place(*corners)))
            .collect(),
        tube: shown
            .answer
            .tube
            .iter()
            .map(|(time, corners)| (seconds(*time), place(*corners)))
            .collect(),
        unparsed,
        files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_seconds_and_pixels() {
        let extent = Extent {
            width: 198,
            height: 99,
            seconds: Some([1.0, 10.9]),
        };
        let raw = "In {<TEMP-000><TEMP-099>}: <TEMP-010>:[<WIDTH-001><HEIGHT-002><WIDTH-099><HEIGHT-099>].";
        assert_eq!(
            readable(raw, extent),
            "In {1.00 s, 10.90 s}: 2.00 s:[2, 2, 198, 99]."
        );
    }

    #[test]
    fn drawn_videos_have_even_sides() {
        for (width, height) in [(640, 360), (1920, 1080), (127, 63), (1080, 1920), (2, 2000)] {
            let (w, h) = drawn_size(width, height);
            assert!(
                w % 2 == 0 && h % 2 == 0 && w <= WIDEST && h <= WIDEST + 2 && w > 0 && h > 0,
                "{width}x{height}: {w}x{h}"
            );
        }
    }
}
