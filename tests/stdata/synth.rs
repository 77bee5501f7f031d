//! `stdata synth`: same seed, same bytes; no scene in two splits; nothing done twice; spans that cannot be guessed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use st_schema::{Axis, Record, Side, Task};

use crate::stdata;

const SMALL: [&str; 8] = [
    "--images",
    "30",
    "--videos",
    "6",
    "--validation",
    "4",
    "--benchmark",
    "6",
];

fn synth(out: &Path, more: &[&str]) -> serde_json::Value {
    let mut command = stdata();
    command
        .args(["synth", "--json", "--out"])
        .arg(out)
        .args(SMALL)
        .args(more);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Files that are not the same in both folders.
fn differing(a: &Path, b: &Path) -> Vec<PathBuf> {
    let (a, b) = (files(a), files(b));
    let names: BTreeSet<&PathBuf> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .cloned()
        .collect()
}

fn records(folder: &Path) -> Vec<Record> {
    let files = files(folder);
    let lists = files
        .values()
        .map(|bytes| serde_json::from_slice::<Vec<Record>>(bytes).unwrap());
    lists.flatten().collect()
}

#[test]
fn same_seed_same_bytes_and_another_seed_other_ones() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    synth(&a, &["--jobs", "1"]);
    synth(&b, &["--jobs", "2"]);
    synth(&c, &["--seed", "1", "--annotations-only"]);
    assert_eq!(differing(&a, &b), Vec::<PathBuf>::new());
    assert_ne!(
        files(&a)[Path::new("bench/rec.json")],
        files(&c)[Path::new("bench/rec.json")]
    );
}

#[test]
fn a_second_run_does_nothing_and_an_interrupted_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    synth(&out, &[]);
    let before = files(&out);
    let time = || {
        fs::metadata(out.join("media/train/images/000000.jpg"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let made = time();
    assert_eq!(synth(&out, &[])["already_complete"], true);

    // As after `kill -9` in the middle of the media: one is missing, one was never renamed.
    fs::rename(out.join("synth.json"), out.join("synth.unfinished.json")).unwrap();
    fs::remove_file(out.join("media/train/videos/000003.mp4")).unwrap();
    assert_eq!(synth(&out, &[])["already_complete"], false);
    assert!(
        files(&out) == before,
        "the resumed dataset is not the unbroken one"
    );
    assert_eq!(time(), made, "media that were there were made again");
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let mut command = stdata();
    command
        .args(["synth", "--out"])
        .arg(folder.path())
        .args(SMALL);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error.contains("not empty") && error.lines().count() == 1,
        "{error}"
    );
}

#[test]
fn every_task_is_there_and_every_placeholder_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    synth(&out, &["--annotations-only", "--records", "3000"]);
    let records = records(&out.join("annotations/train"));
    assert_eq!(records.len(), 3000);
    let tasks: HashSet<Task> = records.iter().filter_map(|record| record.task).collect();
    assert_eq!(tasks.len(), Task::ALL.len());
    for record in &records {
        for axis in Axis::ALL {
            for side in Side::ALL {
                let turns = record.conversations.iter();
                let marks: usize = turns
                    .map(|turn| turn.value.matches(axis.placeholder(side)).count())
                    .sum();
                let numbers = record.variables.get(axis, side);
                assert_eq!(marks, numbers.len(), "{}", record.id);
                assert!(numbers.iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
        assert_eq!(record.conversations.len() % 2, 0, "{}", record.id);
    }
}

/// Scenes are told apart by the exact boxes of their records.
#[test]
fn splits_share_no_scene() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    synth(
        &out,
        &[
            "--annotations-only",
            "--tasks",
            "rec=1,stvg=1",
            "--turns",
            "1",
        ],
    );
    let scenes = |split: &str| -> HashSet<String> {
        let records = records(&out.join("annotations").join(split));
        let key = |record: &Record| format!("{:?}", record.variables);
        records.iter().map(key).collect()
    };
    let (train, val) = (scenes("train"), scenes("val"));
    assert!(train.len() >= 36 && val.len() >= 5);
    assert!(train.is_disjoint(&val));
}

#[test]
fn the_best_constant_span_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let summary = synth(&out, &["--annotations-only", "--benchmark", "1000"]);
    let constant = &summary["constant_span"];
    println!("best constant span: {constant}");
    assert!(constant["recall"].as_f64().unwrap() <= 0.15, "{constant}");
    assert!(constant["mean_iou"].as_f64().unwrap() <= 0.2, "{constant}");
}

#[test]
fn videos_are_what_their_records_say() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    synth(&out, &[]);
    let probe = st_media::probe(&out.join("media/train/videos/000000.mp4")).unwrap();
    let record = records(&out.join("annotations/train"))
        .into_iter()
        .find(|record| record.meta.frames.is_some())
        .unwrap();
    assert_eq!(Some(probe.width), record.meta.width);
    assert_eq!(Some(probe.height), record.meta.height);
    println!("{probe:?}");
}

#[test]
fn wrong_options_name_the_option_and_what_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value, word) in [
        ("--size", "161x120", "161x120"),
        ("--size", "big", "whole numbers"),
        ("--objects", "9", "objects 9-9"),
        ("--tasks", "rec=1,nope=2", "nope"),
        ("--records", "10", "annotations-only"),
    ] {
        let mut command = stdata();
        command
            .args(["synth", "--out"])
            .arg(folder.path().join("x"))
            .args([flag, value]);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(word), "{error}");
    }
}
