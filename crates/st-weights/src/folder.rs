//! A Hugging Face model folder: configuration, one or many weight files, tokenizer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde_json::Value;

use crate::{SafetensorsFile, StrictReport, WeightsError};

/// Name of a weight file that is not sharded.
pub const SINGLE_FILE: &str = "model.safetensors";
/// Name of the index of sharded weights.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// Largest JSON or tokenizer file that is read into memory, in bytes.
const MAX_TEXT: u64 = 256 << 20;

/// A folder as published on the Hugging Face hub, opened for reading.
///
/// Holds `config.json` as it is, and every tensor of `model.safetensors`, or of all shards that
/// `model.safetensors.index.json` names, by name through memory maps.
#[derive(Debug)]
pub struct ModelFolder {
    dir: PathBuf,
    config: Value,
    files: Vec<SafetensorsFile>,
    /// Which file holds a tensor.
    places: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl ModelFolder {
    /// Opens a folder and checks every header and the index against each other.
    ///
    /// # Errors
    ///
    /// If a file is missing or damaged, the index leaves the folder, or index and shards disagree.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let dir = dir.as_ref().to_owned();
        let config = read_json(&dir.join("config.json"))?;
        let index = dir.join(INDEX_FILE);
        let single = dir.join(SINGLE_FILE);
        let (files, places) = if index.is_file() {
            open_shards(&dir, &index)?
        } else if single.is_file() {
            let file = SafetensorsFile::open(&single)?;
            let places = file.names().map(|name| (name.to_owned(), 0)).collect();
            (vec![file], places)
        } else {
            return Err(WeightsError::NoWeights {
                dir,
                expected: &[INDEX_FILE, SINGLE_FILE],
            });
        };
        Ok(Self {
            dir,
            config,
            files,
            places,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `config.json` as it stands.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Element type and shape of a tensor.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.files[*self.places.get(name)?].info(name)
    }

    /// A tensor's bytes in place, or `None` when there is no tensor of that name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<TensorView<'_>> {
        self.files[*self.places.get(name)?].view(name)
    }

    /// Sum of the sizes of all tensors in bytes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.places
            .keys()
            .filter_map(|name| self.info(name))
            .filter_map(|(dtype, shape)| crate::file::byte_length(dtype, shape))
            .sum()
    }

    /// Compares the folder with what a model needs: name to shape.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Strict`] with every difference.
    pub fn check(&self, needed: &BTreeMap<String, Vec<usize>>) -> Result<(), WeightsError> {
        let found = self
            .names()
            .filter_map(|name| self.info(name).map(|(dtype, shape)| (name, dtype, shape)));
        let report = StrictReport::compare(found, needed);
        if report.is_clean() {
            Ok(())
        } else {
            Err(WeightsError::Strict {
                dir: self.dir.clone(),
                report,
            })
        }
    }

    /// The bytes of `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// If it is missing, unreadable or absurdly large.
    pub fn tokenizer(&self) -> Result<Vec<u8>, WeightsError> {
        read_limited(&self.dir.join("tokenizer.json"))
    }
}

/// Reads a text file whole, unless it is larger than such a file can be.
pub(crate) fn read_limited(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let size = fs_err::metadata(path)?.len();
    if size > MAX_TEXT {
        return Err(WeightsError::TooLarge {
            path: path.to_owned(),
            size,
            limit: MAX_TEXT,
        });
    }
    Ok(fs_err::read(path)?)
}

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, WeightsError> {
    serde_json::from_slice(&read_limited(path)?).map_err(|source| WeightsError::Json {
        path: path.to_owned(),
        source,
    })
}

/// Opens all shards that an index names, and checks both directions.
fn open_shards(
    dir: &Path,
    path: &Path,
) -> Result<(Vec<SafetensorsFile>, BTreeMap<String, usize>), WeightsError> {
    let index: Index = read_json(path)?;
    for (name, file) in &index.weight_map {
        if !is_plain_shard_name(file) {
            return Err(WeightsError::IndexPath {
                path: path.to_owned(),
                name: name.clone(),
                file: file.clone(),
            });
        }
    }
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    let mut files = Vec::with_capacity(shards.len());
    let mut places = BTreeMap::new();
    for (number, shard) in shards.into_iter().enumerate() {
        let file = SafetensorsFile::open(dir.join(shard))?;
        for name in file.names() {
            if index.weight_map.get(name) != Some(shard) {
                let (name, file) = (name.to_owned(), shard.clone());
                return Err(WeightsError::IndexUnlisted {
                    path: path.to_owned(),
                    name,
                    file,
                });
            }
            places.insert(name.to_owned(), number);
        }
        files.push(file);
    }
    match index
        .weight_map
        .into_iter()
        .find(|(name, _)| !places.contains_key(name))
    {
        Some((name, file)) => Err(WeightsError::IndexAbsent {
            path: path.to_owned(),
            name,
            file,
        }),
        None => Ok((files, places)),
    }
}

/// Whether a name in an index is one component, no more, and a safetensors file.
fn is_plain_shard_name(file: &str) -> bool {
    let mut components = Path::new(file).components();
    let plain = matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    );
    plain && file.ends_with(".safetensors") && !file.contains(['/', '\\', '\0', ':'])
}
