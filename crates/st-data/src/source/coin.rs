//! COIN: the steps of instructional videos, each with its span in seconds.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
};

pub(super) struct Coin;

static INFO: Info = Info {
    name: "coin",
    version: 1,
    about: "Steps of instructional videos from YouTube, each with a span.",
    files: &[Files {
        form: "database",
        pattern: "*.json",
        container: Container::JsonMapAt(&["database"]),
        means: "video to {duration, subset, recipe_type, annotation[{segment, label}]}, seconds of the full video",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Dvc],
    open_questions: &[
        "The subset is `testing` in the file where the README says validation: taken as `test`.",
    ],
    example: Sample::named(
        "database",
        "inVcoin0001",
        r#"{"duration": 131.5, "class": "ReplaceBikeChain", "start": 10.25, "annotation": [{"id": "12", "segment": [12.0, 33.5], "label": "open the old chain"}, {"id": "13", "segment": [40.0, 71.0], "label": "thread the new chain"}], "subset": "training", "recipe_type": 1, "end": 110.0}"#,
    ),
};

#[derive(Deserialize)]
struct Video {
    duration: f64,
    recipe_type: u64,
    subset: String,
    annotation: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    segment: [f64; 2],
    label: String,
}

impl Source for Coin {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let key = item.key()?;
        let video: Video = item.parse()?;
        out.split(match video.subset.as_str() {
            "training" => "train",
            "testing" => "test",
            other => return Err(Reject::shape(format!("`subset` is `{other}`"))),
        })?;
        let events = video.annotation.into_iter().map(|step| Event {
            span: step.segment,
            caption: step.label,
        });
        let path = format!("{}/{key}.mp4", video.recipe_type);
        let draft = Draft::video(Task::Dvc, key, path).lasting(video.duration);
        out.push(draft.ask(
            "dvc",
            vec![("events", vec![Part::Events(events.collect())])],
        ));
        Ok(())
    }
}
