//! `steval score`.

use assert_cmd::Command;
use serde_json::Value;

fn steval() -> Command {
    Command::new(env!("CARGO_BIN_EXE_steval"))
}

const LINES: &str = concat!(
    r#"{"index":0,"video_path":"a.mp4","gt":[0.0,0.5],"outputs":"{<TEMP-000><TEMP-099>}","converted_outputs":"{0.00000,1.00000}"}"#,
    "\n",
    r#"{"index":1,"video_path":"b.mp4","gt":[0.0,0.5],"outputs":"","converted_outputs":"","error":"b.mp4: no such file"}"#,
    "\n",
    r#"{"index":2,"video_path":"c.mp4","gt":[0.2,0.5],"outputs":"I see nothing.","converted_outputs":"I see nothing."}"#,
    "\n",
);

#[test]
fn nothing_is_left_out_and_trouble_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tvg.jsonl");
    std::fs::write(&file, LINES).unwrap();
    let scores = folder.path().join("scores");
    let outcome = steval()
        .args(["score", "--json", "--records", "4", "--per-record"])
        .args([&scores, &file])
        .output()
        .unwrap();
    assert_eq!(
        outcome.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let json: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let table = &json[0];
    assert_eq!(table["counted"], 4);
    assert_eq!(
        table["outcomes"],
        serde_json::json!({"failed": 1, "missing": 1, "no span": 1, "scored": 1})
    );
    assert_eq!(table["metrics"][0]["value"], 0.125);
    assert_eq!(table["troubles"][0]["why"], "b.mp4: no such file");
    let rows = std::fs::read_to_string(scores.join("tvg.scores.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 4);
    assert_eq!(
        &std::fs::read(scores.join("tvg.scores.parquet")).unwrap()[..4],
        b"PAR1"
    );
}

#[test]
fn a_wrong_file_is_one_clear_line() {
    let outcome = steval()
        .args(["score", "no/such/tvg.jsonl"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    let text = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        text.contains("no/such/tvg.jsonl") && text.trim().lines().count() == 1,
        "{text}"
    );
}
