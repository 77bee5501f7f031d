//! METEOR's resource files, wherever they lie in a folder.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

/// The paraphrase table.
pub(super) const PARAPHRASES: &str = "paraphrase-en.gz";
/// The program that METEOR is published as; it carries the smaller resources.
const ARCHIVE: &str = "meteor-1.5.jar";

/// Why METEOR's resources cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MeteorError {
    /// A file is not there.
    #[error(
        "{}: no {name} (nor in {ARCHIVE}); METEOR's folder is its release, or `meteor` of the Python package pycocoevalcap",
        folder.display()
    )]
    Missing {
        /// The folder that was named.
        folder: PathBuf,
        /// The resource.
        name: String,
    },
    /// A file cannot be read.
    #[error("{}: {name}", folder.display())]
    Read {
        /// The folder that was named.
        folder: PathBuf,
        /// The resource.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{}: {place}", folder.display())]
    Malformed {
        /// The folder that was named.
        folder: PathBuf,
        /// File, line and fault.
        place: String,
    },
}

/// A folder, and the archive in it.
pub(super) struct Source {
    folder: PathBuf,
}

impl Source {
    /// # Errors
    /// When there is no such folder.
    pub(super) fn open(folder: &Path) -> Result<Self, MeteorError> {
        if !folder.is_dir() {
            return Err(MeteorError::Read {
                folder: folder.to_owned(),
                name: "METEOR's resources".to_owned(),
                source: io::Error::new(io::ErrorKind::NotFound, "no such folder"),
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// A small resource as text.
    ///
    /// # Errors
    /// When it is missing or no UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<String, MeteorError> {
        for place in [
            self.folder.join(name),
            self.folder.join("resources").join(name),
        ] {
            match std::fs::read_to_string(&place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result.map_err(|error| self.unreadable(name, error)),
            }
        }
        self.packed(name)
    }

    fn packed(&self, name: &str) -> Result<String, MeteorError> {
        let archive = match File::open(self.folder.join(ARCHIVE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.missing(name));
            }
            result => result.map_err(|error| self.unreadable(ARCHIVE, error))?,
        };
        let mut archive = ZipArchive::new(BufReader::new(archive))
            .map_err(|error| self.unreadable(ARCHIVE, error.into()))?;
        let mut file = match archive.by_name(name) {
            Err(ZipError::FileNotFound) => return Err(self.missing(name)),
            result => result.map_err(|error| self.unreadable(ARCHIVE, error.into()))?,
        };
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| self.unreadable(name, error))?;
        Ok(text)
    }

    /// The unpacked paraphrase table.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn paraphrases(&self) -> Result<impl BufRead + use<>, MeteorError> {
        for place in ["", "data"] {
            match File::open(self.folder.join(place).join(PARAPHRASES)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => {
                    let file = result.map_err(|error| self.unreadable(PARAPHRASES, error))?;
                    let packed = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file));
                    return Ok(BufReader::with_capacity(1 << 18, packed));
                }
            }
        }
        Err(self.missing(PARAPHRASES))
    }

    fn missing(&self, name: &str) -> MeteorError {
        MeteorError::Missing {
            folder: self.folder.clone(),
            name: name.to_owned(),
        }
    }

    pub(super) fn unreadable(&self, name: &str, source: io::Error) -> MeteorError {
        MeteorError::Read {
            folder: self.folder.clone(),
            name: name.to_owned(),
            source,
        }
    }

    pub(super) fn malformed(&self, place: &str) -> MeteorError {
        MeteorError::Malformed {
            folder: self.folder.clone(),
            place: place.to_owned(),
        }
    }
}
