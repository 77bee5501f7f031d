//! One safetensors file, memory mapped and checked before anything is read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use memmap2::{Mmap, UncheckedAdvice};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::WeightsError;

/// The format's own limit for a header, in bytes.
const MAX_HEADER: u64 = 100_000_000;
const PREFIX: usize = 8;

/// Where a tensor lies: element type, shape and bytes.
#[derive(Debug, Clone)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes of the whole file.
    bytes: Range<usize>,
}

/// A safetensors file, memory mapped.
///
/// Opening checks the whole header: names, element types, shapes, and that the byte ranges cover the data
/// exactly once. Reading a tensor then cannot fail. Nothing is copied: a [`TensorView`] points into the map, and
/// asking for the next tensor gives the pages of the one before back, so that reading a file from front to end
/// keeps little more than one tensor of it in memory. (A view that is still in use stays valid; its pages come
/// back when they are touched.)
///
/// The file must not be truncated by somebody else while it is open.
pub struct SafetensorsFile {
    path: PathBuf,
    map: Mmap,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    last: Mutex<Option<Range<usize>>>,
}

impl fmt::Debug for SafetensorsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafetensorsFile")
            .field("path", &self.path)
            .field("tensors", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl SafetensorsFile {
    /// Maps and checks a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or is not exactly what its header says: see [`WeightsError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref().to_owned();
        let file = fs_err::File::open(&path)?;
        let size = file.metadata()?.len();
        if size < PREFIX as u64 {
            return Err(WeightsError::Header {
                path,
                header: PREFIX as u64,
                size,
            });
        }
        let map = map_file(&file)?;
        let (entries, metadata) = read_header(&path, &map)?;
        Ok(Self {
            path,
            map,
            entries,
            metadata,
            last: Mutex::new(None),
        })
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

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The free text that the header carries beside the tensors (`__metadata__`).
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Element type and shape of a tensor, without touching its data.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.entries
            .get(name)
            .map(|entry| (entry.dtype, entry.shape.as_slice()))
    }

    /// A tensor's bytes in place, or `None` when the file has no tensor of that name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<TensorView<'_>> {
        let entry = self.entries.get(name)?;
        self.give_back_last(&entry.bytes);
        let data = self.map.get(entry.bytes.clone())?;
        TensorView::new(entry.dtype, entry.shape.clone(), data).ok()
    }

    /// Gives the pages of the tensor viewed last back to the operating system and remembers the new one.
    fn give_back_last(&self, next: &Range<usize>) {
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        let Some(previous) = last.replace(next.clone()) else {
            return;
        };
        if previous == *next || previous.is_empty() {
            return;
        }
        // SAFETY: the map is a shared, read-only map of a file, so dropped pages come back with the same content.
        // Failing to give them back costs memory and nothing else, hence the ignored result.
        #[expect(
            unsafe_code,
            reason = "the advice is harmless on a read-only file map; there is no safe call for it"
        )]
        let _ = unsafe {
            self.map.unchecked_advise_range(
                UncheckedAdvice::DontNeed,
                previous.start,
                previous.len(),
            )
        };
    }
}

/// Maps a whole file for reading.
pub(crate) fn map_file(file: &fs_err::File) -> Result<Mmap, WeightsError> {
    // SAFETY: the map is only read. Another process that truncates the file meanwhile can make reading it fail
    // with a signal; the docs of the public types say so.
    #[expect(unsafe_code, reason = "mapping a file has no safe interface")]
    let map = unsafe { Mmap::map(file.file()) }?;
    Ok(map)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The header as a list, in which a name that stands twice is an error.
struct RawHeader {
    tensors: Vec<(String, RawEntry)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut seen = std::collections::HashSet::new();
                let mut header = RawHeader {
                    tensors: Vec::new(),
                    metadata: BTreeMap::new(),
                };
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("`{name}` stands twice")));
                    }
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

type Header = (BTreeMap<String, Entry>, BTreeMap<String, String>);

/// Reads and checks the header; `map` is the whole file and at least eight bytes long.
fn read_header(path: &Path, map: &[u8]) -> Result<Header, WeightsError> {
    let size = map.len() as u64;
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&map[..PREFIX]);
    let header = u64::from_le_bytes(prefix);
    let start = header
        .checked_add(PREFIX as u64)
        .filter(|start| header <= MAX_HEADER && *start <= size);
    let Some(start) = start.and_then(|start| usize::try_from(start).ok()) else {
        return Err(WeightsError::Header {
            path: path.to_owned(),
            header,
            size,
        });
    };
    let mut raw: RawHeader =
        serde_json::from_slice(&map[PREFIX..start]).map_err(|source| WeightsError::HeaderJson {
            path: path.to_owned(),
            source,
        })?;
    raw.tensors.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut due = 0;
    let mut entries = BTreeMap::new();
    for (name, entry) in raw.tensors {
        let (first, end) = entry.data_offsets;
        if first != due {
            return Err(WeightsError::Offset {
                path: path.to_owned(),
                name,
                start: first,
                expected: due,
            });
        }
        let dtype = serde_json::from_value::<Dtype>(entry.dtype.as_str().into()).map_err(|_| {
            WeightsError::UnknownDtype {
                path: path.to_owned(),
                name: name.clone(),
                dtype: entry.dtype.clone(),
            }
        })?;
        if end
            .checked_sub(first)
            .is_none_or(|length| byte_length(dtype, &entry.shape) != Some(length))
        {
            let shape = entry.shape;
            return Err(WeightsError::Size {
                path: path.to_owned(),
                name,
                dtype,
                shape,
                start: first,
                end,
            });
        }
        due = end;
        let bytes = start.saturating_add(first)..start.saturating_add(end);
        entries.insert(
            name,
            Entry {
                dtype,
                shape: entry.shape,
                bytes,
            },
        );
    }
    let found = map.len() - start;
    if due != found {
        return Err(WeightsError::DataLength {
            path: path.to_owned(),
            expected: due,
            found,
        });
    }
    Ok((entries, raw.metadata))
}

/// Bytes that a tensor occupies, or `None` when that is no whole number or overflows.
pub(crate) fn byte_length(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    let elements = shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))?;
    let bits = elements.checked_mul(dtype.bitsize())?;
    bits.is_multiple_of(8).then_some(bits / 8)
}
