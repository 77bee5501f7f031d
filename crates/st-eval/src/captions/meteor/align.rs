//! One-to-one matches between two sentences, and a beam search for the set of them that covers most in the fewest chunks.

use super::Meteor;
use super::paraphrases::{Paraphrases, WordNumber};
use super::statistics::{Side, Statistics};

/// Exact, stem, synonym, paraphrase.
pub(super) const MODULES: usize = 4;
const EXACT: usize = 0;
const STEM: usize = 1;
const SYNONYM: usize = 2;
const PARAPHRASE: usize = 3;

/// What a matched word counts in the search, by module; in an alignment's score it is another.
const SEARCH_WEIGHTS: [f64; MODULES] = [1.0, 0.5, 0.5, 0.5];
/// How many partial alignments are followed.
const BEAM: usize = 40;

/// A sentence with all that its words are compared by.
#[derive(Debug, Default)]
pub(super) struct Sentence {
    pub(super) words: Vec<String>,
    pub(super) stems: Vec<String>,
    /// Rising.
    pub(super) synsets: Vec<Vec<u32>>,
    /// In the paraphrase table.
    pub(super) numbers: Vec<WordNumber>,
    pub(super) is_function: Vec<bool>,
}

/// Words of the reference that may go with words of the hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    module: usize,
    /// First word and number of words in the reference.
    start: usize,
    length: usize,
    /// The same in the hypothesis.
    test_start: usize,
    test_length: usize,
}

impl Match {
    fn reference_words(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    fn test_words(&self) -> std::ops::Range<usize> {
        self.test_start..self.test_start + self.test_length
    }
}

/// All matches, by their first word in the reference.
struct Matches {
    at: Vec<Vec<Match>>,
    /// How many matches cover each word.
    reference_cover: Vec<usize>,
    test_cover: Vec<usize>,
}

impl Matches {
    fn add(&mut self, found: Match) {
        for word in found.reference_words() {
            self.reference_cover[word] += 1;
        }
        for word in found.test_words() {
            self.test_cover[word] += 1;
        }
        self.at[found.start].push(found);
    }

    fn find(paraphrases: &Paraphrases, test: &Sentence, reference: &Sentence) -> Self {
        let mut found = Self {
            at: vec![Vec::new(); reference.words.len()],
            reference_cover: vec![0; reference.words.len()],
            test_cover: vec![0; test.words.len()],
        };
        let same = |i: usize, j: usize| test.words[i] == reference.words[j];
        found.single_words(EXACT, same);
        if test.words == reference.words {
            // Nothing else is looked for, which spares the search its errors.
            return found;
        }
        found.single_words(STEM, |i, j| {
            test.stems[i] == reference.stems[j] && !same(i, j)
        });
        found.single_words(SYNONYM, |i, j| {
            share(&test.synsets[i], &reference.synsets[j]) && !same(i, j)
        });
        for start in 0..reference.words.len() {
            for (length, phrase) in paraphrases.starting(&reference.numbers[start..]) {
                for test_start in occurrences(phrase, &test.numbers) {
                    found.add(Match {
                        module: PARAPHRASE,
                        start,
                        length,
                        test_start,
                        test_length: phrase.len(),
                    });
                }
            }
        }
        // The table goes one way, so the other way may find the same again.
        for test_start in 0..test.words.len() {
            for (test_length, phrase) in paraphrases.starting(&test.numbers[test_start..]) {
                for start in occurrences(phrase, &reference.numbers) {
                    found.add(Match {
                        module: PARAPHRASE,
                        start,
                        length: phrase.len(),
                        test_start,
                        test_length,
                    });
                }
            }
        }
        found
    }

    fn single_words(&mut self, module: usize, is_match: impl Fn(usize, usize) -> bool) {
        for start in 0..self.reference_cover.len() {
            for test_start in 0..self.test_cover.len() {
                if is_match(test_start, start) {
                    self.add(Match {
                        module,
                        start,
                        length: 1,
                        test_start,
                        test_length: 1,
                    });
                }
            }
        }
    }

    /// The only match at a place, when no other match touches its words.
    fn certain(&self, place: usize) -> Option<Match> {
        let [only] = self.at[place][..] else {
            return None;
        };
        let alone = only
            .reference_words()
            .all(|word| self.reference_cover[word] == 1)
            && only.test_words().all(|word| self.test_cover[word] == 1);
        alone.then_some(only)
    }
}

fn share(a: &[u32], b: &[u32]) -> bool {
    a.iter().any(|set| b.binary_search(set).is_ok())
}

/// Where a phrase begins in a sentence.
fn occurrences(phrase: &[u32], words: &[WordNumber]) -> Vec<usize> {
    words
        .windows(phrase.len())
        .enumerate()
        .filter(|(_, window)| window.iter().zip(phrase).all(|(a, b)| *a == Some(*b)))
        .map(|(start, _)| start)
        .collect()
}

/// A choice of matches up to some word of the reference.
#[derive(Clone, Debug)]
struct Path {
    /// By first word in the reference; the certain ones from the start.
    chosen: Vec<Option<Match>>,
    reference_used: Vec<bool>,
    test_used: Vec<bool>,
    /// Covered words by weight. Whole numbers: what a match adds is cut off, as in the program.
    test_covered: i64,
    reference_covered: i64,
    chunks: usize,
    /// How far matches lie from the place that they have on the other side.
    distance: usize,
    /// The reference's next word.
    next: usize,
    /// Where the last chunk ends in the hypothesis, while it is open.
    end: Option<usize>,
}

impl Path {
    fn start(matches: &Matches) -> Self {
        let mut path = Self {
            chosen: vec![None; matches.at.len()],
            reference_used: vec![false; matches.reference_cover.len()],
            test_used: vec![false; matches.test_cover.len()],
            test_covered: 0,
            reference_covered: 0,
            chunks: 0,
            distance: 0,
            next: 0,
            end: None,
        };
        for place in 0..matches.at.len() {
            if let Some(certain) = matches.certain(place) {
                path.choose(certain);
            }
        }
        path
    }

    fn choose(&mut self, one: Match) {
        self.reference_used[one.reference_words()].fill(true);
        self.test_used[one.test_words()].fill(true);
        self.chosen[one.start] = Some(one);
    }

    fn is_free(&self, one: &Match) -> bool {
        !self.reference_used[one.reference_words()].contains(&true)
            && !self.test_used[one.test_words()].contains(&true)
    }

    /// Counts a match and steps behind it.
    fn pass(&mut self, one: &Match) {
        let weight = SEARCH_WEIGHTS[one.module];
        self.test_covered = plus(self.test_covered, one.test_length, weight);
        self.reference_covered = plus(self.reference_covered, one.length, weight);
        if self.end.is_some_and(|end| end != one.test_start) {
            self.chunks += 1;
        }
        self.next = one.start + one.length;
        self.end = Some(one.test_start + one.test_length);
    }

    fn close(&mut self) {
        if self.end.take().is_some() {
            self.chunks += 1;
        }
    }

    /// Most words, then fewest chunks, then shortest distance first.
    fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        let covered = |path: &Self| path.test_covered + path.reference_covered;
        covered(b)
            .cmp(&covered(a))
            .then(a.chunks.cmp(&b.chunks))
            .then(a.distance.cmp(&b.distance))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "captions are short, and cutting off is meant"
)]
fn plus(sum: i64, words: usize, weight: f64) -> i64 {
    (sum as f64 + words as f64 * weight) as i64
}

/// The best path that the beam finds, as the matches that it takes.
fn search(matches: &Matches) -> Vec<Option<Match>> {
    let mut paths = vec![Path::start(matches)];
    for (place, here) in matches.at.iter().enumerate() {
        paths.sort_by(Path::order);
        paths.truncate(BEAM);
        let mut longer = Vec::with_capacity(paths.len() * 2);
        for path in paths {
            step(path, place, here, &mut longer);
        }
        paths = longer;
    }
    paths.sort_by(Path::order);
    paths.truncate(BEAM);
    for path in &mut paths {
        path.close();
    }
    paths.sort_by(Path::order);
    paths
        .into_iter()
        .next()
        .map(|path| path.chosen)
        .unwrap_or_default()
}

/// All ways in which a path goes on at a word of the reference.
fn step(mut path: Path, place: usize, here: &[Match], longer: &mut Vec<Path>) {
    if path.reference_used[place] {
        // Behind the word where it begins, a match has been passed already.
        if let Some(certain) = path.chosen[place].filter(|_| place >= path.next) {
            path.pass(&certain);
            path.distance += certain.start.abs_diff(certain.test_start);
        }
        longer.push(path);
        return;
    }
    for one in here {
        if path.is_free(one) {
            let mut taken = path.clone();
            taken.choose(*one);
            taken.pass(one);
            longer.push(taken);
            // The program adds the distance to the path that does not take the match. Equals are told apart by it, so
            // that the same alignment is found only with the same slip.
            path.distance += one.start.abs_diff(one.test_start);
        }
    }
    path.close();
    path.next += 1;
    longer.push(path);
}

impl Meteor {
    /// Aligns two sentences and counts.
    pub(super) fn align(&self, test: &Sentence, reference: &Sentence) -> Statistics {
        let chosen = search(&Matches::find(&self.paraphrases, test, reference));
        let mut statistics = Statistics {
            test: Side::of(test),
            reference: Side::of(reference),
            chunks: 0.0,
        };
        let mut end = None;
        let mut place = 0;
        while place < chosen.len() {
            let Some(one) = chosen[place] else {
                end = None;
                place += 1;
                continue;
            };
            if end != Some(one.test_start) {
                statistics.chunks += 1.0;
            }
            end = Some(one.test_start + one.test_length);
            place += one.length;
            count(&mut statistics.test, test, one.module, one.test_words());
            count(
                &mut statistics.reference,
                reference,
                one.module,
                one.reference_words(),
            );
        }
        statistics
    }
}

fn count(side: &mut Side, sentence: &Sentence, module: usize, words: std::ops::Range<usize>) {
    for word in words {
        let counts = if sentence.is_function[word] {
            &mut side.function
        } else {
            &mut side.content
        };
        counts[module] += 1.0;
    }
}
