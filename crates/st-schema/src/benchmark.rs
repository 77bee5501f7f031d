//! Benchmark annotations to evaluation items: the prompt, its numbers and the truth.
//!
//! Follows the reference's `VidSTGChatDataset` (stvg, svg, elc), `RefCOCOEvalDataset` (rec) and `CharadesSTGDataset` (tvg),
//! with the wording chosen by number where the reference draws it at random.

use serde_json::{Map, Value};

use crate::text::{TextError, compat as write, extract_texts};
use crate::{ClipKey, FramePlan, Media, Task, Variables, round3};

/// One question of a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is asked.
    pub task: Task,
    /// The question with numbers in brackets, media placeholder first.
    pub prompt: String,
    /// The question with placeholders, as the model gets it.
    pub question: String,
    /// The placeholders' numbers.
    pub variables: Variables,
    /// The right answer.
    pub truth: Truth,
    /// The file, as the annotation spells it, and the frame range.
    pub clip: ClipKey,
    /// The original picture's width in pixels; absent for tvg.
    pub width: Option<f64>,
    /// The original picture's height in pixels; absent for tvg.
    pub height: Option<f64>,
    /// How many frames the model looks at.
    pub frames: usize,
    /// The annotation's fields that this crate does not know.
    pub extra: Map<String, Value>,
}

/// The right answer to an [`Item`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Start and end, both inclusive: frames for stvg and elc, fractions of the video for tvg.
    pub span: Option<[f64; 2]>,
    /// Frame and box `x1, y1, x2, y2` in pixels, of the frames that the plan takes, in annotation order.
    pub tube: Option<Vec<(u64, [f64; 4])>>,
    /// The box of rec, `x1, y1, x2, y2` as fractions, three decimals, cut to the picture.
    pub bbox: Option<[f64; 4]>,
    /// The words of elc; the sentence asked about for rec and tvg.
    pub caption: Option<String>,
}

/// Why an annotation is no item.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BenchmarkError {
    /// A field is missing or of the wrong type.
    #[error("the annotation has no {what} at `{path}`")]
    Field {
        /// Where it should be.
        path: &'static str,
        /// What it should be.
        what: &'static str,
    },
    /// Image and annotation of a rec file are paired by position and must have one id.
    #[error("image and annotation {index} have different ids")]
    Ids {
        /// Their position.
        index: usize,
    },
    /// There is no benchmark for this task.
    #[error("there is no benchmark for {0}")]
    Task(Task),
    /// The prompt holds a token whose number is none.
    #[error("the prompt cannot be encoded")]
    Text(#[from] TextError),
}

/// How the reference words a span in svg questions, by choice number.
pub const SPAN_WORDS: [&str; 8] = [
    "During the span of",
    "In the time range",
    "During the period",
    "Within the time frame of",
    "In the time period",
    "During",
    "Between",
    "At",
];

/// How the reference words a rec question, by choice number.
pub const REC_WORDS: [&str; 4] = [
    "Where can I find <event> in this image?",
    "What part of this image contains <event>?",
    "Where does <event> appear in this image?",
    "Where is <event> situated within this image?",
];

const TVG_WORDS: &str = "Give you a textual query: '<event>'. When does the described content occur in the video? Please return the start and end timestamps.";
const STVG_TAIL: &str = "Please firstly give the timestamps, and then give the spatial bounding box corresponding to each timestamp in the time period.";
const SVG_TAIL: &str =
    "Please give the spatial bounding box corresponding to each timestamp in the time period.";
const ELC_TAIL: &str = "Please firstly give the end timestamp, then give the event associated with the object/subject, finally give the spatial bounding box corresponding to each timestamp in the time period.";

/// Every item of a benchmark file, in order; `choose(i)` picks the wording of item `i`.
///
/// The reference takes the first 2,000 records of stvg, svg and elc without saying so; here nothing is cut.
///
/// # Errors
/// When the document as a whole is not a benchmark file of this task. Items have their own errors.
pub fn items(
    document: &Value,
    task: Task,
    plan: FramePlan,
    mut choose: impl FnMut(usize) -> usize,
) -> Result<Vec<Result<Item, BenchmarkError>>, BenchmarkError> {
    match task {
        Task::Stvg | Task::Svg | Task::Elc => {
            let list = document.as_array().ok_or(field(".", "list"))?;
            Ok(list
                .iter()
                .enumerate()
                .map(|(i, one)| video_item(one, task, plan, None, choose(i)))
                .collect())
        }
        Task::Tvg => {
            let list = document.as_array().ok_or(field(".", "list"))?;
            Ok(list.iter().map(|one| sentence_item(one, plan)).collect())
        }
        Task::Rec => {
            let images = document["images"]
                .as_array()
                .ok_or(field("images", "list"))?;
            let annotations = document["annotations"]
                .as_array()
                .ok_or(field("annotations", "list"))?;
            let pairs = images.iter().zip(annotations).enumerate();
            Ok(pairs
                .map(|(i, (image, annotation))| {
                    if image["id"] == annotation["id"] {
                        image_item(image, annotation, choose(i))
                    } else {
                        Err(BenchmarkError::Ids { index: i })
                    }
                })
                .collect())
        }
        _ => Err(BenchmarkError::Task(task)),
    }
}

/// An stvg, svg or elc item. `n_frames` is the file's length and only needed where the annotation has no split.
///
/// # Errors
/// When a field is missing or the prompt cannot be encoded.
pub fn video_item(
    annotation: &Value,
    task: Task,
    plan: FramePlan,
    n_frames: Option<u64>,
    choice: usize,
) -> Result<Item, BenchmarkError> {
    let meta = &annotation["meta"];
    let width = number(&meta["width"]).ok_or(field("meta.width", "number"))?;
    let height = number(&meta["height"]).ok_or(field("meta.height", "number"))?;
    let split = split(meta)?;
    let [first, last] = split
        .or(n_frames.map(|n| [0, n.saturating_sub(1)]))
        .ok_or(field("meta.split", "frame range"))?;
    let times = meta["time_token"]
        .as_object()
        .ok_or(field("meta.time_token", "object"))?;
    let places = meta["spatial_token"]
        .as_object()
        .ok_or(field("meta.spatial_token", "object"))?;

    let words = text(&annotation["conversations"][0]["value"])
        .ok_or(field("conversations.0.value", "string"))?;
    let mut prompt = words.replace(
        "From <s> to <e>",
        &format!("{} {{<s>,<e>}}", SPAN_WORDS[choice % SPAN_WORDS.len()]),
    );
    for (name, place) in places {
        if let Some(bbox) = corners(place) {
            let scaled = [
                bbox[0] / width,
                bbox[1] / height,
                bbox[2] / width,
                bbox[3] / height,
            ]
            .map(write::python_float);
            prompt = prompt.replace(name, &format!("[{}]", scaled.join(", ")));
        }
    }
    for (name, time) in times {
        let time = number(time).ok_or(field("meta.time_token", "object of numbers"))?;
        prompt = prompt.replace(name, &write::python_float(fraction(time, first, last)));
    }
    prompt.push_str(match task {
        Task::Stvg => STVG_TAIL,
        Task::Svg => SVG_TAIL,
        Task::Elc => ELC_TAIL,
        other => return Err(BenchmarkError::Task(other)),
    });

    let mut truth = Truth {
        tube: Some(tube(&places["<bboxes>"], &plan.indices(first, last))?),
        ..Truth::default()
    };
    if task != Task::Svg {
        let time = |name: &str| {
            times
                .get(name)
                .and_then(number)
                .ok_or(field("meta.time_token", "`<s>` and `<e>`"))
        };
        truth.span = Some([time("<s>")?, time("<e>")?]);
    }
    if task == Task::Elc {
        let words = text(&annotation["conversations"][1]["value"])
            .ok_or(field("conversations.1.value", "string"))?;
        truth.caption = Some(
            words
                .replace("Ends in <e>, ", "")
                .replace(" Object bounding box: <bboxes>", ""),
        );
    }
    let path = text(&annotation["video_path"]).ok_or(field("video_path", "string"))?;
    let clip = ClipKey {
        media: Media::Video(path.into()),
        split,
    };
    let mut item = item(task, prompt, truth, clip, plan.frames)?;
    (item.width, item.height) = (Some(width), Some(height));
    item.extra = unknown(annotation, &["video_path", "meta", "conversations"]);
    Ok(item)
}

/// A rec item from one entry of `images` and the entry of `annotations` at the same place.
///
/// # Errors
/// When a field is missing or the prompt cannot be encoded.
pub fn image_item(
    image: &Value,
    annotation: &Value,
    choice: usize,
) -> Result<Item, BenchmarkError> {
    let width = number(&image["width"]).ok_or(field("width", "number"))?;
    let height = number(&image["height"]).ok_or(field("height", "number"))?;
    let event = text(&image["caption"]).ok_or(field("caption", "string"))?;
    let path = text(&image["file_name"]).ok_or(field("file_name", "string"))?;
    let bbox = corners(&annotation["bbox"]).ok_or(field("bbox", "list of four numbers"))?;
    let scaled = [
        bbox[0] / width,
        bbox[1] / height,
        bbox[2] / width,
        bbox[3] / height,
    ];
    let prompt = if event.contains("<image>") {
        event.to_owned()
    } else {
        format!(
            "<image>\n{}",
            REC_WORDS[choice % REC_WORDS.len()].replace("<event>", event)
        )
    };
    let truth = Truth {
        bbox: Some(scaled.map(|value| round3(value).clamp(0.0, 1.0))),
        caption: Some(event.into()),
        ..Truth::default()
    };
    let mut item = item(
        Task::Rec,
        prompt,
        truth,
        ClipKey {
            media: Media::Image(path.into()),
            split: None,
        },
        1,
    )?;
    (item.width, item.height) = (Some(width), Some(height));
    item.extra = unknown(image, &["file_name", "height", "width", "caption"]);
    Ok(item)
}

/// A tvg item in the form of Charades-STA; times are fractions of the video.
///
/// # Errors
/// When a field is missing or the sentence cannot be encoded.
pub fn sentence_item(annotation: &Value, plan: FramePlan) -> Result<Item, BenchmarkError> {
    let file = text(&annotation["image_id"])
        .ok_or(field("image_id", "string"))?
        .replace("v_", "");
    let words = text(&annotation["caption"]).ok_or(field("caption", "string"))?;
    let caption = words.trim_matches('.').trim_matches(' ').to_lowercase();
    let ends: Vec<f64> = annotation["timestamp"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(number)
        .collect();
    let span: [f64; 2] = ends
        .try_into()
        .map_err(|_| field("timestamp", "list of two numbers"))?;
    let prompt = format!("<video>\n{}", TVG_WORDS.replace("<event>", &caption));
    let truth = Truth {
        span: Some(span),
        caption: Some(caption),
        ..Truth::default()
    };
    let mut item = item(
        Task::Tvg,
        prompt,
        truth,
        ClipKey {
            media: Media::Video(file),
            split: None,
        },
        plan.frames,
    )?;
    item.extra = unknown(annotation, &["image_id", "caption", "timestamp"]);
    Ok(item)
}

/// Encodes the prompt as the reference does; a reversed span stays `{<error>}`, so that scores stay comparable.
fn item(
    task: Task,
    prompt: String,
    truth: Truth,
    clip: ClipKey,
    frames: usize,
) -> Result<Item, BenchmarkError> {
    let mut question = [Some(write::format(&prompt, crate::Side::Input))];
    let variables = extract_texts(&mut question)?;
    let [question] = question;
    Ok(Item {
        task,
        prompt,
        question: question.unwrap_or_default(),
        variables,
        truth,
        clip,
        width: None,
        height: None,
        frames,
        extra: Map::new(),
    })
}

const fn field(path: &'static str, what: &'static str) -> BenchmarkError {
    BenchmarkError::Field { path, what }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn split(meta: &Value) -> Result<Option<[u64; 2]>, BenchmarkError> {
    if meta["split"].is_null() {
        return Ok(None);
    }
    let ends: Option<Vec<u64>> = meta["split"]
        .as_array()
        .map(|ends| ends.iter().filter_map(Value::as_u64).collect());
    ends.and_then(|ends| ends.try_into().ok())
        .map(Some)
        .ok_or(field("meta.split", "pair of frame numbers"))
}

/// `[x, y, w, h]` to `[x1, y1, x2, y2]`.
fn corners(value: &Value) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = value.as_array()?.iter().filter_map(number).collect();
    let [x, y, w, h]: [f64; 4] = numbers.try_into().ok()?;
    Some([x, y, w + x, h + y])
}

/// A time as a fraction of the clip; unlike [`crate::Fraction`] not held to it, as in the reference. 0 in a clip of one frame.
#[expect(
    clippy::cast_precision_loss,
    reason = "frame numbers are far below 2^53"
)]
fn fraction(time: f64, first: u64, last: u64) -> f64 {
    let length = last as f64 - first as f64;
    if length == 0.0 {
        0.0
    } else {
        (time - first as f64) / length
    }
}

fn tube(boxes: &Value, taken: &[u64]) -> Result<Vec<(u64, [f64; 4])>, BenchmarkError> {
    let wrong = || field("meta.spatial_token.<bboxes>", "object of frames and boxes");
    let mut tube = Vec::new();
    for (frame, bbox) in boxes.as_object().ok_or_else(wrong)? {
        let frame = frame.parse().map_err(|_| wrong())?;
        let bbox = corners(bbox).ok_or_else(wrong)?;
        if taken.contains(&frame) {
            tube.push((frame, bbox));
        }
    }
    Ok(tube)
}

fn unknown(value: &Value, known: &[&str]) -> Map<String, Value> {
    let fields = value.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
