//! What a run writes down as it goes: `metrics.jsonl`, a `TensorBoard` event file and a picture of the loss.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, write_atomic};
use crate::tensorboard::Events;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// Training, over the steps since the last line.
    Train(TrainLine),
    /// Validation after a step.
    Validation(ValidationLine),
}

/// Training, over the steps since the last line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainLine {
    /// Steps done.
    pub step: u64,
    /// Name of the phase.
    pub phase: String,
    /// Mean loss.
    pub loss: f64,
    /// Mean loss per task.
    pub tasks: std::collections::BTreeMap<String, f64>,
    /// Factor on the learning rates at the last step.
    pub lr_factor: f64,
    /// Largest learning rate at the last step.
    pub lr: f64,
    /// Norm of all gradients before clipping, at the last step.
    pub grad_norm: f64,
    /// The same per part.
    pub grad_norms: std::collections::BTreeMap<String, f64>,
    /// Records since the start of the run.
    pub records: u64,
    /// Records in a second.
    pub records_per_second: f64,
    /// Tokens in a second, padding left out.
    pub tokens_per_second: f64,
    /// Share of the time that the loop waited for data.
    pub data_wait: f64,
    /// Seconds of training since the start of the run.
    pub seconds: f64,
}

/// Validation after a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Steps done.
    pub step: u64,
    /// Mean loss over the held-out records.
    pub loss: f64,
    /// Loss per task and scores, by name.
    pub scores: std::collections::BTreeMap<String, f64>,
}

/// The three records of a run, in its folder.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: fs::File,
    events: Events,
    lines: Vec<Line>,
    bytes: u64,
}

impl Metrics {
    /// Opens the records of a run; what lies beyond `bytes` of `metrics.jsonl` belongs to steps that were lost and is cut.
    ///
    /// # Errors
    /// Where a file cannot be opened, or holds something else.
    pub fn open(folder: &Path, bytes: u64) -> Result<Self, CheckpointError> {
        let path = folder.join("metrics.jsonl");
        let mut lines = Vec::new();
        if path.exists() {
            let text = fs::read(&path)?;
            let kept = usize::try_from(bytes).unwrap_or(usize::MAX).min(text.len());
            for line in text[..kept]
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
            {
                let damaged = |e: serde_json::Error| CheckpointError::Damaged {
                    path: path.clone(),
                    reason: e.to_string(),
                };
                lines.push(serde_json::from_slice(line).map_err(damaged)?);
            }
        }
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)?;
        let bytes = bytes.min(file.metadata()?.len());
        file.set_len(bytes)?;
        let events = Events::create(folder)?;
        Ok(Self {
            path: folder.to_owned(),
            file,
            events,
            lines,
            bytes,
        })
    }

    /// Writes a line everywhere.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn write(&mut self, line: Line) -> Result<(), CheckpointError> {
        let mut text = serde_json::to_vec(&line).map_err(std::io::Error::other)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        self.bytes += text.len() as u64;
        match &line {
            Line::Train(line) => {
                let mut values = vec![
                    ("train/loss".to_owned(), line.loss),
                    ("train/lr".to_owned(), line.lr),
                    ("train/grad_norm".to_owned(), line.grad_norm),
                    (
                        "speed/records_per_second".to_owned(),
                        line.records_per_second,
                    ),
                    ("speed/tokens_per_second".to_owned(), line.tokens_per_second),
                    ("speed/data_wait".to_owned(), line.data_wait),
                ];
                values.extend(
                    line.tasks
                        .iter()
                        .map(|(t, v)| (format!("train/loss/{t}"), *v)),
                );
                values.extend(
                    line.grad_norms
                        .iter()
                        .map(|(t, v)| (format!("grad_norm/{t}"), *v)),
                );
                self.events.scalars(line.step, &values)?;
            }
            Line::Validation(line) => {
                let mut values = vec![("validation/loss".to_owned(), line.loss)];
                values.extend(
                    line.scores
                        .iter()
                        .map(|(t, v)| (format!("validation/{t}"), *v)),
                );
                self.events.scalars(line.step, &values)?;
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// Bytes of `metrics.jsonl` so far, flushed to disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn flushed_bytes(&mut self) -> Result<u64, CheckpointError> {
        self.file.sync_data()?;
        Ok(self.bytes)
    }

    /// All lines so far, those of earlier starts included.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Writes `loss.svg`.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn draw(&self, title: &str) -> Result<(), CheckpointError> {
        write_atomic(
            &self.path.join("loss.svg"),
            crate::curve::draw(title, &self.lines).as_bytes(),
        )
    }
}
