//! Charades-STA: one sentence and one span in seconds. The original's lines, the `COCO` form of `TimeChat`, and the form
//! that LLaVA-ST evaluates, whose times are shares of the video already.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Side, SideKey, Sides,
    Source, stem, words,
};

pub(super) struct CharadesSta;

static INFO: Info = Info {
    name: "charades_sta",
    version: 1,
    about: "One sentence and one span of a Charades video; evaluation only in ST-Align.",
    files: &[
        Files {
            form: "lines",
            pattern: "charades_sta_*.txt",
            container: Container::Lines,
            means: "VIDEO START END##SENTENCE, seconds",
        },
        Files {
            form: "coco",
            pattern: "*coco_format*.json",
            container: Container::JsonListAt(&["annotations"]),
            means: "{image_id, caption, timestamp}, seconds",
        },
        Files {
            form: "fractions",
            pattern: "llava_st_*.json",
            container: Container::Json,
            means: "{image_id, caption, timestamp}, shares of the video",
        },
    ],
    sides: &[Side {
        name: "lengths",
        pattern: "Charades_v1_*.csv",
        container: Container::Csv,
        key: SideKey::Field("id"),
        fields: &["length"],
        needed: false,
    }],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tvg],
    open_questions: &[
        "That the evaluation file's times are shares of the video is inferred from how they are compared; a time above 1 is refused, with the unit it would fit.",
    ],
    example: Sample::new(
        "fractions",
        r#"{"image_id": "QQ0A1.mp4", "caption": "person opens the drawer.", "timestamp": [0.15, 0.366]}"#,
    ),
};

/// A sentence and its span, in the unit of its form.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) image_id: String,
    pub(super) caption: String,
    pub(super) timestamp: [f64; 2],
}

impl Source for CharadesSta {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        out.split_of_name(item.file_stem())?;
        let Item {
            image_id,
            caption,
            timestamp,
        } = match item.form {
            "lines" => line(&item.text()?)?,
            _ => item.parse()?,
        };
        let id = format!("{}_{}_{}", stem(&image_id), item.file_stem(), item.row);
        let mut draft = Draft::video(Task::Tvg, id, &image_id);
        if item.form == "fractions" {
            draft = draft.timed(TimeConvention::FRACTION);
        } else if let Some(length) = sides.find("lengths", stem(&image_id)) {
            let seconds = length["length"].as_str().and_then(|text| text.parse().ok());
            draft = draft.lasting(seconds.ok_or(Reject::shape("`length` is no number"))?);
        }
        let event = caption.trim().trim_end_matches('.');
        out.push(draft.ask(
            "tvg",
            vec![
                ("caption", words(event)),
                ("span", vec![Part::Span(timestamp)]),
            ],
        ));
        Ok(())
    }
}

/// `VIDEO START END##SENTENCE`.
pub(super) fn line(text: &str) -> Result<Item, Reject> {
    let wrong = || Reject::shape("a line must read `VIDEO START END##SENTENCE`");
    let (head, caption) = text.split_once("##").ok_or_else(wrong)?;
    let [video, start, end] = head
        .split_whitespace()
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| wrong())?;
    let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    Ok(Item {
        image_id: format!("{video}.mp4"),
        caption: caption.to_owned(),
        timestamp: [number(start)?, number(end)?],
    })
}
