//! ActivityNet-RTL of LITA: questions that need reasoning, answered by two times and an explanation.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
    with_times, words,
};

pub(super) struct AnetRtl;

static INFO: Info = Info {
    name: "anet_rtl",
    version: 1,
    about: "Questions about when something happens in ActivityNet videos, answered by two times and a reason.",
    files: &[
        Files {
            form: "train",
            pattern: "activitynet_train_*.json",
            container: Container::JsonMapAt(&[]),
            means: "v_<id> to {duration, QA[{q, a}]}; an answer begins `<12.3> <45.6>`",
        },
        Files {
            form: "val",
            pattern: "annot_val_*.json",
            container: Container::Json,
            means: "{question_id, vid, question, answer, duration}; `vid` lacks `v_`",
        },
    ],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tgc],
    open_questions: &[
        "Generated answers may go beyond the video's end: cut there, and counted as `end-clipped`.",
        "The videos are mp4, mkv and webm; the path written is the mp4 one.",
    ],
    example: Sample::named(
        "train",
        "v_inVenTanet1",
        r#"{"duration": 88.4, "QA": [{"q": "When does the diver make the riskiest move?", "a": "<30.5> <41.0> The diver twists twice before the entry."}]}"#,
    ),
};

#[derive(Deserialize)]
struct Video {
    duration: f64,
    #[serde(rename = "QA")]
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    q: String,
    a: String,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "question_id")]
    id: String,
    vid: String,
    question: String,
    answer: String,
    duration: f64,
}

impl Source for AnetRtl {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        if item.form == "val" {
            out.split("val")?;
            let raw: Asked = item.parse()?;
            let video = format!("v_{}", raw.vid);
            question(
                out,
                raw.id,
                &video,
                raw.duration,
                &raw.question,
                &raw.answer,
            );
            return Ok(());
        }
        out.split("train")?;
        let key = item.key()?;
        let video: Video = item.parse()?;
        for (number, pair) in video.pairs.iter().enumerate() {
            let id = format!("{key}_{number}");
            question(out, id, key, video.duration, &pair.q, &pair.a);
        }
        Ok(())
    }
}

fn question(out: &mut Drafts, id: String, video: &str, seconds: f64, ask: &str, answer: &str) {
    let mut parts = with_times(answer);
    // "<30.5> <41.0> The diver …" reads "During {…}. The diver …".
    if let [Part::FromTo { .. }, Part::Text(reason), ..] = parts.as_mut_slice() {
        *reason = format!(". {}", reason.trim_start());
    } else if !matches!(parts.as_slice(), [Part::FromTo { .. }]) {
        let message = format!("the answer does not begin with two times: `{answer}`");
        out.refuse(id, Reject::unusable("no-times", message));
        return;
    }
    let draft = Draft::video(Task::Tgc, id, format!("{video}.mp4")).lasting(seconds);
    out.push(draft.say(words(ask.trim()), parts));
}
