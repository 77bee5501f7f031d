//! `stdata normalize`: every source of the samples, end to end.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::stdata;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/normalize")
}

/// A folder with a folder for each source, as `--all` wants it.
fn layout() -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        let raw = path.join("raw");
        // VidSTG's samples bring VidOR's along.
        let own = raw.join(&name);
        let raw = if own.is_dir() { own } else { raw };
        if raw.is_dir() {
            copy(&raw, &folder.path().join(name));
        }
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn json(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = stdata().args(arguments).arg("--json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"));
    (output.status.code(), value)
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap()
}

#[test]
fn all_sources_end_in_a_ledger_that_adds_up_and_in_files_that_validate() {
    let raw = layout();
    let root = TempDir::new().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let out = root.path().join("annotations");
    let (code, told) = json(&[
        "normalize",
        "--root",
        &text(root.path()),
        "--all",
        &text(raw.path()),
        "--split",
        "all",
        "--out",
        &text(&out),
    ]);
    // The samples hold faults, so something needs a look.
    assert_eq!(code, Some(1));
    let accounts = told["sources"].as_array().unwrap();
    let folders = fs::read_dir(raw.path()).unwrap().count();
    assert_eq!(accounts.len(), folders);
    for account in accounts {
        let name = account["source"].as_str().unwrap();
        let written = number(account, "kept") + number(account, "repaired");
        assert_eq!(
            number(account, "read"),
            written + number(account, "rejected") + number(account, "left_out"),
            "{name}"
        );
        assert!(number(account, "items") > 0, "{name}");
        let reasons = account["reasons"].as_object().unwrap().values();
        let reasons: u64 = reasons.map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(number(account, "rejected"), reasons, "{name}");
        // What the ledger counts is what lies there, in files that each pass validate whole.
        let mut found = 0;
        for (task, count) in account["tasks"].as_object().unwrap() {
            let path = out.join(format!("{name}_{task}.json"));
            let records: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(
                records.len() as u64,
                count.as_u64().unwrap(),
                "{name} {task}"
            );
            assert!(
                records
                    .iter()
                    .all(|record| record["provenance"]["source"] == name)
            );
            found += records.len() as u64;
        }
        assert_eq!(found, written, "{name}");
        let rejects = root.path().join(format!("rejects/normalize-{name}.jsonl"));
        let lines = fs::read_to_string(rejects).map_or(0, |text| text.lines().count());
        assert_eq!(lines as u64, number(account, "rejected"), "{name}");
    }
    let rows = told["composition"].as_array().unwrap();
    assert!(rows.iter().all(
        |row| row["taken"] == row["written"] && row["paper"].as_u64() > row["written"].as_u64()
    ));
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let (code, judged) = json(&["validate", "--root", &text(root.path()), &text(&path)]);
            let total = &judged["total"];
            assert_eq!(
                (code, &total["kept"]),
                (Some(0), &total["read"]),
                "{}: {judged}",
                path.display()
            );
        }
    }
    // Stage files name what was written, and read back as datasets do.
    for stage in 1..=3 {
        let path = out.join(format!("stage{stage}.yaml"));
        let (_, audit) = json(&["stats", "--root", &text(root.path()), &text(&path)]);
        assert!(audit.is_object(), "stage {stage}");
    }
}

#[test]
fn the_table_for_people_holds_ledger_and_composition() {
    let raw = layout();
    let root = TempDir::new().unwrap();
    let output = stdata()
        .args(["normalize", "-q", "--root"])
        .arg(root.path())
        .arg("--all")
        .arg(raw.path())
        .arg("--out")
        .arg(root.path().join("annotations"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for wanted in [
        "rejected by reason",
        "span-empty 1",
        "paper",
        "1280K",
        "4331K",
        "read as lines",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in:\n{text}");
    }
}

#[test]
fn every_source_is_listed_and_explains_itself() {
    let (code, listed) = json(&["normalize", "--list"]);
    assert_eq!(code, Some(0));
    let listed = listed.as_array().unwrap();
    for source in &st_data::registry::builtin().sources {
        let found = listed.iter().any(|one| one["name"] == source.name.as_str());
        assert!(found, "{} is not listed", source.name);
    }
    for one in listed {
        let name = one["name"].as_str().unwrap();
        let (code, explained) = json(&["normalize", "--explain", name]);
        assert_eq!(code, Some(0), "{name}");
        assert!(!explained["after"].as_array().unwrap().is_empty(), "{name}");
        assert!(
            explained["licence"]
                .as_str()
                .is_some_and(|text| text.len() > 2),
            "{name}"
        );
        assert!(!explained["get"].as_array().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn a_run_is_the_same_with_any_number_of_threads() {
    let raw = fixtures().join("vtimellm_stage2/raw/stage2.json");
    let folder = TempDir::new().unwrap();
    let run = |jobs: &str| {
        let out = folder.path().join(format!("{jobs}.jsonl"));
        let status = stdata()
            .args([
                "normalize",
                "-q",
                "--jobs",
                jobs,
                "--source",
                "vtimellm_stage2",
                "--root",
            ])
            .arg(folder.path())
            .arg(&raw)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.code(), Some(1));
        fs::read_to_string(out).unwrap()
    };
    let one = run("1");
    assert!(one.lines().count() > 1);
    assert_eq!(one, run("4"));
}

#[test]
fn what_is_wrong_is_one_line_that_tells_the_remedy() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("notes.xyz"), "x").unwrap();
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("broken.yaml"), "seed: 1").unwrap();
    let charades = fixtures()
        .join("charades_sta/raw")
        .to_str()
        .unwrap()
        .to_owned();
    let vidstg = fixtures()
        .join("vidstg/raw/vidstg")
        .to_str()
        .unwrap()
        .to_owned();
    let out = path("out.json");
    for (arguments, told) in [
        (
            vec!["--source", "charades_st", &charades],
            "did you mean `charades_sta`",
        ),
        (
            vec!["--source", "charades_sta", &path("notes.xyz")],
            "charades_sta_*.txt",
        ),
        (
            vec!["--source", "charades_sta", &path("empty")],
            "holds no file",
        ),
        (
            vec!["--source", "charades_sta", &path("gone.txt")],
            "gone.txt",
        ),
        (vec!["--source", "charades_sta"], "name the raw files"),
        (vec!["--source", "vidstg", &vidstg], "training/*/*.json"),
        (vec!["--all", &path("empty")], "no folder named as a source"),
        (
            vec![
                "--source",
                "charades_sta",
                &charades,
                "--templates",
                &path("broken.yaml"),
            ],
            "broken.yaml",
        ),
    ] {
        let output = stdata()
            .args(["normalize", "-q", "--out", &out])
            .args(&arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert!(!Path::new(&out).exists());
    }
}
