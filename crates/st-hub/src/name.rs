//! Names that others chose, checked before they become paths on this disk.

use std::collections::BTreeMap;

/// The longest name of one file or folder that common file systems keep, in bytes.
const COMPONENT_BYTES: usize = 255;
/// The longest path below a folder of ours, in bytes: leaves room for the folder itself within the usual 4,096.
const PATH_BYTES: usize = 1024;
/// What a name is cut to in a message, in characters.
const SHOWN_CHARS: usize = 60;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing, or nothing between two slashes.
    #[error("is empty, or has an empty part")]
    Empty,
    /// Starts at the root of the file system.
    #[error("is an absolute path")]
    Absolute,
    /// Starts with a drive, as in `C:`.
    #[error("names a drive")]
    Drive,
    /// Has a part `..` or `.`.
    #[error("leaves its folder")]
    Parent,
    /// Has a backslash, which separates folders elsewhere.
    #[error("has a backslash")]
    Backslash,
    /// Has a character that terminals obey or do not show.
    #[error("has control characters")]
    Control,
    /// Is longer than file systems keep.
    #[error("is too long")]
    TooLong,
    /// Differs from another name in upper and lower case only, so that one file would replace the other on many systems.
    #[error("differs from another name in case only")]
    CaseCollision,
}

/// Checks that `name` is a plain relative path: parts between slashes, none of which leads out of the folder.
///
/// # Errors
/// The first fault found.
pub fn check(name: &str) -> Result<(), NameFault> {
    let bytes = name.as_bytes();
    if name.starts_with('/') {
        return Err(NameFault::Absolute);
    }
    if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        return Err(NameFault::Drive);
    }
    if name.contains('\\') {
        return Err(NameFault::Backslash);
    }
    if name.chars().any(is_hidden) {
        return Err(NameFault::Control);
    }
    if name.len() > PATH_BYTES {
        return Err(NameFault::TooLong);
    }
    for part in name.split('/') {
        match part {
            "" => return Err(NameFault::Empty),
            "." | ".." => return Err(NameFault::Parent),
            _ if part.len() > COMPONENT_BYTES => return Err(NameFault::TooLong),
            _ => {}
        }
    }
    Ok(())
}

/// The names that equal an earlier one but for upper and lower case, each with [`NameFault::CaseCollision`]; both sides of
/// a collision are listed, because neither is more right than the other.
pub fn case_collisions<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(name.to_lowercase()).or_default().push(name);
    }
    let mut colliding: Vec<&str> = groups
        .into_values()
        .filter(|group| group.len() > 1)
        .flatten()
        .collect();
    colliding.sort_unstable();
    colliding
}

/// `name` as it can be shown: on one line, without characters that steer a terminal, not too long.
#[must_use]
pub fn shown(name: &str) -> String {
    let mut text: String = name
        .chars()
        .take(SHOWN_CHARS)
        .map(|character| {
            if is_hidden(character) {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if name.chars().count() > SHOWN_CHARS {
        text.push('…');
    }
    text
}

/// Control characters, and those that turn the writing direction or take no room.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn plain_names_pass() {
        for name in [
            "a",
            "stage3/intentqa_train.json",
            "…/ä b.mp4",
            "..a/b..",
            ".gitattributes",
            "ab:c",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let long = "n".repeat(4000);
        for (name, fault) in [
            ("", NameFault::Empty),
            ("a//b", NameFault::Empty),
            ("a/", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            ("C:/x", NameFault::Drive),
            ("c:x", NameFault::Drive),
            ("..", NameFault::Parent),
            ("a/../b", NameFault::Parent),
            ("./a", NameFault::Parent),
            ("a\\..\\b", NameFault::Backslash),
            ("a\nb", NameFault::Control),
            ("a\u{1b}[31m", NameFault::Control),
            ("a\u{202e}gpj.exe", NameFault::Control),
            (long.as_str(), NameFault::TooLong),
        ] {
            assert_eq!(check(name), Err(fault), "{name}");
        }
    }

    #[test]
    fn case_collisions_name_both_sides() {
        let names = ["b/X.json", "a", "B/x.json", "c"];
        assert_eq!(case_collisions(names), ["B/x.json", "b/X.json"]);
    }

    #[test]
    fn shown_names_are_harmless_and_short() {
        assert_eq!(shown("a\n\u{1b}b"), "a\u{fffd}\u{fffd}b");
        assert_eq!(shown(&"x".repeat(4000)).chars().count(), SHOWN_CHARS + 1);
    }

    proptest! {
        /// Whatever passes stays below the folder it is joined to.
        #[test]
        fn what_passes_stays_inside(name in "[a-zA-Z./\\\\:\u{1}]{0,12}") {
            if check(&name).is_ok() {
                let plain = Path::new(&name)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)));
                prop_assert!(plain, "{name}");
            }
        }
    }
}
