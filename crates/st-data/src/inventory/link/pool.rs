//! The media files that a folder holds.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::LinkError;
use crate::registry::MediaKind;

const VIDEO: [&str; 17] = [
    "mp4", "mkv", "webm", "avi", "mov", "m4v", "mpg", "mpeg", "wmv", "3gp", "flv", "ts", "m2ts",
    "ogv", "asf", "vob", "gif",
];
const IMAGE: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"];
/// What downloaders leave behind half done.
const UNFINISHED: [&str; 5] = ["part", "ytdl", "temp", "tmp", "crdownload"];

/// The ending of a path, where it is one of a media file; in lower case.
fn ending(path: &str) -> Option<String> {
    let ending = path.rsplit_once('.')?.1.to_ascii_lowercase();
    (VIDEO.contains(&ending.as_str()) || IMAGE.contains(&ending.as_str())).then_some(ending)
}

/// A path's name without a media file's ending.
#[must_use]
pub fn stem_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    ending(name).map_or(name, |ending| &name[..name.len() - ending.len() - 1])
}

/// A file of a [`Pool`].
#[derive(Clone, Debug)]
pub(super) struct PoolFile {
    /// Its path from the pool's folder, with `/`.
    pub(super) path: Box<str>,
    pub(super) bytes: u64,
}

impl PoolFile {
    /// Whether the ending fits; a name without one may be either.
    pub(super) fn may_be(&self, kind: MediaKind) -> bool {
        let endings: &[&str] = match kind {
            MediaKind::Video => &VIDEO,
            MediaKind::Image => &IMAGE,
        };
        ending(&self.path).is_none_or(|ending| endings.contains(&ending.as_str()))
    }
}

/// What lies in a folder and is no media file to link.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Files with an ending that no media file has, or that a downloader left unfinished.
    pub other: u64,
    /// Media files without bytes.
    pub empty: u64,
    /// Files whose path is not UTF-8.
    pub not_utf8: u64,
    /// Folders and files that cannot be read, in the system's words.
    pub unreadable: Vec<String>,
}

/// The media files of a folder and its folders, by name. Links are followed.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The folder, without links.
    pub root: PathBuf,
    pub(super) files: Vec<PoolFile>,
    /// What was passed over.
    pub skipped: Skipped,
}

impl Pool {
    /// Lists a folder.
    ///
    /// # Errors
    /// When it is no folder or cannot be read.
    pub fn read(folder: &Path) -> Result<Self, LinkError> {
        let failed = |source| LinkError::From {
            path: folder.to_owned(),
            source,
        };
        let root = std::fs::canonicalize(folder).map_err(failed)?;
        std::fs::read_dir(&root).map_err(failed)?;
        let mut skipped = Skipped::default();
        let mut paths = Vec::new();
        for entry in WalkDir::new(&root).follow_links(true) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    skipped.unreadable.push(error.to_string());
                    continue;
                }
            };
            if !entry.file_type().is_file() {
                continue;
            }
            match entry.path().strip_prefix(&root).ok().and_then(Path::to_str) {
                None => skipped.not_utf8 += 1,
                Some(path) if is_media(path) => paths.push(Box::from(path)),
                Some(_) => skipped.other += 1,
            }
        }
        let sized = |path: Box<str>| {
            let bytes = std::fs::metadata(root.join(&*path)).map_or(0, |metadata| metadata.len());
            PoolFile { path, bytes }
        };
        let mut files: Vec<PoolFile> = paths.into_par_iter().map(sized).collect();
        let all = files.len();
        files.retain(|file| file.bytes > 0);
        skipped.empty = (all - files.len()) as u64;
        files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            root,
            files,
            skipped,
        })
    }
}

/// Whether a path ends as media files do, or has no ending, as some downloaders leave them.
fn is_media(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with('.') {
        return false;
    }
    if ending(name).is_some() {
        return true;
    }
    match name.rsplit_once('.') {
        None => true,
        Some((_, ending)) => {
            // What looks like an ending, as `json` and `part` do, is one.
            let word = ending.len() <= 4 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
            !word && !UNFINISHED.contains(&ending)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_those_of_media() {
        for (path, stem) in [
            ("a/b.mp4", "b"),
            ("b.MKV", "b"),
            ("video-x", "video-x"),
            ("a.b.jpg", "a.b"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(stem_of(path), stem);
        }
        for path in ["a.mp4", "a/video--abc", "x.WebM", "COCO_1.jpg"] {
            assert!(is_media(path), "{path}");
        }
        for path in [
            "a.mp4.part",
            "a.json",
            ".hidden.mp4",
            "a.info.json",
            "a.txt",
            "a.ytdl",
            "a.crdownload",
        ] {
            assert!(!is_media(path), "{path}");
        }
    }
}
