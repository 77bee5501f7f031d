//! Words of conversations, and sketches that tell how alike two texts are.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use st_schema::text::token_at;

/// Elements of a sketch: texts of fewer different shingles are compared exactly, longer ones by a sample with a standard
/// error of at most 0.07.
pub(super) const SKETCH: usize = 64;

/// Hashes are the same in every run and on every machine, so that halves measured apart can be merged.
const STATE: u64 = 0x7374_6461_7461;

pub(super) fn hasher() -> foldhash::quality::FoldHasher<'static> {
    FixedState::with_seed(STATE).build_hasher()
}

/// The hash of one word.
pub(super) fn hash_word(word: &str) -> u64 {
    let mut hasher = hasher();
    hasher.write(word.as_bytes());
    hasher.finish()
}

/// Calls `each` with every word of a text: runs of letters and digits in lower case, apostrophes within left out. Chinese,
/// Japanese and Korean characters are words of their own. Coordinate tokens and media placeholders are no words.
pub fn for_each_word(text: &str, buffer: &mut String, mut each: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    buffer.clear();
    let mut flush = |buffer: &mut String| {
        if !buffer.is_empty() {
            each(buffer);
            buffer.clear();
        }
    };
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_alphanumeric() {
            buffer.push(char::from(byte.to_ascii_lowercase()));
            at += 1;
        } else if byte.is_ascii() {
            at += 1;
            let within = byte == b'\''
                && !buffer.is_empty()
                && bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
            if within {
                continue;
            }
            flush(buffer);
            if byte == b'<' {
                at += placeholder(&text[at - 1..]).saturating_sub(1);
            }
        } else {
            // `at` is always at a character's start: ASCII is stepped over by bytes, all else by characters.
            let Some(letter) = text[at..].chars().next() else {
                break;
            };
            at += letter.len_utf8();
            if is_ideograph(letter) {
                flush(buffer);
                buffer.push(letter);
                flush(buffer);
            } else if letter.is_alphanumeric() {
                buffer.extend(letter.to_lowercase());
            } else {
                flush(buffer);
            }
        }
    }
    flush(buffer);
}

/// Bytes of the placeholder that a text starts with; 0 when it starts with none.
fn placeholder(text: &str) -> usize {
    for media in ["<video>", "<image>"] {
        if text.starts_with(media) {
            return media.len();
        }
    }
    token_at(text).map_or(0, |(length, _)| length)
}

fn is_ideograph(letter: char) -> bool {
    matches!(u32::from(letter), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0x20000..=0x323AF)
}

/// The different words and pairs of neighbouring words of a text, as hashes, rising.
pub(super) fn shingles(words: &[u64], into: &mut Vec<u32>) {
    into.clear();
    let mut before = 0_u64;
    for (at, word) in words.iter().enumerate() {
        into.push(fold(*word));
        if at > 0 {
            into.push(fold(
                before.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ word,
            ));
        }
        before = *word;
    }
    into.sort_unstable();
    into.dedup();
}

/// 32 well-mixed bits of 64 (the finishing step of `SplitMix64`, Steele et al. 2014).
fn fold(hash: u64) -> u32 {
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 32) as u32
}

/// What two texts have in common and what each has alone, by the weights of their shingles.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Common {
    pub(super) both: f64,
    pub(super) first: f64,
    pub(super) second: f64,
}

impl Common {
    /// The weight of everything that either has.
    pub(super) fn either(self) -> f64 {
        self.both + self.first + self.second
    }

    /// Weighted Jaccard index, `0..=1`; 0 where nothing weighs anything.
    pub(super) fn similarity(self) -> f64 {
        if self.both > 0.0 {
            self.both / self.either()
        } else {
            0.0
        }
    }

    /// Weighted overlap coefficient (Szymkiewicz 1934, Simpson 1943): 1 where one text has all that the other has; 0 where
    /// nothing is shared.
    pub(super) fn overlap(self) -> f64 {
        if self.both > 0.0 {
            self.both / (self.both + self.first.min(self.second))
        } else {
            0.0
        }
    }
}

impl std::ops::AddAssign for Common {
    fn add_assign(&mut self, other: Self) {
        self.both += other.both;
        self.first += other.first;
        self.second += other.second;
    }
}

/// Compares two sketches: what is shared and what is not, estimated from the smallest hashes of both (min-wise sampling,
/// Broder 1997, in its bottom-k form). `None` when neither has a shingle that weighs anything.
///
/// Where a sketch is full, hashes above its last are unknown, so the comparison ends at the lower of the two last hashes.
pub(super) fn compare(a: &[u32], b: &[u32], weight: impl Fn(u32) -> f64) -> Option<Common> {
    let limit = |sketch: &[u32]| {
        if sketch.len() < SKETCH {
            u32::MAX
        } else {
            sketch.last().copied().unwrap_or(u32::MAX)
        }
    };
    let last = limit(a).min(limit(b));
    let mut common = Common::default();
    let (mut left, mut right) = (0, 0);
    loop {
        let next = match (a.get(left), b.get(right)) {
            (Some(x), Some(y)) => *x.min(y),
            (Some(x), None) => *x,
            (None, Some(y)) => *y,
            (None, None) => break,
        };
        if next > last {
            break;
        }
        let (in_a, in_b) = (a.get(left) == Some(&next), b.get(right) == Some(&next));
        let weight = weight(next);
        match (in_a, in_b) {
            (true, true) => common.both += weight,
            (true, false) => common.first += weight,
            _ => common.second += weight,
        }
        left += usize::from(in_a);
        right += usize::from(in_b);
    }
    (common.either() > 0.0).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let (mut buffer, mut found) = (String::new(), Vec::new());
        for_each_word(text, &mut buffer, |word| found.push(word.to_owned()));
        found
    }

    fn sketch(text: &str) -> Vec<u32> {
        let hashes: Vec<u64> = words(text).iter().map(|word| hash_word(word)).collect();
        let mut sketch = Vec::new();
        shingles(&hashes, &mut sketch);
        sketch.truncate(SKETCH);
        sketch
    }

    fn alike(a: &str, b: &str) -> f64 {
        compare(&sketch(a), &sketch(b), |_| 1.0).map_or(1.0, Common::similarity)
    }

    #[test]
    fn words_leave_out_tokens_case_and_marks() {
        assert_eq!(
            words("<video>\nThe Man's hat: <TEMP-OUTPUT>:[<WIDTH-OUTPUT>] <b> 12.5 İstanbul 猫が"),
            [
                "the",
                "mans",
                "hat",
                "b",
                "12",
                "5",
                "i\u{307}stanbul",
                "猫",
                "が"
            ]
        );
        assert!(words("").is_empty());
        assert_eq!(words("rock 'n' roll'"), ["rock", "n", "roll"]);
    }

    #[test]
    fn a_text_within_another_overlaps_it_wholly() {
        let overlap = |a: &str, b: &str| {
            let common = compare(&sketch(a), &sketch(b), |_| 1.0);
            common.map_or(0.0, Common::overlap)
        };
        assert!((overlap("a red ring", "look at a red ring now") - 1.0).abs() < 1e-12);
        // Shared {a, ring}, alone {red, a red, red ring} and {blue, a blue, blue ring}: 2 of 5.
        assert!((overlap("a red ring", "a blue ring") - 0.4).abs() < 1e-12);
        assert!(overlap("red", "blue").abs() < 1e-12);
    }

    #[test]
    fn similarity_follows_the_jaccard_index() {
        assert!((alike("a red ring", "A  red, ring!") - 1.0).abs() < 1e-12);
        assert!(alike("a red ring", "some blue stars") < 1e-12);
        // Shingles {a, red, ring, a red, red ring} and {a, blue, ring, a blue, blue ring}: 2 of 8.
        assert!((alike("a red ring", "a blue ring") - 0.25).abs() < 1e-12);
        let long: Vec<String> = (0..400).map(|n| format!("word{n}")).collect();
        let mut changed = long.clone();
        for at in (0..400).step_by(20) {
            changed[at] = format!("other{at}");
        }
        // 20 of 400 words change, so 20 words and 39 pairs differ: (799 - 59) / (799 + 59) = 0.862.
        let found = alike(&long.join(" "), &changed.join(" "));
        assert!((found - 0.862).abs() < 0.2, "{found}");
    }
}
