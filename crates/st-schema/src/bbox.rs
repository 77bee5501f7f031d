//! A bounding box as fractions of a picture.

use crate::{CoordinateError, Fraction, Pixels};

/// A box by its corners `x1, y1, x2, y2`, fractions of width and height, `x1 <= x2` and `y1 <= y2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BBox {
    corners: [Fraction; 4],
}

/// Why four numbers are not a box.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BBoxError {
    /// One corner is not a fraction.
    #[error("a box's corner is not a fraction")]
    Coordinate(#[from] CoordinateError),
    /// The second corner lies left of or above the first.
    #[error("the box {0:?} has its second corner left of or above its first")]
    Reversed([f64; 4]),
}

impl BBox {
    /// A box from its corners, fractions of width and height.
    ///
    /// # Errors
    /// When a number lies outside `[0, 1]` or a side would be negative. A side of zero is allowed.
    pub fn new(x1: f64, y1: f64, x2: f64, y2: f64) -> Result<Self, BBoxError> {
        let corners = [
            Fraction::new(x1)?,
            Fraction::new(y1)?,
            Fraction::new(x2)?,
            Fraction::new(y2)?,
        ];
        if x1 <= x2 && y1 <= y2 {
            Ok(Self { corners })
        } else {
            Err(BBoxError::Reversed([x1, y1, x2, y2]))
        }
    }

    /// A box given as `[x, y, width, height]` in pixels of a `width` x `height` picture; what sticks out is cut off.
    ///
    /// # Errors
    /// When the picture has no extent, a number is not finite, or a side is negative.
    pub fn of_xywh(xywh: [Pixels; 4], width: Pixels, height: Pixels) -> Result<Self, BBoxError> {
        let [x, y, w, h] = xywh.map(|pixels| pixels.0);
        let clipped = |position: f64, extent: Pixels| -> Result<f64, CoordinateError> {
            if !position.is_finite() {
                return Err(CoordinateError::NotFinite(position));
            }
            Ok(Fraction::of_pixels(Pixels(position.clamp(0.0, extent.0.max(0.0))), extent)?.get())
        };
        Self::new(
            clipped(x, width)?,
            clipped(y, height)?,
            clipped(x + w, width)?,
            clipped(y + h, height)?,
        )
    }

    /// Left side.
    #[must_use]
    pub const fn x1(self) -> f64 {
        self.corners[0].get()
    }

    /// Top side.
    #[must_use]
    pub const fn y1(self) -> f64 {
        self.corners[1].get()
    }

    /// Right side.
    #[must_use]
    pub const fn x2(self) -> f64 {
        self.corners[2].get()
    }

    /// Bottom side.
    #[must_use]
    pub const fn y2(self) -> f64 {
        self.corners[3].get()
    }

    /// `[x1, y1, x2, y2]`.
    #[must_use]
    pub fn to_array(self) -> [f64; 4] {
        self.corners.map(Fraction::get)
    }

    /// Width times height, a fraction of the picture.
    #[must_use]
    pub fn area(self) -> f64 {
        (self.x2() - self.x1()) * (self.y2() - self.y1())
    }

    /// All corners rounded to the three decimals of the format.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self {
            corners: self.corners.map(Fraction::rounded),
        }
    }
}
