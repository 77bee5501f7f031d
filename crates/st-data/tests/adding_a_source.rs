//! Follows `docs/adding-a-source.md`: its adapter is compiled as it stands there, its samples become the records that it names.

#![expect(clippy::unwrap_used, reason = "a test stops at what should not be")]

use std::path::PathBuf;

use serde_json::Value;
use st_data::source::{Collected, Inputs, Phrases, Settings, normalize};

/// The page's adapter, where `super` is what it is in the library.
mod source {
    pub(crate) use st_data::source::*;

    mod bird_songs;

    /// Step 3: the line in `ALL`.
    pub(crate) static ALL: &[&dyn Source] = &[&bird_songs::BirdSongs];
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of the page's only block in `language`.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/adding-a-source.md")).unwrap();
    let open = format!("```{language}\n");
    assert_eq!(page.matches(&open).count(), 1, "blocks of {language}");
    let (_, after) = page.split_once(&open).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// A record's turns as expected files write spans.
fn turns(record: &Value) -> Vec<String> {
    let mut times = record["variables"]["temporal_output_locations"]
        .as_array()
        .unwrap()
        .iter();
    let turns = record["conversations"].as_array().unwrap().iter();
    turns
        .map(|turn| {
            let mut text = turn["value"].as_str().unwrap().to_owned();
            while text.contains("<TEMP-OUTPUT>") {
                let number = times.next().unwrap().to_string();
                text = text.replacen("<TEMP-OUTPUT>", &format!("{number},"), 1);
            }
            text.replace(",}", "}")
        })
        .collect()
}

#[test]
fn the_pages_adapter_is_the_one_that_is_compiled() {
    let compiled = include_str!("source/bird_songs.rs");
    assert_eq!(block("rust"), compiled, "docs/adding-a-source.md, step 2");
    assert!(compiled.lines().count() < 150);
}

#[test]
fn the_pages_samples_become_the_pages_records() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("songs_train.csv"), block("csv")).unwrap();
    let found = source::ALL[0];
    let inputs = Inputs::resolve(found.info(), &[folder.path().to_owned()]).unwrap();
    let templates = root().join("tests/fixtures/normalize/templates.yaml");
    let mut settings = Settings::shipped().unwrap();
    let text = std::fs::read_to_string(templates).unwrap();
    settings.phrases = Phrases::parse(&text, "templates.yaml").unwrap();
    let mut got = Collected::default();
    let account = normalize(found, &inputs, &settings, &mut got, |_| {}).unwrap();

    let expected: Value = serde_yaml::from_str(&block("yaml")).unwrap();
    let run = &expected["runs"][0];
    for (name, count) in [
        ("read", account.read),
        ("kept", account.kept),
        ("repaired", account.repaired),
        ("rejected", account.rejected),
    ] {
        assert_eq!(run["counts"][name].as_u64(), Some(count), "{name}");
    }
    let wanted = run["records"].as_array().unwrap();
    assert_eq!(got.records.len(), wanted.len());
    for (record, wanted) in got.records.iter().zip(wanted) {
        for field in ["id", "task", "video"] {
            assert_eq!(record[field], wanted[field], "{field}");
        }
        assert_eq!(serde_json::json!(turns(record)), wanted["turns"]);
    }
    let repairs = &got.records[1]["provenance"]["repairs"];
    assert_eq!(repairs, &serde_json::json!([run["repaired"][0]["rule"]]));
    let reasons: Vec<&str> = got.rejects.iter().map(|(_, reason, _)| *reason).collect();
    let wanted = run["rejected"].as_array().unwrap().iter();
    let wanted: Vec<&str> = wanted.map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, wanted);
}

/// What the page tells to declare and to type is there.
#[test]
fn what_the_page_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/adding-a-source.md")).unwrap();
    let units = std::fs::read_to_string(root().join("crates/st-schema/src/units.rs")).unwrap();
    for name in [
        "SECONDS",
        "MILLISECONDS",
        "FRACTION",
        "XYXY_PIXELS",
        "XYWH_PIXELS",
        "XYXY_FROM_ONE",
    ] {
        assert!(
            page.contains(name) && units.contains(&format!("pub const {name}:")),
            "{name}"
        );
    }
    for path in [
        "crates/st-data/src/source/mod.rs",
        "crates/st-data/data/sources.yaml",
        "recipes/data/templates.yaml",
        "crates/st-data/tests/normalize_golden.rs",
        "crates/st-data/tests/normalize_properties.rs",
    ] {
        assert!(root().join(path).exists(), "{path}");
    }
}
