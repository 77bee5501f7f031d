//! What is known of the sources of ST-Align and of the media they speak of: formats, units, licences, and where each can be had.
//!
//! The facts are data, in `data/sources.yaml`, built into the program; `schemas/sources.schema.json` describes the file. A
//! [`Source`] is one set of annotations, a [`Collection`] the media files that one or more sources name, and the
//! [`Share`]s are the paper's table of what ST-Align is made of (arXiv:2501.08282).
//!
//! ```
//! let registry = st_data::registry::builtin();
//! let source = registry.source("vidstg").expect("VidSTG is in the registry");
//! assert_eq!(registry.collection_of(source).map(|media| media.name.as_str()), Some("vidor"));
//! ```

mod identity;

use std::fmt;
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use st_schema::Task;

pub use identity::{Cut, Identifier, Identity};

/// The registry as text, as it ships.
pub const TEXT: &str = include_str!("../../data/sources.yaml");

/// The registry that ships with the program.
///
/// # Panics
/// Never: a test reads the text that is built in.
#[must_use]
pub fn builtin() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        serde_yaml::from_str(TEXT).expect("the text was read by a test before it was built in")
    })
}

/// Everything known of sources and media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The schema of the file, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Media files that belong together.
    pub collections: Vec<Collection>,
    /// Sets of annotations.
    pub sources: Vec<Source>,
    /// The paper's table: what each stage of ST-Align has of each task.
    pub composition: Vec<Share>,
}

/// Media files that belong together, and that one or more sources name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// A name in lower case.
    pub name: String,
    /// The name as people write it.
    pub title: String,
    /// Videos or pictures.
    pub kind: MediaKind,
    /// What in a file's name says which file it is.
    pub identifier: Identifier,
    /// The files are cuts of longer videos: `ID_start_end` is the file that `ID` means.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cuts: bool,
    /// How the files lie, as their hosts and downloaders lay them; `{…}` stands for what varies.
    pub layouts: Vec<String>,
    /// What the files may be used for.
    pub licence: String,
    /// What stands between a user and the files.
    pub access: Access,
    /// What to mind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Where the files can be had, the best place first.
    pub get: Vec<Place>,
}

/// A set of annotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A name in lower case: what `--source` takes.
    pub name: String,
    /// The name as people write it.
    pub title: String,
    /// The name in the paper's table, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// Other names, as dataset files use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The stages of ST-Align's training that use it; none for benchmarks and extras.
    pub stages: Vec<u8>,
    /// What it teaches or tests; empty for a set of every task.
    #[schemars(with = "Vec<String>")]
    pub tasks: Vec<Task>,
    /// The collection that its media files are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// The annotations.
    pub annotations: Annotations,
    /// How its media files are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_names: Option<String>,
    /// What to mind.
    pub notes: Vec<String>,
    /// How sure these facts are.
    pub confidence: Confidence,
}

/// The annotation files of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    /// Their names.
    pub files: Vec<String>,
    /// Where they can be had, the best place first.
    pub get: Vec<Place>,
    /// What they may be used for.
    pub licence: String,
    /// What stands between a user and the files.
    pub access: Access,
    /// The form of a file.
    pub container: String,
    /// Its fields: the name, a colon, the type and unit.
    pub fields: Vec<String>,
    /// The unit of times inside the file, and whether ends belong to spans.
    pub time_unit: String,
    /// The layout and unit of boxes inside the file.
    pub box_format: String,
}

/// A place that has files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// A dataset repository of the Hugging Face hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// A page or a file of the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Which files there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

impl Place {
    /// An address that a browser opens.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let hub = |name: &String| format!("https://huggingface.co/datasets/{name}");
        self.hub.as_ref().map(hub).or_else(|| self.page.clone())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.hub, &self.page) {
            (Some(hub), _) => write!(f, "hub {hub}")?,
            (None, Some(page)) => f.write_str(page)?,
            (None, None) => {}
        }
        match &self.files {
            Some(files) => write!(f, " ({files})"),
            None => Ok(()),
        }
    }
}

/// Videos or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Video files.
    Video,
    /// Picture files.
    Image,
}

/// What stands between a user and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing.
    Open,
    /// Terms to accept on the page, with an account.
    Terms,
    /// A form to send.
    Form,
    /// An account at the host.
    Registration,
    /// A letter to the authors.
    Request,
    /// A signed agreement.
    Agreement,
    /// The host no longer gives them out.
    Withdrawn,
    /// Not known for sure.
    NotConfirmed,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Terms => "accept its terms first",
            Self::Form => "by form",
            Self::Registration => "after registration",
            Self::Request => "by request to the authors",
            Self::Agreement => "after a signed agreement",
            Self::Withdrawn => "withdrawn; mirrors only",
            Self::NotConfirmed => "access not confirmed",
        })
    }
}

/// How sure facts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Form, names and units were seen in public code or files.
    High,
    /// Most was seen; what was not says so.
    Medium,
    /// Mainly inferred.
    Low,
}

/// One row of the paper's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The stage, 1 to 3.
    pub stage: u8,
    /// The task.
    #[schemars(with = "String")]
    pub task: Task,
    /// Records, in thousands, as the table rounds them.
    pub thousands: u32,
    /// The sources they come from.
    pub sources: Vec<String>,
}

impl Registry {
    /// The source of that very name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// The collection of that very name.
    #[must_use]
    pub fn collection(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|media| media.name == name)
    }

    /// The collection that a source's media are in.
    #[must_use]
    pub fn collection_of(&self, source: &Source) -> Option<&Collection> {
        self.collection(source.media.as_deref()?)
    }

    /// The media of what a dataset file calls `name`: a source's, or a collection of that very name.
    #[must_use]
    pub fn media_of(&self, name: &str) -> Option<&Collection> {
        let source = self.recognize(name);
        source
            .and_then(|source| self.collection_of(source))
            .or_else(|| self.collection(name))
    }

    /// The source that a dataset file means by `name`: case and punctuation do not count, aliases do, and a name that goes on
    /// after that of a source (`vidor_svg`) means the source with the longest such name.
    #[must_use]
    pub fn recognize(&self, name: &str) -> Option<&Source> {
        let name = plain(name);
        let names = self.sources.iter().flat_map(|source| {
            let own = std::iter::once(&source.name).chain(&source.aliases);
            own.map(move |known| (plain(known), source))
        });
        let mut longest: Option<(String, &Source)> = None;
        for (known, source) in names {
            if known == name {
                return Some(source);
            }
            let longer = longest
                .as_ref()
                .is_none_or(|(best, _)| known.len() > best.len());
            if known.len() >= SHORTEST_BEGINNING && name.starts_with(&known) && longer {
                longest = Some((known, source));
            }
        }
        longest.map(|(_, source)| source)
    }
}

/// Letters a name must have before names that merely begin like it are taken for it.
const SHORTEST_BEGINNING: usize = 4;

/// A name without what different hands write differently: lower case, without what separates words.
#[must_use]
pub fn plain(name: &str) -> String {
    let kept = name
        .chars()
        .filter(|letter| letter.is_alphanumeric() || *letter == '+');
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_what_is_named_is_there() {
        let registry = builtin();
        let mut seen = HashSet::new();
        for source in &registry.sources {
            for name in std::iter::once(&source.name).chain(&source.aliases) {
                assert!(seen.insert(plain(name)), "{name} twice");
            }
            let media = source.media.as_deref();
            assert!(
                media.is_none_or(|name| registry.collection(name).is_some()),
                "{media:?}"
            );
            assert!(
                source.stages.iter().all(|stage| (1..=3).contains(stage)),
                "{}",
                source.name
            );
            for place in &source.annotations.get {
                assert!(
                    place.address().is_some(),
                    "{}: a place that is nowhere",
                    source.name
                );
            }
        }
        let mut collections = HashSet::new();
        for media in &registry.collections {
            assert!(collections.insert(&media.name), "{} twice", media.name);
            assert!(!media.get.is_empty(), "{}: nowhere to get it", media.name);
            let used = registry
                .sources
                .iter()
                .any(|source| source.media.as_ref() == Some(&media.name));
            assert!(used, "{}: no source uses it", media.name);
        }
    }

    /// A row of the table names sources that have its task and its stage, and every source of the table is in a row.
    #[test]
    fn the_table_and_the_sources_agree() {
        let registry = builtin();
        let mut named = HashSet::new();
        for share in &registry.composition {
            for name in &share.sources {
                let source = registry.source(name).unwrap();
                assert!(
                    source.paper.is_some() && source.stages.contains(&share.stage),
                    "{name}"
                );
                assert!(source.tasks.contains(&share.task), "{name}: {}", share.task);
                named.insert(name);
            }
        }
        for source in registry
            .sources
            .iter()
            .filter(|source| source.paper.is_some())
        {
            assert!(named.contains(&source.name), "{} is in no row", source.name);
        }
        let thousands: u32 = registry
            .composition
            .iter()
            .map(|share| share.thousands)
            .sum();
        assert!(
            (4_300..4_400).contains(&thousands),
            "the paper has 4.33 M, this {thousands} K"
        );
    }

    #[test]
    fn names_of_dataset_files_are_recognized() {
        let found = |name: &str| builtin().recognize(name).map(|source| source.name.as_str());
        for (name, source) in [
            ("vidstg", "vidstg"),
            ("VidOR", "vidor"),
            ("vidor_svg", "vidor"),
            ("intentqa", "intent_qa"),
            ("vtime", "vtimellm_stage2"),
            ("RefCOCO+", "refcoco_plus"),
            ("refcoco", "refcoco"),
            ("refcocog", "refcocog"),
            ("youcook_dvc", "youcook2"),
            ("webvid", "webvid_10m"),
            ("webvid-qa", "webvid_qa"),
        ] {
            assert_eq!(found(name), Some(source), "{name}");
        }
        assert_eq!(found("mine"), None);
        assert_eq!(found(""), None);
    }
}
