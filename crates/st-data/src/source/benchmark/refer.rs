//! `RefCOCO`, RefCOCO+ and `RefCOCOg` in MDETR's form, from refer's pickles and COCO's `instances.json`.
//!
//! One pair of entries for each sentence, in the order of the refs; boxes are x, y, width and height in pixels, unchanged.
//! MDETR marks in `tokens_positive` the words that name the object, found by a parser; here the whole sentence is marked. No
//! scorer of referring expressions reads it.

use serde_json::{Map, Value, json};

use super::super::refcoco::{Annotation, Ref};
use super::super::referring::Image;
use super::super::{RawItem, Reject, Sides};
use super::{Benchmark, Choice, End, Entry, Sentences, is_split};

pub(super) fn sentences(
    benchmark: Benchmark,
    item: &RawItem<'_>,
    sides: &Sides,
    choice: &Choice,
) -> Result<Sentences, Reject> {
    if item.form != "refs" {
        return Ok(vec![(String::new(), End::LeftOut)]);
    }
    let raw: Ref = item.parse()?;
    let names = raw
        .sentences
        .iter()
        .map(|sentence| format!("{}_{}", raw.id, sentence.sent_id));
    if !is_split(choice, &raw.split) {
        return Ok(names.map(|name| (name, End::LeftOut)).collect());
    }
    let (annotation, image) = raw.object(sides)?;
    let [_, _, width, height] = annotation.bbox;
    let empty = || {
        Reject::unusable(
            "box-empty",
            format!("the box of annotation {} is {width} x {height}", raw.ann_id),
        )
    };
    let end = |sentence: &str| {
        if width > 0.0 && height > 0.0 {
            End::Entry(pair(benchmark, &raw, &image, &annotation, sentence.trim()))
        } else {
            End::Refused(empty())
        }
    };
    Ok(names
        .zip(&raw.sentences)
        .map(|(name, sentence)| (name, end(&sentence.sent)))
        .collect())
}

fn pair(
    benchmark: Benchmark,
    raw: &Ref,
    image: &Image,
    annotation: &Annotation,
    sentence: &str,
) -> Entry {
    let dataset = match benchmark {
        Benchmark::RefcocoPlus => "refcoco+",
        Benchmark::Refcocog => "refcocog",
        _ => "refcoco",
    };
    let whole = json!([[0, sentence.chars().count()]]);
    let of = |value: Value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Entry::Pair {
        image: of(json!({
            "file_name": image.file_name,
            "height": image.height,
            "width": image.width,
            "id": 0,
            "original_id": raw.image_id,
            "caption": sentence,
            "dataset_name": dataset,
            "tokens_negative": whole,
        })),
        annotation: of(json!({
            "area": annotation.area.unwrap_or(annotation.bbox[2] * annotation.bbox[3]),
            "iscrowd": annotation.iscrowd,
            "image_id": 0,
            "category_id": raw.category_id,
            "id": 0,
            "bbox": annotation.bbox,
            "original_id": raw.ann_id,
            "tokens_positive": whole,
        })),
    }
}
