//! A benchmark's records as questions, and answers as lines in the original's fields.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use st_eval::EvalTask;
use st_eval::benchmark::{BenchmarkEntry, Prompt};
use st_schema::answer::compat;
use st_schema::benchmark::{self, Item};
use st_schema::{ClipKey, FramePlan, Media, Record, Turn, Variables};

/// One record of a benchmark.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Its place in the file, from 0.
    pub(crate) index: usize,
    /// The question, or why the annotation is none.
    pub(crate) item: Result<Box<Item>, String>,
    /// REC: the other things in the picture, fractions.
    pub(crate) other_boxes: Vec<[f64; 4]>,
}

/// A benchmark's records.
#[derive(Debug)]
pub(crate) struct Questions {
    /// The task.
    pub(crate) task: EvalTask,
    /// In the file's order, cut at the recipe's limit.
    pub(crate) list: Vec<Question>,
    /// Where the media lie.
    pub(crate) media: PathBuf,
}

/// Reads an entry's annotation file.
///
/// # Errors
/// When the file cannot be read or is no benchmark of this task.
pub(crate) fn read(
    entry: &BenchmarkEntry,
    root: &Path,
    plan: FramePlan,
    limit: Option<usize>,
) -> anyhow::Result<Questions> {
    let task = entry.task();
    let path = root.join(&entry.annotations);
    let bytes = fs_err::read(&path).with_context(|| {
        format!(
            "benchmark {}: is --root {} right?",
            entry.name,
            root.display()
        )
    })?;
    let document: Value =
        serde_json::from_slice(&bytes).with_context(|| format!("{}: not JSON", path.display()))?;
    let choose = |index: usize| match entry.prompt {
        Prompt::Fixed(choice) => choice,
        Prompt::Random(seed) => {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(index as u64);
            random.random_range(0..840)
        }
    };
    let items = benchmark::items(&document, task.task(), plan, choose)
        .with_context(|| format!("{}: not a benchmark file for {task}", path.display()))?;
    let limit = entry
        .limit
        .into_iter()
        .chain(limit)
        .min()
        .unwrap_or(usize::MAX);
    let list = items
        .into_iter()
        .take(limit)
        .enumerate()
        .map(|(index, item)| {
            let item = item
                .map(Box::new)
                .map_err(|error| format!("annotation {index}: {error}"));
            let other_boxes = item
                .as_ref()
                .map(|item| other_boxes(&document, index, item))
                .unwrap_or_default();
            Question {
                index,
                item,
                other_boxes,
            }
        })
        .collect();
    Ok(Questions {
        task,
        list,
        media: root.join(&entry.media),
    })
}

/// `other_boxes` of a REC annotation, `x, y, width, height` in pixels.
fn other_boxes(document: &Value, index: usize, item: &Item) -> Vec<[f64; 4]> {
    let (Some(width), Some(height)) = (item.width, item.height) else {
        return Vec::new();
    };
    let boxes = document["annotations"][index]["other_boxes"]
        .as_array()
        .into_iter()
        .flatten();
    boxes
        .filter_map(|one| {
            let [x, y, w, h]: [f64; 4] = one
                .as_array()?
                .iter()
                .filter_map(Value::as_f64)
                .collect::<Vec<_>>()
                .try_into()
                .ok()?;
            Some([x / width, y / height, (x + w) / width, (y + h) / height])
        })
        .collect()
}

impl Questions {
    /// The record that the model is asked.
    pub(crate) fn record(item: &Item) -> Record {
        let turns = vec![Turn::human(item.question.clone())];
        Record::new(
            "question",
            item.clip.media.clone(),
            turns,
            item.variables.clone(),
        )
    }

    /// Where a clip's file lies.
    pub(crate) fn path(&self, clip: &ClipKey) -> PathBuf {
        let (Media::Image(name) | Media::Video(name)) = &clip.media;
        self.media.join(name)
    }

    /// The line of an answer, or of the reason why there is none.
    pub(crate) fn line(
        &self,
        question: &Question,
        answer: Result<String, String>,
        constrained: bool,
    ) -> Value {
        let mut line = Map::new();
        if let Ok(item) = &question.item {
            self.describe(&mut line, item);
        }
        let text = answer.as_deref().unwrap_or_default();
        line.insert("outputs".into(), text.into());
        line.insert("converted_outputs".into(), compat::normalize(text).into());
        line.insert("index".into(), question.index.into());
        if !question.other_boxes.is_empty() {
            line.insert("other_boxes".into(), json!(question.other_boxes));
        }
        if constrained {
            line.insert("constrained".into(), true.into());
        }
        if let Err(why) = answer {
            line.insert("error".into(), why.into());
        }
        line.into()
    }

    /// The original's fields, in its order.
    fn describe(&self, line: &mut Map<String, Value>, item: &Item) {
        let path = self.path(&item.clip).display().to_string();
        let (Media::Image(name) | Media::Video(name)) = &item.clip.media;
        let turns =
            json!([{"from": "human", "value": item.question}, {"from": "gpt", "value": null}]);
        let mut put = |key: &str, value: Value| {
            line.insert(key.to_owned(), value);
        };
        let words = || item.truth.caption.clone().unwrap_or_default();
        match self.task {
            EvalTask::Rec => {
                put("data_type", "image".into());
                put("image_path", path.into());
                put("event", words().into());
                put("prompt", item.prompt.as_str().into());
                put("conversations", turns);
                put("image_id", name.as_str().into());
                put(
                    "gt_bbox",
                    item.truth
                        .bbox
                        .map_or(Value::Null, |corners| numbers(&corners)),
                );
            }
            EvalTask::Tvg => {
                put("data_type", "video".into());
                put("video_path", path.into());
                put("caption", words().into());
                put("prompt", item.prompt.as_str().into());
                put("conversations", turns);
                put("file_name", name.as_str().into());
                put(
                    "gt",
                    item.truth.span.map_or(Value::Null, |span| json!(span)),
                );
            }
            EvalTask::Stvg | EvalTask::Svg | EvalTask::Elc => {
                put("data_type", "video".into());
                put("video_path", path.into());
                put("prompt", item.prompt.as_str().into());
                put("conversations", turns);
                put("gt", self.tube_truth(item));
            }
        }
        if let (Some(width), Some(height)) = (item.width, item.height) {
            put("width", number(width));
            put("height", number(height));
        }
        if let Some(split) = item.clip.split {
            put("frame_num", item.frames.into());
            put("split", json!(split));
        }
        put("variables", variables(&item.variables));
    }

    fn tube_truth(&self, item: &Item) -> Value {
        let mut truth = Map::new();
        if self.task != EvalTask::Svg
            && let Some(span) = item.truth.span
        {
            truth.insert("tvg".into(), numbers(&span));
        }
        let boxes = item.truth.tube.iter().flatten();
        let by_frame: Map<String, Value> = boxes
            .map(|(frame, corners)| (frame.to_string(), numbers(corners)))
            .collect();
        truth.insert("svg".into(), by_frame.into());
        if self.task == EvalTask::Elc {
            truth.insert(
                "caption".into(),
                item.truth.caption.clone().unwrap_or_default().into(),
            );
        }
        truth.into()
    }
}

fn variables(variables: &Variables) -> Value {
    serde_json::to_value(variables).unwrap_or_default()
}

fn numbers(values: &[f64]) -> Value {
    values
        .iter()
        .copied()
        .map(number)
        .collect::<Vec<_>>()
        .into()
}

/// Whole numbers as JSON integers, as the annotations have them.
#[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        (value as i64).into()
    } else {
        json!(value)
    }
}
