//! Keeps what is unpacked in its folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::refusal::Refusal;
use crate::name::{self, NameFault};

/// A folder that nothing leaves.
pub(crate) struct Confine {
    root: PathBuf,
    /// Folders below the root that exist and are no links.
    sound: HashSet<String>,
}

impl Confine {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            sound: HashSet::new(),
        }
    }

    /// Where an entry goes; the folders above it are made. None of them is a link, so that the name is the place.
    pub(crate) fn place(&mut self, entry: &str) -> Result<PathBuf, Refusal> {
        let entry = entry.trim_start_matches("./");
        name::check(entry).map_err(Refusal::Name)?;
        if let Some((folder, _)) = entry.rsplit_once('/') {
            self.folder(folder)?;
        }
        let place = self.root.join(entry);
        match std::fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => Err(Refusal::InTheWay),
            _ => Ok(place),
        }
    }

    /// Makes sure that a folder exists, and that it is reached without links.
    pub(crate) fn folder(&mut self, folder: &str) -> Result<(), Refusal> {
        if self.sound.contains(folder) {
            return Ok(());
        }
        let mut place = self.root.clone();
        for part in folder.split('/') {
            place.push(part);
            match std::fs::symlink_metadata(&place) {
                Ok(found) if found.is_dir() => {}
                Ok(found) if found.is_symlink() => return Err(Refusal::ThroughLink),
                Ok(_) => return Err(Refusal::InTheWay),
                Err(_) => {
                    std::fs::create_dir(&place).map_err(|error| Refusal::Disk(error.kind()))?;
                }
            }
        }
        self.sound.insert(folder.to_owned());
        Ok(())
    }
}

/// Whether a link at `entry` that leads to `target` stays in the folder. As no link is ever followed while unpacking, what
/// the text says is what will be.
pub(crate) fn link_stays(entry: &str, target: &str) -> Result<(), Refusal> {
    if target.starts_with('/') {
        return Err(Refusal::LinkOut);
    }
    let mut depth = entry.trim_start_matches("./").split('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.checked_sub(1).ok_or(Refusal::LinkOut)?,
            _ => {
                name::check(part).map_err(|fault| match fault {
                    NameFault::Parent | NameFault::Empty => Refusal::LinkOut,
                    other => Refusal::Name(other),
                })?;
                depth += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_placed_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        symlink("..", root.join("up")).unwrap();
        let mut confine = Confine::new(&root);
        assert_eq!(confine.place("./a/b.txt").unwrap(), root.join("a/b.txt"));
        assert_eq!(confine.place("up/b.txt"), Err(Refusal::ThroughLink));
        assert_eq!(confine.place("up"), Err(Refusal::InTheWay));
        std::fs::write(root.join("a/file"), "").unwrap();
        assert_eq!(confine.place("a/file/x"), Err(Refusal::InTheWay));
        assert_eq!(
            confine.place("a/../x"),
            Err(Refusal::Name(NameFault::Parent))
        );
    }

    #[test]
    fn links_stay_inside() {
        for (entry, target) in [
            ("a", "b"),
            ("a/b", "../c"),
            ("a/b/c", "../../d/./e"),
            ("./a/b", ".."),
        ] {
            assert_eq!(link_stays(entry, target), Ok(()), "{entry} -> {target}");
        }
        for (entry, target) in [
            ("a", "../b"),
            ("a", "/etc"),
            ("a/b", "../../c"),
            ("a/b", "x/../../../c"),
        ] {
            assert_eq!(
                link_stays(entry, target),
                Err(Refusal::LinkOut),
                "{entry} -> {target}"
            );
        }
    }
}
