//! Which records there are.

use std::path::{Path, PathBuf};

use st_schema::SamplingStrategy;

use super::ShardingError;
use crate::dataset::{InputError, is_dataset_file, read_dataset_file, resolve};
use crate::read::{Located, Options, records};

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
    /// Calls `each` with the position of every record that sampling can take (`random` can take any), or with the
    /// fault that stands in its place.
    ///
    /// # Errors
    /// When the file cannot be read, or `each` fails.
    pub fn for_each(
        &self,
        mut each: impl FnMut(Located) -> Result<(), ShardingError>,
    ) -> Result<(), ShardingError> {
        let options = Options::default();
        let records = records(&self.annotations, &options)?;
        if matches!(
            self.sampling,
            SamplingStrategy::All | SamplingStrategy::Random(_)
        ) {
            for record in records {
                each(record?)?;
            }
            return Ok(());
        }
        let records: Vec<Located> = records.collect::<Result<_, _>>()?;
        let taken = self.sampling.select(records.len(), 0);
        let mut taken = taken.into_iter().peekable();
        for (at, record) in records.into_iter().enumerate() {
            if taken.next_if_eq(&at).is_some() {
                each(record)?;
            }
        }
        Ok(())
    }
}

/// The annotation files behind `paths`: dataset YAML files, or annotation files whose media lie beside them.
///
/// # Errors
/// When a dataset file cannot be read.
pub fn read_inputs(paths: &[PathBuf]) -> Result<Vec<ShardInput>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        if !is_dataset_file(path) {
            inputs.push(ShardInput {
                annotations: path.clone(),
                data_folder: ".".to_owned(),
                folder: path.parent().unwrap_or(Path::new("")).to_owned(),
                sampling: SamplingStrategy::All,
            });
            continue;
        }
        let entries = read_dataset_file(path)?.datasets.into_iter();
        inputs.extend(entries.map(|entry| ShardInput {
            annotations: resolve(path, &entry.json_path),
            folder: resolve(path, &entry.data_folder),
            data_folder: entry.data_folder,
            sampling: entry.sampling_strategy,
        }));
    }
    Ok(inputs)
}
