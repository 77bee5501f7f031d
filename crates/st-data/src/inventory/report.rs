//! A survey added up: for each source what is wanted, what is there, and where the rest can be had.

use std::fmt::Write;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::survey::{AnnotationFile, State, Survey};
use crate::registry::{Access, Registry};

/// How many files there are of each kind; `referenced = present + missing + empty + unusable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Files that records name, each once.
    pub referenced: u64,
    /// Files that are there, with bytes.
    pub present: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Files without bytes.
    pub empty: u64,
    /// Paths that name no file of the media folder.
    pub unusable: u64,
    /// Bytes of the files that are there.
    pub bytes: u64,
}

impl Tally {
    fn count(&mut self, state: State) {
        self.referenced += 1;
        match state {
            State::Present(bytes) => {
                self.present += 1;
                self.bytes += bytes;
            }
            State::Empty => self.empty += 1,
            State::Missing => self.missing += 1,
            State::Unusable => self.unusable += 1,
        }
    }

    /// Whether nothing is lost.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.referenced == self.present + self.missing + self.empty + self.unusable
    }

    /// Whether every file is there.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.referenced == self.present
    }
}

/// What a dataset wants and has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The sources, by name.
    pub sources: Vec<SourceInventory>,
    /// All sources together; a file that several want counts once for each folder.
    pub total: Tally,
    /// The annotation files read.
    pub files: Vec<AnnotationFile>,
}

/// What a source wants and has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInventory {
    /// The name that the dataset uses.
    pub source: String,
    /// Its name in the registry.
    pub known_as: Option<String>,
    /// Its records, whatever is sampled.
    pub records: u64,
    /// Records that name no media file.
    pub without_media: u64,
    /// Its files.
    #[serde(flatten)]
    pub files: Tally,
    /// The folders that its paths start from.
    pub folders: Vec<FolderState>,
    /// The first of the missing and empty files, by name.
    pub examples: Vec<PathBuf>,
    /// The media collection, by its name in the registry.
    pub collection: Option<String>,
    /// What the files may be used for.
    pub licence: Option<String>,
    /// What stands between a user and the files.
    pub access: Option<Access>,
    /// Where the files can be had, the best place first.
    pub get: Vec<String>,
    /// What to mind.
    pub problems: Vec<String>,
}

/// A folder, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FolderState {
    /// The folder.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
}

/// Missing files shown for each source.
const EXAMPLES: usize = 3;

impl Inventory {
    /// Adds a survey up and tells what the registry knows of its sources.
    ///
    /// # Panics
    /// When a file is counted in no state or in two.
    #[must_use]
    pub fn of(survey: &Survey, registry: &Registry) -> Self {
        let mut sources: Vec<SourceInventory> = survey
            .sources
            .iter()
            .map(|source| SourceInventory::new(source.name.clone(), registry))
            .collect();
        for (source, seen) in sources.iter_mut().zip(&survey.sources) {
            source.records = seen.records;
            source.without_media = seen.without_media;
        }
        let mut total = Tally::default();
        for folder in &survey.folders {
            let mut here = vec![false; sources.len()];
            for file in &folder.files {
                total.count(file.state);
                for &number in survey.wanted_by(file) {
                    let source = &mut sources[number as usize];
                    source.files.count(file.state);
                    here[number as usize] = true;
                    if matches!(file.state, State::Missing | State::Empty) {
                        source.example(&file.path);
                    }
                }
            }
            let state = || FolderState {
                path: folder.path.clone(),
                exists: folder.exists,
            };
            for (source, _) in sources.iter_mut().zip(here).filter(|(_, here)| *here) {
                source.folders.push(state());
            }
        }
        assert!(
            total.adds_up(),
            "a file is counted in no state or in two: {total:?}"
        );
        sources.retain(|source| source.records > 0 || source.files.referenced > 0);
        sources.sort_by(|one, other| one.source.cmp(&other.source));
        Self {
            sources,
            total,
            files: survey.files.clone(),
        }
    }

    /// Whether every annotation file was read whole and every file of it is there.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.total.complete()
            && self
                .files
                .iter()
                .all(|file| file.error.is_none() && file.faults == 0)
    }
}

impl SourceInventory {
    fn new(source: String, registry: &Registry) -> Self {
        let known = registry.recognize(&source);
        let media = registry.media_of(&source);
        Self {
            known_as: known.map(|known| known.name.clone()),
            records: 0,
            without_media: 0,
            files: Tally::default(),
            folders: Vec::new(),
            examples: Vec::new(),
            collection: media.map(|media| media.name.clone()),
            licence: media.map(|media| media.licence.clone()),
            access: media.map(|media| media.access),
            get: media.map_or_else(Vec::new, |media| {
                media.get.iter().map(ToString::to_string).collect()
            }),
            problems: media.map_or_else(Vec::new, |media| media.problems.clone()),
            source,
        }
    }

    /// Keeps the first paths by name.
    fn example(&mut self, path: &str) {
        let late = self
            .examples
            .last()
            .is_some_and(|last| last.as_os_str() <= path);
        if self.examples.len() == EXAMPLES && late {
            return;
        }
        let place = self
            .examples
            .partition_point(|known| known.as_os_str() < path);
        self.examples.insert(place, path.into());
        self.examples.truncate(EXAMPLES);
    }
}

/// Bytes for the eye, in powers of 1000.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.95) + usize::from(value < 9.995);
    format!("{value:.digits$} {}", UNITS[unit])
}

const TITLES: [&str; 8] = [
    "source", "records", "files", "present", "missing", "empty", "unusable", "size",
];

/// The inventory as text: one row for each source, then, for each source that lacks files, where they can be had.
#[must_use]
pub fn table(inventory: &Inventory) -> String {
    let row = |name: &str, records: u64, tally: &Tally| {
        let Tally {
            referenced,
            present,
            missing,
            empty,
            unusable,
            bytes,
        } = tally;
        let numbers = [records, *referenced, *present, *missing, *empty, *unusable]
            .map(|number| number.to_string());
        let mut row = vec![name.to_owned()];
        row.extend(numbers);
        row.push(size(*bytes));
        row
    };
    let mut rows = vec![TITLES.map(str::to_owned).to_vec()];
    let sources = inventory.sources.iter();
    rows.extend(sources.map(|source| row(&source.source, source.records, &source.files)));
    let records = inventory.files.iter().map(|file| file.records).sum();
    rows.push(row("all", records, &inventory.total));
    let mut text = aligned(&rows);
    for source in inventory
        .sources
        .iter()
        .filter(|source| !source.files.complete())
    {
        lacks(&mut text, source);
    }
    for file in &inventory.files {
        if let Some(error) = &file.error {
            let _ = writeln!(text, "\nnot read: {error}");
        }
        if file.faults > 0 {
            let _ = writeln!(
                text,
                "\n{}: {} pieces are no records",
                file.path.display(),
                file.faults
            );
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// What a source lacks and where it can be had.
fn lacks(text: &mut String, source: &SourceInventory) {
    let examples: Vec<String> = source
        .examples
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let of = source
        .collection
        .as_deref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let absent = source.files.missing + source.files.empty;
    let _ = writeln!(
        text,
        "\n{}{of}: {absent} files are missing or empty: {}",
        source.source,
        listed(&examples, absent)
    );
    for folder in source.folders.iter().filter(|folder| !folder.exists) {
        let _ = writeln!(
            text,
            "  the folder {} does not exist",
            folder.path.display()
        );
    }
    if source.files.unusable > 0 {
        let _ = writeln!(
            text,
            "  {} paths name no file of the media folder; see `stdata validate`",
            source.files.unusable
        );
    }
    if let (Some(licence), Some(access)) = (&source.licence, source.access) {
        let _ = writeln!(text, "  licence: {licence}; {access}");
    }
    for place in &source.get {
        let _ = writeln!(text, "  get: {place}");
    }
    for problem in &source.problems {
        let _ = writeln!(text, "  mind: {problem}");
    }
}

fn listed(examples: &[String], of: u64) -> String {
    let more = of > examples.len() as u64;
    format!("{}{}", examples.join(", "), if more { ", …" } else { "" })
}

/// Columns side by side: the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 {
                write!(text, "{cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 999, 1000, 9_994, 9_996, 99_960, 999_600, 1_500_000_000].map(size);
        assert_eq!(
            sizes,
            [
                "0 B", "999 B", "1.00 kB", "9.99 kB", "10.0 kB", "100 kB", "1.00 MB", "1.50 GB"
            ]
        );
    }

    #[test]
    fn examples_are_the_first_by_name() {
        let mut source = SourceInventory::new("vidstg".into(), crate::registry::builtin());
        for name in ["e", "b", "d", "a", "c"] {
            source.example(name);
        }
        assert_eq!(source.examples, ["a", "b", "c"].map(PathBuf::from));
        assert_eq!(source.collection.as_deref(), Some("vidor"));
        assert!(
            source
                .get
                .iter()
                .any(|place| place.contains("shangxd/vidor"))
        );
    }
}
