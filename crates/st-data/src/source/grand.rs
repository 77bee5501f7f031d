//! `GranD`: machine-made objects, attributes and dense captions of SA-1B images.

use std::collections::BTreeMap;

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, Parts, RawItem, Reject, Sample, Sides, Source,
    stem, words,
};

pub(super) struct Grand;

static INFO: Info = Info {
    name: "grand",
    version: 1,
    about: "Machine-made objects with labels and attributes, and a dense caption, for SA-1B images.",
    files: &[Files {
        form: "image",
        pattern: "sa_*.json",
        container: Container::JsonMapAt(&[]),
        means: "image name to {objects, dense_caption, …}; the image's size stands only in segmentation.size, [height, width]",
    }],
    sides: &[],
    with: &[],
    time: None,
    boxes: Some(BoxConvention::XYXY_PIXELS),
    tasks: &[Task::Rec, Task::Reg, Task::Dgc],
    open_questions: &[
        "How ST-Align chose its subset is not known: every object and dense caption is taken.",
        "Offsets of dense captions drift, so a phrase is found again in the caption by its words; one that is not there is noted as `phrase-not-found`.",
    ],
    example: Sample::named(
        "image",
        "sa_99000002.jpg",
        r#"{"objects": [{"bbox": [300.0, 900.0, 700.0, 1800.0], "labels": ["bench"], "attributes": "istant: a red bench", "id": 1, "segmentation": {"size": [2250, 1500]}}], "dense_caption": {"caption": "A red bench stands in a park.", "details": [{"phrase": "a red bench", "tokens_positive": [0, 11], "ids": [1], "bbox": [[300.0, 900.0, 700.0, 1800.0]]}]}}"#,
    ),
};

#[derive(Deserialize)]
struct Picture {
    #[serde(default)]
    objects: Vec<Object>,
    #[serde(default)]
    dense_caption: Option<Caption>,
}

#[derive(Deserialize)]
struct Object {
    id: i64,
    bbox: [f64; 4],
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    segmentation: Option<Mask>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Attributes {
    Many(Vec<String>),
    One(String),
    #[default]
    None,
}

#[derive(Deserialize)]
struct Mask {
    /// Height, width.
    size: [u32; 2],
}

#[derive(Deserialize)]
struct Caption {
    caption: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    phrase: String,
    bbox: Vec<[f64; 4]>,
}

impl Source for Grand {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let image = item.key()?;
        let picture: Picture = item.parse()?;
        let mut masks = picture
            .objects
            .iter()
            .filter_map(|object| object.segmentation.as_ref());
        let size = masks.next().map(|mask| [mask.size[1], mask.size[0]]);
        let draft = |task: Task, what: String| {
            let mut draft = Draft::image(task, format!("{}_{what}_{task}", stem(image)), image);
            draft.size = size;
            draft
        };
        let phrases: Vec<Vec<String>> = picture.objects.iter().map(Object::phrases).collect();
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for phrase in phrases.iter().flatten() {
            *uses.entry(phrase).or_default() += 1;
        }
        for (object, phrases) in picture.objects.iter().zip(&phrases) {
            let bbox = || ("box", vec![Part::Box(object.bbox)]);
            let rec = draft(Task::Rec, object.id.to_string());
            let reg = draft(Task::Reg, object.id.to_string());
            let own = |phrase: &&String| uses.get(phrase.as_str()) == Some(&1);
            if let Some(phrase) = phrases.iter().find(own) {
                out.push(rec.ask("rec", vec![("phrase", words(phrase)), bbox()]));
            } else {
                let message = format!("no phrase of object {} is its own", object.id);
                out.refuse(rec.id, Reject::unusable("phrase-not-unique", message));
            }
            match phrases.first() {
                Some(phrase) => {
                    out.push(reg.ask("reg", vec![("phrase", words(phrase)), bbox()]));
                }
                None => out.refuse(reg.id, Reject::Nothing("the object has no words")),
            }
        }
        match picture.dense_caption {
            Some(caption) if !caption.details.is_empty() => {
                let (parts, all) = caption.parts();
                let mut draft = draft(Task::Dgc, "caption".into());
                if !all {
                    draft = draft.repaired("phrase-not-found");
                }
                out.push(draft.ask("dgc", vec![("caption", parts)]));
            }
            _ => out.refuse(
                draft(Task::Dgc, "caption".into()).id,
                Reject::Nothing("the caption has no grounded phrase"),
            ),
        }
        Ok(())
    }
}

impl Object {
    /// Attributes without what the annotating model left in, then labels.
    fn phrases(&self) -> Vec<String> {
        let attributes = match &self.attributes {
            Attributes::Many(many) => many.iter().map(String::as_str).collect(),
            Attributes::One(one) => vec![one.as_str()],
            Attributes::None => Vec::new(),
        };
        let clean = |text: &str| {
            let text = text.trim();
            let text = text.strip_prefix("Assistant:").unwrap_or(text);
            text.strip_prefix("istant:")
                .unwrap_or(text)
                .trim()
                .to_owned()
        };
        attributes
            .into_iter()
            .map(clean)
            .chain(self.labels.iter().map(|label| label.replace('_', " ")))
            .filter(|phrase| !phrase.is_empty())
            .collect()
    }
}

impl Caption {
    /// The caption with boxes after its phrases, and whether all phrases were found. Longer phrases come first in the file,
    /// so that a short one does not take a place inside a long one.
    fn parts(&self) -> (Parts, bool) {
        let lower = self.caption.to_ascii_lowercase();
        let mut taken: BTreeMap<usize, (usize, &Detail)> = BTreeMap::new();
        let mut all = true;
        for detail in &self.details {
            let phrase = detail.phrase.to_ascii_lowercase();
            let free = |at: &usize| {
                let end = at + phrase.len();
                taken
                    .iter()
                    .all(|(&start, &(stop, _))| end <= start || stop <= *at)
            };
            let found = lower.match_indices(&phrase).map(|(at, _)| at).find(free);
            match found.filter(|_| !phrase.is_empty()) {
                Some(at) => drop(taken.insert(at, (at + phrase.len(), detail))),
                None => all = false,
            }
        }
        let mut parts = Parts::new();
        let mut copied = 0;
        for (_, (end, detail)) in taken {
            parts.push(Part::Text(format!("{} ", &self.caption[copied..end])));
            parts.extend(detail.bbox.iter().copied().map(Part::Box));
            copied = end;
        }
        parts.push(Part::Text(self.caption[copied..].to_owned()));
        (parts, all)
    }
}
