//! Something-Something V2: a JSON list whose templates, without brackets, are the classes; or `VideoChat2-IT`'s copy with
//! options.

use serde::Deserialize;
use st_schema::Task;

use super::videochat2::{self, videochat2};
use super::{
    Container, Draft, Drafts, Files, Info, RawItem, Reject, Sample, Side, SideKey, Sides, Source,
    words,
};

static INFO: Info = Info {
    name: "sthsth_v2",
    version: 1,
    about: "Short clips of hands doing something with something.",
    files: &[
        Files {
            form: "clips",
            pattern: "something-something-v2-*.json",
            container: Container::Json,
            means: "a list of {id, template}; the class is the template without brackets",
        },
        videochat2::FILES,
    ],
    sides: &[Side {
        name: "labels",
        pattern: "something-something-v2-labels.json",
        container: Container::JsonMapAt(&[]),
        key: SideKey::Entry,
        fields: &[],
        needed: false,
    }],
    with: &[],
    time: None,
    boxes: None,
    tasks: &[Task::Classification],
    open_questions: &[],
    example: Sample::new(
        "clips",
        r#"{"id": "990001", "label": "balancing a spoon on a mug", "template": "Balancing [something] on [something]", "placeholders": ["a spoon", "a mug"]}"#,
    ),
};

pub(super) struct SthsthV2;

impl Source for SthsthV2 {
    fn info(&self) -> &'static Info {
        &INFO
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

#[derive(Deserialize)]
struct Item {
    id: String,
    /// Absent from the test file.
    template: Option<String>,
}

fn convert(item: &RawItem<'_>, sides: &Sides, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    if item.form == "videochat2" {
        return videochat2(Task::Classification, item, drafts);
    }
    drafts.split_of_name(item.file_stem())?;
    let Item { id, template } = item.parse()?;
    let Some(template) = template else {
        return Err(Reject::unusable(
            "answer-missing",
            "the clip has no template",
        ));
    };
    let class = template.replace(['[', ']'], "");
    if sides.has("labels") {
        // Only whether the class is one: its number is not used.
        sides.entry("labels", &class)?;
    } else {
        drafts.note("no labels file: classes not checked");
    }
    drafts.push(
        Draft::video(Task::Classification, id.as_str(), format!("{id}.webm"))
            .ask("classification", vec![("label", words(class))]),
    );
    Ok(())
}
