//! `VideoChat2`'s dialogues about `InternVid` clips, and the sibling about `WebVid`'s.

use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{Drafts, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "videochat2_conv",
    version: 1,
    about: "Dialogues about InternVid and WebVid clips.",
    files: &[videochat2::FILES],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::Conversation],
    open_questions: &[
        "File names inside the published zip are not confirmed: paths are kept as they stand.",
    ],
    example: Sample::new(
        "videochat2",
        r#"{"video": "inVchat0001.mp4", "QA": [{"i": "", "q": "What is the person carrying?", "a": "A stack of folded chairs."}]}"#,
    ),
};

pub(super) struct Videochat2Conv;

impl Source for Videochat2Conv {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        videochat2(Task::Conversation, item, out)
    }
}
