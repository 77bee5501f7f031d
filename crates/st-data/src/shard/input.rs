//! Which records there are.

use std::path::{Path, PathBuf};

use st_schema::{DatasetEntry, DatasetFile, Record, SamplingStrategy};

use super::ShardingError;

/// An annotation file and where its media lie.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardInput {
    /// The annotation file.
    pub annotations: PathBuf,
    /// The data folder as the dataset file spells it; clips are known by it.
    pub data_folder: String,
    /// The data folder on this machine.
    pub folder: PathBuf,
    /// Which records are taken.
    pub sampling: SamplingStrategy,
}

impl ShardInput {
    /// Calls `each` with every record that sampling can take (`random` can take any).
    ///
    /// # Errors
    /// When the file cannot be read or a record is malformed.
    pub fn for_each(&self, mut each: impl FnMut(Record)) -> Result<(), ShardingError> {
        let failed = |reason: String| ShardingError::Input {
            path: self.annotations.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&self.annotations).map_err(|e| failed(e.to_string()))?;
        let records: Vec<Record> = if text.trim_start().starts_with('[') {
            serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?
        } else {
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty());
            let parse = |(at, line): (usize, &str)| {
                serde_json::from_str(line).map_err(|e| failed(format!("line {}: {e}", at + 1)))
            };
            lines.map(parse).collect::<Result<_, _>>()?
        };
        let taken = match self.sampling {
            SamplingStrategy::Random(_) => (0..records.len()).collect(),
            sampling => sampling.select(records.len(), 0),
        };
        let mut wanted = taken.into_iter().peekable();
        for (at, record) in records.into_iter().enumerate() {
            if wanted.next_if_eq(&at).is_some() {
                each(record);
            }
        }
        Ok(())
    }
}

/// The annotation files behind `paths`: dataset YAML files, or annotation files whose media lie beside them.
///
/// Relative paths in a dataset file start from its own folder.
///
/// # Errors
/// When a dataset file cannot be read.
pub fn read_inputs(paths: &[PathBuf]) -> Result<Vec<ShardInput>, ShardingError> {
    let mut inputs = Vec::new();
    for path in paths {
        let is_dataset = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_dataset {
            inputs.extend(read_dataset(path)?);
        } else {
            inputs.push(ShardInput {
                annotations: path.clone(),
                data_folder: ".".to_owned(),
                folder: path.parent().unwrap_or(Path::new("")).to_owned(),
                sampling: SamplingStrategy::All,
            });
        }
    }
    Ok(inputs)
}

fn read_dataset(path: &Path) -> Result<Vec<ShardInput>, ShardingError> {
    let failed = |reason: String| ShardingError::Input {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let file: DatasetFile = text.parse().map_err(|error| failed(format!("{error}")))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let input = |entry: DatasetEntry| ShardInput {
        annotations: base.join(&entry.json_path),
        folder: base.join(&entry.data_folder),
        data_folder: entry.data_folder,
        sampling: entry.sampling_strategy,
    };
    Ok(file.datasets.into_iter().map(input).collect())
}
