//! Re-checking finished shards.

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::plan::sha256;
use crate::{ShardError, ShardReader};

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// Tar files read.
    pub shards: usize,
    /// Clips read.
    pub clips: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Everything that is not as recorded.
    pub faults: Vec<Fault>,
}

/// Something that is not as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Name of the file in the folder.
    pub file: String,
    /// The clip, where a clip is at fault.
    pub clip: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Recomputes every checksum of a folder of shards, and with `frames` also decodes every frame.
///
/// `progress` is told the bytes of each clip as it is done; it is called from several threads.
///
/// # Errors
/// When the folder cannot be opened ([`ShardReader::open`]); wrong checksums are faults in the report.
pub fn verify(
    folder: &Path,
    frames: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<VerifyReport, ShardError> {
    let reader = ShardReader::open(folder)?;
    let shards = &reader.manifest().shards;
    let whole = shards.par_iter().enumerate().filter_map(|(number, shard)| {
        let computed = sha256(reader.shard_bytes(number));
        (computed != shard.sha256).then(|| Fault {
            file: shard.name.clone(),
            clip: None,
            reason: format!("SHA-256 is {computed}, the manifest says {}", shard.sha256),
        })
    });
    let mut faults: Vec<Fault> = whole.collect();
    let clips = reader
        .entries()
        .par_iter()
        .enumerate()
        .filter_map(|(number, entry)| {
            let checked = reader
                .verify(number)
                .and_then(|()| reader.facts(number).map(drop));
            let checked = checked.and_then(|()| {
                if frames {
                    reader.frames(number).map(drop)
                } else {
                    Ok(())
                }
            });
            progress(entry.length);
            checked.err().map(|error| Fault {
                file: crate::manifest::shard_name(entry.shard as usize),
                clip: Some(entry.clip.to_string()),
                reason: error.to_string(),
            })
        });
    faults.extend(clips.collect::<Vec<_>>());
    let bytes = shards.iter().map(|shard| shard.bytes).sum();
    Ok(VerifyReport {
        shards: shards.len(),
        clips: reader.len(),
        bytes,
        faults,
    })
}
