//! Which file a file's name means, whatever its host or downloader has put around it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What in the name of a media file says which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// The 11 characters of a `YouTube` id, after `v_` or `video-`, before `_start_end`.
    Youtube,
    /// The picture's number in COCO, the last 12 digits: `COCO_train2014_000000000042`, `000000000042`.
    Coco,
    /// The 5 capitals and digits of a Charades id.
    Charades,
    /// A whole number, leading zeros aside.
    Number,
    /// The whole name without its ending.
    Stem,
}

/// A span of a longer video, as a name spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cut {
    /// The start in milliseconds where the name has a point, else in the name's own unit times 1000.
    pub start: u64,
    /// The end, likewise.
    pub end: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |milli: u64| format!("{}.{:03}", milli / 1000, milli % 1000);
        write!(f, "{} to {}", unit(self.start), unit(self.end))
    }
}

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The identifier, in the one way that it is written here.
    pub id: String,
    /// The part of the video that the file has, where the name says that it has a part.
    pub cut: Option<Cut>,
}

impl Identifier {
    /// What a name without its ending means; `None` when it holds no such identifier.
    #[must_use]
    pub fn of(self, stem: &str) -> Option<Identity> {
        let whole = |id: String| Identity { id, cut: None };
        match self {
            Self::Youtube => youtube(stem),
            Self::Coco => coco(stem).map(whole),
            Self::Charades => {
                let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
                (stem.len() == 5 && stem.bytes().all(fits)).then(|| whole(stem.to_owned()))
            }
            Self::Number => number(stem).map(whole),
            Self::Stem => (!stem.is_empty()).then(|| whole(stem.to_owned())),
        }
    }

    /// Where the file that a path means can be downloaded, where the path tells.
    #[must_use]
    pub fn address(self, path: &str) -> Option<String> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let identity = self.of(stem)?;
        match self {
            Self::Youtube => Some(format!("https://www.youtube.com/watch?v={}", identity.id)),
            Self::Coco => {
                let parent = parent.rsplit('/').next().unwrap_or_default();
                let split = stem
                    .strip_prefix("COCO_")
                    .and_then(|rest| rest.split_once('_'));
                let split = split.map_or(parent, |(split, _)| split);
                let known = [
                    "train2014",
                    "val2014",
                    "test2014",
                    "test2015",
                    "train2017",
                    "val2017",
                    "test2017",
                ];
                let name = if split.ends_with("2017") {
                    &identity.id
                } else {
                    stem
                };
                known
                    .contains(&split)
                    .then(|| format!("http://images.cocodataset.org/{split}/{name}.jpg"))
            }
            Self::Charades | Self::Number | Self::Stem => None,
        }
    }
}

/// Length of a `YouTube` id.
const YOUTUBE: usize = 11;

fn youtube(stem: &str) -> Option<Identity> {
    // An id may itself begin with these letters, so the whole name is tried first.
    ["", "v_", "video-"].iter().find_map(|prefix| {
        let rest = stem.strip_prefix(prefix)?;
        let id = rest.get(..YOUTUBE)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !id.bytes().all(fits) {
            return None;
        }
        let cut = match &rest[YOUTUBE..] {
            "" => None,
            tail => Some(cut(tail)?),
        };
        Some(Identity {
            id: id.to_owned(),
            cut,
        })
    })
}

/// `_start_end` or `_start-end`, whole or with a point.
fn cut(tail: &str) -> Option<Cut> {
    let span = tail.strip_prefix('_')?;
    let (start, end) = span.split_once(['_', '-'])?;
    let cut = Cut {
        start: milli(start)?,
        end: milli(end)?,
    };
    (cut.start < cut.end).then_some(cut)
}

fn milli(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 9 {
        return None;
    }
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u64>().ok()? * 1000 + thousandths.parse::<u64>().ok()?)
}

fn coco(stem: &str) -> Option<String> {
    const DIGITS: usize = 12;
    let from = stem.len().checked_sub(DIGITS)?;
    let digits = stem.get(from..)?;
    let before = &stem[..from];
    let fits = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (before.is_empty() || (before.starts_with("COCO_") && before.ends_with('_')));
    fits.then(|| digits.to_owned())
}

fn number(stem: &str) -> Option<String> {
    let digits = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
    let short = stem.trim_start_matches('0');
    digits.then(|| if short.is_empty() { "0" } else { short }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(identifier: Identifier, stem: &str) -> Option<(String, Option<(u64, u64)>)> {
        let identity = identifier.of(stem)?;
        Some((identity.id, identity.cut.map(|cut| (cut.start, cut.end))))
    }

    #[test]
    fn youtube_ids_are_found_inside_names() {
        let id = "-a_bcdefghi";
        for (stem, cut) in [
            (id.to_owned(), None),
            (format!("v_{id}"), None),
            (format!("video-{id}"), None),
            (format!("{id}_000012_000022"), Some((12_000, 22_000))),
            (format!("{id}_12-22"), Some((12_000, 22_000))),
            (format!("v_{id}_1.5_2.25"), Some((1500, 2250))),
        ] {
            assert_eq!(
                of(Identifier::Youtube, &stem),
                Some((id.to_owned(), cut)),
                "{stem}"
            );
        }
        // An id of its own that begins like a prefix.
        assert_eq!(
            of(Identifier::Youtube, "v_abcdefghi"),
            Some(("v_abcdefghi".into(), None))
        );
        for no in [
            "",
            "short",
            "-a_bcdefghi_x",
            "-a_bcdefghi_22_12",
            "-a_bcdefghijk",
            "é_bcdefghij",
            "-a_bcdefghi_1_2_3",
        ] {
            assert_eq!(of(Identifier::Youtube, no), None, "{no}");
        }
    }

    #[test]
    fn addresses_are_told_from_paths() {
        let of = |identifier: Identifier, path: &str| identifier.address(path).unwrap_or_default();
        assert_eq!(
            of(Identifier::Youtube, "a/v_-a_bcdefghi.mkv"),
            "https://www.youtube.com/watch?v=-a_bcdefghi"
        );
        let coco = "http://images.cocodataset.org";
        assert_eq!(
            of(Identifier::Coco, "COCO_train2014_000000000009.jpg"),
            format!("{coco}/train2014/COCO_train2014_000000000009.jpg")
        );
        assert_eq!(
            of(Identifier::Coco, "coco/val2017/000000000139.jpg"),
            format!("{coco}/val2017/000000000139.jpg")
        );
        // Without a folder the picture may be of several.
        assert_eq!(of(Identifier::Coco, "000000000139.jpg"), "");
        assert_eq!(of(Identifier::Number, "0001/5.mp4"), "");
    }

    #[test]
    fn numbers_are_the_same_with_other_zeros() {
        assert_eq!(of(Identifier::Number, "0042"), Some(("42".into(), None)));
        assert_eq!(of(Identifier::Number, "000"), Some(("0".into(), None)));
        assert_eq!(of(Identifier::Number, "4a"), None);
        assert_eq!(
            of(Identifier::Charades, "0A1BC"),
            Some(("0A1BC".into(), None))
        );
        assert_eq!(of(Identifier::Charades, "0a1bc"), None);
        let number = Some(("000000900101".into(), None));
        assert_eq!(of(Identifier::Coco, "COCO_train2014_000000900101"), number);
        assert_eq!(of(Identifier::Coco, "000000900101"), number);
        assert_eq!(of(Identifier::Coco, "COCO_train2014_000000900101_1"), None);
    }
}
