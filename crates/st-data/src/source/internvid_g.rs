//! `InternVid-G` (`HawkEye`): JSON lines, one captioned span of a whole `YouTube` video each, in seconds.
//!
//! The lineage keeps videos of at most 300 s and spans of at least 3 s.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, words,
};

static INFO: Info = Info {
    name: "internvid_g",
    version: 1,
    about: "Captioned spans of YouTube videos, one JSON line each.",
    files: &[Files {
        form: "lines",
        pattern: "*.jsonl",
        container: Container::Json,
        means: "video, duration, start_sec, end_sec, caption; seconds of the whole video",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tr],
    open_questions: &[
        "How ST-Align made dense captions of single rows is not known: temporal referring only.",
    ],
    example: Sample::new(
        "lines",
        r#"{"video": "inVGsample1.mp4", "duration": 184.6, "start_sec": 20.4, "end_sec": 33.9, "neg_start_sec": null, "neg_end_sec": null, "caption": "a climber clips a rope into an anchor"}"#,
    ),
};

pub(super) struct InternvidG;

impl Source for InternvidG {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

/// Grounded-`VideoLLM`, `datasets/internvid_g.py`: longer videos go, this one stays.
const LONGEST_VIDEO: f64 = 300.0;
/// The same: shorter spans go, this one stays.
const SHORTEST_SPAN: f64 = 3.0;

#[derive(Deserialize)]
struct Item {
    video: String,
    duration: f64,
    start_sec: f64,
    end_sec: f64,
    caption: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let item: Item = item.parse()?;
    if item.duration > LONGEST_VIDEO {
        let message = format!("the video lasts {} s, above {LONGEST_VIDEO}", item.duration);
        return Err(Reject::unusable("video-long", message));
    }
    let length = item.end_sec - item.start_sec;
    if (0.0..SHORTEST_SPAN).contains(&length) {
        let message = format!("the span lasts {length:.3} s, below {SHORTEST_SPAN}");
        return Err(Reject::unusable("span-short", message));
    }
    let span = vec![Part::Span([item.start_sec, item.end_sec])];
    drafts.push(
        Draft::video(Task::Tr, "", item.video)
            .lasting(item.duration)
            .ask(
                "tr",
                vec![("span", span), ("caption", words(item.caption.trim()))],
            ),
    );
    Ok(())
}
