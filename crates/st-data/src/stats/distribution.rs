//! How numbers in `0..=1` are spread.

use std::ops::AddAssign;

use serde::Serialize;

const BINS: usize = 100;

/// A histogram of fractions with exact count, mean and extremes. Adding up two gives what one pass would have given.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    bins: [u64; BINS],
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            bins: [0; BINS],
        }
    }
}

impl Distribution {
    /// Takes in one number. Numbers outside `0..=1` count in the outermost bins; NaN is left out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the bin is clamped to 0..BINS first"
    )]
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let bin = (value * BINS as f64).clamp(0.0, (BINS - 1) as f64) as usize;
        self.bins[bin] += 1;
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` when there is none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are far fewer than 2^53 numbers"
    )]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The middle of the bin in which the number at `share` of the sorted numbers lies; right to half a bin, 0.005.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "there are far fewer than 2^53 numbers"
    )]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let bin = self.bins.iter().position(|bin| {
            seen += bin;
            seen >= wanted
        })?;
        Some(((bin as f64 + 0.5) / BINS as f64).clamp(self.min, self.max))
    }
}

impl AddAssign for Distribution {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            *bin += more;
        }
    }
}

/// What is written down of a distribution.
#[derive(Serialize)]
struct Summary<'a> {
    count: u64,
    mean: Option<f64>,
    min: Option<f64>,
    p05: Option<f64>,
    median: Option<f64>,
    p95: Option<f64>,
    max: Option<f64>,
    bins: &'a [u64],
}

impl Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = |value: f64| (self.count > 0).then_some(value);
        let summary = Summary {
            count: self.count,
            mean: self.mean(),
            min: known(self.min),
            p05: self.quantile(0.05),
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: known(self.max),
            bins: if self.count > 0 { &self.bins } else { &[] },
        };
        summary.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let numbers: Vec<f64> = (0..1000).map(|n| f64::from(n * n % 997) / 997.0).collect();
        let spread = |numbers: &[f64]| {
            let mut spread = Distribution::default();
            for number in numbers {
                spread.add(*number);
            }
            spread
        };
        let mut parts = spread(&numbers[..300]);
        parts += spread(&numbers[300..]);
        let whole = spread(&numbers);
        assert_eq!((parts.count, parts.bins), (whole.count, whole.bins));

        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        for (share, exact) in [(0.05, sorted[49]), (0.5, sorted[499]), (0.95, sorted[949])] {
            assert!((whole.quantile(share).unwrap() - exact).abs() <= 0.0051);
        }
        assert_eq!(Distribution::default().quantile(0.5), None);
    }
}
