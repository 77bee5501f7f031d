//! `steval-media`: the process that reaches FFmpeg, and what becomes of `steval` without it.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use st_media::encode::{EncodeOptions, VideoWriter};
use st_media::remote::Client;
use st_media::{ClipRequest, Truncated};
use st_schema::FramePlan;

use crate::fixture::Fixture;

const STEVAL: &str = env!("CARGO_BIN_EXE_steval");
const HELPER: &str = env!("CARGO_BIN_EXE_steval-media");

/// A folder with `steval`, and with a shell script for a helper if one is given.
fn installed(helper: Option<&str>) -> tempfile::TempDir {
    // On the program's own disk, as it is linked, not copied: a copy may be busy when it is to run.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::hard_link(STEVAL, folder.path().join("steval")).unwrap();
    if let Some(script) = helper {
        // Another process writes it, so that no child of this one holds it open for writing when it is to run.
        let mut shell = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
            .arg(folder.path().join("steval-media"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        write!(input, "#!/bin/sh\n{script}\n").unwrap();
        drop(input);
        assert!(shell.wait().unwrap().success());
    }
    folder
}

fn picture(shade: u8) -> Vec<u8> {
    [shade, 255 - shade, 90].repeat(48 * 36)
}

/// A model and a TVG benchmark of six videos.
fn videos() -> Fixture {
    let fixture = Fixture::new(2);
    let mut annotations = Vec::new();
    for id in 0..6_u8 {
        let name = format!("{id:03}.mp4");
        let path = fixture.path("media").join(&name);
        let mut writer = VideoWriter::create(&path, &EncodeOptions::new(48, 36, (10, 1))).unwrap();
        for frame in 0..12 {
            writer.write(&picture(40 * id + frame)).unwrap();
        }
        writer.finish().unwrap();
        annotations
            .push(json!({"image_id": name, "caption": "red circle", "timestamp": [0.1, 0.6]}));
    }
    let text = Value::from(annotations).to_string();
    std::fs::write(fixture.path("tvg.json"), text).unwrap();
    fixture
}

/// Answers the videos one after the other with the `steval` of a folder.
fn predict(fixture: &Fixture, program: &Path, out: &str) -> (Output, Vec<Value>) {
    let output = Command::new(program)
        .args([
            "predict",
            "--jobs",
            "1",
            "--batch",
            "2",
            "--max-new-tokens",
            "8",
        ])
        .args(["--task", "tvg", "--annotations"])
        .arg(fixture.path("tvg.json"))
        .arg("--media")
        .arg(fixture.path("media"))
        .arg("--model")
        .arg(fixture.path("model"))
        .arg("--out")
        .arg(fixture.path(out))
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let lines = std::fs::read_to_string(fixture.path(out).join("tvg.jsonl")).unwrap_or_default();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output, lines)
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn only_the_helper_loads_ffmpeg() {
    let libraries = |program: &str| {
        let output = Command::new(program)
            .arg("--version")
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (program, helper) = (libraries(STEVAL), libraries(HELPER));
    assert!(helper.contains("libavcodec"), "{helper}");
    assert!(program.contains("libc."), "{program}");
    assert!(
        !program.contains("libav") && !program.contains("libsw"),
        "{program}"
    );
}

#[test]
fn a_helper_that_dies_costs_the_record_it_was_at() {
    let fixture = videos();
    let (output, whole) = predict(&fixture, Path::new(STEVAL), "whole");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // The first helper greets, takes a request and dies; the others are what they should be.
    let folder = installed(Some(&format!(
        "[ -e \"$0.died\" ] && exec '{HELPER}'\n\
         : > \"$0.died\"\n\
         '{HELPER}' < /dev/null\n\
         head -c 1 > /dev/null\n\
         kill -KILL $$"
    )));
    let (output, lines) = predict(&fixture, &folder.path().join("steval"), "broken");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("signal"), "{text}");
    assert_eq!(lines.len(), 6);
    let file = fixture.path("media").join("000.mp4");
    let why = format!("the decoder died on {} (signal 9)", file.display());
    assert_eq!(lines[0]["error"], why);
    assert_eq!(lines[1..], whole[1..]);
}

#[test]
fn without_a_helper_videos_are_refused_in_one_line_and_scores_are_not() {
    let fixture = videos();
    let folder = installed(None);
    let program = folder.path().join("steval");
    let (output, lines) = predict(&fixture, &program, "out");
    let text = one_line(&output);
    let beside = folder.path().join("steval-media").display().to_string();
    assert!(text.contains(&beside), "{text}");
    assert!(text.contains("no steval-media in PATH"), "{text}");
    assert_eq!(lines, Vec::<Value>::new());

    let (_, answers) = predict(&fixture, Path::new(STEVAL), "answered");
    assert_eq!(answers.len(), 6);
    let score = Command::new(&program)
        .arg("score")
        .arg(fixture.path("answered").join("tvg.jsonl"))
        .output()
        .unwrap();
    assert!(score.status.success());
    // Its pictures are frames of the videos.
    let report = Command::new(&program)
        .args(["report", "--run"])
        .arg(format!("a={}", fixture.path("answered").display()))
        .arg("--root")
        .arg(fixture.path("media"))
        .arg("--out")
        .arg(fixture.path("report.html"))
        .env("PATH", "")
        .output()
        .unwrap();
    assert!(one_line(&report).contains(&beside));
}

#[test]
fn a_helper_of_another_build_is_refused() {
    let fixture = videos();
    for (script, why) in [
        (
            "echo st-media 0.0.1 0123\nexec cat",
            "says `st-media 0.0.1 0123`",
        ),
        ("exit 3", "ended as soon as it was started (exit status 3)"),
    ] {
        let folder = installed(Some(script));
        let (output, lines) = predict(&fixture, &folder.path().join("steval"), "out");
        let text = one_line(&output);
        assert!(text.contains(why), "{text}");
        assert_eq!(lines, Vec::<Value>::new());
    }
}

#[test]
fn a_helper_ends_with_its_input() {
    // Half a message, as of a program that was killed while it wrote.
    for input in [&b""[..], &[9, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut helper = Command::new(HELPER)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        helper.stdin.take().unwrap().write_all(input).unwrap();
        let output = helper.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
    }
}

/// An error's whole story.
fn told(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

#[test]
fn a_helper_gives_what_the_library_gives() {
    let fixture = videos();
    let shared = std::env::var_os("ST_MEDIA").map(PathBuf::from);
    let shared = shared
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media"));
    let mut files: Vec<PathBuf> = [fixture.path("media"), shared.join("nasty")]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.push(fixture.path("absent.mp4"));
    files.push(fixture.path("media"));
    files.push(fixture.folder.path().join(OsStr::from_bytes(b"\xff.mp4")));

    let client = Client::new(vec![HELPER.into()]);
    for file in &files {
        let (local, remote) = (st_media::probe(file), client.probe(file));
        assert_eq!(local.map_err(told), remote.map_err(told));
        for truncated in [Truncated::Reject, Truncated::Keep] {
            let request = ClipRequest {
                plan: FramePlan { frames: 7 },
                split: None,
                size: Some((64, 48)),
                truncated,
                ..ClipRequest::default()
            };
            let (local, remote) = (request.decode(file), client.decode(file, &request));
            assert_eq!(local.map_err(told), remote.map_err(told));
        }
    }
}

#[test]
fn a_helper_writes_what_the_library_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (local, remote) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
    let options = EncodeOptions::new(48, 36, (10, 1));
    let client = Client::new(vec![HELPER.into()]);
    let mut writer = VideoWriter::create(&local, &options).unwrap();
    let mut through = client.create(&remote, &options).unwrap();
    for frame in 0..30 {
        writer.write(&picture(frame)).unwrap();
        through.write(&picture(frame)).unwrap();
    }
    assert!(!remote.exists());
    let (short, too) = (writer.write(&[1]), through.write(&[1]));
    let text = told(too.unwrap_err());
    assert_eq!(told(short.unwrap_err()).replace("a.mp4", "b.mp4"), text);
    writer.finish().unwrap();
    through.finish().unwrap();
    assert_eq!(
        std::fs::read(&local).unwrap(),
        std::fs::read(&remote).unwrap()
    );
    std::fs::remove_file(&remote).unwrap();

    let odd = EncodeOptions::new(47, 36, (10, 1));
    assert!(told(client.create(&remote, &odd).unwrap_err()).contains("47x36"));
    let mut dropped = client.create(&remote, &options).unwrap();
    dropped.write(&picture(0)).unwrap();
    drop(dropped);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_question_about_a_video_is_answered_and_drawn() {
    let fixture = videos();
    let out = fixture.path("answers");
    let output = Command::new(STEVAL)
        .args(["ask", "--max-new-tokens", "8", "--model"])
        .arg(fixture.path("model"))
        .arg("--out")
        .arg(&out)
        .arg(fixture.path("media").join("003.mp4"))
        .args([
            "At which time interval can we see red circle?",
            "--task",
            "tvg",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{text}");
    let probe = st_media::probe(&out.join("003.tvg.mp4")).unwrap();
    assert_eq!((probe.width, probe.frames), (480, 12));
    assert!(out.join("003.tvg.png").exists());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
}
