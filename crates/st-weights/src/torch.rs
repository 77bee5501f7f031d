//! State dictionaries that `torch.save` wrote (`.bin`, `.pt`), read without running Python.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use zip::{CompressionMethod, ZipArchive};

use crate::WeightsError;
use crate::file::{byte_length, map_file};
use crate::pickle::{PickleError, PickledTensor, read_state_dict};

/// Largest pickle that is read, in bytes; that of a 7B model has about 100 kB.
const MAX_PICKLE: u64 = 64 << 20;

enum Data {
    /// Bytes of the map.
    InPlace(Range<usize>),
    /// A tensor that was not contiguous, put in order.
    Ordered(Vec<u8>),
}

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Data,
}

/// A dictionary of tensors in `PyTorch`'s zip format, memory mapped.
///
/// Its pickle goes through an unpickler with a fixed list of names: whatever else the file asks for is refused. The
/// file must not be truncated by somebody else while it is open.
pub struct TorchFile {
    path: PathBuf,
    map: Mmap,
    entries: BTreeMap<String, Entry>,
}

impl fmt::Debug for TorchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorchFile")
            .field("path", &self.path)
            .field("tensors", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl TorchFile {
    /// Opens and checks a file.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, is not such an archive, asks for Python names that are not allowed, or a tensor does not
    /// lie within its storage.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref().to_owned();
        let file = fs_err::File::open(&path)?;
        if file.metadata()?.len() == 0 {
            let fault = PickleError::NotZip("the file is empty".to_owned());
            return Err(WeightsError::Torch { path, fault });
        }
        let map = map_file(&file)?;
        match read_entries(&map) {
            Ok(entries) => Ok(Self { path, map, entries }),
            Err(fault) => Err(WeightsError::Torch { path, fault }),
        }
    }

    /// The path that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A tensor's bytes, or `None` when there is no tensor of that name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<TensorView<'_>> {
        let entry = self.entries.get(name)?;
        let data = match &entry.data {
            Data::InPlace(range) => self.map.get(range.clone())?,
            Data::Ordered(bytes) => bytes,
        };
        TensorView::new(entry.dtype, entry.shape.clone(), data).ok()
    }
}

fn read_entries(map: &[u8]) -> Result<BTreeMap<String, Entry>, PickleError> {
    let mut archive = ZipArchive::new(Cursor::new(map))
        .map_err(|error| PickleError::NotZip(error.to_string()))?;
    let mut places = BTreeMap::new();
    let mut pickle = None;
    for number in 0..archive.len() {
        let entry = archive
            .by_index(number)
            .map_err(|error| PickleError::NotZip(error.to_string()))?;
        let name = entry.name().to_owned();
        let refuse = |fault| PickleError::Entry {
            name: name.clone(),
            fault,
        };
        if entry.compression() != CompressionMethod::Stored {
            return Err(refuse("is compressed, which PyTorch never does"));
        }
        let start =
            usize::try_from(entry.data_start()).map_err(|_| refuse("lies outside the file"))?;
        let size = usize::try_from(entry.size()).map_err(|_| refuse("lies outside the file"))?;
        let end = start.checked_add(size).filter(|end| *end <= map.len());
        let end = end.ok_or_else(|| refuse("lies outside the file"))?;
        let Some((_, inner)) = name.split_once('/') else {
            continue;
        };
        if inner == "data.pkl" {
            pickle = Some(start..end);
        } else if inner == "byteorder" && &map[start..end] != b"little" {
            return Err(refuse("the file was written on a big-endian machine"));
        } else if let Some(key) = inner.strip_prefix("data/") {
            places.insert(key.to_owned(), start..end);
        }
    }
    let missing = || PickleError::Entry {
        name: "data.pkl".to_owned(),
        fault: "is missing",
    };
    let pickle = pickle.ok_or_else(missing)?;
    if pickle.len() as u64 > MAX_PICKLE {
        return Err(PickleError::Entry {
            name: "data.pkl".to_owned(),
            fault: "is larger than any state dictionary's",
        });
    }
    read_state_dict(&map[pickle])?
        .into_iter()
        .map(|(name, tensor)| {
            let outside = || PickleError::Bounds {
                name: name.clone(),
                storage: tensor.storage.clone(),
            };
            let storage = places.get(&tensor.storage).ok_or_else(outside)?;
            let entry = place(map, storage, &tensor).ok_or_else(outside)?;
            Ok((name, entry))
        })
        .collect()
}

/// Locates a tensor within its storage, or `None` when it does not lie inside.
fn place(map: &[u8], storage: &Range<usize>, tensor: &PickledTensor) -> Option<Entry> {
    let dtype = tensor.dtype;
    let width = dtype.bitsize() / 8;
    if tensor.storage_len.checked_mul(width)? > storage.len() {
        return None;
    }
    let bytes = byte_length(dtype, &tensor.shape)?;
    let elements = bytes / width;
    if elements > tensor.storage_len {
        return None;
    }
    let shape = tensor.shape.clone();
    if elements == 0 {
        return Some(Entry {
            dtype,
            shape,
            data: Data::Ordered(Vec::new()),
        });
    }
    let last = shape
        .iter()
        .zip(&tensor.stride)
        .try_fold(tensor.offset, |index, (size, stride)| {
            index.checked_add((size - 1).checked_mul(*stride)?)
        })?;
    if last >= tensor.storage_len {
        return None;
    }
    if is_contiguous(&shape, &tensor.stride) {
        let start = storage.start + tensor.offset * width;
        return Some(Entry {
            dtype,
            shape,
            data: Data::InPlace(start..start + bytes),
        });
    }
    let mut ordered = Vec::with_capacity(bytes);
    for number in 0..elements {
        let mut rest = number;
        let mut index = tensor.offset;
        for (size, stride) in shape.iter().zip(&tensor.stride).rev() {
            index += rest % size * stride;
            rest /= size;
        }
        let start = storage.start + index * width;
        ordered.extend_from_slice(&map[start..start + width]);
    }
    Some(Entry {
        dtype,
        shape,
        data: Data::Ordered(ordered),
    })
}

fn is_contiguous(shape: &[usize], stride: &[usize]) -> bool {
    let mut due = 1;
    for (size, stride) in shape.iter().zip(stride).rev() {
        if *size != 1 && *stride != due {
            return false;
        }
        due *= size;
    }
    true
}
