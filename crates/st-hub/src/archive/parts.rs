//! Several files read as one.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use std::fs::File;

/// The files' bytes, one file after the other. One file is open at a time.
pub(crate) struct Parts {
    files: Vec<(PathBuf, u64)>,
    open: Option<(usize, File)>,
    position: u64,
    total: u64,
}

impl Parts {
    pub(crate) fn new(paths: &[PathBuf]) -> io::Result<Self> {
        let files = paths
            .iter()
            .map(|path| Ok((path.clone(), std::fs::metadata(path)?.len())))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            total: files.iter().map(|(_, size)| size).sum(),
            files,
            open: None,
            position: 0,
        })
    }

    /// The file that holds `position`, and where in it.
    fn locate(&self) -> Option<(usize, u64)> {
        let mut start = 0;
        for (at, (_, size)) in self.files.iter().enumerate() {
            if self.position < start + size {
                return Some((at, self.position - start));
            }
            start += size;
        }
        None
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((at, offset)) = self.locate() else {
            return Ok(0);
        };
        let file = match &mut self.open {
            Some((open, file)) if *open == at => file,
            _ => {
                let mut file = File::open(&self.files[at].0)?;
                file.seek(SeekFrom::Start(offset))?;
                &mut self.open.insert((at, file)).1
            }
        };
        let left = self.files[at].1 - offset;
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Parts {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.total.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        self.open = None;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_as_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["ab", "", "cde"]
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let path = folder.path().join(at.to_string());
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let mut parts = Parts::new(&paths).unwrap();
        let mut text = String::new();
        parts.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcde");
        parts.seek(SeekFrom::End(-4)).unwrap();
        let mut three = [0; 3];
        parts.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"bcd");
        assert!(parts.seek(SeekFrom::Current(-9)).is_err());
    }
}
