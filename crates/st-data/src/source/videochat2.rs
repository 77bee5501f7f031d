//! `VideoChat2-IT`'s common form, `{video, QA: [{i, q, a}]}`, through which most general video data reached ST-Align's
//! lineage (OpenGVLab/Ask-Anything, `video_chat2/DATA.md`).

use serde::Deserialize;
use st_schema::Task;

use super::{Container, Draft, Drafts, Files, RawItem, Reject};

/// Files of this form.
pub(super) const FILES: Files = Files {
    form: "videochat2",
    pattern: "*.json",
    container: Container::Json,
    means: "VideoChat2-IT's copy: a list of {video, QA[{i, q, a}]}",
};

#[derive(Deserialize)]
struct Item {
    video: String,
    #[serde(rename = "QA")]
    pairs: Vec<Pair>,
    start: Option<f64>,
    end: Option<f64>,
}

#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    i: String,
    #[serde(default)]
    q: String,
    a: String,
}

/// One record of all the item's questions and answers. Instruction `i` and question `q` are joined by a space, as
/// Grounded-VideoLLM does; where one is empty, as in captions, the other stands alone.
///
/// # Errors
/// When the item has another shape, no questions, or asks about a stretch of its video (`start`, `end`): the files this
/// form is used with are whole clips.
pub(super) fn videochat2(
    task: Task,
    item: &RawItem<'_>,
    drafts: &mut Drafts<'_>,
) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let Item {
        video,
        pairs,
        start,
        end,
    } = item.parse()?;
    if start.is_some() || end.is_some() {
        return Err(Reject::unusable(
            "part-of-video",
            "the item is about a part of its video (`start`, `end`): cut the video and leave them out",
        ));
    }
    if pairs.is_empty() {
        return Err(Reject::Nothing("no questions"));
    }
    let draft = Draft::video(task, "", video);
    drafts.push(pairs.iter().fold(draft, |draft, pair| {
        let question = [pair.i.trim(), pair.q.trim()].join(" ");
        draft.say_text(question.trim(), pair.a.trim())
    }));
    Ok(())
}
