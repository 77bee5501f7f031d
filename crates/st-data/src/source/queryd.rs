//! `QuerYD`: pickled dicts `video-<id>` -> lists, captions (as words) and times joined by position; seconds of whole videos,
//! whose length the files do not give.

use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Side, SideKey, Sides,
    Source, words,
};

static INFO: Info = Info {
    name: "queryd",
    version: 1,
    about: "Spoken descriptions of moments of YouTube videos, in pickles side by side.",
    files: &[Files {
        form: "captions",
        pattern: "raw_captions*.pkl",
        container: Container::PickleMap,
        means: "a dictionary of video-<id> to lists of words",
    }],
    sides: &[
        Side {
            name: "times",
            pattern: "times_captions*.pkl",
            container: Container::PickleMap,
            key: SideKey::Entry,
            fields: &[],
            needed: true,
        },
        Side {
            name: "train-list",
            pattern: "train_list.txt",
            container: Container::Lines,
            key: SideKey::Line,
            fields: &[],
            needed: false,
        },
    ],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tvg],
    open_questions: &[
        "Lengths of videos are not in the files: durations.csv must give them.",
        "Spans beyond 300 s are kept; TimeIT drops such videos.",
    ],
    example: Sample {
        form: "captions",
        key: Some("video-inVquery001"),
        item: r#"[["a", "man", "opens", "a", "red", "door"]]"#,
        sides: &[("times", "video-inVquery001", "[[3.2, 7.9]]")],
        durations: &[("inVquery001", 20.0)],
    },
};

pub(super) struct QuerYd;

impl Source for QuerYd {
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

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let key = item.key()?;
    if sides.has("train-list") && sides.find("train-list", key).is_none() {
        drafts.split("held-out")?;
    }
    let captions: Vec<Vec<String>> = item.parse()?;
    // Ids may begin with a hyphen: only the first `video-` is the prefix.
    let video = key.strip_prefix("video-").unwrap_or(key);
    let times: Vec<[f64; 2]> = sides.parse("times", key)?;
    if times.len() != captions.len() {
        return Err(Reject::shape(format!(
            "{} captions and {} times",
            captions.len(),
            times.len()
        )));
    }
    for (index, (caption, span)) in captions.iter().zip(times).enumerate() {
        let slots = vec![
            ("caption", words(caption.join(" "))),
            ("span", vec![Part::Span(span)]),
        ];
        drafts.push(
            Draft::video(
                Task::Tvg,
                format!("{video}_{index}"),
                format!("{video}.mp4"),
            )
            .ask("tvg", slots),
        );
    }
    Ok(())
}
