//! Frame shards: the sampled frames of clips as JPEGs in `WebDataset` tar files, with an index.
//!
//! `docs/shard-format.md` is the specification. A folder of shards is written once, by any number of workers and tasks
//! and over any number of interruptions, and is always the same bytes ([`ShardWriter`]). It is read by memory map, one
//! clip with one look-up ([`ShardReader`]). In what order clips are visited is a pure function ([`order`]).
//!
//! Storing JPEGs instead of pixels costs about one grey level of noise and one decode a frame, and saves a factor of ten
//! to twenty in disk and network.

mod disk;
mod entry;
mod error;
mod frame_encoder;
#[cfg(test)]
mod hostile;
mod index;
mod jpeg;
mod layout;
mod manifest;
mod order;
mod payload;
mod plan;
mod reader;
mod verify;
mod writer;

pub use entry::{ClipEntry, ClipKind};
pub use error::ShardError;
pub use frame_encoder::FrameEncoder;
pub use jpeg::{decode as decode_jpeg, encode as encode_jpeg};
pub use manifest::{Manifest, ShardFile};
pub use order::{order, permutation};
pub use payload::{ClipFacts, Payload};
pub use plan::{Settings, ShardPlan};
pub use reader::ShardReader;
pub use verify::{Fault, VerifyReport, verify};
pub use writer::{Outcome, Reject, ShardWriter, Summary};
