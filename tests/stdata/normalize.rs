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

/// The rows of the paper's table (`figs/data.png` of the released code) as it spells its sources; beside them ours. What it calls
/// self collected is VidSTG on `VidOR`'s videos.
const PAPER: &[(&str, &str, &str)] = &[
    ("video_caption", "WebVid-10M", "webvid_10m"),
    ("video_caption", "Panda-70M", "panda_70m"),
    ("video_caption", "InternVid-10M", "internvid_10m_flt"),
    ("tvg dvc tr", "VTimeLLM-Stage2", "vtimellm_stage2"),
    ("dvc tgc", "Moment-10M", "moment_10m"),
    ("dvc tr", "InternVid-G", "internvid_g"),
    ("rec dgc reg", "GranD", "grand"),
    ("tgc", "ANet-RTL", "anet_rtl"),
    ("tgc", "Grounded-VideoLLM", "grounded_videollm"),
    ("tvg", "DiDeMo", "didemo"),
    ("tvg", "HiREST", "hirest"),
    ("tvg", "QuerYD", "queryd"),
    ("tvg dvc", "VTG-IT", "vtg_it"),
    ("dvc", "COIN", "coin"),
    ("dvc", "ViTT", "vitt"),
    ("dvc", "YouCook2", "youcook2"),
    ("igc", "MUSE", "muse"),
    ("igc dgc", "Flickr30k Entities", "flickr30k_entities"),
    ("rec reg", "RefCOCO", "refcoco"),
    ("rec reg", "RefCOCO+", "refcoco_plus"),
    ("rec reg", "RefCOCOg", "refcocog"),
    ("stvg elc svg", "self collected", "vidstg"),
    ("svg", "self collected", "vidor"),
    ("conversation", "VCG-Plus-112K", "vcg_plus_112k"),
    ("conversation", "VideoChatGPT-100K", "videochatgpt_100k"),
    ("conversation", "VideoChat2-Conv", "videochat2_conv"),
    ("video_qa", "EgoQA", "egoqa"),
    ("video_qa", "NExT-QA", "next_qa"),
    ("video_qa", "Intent-QA", "intent_qa"),
    ("video_qa", "AGQA", "agqa"),
    ("video_qa", "STAR", "star"),
    ("video_qa", "CLEVRER", "clevrer"),
    ("video_qa", "WebVid-QA", "webvid_qa"),
    ("classification", "SthSthV2", "sthsth_v2"),
    ("classification", "Kinetics", "kinetics"),
    ("video_caption", "TextVR", "textvr"),
    ("video_caption", "YouCook2", "youcook2_caption"),
    ("video_caption", "WebVid", "webvid_caption"),
    ("video_caption", "ShareGPT4Video", "sharegpt4video"),
];

#[test]
fn every_source_of_the_papers_table_is_listed_with_its_tasks() {
    let (_, listed) = json(&["normalize", "--list"]);
    for (tasks, spelled, name) in PAPER {
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == *name);
        let found = found.unwrap_or_else(|| panic!("{spelled} is not listed as {name}"));
        for task in tasks.split(' ') {
            let has = found["tasks"].as_array().unwrap();
            assert!(
                has.iter().any(|one| one == task),
                "{spelled} gives no {task}: {found}"
            );
        }
    }
    // The table that --all compares with names the same sources, but VidOR, which has no row of its own.
    let mut compared: Vec<(&str, &str)> = Vec::new();
    for share in &st_data::registry::builtin().composition {
        let names = share.sources.iter();
        compared.extend(names.map(|name| (share.task.as_str(), name.as_str())));
    }
    let mut ours: Vec<(&str, &str)> = PAPER
        .iter()
        .filter(|(_, _, name)| *name != "vidor")
        .flat_map(|(tasks, _, name)| tasks.split(' ').map(move |task| (task, *name)))
        .collect();
    compared.sort_unstable();
    ours.sort_unstable();
    assert_eq!(compared, ours);
}

/// A table that is missing or broken ends its own source, with what to do, and the others go on.
#[test]
fn a_source_that_cannot_be_read_ends_alone() {
    let raw = TempDir::new().unwrap();
    let root = TempDir::new().unwrap();
    copy(&fixtures().join("egoqa/raw"), &raw.path().join("egoqa"));
    copy(
        &fixtures().join("vidstg/raw/vidstg"),
        &raw.path().join("vidstg"),
    );
    copy(&fixtures().join("next_qa/raw"), &raw.path().join("next_qa"));
    let map = raw.path().join("next_qa/map_vid_vidorID.json");
    fs::write(&map, "{\"no").unwrap();
    // Nothing in it is a file of the source.
    fs::create_dir(raw.path().join("didemo")).unwrap();
    fs::write(raw.path().join("didemo/readme.md"), "").unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let out = root.path().join("annotations");
    let (raw_folder, out_folder, root_folder) = (text(raw.path()), text(&out), text(root.path()));
    let arguments = [
        "normalize",
        "--root",
        &root_folder,
        "--all",
        &raw_folder,
        "--split",
        "all",
        "--out",
        &out_folder,
    ];
    let (code, told) = json(&arguments);
    assert_eq!(code, Some(1));
    let accounts = told["sources"].as_array().unwrap();
    let account = |name: &str| accounts.iter().find(|one| one["source"] == name).unwrap();
    for (name, wanted) in [
        (
            "vidstg",
            vec!["training/*/*.json", "is missing", "/vidor", "run again"],
        ),
        ("next_qa", vec!["map_vid_vidorID.json"]),
        ("didemo", vec!["_data.json"]),
    ] {
        let why = account(name)["stopped"].as_str().unwrap();
        for word in wanted {
            assert!(why.contains(word), "{word} is missing in: {why}");
        }
        assert_eq!(number(account(name), "read"), 0);
    }
    // The source that can be read has no fault: the exit code is the others'.
    assert_eq!(account("egoqa")["stopped"], Value::Null);
    assert_eq!(number(account("egoqa"), "kept"), 3);
    let written: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        written.contains(&"egoqa_video_qa.json".into()),
        "{written:?}"
    );
    assert!(
        !written
            .iter()
            .any(|name| name.contains("vidstg") || name.starts_with('.')),
        "{written:?}"
    );
    let output = stdata().args(arguments).arg("-q").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table
        .lines()
        .find(|line| line.starts_with("vidstg"))
        .unwrap();
    assert!(
        line.contains("stopped") && line.contains("run again"),
        "{table}"
    );
}

/// Marks of `stdata browse` are about what a record says, so they are found again when the raw files are read again.
#[test]
fn marks_of_the_review_file_are_honoured() {
    use st_data::review::{Mark, RecordDigest, Remark, Review};
    let root = TempDir::new().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (raw, out) = (fixtures().join("egoqa/raw"), root.path().join("out.json"));
    let (root_folder, raw, out_file) = (text(root.path()), text(&raw), text(&out));
    let arguments = [
        "normalize",
        "--root",
        &root_folder,
        "--source",
        "egoqa",
        &raw,
        "--out",
        &out_file,
    ];
    let records =
        || -> Vec<st_schema::Record> { serde_json::from_slice(&fs::read(&out).unwrap()).unwrap() };
    let (code, _) = json(&arguments);
    assert_eq!((code, records().len()), (Some(0), 3));
    let before = records();
    let mut review = Review::default();
    for (record, mark) in before.iter().zip([Mark::Bad, Mark::Fix, Mark::Good]) {
        review.set(Remark {
            record: RecordDigest::of(record),
            mark,
            note: String::new(),
            id: String::new(),
            file: String::new(),
        });
    }
    let file = root.path().join(Review::FILE);
    review.save(&file).unwrap();
    let (code, told) = json(&arguments);
    let account = &told["sources"][0];
    assert_eq!(code, Some(1), "{account}");
    assert_eq!(
        (number(account, "kept"), number(account, "rejected")),
        (2, 1)
    );
    assert_eq!(account["reasons"]["review-bad"], 1);
    assert_eq!(account["examples"][0]["id"], before[0].id.as_str());
    let notes = account["notes"].as_object().unwrap();
    assert!(
        notes
            .iter()
            .any(|(note, count)| note.contains("review-fix") && *count == 1),
        "{account}"
    );
    assert_eq!(records(), before[1..]);
    // The file may lie elsewhere, and must be there when it is named.
    let elsewhere = root.path().join("marks.jsonl");
    fs::rename(&file, &elsewhere).unwrap();
    assert_eq!(json(&arguments).0, Some(0));
    let elsewhere = text(&elsewhere);
    let named = [arguments.as_slice(), &["--review", &elsewhere]].concat();
    assert_eq!(json(&named).0, Some(1));
    let absent = [arguments.as_slice(), &["--review", "no/such.jsonl"]].concat();
    let output = stdata().args(absent).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// What is written may be read by whom the system's mask lets.
#[cfg(unix)]
#[test]
fn files_have_the_modes_that_the_mask_gives() {
    use std::os::unix::fs::PermissionsExt;
    let raw = fixtures().join("vtimellm_stage2/raw/stage2.json");
    for (mask, mode) in [("022", 0o644), ("027", 0o640), ("002", 0o664)] {
        let root = TempDir::new().unwrap();
        let out = root.path().join("out.json");
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_stdata"))
            .args(["normalize", "-q", "--source", "vtimellm_stage2", "--root"])
            .arg(root.path())
            .arg(&raw)
            .arg("--out")
            .arg(&out)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1));
        let rejects = root.path().join("rejects/normalize-vtimellm_stage2.jsonl");
        for path in [out, rejects] {
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{} under {mask}", path.display());
        }
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
