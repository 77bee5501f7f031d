//! `ViTT`: JSON lines of timeline tags, milliseconds, starts only. An event ends where the next one starts, the last with the
//! video. Ids are `YouTube-8M`'s; `id_mapping.json` says which `YouTube` videos they are.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::{TO_THE_END, TimeConvention};

use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Side, SideKey,
    Sides, Source,
};

static INFO: Info = Info {
    name: "vitt",
    version: 1,
    about: "Timeline tags of instructional YouTube videos, starts only.",
    files: &[Files {
        form: "lines",
        pattern: "ViTT-annotations.json",
        container: Container::Json,
        means: "JSON lines of {id, annotations[{timestamp, tag}]}; milliseconds",
    }],
    sides: &[
        Side {
            name: "mapping",
            pattern: "id_mapping.json",
            container: Container::JsonMapAt(&[]),
            key: SideKey::Entry,
            fields: &[],
            needed: true,
        },
        Side {
            name: "train-ids",
            pattern: "train_id.txt",
            container: Container::Lines,
            key: SideKey::Line,
            fields: &[],
            needed: false,
        },
        Side {
            name: "dev-ids",
            pattern: "dev_id.txt",
            container: Container::Lines,
            key: SideKey::Line,
            fields: &[],
            needed: false,
        },
        Side {
            name: "test-ids",
            pattern: "test_id.txt",
            container: Container::Lines,
            key: SideKey::Line,
            fields: &[],
            needed: false,
        },
    ],
    with: &[],
    time: Some(TimeConvention::MILLISECONDS),
    boxes: None,
    tasks: &[Task::Dvc],
    open_questions: &[
        "The last tag lasts to the video's end: durations.csv must give lengths.",
        "The table from YouTube-8M's ids to YouTube's has to be built by the user.",
    ],
    example: Sample {
        form: "lines",
        key: None,
        item: r#"{"id": "ZzA1", "annotations": [{"timestamp": 260, "tag": "Greeting"}, {"timestamp": 16000, "tag": "Showing the stitch"}]}"#,
        sides: &[("mapping", "ZzA1", "\"inVViTT0001\"")],
        durations: &[("inVViTT0001", 90.0)],
    },
};

pub(super) struct Vitt;

impl Source for Vitt {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        convert(item, sides, out)
    }
}

#[derive(Deserialize)]
struct Item {
    id: String,
    annotations: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    timestamp: f64,
    tag: String,
}

/// Lists of ids beside the annotations, and what they are called here.
const LISTS: [(&str, &str); 3] = [
    ("train-ids", "train"),
    ("dev-ids", "val"),
    ("test-ids", "test"),
];

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item { id, annotations } = item.parse()?;
    match LISTS
        .iter()
        .find(|(list, _)| sides.find(list, &id).is_some())
    {
        Some((_, split)) => drafts.split(split)?,
        None => drafts.note("in no list of splits: taken"),
    }
    let video: String = sides.parse("mapping", &id)?;
    if let Some(pair) = annotations
        .windows(2)
        .find(|pair| pair[1].timestamp <= pair[0].timestamp)
    {
        let message = format!(
            "{} ms is followed by {} ms",
            pair[0].timestamp, pair[1].timestamp
        );
        return Err(Reject::unusable("times-fall", message));
    }
    let starts = annotations.iter().map(|tag| tag.timestamp);
    let ends = starts.skip(1).chain([TO_THE_END]);
    let events = annotations.iter().zip(ends);
    let events: Vec<Event> = events
        .filter(|(tag, _)| !tag.tag.trim().is_empty())
        .map(|(tag, end)| Event {
            span: [tag.timestamp, end],
            caption: tag.tag.clone(),
        })
        .collect();
    if events.is_empty() {
        return Err(Reject::Nothing("no tags"));
    }
    let mut draft = Draft::video(Task::Dvc, "", format!("{video}.mp4"));
    if events.len() < annotations.len() {
        draft = draft.repaired("event-without-words");
    }
    drafts.push(draft.ask("dvc", vec![("events", vec![Part::Events(events)])]));
    Ok(())
}
