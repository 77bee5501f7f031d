//! `manifest.json`: the last file to be written; a folder that has it is complete.

use serde::{Deserialize, Serialize};

use crate::Settings;

/// What a finished folder of shards holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `llava-st frame shards`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Digest of the plan ([`crate::ShardPlan::digest`]).
    pub plan: String,
    /// The plan's settings.
    pub settings: Settings,
    /// Clips stored.
    pub clips: u64,
    /// Clips refused; `rejects.jsonl` says which and why.
    pub rejected: u64,
    /// Frames stored.
    pub frames: u64,
    /// SHA-256 of `index.parquet`.
    pub index_sha256: String,
    /// The shards, by number.
    pub shards: Vec<ShardFile>,
}

/// One tar file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// File name.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Clips in it.
    pub clips: u64,
}

/// The `format` field of every manifest.
pub(crate) const FORMAT: &str = "llava-st frame shards";

/// File name of shard `number`.
pub(crate) fn shard_name(number: usize) -> String {
    format!("{number:06}.tar")
}
