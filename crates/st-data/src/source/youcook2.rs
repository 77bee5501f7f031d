//! `YouCook2`: `{"database": {id: {…}}}`, whole seconds of whole videos.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
};

static INFO: Info = Info {
    name: "youcook2",
    version: 1,
    about: "Steps of cooking videos.",
    files: &[Files {
        form: "database",
        pattern: "youcookii_annotations*.json",
        container: Container::JsonMapAt(&["database"]),
        means: "entries of `database`: {subset, duration, annotations[{segment, sentence}]}; whole seconds",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Dvc],
    open_questions: &[],
    example: Sample::named(
        "database",
        "inVycook001",
        r#"{"subset": "training", "recipe_type": "905", "annotations": [{"id": 0, "segment": [33, 47], "sentence": "slice the leek"}], "duration": 241.62}"#,
    ),
};

pub(super) struct Youcook2;

impl Source for Youcook2 {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    subset: String,
    duration: f64,
    annotations: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    segment: [f64; 2],
    sentence: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let video = item.key()?;
    let Item {
        subset,
        duration,
        annotations,
    } = item.parse()?;
    drafts.split(match subset.as_str() {
        "training" => "train",
        "validation" => "val",
        "testing" => "test",
        other => return Err(Reject::shape(format!("`{other}` is no subset"))),
    })?;
    let events = annotations.into_iter().map(|step| Event {
        span: step.segment,
        caption: step.sentence,
    });
    let events: Vec<Event> = events.collect();
    if events.is_empty() {
        return Err(Reject::Nothing("no events"));
    }
    drafts.push(
        Draft::video(Task::Dvc, video, format!("{video}.mp4"))
            .lasting(duration)
            .ask("dvc", vec![("events", vec![Part::Events(events)])]),
    );
    Ok(())
}
