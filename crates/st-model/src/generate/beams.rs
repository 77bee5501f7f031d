//! Beam search: several answers of each prompt are followed at once, and the one whose tokens are likeliest on average wins.

use burn::tensor::Tensor;

use super::{GenerateOptions, Generated, id_of, logits, step};
use crate::model::LlavaSt;
use crate::qwen2::KvCache;

/// An answer that is still growing.
#[derive(Clone, Debug, Default, PartialEq)]
struct Beam {
    ids: Vec<u32>,
    /// Sum of its tokens' log-probabilities.
    sum: f64,
}

/// The search for one prompt. Answers are ranked by the mean log-probability of their tokens, the one that ends them
/// included, as `num_beams` of Hugging Face's `generate` does with its length penalty of 1.
#[derive(Debug)]
struct Search {
    /// Number of the prompt.
    row: usize,
    /// Best first; never more than the options' beams.
    beams: Vec<Beam>,
    /// Answers with their means, best first; never more than the options' beams.
    ended: Vec<(f64, Generated)>,
}

/// How a beam goes on: the beam before by its place, and the token.
type Continuation = (usize, u32);

impl Search {
    fn new(row: usize) -> Self {
        Self {
            row,
            beams: vec![Beam::default()],
            ended: Vec::new(),
        }
    }

    /// Takes one step with the logits of each beam; how the new beams go on from the old ones. None when the search is over.
    fn advance(&mut self, rows: &mut [Vec<f32>], options: &GenerateOptions) -> Vec<Continuation> {
        let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
        for (place, (beam, logits)) in self.beams.iter().zip(rows).enumerate() {
            if let Some(filter) = &options.filter {
                filter(self.row, &beam.ids, logits);
            }
            // As many endings as beams may be among the best without a beam being lost.
            let likeliest = likeliest(logits, options.beams * 2);
            candidates.extend(
                likeliest
                    .into_iter()
                    .map(|(id, log)| (beam.sum + log, place, id)),
            );
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut next = Vec::new();
        let mut continuations = Vec::new();
        for (rank, (sum, place, id)) in candidates.into_iter().take(options.beams * 2).enumerate() {
            let ids = &self.beams[place].ids;
            if options.stop.contains(&id) {
                if rank < options.beams {
                    let ended = Generated {
                        ids: ids.clone(),
                        stopped: true,
                    };
                    self.end(mean(sum, ids.len() + 1), ended, options.beams);
                }
            } else if next.len() < options.beams {
                let mut ids = ids.clone();
                ids.push(id);
                next.push(Beam { ids, sum });
                continuations.push((place, id));
            }
        }
        self.beams = next;
        let finished = match (self.beams.first(), self.ended.last()) {
            (Some(best), Some((worst, _))) => {
                let length = best.ids.len();
                (self.ended.len() == options.beams && *worst >= mean(best.sum, length))
                    || length == options.max_new_tokens
            }
            (Some(best), None) => best.ids.len() == options.max_new_tokens,
            (None, _) => true,
        };
        if finished {
            continuations.clear();
        }
        continuations
    }

    fn end(&mut self, mean: f64, answer: Generated, most: usize) {
        let place = self.ended.partition_point(|(other, _)| *other >= mean);
        self.ended.insert(place, (mean, answer));
        self.ended.truncate(most);
    }

    /// The best answer, one that was cut off at the greatest length among them.
    fn best(mut self, options: &GenerateOptions) -> Generated {
        for beam in std::mem::take(&mut self.beams) {
            if beam.ids.len() == options.max_new_tokens {
                let cut = Generated {
                    stopped: false,
                    ids: beam.ids,
                };
                self.end(mean(beam.sum, cut.ids.len()), cut, options.beams);
            }
        }
        self.ended
            .into_iter()
            .next()
            .map(|(_, answer)| answer)
            .unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "answers are short")]
fn mean(sum: f64, tokens: usize) -> f64 {
    sum / tokens.max(1) as f64
}

/// The likeliest tokens with their log-probabilities, best first; those that are forbidden are not among them.
fn likeliest(logits: &[f32], most: usize) -> Vec<(u32, f64)> {
    let highest = logits
        .iter()
        .copied()
        .filter(|logit| !logit.is_nan())
        .fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits
        .iter()
        .filter(|logit| !logit.is_nan())
        .map(|logit| f64::from(logit - highest).exp())
        .sum();
    let mut order: Vec<usize> = (0..logits.len())
        .filter(|id| logits[*id] > f32::NEG_INFINITY)
        .collect();
    let better = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    if order.len() > most && most > 0 {
        order.select_nth_unstable_by(most - 1, better);
        order.truncate(most);
    }
    order.sort_unstable_by(better);
    order
        .into_iter()
        .map(|id| (id_of(id), f64::from(logits[id] - highest) - total.ln()))
        .collect()
}

/// Searches for the answers of all prompts together. `hidden` is that of the last column of each prompt.
pub(super) fn search(
    model: &LlavaSt,
    mut hidden: Tensor<2>,
    mut cache: KvCache,
    prompts: usize,
    options: &GenerateOptions,
) -> Vec<Generated> {
    let mut running: Vec<Search> = (0..prompts).map(Search::new).collect();
    let mut answers = vec![Generated::default(); prompts];
    while !running.is_empty() {
        let mut all = logits(model, hidden);
        let (mut parents, mut ids, mut going) = (Vec::new(), Vec::new(), Vec::new());
        let mut first = 0;
        for mut search in running {
            let rows = search.beams.len();
            let continuations = search.advance(&mut all[first..first + rows], options);
            if continuations.is_empty() {
                let row = search.row;
                answers[row] = search.best(options);
            } else {
                for (place, id) in continuations {
                    parents.push(first + place);
                    ids.push(id);
                }
                going.push(search);
            }
            first += rows;
        }
        running = going;
        if running.is_empty() {
            break;
        }
        if !parents.iter().copied().eq(0..first) {
            cache = cache.select(&parents);
        }
        hidden = step(model, &ids, &mut cache);
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const STOP: u32 = 3;

    /// Logits after each token of a made-up language of four tokens; the last row is the beginning.
    const TABLE: [[f32; 4]; 4] = [
        [0.1, 0.9, -0.4, 0.2],
        [1.1, -0.8, 0.3, 0.6],
        [0.2, 0.4, 0.1, 4.0],
        [0.9, 0.7, 0.8, -2.0],
    ];

    fn options(beams: usize, most: usize) -> GenerateOptions {
        GenerateOptions {
            beams,
            max_new_tokens: most,
            stop: vec![STOP],
            ..GenerateOptions::default()
        }
    }

    fn run(options: &GenerateOptions) -> Generated {
        let mut search = Search::new(0);
        loop {
            let mut rows: Vec<Vec<f32>> = search
                .beams
                .iter()
                .map(|beam| TABLE[beam.ids.last().map_or(3, |id| *id as usize)].to_vec())
                .collect();
            if search.advance(&mut rows, options).is_empty() {
                return search.best(options);
            }
        }
    }

    /// The best of all answers there are, by trying each.
    fn exhaustive(most: usize) -> Generated {
        let mut best = (f64::NEG_INFINITY, Generated::default());
        let mut open = vec![Beam::default()];
        while let Some(beam) = open.pop() {
            let row = TABLE[beam.ids.last().map_or(3, |id| *id as usize)];
            for (id, log) in likeliest(&row, 4) {
                let sum = beam.sum + log;
                let mut ids = beam.ids.clone();
                let stopped = id == STOP;
                if !stopped {
                    ids.push(id);
                }
                if stopped || ids.len() == most {
                    let mean = mean(sum, beam.ids.len() + 1);
                    if mean > best.0 {
                        best = (mean, Generated { ids, stopped });
                    }
                } else {
                    open.push(Beam { ids, sum });
                }
            }
        }
        best.1
    }

    #[test]
    fn many_beams_find_the_best_of_all_answers() {
        for most in 1..=5 {
            assert_eq!(
                run(&options(243, most)),
                exhaustive(most),
                "up to {most} tokens"
            );
        }
        // One beam is greedy: always the likeliest next token.
        assert_eq!(run(&options(1, 5)).ids, [0, 1, 0, 1, 0]);
        assert_ne!(run(&options(2, 5)).ids, run(&options(1, 5)).ids);
    }

    #[test]
    fn a_filter_sees_each_beams_own_tokens() {
        let filter = |_: usize, ids: &[u32], logits: &mut [f32]| {
            // No token twice.
            for id in ids {
                logits[*id as usize] = f32::NEG_INFINITY;
            }
        };
        let options = GenerateOptions {
            filter: Some(Arc::new(filter)),
            ..options(3, 6)
        };
        let answer = run(&options);
        let mut distinct = answer.ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), answer.ids.len(), "{answer:?}");
        assert!(answer.stopped, "nothing else is left after three tokens");
    }
}
