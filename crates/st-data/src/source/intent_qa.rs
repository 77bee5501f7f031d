//! `IntentQA`: `NExT-QA`'s table under other names, with more columns; videos are `VidOR`'s.

use st_schema::Task;

use super::next_qa::row;
use super::{
    Container, Drafts, Files, Info, RawItem, Reject, Sample, Side, SideKey, Sides, Source,
};

static INFO: Info = Info {
    name: "intent_qa",
    version: 1,
    about: "Multiple-choice questions about intent in VidOR videos.",
    files: &[Files {
        form: "table",
        pattern: "*.csv",
        container: Container::Csv,
        means: "video_id, question, answer (an index), a0 to a4, action, lemma, lemma_id",
    }],
    sides: &[Side {
        name: "map",
        pattern: "map_vid_vidorID.json",
        container: Container::JsonMapAt(&[]),
        key: SideKey::Entry,
        fields: &[],
        needed: false,
    }],
    with: &["next_qa"],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[
        "The columns id, pos_id and neg_id of the training file are not used; their types are not confirmed.",
    ],
    example: Sample::new(
        "table",
        r#"{"video_id": "9900000021", "frame_count": "1050", "width": "640", "height": "360", "question": "why did the girl step back near the middle", "answer": "2", "qid": "0", "type": "CW", "a0": "to dance", "a1": "to take a photo", "a2": "to avoid the wave", "a3": "to greet a friend", "a4": "to sit down", "action": "step back", "lemma": "step", "lemma_id": "101"}"#,
    ),
};

pub(super) struct IntentQa;

impl Source for IntentQa {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        row(item, sides, out)
    }
}
