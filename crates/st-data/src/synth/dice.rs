//! Repeatable draws: the same seed and stream give the same numbers on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded source of draws. Only exact arithmetic lies between the generator and the result, so annotations are equal
/// to the byte wherever they are made.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Stream `stream` of `seed`. Different streams never overlap.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform between `low` and `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..count`; 0 when `count` is 0.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product's upper half is below count"
    )]
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Uniform in `low..=high`.
    pub(super) fn inside(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with probability `share`.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// `count` different numbers of `0..population` in random order, all of them when there are fewer.
    pub(super) fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..population).collect();
        let count = count.min(population);
        for place in 0..count {
            let other = self.inside(place, population - 1);
            numbers.swap(place, other);
        }
        numbers.truncate(count);
        numbers
    }

    /// Up to `count` different positions of `weights`, drawn in proportion to them; zero weights are never drawn.
    pub(super) fn weighted(&mut self, weights: &[f64], count: usize) -> Vec<usize> {
        let mut left = weights.to_vec();
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let total: f64 = left.iter().sum();
            if total <= 0.0 {
                break;
            }
            let mut rest = self.unit() * total;
            let hit = left.iter().position(|weight| {
                rest -= weight;
                rest < 0.0
            });
            let hit = hit.or_else(|| left.iter().rposition(|weight| *weight > 0.0));
            let Some(hit) = hit else { break };
            left[hit] = 0.0;
            drawn.push(hit);
        }
        drawn
    }

    /// A number that seeds something else.
    pub(super) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |stream| Dice::new(7, stream).unit().to_bits();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn samples_have_no_repeats_and_respect_weights() {
        let mut dice = Dice::new(1, 0);
        for _ in 0..200 {
            let mut sample = dice.sample(6, 4);
            sample.sort_unstable();
            sample.dedup();
            assert_eq!(sample.len(), 4);
            assert_eq!(dice.weighted(&[0.0, 1.0, 0.0, 2.0], 9).len(), 2);
        }
        let hits = (0..3000)
            .filter(|_| dice.weighted(&[1.0, 3.0], 1) == [1])
            .count();
        assert!((2100..2400).contains(&hits), "{hits} of about 2250");
    }
}
