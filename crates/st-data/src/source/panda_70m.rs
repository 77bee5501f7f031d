//! Panda-70M: a CSV row is a source video; its columns are Python lists with one entry for each clip.
//!
//! The lineage keeps the longest clip of each video as `clips/<videoID>.mp4`, and so does this adapter; the others are
//! counted as refused.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use st_schema::Task;

use super::clock::clock_seconds;
use super::{
    Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, literal, words,
};

static INFO: Info = Info {
    name: "panda_70m",
    version: 1,
    about: "Captioned clips of YouTube videos, one row for each source video.",
    files: &[Files {
        form: "table",
        pattern: "*.csv",
        container: Container::Csv,
        means: "videoID and Python lists: timestamp (clock times), caption, matching_score, desirable_filtering",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[
        "Whether ST-Align drops clips that are not labelled desirable is not known: they are kept and the labels counted.",
    ],
    example: Sample::new(
        "table",
        r#"{"videoID": "zqA0Invent2", "timestamp": "[['0:12:30.040', '0:12:44.960']]", "caption": "['Two goats climb a stone wall, one slips.']", "matching_score": "[0.5021]"}"#,
    ),
};

pub(super) struct Panda70m;

impl Source for Panda70m {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "videoID")]
    video: String,
    timestamp: String,
    caption: String,
    /// Since October 2024.
    desirable_filtering: Option<String>,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let row: Row = item.parse()?;
    let clips: Vec<[String; 2]> = column("timestamp", &row.timestamp)?;
    let captions: Vec<String> = column("caption", &row.caption)?;
    let labels: Option<Vec<String>> = row
        .desirable_filtering
        .as_deref()
        .map(|cell| column("desirable_filtering", cell))
        .transpose()?;
    let differs = |length: usize| length != clips.len();
    if differs(captions.len()) || labels.as_ref().is_some_and(|labels| differs(labels.len())) {
        return Err(Reject::shape(
            "the lists of timestamp, caption and desirable_filtering differ in length",
        ));
    }
    let cuts = clips
        .iter()
        .map(|[start, end]| Ok([clock_seconds(start)?, clock_seconds(end)?]))
        .collect::<Result<Vec<[f64; 2]>, Reject>>()?;
    let length = |index: usize| cuts[index][1] - cuts[index][0];
    let longest = (0..cuts.len())
        .reduce(|best, next| {
            if length(next) > length(best) {
                next
            } else {
                best
            }
        })
        .ok_or(Reject::Nothing("no clips"))?;
    for (index, caption) in captions.iter().enumerate() {
        let id = format!("{}_{index}", row.video);
        if index != longest {
            let message = format!("clip {index} is not the longest, clip {longest} is");
            drafts.refuse(id, Reject::unusable("shorter-clip", message));
            continue;
        }
        match labels.as_ref().map(|labels| labels[index].as_str()) {
            None => drafts.note("no column desirable_filtering"),
            Some("desirable") => {}
            Some(label) => drafts.note(format!("desirable_filtering: {label}")),
        }
        drafts.push(
            Draft::video(Task::VideoCaption, id, format!("clips/{}.mp4", row.video))
                .cut_from(cuts[index])
                .ask("video_caption", vec![("caption", words(caption.trim()))]),
        );
    }
    Ok(())
}

/// A cell that holds a Python list.
fn column<T: DeserializeOwned>(name: &str, cell: &str) -> Result<T, Reject> {
    let value = literal(cell).map_err(|error| Reject::shape(format!("column {name}: {error}")))?;
    serde_json::from_value(value).map_err(|error| Reject::shape(format!("column {name}: {error}")))
}
