//! The released Python scorer's numbers on `golden/metrics`, reproduced under the original protocol.
//!
//! Lists whatever `*.per_item.jsonl` lie in the folder; `$ST_GOLDEN` names another set in the same layout.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failing test may panic, and a skipped one says so"
)]

use std::path::PathBuf;

use serde_json::Value;
use st_eval::captions::{CaptionError, CaptionTable};
use st_eval::score::{self, Line};
use st_eval::{EvalTask, Outcome, Prediction, Protocol, Table};

/// How far the set-order sums of the original may lie from ours.
const TOLERANCE: f64 = 1e-9;

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ST_GOLDEN").map(PathBuf::from);
    let root = named
        .clone()
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden").into());
    let folder = root.join("metrics");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        named.is_none(),
        "ST_GOLDEN is set, but {} is no folder",
        folder.display()
    );
    eprintln!("skipped: {} is not here", folder.display());
    None
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn tasks(folder: &std::path::Path) -> Vec<(EvalTask, String)> {
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_suffix(".per_item.jsonl")
                .map(str::to_owned)
        })
        .collect();
    found.sort();
    assert!(
        !found.is_empty(),
        "{}: no *.per_item.jsonl",
        folder.display()
    );
    found
        .into_iter()
        .map(|name| {
            (
                EvalTask::of_path(&name).expect("the file is named after its task"),
                name,
            )
        })
        .collect()
}

fn near(ours: f64, theirs: &Value, what: &str) {
    let theirs = theirs
        .as_f64()
        .unwrap_or_else(|| panic!("{what}: {theirs} is no number"));
    assert!(
        (ours - theirs).abs() <= TOLERANCE,
        "{what}: ours {ours}, theirs {theirs}"
    );
}

#[test]
fn golden_metrics_of_every_record() {
    let Some(folder) = folder() else { return };
    for (task, name) in tasks(&folder) {
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let scores = score::score_lines(Protocol::Original, task, &score::read_lines(&text));
        let expected = lines(&folder.join(format!("{name}.per_item.jsonl")));
        assert_eq!(scores.len(), expected.len(), "{name}");
        for (score, expected) in scores.iter().zip(&expected) {
            let what = format!("{name} line {}", score.line);
            for (key, ours) in [
                ("tiou", score.values.tiou),
                ("siou", score.values.siou),
                ("stiou", score.values.viou),
            ] {
                if let Some(theirs) = expected.get(key) {
                    near(ours.unwrap(), theirs, &format!("{what} {key}"));
                }
            }
            match expected.get("iou") {
                Some(Value::Null) => assert!(
                    !score.counted || matches!(score.outcome, Outcome::Unparsed(_)),
                    "{what}"
                ),
                Some(theirs) => near(
                    score.values.iou.or(score.values.tiou).unwrap(),
                    theirs,
                    &what,
                ),
                None => {}
            }
        }
    }
}

#[test]
fn golden_metrics_of_every_file() {
    let Some(folder) = folder() else { return };
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("scores.json")).unwrap())
            .unwrap();
    for (task, name) in tasks(&folder) {
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let scores = score::score_lines(Protocol::Original, task, &score::read_lines(&text));
        let path = folder.join(format!("{name}.jsonl"));
        for protocol in Protocol::ALL {
            // The streaming reader with its short way gives the same, record by record.
            assert_eq!(
                st_eval::score_file(protocol, task, &path).unwrap(),
                score::score_lines(protocol, task, &score::read_lines(&text)),
                "{name}"
            );
        }
        let table = Table::of(Protocol::Original, task, &scores, None);
        let expected = all[&name].as_object().unwrap();
        let mut compared = 0;
        for (key, theirs) in expected {
            match key.as_str() {
                "records" => assert_eq!(table.records as u64, theirs.as_u64().unwrap()),
                "counted" => assert_eq!(table.counted as u64, theirs.as_u64().unwrap()),
                "caption_score" => {}
                metric => {
                    near(
                        table
                            .value(metric)
                            .unwrap_or_else(|| panic!("{name}: no {metric}")),
                        theirs,
                        &format!("{name} {metric}"),
                    );
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, table.metrics.len(), "{name}");
    }
}

#[test]
fn golden_metrics_name_every_crash() {
    let Some(folder) = folder() else { return };
    for case in lines(&folder.join("crashes.jsonl")) {
        let task: EvalTask = case["task"].as_str().unwrap().parse().unwrap();
        let why = case["why"].as_str().unwrap();
        if case["record"].is_null() {
            continue;
        }
        let text = case["record"].to_string();
        let record: Line = Prediction::parse(&text).map_err(|error| error.to_string());
        let scores = score::score_lines(Protocol::Original, task, &[(1, record.clone())]);
        let strict = score::score_lines(Protocol::Strict, task, &[(1, record.clone())]);
        assert!(strict[0].counted, "{why}: strict leaves nothing out");
        match case["error"].as_str() {
            // The captions of the file are what stops: strict has their numbers, or says that there are none.
            Some(error) if error.starts_with("ValueError") => {
                let CaptionError::Undefined(ours) =
                    CaptionTable::of(Protocol::Original, &[(1, record)], None).unwrap_err()
                else {
                    panic!("{why}: no METEOR was asked for")
                };
                assert_eq!(ours.to_string(), error, "{why}");
            }
            Some(error) => {
                let Outcome::Crash(ours) = &scores[0].outcome else {
                    panic!("{why}: {error}, ours {:?}", scores[0].outcome)
                };
                assert_eq!(ours.to_string(), error, "{why}");
            }
            None => {
                let table = Table::of(Protocol::Original, task, &scores, None);
                for (name, theirs) in case["result"].as_object().unwrap() {
                    if name != "caption_score" {
                        near(table.value(name).unwrap(), theirs, &format!("{why} {name}"));
                    }
                }
            }
        }
    }
}
