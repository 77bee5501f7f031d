//! Writing safetensors so that a reader sees the whole file or none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::file::byte_length;
use crate::folder::{INDEX_FILE, SINGLE_FILE};
use crate::{AtomicDir, AtomicFile, WeightsError};

/// A tensor that will be written: what the header needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Published name.
    pub name: String,
    /// Element type in the file.
    pub dtype: Dtype,
    /// Shape.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor of the given name, element type and shape.
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }

    /// Size in bytes, or `None` when it overflows.
    #[must_use]
    pub fn byte_size(&self) -> Option<usize> {
        byte_length(self.dtype, &self.shape)
    }
}

/// Writes one safetensors file, atomically.
///
/// `data` is asked for the bytes of one tensor after another, so that no second copy of the weights is needed. The
/// order in the file is by element size, then by name, which keeps every tensor aligned and the bytes the same
/// whatever order `specs` has.
///
/// # Errors
///
/// If a name stands twice, `data` fails or gives another number of bytes than the shape has, or writing fails. The
/// target is then what it was before.
pub fn save_file<'a, E: From<WeightsError>>(
    path: impl AsRef<Path>,
    specs: &[TensorSpec],
    metadata: &BTreeMap<String, String>,
    mut data: impl FnMut(&TensorSpec) -> Result<Cow<'a, [u8]>, E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let ordered = in_file_order(specs);
    let header = header(path, &ordered, metadata)?;
    let target = AtomicFile::create(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, target.file());
    out.write_all(&(header.len() as u64).to_le_bytes())
        .map_err(WeightsError::from)?;
    out.write_all(&header).map_err(WeightsError::from)?;
    for spec in ordered {
        let bytes = data(spec)?;
        if spec.byte_size() != Some(bytes.len()) {
            let fault = format!("{} bytes for {} {:?}", bytes.len(), spec.dtype, spec.shape);
            return Err(WeightsError::Write {
                path: path.to_owned(),
                name: spec.name.clone(),
                fault,
            }
            .into());
        }
        out.write_all(&bytes).map_err(WeightsError::from)?;
    }
    out.flush().map_err(WeightsError::from)?;
    drop(out);
    target.commit()?;
    Ok(())
}

/// Writes weights as `transformers` does: `model.safetensors`, or shards of at most `max_shard` bytes (a larger
/// tensor gets a shard of its own) and `model.safetensors.index.json`. Returns the paths written, the index last.
///
/// Tensors keep the order of `specs` over the shards. The folder should be new: see [`crate::AtomicDir`].
///
/// # Errors
///
/// As [`save_file`].
pub fn save_sharded<'a, E: From<WeightsError>>(
    dir: impl AsRef<Path>,
    specs: &[TensorSpec],
    max_shard: usize,
    mut data: impl FnMut(&TensorSpec) -> Result<Cow<'a, [u8]>, E>,
) -> Result<Vec<PathBuf>, E> {
    let dir = dir.as_ref();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let shards = split(specs, max_shard);
    if shards.len() <= 1 {
        let path = dir.join(SINGLE_FILE);
        save_file(&path, specs, &metadata, data)?;
        return Ok(vec![path]);
    }
    let mut weight_map = Map::new();
    let mut paths = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", number + 1, shards.len());
        save_file(dir.join(&name), shard, &metadata, &mut data)?;
        weight_map.extend(
            shard
                .iter()
                .map(|spec| (spec.name.clone(), Value::from(name.as_str()))),
        );
        paths.push(dir.join(name));
    }
    let total: usize = specs.iter().filter_map(TensorSpec::byte_size).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
    let path = dir.join(INDEX_FILE);
    save_json(&path, &index)?;
    paths.push(path);
    Ok(paths)
}

/// Writes a whole model folder, which appears complete or not at all: `config.json`, `tokenizer.json` when there is one,
/// and the weights as [`save_sharded`] writes them.
///
/// # Errors
///
/// As [`save_folder_with`].
pub fn save_folder<'a, E: From<WeightsError>>(
    dir: impl AsRef<Path>,
    config: &Value,
    tokenizer: Option<&[u8]>,
    specs: &[TensorSpec],
    max_shard: usize,
    data: impl FnMut(&TensorSpec) -> Result<Cow<'a, [u8]>, E>,
) -> Result<(), E> {
    let files: Vec<(&str, &[u8])> = tokenizer
        .map(|text| ("tokenizer.json", text))
        .into_iter()
        .collect();
    save_folder_with(dir, config, &files, specs, max_shard, data)
}

/// Writes a whole model folder with any small files beside configuration and weights, by plain name.
///
/// # Errors
///
/// [`WeightsError::Exists`] if `dir` is there and not empty; else as [`save_sharded`].
pub fn save_folder_with<'a, E: From<WeightsError>>(
    dir: impl AsRef<Path>,
    config: &Value,
    files: &[(&str, &[u8])],
    specs: &[TensorSpec],
    max_shard: usize,
    data: impl FnMut(&TensorSpec) -> Result<Cow<'a, [u8]>, E>,
) -> Result<(), E> {
    let target = AtomicDir::create(dir)?;
    save_json(target.path().join("config.json"), config)?;
    for (name, bytes) in files {
        save_bytes(target.path().join(name), bytes)?;
    }
    save_sharded(target.path(), specs, max_shard, data)?;
    target.commit()?;
    Ok(())
}

/// Writes a JSON file, indented, atomically.
///
/// # Errors
///
/// If writing fails.
pub fn save_json(path: impl AsRef<Path>, value: &Value) -> Result<(), WeightsError> {
    let path = path.as_ref();
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| WeightsError::Json {
        path: path.to_owned(),
        source,
    })?;
    text.push(b'\n');
    save_bytes(path, &text)
}

/// Writes a small file, atomically.
///
/// # Errors
///
/// If writing fails.
pub fn save_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), WeightsError> {
    let target = AtomicFile::create(path)?;
    target.file().write_all(bytes)?;
    target.commit()
}

fn in_file_order(specs: &[TensorSpec]) -> Vec<&TensorSpec> {
    let mut ordered: Vec<&TensorSpec> = specs.iter().collect();
    ordered.sort_by(|a, b| {
        b.dtype
            .bitsize()
            .cmp(&a.dtype.bitsize())
            .then_with(|| a.name.cmp(&b.name))
    });
    ordered
}

/// The JSON header, padded with spaces so that the data starts at a multiple of eight.
fn header(
    path: &Path,
    ordered: &[&TensorSpec],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let refuse = |spec: &TensorSpec, fault: &str| WeightsError::Write {
        path: path.to_owned(),
        name: spec.name.clone(),
        fault: fault.to_owned(),
    };
    let mut entries = Map::new();
    if !metadata.is_empty() {
        entries.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0_usize;
    for spec in ordered {
        let size = spec
            .byte_size()
            .ok_or_else(|| refuse(spec, "the shape overflows"))?;
        let end = offset
            .checked_add(size)
            .ok_or_else(|| refuse(spec, "the file would be too large"))?;
        let entry =
            json!({"dtype": spec.dtype, "shape": spec.shape, "data_offsets": [offset, end]});
        if entries.insert(spec.name.clone(), entry).is_some() {
            return Err(refuse(spec, "the name stands twice"));
        }
        offset = end;
    }
    let mut text = serde_json::to_vec(&entries).map_err(|source| WeightsError::HeaderJson {
        path: path.to_owned(),
        source,
    })?;
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok(text)
}

/// Cuts a list of tensors into consecutive shards.
fn split(specs: &[TensorSpec], max_shard: usize) -> Vec<Vec<TensorSpec>> {
    let mut shards: Vec<Vec<TensorSpec>> = Vec::new();
    let mut room = 0;
    for spec in specs {
        let size = spec.byte_size().unwrap_or(usize::MAX);
        if let Some(shard) = shards.last_mut().filter(|_| size <= room) {
            room -= size;
            shard.push(spec.clone());
        } else {
            room = max_shard.saturating_sub(size);
            shards.push(vec![spec.clone()]);
        }
    }
    shards
}
