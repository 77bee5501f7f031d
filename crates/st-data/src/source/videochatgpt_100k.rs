//! `VideoInstruct-100K` (Video-`ChatGPT`): a JSON list of single questions and answers about `ActivityNet` videos.

use serde::Deserialize;
use st_schema::Task;

use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "videochatgpt_100k",
    version: 1,
    about: "Single questions and answers about ActivityNet videos.",
    files: &[Files {
        form: "pairs",
        pattern: "*.json",
        container: Container::Json,
        means: "a list of {q, a, video_id}",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::Conversation],
    open_questions: &[],
    example: Sample::new(
        "pairs",
        r#"{"q": "What is the diver wearing?", "a": "A dark blue swimsuit.", "video_id": "v_inVenTanet1"}"#,
    ),
};

pub(super) struct Videochatgpt100k;

impl Source for Videochatgpt100k {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    q: String,
    a: String,
    video_id: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item { q, a, video_id } = item.parse()?;
    drafts.push(
        Draft::video(Task::Conversation, "", format!("{video_id}.mp4"))
            .say_text(q.trim(), a.trim()),
    );
    Ok(())
}
