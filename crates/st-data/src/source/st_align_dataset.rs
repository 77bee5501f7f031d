//! The released ST-Align files: records already, without task in most files.

use st_schema::{Record, Task};

use super::{Container, Drafts, Files, Info, RawItem, Reject, Sample, Sides, Source};

pub(super) struct StAlignDataset;

const fn stage(form: &'static str, pattern: &'static str) -> Files {
    Files {
        form,
        pattern,
        container: Container::Json,
        means: "records with placeholders and numbers; meta.split in frames, both inclusive",
    }
}

static INFO: Info = Info {
    name: "st_align_dataset",
    version: 1,
    about: "The released training records of ST-Align, judged, with task and provenance added.",
    files: &[
        stage("stage1", "stage1/*.json*"),
        stage("stage2", "stage2/*.json*"),
        stage("stage3", "stage3/*.json*"),
        stage("records", "*.json*"),
    ],
    sides: &[],
    with: &[],
    time: None,
    boxes: None,
    tasks: &Task::ALL,
    open_questions: &[
        "Only two of the released file names are known. A record without `type` gets its task from a word of the file's name, else from its stage and coordinates; both are counted in the ledger's notes.",
    ],
    example: Sample::new(
        "stage3",
        r#"{"type": "svg", "id": "9900000011_1", "video": "0099/9900000011.mp4", "meta": {"split": [0, 11]}, "conversations": [{"from": "human", "value": "<video>\nIn {<TEMP-INPUT><TEMP-INPUT>}, where is the adult in blue? "}, {"from": "gpt", "value": "Object bounding box: <TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"}], "variables": {"temporal_input_locations": [0.364, 0.727], "temporal_output_locations": [0.364], "spatial_height_input_locations": [], "spatial_height_output_locations": [0.111, 0.833], "spatial_width_input_locations": [], "spatial_width_output_locations": [0.169, 0.294]}}"#,
    ),
};

impl Source for StAlignDataset {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let mut record: Record = item.parse()?;
        if record.task.is_none() {
            let stem = item.file_stem();
            let named = stem.split(['_', '-']).find_map(|word| word.parse().ok());
            record.task = Some(if let Some(task) = named {
                out.note(format!("{stem}: the task {task} is the file name's"));
                task
            } else {
                let task = told_by_numbers(&record, item.form);
                out.note(format!(
                    "{stem}: the task {task} is told by stage and coordinates"
                ));
                task
            });
        }
        out.push_record(record);
        Ok(())
    }
}

/// Records without coordinates are captions in stage 1 and questions later; those with, what their numbers allow.
fn told_by_numbers(record: &Record, form: &str) -> Task {
    match (form, record.variables.is_empty(), record.media.kind()) {
        ("stage1", true, _) => Task::VideoCaption,
        (_, true, _) => Task::VideoQa,
        (_, false, "image") => Task::Igc,
        _ => Task::Tgc,
    }
}
