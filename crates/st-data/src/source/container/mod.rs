//! The containers that raw annotations come in, read once for all sources.
//!
//! Lists of JSON values go through [`crate::read`], cut into pieces and parsed by several threads. Everything else is read
//! by one thread and handed on in batches, so that memory stays flat there too. Nothing of a file is passed over: where
//! reading stops, the last item says why.

mod json;
mod literal;
mod pickle;
mod runs;
mod table;
mod xml;

pub use literal::literal;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::Value;

use super::SourceError;
use super::item::Payload;
use crate::read::{Chunk, Chunks, Options, PieceKind, ReadError, Unpacked};

/// How a file holds its items. All but pickles may also end in `.gz` or `.zst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A JSON array, or JSON values one after another, whatever the file is called.
    Json,
    /// A JSON array, or JSON values one after another, of which neighbours that agree in this field are one item, an array.
    JsonRuns(&'static str),
    /// The elements of an array inside a JSON object; the names lead there.
    JsonListAt(&'static [&'static str]),
    /// The entries of a JSON object, each an item with a key; the names lead to the object.
    JsonMapAt(&'static [&'static str]),
    /// One JSON value: one item.
    JsonDocument,
    /// A table with a header, separated by commas, quoted as in RFC 4180; a row is an object of strings.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// Lines of text; empty ones and those that begin with `#` are none.
    Lines,
    /// One text: one item.
    TextDocument,
    /// One XML document, as objects of lists of objects or strings: one item.
    Xml,
    /// A pickled list; nothing of it is ever run.
    PickleList,
    /// A pickled dictionary, each entry an item with a key.
    PickleMap,
}

impl Container {
    /// What it is, for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Json => "JSON array or JSON lines",
            Self::JsonRuns(_) => "JSON array or JSON lines, in runs of one video",
            Self::JsonListAt(_) => "JSON array inside an object",
            Self::JsonMapAt(_) => "JSON object of named items",
            Self::JsonDocument => "one JSON document a file",
            Self::Csv => "CSV with a header",
            Self::Tsv => "tab-separated table with a header",
            Self::Lines => "lines of text",
            Self::TextDocument => "one text a file",
            Self::Xml => "one XML document a file",
            Self::PickleList => "pickled list",
            Self::PickleMap => "pickled dictionary",
        }
    }
}

/// An item on its way from the reading thread.
#[derive(Debug)]
pub(super) struct Loose {
    pub(super) row: u64,
    pub(super) key: Option<String>,
    pub(super) payload: Result<Payload<'static>, String>,
}

/// Items that travel together.
#[derive(Debug)]
pub(super) enum Batch {
    /// Pieces of a JSON list, not parsed yet.
    Chunk {
        chunk: Chunk,
        /// The row of the first piece that is an item.
        first_row: u64,
    },
    /// Parsed items.
    Items(Vec<Loose>),
}

/// A file being read.
pub(super) struct Batches {
    inner: Inner,
    /// Packed bytes read so far.
    pub(super) consumed: Arc<AtomicU64>,
}

enum Inner {
    Chunks { chunks: Chunks, row: u64 },
    Loose { items: Receiver<Vec<Loose>> },
}

impl Batches {
    /// Opens a file.
    pub(super) fn open(
        path: &Path,
        container: Container,
        options: &Options,
    ) -> Result<Self, SourceError> {
        if container == Container::Json {
            let chunks = Chunks::open(path, options)?;
            let consumed = chunks.consumed();
            let inner = Inner::Chunks { chunks, row: 0 };
            return Ok(Self { inner, consumed });
        }
        if let Container::JsonRuns(field) = container {
            let chunks = Chunks::open(path, options)?;
            let consumed = chunks.consumed();
            let (sender, items) = sync_channel(4);
            std::thread::spawn(move || {
                let mut out = Out::new(sender);
                if let Err(message) = runs::runs(chunks, field, &mut out) {
                    out.fail(message);
                }
                out.flush();
            });
            let inner = Inner::Loose { items };
            return Ok(Self { inner, consumed });
        }
        let unpacked = Unpacked::open(path)?;
        let consumed = Arc::clone(&unpacked.consumed);
        let (sender, items) = sync_channel(4);
        let limit = options.record_bytes.saturating_mul(64);
        // Ends when everything is read, or when the receiver is dropped.
        std::thread::spawn(move || {
            let mut out = Out::new(sender);
            if let Err(message) = feed(unpacked, container, limit, &mut out) {
                out.fail(message);
            }
            out.flush();
        });
        let inner = Inner::Loose { items };
        Ok(Self { inner, consumed })
    }

    /// The next items, `None` after the last.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, ReadError> {
        match &mut self.inner {
            Inner::Chunks { chunks, row } => {
                let Some(chunk) = chunks.next_chunk()? else {
                    return Ok(None);
                };
                let first_row = *row;
                *row += chunk
                    .pieces
                    .iter()
                    .filter(|piece| is_item(piece.kind))
                    .count() as u64;
                Ok(Some(Batch::Chunk { chunk, first_row }))
            }
            Inner::Loose { items } => Ok(items.recv().ok().map(Batch::Items)),
        }
    }
}

/// Whether a piece of a JSON list counts as a row.
pub(super) const fn is_item(kind: PieceKind) -> bool {
    !matches!(kind, PieceKind::Note(_))
}

/// Collects items into batches.
struct Out {
    sender: SyncSender<Vec<Loose>>,
    batch: Vec<Loose>,
    row: u64,
    gone: bool,
}

/// The receiver stopped listening: nothing more need be read.
struct Gone;

impl Out {
    const BATCH: usize = 256;

    fn new(sender: SyncSender<Vec<Loose>>) -> Self {
        Self {
            sender,
            batch: Vec::new(),
            row: 0,
            gone: false,
        }
    }

    fn push(&mut self, key: Option<String>, payload: Payload<'static>) -> Result<(), Gone> {
        self.add(key, Ok(payload))
    }

    /// An item that is none, with the reason.
    fn push_broken(&mut self, message: String) -> Result<(), Gone> {
        self.add(None, Err(message))
    }

    fn add(
        &mut self,
        key: Option<String>,
        payload: Result<Payload<'static>, String>,
    ) -> Result<(), Gone> {
        let row = self.row;
        self.row += 1;
        self.batch.push(Loose { row, key, payload });
        if self.batch.len() >= Self::BATCH {
            self.flush();
        }
        if self.gone { Err(Gone) } else { Ok(()) }
    }

    /// Reading stopped: the rest counts as one broken item.
    fn fail(&mut self, message: String) {
        // Whoever stopped listening needs no reason.
        let _ = self.push_broken(message);
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() && self.sender.send(batch).is_err() {
            self.gone = true;
        }
    }
}

fn feed(
    unpacked: Unpacked,
    container: Container,
    limit: usize,
    out: &mut Out,
) -> Result<(), String> {
    let source = unpacked.source;
    match container {
        // Lists of JSON values are read as chunks.
        Container::Json | Container::JsonRuns(_) => Ok(()),
        Container::JsonListAt(at) | Container::JsonMapAt(at) => json::inside(source, at, out),
        Container::JsonDocument => {
            let bytes = whole(source, limit)?;
            if is_blank(&bytes) {
                return Ok(());
            }
            let value = json::document(&bytes)?;
            ignore_gone(out.push(None, Payload::Value(value)));
            Ok(())
        }
        Container::Csv => table::separated(source, b',', out),
        Container::Tsv => table::separated(source, b'\t', out),
        Container::Lines => table::lines(source, limit, out),
        Container::TextDocument => {
            let text = String::from_utf8(whole(source, limit)?)
                .map_err(|error| format!("not UTF-8: {error}"))?;
            ignore_gone(out.push(None, Payload::Text(text)));
            Ok(())
        }
        Container::Xml => {
            let text = String::from_utf8(whole(source, limit)?)
                .map_err(|error| format!("not UTF-8: {error}"))?;
            if text.trim().is_empty() {
                return Ok(());
            }
            let value = xml::document(&text)?;
            ignore_gone(out.push(None, Payload::Value(value)));
            Ok(())
        }
        Container::PickleList | Container::PickleMap => {
            let bytes = whole(source, limit)?;
            if bytes.is_empty() {
                return Ok(());
            }
            spread(
                pickle::read(&bytes).map_err(|error| error.to_string())?,
                container,
                out,
            )
        }
    }
}

/// Hands out the parts of a pickled value.
fn spread(value: Value, container: Container, out: &mut Out) -> Result<(), String> {
    match (container, value) {
        (Container::PickleList, Value::Array(items)) => {
            for item in items {
                if out.push(None, Payload::Value(item)).is_err() {
                    break;
                }
            }
            Ok(())
        }
        (Container::PickleMap, Value::Object(entries)) => {
            for (key, item) in entries {
                if out.push(Some(key), Payload::Value(item)).is_err() {
                    break;
                }
            }
            Ok(())
        }
        (Container::PickleList, _) => Err("the pickle holds no list".into()),
        _ => Err("the pickle holds no dictionary".into()),
    }
}

/// A receiver that is gone wants nothing more; there is nothing to tell it.
fn ignore_gone(result: Result<(), Gone>) {
    drop(result);
}

fn whole(source: Box<dyn std::io::Read + Send>, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("reading stopped: {error}"))?;
    if bytes.len() > limit {
        return Err(format!("the file has more than {limit} bytes"));
    }
    Ok(bytes)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

/// Every item of a small file, for tables beside annotations.
pub(super) fn read_all(
    path: &Path,
    container: Container,
    options: &Options,
    mut take: impl FnMut(u64, Option<String>, Value) -> Result<(), String>,
) -> Result<(), SourceError> {
    let wrong = |message: String| SourceError::Container {
        path: path.to_owned(),
        place: None,
        message,
    };
    let mut batches = Batches::open(path, container, options)?;
    while let Some(batch) = batches.next_batch()? {
        match batch {
            Batch::Items(items) => {
                for item in items {
                    let value = match item.payload.map_err(wrong)? {
                        Payload::Value(value) => value,
                        Payload::Text(text) => Value::String(text),
                        Payload::Json(bytes) => json::document(bytes).map_err(wrong)?,
                    };
                    take(item.row, item.key, value).map_err(wrong)?;
                }
            }
            Batch::Chunk { chunk, first_row } => {
                let items = chunk.pieces.iter().filter(|piece| is_item(piece.kind));
                for (row, piece) in (first_row..).zip(items) {
                    let value = json::document(chunk.bytes(piece)).map_err(wrong)?;
                    take(row, None, value).map_err(wrong)?;
                }
            }
        }
    }
    Ok(())
}
