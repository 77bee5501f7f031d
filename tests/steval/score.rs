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
    let table = parquet_rows(&scores.join("tvg.scores.parquet"));
    let lines: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(table.len(), lines.len());
    for (row, line) in table.iter().zip(&lines) {
        for name in [
            "line", "index", "media", "outcome", "detail", "counted", "tiou", "iou",
        ] {
            assert_eq!(row.get(name).unwrap_or(&Value::Null), &line[name], "{name}");
        }
    }
}

/// The rows of a Parquet file as JSON objects.
fn parquet_rows(path: &std::path::Path) -> Vec<Value> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            let row = row.unwrap();
            let fields = row.get_column_iter().map(|(name, field)| {
                use parquet::record::Field;
                let value = match field {
                    Field::Null => Value::Null,
                    Field::Bool(value) => (*value).into(),
                    Field::Long(value) => (*value).into(),
                    Field::Double(value) => (*value).into(),
                    Field::Str(value) => value.as_str().into(),
                    other => panic!("{name}: {other:?}"),
                };
                (name.clone(), value)
            });
            Value::Object(fields.collect())
        })
        .collect()
}

const ELC: &str = concat!(
    r#"{"index":0,"video_path":"a.mp4","split":[0,10],"width":100,"height":100,"frame_num":11,"gt":{"tvg":[0,5],"svg":{"0":[0,0,50,50]},"caption":"a dog runs fast"},"variables":{"temporal_input_locations":[0.0]},"outputs":"Ends in <TEMP-050>, a dog runs slowly. Object bounding box: <TEMP-000>:[<WIDTH-000><HEIGHT-000><WIDTH-050><HEIGHT-050>]","converted_outputs":""}"#,
    "\n",
    "cut off\n",
    r#"{"index":2,"video_path":"b.mp4","split":[0,10],"width":100,"height":100,"frame_num":11,"gt":{"tvg":[0,5],"svg":{"0":[0,0,50,50]},"caption":"two cats sleep"},"outputs":"Ends in <TEMP-050>, two cats sleep. Object bounding box: <TEMP-000>:[<WIDTH-000><HEIGHT-000><WIDTH-050><HEIGHT-050>]","converted_outputs":""}"#,
    "\n",
);

#[test]
fn each_caption_has_its_own_scores() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("elc.jsonl");
    std::fs::write(&file, ELC).unwrap();
    let outcome = steval()
        .args(["score", "--json", "--per-record"])
        .args([folder.path(), &file])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(json[0]["captions"]["records"], 2);
    assert!(json[0]["captions"].get("meteor").is_none());
    let rows = parquet_rows(&folder.path().join("elc.scores.parquet"));
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["cider"], Value::Null);
    assert_eq!(
        (&rows[0]["rouge_l"], &rows[2]["rouge_l"]),
        (&0.75.into(), &1.0.into())
    );
    let mean = f64::midpoint(
        rows[0]["cider"].as_f64().unwrap(),
        rows[2]["cider"].as_f64().unwrap(),
    );
    assert!((mean - json[0]["captions"]["cider"].as_f64().unwrap()).abs() < 1e-12);
}

#[test]
fn a_folder_without_meteors_resources_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("elc.jsonl");
    std::fs::write(&file, ELC).unwrap();
    let outcome = steval()
        .args(["score", "--meteor"])
        .args([folder.path(), &file])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    let text = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        text.contains("english.prefixes")
            && text.contains("meteor-1.5.jar")
            && text.trim().lines().count() == 1,
        "{text}"
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
