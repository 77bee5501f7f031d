//! A benchmark's records as questions, and answers as lines in the original's fields.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Number, Value, json};
use st_eval::EvalTask;
use st_eval::benchmark::{BenchmarkEntry, Prompt};
use st_eval::result_line::{DataType, ResultLine, ResultTruth, ResultTurn};
use st_schema::answer::compat;
use st_schema::benchmark::{self, Item};
use st_schema::{ClipKey, FramePlan, Media, Record, Turn};

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
        answer: &Result<String, String>,
        constrained: bool,
    ) -> Value {
        let text = answer.as_deref().unwrap_or_default();
        let line = ResultLine {
            outputs: text.to_owned(),
            converted_outputs: compat::normalize(text),
            index: question.index,
            other_boxes: question.other_boxes.clone(),
            constrained,
            error: answer.as_ref().err().cloned(),
            ..question
                .item
                .as_ref()
                .map_or_else(|_| ResultLine::default(), |item| self.describe(item))
        };
        json!(line)
    }

    /// The original's fields of the question.
    fn describe(&self, item: &Item) -> ResultLine {
        let path = Some(self.path(&item.clip).display().to_string());
        let (Media::Image(name) | Media::Video(name)) = &item.clip.media;
        let turn = |from: &str, value: Option<&String>| ResultTurn {
            from: from.to_owned(),
            value: value.cloned(),
        };
        let words = || Some(item.truth.caption.clone().unwrap_or_default());
        let all = ResultLine {
            data_type: Some(DataType::Video),
            prompt: Some(item.prompt.clone()),
            conversations: Some([turn("human", Some(&item.question)), turn("gpt", None)]),
            width: item.width.and(item.height).and(item.width).map(number),
            height: item.width.and(item.height).map(number),
            frame_num: item.clip.split.map(|_| item.frames),
            split: item.clip.split,
            variables: Some(item.variables.clone()),
            ..ResultLine::default()
        };
        match self.task {
            EvalTask::Rec => ResultLine {
                data_type: Some(DataType::Image),
                image_path: path,
                event: words(),
                image_id: Some(name.clone()),
                gt_bbox: Some(item.truth.bbox.map(|corners| corners.map(number))),
                ..all
            },
            EvalTask::Tvg => ResultLine {
                video_path: path,
                caption: words(),
                file_name: Some(name.clone()),
                gt: Some(ResultTruth::Span(item.truth.span)),
                ..all
            },
            EvalTask::Stvg | EvalTask::Svg | EvalTask::Elc => ResultLine {
                video_path: path,
                gt: Some(self.tube_truth(item)),
                ..all
            },
        }
    }

    fn tube_truth(&self, item: &Item) -> ResultTruth {
        let span = item.truth.span.filter(|_| self.task != EvalTask::Svg);
        let boxes = item.truth.tube.iter().flatten();
        ResultTruth::Tube {
            tvg: span.map(|span| span.map(number)),
            svg: boxes
                .map(|(frame, corners)| (frame.to_string(), json!(corners.map(number))))
                .collect(),
            caption: (self.task == EvalTask::Elc)
                .then(|| item.truth.caption.clone().unwrap_or_default()),
        }
    }
}

/// Whole numbers as JSON integers, as the annotations have them.
#[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
fn number(value: f64) -> Number {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        Number::from(value as i64)
    } else {
        // Benchmarks are JSON, which has no NaN.
        Number::from_f64(value).unwrap_or_else(|| Number::from(0))
    }
}
