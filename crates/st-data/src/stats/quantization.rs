//! What 100 bins lose: the intersection over union that quantized coordinates have with the true ones.
//!
//! The model writes bin `k` for the position `k / 99`, so no answer of it lies between. Two bounds: every coordinate at
//! its nearest bin, which is where the soft labels of training have their greater weight; and the best choice of bins
//! whatever. Moving one coordinate away from its true place, with the others fixed, never raises the IoU, neither inwards
//! (the intersection shrinks) nor outwards (the union grows). The best choice therefore takes each coordinate's
//! neighbouring bin below or above, and 4 (spans) or 16 (boxes) cases hold the maximum. A test compares with all bins.

use std::ops::AddAssign;

use st_schema::Bin;

use super::Distribution;
use super::features::{RawBox, RawSpan};
use super::report::Bound;

/// Thresholds of the reach: those of the benchmarks' tables.
pub const THRESHOLDS: [f64; 4] = [0.3, 0.5, 0.7, 0.9];

/// Length of what two spans share over length of what either covers; 0 where both have no length.
#[must_use]
pub fn span_iou(a: RawSpan, b: RawSpan) -> f64 {
    let shared = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
    let either = (a[1] - a[0]) + (b[1] - b[0]) - shared;
    if either > 0.0 { shared / either } else { 0.0 }
}

/// Area of what two boxes share over area of what either covers; 0 where both have no area.
#[must_use]
pub fn box_iou(a: RawBox, b: RawBox) -> f64 {
    let side = |low: usize, high: usize| (a[high].min(b[high]) - a[low].max(b[low])).max(0.0);
    let shared = side(0, 2) * side(1, 3);
    let area = |c: RawBox| (c[2] - c[0]) * (c[3] - c[1]);
    let either = area(a) + area(b) - shared;
    if either > 0.0 { shared / either } else { 0.0 }
}

/// The bins around a position: as fractions, the one below or at it, the one above or at it, and the nearest.
fn around(value: f64) -> ([f64; 2], f64) {
    let last = f64::from(Bin::LAST);
    let position = value.clamp(0.0, 1.0) * last;
    let bins = [position.floor() / last, position.ceil() / last];
    (bins, position.round_ties_even() / last)
}

/// IoU with nearest bins, and with the best bins.
fn bounds<const N: usize>(value: [f64; N], iou: fn([f64; N], [f64; N]) -> f64) -> [f64; 2] {
    let around = value.map(around);
    let nearest = iou(value, around.map(|(_, nearest)| nearest));
    let mut best = 0.0_f64;
    for choice in 0..1_usize << N {
        let mut bins = [0.0; N];
        for (at, ((both, _), bin)) in around.iter().zip(&mut bins).enumerate() {
            *bin = both[choice >> at & 1];
        }
        // A choice that turns the span around is none.
        if bins
            .iter()
            .skip(N / 2)
            .zip(&bins)
            .all(|(end, start)| end >= start)
        {
            best = best.max(iou(value, bins));
        }
    }
    [nearest, best]
}

/// The bounds of a span: with nearest bins, and with the best.
#[must_use]
pub fn span_bounds(span: RawSpan) -> [f64; 2] {
    bounds(span, span_iou)
}

/// The bounds of a box: with nearest bins, and with the best.
#[must_use]
pub fn box_bounds(corners: RawBox) -> [f64; 2] {
    bounds(corners, box_iou)
}

/// Bounds of many spans or boxes; merges exactly.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BoundSums {
    empty: u64,
    nearest: Distribution,
    best: Distribution,
    reach: [u64; THRESHOLDS.len()],
}

impl BoundSums {
    pub(super) fn add_span(&mut self, span: RawSpan) {
        self.add(span[1] - span[0] <= 0.0, span_bounds(span));
    }

    pub(super) fn add_box(&mut self, corners: RawBox) {
        let empty = corners[2] - corners[0] <= 0.0 || corners[3] - corners[1] <= 0.0;
        self.add(empty, box_bounds(corners));
    }

    fn add(&mut self, empty: bool, [nearest, best]: [f64; 2]) {
        self.empty += u64::from(empty);
        self.nearest.add(nearest);
        self.best.add(best);
        for (count, threshold) in self.reach.iter_mut().zip(THRESHOLDS) {
            *count += u64::from(best >= threshold);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "shares need no more than 53 bits"
    )]
    pub(super) fn bound(&self) -> Bound {
        let count = self.best.count();
        let share = |reached: u64| reached as f64 / count.max(1) as f64;
        Bound {
            count,
            empty: self.empty,
            nearest: self.nearest.mean(),
            best: self.best.mean(),
            worst: self.best.min(),
            reach: THRESHOLDS
                .into_iter()
                .zip(self.reach.map(share))
                .filter(|_| count > 0)
                .collect(),
            spread: self.best.clone(),
        }
    }
}

impl AddAssign<&Self> for BoundSums {
    fn add_assign(&mut self, other: &Self) {
        self.empty += other.empty;
        self.nearest += &other.nearest;
        self.best += &other.best;
        for (count, more) in self.reach.iter_mut().zip(other.reach) {
            *count += more;
        }
    }
}

/// The numbers on one axis: how they are spread over the thousandths that the format stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AxisCounts {
    /// Numbers at each thousandth, 0 to 1000; empty when there is none.
    thousandths: Vec<u64>,
    pub(super) finer: u64,
    pub(super) outside: u64,
    pub(super) count: u64,
    bins: Vec<u64>,
}

impl AxisCounts {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is checked to be in 0..=1"
    )]
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        if !(0.0..=1.0).contains(&value) {
            self.outside += 1;
            return;
        }
        if self.thousandths.is_empty() {
            self.thousandths = vec![0; 1001];
            self.bins = vec![0; Bin::COUNT];
        }
        let nearest = (value * 1000.0).round();
        if (value * 1000.0 - nearest).abs() < 1e-6 {
            self.thousandths[nearest as usize] += 1;
        } else {
            self.finer += 1;
        }
        self.bins[(value * f64::from(Bin::LAST)).round_ties_even() as usize] += 1;
    }

    pub(super) fn distinct(&self) -> u64 {
        self.thousandths.iter().filter(|count| **count > 0).count() as u64
    }

    pub(super) fn zeros(&self) -> u64 {
        self.thousandths.first().copied().unwrap_or(0)
    }

    pub(super) fn ones(&self) -> u64 {
        self.thousandths.last().copied().unwrap_or(0)
    }

    pub(super) fn bins(&self) -> &[u64] {
        &self.bins
    }
}

impl AddAssign<&Self> for AxisCounts {
    fn add_assign(&mut self, other: &Self) {
        self.finer += other.finer;
        self.outside += other.outside;
        self.count += other.count;
        super::distribution::add_bins(&mut self.thousandths, &other.thousandths);
        super::distribution::add_bins(&mut self.bins, &other.bins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of fractions with three decimals (a linear congruential generator).
    fn fractions(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from((state >> 33) % 1001).unwrap()) / 1000.0
        }
    }

    #[test]
    fn spans_agree_with_every_pair_of_bins() {
        let mut next = fractions(1);
        for _ in 0..300 {
            let (a, b) = (next(), next());
            let span = [a.min(b), a.max(b)];
            let mut best = 0.0_f64;
            for start in 0..=99 {
                for end in start..=99 {
                    let bins = [f64::from(start) / 99.0, f64::from(end) / 99.0];
                    best = best.max(span_iou(span, bins));
                }
            }
            let [nearest, bound] = span_bounds(span);
            assert!((bound - best).abs() < 1e-12, "{span:?}: {bound} and {best}");
            assert!(nearest <= bound + 1e-12);
        }
    }

    #[test]
    fn boxes_agree_with_all_bins_around() {
        let mut next = fractions(2);
        for round in 0..60 {
            let (a, b, c) = (next(), next(), next());
            let width = if round % 2 == 0 { 0.013 } else { next() };
            let (x1, x2) = (a.min(a + width).min(1.0), (a + width).min(1.0));
            let corners = [x1, b.min(c), x2, b.max(c)];
            let near = |value: f64| {
                let centre = (value * 99.0).round();
                (-4..=4).map(move |step| ((centre + f64::from(step)) / 99.0).clamp(0.0, 1.0))
            };
            let mut best = 0.0_f64;
            for left in near(corners[0]) {
                for top in near(corners[1]) {
                    for right in near(corners[2]).filter(|right| *right >= left) {
                        for bottom in near(corners[3]).filter(|bottom| *bottom >= top) {
                            best = best.max(box_iou(corners, [left, top, right, bottom]));
                        }
                    }
                }
            }
            let [nearest, bound] = box_bounds(corners);
            assert!((bound - best).abs() < 1e-12, "{corners:?}: {bound}, {best}");
            assert!(nearest <= bound + 1e-12);
        }
    }

    #[test]
    fn boxes_agree_with_every_choice_of_bins() {
        let sides = || (0..=99).flat_map(|from| (from..=99).map(move |to| [from, to]));
        for corners in [[0.004, 0.513, 0.021, 0.527], [0.125, 0.3, 0.618, 0.995]] {
            let mut best = 0.0_f64;
            for [left, right] in sides() {
                for [top, bottom] in sides() {
                    let bins = [left, top, right, bottom].map(|bin| f64::from(bin) / 99.0);
                    best = best.max(box_iou(corners, bins));
                }
            }
            let [_, bound] = box_bounds(corners);
            assert!((bound - best).abs() < 1e-12, "{corners:?}: {bound}, {best}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "0 and 1 are exact here")]
    fn a_bin_is_kept_and_nothing_is_lost_on_nothing() {
        assert_eq!(span_bounds([0.0, 1.0]), [1.0, 1.0]);
        assert_eq!(span_bounds([0.5, 0.5])[1], 0.0);
        // 0.010 lies between bins 0 and 1 (1/99 = 0.0101…), 0.015 too: nearest gives no length at all.
        let [nearest, best] = span_bounds([0.008, 0.012]);
        assert_eq!(nearest, 0.0);
        assert!(best > 0.15);
    }

    #[test]
    fn axes_count_edges_and_grid() {
        let mut axis = AxisCounts::default();
        for value in [0.0, 1.0, 1.0, 0.25, 0.250_4, -0.1, 1.2, 0.999] {
            axis.add(value);
        }
        assert_eq!((axis.zeros(), axis.ones(), axis.outside), (1, 2, 2));
        assert_eq!((axis.distinct(), axis.finer, axis.count), (4, 1, 8));
        assert_eq!(axis.bins()[99], 3);
    }
}
