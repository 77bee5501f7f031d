//! `schemas/lock.schema.json` is that of the type, and what is written fits it.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[path = "../../../tests/schema_file.rs"]
mod schema_file;

use st_hub::{Lock, LockedArchive, LockedFile, LockedRepository};

fn schema() -> serde_json::Value {
    schema_file::schema::<Lock>("lock")
}

#[test]
fn the_schema_is_that_of_the_type() {
    schema_file::assert_current("lock", &schema());
}

#[test]
fn what_is_written_fits() {
    let (repository, commit) = ("datasets/o/n", "1".repeat(40));
    let mut lock = Lock::default();
    lock.hold(LockedRepository {
        repository: repository.parse().unwrap(),
        revision: "main".parse().unwrap(),
        commit: commit.parse().unwrap(),
    });
    lock.record(LockedFile {
        repository: repository.parse().unwrap(),
        commit: commit.parse().unwrap(),
        path: "a".to_owned(),
        size: 1,
        sha256: "0".repeat(64),
        time: "2026-01-01T00:00:00Z".to_owned(),
        placed: None,
    });
    lock.record_archive(LockedArchive {
        repository: repository.parse().unwrap(),
        path: "a".to_owned(),
        folder: "media/a".to_owned(),
        files: 1,
        bytes: 1,
        list: ".stdata/unpacked/a.jsonl".to_owned(),
    });
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&lock.text()).unwrap();
    assert!(validator.is_valid(&value), "{value:#}");
    value["surplus"] = true.into();
    assert!(
        !validator.is_valid(&value),
        "an unknown field must not pass"
    );
}
