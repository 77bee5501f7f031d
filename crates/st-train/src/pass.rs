//! One forward pass, ready for the device: encoded records, padded, and the frames of their clips, each clip once.

use std::sync::Arc;

use st_model::batch::{Batch, Padding};
use st_model::input::InputEncoder;
use st_schema::{Frames, Task};

use crate::dataset::{DataError, Dataset};
use crate::order::MicroBatch;

/// A record that cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// The training set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The record's text and numbers do not fit together, or the model.
    #[error("record {id}: {reason}; `stdata validate` finds such records")]
    Encode {
        /// The record's id.
        id: String,
        /// What is wrong.
        reason: String,
    },
}

/// One forward pass.
#[derive(Debug)]
pub struct Pass {
    /// The padded records.
    pub batch: Batch,
    /// The clips' frames, in the order in which the batch names clips.
    pub frames: Vec<Frames>,
    /// The clips, as indices into the data set.
    pub clips: Vec<usize>,
    /// The records' tasks.
    pub tasks: Vec<Task>,
    /// The records, as indices into the data set.
    pub records: Vec<usize>,
    /// Weight in the loss.
    pub weight: f64,
}

/// Makes passes of micro-batches; shared by the loader's threads.
#[derive(Debug, Clone)]
pub struct PassMaker {
    dataset: Arc<Dataset>,
    encoder: Arc<InputEncoder>,
    pad: u32,
}

impl PassMaker {
    /// A maker over a data set.
    #[must_use]
    pub fn new(dataset: Arc<Dataset>, encoder: Arc<InputEncoder>, pad: u32) -> Self {
        Self {
            dataset,
            encoder,
            pad,
        }
    }

    /// Reads, encodes and pads.
    ///
    /// # Errors
    /// The first record or clip that cannot be read or encoded.
    pub fn make(&self, micro: &MicroBatch) -> Result<Pass, PassError> {
        let mut encoded = Vec::with_capacity(micro.records.len());
        let (mut clips, mut rows, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for &index in &micro.records {
            let record = self.dataset.record(index)?;
            let one = self
                .encoder
                .encode_train(&record)
                .map_err(|e| PassError::Encode {
                    id: record.id.to_string(),
                    reason: e.to_string(),
                })?;
            encoded.push(one);
            let entry = self.dataset.catalog().entries[index];
            tasks.push(entry.task);
            let row = clips
                .iter()
                .position(|c| *c == entry.clip)
                .unwrap_or_else(|| {
                    clips.push(entry.clip);
                    clips.len() - 1
                });
            rows.push(row);
        }
        let frames = clips
            .iter()
            .map(|&c| self.dataset.frames(c))
            .collect::<Result<_, _>>()?;
        Ok(Pass {
            batch: Batch::collate_with(&encoded, &rows, self.pad, Padding::Right),
            frames,
            clips,
            tasks,
            records: micro.records.clone(),
            weight: micro.weight,
        })
    }
}
