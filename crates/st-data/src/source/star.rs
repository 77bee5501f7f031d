//! STAR: a JSON list of questions about a stretch of a Charades video, with four choices; the answer is one of their texts.

use serde::Deserialize;
use st_schema::Task;

use super::dialogue::lettered;
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "star",
    version: 1,
    about: "Multiple-choice questions about situations in Charades videos.",
    files: &[Files {
        form: "questions",
        pattern: "STAR_*.json",
        container: Container::Json,
        means: "a list of {question, video_id, start, end, answer (a text), choices}; seconds",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[
        "Whether ST-Align cuts videos to start and end is not known: the whole video is asked about.",
    ],
    example: Sample::new(
        "questions",
        r#"{"question_id": "Interaction_T1_900001", "question": "Which object was lifted by the person?", "video_id": "QQ0A1", "start": 11.1, "end": 17.3, "answer": "The ladle.", "choices": [{"choice_id": 0, "choice": "The ladle."}, {"choice_id": 1, "choice": "The pillow."}]}"#,
    ),
};

pub(super) struct Star;

impl Source for Star {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    question_id: String,
    question: String,
    video_id: String,
    /// Absent from the test file.
    answer: Option<String>,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    choice: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let item: Item = item.parse()?;
    let Some(answer) = item.answer else {
        return Err(Reject::unusable(
            "answer-missing",
            "the question has no answer",
        ));
    };
    let options: Vec<String> = item
        .choices
        .into_iter()
        .map(|choice| choice.choice)
        .collect();
    let mut right = options
        .iter()
        .enumerate()
        .filter(|(_, option)| **option == answer);
    let (Some((right, _)), None) = (right.next(), right.next()) else {
        let message = format!("`{answer}` is not exactly one of the choices {options:?}");
        return Err(Reject::unusable("no-such-option", message));
    };
    let slots = lettered(&item.question, &options, right)?;
    // Whether ST-Align cut videos to `start` and `end` is not confirmed; the whole file is asked about.
    drafts.note("asked about the whole video, not start to end");
    drafts.push(
        Draft::video(
            Task::VideoQa,
            item.question_id,
            format!("{}.mp4", item.video_id),
        )
        .ask("video_qa_options", slots),
    );
    Ok(())
}
