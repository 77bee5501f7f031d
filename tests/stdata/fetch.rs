//! `stdata fetch` against a hub double: stages, models, the lock, the cache, messages.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::hub_double::{Access, Content, Double, Fault};

pub(crate) const ST_ALIGN: &str = "datasets/appletea2333/ST-Align-Dataset";
const STAGE_FILE: &str = "datasets:\n\
    - {json_path: /mnt/author/ST-Align/stage3/intentqa_train.json, data_folder: /mnt/author/nextqa, source: intentqa, sampling_strategy: all}\n\
    - {json_path: stage3/vidor.json, data_folder: data/vidor/videos, source: vidstg, sampling_strategy: 'first:10%'}\n\
    - {json_path: stage3/nowhere.json, data_folder: x, source: coin, sampling_strategy: all}\n";

/// A data root, a cache, and a hub.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) hub: Double,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            hub: Double::start(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("hf/hub")
    }

    /// The environment of the program, with nothing of ours in it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HF_ENDPOINT", self.hub.endpoint.clone()),
            (
                "HF_HOME",
                self.folder.path().join("hf").display().to_string(),
            ),
            ("HOME", self.folder.path().display().to_string()),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("NO_PROXY", "*".to_owned()),
        ]
    }

    pub(crate) fn fetch(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
        command
            .env_clear()
            .envs(self.environment())
            .arg("--root")
            .arg(self.root())
            .arg("fetch")
            .args(["--retry-pause", "0.01", "--keep-free", "0"])
            .args(args);
        command
    }

    pub(crate) fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.fetch(args).arg("--json").output().unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        (output.status.code(), value)
    }

    /// Runs a fetch that fails, and gives its one line.
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let output = self.fetch(args).arg("-q").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(error.starts_with("error: "), "{error}");
        error
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let path = self.root().join(path);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn verify(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_stdata"))
            .env_clear()
            .envs(self.environment())
            .arg("--root")
            .arg(self.root())
            .args(["verify", "--json"])
            .args(args)
            .output()
            .unwrap();
        (
            output.status.code(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    }
}

/// A repository as the released one is thought to be.
pub(crate) fn st_align(hub: &Double) {
    hub.repository(ST_ALIGN, Access::Open)
        .file(ST_ALIGN, "README.md", b"# ST-Align", false)
        .file(ST_ALIGN, "stage3_data.yaml", STAGE_FILE.as_bytes(), false)
        .file(ST_ALIGN, "stage3/intentqa_train.json", b"[1]", true)
        .file(ST_ALIGN, "stage3/vidor.json", b"[2]", false)
        .file(ST_ALIGN, "stage2/vidor.json", b"[3]", false);
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_stage_comes_with_its_files_and_a_stage_file_for_this_disk() {
    let place = Place::new();
    st_align(&place.hub);
    let (code, report) = place.json(&["--stage", "3"]);
    // One annotation file is missing in the repository: done, and something needs a look.
    assert_eq!(code, Some(1), "{report:#}");
    let problems = report["problems"].as_array().unwrap();
    assert!(
        problems.len() == 1 && problems[0].as_str().unwrap().contains("nowhere.json"),
        "{problems:?}"
    );
    assert_eq!(place.read("annotations/stage3/intentqa_train.json"), b"[1]");
    assert_eq!(place.read("annotations/stage3/vidor.json"), b"[2]");
    assert!(!place.root().join("annotations/stage2").exists());
    let local = String::from_utf8(place.read("stage3.yaml")).unwrap();
    for line in [
        "json_path: annotations/stage3/intentqa_train.json",
        "data_folder: media/intentqa",
        "data_folder: media/vidor/videos",
        "sampling_strategy: first:10%",
    ] {
        assert!(local.contains(line), "{line} is missing in:\n{local}");
    }
    assert!(!local.contains("coin"));
    // The program's other commands read that file.
    let output = Command::new(env!("CARGO_BIN_EXE_stdata"))
        .arg("stats")
        .arg(place.root().join("stage3.yaml"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !error.contains("yaml") && !error.contains("cannot read"),
        "{error}"
    );
    assert!(
        report["next"][0]
            .as_str()
            .unwrap()
            .starts_with("stdata media")
    );
    assert!(!place.hub.state.lock().unwrap().leaked);

    // Again: nothing is asked for, the lock stays as it is.
    let lock = place.read("stdata.lock");
    place.hub.take_asked();
    let (_, again) = place.json(&["--stage", "3"]);
    assert_eq!(again["network_bytes"], 0);
    assert!(place.hub.take_asked().is_empty());
    assert_eq!(place.read("stdata.lock"), lock);
    // And offline.
    place.hub.take_lines();
    let (code, offline) = place.json(&["--stage", "3", "--offline"]);
    assert_eq!(
        (code, &offline["network_bytes"]),
        (Some(1), &Value::from(0))
    );
    assert!(place.hub.take_lines().is_empty());
}

#[test]
fn a_dry_run_tells_sizes_and_moves_nothing_big() {
    let place = Place::new();
    st_align(&place.hub);
    let output = place
        .fetch(&["--stage", "3", "--dry-run"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("would fetch 2 files, 6 B") && text.contains(" free"),
        "{text}"
    );
    assert!(!place.root().exists());
    let asked = place.hub.take_asked();
    assert_eq!(asked.len(), 1, "only the stage file: {asked:?}");
}

#[test]
fn one_source_of_a_stage_can_be_had_alone() {
    let place = Place::new();
    st_align(&place.hub);
    let (code, report) = place.json(&["--stage", "3", "--source", "vidstg"]);
    assert_eq!(
        (code, &report["files"]),
        (Some(0), &Value::from(2)),
        "{report:#}"
    );
    let error = place.fails(&["--stage", "3", "--source", "nothing-like-it"]);
    assert!(error.contains("nothing-like-it"), "{error}");
}

#[test]
fn a_stage_without_stage_file_is_its_folder() {
    let place = Place::new();
    place
        .hub
        .repository(ST_ALIGN, Access::Open)
        .file(ST_ALIGN, "stage2/a.json", b"[]", false)
        .file(ST_ALIGN, "stage3/b.json", b"[]", false);
    let (code, report) = place.json(&["--stage", "2"]);
    assert_eq!(
        (code, &report["files"]),
        (Some(0), &Value::from(1)),
        "{report:#}"
    );
    assert!(
        report["notes"][0]
            .as_str()
            .unwrap()
            .contains("no stage file")
    );
    assert!(
        String::from_utf8(place.read("stage2.yaml"))
            .unwrap()
            .contains("annotations/stage2/a.json")
    );
}

#[test]
fn media_archives_are_unpacked_where_the_stage_file_wants_them() {
    let place = Place::new();
    st_align(&place.hub);
    let whole = tar(&[("a.mp4", b"AAAA"), ("sub/b.mp4", b"BB")]);
    let (first, second) = whole.split_at(700);
    place
        .hub
        .file(ST_ALIGN, "media/vidstg.tar.part-00", first, true)
        .file(ST_ALIGN, "media/vidstg.tar.part-01", second, true)
        .file(
            ST_ALIGN,
            "media/intentqa.zip",
            &zip(&[("c.mp4", b"CCC")]),
            true,
        )
        .file(
            ST_ALIGN,
            "media/unrelated.zip",
            &zip(&[("d.mp4", b"D")]),
            true,
        );
    let (_, report) = place.json(&["--stage", "3"]);
    assert_eq!(
        place.read("media/vidor/videos/a.mp4"),
        b"AAAA",
        "{report:#}"
    );
    assert_eq!(place.read("media/vidor/videos/sub/b.mp4"), b"BB");
    assert_eq!(place.read("media/intentqa/c.mp4"), b"CCC");
    assert_eq!(report["archives"].as_array().unwrap().len(), 2);
    assert!(report["notes"][0].as_str().unwrap().contains("unrelated"));
    // A file that went missing is unpacked again, the others are left; verify sees both.
    fs::remove_file(place.root().join("media/vidor/videos/a.mp4")).unwrap();
    let (code, found) = place.verify(&["--deep"]);
    assert_eq!(code, Some(1));
    assert_eq!(found[0]["faults"][0]["file"], "media/vidor/videos/a.mp4");
    let (_, again) = place.json(&["--stage", "3"]);
    assert_eq!(again["archives"][1]["there"], 1, "{again:#}");
    assert_eq!(place.verify(&["--deep"]).0, Some(0));
}

#[test]
fn models_benchmarks_and_other_repositories_have_their_folders() {
    let place = Place::new();
    let hub = &place.hub;
    hub.repository("models/o/tiny", Access::Open)
        .file("models/o/tiny", "config.json", b"{}", false)
        .file("models/o/tiny", "model.safetensors", &[7; 3000], true);
    let bench = "datasets/appletea2333/ST-Align-Benchmark";
    hub.repository(bench, Access::Open)
        .file(bench, "stvg.json", b"[]", false)
        .file(bench, "sources.zip", &zip(&[("1.mp4", b"v")]), true);
    hub.repository("datasets/o/other", Access::Open)
        .file("datasets/o/other", "x/raw.csv", b"a,b", false)
        .file("datasets/o/other", "x/skip.bin", b"no", true);
    let args = [
        "--model",
        "o/tiny",
        "--stage",
        "bench",
        "--repo",
        "o/other",
        "--exclude",
        "*.bin",
    ];
    let (code, report) = place.json(&args);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(place.read("models/tiny/model.safetensors"), [7; 3000]);
    assert_eq!(place.read("benchmarks/st-align/stvg.json"), b"[]");
    assert_eq!(place.read("media/st-align/1.mp4"), b"v");
    assert_eq!(place.read("raw/other/x/raw.csv"), b"a,b");
    assert!(!place.root().join("raw/other/x/skip.bin").exists());
    let (code, report) = place.json(&["--repo", "o/other", "--into", "media/o", "--copy"]);
    assert_eq!(code, Some(0), "{report:#}");
    let copied = place.root().join("media/o/x/skip.bin");
    assert!(!fs::symlink_metadata(copied).unwrap().is_symlink());
    assert!(
        place
            .fails(&["--repo", "o/other", "--into", "../out"])
            .contains("leaves its folder")
    );
}

#[test]
fn the_lock_holds_until_it_is_told_otherwise() {
    let place = Place::new();
    let name = "datasets/o/d";
    place
        .hub
        .repository(name, Access::Open)
        .file(name, "a.json", b"old", false);
    assert!(
        place
            .fails(&["--repo", "o/d", "--locked"])
            .contains("not in stdata.lock")
    );
    assert_eq!(place.json(&["--repo", "o/d"]).0, Some(0));
    let lock: Value = serde_json::from_slice(&place.read("stdata.lock")).unwrap();
    let file = &lock["files"][0];
    assert_eq!(
        (
            file["repository"].as_str(),
            file["path"].as_str(),
            file["size"].as_u64(),
            file["placed"].as_str()
        ),
        (Some(name), Some("a.json"), Some(3), Some("raw/d/a.json"))
    );
    assert_eq!(file["commit"], place.hub.commit(name).as_str());
    assert_eq!(place.json(&["--repo", "o/d", "--locked"]).0, Some(0));

    // The hub moves on. The old commit is gone there, so that asking for it cannot go unseen.
    place
        .hub
        .file(name, "a.json", b"newer", false)
        .file(name, "b.json", b"b", false);
    let error = place.fails(&["--repo", "o/d"]);
    assert!(error.contains("no revision"), "{error}");
    let (code, _) = place.json(&["--repo", "o/d", "--update"]);
    assert_eq!(
        (code, place.read("raw/d/a.json")),
        (Some(0), b"newer".to_vec())
    );
    let moved: Value = serde_json::from_slice(&place.read("stdata.lock")).unwrap();
    assert_eq!(
        moved["repositories"][0]["commit"],
        place.hub.commit(name).as_str()
    );
    assert_eq!(moved["files"].as_array().unwrap().len(), 2);
}

#[test]
fn verify_reads_the_lock_and_check_repairs() {
    let place = Place::new();
    let name = "datasets/o/d";
    place
        .hub
        .repository(name, Access::Open)
        .file(name, "a.bin", &[1; 5000], true);
    assert_eq!(place.json(&["--repo", "o/d"]).0, Some(0));
    assert_eq!(place.verify(&[]).0, Some(0));
    let content = fs::canonicalize(place.root().join("raw/d/a.bin")).unwrap();
    fs::write(&content, [2; 5000]).unwrap();
    let (code, found) = place.verify(&[]);
    assert_eq!(code, Some(1));
    let reason = found[0]["faults"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("sha256"), "{reason}");
    assert_eq!(place.json(&["--repo", "o/d", "--check"]).0, Some(0));
    assert_eq!(place.verify(&[]).0, Some(0));
    assert_eq!(place.read("raw/d/a.bin"), [1; 5000]);
}

#[test]
fn closed_doors_name_the_page_and_the_variable() {
    let place = Place::new();
    let hub = &place.hub;
    for (name, access) in [
        ("datasets/o/gated", Access::Gated),
        ("datasets/o/private", Access::Private),
    ] {
        hub.repository(name, access)
            .file(name, "a.bin", b"secret", true);
    }
    for (repository, words) in [
        ("o/gated", ["gated", "/datasets/o/gated", "HF_TOKEN"]),
        (
            "o/private",
            ["missing or private", "/datasets/o/private", "HF_TOKEN"],
        ),
        (
            "o/none",
            ["missing or private", "/datasets/o/none", "HF_TOKEN"],
        ),
    ] {
        let output = place.fetch(&["--repo", repository]).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(2), "{text}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in: {text}");
        }
    }
    assert!(!place.root().join("raw").exists());
    // The token file opens both.
    fs::create_dir_all(place.folder.path().join("hf")).unwrap();
    fs::write(place.folder.path().join("hf/token"), "good\n").unwrap();
    for repository in ["o/gated", "o/private"] {
        assert_eq!(place.json(&["--repo", repository]).0, Some(0));
    }
    assert!(
        !place.hub.state.lock().unwrap().leaked,
        "the token went to another host"
    );
}

/// Tokens, caches and being offline by the variables of Python's `huggingface_hub`.
#[test]
fn the_environment_is_honoured() {
    let place = Place::new();
    let name = "datasets/o/private";
    place
        .hub
        .repository(name, Access::Private)
        .file(name, "a.bin", b"secret", true);
    let token_file = place.folder.path().join("my-token");
    fs::write(&token_file, "good\n").unwrap();
    let token_file = token_file.to_str().unwrap();
    let elsewhere = place.folder.path().join("elsewhere");
    let run = |variables: &[(&str, &str)]| {
        let mut command = place.fetch(&["--repo", "o/private", "-q"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        output.status.code()
    };
    for refused in [
        &[][..],
        &[("HF_TOKEN", "wrong")],
        &[("HF_TOKEN", "good"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")],
        &[("HF_TOKEN", "wrong"), ("HF_TOKEN_PATH", token_file)],
    ] {
        assert_eq!(run(refused), Some(2), "{refused:?}");
    }
    place.hub.take_lines();
    assert_eq!(
        run(&[("HF_TOKEN", "good"), ("HF_HUB_OFFLINE", "1")]),
        Some(2)
    );
    assert!(place.hub.take_lines().is_empty(), "offline asks nobody");
    let cache = ("HF_HUB_CACHE", elsewhere.to_str().unwrap());
    assert_eq!(run(&[("HF_TOKEN_PATH", token_file), cache]), Some(0));
    assert!(elsewhere.join("datasets--o--private/snapshots").is_dir());
    assert!(!place.cache().exists());
    fs::remove_dir_all(place.root()).unwrap();
    assert_eq!(run(&[("HF_TOKEN", "good")]), Some(0));
    assert!(place.cache().join("datasets--o--private/blobs").is_dir());
    place.hub.take_lines();
    assert_eq!(run(&[("HF_HUB_OFFLINE", "yes")]), Some(0));
    assert!(place.hub.take_lines().is_empty(), "offline asks nobody");
}

#[test]
fn a_disk_that_would_fill_up_is_not_begun() {
    let place = Place::new();
    let name = "datasets/o/d";
    let content = Content {
        bytes: b"x".to_vec(),
        large: true,
        told_size: Some(1 << 60),
    };
    place
        .hub
        .repository(name, Access::Open)
        .content(name, "huge.bin", content);
    let error = place.fails(&["--repo", "o/d"]);
    assert!(
        error.contains("1.0 EiB more is needed") && error.contains("is free"),
        "{error}"
    );
    assert!(place.hub.take_asked().is_empty());
    // A dry run tells it beforehand, and does not say that the next step is to begin.
    let (code, report) = place.json(&["--repo", "o/d", "--dry-run"]);
    assert_eq!(code, Some(1), "{report:#}");
    let problem = report["problems"][0].as_str().unwrap();
    assert!(problem.contains("1.0 EiB needed"), "{problem}");
    assert!(report["next"].is_null(), "{report:#}");
}

#[test]
fn the_rate_is_kept() {
    let place = Place::new();
    let name = "datasets/o/d";
    place
        .hub
        .repository(name, Access::Open)
        .file(name, "a.bin", &vec![1; 120_000], true);
    let started = std::time::Instant::now();
    assert_eq!(
        place.json(&["--repo", "o/d", "--limit-rate", "200KB"]).0,
        Some(0)
    );
    let elapsed = started.elapsed().as_secs_f64();
    assert!(elapsed > 0.45, "120 kB at 200 kB/s took {elapsed:.2} s");
}

#[test]
fn servers_are_waited_for_as_they_ask() {
    let place = Place::new();
    let name = "datasets/o/d";
    place
        .hub
        .repository(name, Access::Open)
        .file(name, "a.bin", &[1; 100], true);
    place
        .hub
        .state
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Status(429, Some("1")));
    let started = std::time::Instant::now();
    assert_eq!(place.json(&["--repo", "o/d"]).0, Some(0));
    assert!(started.elapsed().as_secs_f64() > 0.95);
    place.hub.file(name, "b.bin", &[2; 100], true);
    place.hub.state.lock().unwrap().always = Some(Fault::Status(429, Some("7200")));
    let output = place
        .fetch(&["--repo", "o/d", "--update"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("asks to wait 7200 s"), "{text}");
}

/// What is in the way is not replaced.
#[test]
fn files_of_the_user_are_left_alone() {
    let place = Place::new();
    let name = "datasets/o/d";
    place
        .hub
        .repository(name, Access::Open)
        .file(name, "a.json", b"theirs", false);
    let mine = place.root().join("raw/d/a.json");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "mine").unwrap();
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(
        (code, fs::read(&mine).unwrap()),
        (Some(1), b"mine".to_vec()),
        "{report:#}"
    );
    assert!(
        report["problems"][0]
            .as_str()
            .unwrap()
            .contains("another file is there")
    );
}

#[test]
fn one_fetch_at_a_time_works_in_a_root() {
    let place = Place::new();
    place.hub.repository("datasets/o/d", Access::Open);
    let folder = place.root().join(".stdata");
    fs::create_dir_all(&folder).unwrap();
    let held = fs::File::create(folder.join("fetch")).unwrap();
    held.lock().unwrap();
    assert!(
        place
            .fails(&["--repo", "o/d"])
            .contains("another stdata fetch")
    );
}

pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            // What a program at work has removed since is not there.
            let Ok(kind) = fs::symlink_metadata(&path) else {
                continue;
            };
            if kind.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
