//! `stdata stats`: counts that add up, the same on any number of threads, faults counted and not lost.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::stdata;

fn stats(inputs: &[&Path], jobs: &str) -> (Option<i32>, Value) {
    let mut command = stdata();
    command
        .args(["stats", "--json", "--jobs", jobs])
        .args(inputs);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        json.unwrap_or_else(|_| panic!("{error}")),
    )
}

/// Row sums, files that two datasets list counted once, and sampling strategies.
#[test]
fn counts_add_up_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let made = stdata()
        .args([
            "synth",
            "--annotations-only",
            "--records",
            "2000",
            "--json",
            "--out",
        ])
        .arg(&out)
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let [all, third] = ["train.yaml", "stage3.yaml"].map(|name| out.join(name));
    let (code, one) = stats(&[&all, &third], "1");
    assert_eq!(code, Some(0));
    assert_eq!(one, stats(&[&all, &third], "3").1);

    assert_eq!(one["totals"]["records"], 2000);
    assert_eq!(one["totals"]["no_records"], 0);
    let rows = one["groups"].as_array().unwrap();
    let count = |dataset: &str, task: &str| -> u64 {
        let of = rows
            .iter()
            .filter(|row| row["dataset"] == dataset && row["task"] == task);
        of.map(|row| row["records"].as_u64().unwrap()).sum()
    };
    for task in ["rec", "stvg", "video_qa"] {
        assert_eq!(
            made["records"][format!("train/{task}")],
            count("train", task),
            "{task}"
        );
    }
    // stage3.yaml takes the first half of the REC and TVG files, rounded up, and all of its own tasks.
    let listed: u64 = rows
        .iter()
        .filter(|row| row["dataset"] == "stage3")
        .map(|row| row["records"].as_u64().unwrap())
        .sum();
    let halves = count("stage3", "rec") / 2 + count("stage3", "tvg") / 2;
    let taken = |dataset: &str| {
        let rows = one["datasets"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == dataset).unwrap();
        row["taken"].as_u64().unwrap()
    };
    assert_eq!(taken("stage3"), listed - halves);
    assert_eq!(taken("train"), 2000);
}

#[test]
fn duplicates_and_pieces_that_are_no_records_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    let record = r#"{"id":"a","task":"tvg","video":"v.mp4","conversations":[{"from":"human","value":"<video>\nWhen?"},{"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>}"}],"variables":{"temporal_output_locations":[0.25,0.75]}}"#;
    let unlike = record
        .replace("0.75]", "0.75,0.8]")
        .replace("\"a\"", "\"b\"");
    fs::write(
        &file,
        [record, record, "{\"id\":", unlike.as_str()].join("\n"),
    )
    .unwrap();
    let (code, json) = stats(&[&file], "2");
    assert_eq!(code, Some(1));
    let counts = ["records", "no_records", "clips", "wrong_counts"]
        .map(|name| json["totals"][name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(1), Some(1)]);
    let row = &json["groups"][0];
    assert_eq!(
        (
            row["wrong_counts"].as_u64(),
            row["span_length"]["count"].as_u64()
        ),
        (Some(1), Some(2))
    );
    assert_eq!(row["span_length"]["mean"], 0.5);
}
