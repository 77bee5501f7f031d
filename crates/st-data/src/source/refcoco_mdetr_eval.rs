//! The evaluation files of `RefCOCO`, `RefCOCO`+ and `RefCOCOg` in MDETR's form: `images` and `annotations` in parallel, xywh in pixels.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, words,
};

static INFO: Info = Info {
    name: "refcoco_mdetr_eval",
    version: 1,
    about: "The evaluation files of RefCOCO, RefCOCO+ and RefCOCOg, as MDETR has them.",
    files: &[Files {
        form: "mdetr",
        pattern: "refcoco*.json",
        container: Container::JsonDocument,
        means: "{images, annotations} in parallel; xywh in pixels",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: Some(BoxConvention::XYWH_PIXELS),
    tasks: &[Task::Rec],
    open_questions: &[],
    example: Sample::new(
        "mdetr",
        r#"{"images": [{"file_name": "COCO_train2014_000000900101.jpg", "height": 480, "width": 640, "id": 0, "caption": "second person red cap"}], "annotations": [{"image_id": 0, "id": 0, "bbox": [200.0, 30.0, 90.5, 310.0]}]}"#,
    ),
};

pub(super) struct RefcocoMdetrEval;

impl Source for RefcocoMdetrEval {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Document {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    caption: String,
}

#[derive(Deserialize)]
struct Annotation {
    id: u64,
    bbox: [f64; 4],
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Document {
        images,
        annotations,
    } = item.parse()?;
    if images.len() != annotations.len() {
        return Err(Reject::shape(format!(
            "{} images and {} annotations, which should be parallel",
            images.len(),
            annotations.len()
        )));
    }
    for (image, annotation) in images.into_iter().zip(annotations) {
        let id = format!("{}_{}", item.file_stem(), image.id);
        if image.id != annotation.id {
            let message = format!(
                "image {} stands beside annotation {}",
                image.id, annotation.id
            );
            drafts.refuse(id, Reject::unusable("ids-differ", message));
            continue;
        }
        drafts.push(
            Draft::image(Task::Rec, id, image.file_name)
                .size(image.width, image.height)
                .ask(
                    "rec",
                    vec![
                        ("phrase", words(image.caption.trim())),
                        ("box", vec![Part::Box(annotation.bbox)]),
                    ],
                ),
        );
    }
    Ok(())
}
