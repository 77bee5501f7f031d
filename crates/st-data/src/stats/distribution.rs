//! How numbers are spread: values that merge exactly.
//!
//! Sums are kept in fixed point (2^-32), because sums of floating-point numbers depend on their order: with them, two
//! halves merged would differ from the whole in the last digits.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

const BINS: usize = 100;
/// Units of the fixed-point sums in one.
const UNIT: f64 = 4_294_967_296.0;

/// A histogram of 100 equal bins over a range, with count, mean and extremes of the numbers themselves. Adding up two
/// gives exactly what one pass would have given.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    low: f64,
    high: f64,
    count: u64,
    sum: i128,
    min: f64,
    max: f64,
    bins: Vec<u64>,
}

impl Default for Distribution {
    /// Over `0..=1`.
    fn default() -> Self {
        Self::over(0.0, 1.0)
    }
}

impl Distribution {
    /// A histogram over `low..=high`, still empty.
    #[must_use]
    pub const fn over(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            count: 0,
            sum: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            bins: Vec::new(),
        }
    }

    /// Takes in one number. Numbers outside the range count in the outermost bins; what is not finite is left out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the bin is clamped to 0..BINS first"
    )]
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let share = (value - self.low) / (self.high - self.low);
        let bin = (share * BINS as f64).clamp(0.0, (BINS - 1) as f64) as usize;
        if self.bins.is_empty() {
            self.bins = vec![0; BINS];
        }
        self.bins[bin] += 1;
        self.count += 1;
        self.sum += (value * UNIT).round() as i128;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The range of the histogram, both ends inclusive.
    #[must_use]
    pub const fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Numbers in each of the 100 equal bins; empty when there is no number.
    #[must_use]
    pub fn bins(&self) -> &[u64] {
        &self.bins
    }

    /// Their mean, right to 2^-32; `None` when there is none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean needs no more than 53 bits"
    )]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / UNIT / self.count as f64)
    }

    /// The lowest number; `None` when there is none.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The highest number; `None` when there is none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The middle of the bin in which the number at `share` of the sorted numbers lies; right to half a bin, 1/200 of the
    /// range.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are far fewer than 2^53 numbers"
    )]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = rank(self.count, share);
        let mut seen = 0;
        let bin = self.bins.iter().position(|bin| {
            seen += bin;
            seen >= wanted
        })?;
        let middle = self.low + (bin as f64 + 0.5) / BINS as f64 * (self.high - self.low);
        Some(middle.clamp(self.min, self.max))
    }
}

/// Which of `count` sorted items lies at `share`, from 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "there are far fewer than 2^53 items"
)]
fn rank(count: u64, share: f64) -> u64 {
    ((count as f64 * share).ceil() as u64).max(1)
}

impl AddAssign<&Self> for Distribution {
    /// Ranges must be equal, as those of one measure are.
    fn add_assign(&mut self, other: &Self) {
        debug_assert_eq!(self.range(), other.range(), "two measures were mixed up");
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        add_bins(&mut self.bins, &other.bins);
    }
}

/// Adds bin by bin; a histogram without numbers has no bins.
pub(super) fn add_bins(bins: &mut Vec<u64>, more: &[u64]) {
    if bins.is_empty() {
        bins.extend_from_slice(more);
    } else {
        for (bin, more) in bins.iter_mut().zip(more) {
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
    range: (f64, f64),
    bins: &'a [u64],
}

impl Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = Summary {
            count: self.count,
            mean: self.mean(),
            min: self.min(),
            p05: self.quantile(0.05),
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: self.max(),
            range: self.range(),
            bins: &self.bins,
        };
        summary.serialize(serializer)
    }
}

/// Whole numbers of any size, counted in buckets: exact below 16, then eight buckets for each doubling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
    buckets: BTreeMap<u64, u64>,
}

/// The least number of the bucket that `value` falls into.
const fn bucket(value: u64) -> u64 {
    if value < 16 {
        return value;
    }
    let octave = value.ilog2();
    value >> (octave - 3) << (octave - 3)
}

impl Tally {
    /// Takes in one number.
    pub fn add(&mut self, value: u64) {
        self.min = if self.count == 0 {
            value
        } else {
            self.min.min(value)
        };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum += value;
        *self.buckets.entry(bucket(value)).or_default() += 1;
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Their mean; `None` when there is none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean needs no more than 53 bits"
    )]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The highest number; `None` when there is none.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The least number of the bucket in which the number at `share` of the sorted numbers lies: exact below 16, at most
    /// an eighth too low above.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = rank(self.count, share);
        let mut seen = 0;
        self.buckets.iter().find_map(|(low, count)| {
            seen += count;
            (seen >= wanted).then_some((*low).max(self.min))
        })
    }

    /// The least number of each bucket that is not empty, and its count.
    #[must_use]
    pub const fn buckets(&self) -> &BTreeMap<u64, u64> {
        &self.buckets
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
        for (low, count) in &other.buckets {
            *self.buckets.entry(*low).or_default() += count;
        }
    }
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Summary<'a> {
            count: u64,
            sum: u64,
            mean: Option<f64>,
            min: Option<u64>,
            median: Option<u64>,
            p95: Option<u64>,
            max: Option<u64>,
            buckets: Vec<(&'a u64, &'a u64)>,
        }
        let summary = Summary {
            count: self.count,
            sum: self.sum,
            mean: self.mean(),
            min: (self.count > 0).then_some(self.min),
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: self.max(),
            buckets: self.buckets.iter().collect(),
        };
        summary.serialize(serializer)
    }
}

/// A heat map of positions in the picture, [`Grid::SIDE`] cells wide and high.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grid {
    cells: Vec<u64>,
}

impl Grid {
    /// Cells on a side.
    pub const SIDE: usize = 20;

    /// Takes in a position, fractions of width and height; positions outside count in the outermost cells.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the cell is clamped to 0..SIDE first"
    )]
    pub fn add(&mut self, x: f64, y: f64) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        if self.cells.is_empty() {
            self.cells = vec![0; Self::SIDE * Self::SIDE];
        }
        let cell = |at: f64| (at * Self::SIDE as f64).clamp(0.0, (Self::SIDE - 1) as f64) as usize;
        self.cells[cell(y) * Self::SIDE + cell(x)] += 1;
    }

    /// Counts row by row from the top left; empty when there is no position.
    #[must_use]
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }
}

impl AddAssign<&Self> for Grid {
    fn add_assign(&mut self, other: &Self) {
        add_bins(&mut self.cells, &other.cells);
    }
}

impl Serialize for Grid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.cells.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_exactly() {
        let numbers: Vec<f64> = (0..1000).map(|n| f64::from(n * n % 997) / 997.0).collect();
        let spread = |numbers: &[f64]| {
            let mut spread = Distribution::default();
            for number in numbers {
                spread.add(*number);
            }
            spread
        };
        let whole = spread(&numbers);
        for cut in [0, 1, 300, 1000] {
            let mut parts = spread(&numbers[..cut]);
            parts += &spread(&numbers[cut..]);
            assert_eq!(parts, whole);
            assert_eq!(parts.mean(), whole.mean());
        }

        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        for (share, exact) in [(0.05, sorted[49]), (0.5, sorted[499]), (0.95, sorted[949])] {
            assert!((whole.quantile(share).unwrap() - exact).abs() <= 0.0051);
        }
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((whole.mean().unwrap() - mean).abs() < 1e-9);
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn tallies_are_exact_when_small_and_near_when_large() {
        let mut tally = Tally::default();
        for value in [3, 3, 4, 1000, 15] {
            tally.add(value);
        }
        assert_eq!(tally.quantile(0.5), Some(4));
        assert_eq!(tally.quantile(1.0), Some(960));
        assert_eq!((tally.sum(), tally.max()), (1025, Some(1000)));
        let mut halves = Tally::default();
        halves.add(1000);
        let mut rest = Tally::default();
        for value in [3, 15, 3, 4] {
            rest.add(value);
        }
        halves += &rest;
        assert_eq!(halves, tally);
        for value in [16, 17, 31, 33, 1 << 40, u64::MAX >> 1] {
            assert!(bucket(value) <= value && value - bucket(value) <= value / 8);
        }
    }

    #[test]
    fn the_grid_keeps_its_edges() {
        let mut grid = Grid::default();
        for (x, y) in [(0.0, 0.0), (1.0, 1.0), (1.5, -1.0), (0.5, 0.0)] {
            grid.add(x, y);
        }
        let at = |row: usize, column: usize| grid.cells()[row * Grid::SIDE + column];
        assert_eq!([at(0, 0), at(19, 19), at(0, 19), at(0, 10)], [1, 1, 1, 1]);
    }
}
