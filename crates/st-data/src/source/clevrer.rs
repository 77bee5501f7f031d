//! CLEVRER: questions about colliding objects, free or with choices of which several, or none, may be right.

use serde::Deserialize;
use st_schema::Task;

use super::videochat2::videochat2;
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source, words};

pub(super) struct Clevrer;

static INFO: Info = Info {
    name: "clevrer",
    version: 1,
    about: "Questions about videos of simulated objects: a word as answer, or the right ones among choices.",
    files: &[
        Files {
            form: "videochat2",
            pattern: "videochat2_it_*.json",
            container: Container::Json,
            means: "VideoChat2-IT {video, QA[{i, q, a}]}",
        },
        Files {
            form: "scenes",
            pattern: "*.json",
            container: Container::Json,
            means: "{scene_index, video_filename, questions[{question, answer | choices}]}",
        },
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[],
    example: Sample::new(
        "scenes",
        r#"{"scene_index": 0, "video_filename": "video_00000.mp4", "questions": [{"question_id": 2, "question_type": "counterfactual", "question": "Without the cube, what would happen?", "program": [], "choices": [{"choice_id": 0, "choice": "the sphere stays still", "answer": "correct"}, {"choice_id": 1, "choice": "two spheres collide", "answer": "wrong"}]}]}"#,
    ),
};

#[derive(Deserialize)]
struct Scene {
    video_filename: String,
    questions: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "question_id")]
    id: u64,
    question: String,
    #[serde(default)]
    answer: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    choice: String,
    answer: String,
}

impl Source for Clevrer {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        if item.form == "videochat2" {
            return videochat2(Task::VideoQa, item, out);
        }
        let scene: Scene = item.parse()?;
        if scene.questions.is_empty() {
            return Err(Reject::Nothing("the scene has no questions"));
        }
        let stem = super::stem(&scene.video_filename);
        for question in &scene.questions {
            let id = format!("{stem}_{}", question.id);
            let draft = Draft::video(Task::VideoQa, id.clone(), &scene.video_filename);
            match with_answer(draft, question) {
                Ok(draft) => out.push(draft),
                Err(reject) => out.refuse(id, reject),
            }
        }
        Ok(())
    }
}

fn with_answer(draft: Draft, question: &Asked) -> Result<Draft, Reject> {
    let ask = ("question", words(question.question.trim()));
    if let Some(answer) = &question.answer {
        return Ok(draft.ask("video_qa", vec![ask, ("answer", words(answer.trim()))]));
    }
    let lettered: Vec<(String, &Choice)> = ('A'..='Z')
        .zip(&question.choices)
        .map(|(letter, choice)| (format!("({letter}) {}", choice.choice.trim()), choice))
        .collect();
    if lettered.is_empty() || lettered.len() < question.choices.len() {
        return Err(Reject::shape("neither an answer nor 1 to 26 choices"));
    }
    let all: Vec<&str> = lettered.iter().map(|(text, _)| text.as_str()).collect();
    let right: Vec<&str> = lettered
        .iter()
        .filter(|(_, choice)| choice.answer == "correct")
        .map(|(text, _)| text.as_str())
        .collect();
    if right.is_empty() {
        return Err(Reject::unusable("no-answer", "no choice is correct"));
    }
    let options = ("options", words(all.join("\n")));
    let answer = ("answer", words(right.join("\n")));
    Ok(draft.ask("video_qa_options", vec![ask, options, answer]))
}
