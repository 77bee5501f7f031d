//! `EgoQA` as `VideoChat2-IT` holds it: questions about first-person clips of `Ego4D`.

use st_schema::Task;

use super::videochat2::videochat2;
use super::{Container, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

pub(super) struct EgoQa;

static INFO: Info = Info {
    name: "egoqa",
    version: 1,
    about: "Questions about first-person clips of `Ego4D`, in the schema of VideoChat2-IT.",
    files: &[Files {
        form: "videochat2",
        pattern: "*.json",
        container: Container::Json,
        means: "VideoChat2-IT {video, QA[{i, q, a}]}",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[
        "How the clips are named in the archive is not confirmed: the path is written as the file has it.",
    ],
    example: Sample::new(
        "videochat2",
        r#"{"video": "0a0a0a0a-1111-2222-3333-444444444444_12.mp4", "QA": [{"i": "Answer the question about the first-person clip.", "q": "What did I do with the sieve?", "a": "You rinsed it."}]}"#,
    ),
};

impl Source for EgoQa {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        videochat2(Task::VideoQa, item, out)
    }
}
