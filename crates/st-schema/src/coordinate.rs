//! Units that do not mix: seconds, frames, pixels, fractions, bins.

use serde::{Deserialize, Serialize};

/// A time in seconds from the start of the media file.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

/// A frame's number in presentation order, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameIndex(pub u64);

/// A distance in pixels of the original picture.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pixels(pub f64);

/// A position in `[0, 1]`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Fraction(f64);

/// Why a number is not a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CoordinateError {
    /// NaN or infinite.
    #[error("a coordinate must be a finite number, not {0}")]
    NotFinite(f64),
    /// Outside `[0, 1]`.
    #[error("{0} lies outside [0, 1]")]
    OutOfRange(f64),
    /// A bin number of 100 or more.
    #[error("bin {0} does not exist: bins go from 0 to 99")]
    NoSuchBin(u64),
    /// A clip or picture of no extent cannot hold a fraction.
    #[error("the extent {0} must be above zero")]
    NoExtent(f64),
}

impl Fraction {
    /// The start of an axis.
    pub const ZERO: Self = Self(0.0);
    /// The end of an axis.
    pub const ONE: Self = Self(1.0);

    /// Checks that `value` lies in `[0, 1]`.
    ///
    /// # Errors
    /// When the number is not finite or lies outside.
    pub fn new(value: f64) -> Result<Self, CoordinateError> {
        if !value.is_finite() {
            Err(CoordinateError::NotFinite(value))
        } else if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(CoordinateError::OutOfRange(value))
        }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Rounded to the three decimals that the format stores, as Python's `round(x, 3)` does.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self(round3(self.0))
    }

    /// A time in a file of `duration` seconds.
    ///
    /// # Errors
    /// When the duration is not above zero or the time lies outside the file.
    pub fn of_seconds(time: Seconds, duration: Seconds) -> Result<Self, CoordinateError> {
        Self::of_extent(time.0, duration.0)
    }

    /// A frame of the clip `[first, last]` (both inclusive): `(frame - first) / (last - first)`, and 0 for a clip of one frame.
    ///
    /// # Errors
    /// When the frame lies outside the clip.
    pub fn of_frame(
        frame: FrameIndex,
        [first, last]: [FrameIndex; 2],
    ) -> Result<Self, CoordinateError> {
        let offset = signed_difference(frame.0, first.0);
        if first == last && frame == first {
            return Ok(Self::ZERO);
        }
        Self::of_extent(offset, signed_difference(last.0, first.0))
    }

    /// A position in a picture of `extent` pixels.
    ///
    /// # Errors
    /// When the extent is not above zero or the position lies outside.
    pub fn of_pixels(position: Pixels, extent: Pixels) -> Result<Self, CoordinateError> {
        Self::of_extent(position.0, extent.0)
    }

    fn of_extent(position: f64, extent: f64) -> Result<Self, CoordinateError> {
        if extent > 0.0 && extent.is_finite() {
            Self::new(position / extent)
        } else {
            Err(CoordinateError::NoExtent(extent))
        }
    }
}

impl TryFrom<f64> for Fraction {
    type Error = CoordinateError;

    fn try_from(value: f64) -> Result<Self, CoordinateError> {
        Self::new(value)
    }
}

impl From<Fraction> for f64 {
    fn from(fraction: Fraction) -> Self {
        fraction.0
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "frame numbers are far below 2^53"
)]
fn signed_difference(a: u64, b: u64) -> f64 {
    if a >= b {
        (a - b) as f64
    } else {
        -((b - a) as f64)
    }
}

/// Rounds to three decimals exactly as Python's `round(x, 3)`: on the double's exact value, ties to even.
#[must_use]
pub fn round3(value: f64) -> f64 {
    if value.is_finite() {
        // The formatter works on the exact binary value and breaks exact ties to even, as CPython's dtoa does.
        format!("{value:.3}").parse().unwrap_or(value)
    } else {
        value
    }
}

/// One of the 100 coordinate tokens of an axis; token `k` means the fraction `k / 99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Bin(u8);

impl Bin {
    /// Tokens on each axis (the size of `temporal_input_embeddings` and its siblings in the original's `llava/model/llava_arch.py`).
    pub const COUNT: usize = 100;
    /// The highest bin's number.
    pub const LAST: u8 = 99;
    /// Bin 0.
    pub const FIRST: Self = Self(0);

    /// The bin with this number.
    ///
    /// # Errors
    /// When the number is above 99.
    pub fn new(number: u64) -> Result<Self, CoordinateError> {
        match u8::try_from(number) {
            Ok(small) if small <= Self::LAST => Ok(Self(small)),
            _ => Err(CoordinateError::NoSuchBin(number)),
        }
    }

    /// The bin's number, 0 to 99.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The position that the bin stands for when the model writes it: `k / 99`.
    #[must_use]
    pub fn fraction(self) -> Fraction {
        Fraction(f64::from(self.0) / f64::from(Self::LAST))
    }

    /// The bin nearest to a position; a position exactly between two goes to the even one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction's position is 0 to 99"
    )]
    pub fn nearest(value: Fraction) -> Self {
        Self((value.0 * f64::from(Self::LAST)).round_ties_even() as u8)
    }
}

impl TryFrom<u8> for Bin {
    type Error = CoordinateError;

    fn try_from(value: u8) -> Result<Self, CoordinateError> {
        Self::new(u64::from(value))
    }
}

impl From<Bin> for u8 {
    fn from(bin: Bin) -> Self {
        bin.0
    }
}

/// Where a fraction lies among the bins: `p = 99 v`, between `floor(p)` and `ceil(p)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinPosition {
    /// `floor(p)`.
    pub low: Bin,
    /// `ceil(p)`; the same bin as `low` when the position is exact.
    pub high: Bin,
    /// The share of `high`, `p - floor(p)`, in `[0, 1)`.
    pub weight: f64,
}

impl BinPosition {
    /// The two bins around `value` and the weight of the upper one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction's position is 0 to 99"
    )]
    pub fn of(value: Fraction) -> Self {
        let position = value.0 * f64::from(Bin::LAST);
        let low = position.floor();
        Self {
            low: Bin(low as u8),
            high: Bin(position.ceil() as u8),
            weight: position - low,
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers must be met to the bit")]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_python_does() {
        // Python 3.11: round(0.0005, 3) == 0.001 (its double is above the tie), round(2.0625, 3) == 2.062 (an exact tie).
        for (value, expected) in [
            (0.0005, 0.001),
            (2.0625, 2.062),
            (0.1235, 0.123),
            (0.2675, 0.268),
            (-0.0625, -0.062),
        ] {
            assert_eq!(round3(value), expected, "{value}");
        }
        assert!(round3(f64::NAN).is_nan());
    }

    #[test]
    fn bins_hold_their_ends() {
        let end = BinPosition::of(Fraction::ONE);
        assert_eq!(
            (end.low.number(), end.high.number(), end.weight),
            (99, 99, 0.0)
        );
        let half = BinPosition::of(Fraction::new(0.5).unwrap());
        assert_eq!(
            (half.low.number(), half.high.number(), half.weight),
            (49, 50, 0.5)
        );
        assert!(Bin::new(100).is_err());
        assert_eq!(Bin::new(99).unwrap().fraction(), Fraction::ONE);
    }

    #[test]
    fn fractions_of_clips() {
        let clip = [FrameIndex(10), FrameIndex(20)];
        assert_eq!(Fraction::of_frame(FrameIndex(15), clip).unwrap().get(), 0.5);
        assert!(Fraction::of_frame(FrameIndex(9), clip).is_err());
        assert_eq!(
            Fraction::of_frame(FrameIndex(7), [FrameIndex(7); 2]).unwrap(),
            Fraction::ZERO
        );
        assert!(Fraction::of_seconds(Seconds(1.0), Seconds(0.0)).is_err());
        assert!(Fraction::new(f64::NAN).is_err());
    }
}
