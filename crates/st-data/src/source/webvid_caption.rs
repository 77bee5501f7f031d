//! `WebVid` captions in `VideoChat2-IT`'s form.

use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{Drafts, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "webvid_caption",
    version: 1,
    about: "Captions of WebVid clips, with instructions.",
    files: &[videochat2::FILES],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoCaption],
    open_questions: &[],
    example: Sample::new(
        "videochat2",
        r#"{"video": "000001_000050/990000101.mp4", "QA": [{"i": "Give a caption.", "q": "", "a": "Orange kettle steaming on a camping stove"}]}"#,
    ),
};

pub(super) struct WebvidCaption;

impl Source for WebvidCaption {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        videochat2(Task::VideoCaption, item, out)
    }
}
