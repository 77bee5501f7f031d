//! `VTimeLLM` stage 2 (and 3): dialogues with named times `<s0>`, `<e0>`, … whose seconds stand in `meta.token`.
//!
//! Seconds count from `meta.split[0]`, so they are those of the cut file `clips/<id>.mp4`; without `split` the whole video
//! is meant. `meta.split` is in seconds here, where ST-Align's means frames.

use std::collections::BTreeMap;

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::dialogue::{Said, exchanges};
use super::{
    Container, Draft, Drafts, Files, Info, Part, Parts, RawItem, Reject, Sample, Sides, Source,
    with_marks,
};

static INFO: Info = Info {
    name: "vtimellm_stage2",
    version: 1,
    about: "Dialogues about spans of clips cut from InternVid, with named times.",
    files: &[Files {
        form: "dialogues",
        pattern: "*.json",
        container: Container::Json,
        means: "a list of {id, conversations, meta{split, duration, token}}; times in seconds of the cut",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tvg, Task::Dvc, Task::Tr, Task::Conversation],
    open_questions: &[
        "Which of two cuts of one video a mirror's clips/<id>.mp4 holds is not known: the one that lasts as long as the file, where lengths are given, else the first; a record about another cut is refused.",
    ],
    example: Sample::new(
        "dialogues",
        r#"{"source": "internvid", "id": "inV1dSampl3", "conversations": [{"from": "human", "value": "<video>\nWhen can we see someone folding a paper crane?"}, {"from": "gpt", "value": "From <s0> to <e0>."}], "meta": {"split": [40.5, 97.25], "duration": 56.75, "token": {"<s0>": 12.3, "<e0>": 20.0}}}"#,
    ),
};

pub(super) struct VTimeLlmStage2;

impl Source for VTimeLlmStage2 {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

/// Seconds by which `duration` may differ from the length of `split`.
const SPLIT_TOLERANCE: f64 = 0.5;

#[derive(Deserialize)]
struct Item {
    id: String,
    conversations: Vec<Said>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    split: Option<[f64; 2]>,
    duration: f64,
    token: BTreeMap<String, f64>,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item {
        id,
        conversations,
        meta,
    } = item.parse()?;
    let marks: Vec<(&str, Part)> = meta
        .iter()
        .flat_map(|meta| &meta.token)
        .map(|(name, seconds)| (name.as_str(), Part::Time(*seconds)))
        .collect();
    let said: Vec<[Parts; 2]> = exchanges(&conversations)?
        .iter()
        .map(|[human, gpt]| Ok([timed(human, &marks)?, timed(gpt, &marks)?]))
        .collect::<Result<_, Reject>>()?;
    let cut = meta.as_ref().and_then(|meta| meta.split);
    let path = match cut {
        Some(_) => format!("clips/{id}.mp4"),
        None => format!("{id}.mp4"),
    };
    let mut draft = Draft::video(task(&said), "", path);
    if let Some(meta) = &meta {
        draft = draft.lasting(meta.duration);
    }
    if let (Some([start, end]), Some(meta)) = (cut, &meta) {
        if (end - start - meta.duration).abs() > SPLIT_TOLERANCE {
            return Err(Reject::unusable(
                "duration-doubtful",
                format!("split [{start}, {end}] does not last {} s", meta.duration),
            ));
        }
        draft = draft.cut_from([start, end]);
    }
    drafts.push(
        said.into_iter()
            .fold(draft, |draft, [human, gpt]| draft.say(human, gpt)),
    );
    Ok(())
}

/// A text with its named times, all of which must be known.
fn timed(text: &str, marks: &[(&str, Part)]) -> Result<Parts, Reject> {
    let parts = with_marks(text, marks);
    let left = parts.iter().find_map(|part| match part {
        Part::Text(words) => unknown_name(words),
        _ => None,
    });
    match left {
        None => Ok(parts),
        Some(name) => Err(Reject::unusable(
            "time-missing",
            format!("`{name}` is not in meta.token"),
        )),
    }
}

/// The first `<s12>` or `<e12>` of a text.
fn unknown_name(text: &str) -> Option<&str> {
    text.match_indices('<').find_map(|(at, _)| {
        let inner = text[at + 1..].strip_prefix(['s', 'e'])?;
        let digits = inner.find(|c: char| !c.is_ascii_digit())?;
        (digits > 0 && inner[digits..].starts_with('>')).then(|| &text[at..at + digits + 3])
    })
}

/// What the first exchange with times teaches: a span asked about, several told, or one found.
fn task(said: &[[Parts; 2]]) -> Task {
    let times = |parts: &Parts| {
        parts
            .iter()
            .filter(|part| !matches!(part, Part::Text(_)))
            .count()
    };
    said.iter()
        .find_map(|[human, gpt]| match (times(human), times(gpt)) {
            (0, 0) => None,
            (0, 1) => Some(Task::Tvg),
            (0, _) => Some(Task::Dvc),
            _ => Some(Task::Tr),
        })
        .unwrap_or(Task::Conversation)
}
