//! METEOR's own tokenization: that of Moses, with quotes and dashes made alike and the dots of abbreviations dropped.

use std::collections::HashMap;

use regex::{Captures, Regex};

/// Letters of the western European and Cyrillic alphabets, for a character class.
const LETTERS: &str = r"A-Za-z\u{160}\u{17D}\u{161}\u{17E}\u{178}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{17E}\u{400}-\u{527}\u{A640}-\u{A66E}\u{A67E}-\u{A697}\u{1D00}-\u{1D7F}";

/// What splits words: ASCII blanks, and the spaces of Unicode.
const BLANKS: [char; 22] = [
    ' ', '\t', '\n', '\r', '\u{C}', '\u{A0}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}',
    '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200A}', '\u{200B}',
    '\u{202F}', '\u{205F}', '\u{3000}', '\u{FEFF}',
];

/// Stands for one of several dots in a row, so that they are not taken for the end of a sentence; a noncharacter.
const DOT: char = '\u{10FFFF}';

/// Characters that stand alone: all but letters, digits, blanks, dots, apostrophes, commas and dashes.
const ALONE: &str = r"[^0-9~L \t\n\x0B\x0C\r.'`,\-‘’]";

/// What is replaced by what after that; each rule is applied once from left to right. `~L` stands for the letters.
const RULES: [(&str, &str); 13] = [
    // Commas, but not within numbers.
    ("([^0-9]),([^0-9])", "$1 , $2"),
    ("([0-9]),([^0-9])", "$1 , $2"),
    ("([^0-9]),([0-9])", "$1 , $2"),
    ("[`‘’]", "'"),
    ("[“”]|''", " \" "),
    ("–", "-"),
    ("--", "-"),
    // A dash between words joins nothing.
    ("([0-9~L.])-([0-9~L])", "$1 $2"),
    // Apostrophes stand alone, or go with what follows.
    ("([^~L])'([^~L])", "$1 ' $2"),
    ("([^0-9~L])'([~L])", "$1 ' $2"),
    ("([~L])'([^~L])", "$1 ' $2"),
    ("([~L])'([~L])", "$1 '$2"),
    ("([0-9])'(s)", "$1 '$2"),
];

/// When a dot after a word does not end the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Always,
    BeforeNumbers,
}

/// Text to METEOR's words.
#[derive(Debug)]
pub(super) struct Normalizer {
    prefixes: HashMap<String, Prefix>,
    alone: Regex,
    dots: Regex,
    rules: Vec<(Regex, &'static str)>,
    letter: Regex,
}

impl Normalizer {
    /// A normalizer with the words after whose dot no sentence ends, one a line; `#` begins a comment.
    pub(super) fn new(prefixes: &str) -> Self {
        let mut known = HashMap::new();
        for line in prefixes.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(word) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            let kind = match words.next() {
                Some("#NUMERIC_ONLY#") => Prefix::BeforeNumbers,
                _ => Prefix::Always,
            };
            known.insert(word.to_owned(), kind);
        }
        Self {
            prefixes: known,
            alone: compiled(ALONE),
            dots: compiled(r"\.{2,}"),
            rules: RULES
                .iter()
                .map(|(pattern, with)| (compiled(pattern), *with))
                .collect(),
            letter: compiled("[~L]"),
        }
    }

    /// The words of a text, in lower case.
    pub(super) fn words(&self, text: &str) -> Vec<String> {
        let text = self.alone.replace_all(text, " $0 ");
        // Blanks around spare the patterns their ends.
        let text = self.dots.replace_all(&text, |dots: &Captures<'_>| {
            format!(" {} ", DOT.to_string().repeat(dots[0].len()))
        });
        let mut text = format!(" {text} ");
        for (pattern, with) in &self.rules {
            if let std::borrow::Cow::Owned(changed) = pattern.replace_all(&text, *with) {
                text = changed;
            }
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let mut out = String::with_capacity(text.len());
        for (index, word) in words.iter().enumerate() {
            self.push(&mut out, word, words.get(index + 1).copied());
            out.push(' ');
        }
        out.replace(DOT, ".")
            .to_lowercase()
            .split(BLANKS)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Adds a word, its last dot apart unless it belongs to the word.
    fn push(&self, out: &mut String, word: &str, next: Option<&str>) {
        let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty()) else {
            out.push_str(word);
            return;
        };
        let next = next.and_then(|next| next.bytes().next());
        let prefix = self.prefixes.get(stem);
        if stem.contains('.') && self.letter.is_match(stem) {
            // U.S. is US.
            out.extend(word.chars().filter(|letter| *letter != '.'));
        } else if prefix == Some(&Prefix::Always)
            || next.is_some_and(|next| next.is_ascii_lowercase())
            || (prefix == Some(&Prefix::BeforeNumbers)
                && next.is_some_and(|next| next.is_ascii_digit()))
        {
            out.push_str(word);
        } else {
            out.push_str(stem);
            out.push_str(" .");
        }
    }
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(&pattern.replace("~L", LETTERS))
        .expect("the patterns are part of the program and every test compiles them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_meteor_has_them() {
        // The right sides are those of METEOR 1.5's own normalizer.
        let normalizer = Normalizer::new("# comment\nDr\nNo #NUMERIC_ONLY#\n");
        let words = |text: &str| normalizer.words(text).join(" ");
        assert_eq!(
            words("The dog's toy, 1,000 of them."),
            "the dog 's toy , 1,000 of them ."
        );
        assert_eq!(
            words("U.S.-based well-known (really)"),
            "us based well known ( really )"
        );
        assert_eq!(
            words("wait...what ``quoted''"),
            "wait ... what \" quoted \""
        );
        assert_eq!(words("Dr. No. 5 and no. Six"), "dr. no. 5 and no . six");
    }
}
