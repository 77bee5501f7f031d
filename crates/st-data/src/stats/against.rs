//! Benchmark files to hold the training data against, in whatever shape they come.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use st_schema::{Media, Record, Turn, Variables};

use crate::read::{Options, records};

/// A benchmark file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// The file: a benchmark's annotations as published, records, or a list of names (`.txt`, `.csv`).
    pub path: PathBuf,
    /// The folder that its media lie in, as far as it is known: what tells equal paths.
    pub folder: String,
    /// The same as its dataset file spells it, which is how shards know its clips.
    pub data_folder: Option<String>,
}

/// Why a benchmark cannot be held against.
#[derive(Debug, thiserror::Error)]
pub enum AgainstError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It names no media.
    #[error(
        "{path}: no item names its media; a benchmark is a list of records, of objects with video_path, video, image, \
         video_id, image_id, vid or file_name, an object with images and annotations, or a .txt or .csv of names"
    )]
    Nothing {
        /// The file.
        path: PathBuf,
    },
}

/// Names of the fields that say which file an item is about, in order of preference.
const MEDIA: [&str; 11] = [
    "video_path",
    "video",
    "image",
    "video_file",
    "file_name",
    "video_id",
    "image_id",
    "vid",
    "gif_name",
    "video_name",
    "path",
];
/// Names of the fields that hold a question or sentence.
const QUESTION: [&str; 6] = [
    "question",
    "q",
    "query",
    "caption",
    "description",
    "sentence",
];
/// Names of the fields that hold an answer.
const ANSWER: [&str; 3] = ["answer", "a", "label"];

/// Reads a benchmark as records; what holds no media is left out, and counted by the second number.
///
/// # Errors
/// When the file cannot be read or nothing in it names media.
pub fn read_against(path: &Path) -> Result<(Vec<Record>, u64), AgainstError> {
    let open = |source| AgainstError::Open {
        path: path.to_owned(),
        source,
    };
    let list = path
        .extension()
        .is_some_and(|ending| ending == "txt" || ending == "csv");
    let (items, without) = if list {
        let text = fs_err::read_to_string(path).map_err(open)?;
        names(&text)
    } else if let Some(document) = document(path) {
        let items = of_document(&document);
        let whole = document.as_array().map_or(items.len(), Vec::len);
        let without = whole.saturating_sub(items.len());
        (items, without as u64)
    } else {
        lines(path).map_err(open)?
    };
    if items.is_empty() {
        return Err(AgainstError::Nothing {
            path: path.to_owned(),
        });
    }
    Ok((items, without))
}

/// The file as one JSON document, if it is one.
fn document(path: &Path) -> Option<Value> {
    let file = fs_err::File::open(path).ok()?;
    serde_json::from_reader(std::io::BufReader::new(file)).ok()
}

/// The file as records, whatever its packing; pieces that are none are counted.
fn lines(path: &Path) -> std::io::Result<(Vec<Record>, u64)> {
    let (mut items, mut without) = (Vec::new(), 0);
    for item in records(path, &Options::default()).map_err(std::io::Error::other)? {
        match item.map_err(std::io::Error::other)? {
            Ok((_, record)) => items.push(record),
            Err(_) => without += 1,
        }
    }
    Ok((items, without))
}

/// The first column of every line but a heading.
fn names(text: &str) -> (Vec<Record>, u64) {
    let first = |line: &str| {
        let name = line.split([',', '\t']).next().unwrap_or("");
        name.trim().trim_matches('"').to_owned()
    };
    let names = text.lines().map(first).filter(|name| !name.is_empty());
    let items = names
        .filter(|name| !MEDIA.contains(&name.as_str()))
        .map(|name| item(&name, None, None))
        .collect();
    (items, 0)
}

fn of_document(document: &Value) -> Vec<Record> {
    match document {
        Value::Array(list) => list.iter().filter_map(of_item).collect(),
        Value::Object(fields) => {
            let images = fields.get("images").and_then(Value::as_array);
            if let (Some(images), true) = (images, fields.contains_key("annotations")) {
                return images.iter().filter_map(of_item).collect();
            }
            let inner = ["database", "annotations", "data", "videos"];
            let wrapped = inner.iter().find_map(|name| fields.get(*name));
            if let Some(wrapped) = wrapped.filter(|value| value.is_array() || value.is_object()) {
                return of_document(wrapped);
            }
            // Keys that are names of videos, as in ActivityNet's files.
            fields
                .iter()
                .map(|(name, value)| match value {
                    Value::Object(fields) => with_text(name, fields),
                    _ => item(name, None, None),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn of_item(value: &Value) -> Option<Record> {
    if let Ok(record) = serde_json::from_value::<Record>(value.clone()) {
        return Some(record);
    }
    match value {
        Value::String(name) => Some(item(name, None, None)),
        Value::Object(fields) => {
            let name = MEDIA.iter().find_map(|name| match fields.get(*name)? {
                Value::String(name) => Some(name.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })?;
            Some(with_text(&name, fields))
        }
        _ => None,
    }
}

fn with_text(name: &str, fields: &Map<String, Value>) -> Record {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| fields.get(*name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let turn = |at: usize| {
        let turn = fields.get("conversations")?.get(at)?.get("value")?;
        turn.as_str().map(str::to_owned)
    };
    let question = turn(0).or_else(|| text(&QUESTION));
    let answer = turn(1).or_else(|| text(&ANSWER));
    let mut record = item(name, question, answer);
    if let Some(split) = fields.get("meta").and_then(|meta| meta.get("split"))
        && let Ok(split) = serde_json::from_value(split.clone())
    {
        record.meta.split = split;
    }
    for key in ["id", "question_id", "annotation_id"] {
        match fields.get(key) {
            Some(Value::String(id)) => record.id = id.as_str().into(),
            Some(Value::Number(id)) => record.id = id.to_string().into(),
            _ => continue,
        }
        break;
    }
    record
}

/// Pictures by their endings, all else a video.
fn item(name: &str, question: Option<String>, answer: Option<String>) -> Record {
    let picture = ["jpg", "jpeg", "png", "webp"];
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let media =
        if ending.is_some_and(|ending| picture.contains(&ending.to_ascii_lowercase().as_str())) {
            Media::Image(name.to_owned())
        } else {
            Media::Video(name.to_owned())
        };
    let question = question.map(Turn::human);
    let answer = answer.map(Turn::gpt);
    let turns = question.into_iter().chain(answer).collect();
    Record::new(name, media, turns, Variables::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<(String, usize)>, AgainstError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs_err::write(&path, text).unwrap();
        let (items, _) = read_against(&path)?;
        Ok(items
            .iter()
            .map(|item| (item.media.path().to_owned(), item.conversations.len()))
            .collect())
    }

    #[test]
    fn benchmarks_are_read_in_their_shapes() {
        let one = |name: &str, turns| vec![(name.to_owned(), turns)];
        let cases = [
            (
                "a.json",
                r#"[{"video_path":"9.mp4","meta":{"split":[0,11]},"conversations":[{"from":"human","value":"<video>\nWhen?"},{"from":"gpt","value":"From <s> to <e>"}]}]"#,
                one("9.mp4", 2),
            ),
            (
                "b.json",
                r#"{"images":[{"file_name":"COCO_train2014_000000000009.jpg","id":1,"caption":"red cap"}],"annotations":[{"id":1}]}"#,
                one("COCO_train2014_000000000009.jpg", 1),
            ),
            (
                "c.json",
                r#"[{"image_id":"QQ0A1.mp4","caption":"person opens","timestamp":[1,2]}]"#,
                one("QQ0A1.mp4", 1),
            ),
            (
                "d.json",
                r#"{"v_abc":{"duration":3,"question":"Why?"}}"#,
                one("v_abc", 1),
            ),
            ("e.json", r#"["9900000011"]"#, one("9900000011", 0)),
            ("f.txt", "video\n9900000011\n", one("9900000011", 0)),
            (
                "g.csv",
                "video_id,question\n9900000011,why\n",
                one("9900000011", 0),
            ),
            (
                "h.jsonl",
                "{\"video\":\"a.mp4\",\"conversations\":[]}\n{\"video\":\"a.mp4\",\"conversations\":[]}\n",
                vec![("a.mp4".to_owned(), 0); 2],
            ),
            (
                "i.json",
                r#"[{"vid":9900000011,"q":"Why?","a":"Because."}]"#,
                one("9900000011", 2),
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(read(name, text).unwrap(), expected, "{name}");
        }
        let error = read("j.json", "[1,2]").unwrap_err().to_string();
        assert!(error.contains("names its media"), "{error}");
    }
}
