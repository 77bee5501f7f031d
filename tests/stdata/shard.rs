//! Shards are the same bytes however they were made, and nothing is lost on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::{Value, json};
use st_media::encode::{EncodeOptions, VideoWriter};
use st_shard::ShardReader;

fn stdata() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
    for name in [
        "STDATA_ROOT",
        "SLURM_PROCID",
        "SLURM_NTASKS",
        "JOB_COMPLETION_INDEX",
    ] {
        command.env_remove(name);
    }
    command
}

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// A picture whose grey level tells its frame number.
fn picture(video: usize, frame: usize) -> Vec<u8> {
    let pixel = |at: usize| {
        let texture = (at % WIDTH + at / WIDTH) % 16;
        [
            (40 + 3 * frame + texture) as u8,
            (200 - 2 * frame) as u8,
            (60 + 20 * video) as u8,
        ]
    };
    (0..WIDTH * HEIGHT).flat_map(pixel).collect()
}

fn record(id: usize, kind: &str, file: &str, split: Option<[u64; 2]>) -> Value {
    let mut record = json!({
        "id": format!("r{id}"), "type": "tvg", kind: file,
        "conversations": [
            {"from": "human", "value": format!("<{kind}>\nWhat is there?")},
            {"from": "gpt", "value": "A gradient."}],
        "variables": {},
    });
    if let Some(split) = split {
        record["meta"] = json!({"split": split});
    }
    record
}

/// Videos, images and records that share clips: 13 records, 10 clips, two of them of files that are no good.
fn dataset(folder: &Path) -> PathBuf {
    let media = folder.join("media");
    fs::create_dir_all(&media).unwrap();
    let mut records = Vec::new();
    for video in 0..4 {
        let name = format!("{video}.mp4");
        let options = EncodeOptions::new(WIDTH as u32, HEIGHT as u32, (10, 1));
        let mut writer = VideoWriter::create(&media.join(&name), &options).unwrap();
        for frame in 0..30 + video {
            writer.write(&picture(video, frame)).unwrap();
        }
        writer.finish().unwrap();
        records.push(record(records.len(), "video", &name, None));
        records.push(record(records.len(), "video", &name, None));
    }
    records.push(record(records.len(), "video", "0.mp4", Some([5, 20])));
    for image in 0..2 {
        let name = format!("{image}.jpg");
        let jpeg = st_shard::encode_jpeg(&picture(image, 9), WIDTH as u32, HEIGHT as u32, 90);
        fs::write(media.join(&name), jpeg.unwrap()).unwrap();
        records.push(record(records.len(), "image", &name, None));
    }
    let whole = fs::read(media.join("3.mp4")).unwrap();
    // The container's index stands in front and survives the cut.
    fs::write(media.join("cut.mp4"), &whole[..whole.len() * 4 / 5]).unwrap();
    records.push(record(records.len(), "video", "cut.mp4", None));
    records.push(record(records.len(), "video", "absent.mp4", None));
    fs::write(
        folder.join("records.json"),
        serde_json::to_vec(&records).unwrap(),
    )
    .unwrap();
    let yaml = folder.join("set.yaml");
    let text = "datasets:\n  - {json_path: records.json, data_folder: media, source: test, sampling_strategy: all}\n";
    fs::write(&yaml, text).unwrap();
    yaml
}

fn shard(yaml: &Path, out: &Path) -> Command {
    let mut command = stdata();
    command.args([
        "--quiet",
        "shard",
        "--frames=8",
        "--size=32",
        "--clips-per-shard=3",
    ]);
    command.arg(yaml).arg("--out").arg(out);
    command
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            assert!(path.is_file(), "{} was left behind", path.display());
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect()
}

fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (contents(one), contents(other));
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &one {
        assert!(bytes == &other[name], "{name} differs");
    }
}

#[test]
fn bytes_do_not_depend_on_workers_or_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let out = |name: &str| folder.path().join(name);
    shard(&yaml, &out("one")).args(["-j", "1"]).assert().code(1);
    shard(&yaml, &out("two")).args(["-j", "2"]).assert().code(1);
    assert_same(&out("one"), &out("two"));
    shard(&yaml, &out("inside"))
        .arg("--in-process")
        .assert()
        .code(1);
    assert_same(&out("one"), &out("inside"));
    for index in ["2", "0", "1"] {
        shard(&yaml, &out("parts"))
            .args(["--merge", "--task-count=3"])
            .assert()
            .code(2);
        let part = ["--task-count=3", "--task-index", index];
        let code = shard(&yaml, &out("parts"))
            .args(part)
            .output()
            .unwrap()
            .status
            .code();
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
    }
    shard(&yaml, &out("parts"))
        .args(["--merge", "--task-count=3"])
        .assert()
        .code(1);
    assert_same(&out("one"), &out("parts"));
}

#[test]
fn bytes_do_not_depend_on_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let (unbroken, broken) = (folder.path().join("unbroken"), folder.path().join("broken"));
    let started = Instant::now();
    shard(&yaml, &unbroken).assert().code(1);
    let whole = started.elapsed();
    // Kills fall anywhere in a run, by a fixed sequence; the shortest come first so that twenty fit in.
    let mut random = 12_345_u64;
    let mut kills = 0;
    while kills < 20 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = (random >> 33) as f64 / f64::from(1_u32 << 31);
        let mut child = Process::new(env!("CARGO_BIN_EXE_stdata"))
            .args([
                "--quiet",
                "shard",
                "--frames=8",
                "--size=32",
                "--clips-per-shard=3",
                "-j2",
            ])
            .arg(&yaml)
            .arg("--out")
            .arg(&broken)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * share / 2.0));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if broken.join("manifest.json").exists() {
            // The manifest was there before the kill; what the kill left behind goes with the next run. Begin again, so that every
            // kill strikes something.
            shard(&yaml, &broken).assert().code(1);
            assert_same(&unbroken, &broken);
            fs::remove_dir_all(&broken).unwrap();
        }
    }
    shard(&yaml, &broken).assert().code(1);
    assert_same(&unbroken, &broken);
    shard(&yaml, &broken).assert().code(1);
    assert_same(&unbroken, &broken);
}

/// A small disk of its own: where a user may mount one, which is asked first.
#[test]
fn a_full_disk_stops_the_run_which_goes_on_when_there_is_room() {
    const MOUNT: &str = "mount -t tmpfs -o size=96k none \"$1\"; ";
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let sandbox = |script: &str| {
        let mut command = Process::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-euc", script]);
        command.arg("sh").arg(&disk);
        command
    };
    if !sandbox(MOUNT).output().is_ok_and(|o| o.status.success()) {
        println!("skipped: `unshare --mount` and tmpfs are not allowed here");
        return;
    }
    let yaml = dataset(folder.path());
    let unbroken = folder.path().join("unbroken");
    shard(&yaml, &unbroken).assert().code(1);
    let script = format!(
        "{MOUNT} shift_disk=$1; shift; code=0; \"$@\" || code=$?; echo \"code $code\" >&2; \
         mount -o remount,size=64m \"$shift_disk\"; code=0; \"$@\" || code=$?; echo \"code $code\" >&2; \
         cp -r \"$shift_disk/out\" \"$shift_disk/../resumed\""
    );
    let run = shard(&yaml, &disk.join("out"));
    let output = sandbox(&script)
        .arg(run.get_program())
        .args(run.get_args())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].contains("no space is left for") && lines[0].contains("run the same command"),
        "{text}"
    );
    assert_eq!(lines[1..], ["code 2", "code 1"], "{text}");
    assert_same(&unbroken, &folder.path().join("resumed"));
}

#[test]
fn every_clip_is_stored_or_in_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let out = folder.path().join("out");
    let output = shard(&yaml, &out).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["records"], 13);
    assert_eq!(report["clips"], 9);
    assert_eq!(report["stored"], 7);
    assert_eq!(report["rejected"], 2);
    assert_eq!(report["reasons"], json!({"truncated": 1, "unreadable": 1}));
    let ledger = fs::read_to_string(out.join("rejects.jsonl")).unwrap();
    assert!(
        ledger.lines().count() == 2 && ledger.contains("media/cut.mp4 is cut off"),
        "{ledger}"
    );
    assert!(
        !ledger.contains(&*folder.path().to_string_lossy()),
        "{ledger}"
    );

    let reader = ShardReader::open(&out).unwrap();
    let part = reader
        .entries()
        .iter()
        .position(|entry| entry.split == Some([5, 20]))
        .unwrap();
    assert_eq!(
        reader.facts(part).unwrap().indices,
        [5, 7, 9, 11, 14, 16, 18, 20]
    );
    let frames = reader.frames(part).unwrap();
    assert_eq!((frames.count, frames.height, frames.width), (8, 32, 32));
    // The pictures are the ones that the numbers say: red is 40 + 3 * frame + texture of mean 7.5.
    for (at, index) in [5.0, 7.0, 9.0, 11.0, 14.0, 16.0, 18.0, 20.0]
        .into_iter()
        .enumerate()
    {
        let red: f64 = frames
            .frame(at)
            .chunks(3)
            .map(|p| f64::from(p[0]))
            .sum::<f64>()
            / 1024.0;
        assert!(
            (red - (47.5 + 3.0 * index)).abs() < 1.4,
            "frame {at}: {red}"
        );
    }
    // Kept, the cut file gives the places that are there and repeats nothing.
    let kept = folder.path().join("kept");
    shard(&yaml, &kept)
        .args(["--truncated", "keep"])
        .assert()
        .code(1);
    let reader = ShardReader::open(&kept).unwrap();
    let cut = reader
        .entries()
        .iter()
        .position(|entry| entry.media == "media/cut.mp4")
        .unwrap();
    let (entry, facts) = (&reader.entries()[cut], reader.facts(cut).unwrap());
    assert!(
        entry.missing > 0 && entry.frames + entry.missing == 8,
        "{entry:?}"
    );
    assert!(facts.places.is_sorted() && facts.indices.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn another_plan_and_wrong_inputs_are_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let out = folder.path().join("out");
    shard(&yaml, &out).assert().code(1);
    let mut other = stdata();
    other
        .args(["-q", "shard", "--frames=9", "--size=32"])
        .arg(&yaml)
        .arg("--out")
        .arg(&out);
    for (mut command, words) in [
        (other, "another plan"),
        (shard(&folder.path().join("no.yaml"), &out), "no.yaml"),
    ] {
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.lines().count() == 1 && text.contains(words), "{text}");
    }
}

#[test]
fn verify_finds_a_flipped_bit_and_names_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let out = folder.path().join("out");
    shard(&yaml, &out).assert().code(1);
    stdata()
        .args(["-q", "verify", "--deep"])
        .arg(&out)
        .assert()
        .code(0);
    let entry = ShardReader::open(&out).unwrap().entries()[1].clone();
    let path = out.join(format!("{:06}.tar", entry.shard));
    let mut bytes = fs::read(&path).unwrap();
    bytes[(entry.offset + entry.length / 2) as usize] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = stdata()
        .args(["-q", "verify", "--json"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults = report[0]["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{report}");
    assert!(
        faults
            .iter()
            .any(|fault| fault["clip"] == entry.clip.as_str()),
        "{report}"
    );
}

#[test]
fn python_webdataset_and_tar_read_a_shard() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = dataset(folder.path());
    let out = folder.path().join("out");
    shard(&yaml, &out).assert().code(1);
    let tar = out.join("000000.tar");
    let listing = Process::new("tar").arg("tf").arg(&tar).output().unwrap();
    assert!(listing.status.success());
    assert_eq!(
        String::from_utf8(listing.stdout).unwrap().lines().count(),
        3 * 9
    );
    let python = std::env::var_os("ST_PYTHON").unwrap_or_else(|| "python3".into());
    let program = "import sys, webdataset\n\
        for s in webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode('pilrgb'):\n\
        \x20   print(s['__key__'], s['json']['media'], sum(k.endswith('.jpg') for k in s), s['000.jpg'].size)";
    if !Process::new(&python)
        .args(["-c", "import webdataset"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        println!("skipped: no Python with webdataset (set ST_PYTHON to one)");
        return;
    }
    let output = Process::new(&python)
        .args(["-c", program])
        .arg(&tar)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
    let reader = ShardReader::open(&out).unwrap();
    for (line, entry) in text.lines().zip(reader.entries()) {
        assert_eq!(line, format!("{} {} 8 (32, 32)", entry.clip, entry.media));
    }
    assert_eq!(text.lines().count(), 3);
}

/// Runs on the real videos where they are: all of them, whole and by their records' ranges.
#[test]
fn real_videos_become_shards() {
    let media = std::env::var_os("ST_MEDIA").map(PathBuf::from);
    let media = media
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media"));
    let yaml = media.join("real.yaml");
    if !yaml.exists() {
        println!("skipped: {} is absent", yaml.display());
        return;
    }
    let out = tempfile::tempdir().unwrap();
    stdata()
        .args(["-q", "shard"])
        .arg(&yaml)
        .arg("--out")
        .arg(out.path().join("real"))
        .assert()
        .code(0);
    let reader = ShardReader::open(&out.path().join("real")).unwrap();
    assert!(
        reader
            .entries()
            .iter()
            .all(|entry| entry.missing == 0 && (entry.frames == 100 || entry.frames == 1))
    );
}
