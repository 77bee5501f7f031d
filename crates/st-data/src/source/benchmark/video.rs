//! STVG, SVG and ELC of ST-Align's benchmark, from `VidSTG`'s sentences and `VidOR`'s boxes.
//!
//! `meta.split` is `used_segment`, both ends inclusive; `<s>` and `<e>` are the event's first and last frame, so the exclusive
//! end of `temporal_gt` loses one. Boxes are x, y, width and height in pixels, as `VidOR` has them: neither cut to the picture
//! nor rounded. The wording is that of the original's demo; the released files' own is not published.

use serde_json::{Map, Value, json};

use super::super::draft::within_sentence;
use super::super::vidor::Video;
use super::super::vidstg::{Item, Sentence};
use super::super::{RawItem, Reject, Sides};
use super::{Benchmark, Choice, End, Entry, Sentences, is_split, number};

/// What is asked after a sentence of stvg.
const WHERE: &str =
    "Please describe the location of the corresponding subject/object in this video.";

pub(super) fn sentences(
    benchmark: Benchmark,
    item: &RawItem<'_>,
    sides: &Sides,
    choice: &Choice,
) -> Result<Sentences, Reject> {
    let raw: Item = item.parse()?;
    let split = item.file_stem().split('_').next().unwrap_or_default();
    let captions = raw.captions.iter().map(|said| (said, false));
    let all = captions.chain(raw.questions.iter().map(|said| (said, true)));
    let named = all.enumerate().map(|(number, (said, question))| {
        let id = format!("{}_{}_{number}", raw.vid, item.row);
        (id, said, question)
    });
    if !is_split(choice, split) {
        return Ok(named.map(|(id, _, _)| (id, End::LeftOut)).collect());
    }
    let video = raw.video(sides)?;
    let end = |said: &Sentence, question: bool| {
        if question && (choice.declarative || benchmark == Benchmark::Elc) {
            return End::LeftOut;
        }
        match record(benchmark, &raw, &video, said, question) {
            Ok(record) => End::Entry(Entry::Record(record)),
            Err(reject) => End::Refused(reject),
        }
    };
    Ok(named
        .map(|(id, said, question)| (id, end(said, question)))
        .collect())
}

fn record(
    benchmark: Benchmark,
    raw: &Item,
    video: &Video,
    said: &Sentence,
    question: bool,
) -> Result<Value, Reject> {
    let (first, last) = (raw.temporal_gt.begin_fid, raw.temporal_gt.end_fid - 1);
    let [from, to] = [raw.used_segment.begin_fid, raw.used_segment.end_fid];
    if first < from || last > to {
        let message = format!("the event is frames {first} to {last}, the segment {from} to {to}");
        return Err(Reject::unusable("event-outside-segment", message));
    }
    let tube = raw.tube(video, said.target_id);
    let sized = |[x1, y1, x2, y2]: [f64; 4]| [x1, y1, x2 - x1, y2 - y1].map(number);
    let boxes: Map<String, Value> = tube
        .iter()
        .map(|(frame, corners)| (frame.to_string(), json!(sized(*corners))))
        .collect();
    let mut spatial = Map::new();
    if benchmark == Benchmark::Elc {
        let start = tube.first().filter(|(frame, _)| *frame == first);
        let (_, corners) = start.ok_or_else(|| {
            Reject::unusable(
                "no-box-at-start",
                "the object has no box at the event's start",
            )
        })?;
        spatial.insert("<bbox>".into(), json!(sized(*corners)));
    } else if benchmark == Benchmark::Svg && boxes.is_empty() {
        return Err(Reject::Nothing("the object has no box during the event"));
    }
    spatial.insert("<bboxes>".into(), boxes.into());
    let (ask, say) = wording(benchmark, &said.description, question);
    Ok(json!({
        "video_path": format!("{}.mp4", raw.vid),
        "meta": {
            "width": raw.width,
            "height": raw.height,
            "split": [from, to],
            "spatial_token": spatial,
            "time_token": {"<s>": first, "<e>": last},
        },
        "conversations": [
            {"from": "human", "value": format!("<video>\n{ask}")},
            {"from": "gpt", "value": say},
        ],
    }))
}

/// Question and answer, with the marks that the original's reader fills.
fn wording(benchmark: Benchmark, description: &str, question: bool) -> (String, String) {
    let text = description.trim();
    let event = within_sentence(text);
    match (benchmark, question) {
        (Benchmark::Svg, true) => (format!("From <s> to <e>, {text}"), "Object bounding box: <bboxes>".into()),
        (Benchmark::Svg, false) => (
            format!("From <s> to <e>, {event}. Can you identify the position of the corresponding subject/object within this video?"),
            "Object bounding box: <bboxes>".into(),
        ),
        (Benchmark::Elc, _) => (
            "Starts in <s>, what happened about the subject/object within the specified region <bbox>? Where is the corresponding subject/object located?".into(),
            format!("Ends in <e>, {text} Object bounding box: <bboxes>"),
        ),
        (_, true) => (format!("{text} {WHERE}"), "From <s> to <e>. Object bounding box: <bboxes>".into()),
        (_, false) => (
            format!("At which time interval in the video can we see {event} occurring? {WHERE}"),
            "From <s> to <e>. Object bounding box: <bboxes>".into(),
        ),
    }
}
