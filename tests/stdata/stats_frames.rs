//! Clips under other names are found by their frames: another codec quality, size and compression, with and without shards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use st_media::encode::{EncodeOptions, VideoWriter};
use st_media::{ClipRequest, load_image, resize};
use st_schema::{FramePlan, Frames};
use st_shard::encode_jpeg;

use crate::stdata;

/// Clips of each kind, and how many of them have a copy.
const VIDEOS: usize = 24;
const IMAGES: usize = 24;

fn json_of(arguments: &[&str]) -> Value {
    let output = stdata().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {error}"))
}

fn write_video(path: &Path, frames: &Frames, fps: u32, crf: u8) {
    let (width, height) = (frames.width as u32, frames.height as u32);
    let options = EncodeOptions {
        crf,
        gop: 12,
        preset: "veryfast",
        ..EncodeOptions::new(width, height, (fps, 1))
    };
    let mut writer = VideoWriter::create(path, &options).unwrap();
    for frame in 0..frames.count {
        writer.write(frames.frame(frame)).unwrap();
    }
    writer.finish().unwrap();
}

/// A copy in another size and quality; every fourth one byte by byte.
fn copy_video(from: &Path, to: &Path, number: usize) {
    if number % 4 == 3 {
        fs::copy(from, to).unwrap();
        return;
    }
    let request = ClipRequest {
        plan: FramePlan { frames: 39 },
        ..ClipRequest::default()
    };
    let frames = request.decode(from).unwrap().into_frames();
    let (width, height, crf) = [(160, 120, 36), (96, 72, 20), (240, 136, 30)][number % 4];
    write_video(to, &resize(&frames, width, height), 8, crf);
}

fn copy_image(from: &Path, to: &Path, number: usize) {
    let frames = load_image(from, None).unwrap();
    let (width, height, quality) = [(160, 120, 25), (96, 72, 90), (320, 200, 60)][number % 3];
    let small = resize(&frames, width, height);
    fs::write(to, encode_jpeg(&small.rgb, width, height, quality).unwrap()).unwrap();
}

fn record(id: &str, kind: &str, media: &str) -> Value {
    json!({"id": id, "source": "copies", "task": "conversation", kind: media, "meta": {},
        "conversations": [{"from": "human", "value": format!("<{kind}>\nIs {id} good?")}, {"from": "gpt", "value": "Perhaps."}]})
}

/// A synthetic dataset and, in a folder of their own, copies of the even videos and images under new names.
fn dataset(folder: &Path) -> (PathBuf, PathBuf, BTreeSet<BTreeSet<String>>) {
    let out = folder.to_str().unwrap();
    let [videos, images] = [VIDEOS, IMAGES].map(|count| count.to_string());
    let made = stdata()
        .args([
            "synth",
            "-q",
            "--seed",
            "3",
            "--validation",
            "0",
            "--benchmark",
            "1",
        ])
        .args([
            "--distractors",
            "0",
            "--videos",
            &videos,
            "--images",
            &images,
            "--out",
            out,
        ])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::create_dir_all(folder.join("media/other")).unwrap();
    let (mut records, mut pairs) = (Vec::new(), BTreeSet::new());
    for (kind, ending, count) in [("video", "mp4", VIDEOS), ("image", "jpg", IMAGES)] {
        for number in (0..count).step_by(2) {
            let original = format!("train/{kind}s/{number:06}.{ending}");
            let copy = format!("other/{:06}.{ending}", 900 - number);
            let [from, to] = [&original, &copy].map(|name| folder.join("media").join(name));
            if kind == "video" {
                copy_video(&from, &to, number / 2);
            } else {
                copy_image(&from, &to, number / 2);
            }
            records.push(record(&format!("{kind}-{number}"), kind, &copy));
            let name = |name: &str| folder.join("media").join(name).to_str().unwrap().to_owned();
            pairs.insert(BTreeSet::from([name(&original), name(&copy)]));
        }
    }
    fs::write(
        folder.join("copies.json"),
        serde_json::to_vec(&records).unwrap(),
    )
    .unwrap();
    let copies = folder.join("copies.yaml");
    fs::write(
        &copies,
        "datasets:\n  - json_path: copies.json\n    data_folder: media\n    source: copies\n",
    )
    .unwrap();
    (folder.join("train.yaml"), copies, pairs)
}

fn shared(report: &Value) -> BTreeSet<BTreeSet<String>> {
    let files = report["shared_media"]["examples"].as_array().unwrap();
    let paths = |file: &Value| {
        let paths = file["paths"].as_array().unwrap().iter();
        paths
            .map(|path| path.as_str().unwrap().to_owned())
            .collect()
    };
    files.iter().map(paths).collect()
}

fn precision_and_recall(planted: &BTreeSet<BTreeSet<String>>, found: &BTreeSet<BTreeSet<String>>) {
    let hits = planted.intersection(found).count();
    let missing: Vec<_> = planted.difference(found).collect();
    let beyond: Vec<_> = found.difference(planted).collect();
    assert!(hits * 100 >= planted.len() * 99, "missing {missing:#?}");
    assert!(hits * 100 >= found.len() * 99, "beyond {beyond:#?}");
}

#[test]
fn copies_are_found_by_their_frames() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(folder.path()).unwrap();
    let (train, copies, pairs) = dataset(&folder);
    let [train, copies] = [&train, &copies].map(|path| path.to_str().unwrap());
    let plain = json_of(&["stats", "--json", "-q", train, copies]);
    assert!(shared(&plain).is_empty(), "names alone tell nothing here");

    let shards = folder.join("shards");
    let shards = shards.to_str().unwrap();
    let sharded = json_of(&[
        "shard",
        "--json",
        "-q",
        "--in-process",
        "--frames",
        "20",
        "--size",
        "126",
        "--out",
        shards,
        train,
        copies,
    ]);
    assert_eq!(sharded["rejected"], 0);
    let report = json_of(&["stats", "--json", "-q", train, copies, "--shards", shards]);
    assert_eq!(report["totals"]["clips_in_shards"], sharded["clips"]);
    precision_and_recall(&pairs, &shared(&report));

    // The copies as a benchmark: every record about an original leaks, and no other.
    let report = json_of(&[
        "stats",
        "--json",
        "-q",
        train,
        "--against",
        copies,
        "--shards",
        shards,
    ]);
    let row = &report["leakage"]["benchmarks"][0];
    assert_eq!(row["items"].as_u64(), Some(pairs.len() as u64));
    assert_eq!(row["leaked_media"], row["media"]);
    let evidence = row["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0][0], "same_frames");
    let originals: BTreeSet<String> = pairs
        .iter()
        .flatten()
        .filter(|path| path.contains("train"))
        .cloned()
        .collect();
    for leak in report["leakage"]["examples"].as_array().unwrap() {
        assert!(
            originals.contains(leak["media"].as_str().unwrap()),
            "{leak}"
        );
    }

    // Without shards, from the files themselves; copies byte by byte are known as such.
    let report = json_of(&["stats", "--json", "-q", train, copies, "--media"]);
    precision_and_recall(&pairs, &shared(&report));
    let files = report["shared_media"]["examples"].as_array().unwrap();
    let by_bytes = files
        .iter()
        .filter(|file| file["evidence"].to_string().contains("same_bytes"));
    assert_eq!(by_bytes.count(), VIDEOS / 8);
}
