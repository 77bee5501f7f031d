//! Kinetics: a CSV of clips with their class, in whole seconds of `YouTube` videos; or `VideoChat2-IT`'s K710 with options.

use serde::Deserialize;
use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

static INFO: Info = Info {
    name: "kinetics",
    version: 1,
    about: "Ten-second clips of human actions.",
    files: &[
        Files {
            form: "table",
            pattern: "*.csv",
            container: Container::Csv,
            means: "label, youtube_id, time_start, time_end (whole seconds), split",
        },
        videochat2::FILES,
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::Classification],
    open_questions: &[
        "The layout of K710's video paths is not confirmed: they are kept as they stand.",
    ],
    example: Sample::new(
        "table",
        r#"{"label": "whittling wood", "youtube_id": "inVkinet001", "time_start": "12", "time_end": "22", "split": "train", "is_cc": "0"}"#,
    ),
};

pub(super) struct Kinetics;

impl Source for Kinetics {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Row {
    label: String,
    youtube_id: String,
    time_start: String,
    time_end: String,
    split: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "videochat2" {
        drafts.note("K710: paths as the file has them; their layout is not confirmed");
        return videochat2(Task::Classification, item, drafts);
    }
    let row: Row = item.parse()?;
    drafts.split(match row.split.as_str() {
        "validate" | "validation" => "val",
        other => other,
    })?;
    let second = |cell: &str| {
        let second: u32 = cell
            .trim()
            .parse()
            .map_err(|_| Reject::shape(format!("`{cell}` is no whole second")))?;
        Ok(second)
    };
    let (start, end) = (second(&row.time_start)?, second(&row.time_end)?);
    if end <= start {
        let message = format!("the clip ends at {end} s, not after its start {start} s");
        return Err(Reject::unusable("cut-reversed", message));
    }
    let name = format!("{}_{start:06}_{end:06}", row.youtube_id);
    drafts.push(
        Draft::video(Task::Classification, name.as_str(), format!("{name}.mp4"))
            .cut_from([f64::from(start), f64::from(end)])
            .ask("classification", vec![("label", words(row.label.trim()))]),
    );
    Ok(())
}
