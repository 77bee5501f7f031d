//! `stdata validate`: exit codes, outputs, `--fix`, media rules on real files.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::fetch::files_under;

const GOOD: &str = r#"{"id":"a","type":"rec","image":"a.png","conversations":[{"from":"human","value":"<image>\nWhere?"},{"from":"gpt","value":"[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"}],"variables":{"temporal_input_locations":[],"temporal_output_locations":[],"spatial_height_input_locations":[],"spatial_height_output_locations":[0.1,0.9],"spatial_width_input_locations":[],"spatial_width_output_locations":[0.2,0.8]}}"#;

fn stdata(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
    command
        .env_remove("STDATA_ROOT")
        .arg("--root")
        .arg(root)
        .arg("validate");
    command
}

fn json(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.arg("--json").output().unwrap();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), value)
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn rules(value: &Value) -> Vec<&str> {
    value["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count["rule"].as_str().unwrap())
        .collect()
}

#[test]
fn sound_records_exit_with_0_and_refused_ones_with_1() {
    let folder = TempDir::new().unwrap();
    let good = write(&folder, "good.json", &format!("[{GOOD}]"));
    let (code, value) = json(stdata(folder.path()).arg(&good));
    assert_eq!((code, value["total"]["kept"].as_u64()), (Some(0), Some(1)));
    let html = std::fs::read_to_string(value["html"].as_str().unwrap()).unwrap();
    assert!(html.contains("1 records: 1 kept"));

    let bad = write(
        &folder,
        "bad.jsonl",
        &format!("{GOOD}\n{}\n<script>\n", GOOD.replace("0.8", "1.8")),
    );
    let (code, value) = json(stdata(folder.path()).arg(&bad));
    assert_eq!(
        (code, value["total"]["rejected"].as_u64()),
        (Some(1), Some(2))
    );
    assert_eq!(rules(&value), ["json-syntax", "value-range"]);
    let rejects = std::fs::read_to_string(value["files"][0]["rejects"].as_str().unwrap()).unwrap();
    let lines: Vec<Value> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (lines[0]["line"].as_u64(), lines[0]["rule"].as_str()),
        (Some(2), Some("value-range"))
    );
    assert_eq!(lines[1]["text"], "<script>");

    let text = stdata(folder.path()).arg(&bad).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("value-range") && text.contains("bad.jsonl:2") && text.contains("1.8"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_opened_is_one_line_and_exit_code_2() {
    let folder = TempDir::new().unwrap();
    let misspelt = write(&folder, "a.yaml", "rules: {box-aera: warn}\ndatasets: []\n");
    for path in [
        folder.path().join("no.json"),
        misspelt,
        folder.path().join("no.yaml"),
    ] {
        let output = stdata(folder.path()).arg(&path).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), text.trim_end().lines().count()),
            (Some(2), 1),
            "{text}"
        );
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_dataset_is_fixed_beside_the_old_one() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "data/a.json",
        &format!(
            "[{},{GOOD}]",
            GOOD.replace("<image>\\nWhere", "Who")
                .replace("\"a\"", "\"b\"")
        ),
    );
    write(&folder, "media/a.png", "x");
    let yaml = "rules: {duplicate-text: \"off\"}\ndatasets:\n  - json_path: data/a.json\n    data_folder: media\n    source: s\n    sampling_strategy: first:1\n";
    let yaml = write(&folder, "set.yaml", yaml);
    let (code, value) = json(stdata(folder.path()).args([yaml.as_os_str(), "--fix".as_ref()]));
    assert_eq!(
        (code, value["total"]["repaired"].as_u64()),
        (Some(0), Some(1)),
        "{value}"
    );
    assert_eq!(rules(&value), ["media-placeholder"]);
    assert_eq!(value["sources"]["s"]["read"], 2);
    let fixed = PathBuf::from(value["fixed"][0].as_str().unwrap());
    assert_eq!(fixed.file_name().unwrap(), "set.fixed.yaml");
    let text = std::fs::read_to_string(&fixed).unwrap();
    assert!(
        text.contains("data/a.fixed.json") && text.contains("first:1"),
        "{text}"
    );
    let (code, value) = json(stdata(folder.path()).arg(&fixed));
    assert_eq!((code, rules(&value).len()), (Some(0), 0), "{value}");
}

#[test]
fn with_no_input_everything_under_the_root_is_judged() {
    let folder = TempDir::new().unwrap();
    stdata(folder.path()).assert().code(2);
    write(&folder, "annotations/a.json", &format!("[{GOOD}]"));
    write(
        &folder,
        "annotations/a.yaml",
        "datasets:\n  - {json_path: a.json, data_folder: nowhere}\n",
    );
    let (code, value) = json(&mut stdata(folder.path()));
    assert_eq!((code, rules(&value)), (Some(0), vec!["media-folder"]));
}

/// Real clips, with `meta` that says something else, and files that no decoder reads.
#[test]
fn media_rules_find_their_faults() {
    let media = std::env::var_os("ST_MEDIA").map_or_else(
        || {
            Path::new(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/media"
            ))
            .to_owned()
        },
        PathBuf::from,
    );
    let (real, nasty) = (media.join("real"), media.join("nasty/text.mp4"));
    if !real.is_dir() || !nasty.is_file() {
        println!("skipped: {} holds no real media", media.display());
        return;
    }
    let clip = std::fs::read_dir(&real)
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .flat_map(|bytes| serde_json::from_slice::<Vec<Value>>(&bytes).unwrap())
        .find(|record| record["meta"]["split"].is_array() && record["meta"]["fps"].is_number())
        .unwrap();
    let folder = TempDir::new().unwrap();
    for (rule, change) in [
        (
            "none",
            Box::new(|_: &mut Value| ()) as Box<dyn Fn(&mut Value)>,
        ),
        (
            "meta-size",
            Box::new(|record| record["meta"]["width"] = 17.into()),
        ),
        (
            "meta-fps",
            Box::new(|record| record["meta"]["fps"] = 3.5.into()),
        ),
        (
            "meta-frames",
            Box::new(|record| record["meta"]["frames"] = 90_000.into()),
        ),
        (
            "split-range",
            Box::new(|record| {
                record["meta"]["split"][1] = 80_000.into();
                record["meta"]["frames"] = Value::Null;
            }),
        ),
        (
            "media-unreadable",
            Box::new(|record| record["video"] = "nasty/text.mp4".into()),
        ),
    ] {
        let mut record = clip.clone();
        change(&mut record);
        write(&folder, "a.json", &Value::from(vec![record]).to_string());
        let yaml = format!(
            "rules: {{tube-grid: \"off\", tube-span: \"off\"}}\ndatasets:\n  - json_path: a.json\n    data_folder: {}\n",
            media.canonicalize().unwrap().display()
        );
        let yaml = write(&folder, "a.yaml", &yaml);
        let (_, value) = json(stdata(folder.path()).args([yaml.as_os_str(), "--deep".as_ref()]));
        let expected: &[&str] = if rule == "none" { &[] } else { &[rule] };
        assert_eq!(rules(&value), expected, "{value}");
    }
}

/// A clip whose header is sound and whose pictures are not: only decoding tells.
#[test]
fn deep_finds_the_frames_that_do_not_decode() {
    let place = TempDir::new().unwrap();
    let synth = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_stdata"))
            .args(["-q", "--root"])
            .arg(place.path())
            .args(arguments)
            .assert()
            .code(0);
    };
    let out = place.path().join("synth");
    let flags = [
        "--images",
        "0",
        "--videos",
        "3",
        "--validation",
        "0",
        "--benchmark",
        "1",
    ];
    synth(&[&["synth", "--out", out.to_str().unwrap()], &flags[..]].concat());
    let yaml = out.join("train.yaml");
    let judge = |flag: &str| json(stdata(place.path()).args([yaml.as_os_str(), flag.as_ref()]));
    assert_eq!(judge("--deep").0, Some(0));

    let mut videos: Vec<PathBuf> = files_under(&out.join("media/train"));
    videos.retain(|path| path.extension().is_some_and(|end| end == "mp4"));
    videos.sort();
    let mut bytes = std::fs::read(&videos[1]).unwrap();
    // `mdat` holds the packets; what `moov` says about them stays as it is.
    let packets = bytes.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    let size = u32::from_be_bytes(bytes[packets - 8..packets - 4].try_into().unwrap()) as usize - 8;
    let damage = packets + size / 3..packets + size * 2 / 3;
    bytes[damage].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&videos[1], bytes).unwrap();

    assert_eq!(judge("--media").0, Some(0), "the header alone is sound");
    let (code, value) = judge("--deep");
    assert_eq!(
        (code, rules(&value)),
        (Some(1), vec!["media-unreadable"]),
        "{value}"
    );
    let name = videos[1].file_name().unwrap().to_str().unwrap();
    let examples = value["rules"][0]["examples"].as_array().unwrap();
    for example in examples {
        let message = example["message"].as_str().unwrap();
        assert!(
            message.contains(name) && message.contains("frame "),
            "{message}"
        );
    }
    let total = &value["total"];
    let count = |key: &str| total[key].as_u64().unwrap();
    assert_eq!(
        count("read"),
        count("kept") + count("repaired") + count("rejected")
    );
    assert_eq!(
        value["rules"][0]["findings"].as_u64(),
        Some(count("rejected")),
        "{value}"
    );
}
