//! Charades-STA as LLaVA-ST evaluates it: a list of `{image_id, caption, timestamp}` whose times are shares of the video, with
//! three decimals. From the authors' lines or `TimeChat`'s form, both in seconds, and the lengths in Charades' CSV files.
//!
//! Times beyond the video are cut to its end and spans without length are kept, both with a note: the benchmark's denominator is
//! every sentence.

use serde_json::json;
use st_schema::round3;

use super::super::charades_sta::{Item, line};
use super::super::{Account, RawItem, Reject, Sides, stem};
use super::{Choice, End, Entry, Sentences, is_split};

pub(super) fn sentences(
    item: &RawItem<'_>,
    sides: &Sides,
    choice: &Choice,
    account: &mut Account,
) -> Result<Sentences, Reject> {
    let raw: Item = match item.form {
        "lines" => line(&item.text()?)?,
        _ => item.parse()?,
    };
    let id = format!("{}_{}", stem(&raw.image_id), item.row);
    let split = if item.file_stem().contains("train") {
        "train"
    } else {
        "test"
    };
    if item.form == "fractions" || !is_split(choice, split) {
        return Ok(vec![(id, End::LeftOut)]);
    }
    let video = stem(&raw.image_id);
    let length = sides.entry("lengths", video)?;
    let length: Option<f64> = length["length"]
        .as_str()
        .and_then(|text| text.trim().parse().ok());
    let length = length
        .filter(|length| *length > 0.0)
        .ok_or(Reject::shape("`length` is no number above zero"))?;
    let [start, end] = raw.timestamp;
    if !(0.0 <= start && start <= end && end.is_finite()) {
        let message = format!("the span is {start} to {end} s");
        return Ok(vec![(
            id,
            End::Refused(Reject::unusable("span-reversed", message)),
        )]);
    }
    if end > length {
        account.notes(vec!["a span ends beyond its video and is cut to it".into()]);
    }
    let shares = [start, end].map(|time| round3((time / length).clamp(0.0, 1.0)));
    if shares[0] >= shares[1] {
        account.notes(vec!["a span has no length; no answer can hit it".into()]);
    }
    let record =
        json!({"image_id": format!("{video}.mp4"), "caption": raw.caption, "timestamp": shares});
    Ok(vec![(id, End::Entry(Entry::Record(record)))])
}
