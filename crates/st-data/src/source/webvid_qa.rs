//! `WebVid-QA`: a pickled dict id -> {question[], answer[]} (just-ask), with a CSV of file names; or `VideoChat2-IT`'s copy.

use serde::Deserialize;
use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{
    Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Side, SideKey, Sides, Source,
    words,
};

static INFO: Info = Info {
    name: "webvid_qa",
    version: 1,
    about: "Generated questions about WebVid clips.",
    files: &[
        Files {
            form: "pickle",
            pattern: "*.pkl",
            container: Container::PickleMap,
            means: "a dictionary of video to {question, answer}, two lists",
        },
        videochat2::FILES,
    ],
    sides: &[Side {
        name: "index",
        pattern: "*.csv",
        container: Container::Csv,
        key: SideKey::Field("video_id"),
        fields: &["feature_path"],
        needed: false,
    }],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[],
    example: Sample::new(
        "videochat2",
        r#"{"video": "000001_000050/990000101.mp4", "QA": [{"i": "Reply with a single word or a short phrase.", "q": "What colour is the kettle?", "a": "orange"}]}"#,
    ),
};

pub(super) struct WebvidQa;

impl Source for WebvidQa {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        convert(item, sides, out)
    }
}

#[derive(Deserialize)]
struct Item {
    question: Vec<String>,
    answer: Vec<String>,
}

#[derive(Deserialize)]
struct Place {
    feature_path: String,
}

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "videochat2" {
        return videochat2(Task::VideoQa, item, drafts);
    }
    let key = item.key()?;
    let Item { question, answer } = item.parse()?;
    if question.len() != answer.len() {
        return Err(Reject::shape(format!(
            "{} questions and {} answers",
            question.len(),
            answer.len()
        )));
    }
    let path = if sides.has("index") {
        let Place { feature_path } = sides.parse("index", key)?;
        feature_path
            .strip_suffix(".npy")
            .unwrap_or(&feature_path)
            .to_owned()
    } else {
        drafts.note("no train_webvidvqa.csv: files named by the video's id");
        format!("{key}.mp4")
    };
    for (index, (question, answer)) in question.iter().zip(&answer).enumerate() {
        drafts.push(
            Draft::video(Task::VideoQa, format!("{key}_{index}"), path.as_str()).ask(
                "video_qa",
                vec![
                    ("question", words(question.trim())),
                    ("answer", words(answer.trim())),
                ],
            ),
        );
    }
    Ok(())
}
