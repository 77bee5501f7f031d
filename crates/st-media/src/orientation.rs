//! How a decoded picture has to be turned or mirrored before it is shown.

use serde::{Deserialize, Serialize};

/// One of the eight ways to lay a rectangle on itself: displayed = matrix · stored, in pixels with y downwards.
///
/// A display matrix with any other angle than a multiple of 90° counts as upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orientation {
    /// Whether width and height change places.
    transpose: bool,
    /// Whether x runs backwards after the transposition.
    mirror_x: bool,
    /// Whether y runs backwards after the transposition.
    mirror_y: bool,
}

impl Orientation {
    /// Reads the display matrix of ISO/IEC 14496-12 (nine 32-bit numbers in native order, as FFmpeg keeps it).
    pub(crate) fn from_display_matrix(bytes: &[u8]) -> Self {
        let cell = |i: usize| -> i32 {
            bytes
                .get(4 * i..4 * i + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, i32::from_ne_bytes)
        };
        // Row vectors: x' = a x + c y, y' = b x + d y.
        let (a, b, c, d) = (cell(0), cell(1), cell(3), cell(4));
        if a == 0 && d == 0 && b != 0 && c != 0 {
            Self {
                transpose: true,
                mirror_x: c < 0,
                mirror_y: b < 0,
            }
        } else if b == 0 && c == 0 {
            Self {
                transpose: false,
                mirror_x: a < 0,
                mirror_y: d < 0,
            }
        } else {
            Self::default()
        }
    }

    /// Whether the picture is shown as it is stored.
    #[must_use]
    pub fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// The displayed width and height of a stored picture.
    #[must_use]
    pub fn displayed(self, width: u32, height: u32) -> (u32, u32) {
        if self.transpose {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Turns an RGB picture (`[height, width, 3]`, row by row) as it is displayed.
    pub(crate) fn apply(self, rgb: &[u8], width: usize, height: usize) -> Vec<u8> {
        let (out_width, out_height) = if self.transpose {
            (height, width)
        } else {
            (width, height)
        };
        let mut out = Vec::with_capacity(rgb.len());
        for y in 0..out_height {
            for x in 0..out_width {
                let x = if self.mirror_x { out_width - 1 - x } else { x };
                let y = if self.mirror_y { out_height - 1 - y } else { y };
                let (source_x, source_y) = if self.transpose { (y, x) } else { (x, y) };
                let at = 3 * (source_y * width + source_x);
                out.extend_from_slice(&rgb[at..at + 3]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Vec<u8> {
        [a, b, 0, c, d, 0, 0, 0, 1 << 30]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect()
    }

    #[test]
    fn a_quarter_turn_clockwise_moves_the_left_column_to_the_top() {
        let turn = Orientation::from_display_matrix(&matrix(0, 1 << 16, -(1 << 16), 0));
        assert_eq!(turn.displayed(2, 3), (3, 2));
        // Pixels a b / c d / e f become e c a / f d b.
        let picture: Vec<u8> = b"abcdef".iter().flat_map(|p| [*p; 3]).collect();
        let turned: Vec<u8> = turn.apply(&picture, 2, 3).chunks(3).map(|p| p[0]).collect();
        assert_eq!(turned, b"ecafdb");
    }

    #[test]
    fn odd_angles_and_missing_matrices_are_upright() {
        assert!(
            Orientation::from_display_matrix(&matrix(40_000, 40_000, -40_000, 40_000)).is_upright()
        );
        assert!(Orientation::from_display_matrix(&[]).is_upright());
    }
}
