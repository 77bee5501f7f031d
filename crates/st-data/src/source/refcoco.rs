//! `RefCOCO`, `RefCOCO`+ and `RefCOCOg`: pickled lists of refs beside COCO's `instances.json`; xywh in pixels. Also Shikra's one-line
//! form, xyxy. Each sentence gives a rec and a reg record.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::referring::{Image, both, shikra};
use super::{
    Container, Drafts, Files, Info, RawItem, Reject, Sample, Side, SideKey, Sides, Source,
};

/// COCO's images and annotations, both in `instances.json`.
const COCO: &[Side] = &[
    Side {
        name: "images",
        pattern: "instances.json",
        container: Container::JsonListAt(&["images"]),
        key: SideKey::Field("id"),
        fields: &["file_name", "width", "height"],
        needed: false,
    },
    Side {
        name: "annotations",
        pattern: "instances.json",
        container: Container::JsonListAt(&["annotations"]),
        key: SideKey::Field("id"),
        fields: &["image_id", "bbox", "area", "iscrowd"],
        needed: false,
    },
];

const FILES: &[Files] = &[
    Files {
        form: "google-unasked",
        pattern: "refs(google).p",
        container: Container::PickleList,
        means: "Google's partition, refused unless it is named as google:PATH",
    },
    Files {
        form: "google",
        pattern: "refs(google).p",
        container: Container::PickleList,
        means: "Google's partition, which has no test split; xywh in pixels",
    },
    Files {
        form: "refs",
        pattern: "refs(*).p",
        container: Container::PickleList,
        means: "a list of refs with their sentences, beside instances.json; xywh in pixels",
    },
    Files {
        form: "shikra",
        pattern: "*.jsonl",
        container: Container::Json,
        means: "Shikra's lines of {img_path, expression, bbox, width, height}; xyxy in pixels",
    },
];

/// What differs between the three.
const fn info(name: &'static str, about: &'static str) -> Info {
    Info {
        name,
        version: 1,
        about,
        files: FILES,
        sides: COCO,
        with: &[],
        time: None,
        boxes: Some(BoxConvention::XYWH_PIXELS),
        tasks: &[Task::Rec, Task::Reg],
        open_questions: &[
            "refs and Shikra's lines tell of the same objects: give one of them.",
            "The pickles' protocol and string types are not confirmed: protocols 0 to 5 and 8-bit strings are read.",
        ],
        example: Sample::new(
            "shikra",
            r#"{"img_path": "COCO_train2014_000000900101.jpg", "expression": "man on far left", "bbox": [10.25, 20.5, 110.25, 321.25], "height": 480, "width": 640}"#,
        ),
    }
}

static REFCOCO: Info = info(
    "refcoco",
    "Objects of COCO images and short expressions for them, some by place.",
);
static REFCOCO_PLUS: Info = info(
    "refcoco_plus",
    "Objects of COCO images and short expressions for them, none by place.",
);
static REFCOCOG: Info = info(
    "refcocog",
    "Objects of COCO images and whole sentences about them.",
);

/// One of the three sets.
pub(super) struct Refer(&'static Info);

/// `RefCOCO`.
pub(super) static REFCOCO_SET: Refer = Refer(&REFCOCO);
/// `RefCOCO`+.
pub(super) static REFCOCO_PLUS_SET: Refer = Refer(&REFCOCO_PLUS);
/// `RefCOCOg`.
pub(super) static REFCOCOG_SET: Refer = Refer(&REFCOCOG);

impl Source for Refer {
    fn info(&self) -> &'static Info {
        self.0
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

/// An object that sentences speak of.
#[derive(Deserialize)]
pub(super) struct Ref {
    #[serde(rename = "ref_id")]
    pub(super) id: u64,
    pub(super) ann_id: u64,
    pub(super) image_id: u64,
    #[serde(default)]
    pub(super) category_id: u64,
    pub(super) split: String,
    pub(super) sentences: Vec<Sentence>,
}

/// A sentence, its words in lower case and without punctuation.
#[derive(Deserialize)]
pub(super) struct Sentence {
    pub(super) sent_id: u64,
    pub(super) sent: String,
}

/// The object's annotation in COCO.
#[derive(Deserialize)]
pub(super) struct Annotation {
    image_id: u64,
    /// Left, top, width and height in pixels.
    pub(super) bbox: [f64; 4],
    /// Of the object's mask, in pixels.
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: u8,
}

impl Ref {
    /// The object's annotation, and its image.
    pub(super) fn object(&self, sides: &Sides) -> Result<(Annotation, Image), Reject> {
        let annotation: Annotation = sides.parse("annotations", &self.ann_id.to_string())?;
        if annotation.image_id != self.image_id {
            let message = format!(
                "ref {} is about image {}, its annotation {} about image {}",
                self.id, self.image_id, self.ann_id, annotation.image_id
            );
            return Err(Reject::unusable("images-differ", message));
        }
        // The file name of the ref has a number more; the one of the image is that of the file.
        let image: Image = sides.parse("images", &self.image_id.to_string())?;
        Ok((annotation, image))
    }
}

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "shikra" {
        return shikra(item, drafts);
    }
    if item.form == "google-unasked" {
        // The convention is unc's partition of the first two sets and umd's of the third (lichengunc/MAttNet, issue 20).
        let message = "Google's partition trains on what unc's and umd's test; name the file as google:PATH to use it";
        return Err(Reject::unusable("other-partition", message));
    }
    let item: Ref = item.parse()?;
    drafts.split(&item.split)?;
    let (annotation, image) = item.object(sides)?;
    for sentence in &item.sentences {
        let id = format!("{}_{}", item.id, sentence.sent_id);
        both(&id, &image, &sentence.sent, annotation.bbox, None, drafts);
    }
    Ok(())
}
