//! `DiDeMo`: a sentence and, from four to seven annotators, a pair of five-second chunks, both inclusive.

use std::collections::BTreeMap;

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::{EndConvention, TimeConvention, TimeUnit};

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, words,
};

pub(super) struct DiDeMo;

/// Seconds of a chunk.
const CHUNK: f64 = 5.0;

static INFO: Info = Info {
    name: "didemo",
    version: 1,
    about: "A sentence about a video of at most 30 s and the chunks of 5 s in which annotators see it.",
    files: &[Files {
        form: "list",
        pattern: "*_data.json",
        container: Container::Json,
        means: "{description, times[[first chunk, last chunk]], num_segments, video}; chunks count from 0, the last one is inside",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention {
        unit: TimeUnit::Steps { seconds: CHUNK },
        end: EndConvention::Inclusive,
    }),
    boxes: None,
    tasks: &[Task::Tvg],
    open_questions: &[
        "The files name no lengths. Without --durations a video lasts num_segments times 5 s, noted as `length-from-chunks`: up to a chunk too long.",
        "Where no pair has more annotators than every other, the sentence is refused as `annotators-tied` instead of taking one.",
    ],
    example: Sample::new(
        "list",
        r#"{"num_segments": 6, "description": "a balloon drifts behind the tower.", "dl_link": "https://flickr.invalid/1", "times": [[2, 2], [2, 2], [2, 3], [2, 2]], "video": "00000001@N01_1000000001_aaaaaaaaaa.mov", "annotation_id": 900001}"#,
    ),
};

#[derive(Deserialize)]
struct Item {
    num_segments: u32,
    description: String,
    times: Vec<[u32; 2]>,
    video: String,
    annotation_id: u64,
}

impl Source for DiDeMo {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        out.split(match item.file_stem() {
            "val_data" => "val",
            "test_data" => "test",
            _ => "train",
        })?;
        let raw: Item = item.parse()?;
        let [first, last] = majority(&raw.times)?;
        if last >= raw.num_segments {
            let message = format!("chunk {last} of a video of {} chunks", raw.num_segments);
            return Err(Reject::unusable("chunk-outside", message));
        }
        let span = [f64::from(first), f64::from(last)];
        let draft = Draft::video(Task::Tvg, raw.annotation_id.to_string(), raw.video)
            .assumed(f64::from(raw.num_segments) * CHUNK, "length-from-chunks");
        let caption = raw.description.trim().trim_end_matches('.');
        out.push(draft.ask(
            "tvg",
            vec![
                ("caption", words(caption)),
                ("span", vec![Part::Span(span)]),
            ],
        ));
        Ok(())
    }
}

/// The pair that most annotators chose.
fn majority(times: &[[u32; 2]]) -> Result<[u32; 2], Reject> {
    let mut votes: BTreeMap<[u32; 2], usize> = BTreeMap::new();
    for &pair in times {
        *votes.entry(pair).or_default() += 1;
    }
    let most = votes.values().copied().max();
    let most = most.ok_or(Reject::Nothing("no annotator gave a time"))?;
    let mut first = votes.iter().filter(|(_, count)| **count == most);
    match (first.next(), first.next()) {
        (Some((&pair, _)), None) => Ok(pair),
        _ => Err(Reject::unusable(
            "annotators-tied",
            format!("no pair of chunks has more annotators than every other: {times:?}"),
        )),
    }
}
