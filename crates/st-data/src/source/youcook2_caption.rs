//! `YouCook2` captions in `VideoChat2-IT`'s form; the clips are cut already.

use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{Drafts, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "youcook2_caption",
    version: 1,
    about: "Captions of YouCook2's steps, clips cut already.",
    files: &[videochat2::FILES],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[
        "How the cut clips are named is not confirmed: paths are kept as they stand.",
    ],
    example: Sample::new(
        "videochat2",
        r#"{"video": "inVycook001/inVycook001_split_0.mp4", "QA": [{"i": "Say what the cook does.", "q": "", "a": "slice the leek"}]}"#,
    ),
};

pub(super) struct Youcook2Caption;

impl Source for Youcook2Caption {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        videochat2(Task::VideoCaption, item, out)
    }
}
