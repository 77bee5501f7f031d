//! `InternVid-10M-FLT`: JSON lines, one clip of a `YouTube` video each, with clock times in that video.
//!
//! The lineage names clips by the video's id alone, so that one of several clips survives: the first here.

use serde::Deserialize;
use st_schema::Task;

use super::clock::clock_seconds;
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

static INFO: Info = Info {
    name: "internvid_10m_flt",
    version: 1,
    about: "Captioned clips of YouTube videos, one JSON line each.",
    files: &[Files {
        form: "lines",
        pattern: "*.jsonl",
        container: Container::Json,
        means: "YoutubeID, Start_timestamp and End_timestamp as clock times, Caption, scores",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[
        "Which of several clips of one video the mirrors' clips/<YoutubeID>.mp4 holds is not known: the one that lasts as long as the file, where lengths are given, else the first; others are refused.",
    ],
    example: Sample::new(
        "lines",
        r#"{"YoutubeID": "inV1dSampl1", "Start_timestamp": "00:00:31.400", "End_timestamp": "00:00:38.933", "Caption": "a man unrolls a blue tarpaulin on wet grass", "UMT_Score": 0.4312}"#,
    ),
};

pub(super) struct Internvid10mFlt;

impl Source for Internvid10mFlt {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "YoutubeID")]
    video: String,
    #[serde(rename = "Start_timestamp")]
    start: String,
    #[serde(rename = "End_timestamp")]
    end: String,
    #[serde(rename = "Caption")]
    caption: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item {
        video,
        start,
        end,
        caption,
    } = item.parse()?;
    drafts.push(
        Draft::video(Task::VideoCaption, "", format!("clips/{video}.mp4"))
            .cut_from([clock_seconds(&start)?, clock_seconds(&end)?])
            .ask("video_caption", vec![("caption", words(caption.trim()))]),
    );
    Ok(())
}
