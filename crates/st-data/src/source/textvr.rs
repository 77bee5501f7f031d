//! `TextVR`: a JSON list of videos with one or more captions; or `VideoChat2-IT`'s copy.

use serde::Deserialize;
use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

static INFO: Info = Info {
    name: "textvr",
    version: 1,
    about: "Captions that take in the text seen in a video.",
    files: &[
        Files {
            form: "scrambled",
            pattern: "TextVR_test_rand.json",
            container: Container::Json,
            means: "scrambled on purpose by the authors: refused",
        },
        Files {
            form: "videos",
            pattern: "TextVR_*.json",
            container: Container::Json,
            means: "a list of {path, captions_info, videos_info}",
        },
        videochat2::FILES,
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[],
    example: Sample::new(
        "videos",
        r#"{"path": "Cooking/zzInventVideo01.mp4", "captions_info": [{"caption": "A hand opens a tin labelled Harbour Tea.", "caption_info": {"duration": 9.4, "desc_id": 1}}], "videos_info": {"source": "vitvr_act", "split": "train"}}"#,
    ),
};

pub(super) struct TextVr;

impl Source for TextVr {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    path: String,
    captions_info: Vec<Caption>,
    videos_info: Video,
}

#[derive(Deserialize)]
struct Caption {
    caption: String,
}

#[derive(Deserialize)]
struct Video {
    split: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "videochat2" {
        return videochat2(Task::VideoCaption, item, drafts);
    }
    if item.form == "scrambled" {
        let message = "this file is scrambled on purpose by its authors; use TextVR_test.json";
        return Err(Reject::unusable("scrambled", message));
    }
    let Item {
        path,
        captions_info,
        videos_info,
    } = item.parse()?;
    drafts.split(&videos_info.split)?;
    if captions_info.is_empty() {
        return Err(Reject::Nothing("no captions"));
    }
    for (index, caption) in captions_info.iter().enumerate() {
        drafts.push(
            Draft::video(Task::VideoCaption, format!("{path}_{index}"), path.as_str()).ask(
                "video_caption",
                vec![("caption", words(caption.caption.trim()))],
            ),
        );
    }
    Ok(())
}
