//! Checksums, computed while bytes stream by.

use std::fmt::{self, Write};
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::error::HubError;

/// Bytes read at once.
const BLOCK: usize = 256 << 10;

/// What the hub says a file's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentId {
    /// The sha256 of a file in large file storage, in hexadecimal.
    Sha256(String),
    /// The name of a git blob, in hexadecimal: the sha1 of `blob LENGTH\0` and the content.
    GitBlob(String),
}

impl ContentId {
    /// The hexadecimal digits. The standard cache names the blob by them.
    #[must_use]
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// Whether the digits are as long as such a checksum is, and nothing but digits: they name a file.
    pub(crate) fn is_sound(&self) -> bool {
        let length = match self {
            Self::Sha256(_) => 64,
            Self::GitBlob(_) => 40,
        };
        let digits = self.digits();
        digits.len() == length
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git blob",
        };
        write!(f, "{kind} {}", self.digits())
    }
}

/// Both checksums of one stream: sha256 for the lock, and git's where the hub knows only that.
#[derive(Clone)]
pub(crate) struct Checksums {
    sha256: Sha256,
    git: Option<Sha1>,
}

impl Checksums {
    /// For a file of `size` bytes that should be `expected`.
    pub(crate) fn new(expected: &ContentId, size: u64) -> Self {
        let git = matches!(expected, ContentId::GitBlob(_)).then(|| {
            let mut sha1 = Sha1::new();
            sha1.update(format!("blob {size}\0"));
            sha1
        });
        Self {
            sha256: Sha256::new(),
            git,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(git) = &mut self.git {
            git.update(bytes);
        }
    }

    /// The content's identity in the form that was expected, and its sha256.
    pub(crate) fn finish(self) -> (ContentId, String) {
        let sha256 = hexadecimal(&self.sha256.finalize());
        let id = match self.git {
            Some(git) => ContentId::GitBlob(hexadecimal(&git.finalize())),
            None => ContentId::Sha256(sha256.clone()),
        };
        (id, sha256)
    }

    /// Takes in what `reader` holds, and says how many bytes that was.
    pub(crate) fn read(&mut self, reader: &mut impl Read) -> std::io::Result<u64> {
        let mut block = vec![0; BLOCK];
        let mut total = 0;
        loop {
            match reader.read(&mut block) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.update(&block[..count]);
                    total += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The sha256 of a file in hexadecimal, and its size in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(path: &Path) -> Result<(String, u64), HubError> {
    let failed = |source| HubError::io("read", path, source);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut checksums = Checksums::new(&ContentId::Sha256(String::new()), 0);
    let size = checksums.read(&mut file).map_err(failed)?;
    Ok((checksums.finish().1, size))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_are_those_of_sha256sum_and_git() {
        let mut sums = Checksums::new(&ContentId::GitBlob(String::new()), 6);
        sums.read(&mut &b"hello\n"[..]).unwrap();
        let (id, sha256) = sums.finish();
        // `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
        assert_eq!(
            id,
            ContentId::GitBlob("ce013625030ba8dba906f756967f9e9ca394464a".into())
        );
        assert_eq!(
            sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
    }

    #[test]
    fn digits_that_are_none_are_not_sound() {
        assert!(!ContentId::Sha256("../../x".into()).is_sound());
        assert!(!ContentId::GitBlob("A".repeat(40)).is_sound());
        assert!(ContentId::GitBlob("a".repeat(40)).is_sound());
    }
}
