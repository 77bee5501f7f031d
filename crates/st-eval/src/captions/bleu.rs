//! BLEU-1 to BLEU-4 (Papineni et al., 2002) as the COCO caption evaluation computes it: closest reference length,
//! clipped counts, and the small constants that keep empty counts finite.

use std::collections::HashMap;

use super::Pair;

const ORDERS: usize = 4;
const SMALL: f64 = 1e-9;
const TINY: f64 = 1e-15;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    hypothesis: f64,
    reference: f64,
    guessed: [f64; ORDERS],
    correct: [f64; ORDERS],
}

/// Corpus scores and each item's, BLEU-1 first.
#[must_use]
pub fn bleu(pairs: &[Pair]) -> ([f64; ORDERS], Vec<[f64; ORDERS]>) {
    let mut total = Counts::default();
    let mut items = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let counts = Counts::of(pair);
        items.push(counts.score());
        total.hypothesis += counts.hypothesis;
        total.reference += counts.reference;
        for order in 0..ORDERS {
            total.guessed[order] += counts.guessed[order];
            total.correct[order] += counts.correct[order];
        }
    }
    (total.score(), items)
}

impl Counts {
    #[expect(clippy::cast_precision_loss, reason = "captions are short")]
    fn of(pair: &Pair) -> Self {
        let words: Vec<&str> = pair.hypothesis.split_whitespace().collect();
        let references: Vec<Vec<&str>> = pair
            .references
            .iter()
            .map(|reference| reference.split_whitespace().collect())
            .collect();
        let closest = references
            .iter()
            .map(Vec::len)
            .min_by_key(|length| (length.abs_diff(words.len()), *length));
        let mut highest: HashMap<&[&str], usize> = HashMap::new();
        for reference in &references {
            for (gram, count) in ngrams(reference) {
                let known = highest.entry(gram).or_default();
                *known = (*known).max(count);
            }
        }
        let mut counts = Self {
            hypothesis: words.len() as f64,
            reference: closest.unwrap_or_default() as f64,
            ..Self::default()
        };
        for order in 0..ORDERS {
            counts.guessed[order] = words.len().saturating_sub(order) as f64;
        }
        for (gram, count) in ngrams(&words) {
            let allowed = highest.get(gram).copied().unwrap_or_default();
            counts.correct[gram.len() - 1] += allowed.min(count) as f64;
        }
        counts
    }

    fn score(&self) -> [f64; ORDERS] {
        let mut product = 1.0;
        let mut scores = [0.0; ORDERS];
        let ratio = (self.hypothesis + TINY) / (self.reference + SMALL);
        let penalty = if ratio < 1.0 {
            (1.0 - 1.0 / ratio).exp()
        } else {
            1.0
        };
        for (order, score) in scores.iter_mut().enumerate() {
            product *= (self.correct[order] + TINY) / (self.guessed[order] + SMALL);
            #[expect(clippy::cast_precision_loss, reason = "1 to 4")]
            let root = 1.0 / (order + 1) as f64;
            *score = product.powf(root) * penalty;
        }
        scores
    }
}

/// How often each run of 1 to 4 words occurs.
pub(super) fn ngrams<'a, 'b>(words: &'a [&'b str]) -> HashMap<&'a [&'b str], usize> {
    let mut counts = HashMap::new();
    for order in 1..=ORDERS {
        for gram in words.windows(order) {
            *counts.entry(gram).or_default() += 1;
        }
    }
    counts
}
