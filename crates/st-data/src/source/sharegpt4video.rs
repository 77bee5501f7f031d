//! `ShareGPT4Video`: JSON lines with a caption for each key frame and, under idx "-1", one for the whole video.

use serde::Deserialize;
use st_schema::Task;

use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

static INFO: Info = Info {
    name: "sharegpt4video",
    version: 1,
    about: "Long captions of clips of several collections.",
    files: &[Files {
        form: "lines",
        pattern: "*.jsonl",
        container: Container::Json,
        means: "video_id, video_path, captions[{idx, content}]; idx -1 is the whole video's",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &["The types of timestamp and keyframe are not confirmed: they are not read."],
    example: Sample::new(
        "lines",
        r#"{"video_id": "zzInventClip1", "video_path": "pexels/zzInventClip1.mp4", "captions": [{"idx": "0", "content": "A tram waits."}, {"idx": "-1", "content": "A tram waits and leaves."}]}"#,
    ),
};

pub(super) struct Sharegpt4video;

impl Source for Sharegpt4video {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    video_id: String,
    video_path: String,
    captions: Vec<Caption>,
}

#[derive(Deserialize)]
struct Caption {
    idx: String,
    content: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let item: Item = item.parse()?;
    let whole = item.captions.iter().find(|caption| caption.idx == "-1");
    // The lineage takes the last caption, whatever it is; a key frame's is not the video's.
    let whole = whole.ok_or_else(|| {
        Reject::unusable(
            "answer-missing",
            "no caption of the whole video (idx \"-1\")",
        )
    })?;
    drafts.push(
        Draft::video(Task::VideoCaption, item.video_id, item.video_path).ask(
            "video_caption",
            vec![("caption", words(whole.content.trim()))],
        ),
    );
    Ok(())
}
