//! `NExT-QA`: a CSV row is a question with five options, the answer an index; videos are `VidOR`'s, whose folders
//! `map_vid_vidorID.json` knows. Also `VideoChat2-IT`'s edited copy.

use serde::Deserialize;
use st_schema::Task;

use super::dialogue::lettered;
use super::videochat2::{self, videochat2};
use super::{
    Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Side, SideKey, Sides, Source,
};

static INFO: Info = Info {
    name: "next_qa",
    version: 1,
    about: "Multiple-choice questions about VidOR videos.",
    files: &[
        Files {
            form: "table",
            pattern: "*.csv",
            container: Container::Csv,
            means: "video, question, answer (an index), a0 to a4",
        },
        videochat2::FILES,
    ],
    sides: &[Side {
        name: "map",
        pattern: "map_vid_vidorID.json",
        container: Container::JsonMapAt(&[]),
        key: SideKey::Entry,
        fields: &[],
        needed: false,
    }],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::VideoQa],
    open_questions: &[],
    example: Sample::new(
        "table",
        r#"{"video": "9900000021", "frame_count": "1050", "width": "640", "height": "360", "question": "why did the girl step back near the middle", "answer": "2", "qid": "0", "type": "CW", "a0": "to dance", "a1": "to take a photo", "a2": "to avoid the wave", "a3": "to greet a friend", "a4": "to sit down"}"#,
    ),
};

pub(super) struct NextQa;

impl Source for NextQa {
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

/// A row of `NExT-QA`, or of `IntentQA`, which calls the video `video_id` and has more columns.
#[derive(Deserialize)]
struct Row {
    #[serde(alias = "video_id")]
    video: String,
    question: String,
    answer: String,
    a0: String,
    a1: String,
    a2: String,
    a3: String,
    a4: String,
}

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "videochat2" {
        return videochat2(Task::VideoQa, item, drafts);
    }
    row(item, sides, drafts)
}

/// One row of the CSV; the split is the file's name.
pub(super) fn row(
    item: &RawItem<'_>,
    sides: &Sides,
    drafts: &mut Drafts<'_>,
) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let row: Row = item.parse()?;
    let answer: usize = row
        .answer
        .trim()
        .parse()
        .map_err(|_| Reject::shape(format!("answer `{}` is no index", row.answer)))?;
    let options = [row.a0, row.a1, row.a2, row.a3, row.a4];
    let slots = lettered(&row.question, &options, answer)?;
    let path = if sides.has("map") {
        let place: String = sides.parse("map", &row.video)?;
        format!("{place}.mp4")
    } else {
        drafts.note("no map_vid_vidorID.json: videos without their folder");
        format!("{}.mp4", row.video)
    };
    drafts.push(Draft::video(Task::VideoQa, "", path).ask("video_qa_options", slots));
    Ok(())
}
