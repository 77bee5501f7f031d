//! MUSE (`PixelLM`): one item for each image, with questions, answers as lists of boxes, and texts with `{seg}` marks in the
//! boxes' order. xywh in pixels.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, Parts, RawItem, Reject, Sample, Sides, Source,
};

static INFO: Info = Info {
    name: "muse",
    version: 1,
    about: "Questions about several objects of an image, answered with masks and boxes.",
    files: &[Files {
        form: "items",
        pattern: "*.json",
        container: Container::Json,
        means: "a list of {file_name or coco_url, width, height, questions, answers, text_answers}; xywh in pixels",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: Some(BoxConvention::XYWH_PIXELS),
    tasks: &[Task::Igc],
    open_questions: &[
        "How ST-Align chose its part of MUSE is not known: every pair with matching marks is taken.",
    ],
    example: Sample::new(
        "items",
        r#"{"file_name": "COCO_train2014_000000900001.jpg", "height": 480, "width": 640, "questions": ["What could a gardener look after?"], "text_answers": ["The plant {seg}."], "answers": [[{"category_name": "potted plant", "bbox": [300.0, 20.0, 88.0, 140.0]}]]}"#,
    ),
};

pub(super) struct Muse;

impl Source for Muse {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

const MARK: &str = "{seg}";

#[derive(Deserialize)]
struct Item {
    file_name: Option<String>,
    coco_url: Option<String>,
    width: u32,
    height: u32,
    questions: Vec<String>,
    answers: Vec<Vec<Object>>,
    text_answers: Option<Vec<Option<String>>>,
}

#[derive(Deserialize)]
struct Object {
    category_name: String,
    rephrased_name: Option<String>,
    bbox: [f64; 4],
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    drafts.split_of_name(item.file_stem())?;
    let item: Item = item.parse()?;
    let image = image(&item)?;
    let texts = item.text_answers.as_deref();
    let texts_fit = texts.is_none_or(|texts| texts.len() == item.questions.len());
    if item.answers.len() != item.questions.len() || !texts_fit {
        return Err(Reject::shape("questions and answers differ in number"));
    }
    for (index, (question, objects)) in item.questions.iter().zip(&item.answers).enumerate() {
        let id = format!("{image}_{index}");
        let text = texts.and_then(|texts| texts[index].as_deref());
        let answer = match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => marked(text, objects),
            None => named(objects),
        };
        match answer {
            Err(reject) => drafts.refuse(id, reject),
            Ok(answer) => drafts.push(
                Draft::image(Task::Igc, id, image.as_str())
                    .size(item.width, item.height)
                    .say(vec![question.trim().into()], answer),
            ),
        }
    }
    Ok(())
}

/// `train2014/COCO_train2014_….jpg` from a COCO file name, `train2017/….jpg` from the last two parts of an LVIS address.
fn image(item: &Item) -> Result<String, Reject> {
    if let Some(name) = &item.file_name {
        let folder = name
            .strip_prefix("COCO_")
            .and_then(|rest| rest.split_once('_'));
        return Ok(match folder {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.clone(),
        });
    }
    let mut parts = item.coco_url.iter().flat_map(|url| url.rsplit('/'));
    match (parts.next(), parts.next()) {
        (Some(name), Some(folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok(format!("{folder}/{name}"))
        }
        _ => Err(Reject::shape("no file_name, no coco_url: no image")),
    }
}

/// The text, with a box after what each mark stands for.
fn marked(text: &str, objects: &[Object]) -> Result<Parts, Reject> {
    let pieces: Vec<&str> = text.trim().split(MARK).collect();
    if pieces.len() != objects.len() + 1 {
        let marks = pieces.len() - 1;
        let message = format!("{marks} {MARK} marks for {} boxes", objects.len());
        return Err(Reject::unusable("marks-differ", message));
    }
    let mut parts = vec![Part::from(pieces[0])];
    for (object, piece) in objects.iter().zip(&pieces[1..]) {
        parts.extend([Part::Box(object.bbox), (*piece).into()]);
    }
    Ok(parts)
}

/// An answer made of names, as `PixelLM` does where the text is missing: "a blue teapot […], a cup […]".
fn named(objects: &[Object]) -> Result<Parts, Reject> {
    if objects.is_empty() {
        return Err(Reject::Nothing("neither text nor boxes"));
    }
    let mut parts = Parts::new();
    for object in objects {
        let name = object
            .rephrased_name
            .as_deref()
            .unwrap_or(&object.category_name);
        let comma = if parts.is_empty() { "" } else { ", " };
        let words = format!("{comma}{} ", name.trim());
        parts.extend([words.into(), Part::Box(object.bbox)]);
    }
    Ok(parts)
}
