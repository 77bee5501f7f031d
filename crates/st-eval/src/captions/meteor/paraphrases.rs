//! The paraphrase table: three lines an entry, a probability that METEOR does not use, a phrase, and its paraphrase.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};

/// A word of the table by number; words that the table lacks have none.
pub(super) type WordNumber = Option<u32>;

/// The entries whose words are all among those asked for, in the table's order.
#[derive(Debug, Default)]
pub(super) struct Paraphrases {
    numbers: HashMap<String, u32>,
    /// Nodes of a tree over phrases, the root first.
    nodes: Vec<Node>,
    /// The other side of each entry.
    others: Vec<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Node {
    next: HashMap<u32, usize>,
    /// Entries whose phrase ends here.
    entries: Vec<usize>,
}

impl Paraphrases {
    /// Reads the unpacked table.
    ///
    /// # Errors
    /// When it cannot be read, or ends within an entry.
    pub(super) fn read(mut table: impl BufRead, words: &HashSet<String>) -> io::Result<Self> {
        let mut found = Self {
            nodes: vec![Node::default()],
            ..Self::default()
        };
        // Words are looked up as bytes: most of the table's five million phrases end here.
        let wanted: HashMap<&[u8], u32> = words
            .iter()
            .zip(0_u32..)
            .map(|(word, number)| (word.as_bytes(), number))
            .collect();
        let mut lines = [const { Vec::new() }; 3];
        loop {
            for line in &mut lines {
                line.clear();
            }
            if table.read_until(b'\n', &mut lines[0])? == 0 {
                break;
            }
            for line in &mut lines[1..] {
                if table.read_until(b'\n', line)? == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the table ends within an entry",
                    ));
                }
            }
            if let Some(phrase) = numbers(&lines[1], &wanted)
                && let Some(paraphrase) = numbers(&lines[2], &wanted)
            {
                found.add(&phrase, paraphrase);
            }
        }
        found.numbers = words.iter().cloned().zip(0_u32..).collect();
        Ok(found)
    }

    fn add(&mut self, phrase: &[u32], paraphrase: Vec<u32>) {
        let mut at = 0;
        for word in phrase {
            at = if let Some(next) = self.nodes[at].next.get(word) {
                *next
            } else {
                self.nodes.push(Node::default());
                let new = self.nodes.len() - 1;
                self.nodes[at].next.insert(*word, new);
                new
            };
        }
        self.nodes[at].entries.push(self.others.len());
        self.others.push(paraphrase);
    }

    /// The number of a word.
    pub(super) fn number(&self, word: &str) -> WordNumber {
        self.numbers.get(word).copied()
    }

    /// Entries whose phrase the words begin with: the phrase's length and the paraphrase, shorter phrases first.
    pub(super) fn starting(&self, words: &[WordNumber]) -> Vec<(usize, &[u32])> {
        let mut found = Vec::new();
        let mut at = 0;
        for (index, word) in words.iter().enumerate() {
            let next = word.and_then(|word| self.nodes.get(at)?.next.get(&word));
            let Some(next) = next else { break };
            at = *next;
            found.extend(
                self.nodes[at]
                    .entries
                    .iter()
                    .map(|entry| (index + 1, self.others[*entry].as_slice())),
            );
        }
        found
    }
}

/// The numbers of a line's words; `None` when there is none or one is not wanted.
fn numbers(line: &[u8], wanted: &HashMap<&[u8], u32>) -> Option<Vec<u32>> {
    let words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let numbers: Vec<u32> = words
        .map(|word| wanted.get(word).copied())
        .collect::<Option<_>>()?;
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "0.1\nby the sea\nalong the beach\n0.2\nby\nnear\n0.3\nby\nbeside\n";

    fn words(text: &str) -> HashSet<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn entries_come_with_the_words_at_hand() {
        let found =
            Paraphrases::read(TABLE.as_bytes(), &words("by the sea along beach near")).unwrap();
        let text: Vec<WordNumber> = ["by", "the", "sea"].map(|word| found.number(word)).into();
        let number = |word| found.number(word).unwrap();
        assert_eq!(
            found.starting(&text),
            [
                (1, &[number("near")][..]),
                (3, &["along", "the", "beach"].map(number)[..])
            ]
        );
        assert!(found.starting(&text[1..]).is_empty());
        assert_eq!(found.number("beside"), None);
    }

    #[test]
    fn a_table_that_is_cut_off_is_an_error() {
        let error = Paraphrases::read(&b"0.1\nby\n"[..], &words("by")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
