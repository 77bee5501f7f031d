//! The places outside a media folder that its links may lead to, because the user linked them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LinkError;
use crate::whole_file;

/// The file's name, in the media folder.
const NAME: &str = ".stdata-links.json";

/// Folders that `stdata media link` has linked files from. A link that leads elsewhere is refused by `stdata validate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRoots {
    /// The folders, without links.
    pub roots: BTreeSet<PathBuf>,
}

impl LinkRoots {
    /// Those of a media folder; none where its list is not there or is not readable, so that a damaged list trusts nothing.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(NAME)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether a file, without links, lies in one of them.
    #[must_use]
    pub fn hold(&self, file: &Path) -> bool {
        self.roots.iter().any(|root| file.starts_with(root))
    }

    /// Adds folders to those of a media folder, and writes its list anew.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub fn add(folder: &Path, roots: impl IntoIterator<Item = PathBuf>) -> Result<(), LinkError> {
        let path = folder.join(NAME);
        let failed = |source| LinkError::Write {
            path: path.clone(),
            source,
        };
        let mut all = Self::of(folder);
        let before = all.clone();
        all.roots.extend(roots);
        if all == before {
            return Ok(());
        }
        whole_file::write(&path, |file| Ok(serde_json::to_writer_pretty(file, &all)?))
            .map_err(failed)
    }
}
