//! The report as one page that needs nothing else: charts, and samples with frames, boxes and a time line.
//!
//! The page asks for nothing from elsewhere, and its content policy forbids it. It stays under [`LIMIT`] bytes however large the
//! dataset is: counts do not grow with records, texts are shortened, and samples lose their frames before the limit is reached.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, context};
use serde::Serialize;
use serde_json::{Value, json};
use st_schema::{ClipId, FramePlan, Frames, Task};
use st_shard::{ShardError, ShardReader, decode_jpeg, encode_jpeg};

use super::report::{Place, Report, Sample};
use crate::browse::{Part, Story};

/// Bytes that a page stays under.
pub const LIMIT: usize = 10_000_000;

/// Bytes that are kept free for what is written around frames.
const MARGIN: usize = 200_000;
/// Samples of a page: all that a report has, unless their texts are too long.
const SAMPLES: usize = 540;
/// Bytes of all samples' texts.
const SAMPLE_BYTES: usize = 2_500_000;
/// Letters of a text that the page shows.
const LETTERS: usize = 600;
/// Pixels of the longer side of a sample's frames.
const SIDE: u32 = 256;
/// JPEG quality of a sample's frames.
const QUALITY: u8 = 70;

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The template does not fit.
    #[error("cannot make the report page")]
    Template(#[from] minijinja::Error),
    /// The numbers cannot be written as JSON.
    #[error("cannot make the report page")]
    Json(#[from] serde_json::Error),
    /// A clip's stored frames are damaged.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The numbers alone are too many.
    #[error(
        "the report page would have {bytes} bytes; make it of fewer dataset files, or use --json"
    )]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
}

/// A sample as the page draws it.
#[derive(Serialize)]
struct Card<'a> {
    id: String,
    task: Option<Task>,
    source: &'a str,
    media: &'a str,
    place: &'a Place,
    flags: &'a [String],
    story: Story,
    #[serde(flatten)]
    clip: Pictures,
}

/// Frames of a sample's clip.
#[derive(Default, Serialize)]
struct Pictures {
    /// JPEGs as `data:` addresses.
    frames: Vec<String>,
    /// Shares of the clip.
    times: Vec<f64>,
    /// Seconds in the file.
    seconds: Vec<f64>,
    /// The clip's first and last stored second.
    start: f64,
    end: f64,
    /// Width over height of the original.
    aspect: f64,
    /// How far from a frame a tube's box still belongs to it.
    reach: f64,
    /// Frames that the shards hold.
    stored: usize,
}

/// The page. Samples show frames where `shards` hold their clips.
///
/// # Errors
/// When a sample's frames are damaged, or the numbers alone go beyond [`LIMIT`].
pub fn html(report: &Report, shards: &[ShardReader]) -> Result<String, HtmlError> {
    let mut bare = report.clone();
    bare.samples.clear();
    let mut numbers = serde_json::to_value(&bare)?;
    shorten(&mut numbers);

    let mut cards = Vec::new();
    let mut bytes = 0;
    for sample in report.samples.iter().take(SAMPLES) {
        let card = card(sample);
        bytes += serde_json::to_vec(&card)?.len();
        if bytes > SAMPLE_BYTES {
            break;
        }
        cards.push(card);
    }
    let used = page(report, &numbers, &cards)?.len() + MARGIN;
    if used > LIMIT {
        return Err(HtmlError::TooLarge { bytes: used });
    }
    let mut left = LIMIT - used;
    let order = by_turns(&cards);
    for &at in &order {
        let pictures = pictures(&report.samples[at], &cards[at].story, shards)?;
        let bytes: usize = pictures.frames.iter().map(String::len).sum();
        if bytes <= left {
            left -= bytes;
            cards[at].clip = pictures;
        }
    }
    let mut places: Vec<Option<Card<'_>>> = cards.into_iter().map(Some).collect();
    let cards: Vec<Card<'_>> = order
        .into_iter()
        .filter_map(|at| places[at].take())
        .collect();
    page(report, &numbers, &cards)
}

/// The order in which cards are shown and get frames: the first of every task and source, then the second of each, and so on,
/// so that what is seen first is of every kind, and no kind goes without frames while another has many.
fn by_turns(cards: &[Card<'_>]) -> Vec<usize> {
    let mut seen: BTreeMap<(Option<Task>, &str), usize> = BTreeMap::new();
    let mut turns: Vec<(usize, usize)> = Vec::new();
    for (at, card) in cards.iter().enumerate() {
        let turn = seen.entry((card.task, card.source)).or_default();
        turns.push((*turn, at));
        *turn += 1;
    }
    turns.sort_unstable();
    turns.into_iter().map(|(_, at)| at).collect()
}

fn page(report: &Report, numbers: &Value, cards: &[Card<'_>]) -> Result<String, HtmlError> {
    let names: Vec<&str> = report
        .datasets
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let title = match names.as_slice() {
        [] => "Dataset report".to_owned(),
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        some => some.join(", "),
    };
    let data = serde_json::to_string(&json!({ "report": numbers, "samples": cards }))?;
    let mut environment = Environment::new();
    environment.add_template("stats.html", include_str!("html/report.html"))?;
    Ok(environment.get_template("stats.html")?.render(context! {
        title => title,
        look => include_str!("../look/look.css"),
        clip => include_str!("../look/clip.js"),
        script => include_str!("html/report.js"),
        // Nothing in a text can end the element that holds it.
        data => data.replace('<', "\\u003c"),
    })?)
}

/// Shortens every text of a value.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(short) = shortened(text) {
                *text = short;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

fn shortened(text: &str) -> Option<String> {
    let (at, _) = text.char_indices().nth(LETTERS)?;
    Some(format!("{}…", &text[..at]))
}

fn card(sample: &Sample) -> Card<'_> {
    let mut story = Story::of(&sample.record);
    for part in story.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        if let Part::Text(text) = part
            && let Some(short) = shortened(text)
        {
            *text = short;
        }
    }
    Card {
        id: sample.record.id.to_string(),
        task: sample.record.task,
        source: &sample.source,
        media: &sample.media,
        place: &sample.place,
        flags: &sample.flags,
        story,
        clip: Pictures::default(),
    }
}

/// Small copies of some frames of a sample's clip; none where no shard holds it.
fn pictures(sample: &Sample, story: &Story, shards: &[ShardReader]) -> Result<Pictures, HtmlError> {
    let id = ClipId(sample.clip.clone());
    let mut held = shards.iter().filter_map(|one| Some((one, one.find(&id)?)));
    let Some((reader, number)) = held.next() else {
        return Ok(Pictures::default());
    };
    let entry = &reader.entries()[number];
    let (facts, jpegs) = (reader.facts(number)?, reader.jpegs(number)?);
    let plan = FramePlan {
        frames: reader.manifest().settings.frames as usize,
    };
    let times: Vec<f64> = facts
        .places
        .iter()
        .map(|place| plan.fraction(*place as usize))
        .collect();
    let aspect = f64::from(entry.source_width.max(1)) / f64::from(entry.source_height.max(1));
    let steps = u32::try_from(plan.frames.max(2) - 1).unwrap_or(u32::MAX);
    let mut pictures = Pictures {
        start: facts.seconds.first().copied().unwrap_or_default(),
        end: facts.seconds.last().copied().unwrap_or_default(),
        aspect,
        reach: 0.5 / f64::from(steps) + 1e-9,
        stored: jpegs.len(),
        ..Pictures::default()
    };
    for at in chosen(&times, story) {
        pictures
            .frames
            .push(small(jpegs[at], entry.width, entry.height, aspect)?);
        pictures.times.push(times[at]);
        pictures.seconds.extend(facts.seconds.get(at));
    }
    Ok(pictures)
}

/// Four frames over the whole clip and six over the last span named, or over the first tube.
fn chosen(times: &[f64], story: &Story) -> Vec<usize> {
    let tube = story.tubes.first().map(|tube| {
        let ends = |pick: fn(f64, f64) -> f64, from| tube.times.iter().copied().fold(from, pick);
        [ends(f64::min, 1.0), ends(f64::max, 0.0)]
    });
    let [from, to] = story
        .spans
        .last()
        .map(|span| span.at)
        .or(tube)
        .unwrap_or([0.0, 1.0]);
    let whole = (0..4).map(|at| f64::from(at) / 3.0);
    let inside = (0..6).map(|at| from + (to - from) * f64::from(at) / 5.0);
    let nearest = |wanted: f64| {
        let distance = |at: &usize| (times[*at] - wanted).abs();
        (0..times.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let mut chosen: Vec<usize> = whole.chain(inside).filter_map(nearest).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// A stored frame in its original shape, small, as a `data:` address.
fn small(jpeg: &[u8], width: u32, height: u32, aspect: f64) -> Result<String, HtmlError> {
    let (wide, high) = (width as usize, height as usize);
    let mut frames = Frames {
        count: 1,
        width: wide,
        height: high,
        rgb: vec![0; 3 * wide * high],
    };
    decode_jpeg(jpeg, wide, high, &mut frames.rgb)?;
    let [across, down] = fitted(aspect);
    let frames = st_media::resize(&frames, across, down);
    let jpeg = encode_jpeg(&frames.rgb, across, down, QUALITY)?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

/// Width and height of a picture of this shape whose longer side is [`SIDE`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the sides are clamped first"
)]
fn fitted(aspect: f64) -> [u32; 2] {
    let side = f64::from(SIDE);
    [side * aspect.min(1.0), side / aspect.max(1.0)]
        .map(|length| length.round().clamp(8.0, side) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_the_shape_of_the_picture() {
        assert_eq!(fitted(16.0 / 9.0), [256, 144]);
        assert_eq!(fitted(0.5), [128, 256]);
        assert_eq!(fitted(1000.0), [256, 8]);
    }

    #[test]
    fn frames_of_the_whole_and_of_the_span_are_chosen() {
        let times: Vec<f64> = (0..100).map(|at| f64::from(at) / 99.0).collect();
        let mut story = Story::default();
        assert_eq!(chosen(&times, &story), [0, 20, 33, 40, 59, 66, 79, 99]);
        story.spans.push(crate::browse::StorySpan {
            side: crate::browse::Side::Answered,
            at: [0.5, 0.55],
        });
        let near = chosen(&times, &story);
        assert!(
            near.iter().filter(|at| (49..=55).contains(*at)).count() >= 5,
            "{near:?}"
        );
        assert!(chosen(&[], &story).is_empty());
    }

    #[test]
    fn no_text_ends_the_element_that_holds_it() {
        let mut report = super::super::examine(
            &super::super::Audit::default(),
            &super::super::Look::default(),
            &|_| (),
        )
        .unwrap()
        .report;
        report.text.words.push(super::super::Counted {
            text: format!("</script><script>alert(1)</script>{}", "x".repeat(2000)),
            count: 1,
        });
        let page = html(&report, &[]).unwrap();
        assert!(!page.contains("<script>alert"));
        assert!(page.contains("\\u003c/script>") && !page.contains(&"x".repeat(700)));
    }
}
