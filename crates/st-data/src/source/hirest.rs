//! `HiREST`: a query, the moment of a video that answers it, and the moment's steps, in seconds of the full video.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
    stem, words,
};

pub(super) struct HiRest;

static INFO: Info = Info {
    name: "hirest",
    version: 1,
    about: "A how-to query, the moment of a YouTube video that answers it, and the moment's steps.",
    files: &[
        Files {
            form: "blanked",
            pattern: "all_data_test*.json",
            container: Container::JsonMapAt(&[]),
            means: "the test split, whose bounds are all [0, 1]: nothing to learn from",
        },
        Files {
            form: "queries",
            pattern: "all_data_*.json",
            container: Container::JsonMapAt(&[]),
            means: "query to video to {clip, bounds, v_duration, steps[{heading, absolute_bounds}]}, seconds of the full video",
        },
    ],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tvg, Task::Dvc],
    open_questions: &[
        "Copies cut as <id>_<start>_<end>.mp4 exist elsewhere; the records are about the full video.",
    ],
    example: Sample::named(
        "queries",
        "Mend a Bicycle Tube",
        r#"{"inVhirest01.mp4": {"relevant": true, "clip": true, "v_duration": 312.44, "bounds": [20, 201], "steps": [{"index": 0, "heading": "remove the wheel", "absolute_bounds": [20, 64]}, {"index": 1, "heading": "find the hole", "absolute_bounds": [64, 120]}]}}"#,
    ),
};

#[derive(Deserialize)]
struct Moment {
    #[serde(default = "yes")]
    relevant: bool,
    clip: bool,
    v_duration: f64,
    bounds: [f64; 2],
    #[serde(default)]
    steps: Vec<Step>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Step {
    heading: String,
    absolute_bounds: [f64; 2],
}

impl Source for HiRest {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let query = item.key()?;
        if item.form == "blanked" {
            let message = "the test split's moments are blanked";
            return Err(Reject::unusable("test-without-answer", message));
        }
        out.split(if item.file_stem().contains("val") {
            "val"
        } else {
            "train"
        })?;
        let videos: BTreeMap<String, Value> = item.parse()?;
        for (video, moment) in videos {
            let id = format!("{}_{}", query.replace(' ', "-"), stem(&video));
            // One video that is none of the shape leaves the query's other videos alone.
            let moment = match Moment::deserialize(moment) {
                Ok(moment) => moment,
                Err(error) => {
                    out.refuse(id, Reject::shape(error.to_string()));
                    continue;
                }
            };
            if !moment.relevant || !moment.clip {
                let message = format!("no moment of {video} answers the query");
                out.refuse(id, Reject::unusable("no-moment", message));
                continue;
            }
            let draft =
                |task, id: String| Draft::video(task, id, &video).lasting(moment.v_duration);
            let slots = vec![
                ("caption", words(query)),
                ("span", vec![Part::Span(moment.bounds)]),
            ];
            out.push(draft(Task::Tvg, id.clone()).ask("tvg", slots));
            if !moment.steps.is_empty() {
                let events = moment.steps.iter().map(|step| Event {
                    span: step.absolute_bounds,
                    caption: step.heading.clone(),
                });
                let slots = vec![("events", vec![Part::Events(events.collect())])];
                out.push(draft(Task::Dvc, format!("{id}_steps")).ask("dvc", slots));
            }
        }
        Ok(())
    }
}
