//! `WordNet` 3 synsets, as METEOR's resource files have them: words that share one are synonyms.

use std::collections::HashMap;

/// Endings of inflected words and what stands in their place in the base form: nouns, verbs, adjectives
/// (`WordNet` 3.0, morphy(7)). The first that leads to a known word counts.
const ENDINGS: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// Synsets by word, base forms by irregular form.
#[derive(Debug, Default)]
pub(super) struct Synonyms {
    synsets: HashMap<String, Vec<u32>>,
    bases: HashMap<String, Vec<String>>,
}

impl Synonyms {
    /// Reads both files: each entry has two lines, a word, and its synsets or its irregular forms.
    ///
    /// # Errors
    /// The place that is not as it should be, in words.
    pub(super) fn parse(synsets: &str, exceptions: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut lines = synsets.lines();
        let mut number = 0;
        while let Some(word) = lines.next() {
            number += 2;
            let sets = lines
                .next()
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::parse)
                .collect::<Result<Vec<u32>, _>>()
                .map_err(|_| format!("synonym/english.synsets line {number}: no synset numbers"))?;
            found.synsets.insert(word.to_owned(), sets);
        }
        let mut lines = exceptions.lines();
        while let Some(base) = lines.next() {
            for form in lines.next().unwrap_or_default().split_ascii_whitespace() {
                found
                    .bases
                    .entry(form.to_owned())
                    .or_default()
                    .push(base.to_owned());
            }
        }
        Ok(found)
    }

    /// The synsets of a word and of its base forms, rising, each once.
    pub(super) fn of(&self, word: &str) -> Vec<u32> {
        let mut found = self.exactly(word).to_vec();
        match self.bases.get(word) {
            Some(bases) => {
                for base in bases {
                    found.extend(self.exactly(base));
                }
            }
            None => {
                if let Some(base) = self.base(word) {
                    found.extend(self.exactly(&base));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn exactly(&self, word: &str) -> &[u32] {
        self.synsets.get(word).map_or(&[], Vec::as_slice)
    }

    fn base(&self, word: &str) -> Option<String> {
        if word.ends_with("ss") || word.encode_utf16().count() <= 2 {
            return None;
        }
        ENDINGS
            .iter()
            .filter_map(|(ending, base)| Some(format!("{}{base}", word.strip_suffix(ending)?)))
            .find(|base| self.synsets.contains_key(base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflected_words_have_their_bases_synsets() {
        let synonyms = Synonyms::parse(
            "child\n1 2\nhorse\n4\nkid\n2 3\nrid\n9\nride\n7\n",
            "child\nchildren childs\n",
        )
        .unwrap();
        assert_eq!(synonyms.of("children"), [1, 2]);
        assert_eq!(synonyms.of("kids"), [2, 3]);
        assert_eq!(synonyms.of("horses"), [4]);
        // `-ing` with an `e` comes before `-ing` without.
        assert_eq!(synonyms.of("riding"), [7]);
        assert!(synonyms.of("xylophone").is_empty());
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let error = Synonyms::parse("a\n1\nb\nx\n", "").unwrap_err();
        assert!(error.contains("synsets line 4"), "{error}");
    }
}
