//! Moment-10M and GESM (Momentor): dialogues with `{moment}` and other slots, filled from `variables`; seconds of whole
//! `YouTube` videos, whose length the files do not give.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use st_schema::Task;
use st_schema::units::{BoxConvention, TimeConvention};

use super::gesm::gesm;
use super::slots::{THRESHOLDS, Variable, filled};
use super::{Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

static INFO: Info = Info {
    name: "moment_10m",
    version: 1,
    about: "Dialogues about moments of YouTube videos, made by a machine, and GESM's events.",
    files: &[
        Files {
            form: "gesm",
            pattern: "GESM*.json",
            container: Container::JsonMapAt(&[]),
            means: "an object of video to {timestamps, captions}; seconds of the whole video",
        },
        Files {
            form: "moments",
            pattern: "*.json",
            container: Container::JsonMapAt(&[]),
            means: "an object of video to kind of data to list of {conversations, variables, score}; seconds of the whole video",
        },
    ],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: Some(BoxConvention::XYXY_FRACTIONS),
    tasks: &[Task::Dvc, Task::Tgc],
    open_questions: &[
        "Whether click_position is in shares of the picture is not confirmed: a point outside 0 to 1 is refused.",
        "Records without a score are kept, as Grounded-VideoLLM does; Momentor's own filter drops them.",
        "Lengths of videos are not in the files: durations.csv must give them.",
    ],
    example: Sample {
        form: "gesm",
        key: Some("ytTemporal1"),
        item: r#"{"timestamps": [[12.5, 19.75], [40.0, 47.2]], "captions": ["A baker scores the top of a loaf", "The loaf goes into the oven"]}"#,
        sides: &[],
        durations: &[("ytTemporal1", 100.0)],
    },
};

pub(super) struct Moment10m;

impl Source for Moment10m {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    conversations: Dialogue,
    variables: BTreeMap<String, Variable>,
    #[serde(alias = "clip_similarity")]
    match_score: Option<f64>,
}

/// A dialogue of one exchange may stand without its list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Dialogue {
    Many(Vec<Exchange>),
    One(Exchange),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exchange {
    user: String,
    assistant: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let video = item.key()?;
    if item.form == "gesm" {
        return gesm(video, item, drafts);
    }
    let kinds: Map<String, Value> = item.parse()?;
    for (kind, list) in &kinds {
        let Some(list) = list.as_array() else {
            let reject = Reject::shape(format!("`{kind}` is no list of dialogues"));
            drafts.refuse(format!("{video}_{kind}"), reject);
            continue;
        };
        for (index, raw) in list.iter().enumerate() {
            let id = format!("{video}_{kind}_{index}");
            match one(&id, video, kind, raw, drafts) {
                Ok(draft) => drafts.push(draft),
                Err(reject) => drafts.refuse(id, reject),
            }
        }
    }
    Ok(())
}

fn one(
    id: &str,
    video: &str,
    kind: &str,
    raw: &Value,
    drafts: &mut Drafts<'_>,
) -> Result<Draft, Reject> {
    let item = Item::deserialize(raw).map_err(|error| Reject::shape(error.to_string()))?;
    let threshold = THRESHOLDS.iter().find(|(name, _)| *name == kind);
    let (_, threshold) =
        threshold.ok_or_else(|| Reject::shape(format!("`{kind}` is no known kind of data")))?;
    match item.match_score {
        Some(score) if score > *threshold => {}
        Some(score) => {
            let message = format!("score {score}, not above {threshold} ({kind})");
            return Err(Reject::unusable("score-low", message));
        }
        None => {
            drafts
                .note("no score: kept, as Grounded-VideoLLM does; Momentor's own filter drops it");
        }
    }
    let exchanges = match item.conversations {
        Dialogue::Many(many) => many,
        Dialogue::One(one) => vec![one],
    };
    let mut draft = Draft::video(Task::Tgc, id, format!("{video}.mp4"));
    for Exchange { user, assistant } in &exchanges {
        let human = filled(user, &item.variables, drafts)?;
        let gpt = filled(assistant, &item.variables, drafts)?;
        draft = draft.say(human, gpt);
    }
    Ok(draft)
}
