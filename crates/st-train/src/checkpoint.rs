//! Checkpoints: complete or not there.
//!
//! A checkpoint is a folder `step-000200/` with `trainable.safetensors`, `optimizer.safetensors` and `state.json`. It is written
//! under a temporary name, every file and the folder are flushed to disk, and only then it gets its name. `state.json` holds the
//! SHA-256 of the other files, so a folder that was damaged later is refused, not loaded.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use fs_err as fs;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Tensors by name, on the host.
pub type Tensors = BTreeMap<String, TensorData>;

/// What a run needs beside tensors to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of this layout.
    pub format: u32,
    /// Optimizer steps done; the next step has this number. Data order and dropout are functions of it.
    pub step: u64,
    /// SHA-256 of the resolved recipe and of what it reads.
    pub recipe: String,
    /// Seconds of training so far, over all starts.
    pub seconds: f64,
    /// Bytes of `metrics.jsonl` that belong to these steps.
    pub metrics_bytes: u64,
    /// Records seen.
    pub records: u64,
    /// Best validation loss and its step.
    pub best: Option<(f64, u64)>,
    /// SHA-256 of the files of the checkpoint.
    pub files: BTreeMap<String, String>,
}

/// Version of the layout.
pub const FORMAT: u32 = 1;

const STATE: &str = "state.json";
const TRAINABLE: &str = "trainable.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A tensor file is not one.
    #[error("{}: {reason}; delete the checkpoint {} to go on from the one before it", path.display(), folder(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor cannot be stored.
    #[error("tensor {name} has the type {dtype:?}, which a checkpoint does not hold")]
    Type {
        /// Its name.
        name: String,
        /// Its type.
        dtype: DType,
    },
}

fn folder(path: &Path) -> String {
    path.parent().unwrap_or(path).display().to_string()
}

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Checkpoint {
    /// Parameters that learn.
    pub trainable: Tensors,
    /// Optimizer state.
    pub optimizer: Tensors,
    /// The rest.
    pub state: State,
}

/// The folder of checkpoints of one run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints below `folder`, of which the newest `keep` stay.
    #[must_use]
    pub fn new(folder: PathBuf, keep: usize) -> Self {
        Self { folder, keep }
    }

    /// Writes one; a checkpoint of the same step is replaced. Then removes those beyond the newest `keep`, except the best.
    ///
    /// # Errors
    /// Where the disk refuses; then no folder of the final name is left behind.
    pub fn save(
        &self,
        trainable: &Tensors,
        optimizer: &Tensors,
        mut state: State,
    ) -> Result<PathBuf, CheckpointError> {
        let name = format!("step-{:06}", state.step);
        let target = self.folder.join(&name);
        let scratch = self
            .folder
            .join(format!(".{name}.{}.tmp", std::process::id()));
        fs::create_dir_all(&self.folder)?;
        self.clear_scratch()?;
        fs::create_dir(&scratch)?;
        state.files.clear();
        for (file, tensors) in [(TRAINABLE, trainable), (OPTIMIZER, optimizer)] {
            let sha = write_tensors(&scratch.join(file), tensors)?;
            state.files.insert(file.to_owned(), sha);
        }
        let text = serde_json::to_vec_pretty(&state).map_err(std::io::Error::other)?;
        write_synced(&scratch.join(STATE), &text)?;
        sync_folder(&scratch)?;
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(&scratch, &target)?;
        sync_folder(&self.folder)?;
        self.prune(state.best.map(|(_, step)| step))?;
        Ok(target)
    }

    /// Steps of the checkpoints there are, rising.
    ///
    /// # Errors
    /// Where the folder cannot be listed; a missing one has no checkpoints.
    pub fn steps(&self) -> Result<Vec<u64>, CheckpointError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|n| n.strip_prefix("step-"));
            let step: Option<u64> = digits.and_then(|n| n.parse().ok());
            steps.extend(step);
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Reads the newest checkpoint, checked against its hashes.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn newest(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        match self.steps()?.last() {
            Some(&step) => self.load(step).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the checkpoint of a step, checked against its hashes.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn load(&self, step: u64) -> Result<Checkpoint, CheckpointError> {
        let folder = self.path(step);
        let path = folder.join(STATE);
        let damaged = |path: &Path, reason: String| CheckpointError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let state: State =
            serde_json::from_slice(&fs::read(&path)?).map_err(|e| damaged(&path, e.to_string()))?;
        if state.format != FORMAT {
            let reason = format!("layout {} is not {FORMAT}", state.format);
            return Err(damaged(&path, reason));
        }
        let read = |file: &str| {
            let path = folder.join(file);
            let bytes = fs::read(&path)?;
            let sha = hex(&Sha256::digest(&bytes));
            if state.files.get(file) != Some(&sha) {
                return Err(damaged(
                    &path,
                    "its SHA-256 is not the one of state.json".to_owned(),
                ));
            }
            read_tensors(&bytes).map_err(|reason| damaged(&path, reason))
        };
        let (trainable, optimizer) = (read(TRAINABLE)?, read(OPTIMIZER)?);
        Ok(Checkpoint {
            trainable,
            optimizer,
            state,
        })
    }

    /// The folder of the checkpoint of a step.
    #[must_use]
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:06}"))
    }

    fn prune(&self, best: Option<u64>) -> Result<(), CheckpointError> {
        let steps = self.steps()?;
        let old = steps.len().saturating_sub(self.keep);
        for step in steps.into_iter().take(old).filter(|s| Some(*s) != best) {
            fs::remove_dir_all(self.path(step))?;
        }
        Ok(())
    }

    /// Removes what a killed run left half written.
    fn clear_scratch(&self) -> Result<(), CheckpointError> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name
                .to_str()
                .and_then(|n| n.strip_prefix(".step-"))
                .is_some_and(|n| n.strip_suffix(".tmp").is_some())
            {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Writes tensors as safetensors, flushed to disk; returns the SHA-256 of the file.
///
/// # Errors
/// Where the disk refuses or a tensor has a type that safetensors lacks.
pub fn write_tensors(path: &Path, tensors: &Tensors) -> Result<String, CheckpointError> {
    let mut views = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        let dtype = match data.dtype() {
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            dtype => {
                return Err(CheckpointError::Type {
                    name: name.clone(),
                    dtype,
                });
            }
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
        views.push((name.as_str(), view.map_err(std::io::Error::other)?));
    }
    let bytes = safetensors::serialize(views, None).map_err(std::io::Error::other)?;
    write_synced(path, &bytes)?;
    Ok(hex(&Sha256::digest(&bytes)))
}

fn read_tensors(bytes: &[u8]) -> Result<Tensors, String> {
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::I64 => DType::I64,
            other => return Err(format!("tensor {name} has the type {other:?}")),
        };
        let bytes = burn::tensor::Bytes::from_bytes_vec(view.data().to_vec());
        tensors.insert(
            name.to_owned(),
            TensorData::from_bytes(bytes, view.shape().to_vec(), dtype),
        );
    }
    Ok(tensors)
}

/// Writes a file and flushes it to disk, under its final name.
fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// Writes a file under a temporary name in the same folder, flushes it and gives it its name.
///
/// # Errors
/// Where the disk refuses; then the old file is still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new("."));
    let scratch = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    write_synced(&scratch, bytes)?;
    fs::rename(&scratch, path)?;
    sync_folder(folder)
}

fn sync_folder(path: &Path) -> Result<(), CheckpointError> {
    fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// SHA-256 of a file, in hex.
///
/// # Errors
/// Where it cannot be read.
pub fn sha256_file(path: &Path) -> Result<String, CheckpointError> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(value: f32) -> Tensors {
        BTreeMap::from([
            (
                "a.b".to_owned(),
                TensorData::new(vec![value, -0.0, f32::MIN_POSITIVE], [3]),
            ),
            ("a.time".to_owned(), TensorData::new(vec![7_i64], [1])),
        ])
    }

    fn state(step: u64) -> State {
        State {
            format: FORMAT,
            step,
            recipe: "r".to_owned(),
            seconds: 1.5,
            metrics_bytes: 10,
            records: 3,
            best: Some((0.5, 1)),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn round_trip_is_exact_and_old_ones_go_except_the_best() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().join("c"), 2);
        for step in 1..5 {
            checkpoints
                .save(&tensors(1.0), &tensors(2.0), state(step))
                .unwrap();
        }
        assert_eq!(checkpoints.steps().unwrap(), [1, 3, 4]);
        let read = checkpoints.newest().unwrap().unwrap();
        assert_eq!(read.state.step, 4);
        for (name, data) in tensors(1.0) {
            assert_eq!(read.trainable[&name].as_bytes(), data.as_bytes());
        }
    }

    #[test]
    fn a_flipped_byte_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().to_owned(), 2);
        let folder = checkpoints
            .save(&tensors(1.0), &tensors(2.0), state(1))
            .unwrap();
        let path = folder.join(TRAINABLE);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = checkpoints.newest().unwrap_err().to_string();
        assert!(
            error.contains("SHA-256") && error.contains("step-000001"),
            "{error}"
        );
    }

    #[test]
    fn half_written_folders_are_never_listed_and_are_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().to_owned(), 2);
        let scratch = dir.path().join(".step-000009.1.tmp");
        fs::create_dir(&scratch).unwrap();
        assert!(checkpoints.newest().unwrap().is_none());
        checkpoints
            .save(&tensors(1.0), &tensors(2.0), state(1))
            .unwrap();
        assert!(!scratch.exists());
    }
}
