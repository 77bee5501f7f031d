//! Grounded-VideoLLM's mixes: conversations over many datasets, with seconds in angle brackets inside the text.

use serde::Deserialize;
use st_schema::units::TimeConvention;
use st_schema::{Role, Task};

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, with_times,
};

pub(super) struct GroundedVideoLlm;

static INFO: Info = Info {
    name: "grounded_videollm",
    version: 1,
    about: "G-VideoQA and Grounded-VideoLLM's other lists: conversations with `<12.34>` seconds in the text.",
    files: &[Files {
        form: "mix",
        pattern: "*.json",
        container: Container::Json,
        means: "{question_id, video_id, video_file, conversation[{from, value}], dataset_name}",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tgc, Task::Tvg, Task::Dvc, Task::Tr, Task::VideoQa],
    open_questions: &[
        "The files name no lengths: give them with --durations; without one, a record with times is refused.",
        "`dataset_name` tells the task where the name is known; else the places of the times do, and the ledger says so.",
    ],
    example: Sample {
        form: "mix",
        key: None,
        item: r#"{"question_id": "G-VideoQA_0", "video_id": "v_inVenTanet5", "video_file": "activitynet/videos/v_inVenTanet5.mp4", "conversation": [{"from": "human", "value": "<image>\nWhy does the man put down the saw? Give the moment that shows it."}, {"from": "gpt", "value": "From <33.2> to <41.0>. He has to clamp the board again."}], "dataset_name": "G-VideoQA"}"#,
        sides: &[],
        durations: &[("v_inVenTanet5", 61.0)],
    },
};

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    question_id: String,
    video_file: String,
    conversation: Vec<Said>,
    #[serde(default)]
    dataset_name: String,
}

#[derive(Deserialize)]
struct Said {
    from: Role,
    value: String,
}

impl Source for GroundedVideoLlm {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let raw: Item = item.parse()?;
        let mut draft = Draft::video(Task::VideoQa, raw.question_id, raw.video_file);
        let (mut asked, mut answered) = (0, 0);
        for pair in raw.conversation.chunks(2) {
            let [human, gpt] = pair else {
                return Err(Reject::shape("a question without an answer"));
            };
            if (human.from, gpt.from) != (Role::Human, Role::Gpt) {
                return Err(Reject::shape("turns do not go from human to gpt"));
            }
            let words = human.value.replace("<image>", "").replace("<video>", "");
            let (ask, say) = (with_times(words.trim()), with_times(gpt.value.trim()));
            asked += times(&ask);
            answered += times(&say);
            draft = draft.say(ask, say);
        }
        draft.task = match task_of(&raw.dataset_name) {
            _ if asked + answered == 0 => Task::VideoQa,
            Some(task) => task,
            None => {
                out.note("unknown dataset_name: the task is told by the places of the times");
                match (asked, answered) {
                    (0, 1) => Task::Tvg,
                    (0, _) => Task::Dvc,
                    (_, 0) => Task::Tr,
                    _ => Task::Tgc,
                }
            }
        };
        out.push(draft);
        Ok(())
    }
}

/// What a dataset of the mix teaches (sources.md, section 0).
fn task_of(dataset: &str) -> Option<Task> {
    Some(match dataset {
        "G-VideoQA" | "Moment-10m" | "ANet-RTL" => Task::Tgc,
        "DiDeMo" | "HiREST" | "querYD" => Task::Tvg,
        "ViTT" | "coin" | "youcook2" => Task::Dvc,
        _ => return None,
    })
}

fn times(parts: &[Part]) -> usize {
    let is_time = |part: &&Part| !matches!(part, Part::Text(_));
    parts.iter().filter(is_time).count()
}
