//! Confidence intervals by resampling records.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

/// A percentile bootstrap over records (Efron and Tibshirani, 1993, chapter 13).
///
/// The same seed gives the same interval on any number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Seed of the resampling.
    pub seed: u64,
    /// How many resamples are drawn.
    pub resamples: usize,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            seed: 0,
            resamples: 1000,
        }
    }
}

/// The middle 95 % of the resampled values, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// Both ends through `f`.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            low: f(self.low),
            high: f(self.high),
        }
    }

    /// Whether the two intervals share a point.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// Two runs on the same records.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PairedDifference {
    /// Mean of second minus first over records.
    pub difference: f64,
    /// Its interval.
    pub interval: Interval,
    /// Two-sided bootstrap p-value: twice the smaller share of resamples on either side of 0, at most 1.
    pub p_value: f64,
}

impl Bootstrap {
    /// Intervals of the means of columns of equal length; the same resamples serve every column. Empty columns give none.
    ///
    /// # Panics
    /// When the columns differ in length.
    #[must_use]
    pub fn means(&self, columns: &[Vec<f64>]) -> Vec<Interval> {
        let records = columns.first().map_or(0, Vec::len);
        assert!(
            columns.iter().all(|column| column.len() == records),
            "columns of one table have one length"
        );
        if records == 0 {
            return Vec::new();
        }
        let draws = self.draw(columns, records);
        (0..columns.len())
            .map(|index| percentile_interval(draws.iter().map(|means| means[index]).collect()))
            .collect()
    }

    /// Compares two runs record by record; `None` without records.
    ///
    /// # Panics
    /// When the runs differ in length.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "files have far fewer than 2^53 lines"
    )]
    pub fn compare(&self, first: &[f64], second: &[f64]) -> Option<PairedDifference> {
        assert_eq!(
            first.len(),
            second.len(),
            "paired runs have the same records"
        );
        if first.is_empty() {
            return None;
        }
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
        let difference = differences.iter().sum::<f64>() / differences.len() as f64;
        let draws: Vec<f64> = self
            .draw(std::slice::from_ref(&differences), differences.len())
            .into_iter()
            .map(|means| means[0])
            .collect();
        let share = |test: fn(&f64) -> bool| {
            draws.iter().filter(|mean| test(mean)).count() as f64 / draws.len() as f64
        };
        let p_value = (2.0 * share(|mean| *mean <= 0.0).min(share(|mean| *mean >= 0.0))).min(1.0);
        Some(PairedDifference {
            difference,
            interval: percentile_interval(draws),
            p_value,
        })
    }

    /// The means of each resample.
    #[expect(
        clippy::cast_precision_loss,
        reason = "files have far fewer than 2^53 lines"
    )]
    fn draw(&self, columns: &[Vec<f64>], records: usize) -> Vec<Vec<f64>> {
        // Record by record, so that a resample touches one place in memory for all metrics.
        let width = columns.len();
        let rows: Vec<f64> = (0..records)
            .flat_map(|row| columns.iter().map(move |column| column[row]))
            .collect();
        (0..self.resamples.max(1) as u64)
            .into_par_iter()
            .map(|resample| {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                random.set_stream(resample);
                let mut sums = vec![0.0; width];
                let last = u32::try_from(records).unwrap_or(u32::MAX);
                for _ in 0..records {
                    let row = random.random_range(0..last) as usize;
                    for (sum, value) in sums.iter_mut().zip(&rows[row * width..(row + 1) * width]) {
                        *sum += value;
                    }
                }
                sums.iter().map(|sum| sum / records as f64).collect()
            })
            .collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into the resamples"
)]
fn percentile_interval(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    Interval {
        low: at(0.025),
        high: at(0.975),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_repeats() {
        let column: Vec<f64> = (0..200).map(|i| f64::from(i % 2)).collect();
        let bootstrap = Bootstrap {
            seed: 7,
            resamples: 500,
        };
        let [interval] = bootstrap.means(std::slice::from_ref(&column))[..] else {
            panic!("one interval")
        };
        assert!(interval.low < 0.5 && 0.5 < interval.high);
        // The normal approximation: 0.5 +- 1.96 * 0.5 / sqrt(200) = 0.43..0.57.
        assert!(
            (interval.low - 0.43).abs() < 0.02 && (interval.high - 0.57).abs() < 0.02,
            "{interval:?}"
        );
        assert_eq!(bootstrap.means(&[column])[0], interval);
    }

    #[test]
    fn a_paired_difference_is_significant_when_every_record_gains() {
        let first: Vec<f64> = (0..50).map(f64::from).collect();
        let second: Vec<f64> = first.iter().map(|value| value + 1.0).collect();
        let outcome = Bootstrap::default().compare(&first, &second).unwrap();
        assert!((outcome.difference - 1.0).abs() < 1e-12 && outcome.p_value < 1e-12);
        let same = Bootstrap::default().compare(&first, &first).unwrap();
        assert!((same.p_value - 1.0).abs() < 1e-12);
    }
}
