//! CIDEr-D (Vedantam et al., 2015, arXiv:1411.5726) as the COCO caption evaluation computes it: document frequencies of
//! the references at hand, n-grams to 4, sigma 6, scaled by 10. The length penalty counts bigrams, as that code does.

use std::collections::{HashMap, HashSet};

use super::Pair;
use super::bleu::ngrams;

const ORDERS: usize = 4;
const SIGMA: f64 = 6.0;

struct Vector<'a> {
    weights: HashMap<&'a [&'a str], f64>,
    norms: [f64; ORDERS],
    bigrams: f64,
}

/// The mean over items and each item's score; `None` when no reference holds a word.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "files have far fewer than 2^53 lines"
)]
pub fn cider(pairs: &[Pair]) -> Option<(f64, Vec<f64>)> {
    let references: Vec<Vec<Vec<&str>>> = pairs
        .iter()
        .map(|pair| {
            pair.references
                .iter()
                .map(|one| one.split_whitespace().collect())
                .collect()
        })
        .collect();
    let mut frequency: HashMap<&[&str], f64> = HashMap::new();
    for item in &references {
        let distinct: HashSet<&[&str]> = item
            .iter()
            .flat_map(|words| ngrams(words).into_keys())
            .collect();
        for gram in distinct {
            *frequency.entry(gram).or_default() += 1.0;
        }
    }
    if frequency.is_empty() {
        return None;
    }
    let documents = (pairs.len() as f64).ln();
    let items: Vec<f64> = pairs
        .iter()
        .zip(&references)
        .map(|(pair, references)| {
            let words: Vec<&str> = pair.hypothesis.split_whitespace().collect();
            let hypothesis = Vector::of(&words, &frequency, documents);
            let total: f64 = references
                .iter()
                .map(|reference| {
                    hypothesis.similarity(&Vector::of(reference, &frequency, documents))
                })
                .sum();
            total / references.len().max(1) as f64 * 10.0
        })
        .collect();
    Some((super::mean(&items), items))
}

impl<'a> Vector<'a> {
    #[expect(clippy::cast_precision_loss, reason = "captions are short")]
    fn of(words: &'a [&'a str], frequency: &HashMap<&[&str], f64>, documents: f64) -> Self {
        let mut vector = Self {
            weights: HashMap::new(),
            norms: [0.0; ORDERS],
            bigrams: 0.0,
        };
        for (gram, count) in ngrams(words) {
            let seen = frequency
                .get(gram)
                .copied()
                .unwrap_or_default()
                .max(1.0)
                .ln();
            let weight = count as f64 * (documents - seen);
            vector.norms[gram.len() - 1] += weight * weight;
            if gram.len() == 2 {
                vector.bigrams += count as f64;
            }
            vector.weights.insert(gram, weight);
        }
        vector.norms = vector.norms.map(f64::sqrt);
        vector
    }

    /// The mean over n-gram orders.
    #[expect(clippy::cast_precision_loss, reason = "four orders")]
    fn similarity(&self, reference: &Vector<'_>) -> f64 {
        let mut values = [0.0; ORDERS];
        for (gram, weight) in &self.weights {
            let other = reference.weights.get(gram).copied().unwrap_or_default();
            values[gram.len() - 1] += weight.min(other) * other;
        }
        let apart = self.bigrams - reference.bigrams;
        let penalty = (-(apart * apart) / (2.0 * SIGMA * SIGMA)).exp();
        for (order, value) in values.iter_mut().enumerate() {
            let norm = self.norms[order] * reference.norms[order];
            if norm != 0.0 {
                *value /= norm;
            }
            *value *= penalty;
        }
        values.iter().sum::<f64>() / ORDERS as f64
    }
}
