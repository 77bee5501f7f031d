//! VCG+ 112K: `LLaVA-style` dialogues about `ActivityNet` videos.

use serde::Deserialize;
use st_schema::Task;

use super::dialogue::{Said, exchanges};
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "vcg_plus_112k",
    version: 1,
    about: "Dialogues about ActivityNet videos.",
    files: &[Files {
        form: "dialogues",
        pattern: "*.json",
        container: Container::Json,
        means: "a list of {id, video, conversations}",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::Conversation],
    open_questions: &[],
    example: Sample::new(
        "dialogues",
        r#"{"id": "v_inVenTanet1", "video": "v_inVenTanet1.mp4", "conversations": [{"from": "human", "value": "<video>\nDescribe the setting of the dive."}, {"from": "gpt", "value": "An indoor pool with three platforms."}]}"#,
    ),
};

pub(super) struct VcgPlus112k;

impl Source for VcgPlus112k {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    video: String,
    conversations: Vec<Said>,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item {
        video,
        conversations,
    } = item.parse()?;
    let draft = Draft::video(Task::Conversation, "", video);
    drafts.push(
        exchanges(&conversations)?
            .into_iter()
            .fold(draft, |draft, [human, gpt]| draft.say_text(human, gpt)),
    );
    Ok(())
}
