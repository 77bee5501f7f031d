//! `WebVid-10M`: a CSV with one caption for each clip, or the `LLaVA-style` JSON of 703 K items that the lineage reads.

use serde::Deserialize;
use st_schema::Task;

use super::clock::iso_seconds;
use super::dialogue::{Said, exchanges};
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

static INFO: Info = Info {
    name: "webvid_10m",
    version: 1,
    about: "Stock clips with one short caption each.",
    files: &[
        Files {
            form: "table",
            pattern: "*.csv",
            container: Container::Csv,
            means: "videoid, name (the caption), page_dir, duration as PT00H00M00S",
        },
        Files {
            form: "chat",
            pattern: "*.json",
            container: Container::Json,
            means: "the lineage's list of {id, video, conversations}; one item for each video is kept",
        },
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[
        "Flat mirrors lack page folders: without page_dir the file is <videoid>.mp4.",
    ],
    example: Sample::new(
        "table",
        r#"{"videoid": "990000101", "name": "Orange kettle steaming on a camping stove", "page_idx": "1200", "page_dir": "000001_000050", "duration": "PT00H00M12S", "contentUrl": ""}"#,
    ),
};

pub(super) struct Webvid10m;

impl Source for Webvid10m {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Row {
    videoid: String,
    name: String,
    page_dir: Option<String>,
    duration: String,
}

#[derive(Deserialize)]
struct Chat {
    video: String,
    conversations: Vec<Said>,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "chat" {
        return chat(item, drafts);
    }
    drafts.split_of_name(item.file_stem())?;
    let row: Row = item.parse()?;
    // Flat mirrors have no page folders.
    let path = match row.page_dir.as_deref().filter(|folder| !folder.is_empty()) {
        Some(folder) => format!("{folder}/{}.mp4", row.videoid),
        None => format!("{}.mp4", row.videoid),
    };
    drafts.push(
        Draft::video(Task::VideoCaption, "", path)
            .lasting(iso_seconds(&row.duration)?)
            .ask("video_caption", vec![("caption", words(row.name.trim()))]),
    );
    Ok(())
}

/// The lineage keeps one item for each video.
fn chat(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Chat {
        video,
        conversations,
    } = item.parse()?;
    let draft = Draft::video(Task::VideoCaption, "", video).only_one_per_media("repeated-video");
    drafts.push(
        exchanges(&conversations)?
            .into_iter()
            .fold(draft, |draft, [human, gpt]| draft.say_text(human, gpt)),
    );
    Ok(())
}
