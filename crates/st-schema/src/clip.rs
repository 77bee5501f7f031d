//! The part of a media file that a record looks at.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Media, Record};

/// What makes two clips the same: the file and the frame range. Records share clips.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClipKey {
    /// The file, by the path that whoever builds the key uses for it.
    pub media: Media,
    /// First and last frame, both inclusive; the whole file when absent.
    pub split: Option<[u64; 2]>,
}

impl ClipKey {
    /// The clip that `record` looks at, by the record's own path.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            media: record.media.clone(),
            split: record.meta.split,
        }
    }

    /// The clip that `record` looks at, by the path that joins `data_folder` (as the dataset file spells it) and the
    /// record's own path: what shards know it by, so that equal names in two folders stay apart.
    ///
    /// The join is textual: empty and `.` parts are left out, nothing is looked up on the disk.
    #[must_use]
    pub fn within(data_folder: &str, record: &Record) -> Self {
        let join = |path: &str| {
            let absolute = path.starts_with('/');
            let folder = if absolute { "" } else { data_folder };
            let parts = folder.split('/').chain(path.split('/'));
            let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
            let root = if absolute || folder.starts_with('/') {
                "/"
            } else {
                ""
            };
            format!("{root}{}", parts.join("/"))
        };
        let media = match &record.media {
            Media::Image(path) => Media::Image(join(path)),
            Media::Video(path) => Media::Video(join(path)),
        };
        Self {
            media,
            split: record.meta.split,
        }
    }

    /// The clip's name in shards: the first 128 bits of SHA-256 over kind, path and split, as 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> ClipId {
        let (kind, path) = match &self.media {
            Media::Image(path) => ("image", path),
            Media::Video(path) => ("video", path),
        };
        let mut hash = Sha256::new();
        // NUL cannot be part of a path, so no two keys run together.
        hash.update(format!("llava-st clip 1\0{kind}\0{path}\0"));
        if let Some([first, last]) = self.split {
            hash.update(format!("{first}-{last}"));
        }
        let mut text = String::with_capacity(32);
        for byte in &hash.finalize()[..16] {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        ClipId(text)
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A clip's stable name: the same key gives the same name on every machine and in every version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClipId(pub String);

impl ClipId {
    /// The name as text, 32 hexadecimal digits when made by [`ClipKey::id`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_keep_equal_names_apart() {
        let turns = Vec::new();
        let media = Media::Video("b/./c.mp4".into());
        let record = Record::new("r", media, turns, crate::Variables::default());
        let path = |folder| match ClipKey::within(folder, &record).media {
            Media::Video(path) | Media::Image(path) => path,
        };
        assert_eq!(path("."), "b/c.mp4");
        assert_eq!(path("./a//"), "a/b/c.mp4");
        assert_eq!(path("/a"), "/a/b/c.mp4");
        assert_eq!(path("../a"), "../a/b/c.mp4");
    }

    #[test]
    fn ids_are_stable_and_distinct() {
        let whole = ClipKey {
            media: Media::Video("a/b.mp4".into()),
            split: None,
        };
        let part = ClipKey {
            split: Some([0, 829]),
            ..whole.clone()
        };
        let image = ClipKey {
            media: Media::Image("a/b.mp4".into()),
            split: None,
        };
        // sha256 of "llava-st clip 1\0video\0a/b.mp4\0", computed with Python's hashlib; must never change.
        assert_eq!(whole.id().as_str(), "1f473cf916796feae104bbef664419dd");
        assert_ne!(whole.id(), part.id());
        assert_ne!(whole.id(), image.id());
    }
}
