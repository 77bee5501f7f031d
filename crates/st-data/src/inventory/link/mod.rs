//! Finding the media files that a dataset lacks in a folder laid out otherwise, and linking them in.
//!
//! A wanted file is looked for by its whole path, by its name, by its name with another ending, and by the identifier inside
//! its name ([`crate::registry::Identifier`]), in this order; the first way that finds anything decides. Where it finds more
//! than one file, and where what it finds may be another cut, nothing is linked: both are listed. [`plan`] changes nothing;
//! [`Plan::carry_out`] does.

mod find;
mod make;
mod pool;
mod report;
mod roots;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::survey::{State, Survey};
use crate::registry::Registry;
use find::{Finder, Found};

pub use make::{Failure, Made, Mode};
pub use pool::{Pool, Skipped, stem_of};
pub use report::describe;
pub use roots::LinkRoots;

/// Why files cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The folder to look in cannot be read.
    #[error("cannot read {path}; name the folder that has the media files")]
    From {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The dataset has no such source.
    #[error("no source of the dataset is called `{name}`; it has {known}")]
    Source {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A hard link or a reflink cannot cross file systems.
    #[error("{from} and {to} are on different file systems: use --mode symlink or --mode copy")]
    OtherFileSystem {
        /// Where the files are.
        from: PathBuf,
        /// Where they should be.
        to: PathBuf,
    },
    /// Copies would fill the disk.
    #[error(
        "the copies need {needed} bytes and {folder} has {free} free: use --mode symlink, or free some space"
    )]
    DiskFull {
        /// The folder that they go to.
        folder: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A folder or its list of linked places cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// By what a file was found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The whole path is the same.
    Path,
    /// The name is the same.
    Name,
    /// The name is the same but for its ending.
    Stem,
    /// The identifier inside the name is the same.
    Id,
}

/// A file that gets to its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Its place.
    pub to: PathBuf,
    /// Where it is.
    pub from: PathBuf,
    /// By what it was found.
    pub how: How,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A wanted file that fits several files equally well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ambiguous {
    /// The place that stays empty.
    pub to: PathBuf,
    /// The files, by name.
    pub candidates: Vec<PathBuf>,
}

/// Why a file that was found may be another one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The name says that the file is a part of the wanted video.
    PartOfVideo,
    /// A part is wanted, and the file is the whole video.
    WholeVideo,
    /// Other folders have wanted files of the same name, and the file's folder fits none.
    OtherFolder,
}

impl Doubt {
    /// The doubt in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PartOfVideo => "only a part of the video, by its name",
            Self::WholeVideo => "the whole video; a part of it is wanted",
            Self::OtherFolder => {
                "the same name in another folder; the name alone does not tell files of this source apart"
            }
        }
    }
}

/// A wanted file for which only something doubtful was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doubtful {
    /// The place that stays empty.
    pub to: PathBuf,
    /// The first of the files found, by name.
    pub from: PathBuf,
    /// Why it may be another one.
    pub doubt: Doubt,
}

/// What would be linked; `wanted = links + ambiguous + doubtful + not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The folder looked in, without links.
    pub from: PathBuf,
    /// The dataset's sources that are linked, by name.
    pub sources: Vec<String>,
    /// Files that are there already.
    pub present: u64,
    /// Files that are missing or empty.
    pub wanted: u64,
    /// Media files in the folder looked in.
    pub looked_at: u64,
    /// What lies in the folder and was not looked at.
    pub skipped: Skipped,
    /// Files that get to their places, by place.
    pub links: Vec<Link>,
    /// Files that fit several, by place.
    pub ambiguous: Vec<Ambiguous>,
    /// Files found that may be other ones, by place.
    pub doubtful: Vec<Doubtful>,
    /// Places for which nothing was found.
    pub not_found: Vec<PathBuf>,
}

/// The numbers of a survey's sources that a user means by `name`: a source as the dataset or the registry calls it, all
/// sources of a media collection, or `all`.
///
/// # Errors
/// When there is none.
pub fn sources_called(
    survey: &Survey,
    registry: &Registry,
    name: &str,
) -> Result<Vec<u32>, LinkError> {
    let plain = crate::registry::plain;
    let fits = |of: &str| {
        let known = registry
            .recognize(of)
            .is_some_and(|source| plain(&source.name) == plain(name));
        let media = registry
            .media_of(of)
            .is_some_and(|media| plain(&media.name) == plain(name));
        name == "all" || plain(of) == plain(name) || known || media
    };
    let numbers = (0u32..).zip(&survey.sources);
    let called: Vec<u32> = numbers
        .filter(|(_, source)| fits(&source.name))
        .map(|(number, _)| number)
        .collect();
    if called.is_empty() {
        let mut known: Vec<&str> = survey
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        known.sort_unstable();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(LinkError::Source {
            name: name.to_owned(),
            known,
        });
    }
    Ok(called)
}

/// Looks in `pool` for the files that some of a survey's sources lack. Changes nothing.
///
/// # Panics
/// When a wanted file ends up in no list of the plan or in two.
#[must_use]
pub fn plan(survey: &Survey, registry: &Registry, sources: &[u32], pool: &Pool) -> Plan {
    let mut plan = Plan {
        from: pool.root.clone(),
        sources: sources
            .iter()
            .map(|&number| survey.sources[number as usize].name.clone())
            .collect(),
        present: 0,
        wanted: 0,
        looked_at: pool.files.len() as u64,
        skipped: pool.skipped.clone(),
        links: Vec::new(),
        ambiguous: Vec::new(),
        doubtful: Vec::new(),
        not_found: Vec::new(),
    };
    plan.sources.sort();
    for folder in &survey.folders {
        // Files of one folder by the media collection that their source has.
        let mut groups: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        for file in &folder.files {
            let by = survey
                .wanted_by(file)
                .iter()
                .find(|number| sources.contains(number));
            let Some(&by) = by else { continue };
            match file.state {
                State::Present(_) => plan.present += 1,
                State::Unusable => {}
                State::Missing | State::Empty => {
                    let media = registry.media_of(&survey.sources[by as usize].name);
                    groups
                        .entry(media.map(|media| media.name.as_str()))
                        .or_default()
                        .push(&file.path);
                }
            }
        }
        for (media, paths) in groups {
            let media = media.and_then(|name| registry.collection(name));
            let finder = Finder::new(pool, media, &folder.path, &paths);
            plan.wanted += paths.len() as u64;
            for path in paths {
                plan.add(pool, folder.path.join(path), finder.find(path));
            }
        }
    }
    plan.sort();
    let sum = plan.links.len() + plan.ambiguous.len() + plan.doubtful.len() + plan.not_found.len();
    assert_eq!(
        plan.wanted, sum as u64,
        "a wanted file is in no list or in two"
    );
    plan
}

impl Plan {
    fn add(&mut self, pool: &Pool, to: PathBuf, found: Found) {
        let from = |number: usize| pool.root.join(&*pool.files[number].path);
        match found {
            Found::One(number, how) => self.links.push(Link {
                to,
                from: from(number),
                how,
                bytes: pool.files[number].bytes,
            }),
            Found::Several(numbers) => {
                let mut candidates: Vec<PathBuf> = numbers.into_iter().map(from).collect();
                candidates.sort();
                self.ambiguous.push(Ambiguous { to, candidates });
            }
            Found::Doubtful(number, doubt) => self.doubtful.push(Doubtful {
                to,
                from: from(number),
                doubt,
            }),
            Found::Nothing => self.not_found.push(to),
        }
    }

    fn sort(&mut self) {
        self.links.sort_by(|one, other| one.to.cmp(&other.to));
        self.ambiguous.sort_by(|one, other| one.to.cmp(&other.to));
        self.doubtful.sort_by(|one, other| one.to.cmp(&other.to));
        self.not_found.sort();
    }

    /// Bytes of the files that get to their places.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.links.iter().map(|link| link.bytes).sum()
    }

    /// Whether every wanted file gets to its place.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.wanted == self.links.len() as u64
    }

    /// Makes the links, `step` hearing of each. A place that has a file with bytes is never touched.
    ///
    /// # Errors
    /// When nothing can be made at all: the disk is too full for copies, or links cannot cross file systems. What fails for
    /// one file is told in the result.
    pub fn carry_out(
        &self,
        mode: Mode,
        folders: &[&Path],
        step: impl Fn() + Sync,
    ) -> Result<Made, LinkError> {
        make::carry_out(self, mode, folders, &step)
    }
}
