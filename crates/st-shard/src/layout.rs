//! What has to hold between manifest and index before a number of either is used.

use std::collections::HashSet;

use crate::manifest::{Manifest, shard_name};
use crate::payload::BLOCK;
use crate::{ClipEntry, Settings};

/// Checks the index's rows against the manifest: sizes, and that the clips fill the shards without holes or overlaps.
///
/// # Errors
/// The first thing that is not as the format says.
pub(crate) fn check(manifest: &Manifest, entries: &[ClipEntry]) -> Result<(), String> {
    let clips = entries.len() as u64;
    if clips != manifest.clips {
        return Err(format!(
            "it lists {clips} clips, the manifest {}",
            manifest.clips
        ));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        one(&manifest.settings, entry)
            .map_err(|reason| format!("clip {}: {reason}", entry.clip))?;
        if !seen.insert(&entry.clip) {
            return Err(format!("clip {} is listed twice", entry.clip));
        }
    }
    fills(manifest, entries)
}

/// Checks the shards' names, which are paths, before any is opened.
///
/// # Errors
/// The first name that is not as the format says.
pub(crate) fn names(manifest: &Manifest) -> Result<(), String> {
    for (number, shard) in manifest.shards.iter().enumerate() {
        if shard.name != shard_name(number) {
            return Err(format!(
                "it calls shard {number} `{}`, not `{}`",
                shard.name,
                shard_name(number)
            ));
        }
    }
    Ok(())
}

fn one(settings: &Settings, entry: &ClipEntry) -> Result<(), String> {
    let sides = [entry.width, entry.height];
    if sides != [settings.width, settings.height] {
        return Err(format!(
            "it is {}x{}, the manifest says {}x{}",
            entry.width, entry.height, settings.width, settings.height
        ));
    }
    if sides.iter().any(|side| !(1..=65_535).contains(side)) {
        return Err(format!("no picture is {}x{}", entry.width, entry.height));
    }
    let most = u64::from(settings.frames.max(1));
    let planned = u64::from(entry.frames) + u64::from(entry.missing);
    if entry.frames == 0 || planned > most {
        return Err(format!(
            "it has {} frames and misses {}, the manifest's plan has {most}",
            entry.frames, entry.missing
        ));
    }
    if !entry.fps.is_finite() || entry.fps < 0.0 {
        return Err(format!("{} is no number of frames a second", entry.fps));
    }
    Ok(())
}

/// Each clip begins where the one before ends, the first at byte 0, and two empty blocks follow the last.
fn fills(manifest: &Manifest, entries: &[ClipEntry]) -> Result<(), String> {
    let mut ends = vec![0_u64; manifest.shards.len()];
    let mut before = 0;
    for entry in entries {
        let shard = entry.shard as usize;
        let clip = &entry.clip;
        let Some(end) = ends.get_mut(shard).filter(|_| shard >= before) else {
            return Err(format!("clip {clip}: shard {shard:06} is out of place"));
        };
        before = shard;
        if entry.offset != *end {
            return Err(format!(
                "clip {clip} begins at byte {} of shard {shard:06}, the one before ends at {end}",
                entry.offset
            ));
        }
        let next = end.checked_add(entry.length);
        *end = next.ok_or_else(|| format!("clip {clip} has {} bytes", entry.length))?;
    }
    for (shard, end) in manifest.shards.iter().zip(ends) {
        if end.checked_add(2 * BLOCK as u64) != Some(shard.bytes) {
            return Err(format!(
                "the clips of {} end at byte {end}, its {} bytes say otherwise",
                shard.name, shard.bytes
            ));
        }
    }
    Ok(())
}
