//! `schemas/*.schema.json` are those of the types, and what is written fits them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing test may panic; a skip is said aloud"
)]

#[path = "../../../tests/schema_file.rs"]
mod schema_file;

use std::path::Path;

use serde_json::Value;
use st_data::inventory::{self, Inventory};
use st_data::ledger::{Ledger, RejectLine, Settings, validate};
use st_data::registry::{self, Registry};
use st_data::source::{self, Inputs, RecordFiles, RefusedLine, Target};
use st_schema::{DatasetFile, Record};

use schema_file::schema;

fn all() -> [(&'static str, Value); 7] {
    [
        ("record", schema::<Record>("record")),
        ("dataset", schema::<DatasetFile>("dataset")),
        ("reject", schema::<RejectLine>("reject")),
        (
            "normalize-reject",
            schema::<RefusedLine<'_>>("normalize-reject"),
        ),
        ("validate", schema::<Ledger>("validate")),
        ("sources", schema::<Registry>("sources")),
        ("media", schema::<Inventory>("media")),
    ]
}

#[test]
fn schemas_are_those_of_the_types() {
    for (name, schema) in all() {
        schema_file::assert_current(name, &schema);
    }
}

fn fits(name: &str, value: &Value) {
    let (_, schema) = all().into_iter().find(|(id, _)| *id == name).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{value}");
}

fn misses(name: &str, value: &Value) {
    let (_, schema) = all().into_iter().find(|(id, _)| *id == name).unwrap();
    assert!(
        !jsonschema::validator_for(&schema).unwrap().is_valid(value),
        "{value}"
    );
}

#[test]
fn what_is_written_fits() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    let good = r#"{"id":"a","type":"rec","image":"a.jpg","conversations":[{"from":"human","value":"<image>\nWhere?"},{"from":"gpt","value":"There."}]}"#;
    let bad = good.replace("There.", "").replace("\"a\"", "7");
    std::fs::write(&path, format!("{good}\n{bad}\nnothing\n")).unwrap();
    let inputs = st_data::dataset::inputs(&[path]).unwrap();
    let rejects = folder.path().join("rejects");
    let settings = Settings {
        rejects: Some(rejects),
        fix: true,
        ..Settings::default()
    };
    let ledger = validate(&inputs, &settings, |_| ()).unwrap();
    assert_eq!((ledger.total.kept, ledger.total.rejected), (1, 2));
    fits("validate", &serde_json::to_value(&ledger).unwrap());
    let lines = std::fs::read_to_string(ledger.files[0].rejects.as_ref().unwrap()).unwrap();
    for line in lines.lines() {
        fits("reject", &serde_json::from_str(line).unwrap());
    }
    let fixed = std::fs::read_to_string(ledger.files[0].fixed.as_ref().unwrap()).unwrap();
    assert_eq!(fixed.trim_end(), good);
    fits("record", &serde_json::from_str(&fixed).unwrap());

    misses(
        "record",
        &serde_json::from_str("{\"id\":\"a\",\"conversations\":[]}").unwrap(),
    );
    misses(
        "dataset",
        &serde_json::json!({"datasets": [{"json_path": "a", "data_folder": "b", "sampling_stategy": "all"}]}),
    );
}

/// Every record and every refused candidate of every source's raw samples.
#[test]
fn what_normalize_writes_fits() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/normalize");
    let mut settings = source::Settings::shipped().unwrap();
    settings.splits = source::Splits::All;
    let (mut records, mut refused) = (0, 0);
    for &found in source::ALL {
        let info = found.info();
        let raw = fixtures.join(info.name).join("raw");
        let inputs = Inputs::resolve(info, &[raw]).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let target = Target::File(path("records.jsonl"));
        let mut files = RecordFiles::create(target, path("rejects.jsonl")).unwrap();
        let account = source::normalize(found, &inputs, &settings, &mut files, |_| ()).unwrap();
        files.finish().unwrap();
        let lines = |name: &str| {
            let text = std::fs::read_to_string(path(name)).unwrap_or_default();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<Value>>()
        };
        let (written, rejects) = (lines("records.jsonl"), lines("rejects.jsonl"));
        assert_eq!(
            (written.len() as u64, rejects.len() as u64),
            (account.written(), account.rejected),
            "{}",
            info.name
        );
        for record in &written {
            fits("record", record);
        }
        for line in &rejects {
            fits("normalize-reject", line);
        }
        records += written.len();
        refused += rejects.len();
    }
    assert!(records > 100 && refused > 20, "{records} and {refused}");
    let mut odd =
        serde_json::json!({"reason": "r", "message": "m", "file": "f", "row": 0, "id": ""});
    fits("normalize-reject", &odd);
    odd["rwo"] = 1.into();
    misses("normalize-reject", &odd);
}

#[test]
fn an_inventory_fits() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(
        &path,
        "{\"video\":\"a.mp4\",\"source\":\"vidstg\"}\nnothing\n",
    )
    .unwrap();
    let mut inputs = st_data::dataset::inputs(&[path]).unwrap();
    inputs[0].media = Some(folder.path().join("media"));
    let survey = inventory::survey(&inputs, &st_data::read::Options::default(), |_| ()).unwrap();
    let inventory = Inventory::of(&survey, registry::builtin());
    assert_eq!(inventory.total.missing, 1);
    fits("media", &serde_json::to_value(&inventory).unwrap());
}

/// The registry as it stands in its file, and not only as it is read.
#[test]
fn the_registry_fits() {
    let text: Value = serde_yaml::from_str(registry::TEXT).unwrap();
    fits("sources", &text);
    let mut misspelt = text;
    misspelt["sources"][0]["licences"] = "mit".into();
    misses("sources", &misspelt);
}

/// The released shapes fit too.
#[test]
fn real_records_fit() {
    let root = std::env::var_os("ST_MEDIA").map_or_else(
        || {
            Path::new(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/media"
            ))
            .to_owned()
        },
        Into::into,
    );
    let Ok(files) = std::fs::read_dir(root.join("real")) else {
        println!("skipped: {} holds no folder `real`", root.display());
        return;
    };
    let mut records = 0;
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let list: Vec<Value> = serde_json::from_str(&text).unwrap();
        for value in list {
            fits("record", &value);
            let record: Record = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), value.to_string());
            records += 1;
        }
    }
    assert!(records > 0);
    let yaml = std::fs::read_to_string(root.join("real.yaml")).unwrap();
    let dataset: DatasetFile = yaml.parse().unwrap();
    fits("dataset", &serde_json::to_value(dataset).unwrap());
}
