//! AGQA 2.0: generated questions about Charades videos, as one dictionary or as the baselines' table.

use serde::Deserialize;
use st_schema::Task;

use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

pub(super) struct Agqa;

static INFO: Info = Info {
    name: "agqa",
    version: 1,
    about: "Generated questions with a word or a few as answer; no times, no boxes.",
    files: &[
        Files {
            form: "balanced",
            pattern: "*_balanced.txt",
            container: Container::JsonMapAt(&[]),
            means: "a JSON object of question number to question, in spite of its ending",
        },
        Files {
            form: "table",
            pattern: "*.csv",
            container: Container::Csv,
            means: "question, answer, vid_id, key",
        },
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[],
    example: Sample::named(
        "balanced",
        "QQ0A1-1001",
        r#"{"question": "Did they touch a lantern?", "answer": "No", "video_id": "QQ0A1", "ans_type": "binary", "sg_grounding": {"15-24": ["o99/000012"]}}"#,
    ),
};

#[derive(Deserialize)]
struct Item {
    question: String,
    answer: String,
    #[serde(alias = "vid_id")]
    video_id: String,
    /// The table's name of the question; a map's entry has it as its key.
    #[serde(default)]
    key: Option<String>,
}

impl Source for Agqa {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let raw: Item = item.parse()?;
        let id = match (&item.key, &raw.key) {
            (Some(key), _) | (None, Some(key)) => key.clone(),
            (None, None) => String::new(),
        };
        out.push(
            Draft::video(Task::VideoQa, id, format!("{}.mp4", raw.video_id)).ask(
                "video_qa",
                vec![
                    ("question", words(raw.question.trim())),
                    ("answer", words(raw.answer.trim())),
                ],
            ),
        );
        Ok(())
    }
}
