//! Which records are listed.

use std::time::{Duration, Instant};

use memchr::memmem;
use st_schema::{Record, Task};

use super::catalogue::{Entry, Kept, NONE, Shape};
use super::{BrowseError, Catalogue};
use crate::review::Mark;
use crate::validate::Rule;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An image.
    Image,
    /// A video.
    Video,
    /// Nothing: the piece is no record.
    Fault,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Image, Self::Video, Self::Fault];

    /// The word in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Fault => "no record",
        }
    }
}

impl From<Shape> for Kind {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Image => Self::Image,
            Shape::Video => Self::Video,
            Shape::Fault => Self::Fault,
        }
    }
}

/// What a listed record must be; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The task; `Some(None)` for records that name none of ours.
    pub task: Option<Option<Task>>,
    /// The source, as shown.
    pub source: Option<String>,
    /// The annotation file, as shown.
    pub file: Option<String>,
    /// A rule that found something.
    pub rule: Option<Rule>,
    /// The mark; `Some(None)` for records without one.
    pub mark: Option<Option<Mark>>,
    /// Image, video or no record.
    pub kind: Option<Kind>,
    /// Whether shards hold the clip.
    pub clip: Option<bool>,
    /// Words, and phrases in quotation marks, that all stand in the id, the media path or the conversation; case does not matter.
    pub text: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Numbers of records, rising.
    pub numbers: Vec<usize>,
    /// From where to look on; nothing follows where it is absent.
    pub next: Option<usize>,
}

/// What of a [`Filter`] can be told without reading the record, as numbers of the catalogue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tests<'a> {
    filter: &'a Filter,
    source: Chosen,
    file: Chosen,
}

/// A choice among names: none made, or the number of a name, which may be none's.
#[derive(Clone, Copy, Debug)]
enum Chosen {
    Any,
    Only(usize),
    Nothing,
}

impl Chosen {
    fn among<T>(name: Option<&String>, names: &[T], is: impl Fn(&T, &str) -> bool) -> Self {
        let Some(name) = name else { return Self::Any };
        let found = names.iter().position(|one| is(one, name));
        found.map_or(Self::Nothing, Self::Only)
    }

    fn takes(self, number: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Only(at) => at == usize::from(number),
            Self::Nothing => false,
        }
    }
}

/// How many of the tests below there are.
pub(super) const TESTS: usize = 7;

impl<'a> Tests<'a> {
    pub(super) fn new(catalogue: &Catalogue, filter: &'a Filter) -> Self {
        let names = &catalogue.source_names;
        Self {
            filter,
            source: Chosen::among(filter.source.as_ref(), names, |one, name| one == name),
            file: Chosen::among(filter.file.as_ref(), &catalogue.sources, |one, name| {
                one.name == name
            }),
        }
    }

    /// Each test by itself: task, source, file, rule, mark, kind, clip.
    pub(super) fn passed(
        &self,
        catalogue: &Catalogue,
        kept: &Kept,
        number: usize,
        entry: &Entry,
    ) -> [bool; TESTS] {
        let filter = self.filter;
        let rules = &catalogue.rule_sets[entry.rules as usize];
        let mark = || {
            u32::try_from(number)
                .ok()
                .and_then(|at| kept.marks.get(&at).copied())
        };
        [
            filter.task.is_none_or(|task| task == entry.task),
            self.source.takes(entry.source),
            self.file.takes(entry.file),
            filter.rule.is_none_or(|rule| rules.contains(&rule)),
            filter.mark.is_none_or(|wanted| wanted == mark()),
            filter.kind.is_none_or(|kind| kind == entry.shape.into()),
            filter.clip.is_none_or(|held| held == (entry.clip != NONE)),
        ]
    }
}

/// Bytes of a file that are searched at a time.
const WINDOW: usize = 4 << 20;

impl Catalogue {
    /// The records from number `from` on that the filter lets through, at most `limit`. Searching text stops after `patience`;
    /// [`Found::next`] then says where.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn find(
        &self,
        filter: &Filter,
        from: usize,
        limit: usize,
        patience: Duration,
    ) -> Result<Found, BrowseError> {
        let tests = Tests::new(self, filter);
        let words = words(&filter.text);
        let mut window = Window::new(self, &words);
        let started = Instant::now();
        let mut found = Found::default();
        for (number, entry) in self.entries.iter().enumerate().skip(from) {
            if found.numbers.len() == limit || started.elapsed() > patience {
                found.next = Some(number);
                break;
            }
            let passed = tests.passed(self, &self.kept(), number, entry);
            if passed == [true; TESTS] && (words.is_empty() || window.holds(entry)?) {
                found.numbers.push(number);
            }
        }
        Ok(found)
    }
}

/// Words and quoted phrases, in small letters.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in text.to_lowercase().split('"').enumerate() {
        if at % 2 == 1 {
            words.extend((!part.trim().is_empty()).then(|| part.trim().to_owned()));
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// A stretch of a file in small letters, in which records without the wanted words are passed over quickly.
struct Window<'a> {
    catalogue: &'a Catalogue,
    words: &'a [String],
    /// For each word a run of it that JSON cannot spell otherwise.
    runs: Vec<memmem::Finder<'a>>,
    file: Option<u16>,
    first: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(catalogue: &'a Catalogue, words: &'a [String]) -> Self {
        let runs = words.iter().filter_map(|word| longest_run(word));
        Self {
            catalogue,
            words,
            runs: runs.map(memmem::Finder::new).collect(),
            file: None,
            first: 0,
            bytes: Vec::new(),
        }
    }

    fn holds(&mut self, entry: &Entry) -> Result<bool, BrowseError> {
        let length = entry.length as usize;
        let end = self.first + self.bytes.len() as u64;
        let inside = self.file == Some(entry.file)
            && entry.byte >= self.first
            && entry.byte + u64::from(entry.length) <= end;
        if !inside {
            self.move_to(entry)?;
        }
        let start = usize::try_from(entry.byte - self.first).unwrap_or(usize::MAX);
        let small = &self.bytes[start..start + length];
        if self.runs.iter().any(|run| run.find(small).is_none()) {
            return Ok(false);
        }
        if let Ok(record) = self.catalogue.record(entry)? {
            return Ok(says(&record, self.words));
        }
        let text = String::from_utf8_lossy(small);
        Ok(self.words.iter().all(|word| text.contains(word.as_str())))
    }

    /// Reads the stretch that starts with an entry and ends with a later one.
    fn move_to(&mut self, entry: &Entry) -> Result<(), BrowseError> {
        let all = &self.catalogue.entries;
        let at = all.partition_point(|one| (one.file, one.byte) < (entry.file, entry.byte));
        let reach = |one: &Entry| one.byte + u64::from(one.length);
        let last = all[at..]
            .iter()
            .take_while(|one| one.file == entry.file && reach(one) - entry.byte <= WINDOW as u64)
            .last()
            .unwrap_or(entry);
        let length = usize::try_from(reach(last) - entry.byte).unwrap_or(usize::MAX);
        self.bytes.resize(length, 0);
        self.catalogue
            .read_at(entry.file, entry.byte, &mut self.bytes)?;
        self.bytes.make_ascii_lowercase();
        (self.file, self.first) = (Some(entry.file), entry.byte);
        Ok(())
    }
}

/// The longest run of letters and digits of ASCII, which JSON writers do not escape.
fn longest_run(word: &str) -> Option<&str> {
    word.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|run| !run.is_empty())
        .max_by_key(|run| run.len())
}

fn says(record: &Record, words: &[String]) -> bool {
    let turns = record.conversations.iter().map(|turn| turn.value.as_str());
    let texts = [record.id.as_str(), record.media.path()]
        .into_iter()
        .chain(turns);
    let texts: Vec<String> = texts.map(str::to_lowercase).collect();
    words
        .iter()
        .all(|word| texts.iter().any(|text| text.contains(word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_kept_together() {
        assert_eq!(words(r#" A "red  Hat" b"#), ["a", "red  hat", "b"]);
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(longest_run("stvg/8665030.mp4"), Some("8665030"));
        assert_eq!(longest_run("é/"), None);
    }
}
