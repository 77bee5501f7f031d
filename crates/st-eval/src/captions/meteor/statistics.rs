//! What an alignment counts, and the score that follows from it.

use super::align::{MODULES, Sentence};

/// Weight of precision against recall, shape and share of the fragmentation penalty, weight of content words against
/// function words: the parameters tuned for ranking English (METEOR 1.5, table 2).
const ALPHA: f64 = 0.85;
const BETA: f64 = 0.2;
const GAMMA: f64 = 0.6;
const DELTA: f64 = 0.75;
/// What a match is worth: exact, stem, synonym, paraphrase.
const WEIGHTS: [f64; MODULES] = [1.0, 0.6, 0.8, 0.6];

/// One side of an alignment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Side {
    /// Words.
    pub(super) words: f64,
    /// Function words among them.
    pub(super) function_words: f64,
    /// Matched content words, by module.
    pub(super) content: [f64; MODULES],
    /// Matched function words, by module.
    pub(super) function: [f64; MODULES],
}

impl Side {
    #[expect(clippy::cast_precision_loss, reason = "captions are short")]
    pub(super) fn of(sentence: &Sentence) -> Self {
        Self {
            words: sentence.words.len() as f64,
            function_words: sentence.is_function.iter().filter(|is| **is).count() as f64,
            ..Self::default()
        }
    }

    fn matched(&self) -> f64 {
        self.content.iter().chain(&self.function).sum()
    }

    /// The share of the side that is matched, by weight; not a number without words.
    fn share(&self) -> f64 {
        let weigh = |counts: &[f64; MODULES], kind: f64| -> f64 {
            counts
                .iter()
                .zip(WEIGHTS)
                .map(|(count, weight)| count * weight * kind)
                .sum()
        };
        let matched = weigh(&self.content, DELTA) + weigh(&self.function, 1.0 - DELTA);
        let all = DELTA * (self.words - self.function_words) + (1.0 - DELTA) * self.function_words;
        matched / all
    }

    fn add(&mut self, other: &Self) {
        self.words += other.words;
        self.function_words += other.function_words;
        for module in 0..MODULES {
            self.content[module] += other.content[module];
            self.function[module] += other.function[module];
        }
    }
}

/// The counts of one alignment, or of many added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Statistics {
    /// The hypothesis.
    pub(super) test: Side,
    /// The reference.
    pub(super) reference: Side,
    /// Runs of matches that are contiguous and in the same order on both sides.
    pub(super) chunks: f64,
}

impl Statistics {
    /// Adds an item; one that is matched word by word has no breaks and adds no chunk.
    pub(super) fn add(&mut self, item: &Self) {
        if !item.is_whole() {
            self.chunks += item.chunks;
        }
        self.test.add(&item.test);
        self.reference.add(&item.reference);
    }

    /// Every word is matched, in one chunk.
    fn is_whole(&self) -> bool {
        let all = |side: &Side| (side.matched() - side.words).abs() < 0.5;
        all(&self.test) && all(&self.reference) && (self.chunks - 1.0).abs() < 0.5
    }

    /// The score in `[0, 1]`; 0 where nothing matches or a side is empty.
    pub(super) fn score(&self) -> f64 {
        let (precision, recall) = (self.test.share(), self.reference.share());
        let mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall);
        let fragmentation = if self.is_whole() {
            0.0
        } else {
            self.chunks / f64::midpoint(self.test.matched(), self.reference.matched())
        };
        let score = mean * (1.0 - GAMMA * fragmentation.powf(BETA));
        // `max` takes the number where the other side is none.
        score.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(words: f64, function_words: f64, content: f64, function: f64) -> Side {
        Side {
            words,
            function_words,
            content: [content, 0.0, 0.0, 0.0],
            function: [function, 0.0, 0.0, 0.0],
        }
    }

    #[test]
    fn a_perfect_match_scores_one_and_nothing_scores_zero() {
        let whole = Statistics {
            test: side(3.0, 1.0, 2.0, 1.0),
            reference: side(3.0, 1.0, 2.0, 1.0),
            chunks: 1.0,
        };
        assert!((whole.score() - 1.0).abs() < 1e-12);
        assert!(Statistics::default().score().abs() < 1e-12);
        let mut sum = whole;
        sum.add(&whole);
        assert!(
            (sum.chunks - 1.0).abs() < 1e-12,
            "a whole match adds no chunk"
        );
    }

    #[test]
    fn breaks_cost() {
        let broken = Statistics {
            test: side(4.0, 0.0, 4.0, 0.0),
            reference: side(4.0, 0.0, 4.0, 0.0),
            chunks: 2.0,
        };
        // 1 - 0.6 * 0.5 ^ 0.2
        assert!((broken.score() - (1.0 - 0.6 * 0.5_f64.powf(0.2))).abs() < 1e-12);
    }
}
