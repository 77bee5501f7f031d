//! A file that is not complete yet, next to where it will be.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::api::RemoteFile;
use crate::cache::{part_of, write_whole};
use crate::digest::{Checksums, ContentId};
use crate::error::HubError;

/// What the server that sent the part called the file then. Only that server understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The hub itself sent it, not where it redirects.
    pub(crate) from_hub: bool,
    /// The strong entity tag, with its quotes.
    pub(crate) value: String,
}

/// The bytes of a file from its start on, and their checksums.
pub(crate) struct Part<'a> {
    path: PathBuf,
    tag_path: PathBuf,
    target: &'a RemoteFile,
    file: File,
    have: u64,
    sums: Checksums,
}

impl<'a> Part<'a> {
    /// Takes up what an earlier attempt has left, or starts with nothing.
    pub(crate) fn open(blob: &Path, target: &'a RemoteFile) -> Result<Self, HubError> {
        let path = part_of(blob);
        let failed = |error| HubError::io("write", &path, error);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let mut sums = Checksums::new(&target.id, target.size);
        let mut have = file.metadata().map_err(failed)?.len();
        if have > target.size {
            file.set_len(0).map_err(failed)?;
            have = 0;
        } else {
            have = sums.read(&mut file).map_err(failed)?.min(have);
        }
        let mut tag_path = path.clone().into_os_string();
        tag_path.push(".etag");
        Ok(Self {
            tag_path: tag_path.into(),
            path,
            target,
            file,
            have,
            sums,
        })
    }

    /// Bytes that are there.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// Starts with nothing again.
    pub(crate) fn restart(&mut self) -> Result<(), HubError> {
        let failed = |error| HubError::io("write", &self.path, error);
        self.file.set_len(0).map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.have = 0;
        self.sums = Checksums::new(&self.target.id, self.target.size);
        let _ = std::fs::remove_file(&self.tag_path);
        Ok(())
    }

    /// Adds bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file
            .write_all(bytes)
            .map_err(|error| HubError::io("write", &self.path, error))?;
        self.sums.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    /// What the server called the file when the part was begun.
    pub(crate) fn tag(&self) -> Option<Tag> {
        let text = std::fs::read_to_string(&self.tag_path).ok()?;
        let (sender, value) = text.split_once(' ')?;
        let sound = value.starts_with('"') && value.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Tag {
            from_hub: sender == "hub",
            value: value.to_owned(),
        })
    }

    /// Remembers what the server calls the file, if that is strong enough to compare by.
    pub(crate) fn set_tag(
        &mut self,
        from_hub: bool,
        value: Option<String>,
    ) -> Result<(), HubError> {
        match value.filter(|value| value.starts_with('"')) {
            Some(value) => {
                let sender = if from_hub { "hub" } else { "elsewhere" };
                write_whole(&self.tag_path, format!("{sender} {value}").as_bytes())
            }
            None => Ok(()),
        }
    }

    /// What the bytes so far are, and their sha256.
    pub(crate) fn checksums(&self) -> (ContentId, String) {
        self.sums.clone().finish()
    }

    /// Brings the bytes to the disk and gives them their name.
    pub(crate) fn become_blob(&mut self, blob: &Path) -> Result<(), HubError> {
        self.file
            .sync_all()
            .map_err(|error| HubError::io("write", &self.path, error))?;
        std::fs::rename(&self.path, blob)
            .map_err(|error| HubError::io("rename to", blob, error))?;
        let _ = std::fs::remove_file(&self.tag_path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_taken_up_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let blob = folder.path().join("blob");
        let target = RemoteFile {
            path: "a".into(),
            size: 6,
            id: ContentId::GitBlob(String::new()),
        };
        let mut part = Part::open(&blob, &target).unwrap();
        part.set_tag(false, Some("\"t\"".into())).unwrap();
        part.append(b"hel").unwrap();
        drop(part);
        let mut part = Part::open(&blob, &target).unwrap();
        assert_eq!(part.have(), 3);
        assert_eq!(
            part.tag().unwrap(),
            Tag {
                from_hub: false,
                value: "\"t\"".into()
            }
        );
        part.append(b"lo\n").unwrap();
        assert_eq!(
            part.checksums().0.digits(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        part.become_blob(&blob).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["blob"]);
    }

    #[test]
    fn a_part_that_is_too_long_is_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let blob = folder.path().join("blob");
        std::fs::write(part_of(&blob), b"seven77").unwrap();
        let target = RemoteFile {
            path: "a".into(),
            size: 6,
            id: ContentId::GitBlob(String::new()),
        };
        assert_eq!(Part::open(&blob, &target).unwrap().have(), 0);
    }
}
