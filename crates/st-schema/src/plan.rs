//! Which frames are taken from a clip.

use serde::{Deserialize, Serialize};

/// The reference frame plan: `frames` frames spread evenly over a clip, both ends included.
///
/// `index(i) = a + round_half_even(i / (N - 1) * (b - a))` for `i = 0..N-1` and the clip `[a, b]` in presentation order.
/// The decoder, the input encoder and the scorer share it, so that they agree on which frame a time bin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FramePlan {
    /// N, how many frames are taken. Clips shorter than that give repeated frames.
    pub frames: usize,
}

impl FramePlan {
    /// The published plan, 100 frames (`fast_frame_num` in the original's `llava/model/llava_arch.py`).
    pub const REFERENCE: Self = Self { frames: 100 };

    /// The frames taken from the clip `[first, last]`, both inclusive.
    ///
    /// One frame takes `first`, where the original divides by zero. A reversed clip gives falling indices, as in the
    /// original; rule `split-order` refuses such records.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "frame numbers are far below 2^53 and the sum lies between first and last"
    )]
    pub fn indices(self, first: u64, last: u64) -> Vec<u64> {
        let (first, last) = (first as f64, last as f64);
        (0..self.frames)
            .map(|i| (first + round_half_even(self.fraction(i) * (last - first))) as u64)
            .collect()
    }

    /// Where in the clip frame `index` of the plan lies: `i / (N - 1)`, and 0 in a plan of one frame.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "plans have far fewer than 2^53 frames"
    )]
    pub fn fraction(self, index: usize) -> f64 {
        if self.frames < 2 {
            0.0
        } else {
            index as f64 / (self.frames - 1) as f64
        }
    }
}

impl Default for FramePlan {
    fn default() -> Self {
        Self::REFERENCE
    }
}

/// Rounds to the nearest whole number, ties to the even one, as Python's `round` does.
#[must_use]
pub fn round_half_even(value: f64) -> f64 {
    value.round_ties_even()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_included_and_one_frame_is_defined() {
        assert_eq!(FramePlan { frames: 3 }.indices(10, 20), [10, 15, 20]);
        // 1/2 * 5 = 2.5 goes to the even 2.
        assert_eq!(FramePlan { frames: 3 }.indices(0, 5), [0, 2, 5]);
        assert_eq!(FramePlan { frames: 1 }.indices(7, 20), [7]);
        assert!(FramePlan { frames: 0 }.indices(7, 20).is_empty());
        assert_eq!(FramePlan { frames: 3 }.indices(20, 10), [20, 15, 10]);
    }
}
