//! Looking at shards and media files: which are the same, whatever their names.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use st_media::{ClipRequest, Limits};
use st_schema::{ClipKey, FramePlan, Media};
use st_shard::{ShardReader, decode_jpeg};

use super::StatsError;
use super::audit::Map;
use super::examine::View;
use super::frames::{FRAMES, Thumbs, candidates, correlation, hashes, places, shrink};
use super::sameness::Seen;

/// What was looked at.
pub(super) struct Looked {
    pub(super) seen: Seen,
    /// Clips that shards hold; nothing when there are no shards.
    pub(super) in_shards: Option<u64>,
}

/// Where a clip's frames are.
enum Source {
    /// Shard folder and number in it.
    Shard(usize, usize),
    File(PathBuf),
}

/// Width and height to which files that are in no shard are decoded: enough for the hash.
const SIZE: u32 = 128;

/// Opens `shards` and compares the frames of their clips; with `files`, compares media files too, byte by byte and, where
/// they are in no shard, by frames.
pub(super) fn look(
    view: &View<'_>,
    shards: &[PathBuf],
    files: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Looked, StatsError> {
    let readers: Vec<ShardReader> = shards
        .iter()
        .map(|folder| ShardReader::open(folder))
        .collect::<Result<_, _>>()?;
    let mut sources: Vec<(u32, Source)> = Vec::new();
    let mut in_shards = 0;
    for (clip, key) in (0..).zip(shard_names(view)) {
        let id = key.id();
        let found = readers
            .iter()
            .enumerate()
            .find_map(|(reader, shards)| Some((reader, shards.find(&id)?)));
        if let Some((reader, number)) = found {
            in_shards += 1;
            sources.push((clip, Source::Shard(reader, number)));
        } else if files {
            let media = view.clip_keys[clip as usize].0 as usize;
            let path = PathBuf::from(&view.audit.media.list[media]);
            sources.push((clip, Source::File(path)));
        }
    }
    let frames = compare(view, &readers, &sources, progress);
    let bytes = if files { same_bytes(view) } else { Vec::new() };
    Ok(Looked {
        seen: Seen { bytes, frames },
        in_shards: (!readers.is_empty()).then_some(in_shards),
    })
}

/// The names that shards know the view's clips by, in order: with the data folder as the dataset file spells it.
pub(super) fn shard_names(view: &View<'_>) -> Vec<ClipKey> {
    let mut names: Vec<Option<ClipKey>> = vec![None; view.clip_keys.len()];
    for number in view.order.iter().chain(&view.benchmark) {
        let print = view.print(*number);
        let place = &mut names[view.clips[*number as usize] as usize];
        if place.is_none() {
            let file = &view.audit.files[print.file as usize];
            let media = &view.audit.media.list[print.media as usize];
            let name = respelt(media, &file.folder, file.data_folder.as_deref());
            let media = if print.image {
                Media::Image(name)
            } else {
                Media::Video(name)
            };
            let split = print.split.map(|split| split.map(u64::from));
            *place = Some(ClipKey { media, split });
        }
    }
    let nothing = || ClipKey {
        media: Media::Video(String::new()),
        split: None,
    };
    names
        .into_iter()
        .map(|name| name.unwrap_or_else(nothing))
        .collect()
}

/// A media name that begins with `folder`, beginning with `data_folder` instead.
fn respelt(media: &str, folder: &str, data_folder: Option<&str>) -> String {
    let Some(data_folder) = data_folder else {
        return media.to_owned();
    };
    let clean = |folder: &str| {
        let root = if folder.starts_with('/') { "/" } else { "" };
        let parts = folder.split('/');
        let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
        format!("{root}{}", parts.join("/"))
    };
    let (folder, data_folder) = (clean(folder), clean(data_folder));
    let rest = if folder.is_empty() {
        Some(media)
    } else {
        media
            .strip_prefix(&folder)
            .and_then(|rest| rest.strip_prefix('/'))
    };
    match rest {
        Some(rest) if data_folder.is_empty() => rest.to_owned(),
        Some(rest) => format!("{data_folder}/{rest}"),
        None => media.to_owned(),
    }
}

/// Clips with the same frames, and how well they correlate. Clips that cannot be read are like none; `stdata validate` and
/// `stdata verify` name them.
fn compare(
    view: &View<'_>,
    readers: &[ShardReader],
    sources: &[(u32, Source)],
    progress: &(dyn Fn(u64) + Sync),
) -> Vec<(u32, u32, f64)> {
    let frames = readers
        .iter()
        .map(|reader| reader.manifest().settings.frames as usize)
        .max()
        .unwrap_or(FramePlan::REFERENCE.frames);
    let read = |source: usize| {
        let (clip, source) = &sources[source];
        match source {
            Source::Shard(reader, number) => of_shard(&readers[*reader], *number),
            Source::File(path) => {
                let split = view.clip_keys[*clip as usize].1;
                of_file(path, view.images[*clip as usize], split, frames)
            }
        }
    };
    let hashed: Vec<[Option<u64>; FRAMES]> = (0..sources.len())
        .into_par_iter()
        .map(|source| {
            let hashes = read(source).map_or([None; FRAMES], |thumbs| hashes(&thumbs));
            progress(1);
            hashes
        })
        .collect();
    let media = |source: u32| view.clip_keys[sources[source as usize].0 as usize].0;
    let pairs = candidates(&hashed);
    // One clip's partners lie side by side, so its frames are decoded once.
    let by_first: Vec<&[(u32, u32)]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
    let found: Vec<Vec<(u32, u32, f64)>> = by_first
        .into_par_iter()
        .map(|pairs| {
            let mut found = Vec::new();
            let Some(one) = read(pairs[0].0 as usize) else {
                return found;
            };
            for (a, b) in pairs {
                // Two ranges of one file are no news.
                if media(*a) == media(*b) {
                    continue;
                }
                let other = read(*b as usize);
                if let Some(alike) = other.and_then(|other| correlation(&one, &other)) {
                    found.push((sources[*a as usize].0, sources[*b as usize].0, alike));
                }
            }
            found
        })
        .collect();
    found.into_iter().flatten().collect()
}

fn of_shard(reader: &ShardReader, number: usize) -> Option<Thumbs> {
    let entry = &reader.entries()[number];
    let (width, height) = (entry.width as usize, entry.height as usize);
    let jpegs = reader.jpegs(number).ok()?;
    let mut rgb = vec![0; 3 * width * height];
    let mut thumbs = Vec::new();
    for place in places(jpegs.len()) {
        decode_jpeg(jpegs[place], width, height, &mut rgb).ok()?;
        thumbs.push(shrink(&rgb, width, height));
    }
    Some(Thumbs(thumbs))
}

fn of_file(path: &Path, image: bool, split: Option<[u32; 2]>, frames: usize) -> Option<Thumbs> {
    let size = Some((SIZE, SIZE));
    if image {
        let still = st_media::load_still(path, size, &Limits::default()).ok()?;
        let (width, height) = (still.frames.width, still.frames.height);
        return Some(Thumbs(vec![shrink(&still.frames.rgb, width, height)]));
    }
    let request = ClipRequest {
        plan: FramePlan { frames },
        split: split.map(|split| split.map(u64::from)),
        size,
        ..ClipRequest::default()
    };
    let mut shown = Vec::new();
    let outline = request
        .visit(path, |rgb, (width, height)| {
            shown.push(shrink(rgb, width as usize, height as usize));
        })
        .ok()?;
    let wanted = places(outline.places.len()).into_iter();
    let thumbs: Option<Vec<_>> = wanted
        .map(|place| outline.places[place].map(|at| shown[at]))
        .collect();
    thumbs.map(Thumbs)
}

/// Media files of the same length and bytes, by number, under different names.
fn same_bytes(view: &View<'_>) -> Vec<Vec<u32>> {
    let mut by_length: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    let paths: Vec<&Path> = view.audit.media.list.iter().map(Path::new).collect();
    for (number, path) in (0..).zip(&paths) {
        if let Ok(facts) = fs_err::metadata(path)
            && facts.is_file()
            && facts.len() > 0
        {
            by_length.entry(facts.len()).or_default().push(number);
        }
    }
    let groups: Vec<Vec<u32>> = by_length
        .into_values()
        .filter(|numbers| numbers.len() > 1)
        .collect();
    let same: Vec<Vec<Vec<u32>>> = groups
        .into_par_iter()
        .map(|numbers| {
            let mut by_content: Map<u128, Vec<u32>> = Map::default();
            for number in numbers {
                if let Ok(content) = digest(paths[number as usize]) {
                    by_content.entry(content).or_default().push(number);
                }
            }
            let mut same: Vec<Vec<u32>> = by_content.into_values().collect();
            same.retain(|numbers| numbers.len() > 1);
            same.sort_unstable();
            same
        })
        .collect();
    same.into_iter().flatten().collect()
}

/// Two hashes of a file's bytes. Nobody attacks here, so 128 bits that only chance could make equal are enough.
fn digest(path: &Path) -> std::io::Result<u128> {
    let mut file = fs_err::File::open(path)?;
    let mut buffer = vec![0; 1 << 18];
    let (mut one, mut other) = (super::text::hasher(), super::text::hasher());
    other.write_u64(1);
    loop {
        // The hash depends on how the bytes are cut, so every cut is a full buffer but the last.
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        one.write(&buffer[..filled]);
        other.write(&buffer[..filled]);
        if filled < buffer.len() {
            return Ok(u128::from(one.finish()) << 64 | u128::from(other.finish()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_shards_have_them() {
        assert_eq!(
            respelt("/w/s/media/a.mp4", "/w/s/media", Some("media")),
            "media/a.mp4"
        );
        assert_eq!(respelt("s/a.mp4", "s/.", Some(".")), "a.mp4");
        assert_eq!(respelt("a.mp4", "", Some("")), "a.mp4");
        assert_eq!(respelt("/abs/a.mp4", "s", Some("s")), "/abs/a.mp4");
        assert_eq!(respelt("s/a.mp4", "s", None), "s/a.mp4");
    }
}
