//! `InternVid-G` (`HawkEye`): JSON lines, one captioned span of a whole `YouTube` video each, in seconds.
//!
//! The lineage keeps videos of at most 300 s and spans of at least 3 s. Every row gives a temporal referring record; the rows
//! of a video that stand together give a dense caption too.

use serde::Deserialize;
use serde_json::Value;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
    words,
};

static INFO: Info = Info {
    name: "internvid_g",
    version: 1,
    about: "Captioned spans of YouTube videos, one JSON line each.",
    files: &[Files {
        form: "lines",
        pattern: "*.jsonl",
        container: Container::JsonRuns("video"),
        means: "video, duration, start_sec, end_sec, caption; seconds of the whole video",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Dvc, Task::Tr],
    open_questions: &[
        "How ST-Align made dense captions of single rows is not known: two or more usable rows of a video that stand together become one, in order of their starts.",
    ],
    example: Sample::new(
        "lines",
        r#"[{"video": "inVGsample1.mp4", "duration": 184.6, "start_sec": 20.4, "end_sec": 33.9, "neg_start_sec": null, "neg_end_sec": null, "caption": "a climber clips a rope into an anchor"}]"#,
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
    let rows: Vec<Value> = item.parse()?;
    let mut usable = Vec::new();
    for (row, raw) in (item.row..).zip(rows) {
        let id = format!("{}_{row}", item.file_stem());
        match checked(raw) {
            Err(reject) => drafts.refuse(id, reject),
            Ok(row) => {
                drafts.push(referring(id, &row));
                usable.push(row);
            }
        }
    }
    if usable.len() > 1 {
        let id = format!("{}_{}_events", item.file_stem(), item.row);
        drafts.push(dense(id, usable));
    }
    Ok(())
}

/// A row that the lineage keeps.
fn checked(raw: Value) -> Result<Item, Reject> {
    let item = Item::deserialize(raw).map_err(|error| Reject::shape(error.to_string()))?;
    if item.duration > LONGEST_VIDEO {
        let message = format!("the video lasts {} s, above {LONGEST_VIDEO}", item.duration);
        return Err(Reject::unusable("video-long", message));
    }
    let length = item.end_sec - item.start_sec;
    if (0.0..SHORTEST_SPAN).contains(&length) {
        let message = format!("the span lasts {length:.3} s, below {SHORTEST_SPAN}");
        return Err(Reject::unusable("span-short", message));
    }
    Ok(item)
}

fn referring(id: String, row: &Item) -> Draft {
    let span = vec![Part::Span([row.start_sec, row.end_sec])];
    let slots = vec![("span", span), ("caption", words(row.caption.trim()))];
    Draft::video(Task::Tr, id, row.video.as_str())
        .lasting(row.duration)
        .ask("tr", slots)
}

fn dense(id: String, mut rows: Vec<Item>) -> Draft {
    rows.sort_by(|one, other| one.start_sec.total_cmp(&other.start_sec));
    let draft = Draft::video(Task::Dvc, id, rows[0].video.as_str()).lasting(rows[0].duration);
    let events = rows.into_iter().map(|row| Event {
        span: [row.start_sec, row.end_sec],
        caption: row.caption,
    });
    draft.ask(
        "dvc",
        vec![("events", vec![Part::Events(events.collect())])],
    )
}
