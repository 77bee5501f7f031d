//! Reading annotation files of any size: JSON arrays and JSON lines, plain, `.gz` and `.zst`.
//!
//! A file is unpacked and cut into records by one thread ([`split`]), the records are parsed and judged by several, and the
//! results come back in file order, so that memory stays flat and positions are known. Broken files give typed pieces with a
//! position, never a panic: see [`PieceKind`] and [`Note`].
//!
//! ```no_run
//! use st_data::read::{self, Options};
//!
//! for item in read::records("annotations/stvg.json".as_ref(), &Options::default())? {
//!     match item? {
//!         Ok((position, record)) => println!("line {}: {}", position.line, record.id),
//!         Err(fault) => println!("line {}: {}", fault.position.line, fault.kind),
//!     }
//! }
//! # Ok::<(), st_data::read::ReadError>(())
//! ```

mod parallel;
pub mod split;

use std::fmt;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use st_schema::Record;

pub use parallel::{for_each_chunk, in_parallel};
pub use split::{Chunk, Form, Note, Piece, PieceKind, Positions};

/// A place in a file, in its unpacked form where it is compressed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The byte, from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (byte {})", self.line, self.byte)
    }
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes read at a time.
    pub chunk_bytes: usize,
    /// Bytes that one record may have; a longer one is passed over and reported.
    pub record_bytes: usize,
    /// Threads that parse and judge, at least one.
    pub jobs: usize,
}

impl Default for Options {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            chunk_bytes: 1 << 18,
            record_bytes: 16 << 20,
            jobs,
        }
    }
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Reading or unpacking stopped; what came before has been given out.
    #[error(
        "{path}: reading stopped at byte {byte} of the unpacked file; fetch or pack the file again"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Bytes unpacked before.
        byte: u64,
        /// What the system or the unpacker says.
        #[source]
        source: std::io::Error,
    },
}

/// A file that hands out chunks of whole records.
pub struct Chunks {
    path: PathBuf,
    splitter: split::Splitter<Box<dyn Read + Send>>,
    consumed: Arc<AtomicU64>,
    /// Bytes of the file as it lies on disk; 0 where it is no file.
    pub packed_bytes: u64,
}

impl Chunks {
    /// Opens a file; the ending of its name says how it is packed (`.gz`, `.zst`) and whether it must be lines (`.jsonl`).
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, options: &Options) -> Result<Self, ReadError> {
        let unpacked = Unpacked::open(path)?;
        Ok(Self::over(path, unpacked, options))
    }

    /// Reads from something that need not be a file. The name is given in errors, and its ending means what it means for a file.
    ///
    /// # Errors
    /// When unpacking cannot begin.
    pub fn from_source(
        path: &Path,
        source: impl Read + Send + 'static,
        options: &Options,
    ) -> Result<Self, ReadError> {
        let unpacked = Unpacked::of(path, source)?;
        Ok(Self::over(path, unpacked, options))
    }

    fn over(path: &Path, unpacked: Unpacked, options: &Options) -> Self {
        let Unpacked {
            source,
            consumed,
            packed_bytes,
            packing,
        } = unpacked;
        let stem = if packing == Packing::None {
            path.file_name()
        } else {
            path.file_stem()
        };
        let lines = stem
            .and_then(|name| Path::new(name).extension())
            .is_some_and(|ending| {
                ending.eq_ignore_ascii_case("jsonl") || ending.eq_ignore_ascii_case("ndjson")
            });
        let splitter = split::Splitter::new(
            source,
            lines,
            options.chunk_bytes.max(16),
            options.record_bytes.max(16),
        );
        Self {
            path: path.to_owned(),
            splitter,
            consumed,
            packed_bytes,
        }
    }

    /// A counter of the packed bytes read so far, for progress.
    #[must_use]
    pub fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }

    /// The next chunk, `None` after the last.
    ///
    /// # Errors
    /// When reading or unpacking fails.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        let byte = self.splitter.read_bytes();
        self.splitter
            .next_chunk()
            .map_err(|source| ReadError::Read {
                path: self.path.clone(),
                byte,
                source,
            })
    }
}

/// A file's bytes, unpacked by its name's ending (`.gz`, `.zst`).
pub(crate) struct Unpacked {
    /// The bytes.
    pub(crate) source: Box<dyn Read + Send>,
    /// Counts the packed bytes read so far.
    pub(crate) consumed: Arc<AtomicU64>,
    packed_bytes: u64,
    packing: Packing,
}

impl Unpacked {
    /// Opens a file.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let open_error = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let file = fs_err::File::open(path).map_err(open_error)?;
        let packed_bytes = file.metadata().map_err(open_error)?.len();
        Ok(Self {
            packed_bytes,
            ..Self::of(path, file)?
        })
    }

    fn of(path: &Path, source: impl Read + Send + 'static) -> Result<Self, ReadError> {
        let open_error = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            source,
            consumed: Arc::clone(&consumed),
        };
        let packing = Packing::of(path);
        let source: Box<dyn Read + Send> = match packing {
            Packing::None => Box::new(counted),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(
                BufReader::with_capacity(1 << 18, counted),
            )),
            Packing::Zstd => {
                Box::new(zstd::stream::read::Decoder::new(counted).map_err(open_error)?)
            }
        };
        Ok(Self {
            source,
            consumed,
            packed_bytes: 0,
            packing,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ending.eq_ignore_ascii_case("gz") => Self::Gzip,
            Some(ending) if ending.eq_ignore_ascii_case("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

struct Counted<R> {
    source: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A piece of a file that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}")]
pub struct Fault {
    /// Where the piece starts.
    pub position: Position,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with a piece, before any rule looks at it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The file ends, or a line ends inside a string, before the value does.
    #[error("the value is cut off")]
    Truncated,
    /// More bytes than [`Options::record_bytes`].
    #[error("the value is longer than the limit for one record")]
    TooLong,
    /// Bytes between values that are neither a value nor a separator.
    #[error("bytes that are no JSON value")]
    Junk,
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {0} of the value")]
    Utf8(usize),
    /// Brackets nested deeper than 127.
    #[error("brackets are nested too deep")]
    Depth,
    /// `NaN` or `Infinity`, which Python writes and JSON forbids, or a number beyond the range of a double.
    #[error("a number is not finite")]
    NotFinite,
    /// One name twice in an object.
    #[error("{0}")]
    DuplicateKey(String),
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// JSON, but no record: a field is missing or of the wrong type.
    #[error("not a record: {0}")]
    Shape(String),
}

/// Parses a record's bytes.
///
/// # Errors
/// When the bytes are no record; says why.
pub fn parse(bytes: &[u8]) -> Result<Record, FaultKind> {
    // Checked once for the whole record: much faster than string by string.
    let text = std::str::from_utf8(bytes).map_err(|error| FaultKind::Utf8(error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| fault(bytes, &error))
}

/// Names what is wrong with bytes that `error` was given for.
pub(crate) fn fault(bytes: &[u8], error: &serde_json::Error) -> FaultKind {
    if let Err(error) = std::str::from_utf8(bytes) {
        return FaultKind::Utf8(error.valid_up_to());
    }
    let text = error.to_string();
    if text.contains("recursion limit exceeded") {
        FaultKind::Depth
    } else if text.contains("number out of range") || at_non_finite(bytes, error) {
        FaultKind::NotFinite
    } else if text.starts_with("duplicate field") {
        FaultKind::DuplicateKey(text)
    } else if error.is_data() {
        FaultKind::Shape(text)
    } else {
        FaultKind::Syntax(text)
    }
}

/// Whether the parser stopped at Python's spelling of a number that is not finite.
fn at_non_finite(bytes: &[u8], error: &serde_json::Error) -> bool {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let from = error.column().saturating_sub(2).min(line.len());
    let here = &line[from..];
    let here = &here[..here.len().min(12)];
    [b"NaN".as_slice(), b"Infinity"]
        .iter()
        .any(|word| here.windows(word.len()).any(|window| window == *word))
}

/// Turns a piece into a record, or says why it is none; notes give nothing.
#[must_use]
pub fn read_piece(chunk: &Chunk, piece: &Piece) -> Option<Result<Record, FaultKind>> {
    match piece.kind {
        PieceKind::Record => Some(parse(chunk.bytes(piece))),
        PieceKind::Truncated => Some(Err(FaultKind::Truncated)),
        PieceKind::TooLong => Some(Err(FaultKind::TooLong)),
        PieceKind::Junk => Some(Err(FaultKind::Junk)),
        PieceKind::Note(_) => None,
    }
}

/// A record and where it stands, or a piece that is none.
pub type Located = Result<(Position, Record), Fault>;

/// The records of a file one after another, in order, parsed by the calling thread.
///
/// # Errors
/// When the file cannot be opened; items are errors when it cannot be read on.
pub fn records(
    path: &Path,
    options: &Options,
) -> Result<impl Iterator<Item = Result<Located, ReadError>>, ReadError> {
    let mut chunks = Chunks::open(path, options)?;
    let mut ready: std::vec::IntoIter<Located> = Vec::new().into_iter();
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        loop {
            if let Some(item) = ready.next() {
                return Some(Ok(item));
            }
            if failed {
                return None;
            }
            match chunks.next_chunk() {
                Ok(None) => return None,
                Ok(Some(chunk)) => ready = located(&chunk).into_iter(),
                Err(error) => {
                    failed = true;
                    return Some(Err(error));
                }
            }
        }
    }))
}

fn located(chunk: &Chunk) -> Vec<Located> {
    let mut positions = Positions::new(chunk);
    chunk
        .pieces
        .iter()
        .filter_map(|piece| {
            let position = positions.of(piece);
            let read = read_piece(chunk, piece)?;
            Some(
                read.map(|record| (position, record))
                    .map_err(|kind| Fault { position, kind }),
            )
        })
        .collect()
}
