//! Flickr30k Entities: five sentences an image with marked phrases, and boxes by chain of mentions.

use std::collections::HashMap;

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, Parts, RawItem, Reject, Sample, Side, SideKey,
    Sides, Source,
};

pub(super) struct Flickr30kEntities;

const fn split_list(name: &'static str, pattern: &'static str) -> Side {
    Side {
        name,
        pattern,
        container: Container::Lines,
        key: SideKey::Line,
        fields: &[],
        needed: false,
    }
}

static INFO: Info = Info {
    name: "flickr30k_entities",
    version: 1,
    about: "Five sentences an image, phrases marked with chains of mentions, boxes for most chains.",
    files: &[Files {
        form: "sentences",
        pattern: "Sentences/*.txt",
        container: Container::TextDocument,
        means: "one sentence a line, phrases as [/EN#chain/type words]; chain 0 is nothing visible",
    }],
    sides: &[
        Side {
            name: "annotations",
            pattern: "Annotations/*.xml",
            container: Container::Xml,
            key: SideKey::FileStem,
            fields: &[],
            needed: true,
        },
        split_list("train", "train.txt"),
        split_list("val", "val.txt"),
        split_list("test", "test.txt"),
        split_list("unrelated", "UNRELATED_CAPTIONS"),
    ],
    with: &[],
    time: None,
    boxes: Some(BoxConvention::XYXY_FROM_ONE),
    tasks: &[Task::Igc, Task::Dgc],
    open_questions: &[
        "Whether UNRELATED_CAPTIONS counts sentences from 0 or 1 is not confirmed: the sentence of either reading is refused.",
        "A box whose first and last pixel are the same is taken as one without area.",
    ],
    example: Sample {
        form: "sentences",
        key: None,
        item: "[/EN#900001/people A street drummer] sits on [/EN#900002/other an upturned crate] near [/EN#900003/scene the station] .",
        sides: &[(
            "annotations",
            "example",
            r#"{"size": [{"width": ["500"], "height": ["333"]}], "object": [{"name": ["900001"], "bndbox": [{"xmin": ["121"], "ymin": ["40"], "xmax": ["301"], "ymax": ["333"]}]}, {"name": ["900003"], "scene": ["1"]}]}"#,
        )],
        durations: &[],
    },
};

/// An XML element's children are lists of texts or elements.
#[derive(Deserialize)]
struct Picture {
    size: Vec<Size>,
    #[serde(default)]
    object: Vec<Object>,
}

#[derive(Deserialize)]
struct Size {
    width: Vec<String>,
    height: Vec<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    name: Vec<String>,
    #[serde(default)]
    bndbox: Vec<HashMap<String, Vec<String>>>,
}

impl Source for Flickr30kEntities {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        let id = item.file_stem();
        let listed = ["train", "val", "test"];
        if let Some(split) = listed.iter().find(|split| sides.find(split, id).is_some()) {
            out.split(split)?;
        } else if listed.iter().any(|split| sides.has(split)) {
            out.split("unlisted")?;
        }
        let picture: Picture = sides.parse("annotations", id)?;
        let [width, height] = picture.size()?;
        let chains = picture.chains()?;
        let draft = |task, id: String, image: &str| {
            Draft::image(task, id, format!("{image}.jpg")).size(width, height)
        };
        let mut all = Parts::new();
        for (number, line) in item.text()?.lines().enumerate() {
            let name = format!("{id}_{number}");
            if let Some(reject) = unrelated(sides, id, number) {
                out.refuse(name, reject);
                continue;
            }
            let parts = sentence(line, &chains)?;
            if !parts.iter().any(|part| matches!(part, Part::Box(_))) {
                out.refuse(name, Reject::Nothing("no phrase of the sentence has a box"));
                continue;
            }
            if !all.is_empty() {
                all.push(" ".into());
            }
            all.extend(parts.iter().cloned());
            out.push(draft(Task::Igc, name, id).ask("igc", vec![("caption", parts)]));
        }
        if !all.is_empty() {
            let name = format!("{id}_all");
            out.push(draft(Task::Dgc, name, id).ask("dgc", vec![("caption", all)]));
        }
        Ok(())
    }
}

impl Picture {
    fn size(&self) -> Result<[u32; 2], Reject> {
        let side = |texts: &[String]| texts.first().and_then(|text| text.parse().ok());
        self.size
            .first()
            .and_then(|size| Some([side(&size.width)?, side(&size.height)?]))
            .ok_or(Reject::shape("the annotation has no size"))
    }

    /// Boxes by chain; a box with several names belongs to each. One without area is none.
    fn chains(&self) -> Result<HashMap<&str, Vec<[f64; 4]>>, Reject> {
        let mut chains: HashMap<&str, Vec<[f64; 4]>> = HashMap::new();
        for object in &self.object {
            for bounds in &object.bndbox {
                let mut corners = [0.0; 4];
                for (corner, name) in corners.iter_mut().zip(["xmin", "ymin", "xmax", "ymax"]) {
                    let text = bounds.get(name).and_then(|texts| texts.first());
                    let number = text.and_then(|text| text.parse().ok());
                    *corner = number.ok_or(Reject::shape("a box without its four numbers"))?;
                }
                let [x1, y1, x2, y2] = corners;
                if x1 < x2 && y1 < y2 {
                    for name in &object.name {
                        chains.entry(name).or_default().push(corners);
                    }
                }
            }
        }
        Ok(chains)
    }
}

fn unrelated(sides: &Sides, id: &str, number: usize) -> Option<Reject> {
    let listed = |number: usize| sides.find("unrelated", &format!("{id} {number}")).is_some();
    let counted = match (listed(number), listed(number + 1)) {
        (true, _) => "from 0",
        (_, true) => "from 1",
        _ => return None,
    };
    let message = format!("UNRELATED_CAPTIONS lists the sentence, if it counts {counted}");
    Some(Reject::unusable("unrelated-caption", message))
}

/// A sentence with the boxes of a phrase after it.
fn sentence(line: &str, chains: &HashMap<&str, Vec<[f64; 4]>>) -> Result<Parts, Reject> {
    let mut parts = Parts::new();
    let mut rest = line.trim();
    while let Some((before, after)) = rest.split_once("[/EN#") {
        let (mark, next) = after
            .split_once(']')
            .ok_or(Reject::shape("a phrase is not closed"))?;
        let (kinds, phrase) = mark
            .split_once(' ')
            .ok_or(Reject::shape("a phrase without words"))?;
        parts.push(Part::Text(format!("{before}{phrase}")));
        let boxes = kinds.split('/').next().and_then(|chain| chains.get(chain));
        for (number, bbox) in boxes.into_iter().flatten().enumerate() {
            if number == 0 {
                parts.push(" ".into());
            }
            parts.push(Part::Box(*bbox));
        }
        rest = next;
    }
    parts.push(Part::Text(rest.to_owned()));
    for part in &mut parts {
        if let Part::Text(text) = part {
            *text = text
                .replace(" .", ".")
                .replace(" ,", ",")
                .replace(" 's", "'s");
        }
    }
    Ok(parts)
}
