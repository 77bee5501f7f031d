//! The recipe's templates: how tasks are worded, and which wording a record gets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SourceError;

/// The shipped templates, `recipes/data/templates.yaml`.
const SHIPPED: &str = include_str!("../../../../recipes/data/templates.yaml");

/// One wording of a task: a question and its answer, with `{slot}` for what differs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wording {
    ask: String,
    say: String,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhrasesFile {
    /// Changes which record gets which wording.
    seed: u64,
    /// How "From … to …" is worded.
    spans: Vec<String>,
    /// Lists of wordings by name; a source asks for a list, mostly its task's.
    lists: BTreeMap<String, Vec<Wording>>,
}

/// A template cut into words and slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Words(String),
    /// A slot, by name.
    Slot(String),
}

/// All wordings.
#[derive(Clone, Debug)]
pub struct Phrases {
    seed: u64,
    spans: Vec<String>,
    lists: BTreeMap<String, Vec<[Template; 2]>>,
}

impl Phrases {
    /// Reads a template file; `path` is for error messages.
    ///
    /// # Errors
    /// When it is not YAML of this shape, a list is empty, or a slot is never closed.
    pub fn parse(text: &str, path: &str) -> Result<Self, SourceError> {
        let wrong = |message: String| SourceError::Recipe {
            path: path.to_owned(),
            message,
        };
        let file: PhrasesFile =
            serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if file.spans.is_empty() {
            return Err(wrong("`spans` is empty".into()));
        }
        let mut lists = BTreeMap::new();
        for (name, wordings) in file.lists {
            if wordings.is_empty() {
                return Err(wrong(format!("the list `{name}` is empty")));
            }
            let cut = |text: &str| {
                Template::parse(text).ok_or_else(|| {
                    wrong(format!("list `{name}`: a brace in `{text}` has no partner"))
                })
            };
            let templates: Result<Vec<_>, SourceError> = wordings
                .iter()
                .map(|wording| Ok([cut(&wording.ask)?, cut(&wording.say)?]))
                .collect();
            lists.insert(name.clone(), templates?);
        }
        Ok(Self {
            seed: file.seed,
            spans: file.spans,
            lists,
        })
    }

    /// The shipped templates.
    ///
    /// # Errors
    /// Never: a test reads them. The type keeps bad recipes of users an error.
    pub fn shipped() -> Result<Self, SourceError> {
        Self::parse(SHIPPED, "recipes/data/templates.yaml")
    }

    /// The question and answer templates of list `name` for turn `turn` of record `id`.
    ///
    /// The choice depends on seed, list, name and turn only: not on order, threads or other records.
    #[must_use]
    pub fn choose(&self, name: &str, id: &str, turn: usize) -> Option<&[Template; 2]> {
        let list = self.lists.get(name)?;
        list.get(pick(self.seed, name, id, turn, list.len()))
    }

    /// The words before a span in place of "From … to …".
    #[must_use]
    pub fn span_words(&self, id: &str, turn: usize) -> &str {
        &self.spans[pick(self.seed, "spans", id, turn, self.spans.len())]
    }

    /// Whether a record named `id` is among a share of all, chosen as the wordings are.
    #[must_use]
    pub fn sampled(&self, source: &str, id: &str, share: f64) -> bool {
        const STEPS: usize = 1 << 24;
        #[expect(clippy::cast_precision_loss, reason = "2^24 steps")]
        let place = pick(self.seed, source, id, usize::MAX, STEPS) as f64 / STEPS as f64;
        place < share
    }

    /// The names of all lists.
    pub fn lists(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }
}

impl Template {
    /// Cuts `{slot}` out of a text; `None` when a brace has no partner.
    fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('{') {
            if words.contains('}') {
                return None;
            }
            let (slot, next) = after.split_once('}')?;
            if !words.is_empty() {
                pieces.push(Piece::Words(words.to_owned()));
            }
            pieces.push(Piece::Slot(slot.trim().to_owned()));
            rest = next;
        }
        if rest.contains('}') {
            return None;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Words(rest.to_owned()));
        }
        Some(Self { pieces })
    }
}

/// A number below `count` from 64-bit FNV-1a over the arguments, finished as in `SplitMix64`; part of what recipes mean, so
/// it never changes.
fn pick(seed: u64, list: &str, id: &str, turn: usize, count: usize) -> usize {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    let turn = turn as u64;
    let bytes = seed
        .to_le_bytes()
        .into_iter()
        .chain(list.bytes())
        .chain([0xff])
        .chain(id.bytes())
        .chain([0xff])
        .chain(turn.to_le_bytes());
    for byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    // `count` is above zero and far below 2^64, so the remainder fits and its bias is nothing.
    usize::try_from(hash % count.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_templates_are_sound() {
        let phrases = Phrases::shipped().unwrap();
        assert!(phrases.lists().count() > 5);
    }

    #[test]
    fn the_choice_depends_on_the_name_alone_and_reaches_every_wording() {
        let text = "seed: 1\nspans: [A, B]\nlists:\n  tvg:\n    - {ask: a, say: b}\n    - {ask: c, say: d}\n    - {ask: e, say: f}\n";
        let phrases = Phrases::parse(text, "x").unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100 {
            let id = format!("v_{number}");
            let chosen = phrases.choose("tvg", &id, 0).unwrap();
            assert_eq!(chosen, phrases.choose("tvg", &id, 0).unwrap());
            seen.insert(format!("{chosen:?}"));
        }
        assert_eq!(seen.len(), 3);
        let share = (0..1000)
            .filter(|n| phrases.sampled("s", &n.to_string(), 0.1))
            .count();
        assert!((60..140).contains(&share), "{share}");
    }

    #[test]
    fn broken_templates_are_refused() {
        for text in [
            "seed: 1\nspans: []\nlists: {}\n",
            "seed: 1\nspans: [a]\nlists: {tvg: []}\n",
            "seed: 1\nspans: [a]\nlists: {tvg: [{ask: 'a {b', say: c}]}\n",
            "seed: 1\nspans: [a]\nlists: {tvg: [{ask: 'a }b', say: c}]}\n",
            "seed: 1\nspans: [a]\nlist: {}\n",
        ] {
            assert!(Phrases::parse(text, "x").is_err(), "{text}");
        }
    }
}
