//! The ST-Align benchmark: stvg, svg and elc as LLaVA-ST evaluates them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use st_schema::units::{BoxConvention, TimeConvention};
use st_schema::{Task, Turn};

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, stem,
    with_marks,
};

pub(super) struct StAlignBenchmark;

const fn file(form: &'static str, pattern: &'static str) -> Files {
    Files {
        form,
        pattern,
        container: Container::Json,
        means: "{video_path, meta{split, time_token, spatial_token}, conversations}; frames, ends inclusive",
    }
}

static INFO: Info = Info {
    name: "st_align_benchmark",
    version: 1,
    about: "The evaluation files of ST-Align: when, where and what, with frame numbers and pixel boxes in `meta`.",
    files: &[
        file("stvg", "stvg*.json"),
        file("svg", "svg*.json"),
        file("elc", "elc*.json"),
    ],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::FRAMES_INCLUSIVE),
    boxes: Some(BoxConvention::XYWH_PIXELS),
    tasks: &[Task::Stvg, Task::Svg, Task::Elc],
    open_questions: &[
        "The name of the single box in elc.json is not confirmed: every token with four numbers is taken as one.",
    ],
    example: Sample::new(
        "stvg",
        r#"{"video_path": "9900000011.mp4", "meta": {"width": 640, "height": 360, "split": [0, 11], "spatial_token": {"<bboxes>": {"4": [108, 40, 80, 260], "5": [110, 40, 80, 260]}}, "time_token": {"<s>": 4, "<e>": 5}}, "conversations": [{"from": "human", "value": "<video>\nWhen and where does the adult in blue lean on the bench? "}, {"from": "gpt", "value": "From <s> to <e>. Object bounding box: <bboxes>"}]}"#,
    ),
};

#[derive(Deserialize)]
struct Item {
    video_path: String,
    meta: Meta,
    conversations: Vec<Turn>,
}

#[derive(Deserialize)]
struct Meta {
    width: u32,
    height: u32,
    split: [u64; 2],
    spatial_token: BTreeMap<String, Place>,
    time_token: BTreeMap<String, f64>,
}

/// A box, or boxes by frame.
#[derive(Deserialize)]
#[serde(untagged)]
enum Place {
    One([f64; 4]),
    Many(BTreeMap<String, [f64; 4]>),
    /// Anything else, told by what it is.
    Other(Value),
}

/// How the boxes end an answer; cut off where there are none.
const BOXES: &str = " Object bounding box: <bboxes>";

impl Source for StAlignBenchmark {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let raw: Item = item.parse()?;
        let [human, gpt] = raw.conversations.as_slice() else {
            return Err(Reject::shape("not one question and one answer"));
        };
        let task: Task = item.form.parse().map_err(|_| Reject::shape("no task"))?;
        let id = format!("{}_{}_{}", stem(&raw.video_path), item.form, item.row);
        let [first, last] = raw.meta.split;
        let mut draft = Draft::video(task, id, &raw.video_path)
            .frames(first, last)
            .size(raw.meta.width, raw.meta.height);
        let mut answer = gpt.value.clone();
        let (marks, sound) = marks(&raw.meta)?;
        if task == Task::Stvg && !sound {
            // The benchmark has records without boxes; their times can still be asked for.
            answer = answer.replace(BOXES, "");
            draft = draft.repaired("boxes-missing");
        }
        let ask = human.value.replace("<video>", "");
        out.push(draft.say(with_marks(ask.trim(), &marks), with_marks(&answer, &marks)));
        Ok(())
    }
}

/// The piece that stands for each token.
type Marks<'a> = Vec<(&'a str, Part)>;

/// What each token stands for, and whether `<bboxes>` holds a box with an area.
fn marks(meta: &Meta) -> Result<(Marks<'_>, bool), Reject> {
    let mut marks = Vec::new();
    let mut sound = false;
    for (name, place) in &meta.spatial_token {
        let part = match place {
            Place::One(bbox) => Part::Box(*bbox),
            Place::Many(boxes) => {
                let tube = tube(boxes)?;
                let sides =
                    |(_, [_, _, width, height]): &(f64, [f64; 4])| *width > 0.0 && *height > 0.0;
                sound |= tube.iter().any(sides);
                Part::Tube(tube)
            }
            Place::Other(other) => {
                return Err(Reject::shape(format!(
                    "`{name}` is {other}, no box and no boxes by frame"
                )));
            }
        };
        marks.push((name.as_str(), part));
    }
    marks.extend(
        meta.time_token
            .iter()
            .map(|(name, time)| (name.as_str(), Part::Time(*time))),
    );
    Ok((marks, sound))
}

/// Boxes in the order of their frames; JSON names frames by strings.
fn tube(boxes: &BTreeMap<String, [f64; 4]>) -> Result<Vec<(f64, [f64; 4])>, Reject> {
    let mut tube = Vec::with_capacity(boxes.len());
    for (name, bbox) in boxes {
        let frame: u32 = name
            .parse()
            .map_err(|_| Reject::shape(format!("the boxes name a frame `{name}`")))?;
        tube.push((frame, *bbox));
    }
    tube.sort_by_key(|(frame, _)| *frame);
    Ok(tube
        .into_iter()
        .map(|(frame, bbox)| (f64::from(frame), bbox))
        .collect())
}
