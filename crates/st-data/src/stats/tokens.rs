//! Text tokens, counted as Qwen2's tokenizer makes them.
//!
//! Only the count is wanted, and of every record, so this is no tokenizer but its arithmetic: the split of a text into
//! pieces by Qwen2's pattern, and byte-pair merging of each piece, remembered by piece. The `tokenizers` crate would take a
//! hundred times as long and bring half a hundred crates to the data side, which has no other use for them. A test holds
//! the counts against the reference's.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use st_schema::Record;
use st_schema::text::{Token, tokens};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::audit::Map;

/// The pattern of Qwen2's pre-tokenizer, the only one that is known here.
const PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Pieces that one thread remembers; a text of more different ones starts anew.
const REMEMBERED: usize = 1 << 17;

/// Why tokens cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is no tokenizer of Qwen2's kind.
    #[error("{path}: {reason}; give the tokenizer.json of a Qwen2 model")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What is not as it should be.
        reason: String,
    },
}

/// Counts text tokens. Can be shared between threads.
pub struct TokenCounter {
    name: String,
    /// The token of each byte.
    bytes: Vec<u32>,
    /// Rank and result of merging two tokens.
    merges: Map<(u32, u32), (u32, u32)>,
    /// Texts that are one token wherever they stand.
    added: Vec<String>,
    /// What threads remember of pieces, while no thread has it.
    caches: Mutex<Vec<Cache>>,
}

/// Tokens of pieces that came before.
pub(super) type Cache = Map<Box<str>, u32>;

impl TokenCounter {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// When the file cannot be read or is no byte-level BPE with Qwen2's pattern.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let bytes = fs_err::read(path).map_err(|source| TokensError::Read {
            path: path.to_owned(),
            source,
        })?;
        let kind = |reason: &str| TokensError::Kind {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| kind(&error.to_string()))?;
        let name = path.to_string_lossy().into_owned();
        Self::of(&document, name).map_err(kind)
    }

    fn of(document: &Value, name: String) -> Result<Self, &'static str> {
        let model = &document["model"];
        if model["type"] != "BPE" || model["ignore_merges"] == true {
            return Err("its model is no plain BPE");
        }
        let split = &document["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
        if split != PATTERN {
            return Err("its pattern is not Qwen2's");
        }
        if !(document["normalizer"].is_null() || document["normalizer"]["type"] == "NFC") {
            return Err("its normalizer is not NFC");
        }
        let vocabulary = model["vocab"].as_object().ok_or("it has no vocabulary")?;
        let id = |text: &str| {
            let id = vocabulary.get(text).and_then(Value::as_u64);
            id.and_then(|id| u32::try_from(id).ok())
        };
        let letters = byte_letters();
        let bytes = letters
            .iter()
            .map(|letter| id(&letter.to_string()).ok_or("its vocabulary lacks a byte"))
            .collect::<Result<_, _>>()?;
        let list = model["merges"].as_array().ok_or("it has no merges")?;
        let mut merges = Map::default();
        for (rank, merge) in (0..).zip(list) {
            let (left, right) = match merge {
                Value::String(text) => text.split_once(' ').ok_or("a merge has no two parts")?,
                _ => merge[0]
                    .as_str()
                    .zip(merge[1].as_str())
                    .ok_or("a merge has no two parts")?,
            };
            let whole = id(&format!("{left}{right}"));
            let parts = id(left).zip(id(right)).zip(whole);
            let ((left, right), whole) = parts.ok_or("a merge is not in the vocabulary")?;
            merges.entry((left, right)).or_insert((rank, whole));
        }
        let added = document["added_tokens"].as_array();
        let added = added.into_iter().flatten();
        Ok(Self {
            name,
            bytes,
            merges,
            added: added
                .filter_map(|token| token["content"].as_str())
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            caches: Mutex::default(),
        })
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes what a thread remembers, to be given back.
    pub(super) fn borrow(&self) -> Cache {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.pop().unwrap_or_default()
    }

    /// Gives back what [`Self::borrow`] gave.
    pub(super) fn give_back(&self, cache: Cache) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.push(cache);
    }

    /// Text tokens of a record's turns: a coordinate placeholder is one; the media placeholder is none, as it becomes
    /// vision tokens; the words around turns that the chat template adds are not counted.
    pub(super) fn count(&self, record: &Record, cache: &mut Cache) -> u32 {
        let mut count = 0;
        for turn in &record.conversations {
            let mut from = 0;
            for located in tokens(&turn.value) {
                if let Token::Placeholder(..) = located.token {
                    count += 1 + self.between(&turn.value[from..located.start], cache);
                    from = located.end;
                }
            }
            count += self.between(&turn.value[from..], cache);
        }
        count
    }

    fn between(&self, text: &str, cache: &mut Cache) -> u32 {
        let parts = text.split("<video>").flat_map(|part| part.split("<image>"));
        parts.map(|part| self.count_text(part, cache)).sum()
    }

    /// Tokens of a text in which coordinate placeholders are plain text.
    pub(super) fn count_text(&self, text: &str, cache: &mut Cache) -> u32 {
        let (mut count, mut from, mut at) = (0, 0, 0);
        while let Some(found) = text[at..].find('<') {
            at += found;
            // The longest wins, as in the reference.
            let added = self
                .added
                .iter()
                .filter(|added| text[at..].starts_with(*added));
            if let Some(added) = added.max_by_key(|added| added.len()) {
                count += 1 + self.count_plain(&text[from..at], cache);
                at += added.len();
                from = at;
            } else {
                at += 1;
            }
        }
        count + self.count_plain(&text[from..], cache)
    }

    fn count_plain(&self, text: &str, cache: &mut Cache) -> u32 {
        if text.is_ascii() {
            return self.count_pieces(text, cache);
        }
        let composed: String = text.nfc().collect();
        self.count_pieces(&composed, cache)
    }

    fn count_pieces(&self, mut text: &str, cache: &mut Cache) -> u32 {
        let mut count = 0;
        while !text.is_empty() {
            let (piece, rest) = text.split_at(piece_length(text));
            text = rest;
            if let Some(tokens) = cache.get(piece) {
                count += tokens;
                continue;
            }
            let tokens = self.merge(piece);
            if cache.len() >= REMEMBERED {
                cache.clear();
            }
            cache.insert(piece.into(), tokens);
            count += tokens;
        }
        count
    }

    /// Merges the bytes of a piece, lowest rank first, leftmost of equal ones first.
    fn merge(&self, piece: &str) -> u32 {
        let mut ids: Vec<u32> = piece
            .bytes()
            .map(|byte| self.bytes[usize::from(byte)])
            .collect();
        loop {
            let ranked = ids.windows(2).enumerate().filter_map(|(at, pair)| {
                let (rank, whole) = self.merges.get(&(pair[0], pair[1]))?;
                Some((*rank, at, *whole))
            });
            let Some((_, at, whole)) = ranked.min() else {
                return u32::try_from(ids.len()).unwrap_or(u32::MAX);
            };
            ids[at] = whole;
            ids.remove(at + 1);
        }
    }
}

/// The letter that stands for each byte in byte-level vocabularies (GPT-2): printable ones for themselves, the others from
/// U+0100 on.
fn byte_letters() -> Vec<char> {
    let mut next = 0x100;
    (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        })
        .collect()
}

/// `\p{L}`: alphabetic but no letter number, mark or letter in a circle.
fn is_letter(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_alphabetic();
    }
    let enclosed = matches!(u32::from(letter), 0x24B6..=0x24E9 | 0x1F130..=0x1F149 | 0x1F150..=0x1F169 | 0x1F170..=0x1F189);
    letter.is_alphabetic() && !letter.is_numeric() && !is_combining_mark(letter) && !enclosed
}

/// Bytes of the piece that a text, not empty, begins with: the alternatives of [`PATTERN`] in their order.
fn piece_length(text: &str) -> usize {
    let run = |from: usize, test: fn(char) -> bool| {
        let rest = &text[from..];
        rest.len() - rest.trim_start_matches(test).len()
    };
    let mut letters = text.chars();
    let Some(first) = letters.next() else {
        return 0;
    };
    let after = first.len_utf8();
    if first == '\'' {
        let rest = &text.as_bytes()[1..];
        let short = ["s", "t", "re", "ve", "m", "ll", "d"];
        let fits = |end: &&&str| {
            let start = rest.get(..end.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(end.as_bytes()))
        };
        if let Some(end) = short.iter().find(fits) {
            return 1 + end.len();
        }
    }
    if is_letter(first) {
        return run(0, is_letter);
    }
    let may_lead = !matches!(first, '\r' | '\n') && !first.is_numeric();
    if may_lead && letters.next().is_some_and(is_letter) {
        return after + run(after, is_letter);
    }
    if first.is_numeric() {
        return after;
    }
    let is_mark = |c: char| !c.is_whitespace() && !is_letter(c) && !c.is_numeric();
    let start = usize::from(first == ' ');
    let marks = run(start, is_mark);
    if marks > 0 {
        return start + marks + run(start + marks, |c| matches!(c, '\r' | '\n'));
    }
    let blank = run(0, char::is_whitespace);
    if let Some(newline) = text[..blank].rfind(['\r', '\n']) {
        return newline + 1;
    }
    let last = text[..blank].chars().next_back().map_or(0, char::len_utf8);
    if blank < text.len() && blank > last {
        blank - last
    } else {
        blank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        while !text.is_empty() {
            let (piece, rest) = text.split_at(piece_length(text));
            pieces.push(piece);
            text = rest;
        }
        pieces
    }

    #[test]
    fn texts_are_cut_by_the_pattern() {
        assert_eq!(
            pieces("I'll go, 'M  x"),
            ["I", "'ll", " go", ",", " '", "M", " ", " x"]
        );
        assert_eq!(pieces("a 12\n\n b"), ["a", " ", "1", "2", "\n\n", " b"]);
        assert_eq!(pieces("x!?\n  "), ["x", "!?\n", "  "]);
        assert_eq!(pieces("\tword  \n y"), ["\tword", "  \n", " y"]);
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a test that skips says so")]
    fn counts_are_those_of_the_reference() {
        let golden = std::env::var_os("ST_GOLDEN").map_or_else(
            || Path::new("../../../shared/golden").to_owned(),
            PathBuf::from,
        );
        let golden = golden.join("tokenizer");
        let Ok(cases) = fs_err::read_to_string(golden.join("qwen2_cases.jsonl")) else {
            println!("skipped: {} is not there", golden.display());
            return;
        };
        let counter = TokenCounter::open(&golden.join("tokenizer.json")).unwrap();
        let mut cache = counter.borrow();
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = case["text"].as_str().unwrap();
            let expected = case["ids"].as_array().unwrap().len();
            assert_eq!(
                counter.count_text(text, &mut cache) as usize,
                expected,
                "{text:?}"
            );
        }
        let json = r#"{"id":"a","video":"v.mp4","conversations":[{"from":"human","value":"<video>\nWhen?"},{"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>}"}],"variables":{"temporal_output_locations":[0.25,0.75]}}"#;
        let record: Record = serde_json::from_str(json).unwrap();
        // A newline, "When", "?"; a brace, two times, a brace.
        assert_eq!(counter.count(&record, &mut cache), 7);
        let none = golden.join("extra_tokens.json");
        assert!(TokenCounter::open(&none).is_err());
    }
}
