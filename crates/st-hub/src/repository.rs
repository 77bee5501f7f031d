//! Which repository, at which revision.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name;

/// The longest part of a repository's name, in bytes, as the hub has it.
const PART_BYTES: usize = 96;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepositoryKind {
    /// Records and media.
    Dataset,
    /// Weights.
    Model,
}

impl RepositoryKind {
    /// `datasets` or `models`, as the hub's addresses have it.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Dataset => "datasets",
            Self::Model => "models",
        }
    }
}

/// A repository of the hub. Written as `datasets/OWNER/NAME` or `models/OWNER/NAME`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Repository {
    kind: RepositoryKind,
    id: String,
}

/// Why a text is no repository, revision or commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// Not `OWNER/NAME` of letters, digits, `-`, `_` and `.`.
    #[error("{} is no repository: write OWNER/NAME", name::shown(.0))]
    Id(String),
    /// Not `datasets/OWNER/NAME` or `models/OWNER/NAME`.
    #[error("{} is no repository: write datasets/OWNER/NAME or models/OWNER/NAME", name::shown(.0))]
    Kind(String),
    /// Not the name of a branch, a tag or a commit.
    #[error("{} is no revision: name a branch, a tag or a commit", name::shown(.0))]
    Revision(String),
    /// Not 40 hexadecimal digits.
    #[error("{} is no commit: 40 hexadecimal digits are", name::shown(.0))]
    Commit(String),
}

impl Repository {
    /// The repository `id`, which is `OWNER/NAME` or, for some old ones, `NAME`.
    ///
    /// # Errors
    /// When `id` is no such name.
    pub fn new(kind: RepositoryKind, id: &str) -> Result<Self, RepositoryError> {
        let parts: Vec<&str> = id.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && part.len() <= PART_BYTES
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
                && !part.contains("--")
                && !part.contains("..")
        };
        if parts.len() > 2 || !parts.iter().all(plain) {
            return Err(RepositoryError::Id(id.to_owned()));
        }
        Ok(Self {
            kind,
            id: id.to_owned(),
        })
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> RepositoryKind {
        self.kind
    }

    /// `OWNER/NAME`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The part after the owner.
    #[must_use]
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or(&self.id)
    }

    /// The path of its page, below the endpoint.
    #[must_use]
    pub fn page_path(&self) -> String {
        match self.kind {
            RepositoryKind::Dataset => format!("datasets/{}", self.id),
            RepositoryKind::Model => self.id.clone(),
        }
    }

    /// Its folder in the standard cache: `datasets--OWNER--NAME`.
    pub(crate) fn cache_folder(&self) -> String {
        format!("{}--{}", self.kind.plural(), self.id.replace('/', "--"))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.plural(), self.id)
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

impl TryFrom<String> for Repository {
    type Error = RepositoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some(("datasets", id)) => Self::new(RepositoryKind::Dataset, id),
            Some(("models", id)) => Self::new(RepositoryKind::Model, id),
            _ => Err(RepositoryError::Kind(text.to_owned())),
        }
    }
}

/// A branch, a tag or a commit, as typed. It becomes part of a path, so it is checked like one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Revision(String);

impl Revision {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit, when the revision is one.
    #[must_use]
    pub fn commit(&self) -> Option<Commit> {
        self.0.parse().ok()
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".to_owned())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Revision {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sound = name::check(text).is_ok()
            && !text.starts_with('-')
            && !text.contains(char::is_whitespace);
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(RepositoryError::Revision(text.to_owned()))
        }
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

impl TryFrom<String> for Revision {
    type Error = RepositoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The full name of a commit: 40 hexadecimal digits, in lower case.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Commit(String);

impl Commit {
    /// The 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Commit {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 40 && text.bytes().all(hexadecimal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RepositoryError::Commit(text.to_owned()))
        }
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

impl TryFrom<String> for Commit {
    type Error = RepositoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_written_as_they_are_read() {
        for text in ["datasets/appletea2333/ST-Align-Dataset", "models/gpt2"] {
            assert_eq!(text.parse::<Repository>().unwrap().to_string(), text);
        }
        let model = Repository::new(RepositoryKind::Model, "a/b").unwrap();
        assert_eq!((model.page_path().as_str(), model.name()), ("a/b", "b"));
        assert_eq!(model.cache_folder(), "models--a--b");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for id in [
            "", "a/b/c", "../b", "a/..", "a--b/c", "a/b?x=1", "a b/c", "-a/b", "a/b.",
        ] {
            assert!(
                Repository::new(RepositoryKind::Dataset, id).is_err(),
                "{id}"
            );
        }
        for revision in ["", "../x", "a b", "/main", "-x", "a\u{7}"] {
            assert!(revision.parse::<Revision>().is_err(), "{revision}");
        }
        assert!("refs/pr/1".parse::<Revision>().is_ok());
        assert!("ABCDEF".parse::<Commit>().is_err());
    }
}
