//! Benchmark files in the shapes that the original's evaluation reads.
//!
//! Each item carries the scene's other objects in a field of its own, so that an answer that finds an object, but not the
//! named one, can be told from an answer that finds nothing.

use serde_json::{Map, Value, json};

use super::questions::{elc_caption, stvg_question, svg_question, tvg_caption};
use super::scene::{Object, Scene};

/// Two decimals of a pixel.
fn pixels(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// x, y, width, height in pixels.
fn xywh(scene: &Scene, object: &Object, frame: u64) -> [f64; 4] {
    let [x1, y1, x2, y2] = object.bbox(frame);
    let [width, height] = scene.size.map(f64::from);
    [
        x1 * width,
        y1 * height,
        (x2 - x1) * width,
        (y2 - y1) * height,
    ]
    .map(pixels)
}

/// A box for every frame in view.
fn boxes(scene: &Scene, object: &Object) -> Map<String, Value> {
    (object.first..=object.last)
        .map(|frame| (frame.to_string(), json!(xywh(scene, object, frame))))
        .collect()
}

fn others<'a>(scene: &'a Scene, object: &'a Object) -> impl Iterator<Item = &'a Object> {
    scene.objects.iter().filter(move |other| *other != object)
}

/// The scene's other objects over time.
fn other_tubes(scene: &Scene, object: &Object) -> Vec<Value> {
    others(scene, object)
        .map(|other| json!({"name": other.name(), "span": [other.first, other.last], "boxes": boxes(scene, other)}))
        .collect()
}

/// The `images` and `annotations` entries of one RefCOCO-like item.
pub(super) fn rec(scene: &Scene, object: &Object, id: usize, file: &str) -> (Value, Value) {
    let bbox = xywh(scene, object, 0);
    let other_boxes: Vec<_> = others(scene, object)
        .map(|other| xywh(scene, other, 0))
        .collect();
    let image = json!({
        "id": id, "file_name": file, "width": scene.size[0], "height": scene.size[1],
        "caption": object.name(), "dataset_name": super::SOURCE,
    });
    let annotation = json!({
        "id": id, "image_id": id, "category_id": 1, "iscrowd": 0, "area": pixels(bbox[2] * bbox[3]), "bbox": bbox,
        "other_boxes": other_boxes,
    });
    (image, annotation)
}

/// A Charades-like item: one caption, one span as fractions.
pub(super) fn tvg(scene: &Scene, object: &Object, file: &str) -> Value {
    json!({
        "image_id": file, "caption": tvg_caption(object), "timestamp": scene.span(object),
        "objects": other_tubes(scene, object),
    })
}

/// An ST-Align item: frame numbers and pixel boxes in `meta`, placeholders in the text.
fn st_align(
    scene: &Scene,
    object: &Object,
    file: &str,
    human: &str,
    gpt: &str,
    region: bool,
) -> Value {
    let mut spatial = Map::new();
    if region {
        spatial.insert(
            "<region>".to_owned(),
            json!(xywh(scene, object, object.first)),
        );
    }
    spatial.insert("<bboxes>".to_owned(), Value::Object(boxes(scene, object)));
    json!({
        "video_path": file,
        "meta": {
            "split": [0, scene.frames - 1], "width": scene.size[0], "height": scene.size[1],
            "spatial_token": spatial, "time_token": {"<s>": object.first, "<e>": object.last},
        },
        "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": gpt}],
        "objects": other_tubes(scene, object),
    })
}

pub(super) fn stvg(scene: &Scene, object: &Object, file: &str) -> Value {
    let human = format!("<video>\n{}", stvg_question(object));
    st_align(
        scene,
        object,
        file,
        &human,
        "From <s> to <e>. Object bounding box: <bboxes>",
        false,
    )
}

pub(super) fn svg(scene: &Scene, object: &Object, file: &str) -> Value {
    let human = format!("<video>\nFrom <s> to <e>, {}", svg_question(object));
    st_align(
        scene,
        object,
        file,
        &human,
        "Object bounding box: <bboxes>",
        false,
    )
}

pub(super) fn elc(scene: &Scene, object: &Object, file: &str) -> Value {
    let human = "<video>\nStarts in <s>, what happened about the subject/object within the specified region <region>? ";
    let gpt = format!(
        "Ends in <e>, {}. Object bounding box: <bboxes>",
        elc_caption(object)
    );
    st_align(scene, object, file, human, &gpt, true)
}
