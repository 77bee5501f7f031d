//! Planar YUV 4:2:0 to RGB, bit for bit as swscale's x86 code without scaling does it (the path that decord, `PyAV` and
//! the ffmpeg program take at their defaults).
//!
//! The arithmetic is 16-bit fixed point: `y' = (8y - 128) * cy >> 16` and so on, saturating, chroma repeated for its
//! 2x2 pixels. Written as plain integer code it gives the same bytes on every machine.

#![expect(
    clippy::inline_always,
    reason = "the loops must be compiled within the caller's vector instructions, and are clearest by index"
)]

use ffmpeg_next::util::color::Space;

/// Fixed-point factors of one matrix and range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct YuvToRgb {
    luma_offset: i16,
    luma: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

/// Rows of the three colours of one picture row.
pub(crate) struct PlanarRow<'a> {
    pub(crate) red: &'a mut [u8],
    pub(crate) green: &'a mut [u8],
    pub(crate) blue: &'a mut [u8],
}

/// swscale's table of 16.16 factors (v to red, u to blue, u to green, v to green) for a colour space.
pub(crate) fn matrix(space: Space) -> [i32; 4] {
    match space {
        Space::BT709 => [117_489, 138_438, 13_975, 34_925],
        Space::FCC => [104_448, 132_798, 24_759, 53_109],
        Space::SMPTE240M => [117_579, 136_230, 16_907, 35_559],
        Space::BT2020NCL | Space::BT2020CL => [110_013, 140_363, 12_277, 42_626],
        _ => [104_597, 132_201, 25_675, 53_279],
    }
}

impl YuvToRgb {
    /// Factors for a 16.16 table and range.
    pub(crate) fn new(table: [i32; 4], full_range: bool) -> Self {
        let scale = |v: i32| i64::from(v) * if full_range { 224 } else { 255 } / 255;
        let (luma, offset) = if full_range {
            (1 << 16, 0)
        } else {
            ((255 << 16) / 219, 16 << 16)
        };
        Self {
            luma_offset: round_16(offset << 3),
            luma: round_16(luma << 13),
            red_v: round_16(scale(table[0]) << 13),
            blue_u: round_16(scale(table[1]) << 13),
            green_u: round_16(scale(-table[2]) << 13),
            green_v: round_16(scale(-table[3]) << 13),
        }
    }

    /// Converts one row of `out.red.len()` pixels. `y` has as many samples, `u` and `v` half as many, rounded up.
    #[inline(always)]
    pub(crate) fn row(
        self,
        y: &[u8],
        u: &[u8],
        v: &[u8],
        chroma: &mut ChromaRow,
        out: PlanarRow<'_>,
    ) {
        let width = out.red.len();
        chroma.fill(self, &u[..width.div_ceil(2)], &v[..width.div_ceil(2)]);
        let PlanarRow { red, green, blue } = out;
        let y = &y[..width];
        let (red, green, blue) = (&mut red[..width], &mut green[..width], &mut blue[..width]);
        let (add_red, add_green, add_blue) = (
            &chroma.red[..width],
            &chroma.green[..width],
            &chroma.blue[..width],
        );
        for i in 0..width {
            let luma = multiply_high((i16::from(y[i]) << 3) - self.luma_offset, self.luma);
            red[i] = saturate(luma + add_red[i]);
            green[i] = saturate(luma + add_green[i]);
            blue[i] = saturate(luma + add_blue[i]);
        }
    }
}

/// What the chroma of one row adds to the three colours, one value a pixel. Reused from row to row.
#[derive(Debug, Default)]
pub(crate) struct ChromaRow {
    red: Vec<i16>,
    green: Vec<i16>,
    blue: Vec<i16>,
}

impl ChromaRow {
    #[inline(always)]
    fn fill(&mut self, factors: YuvToRgb, u: &[u8], v: &[u8]) {
        let pixels = 2 * u.len();
        for plane in [&mut self.red, &mut self.green, &mut self.blue] {
            plane.resize(pixels, 0);
        }
        let (red, green, blue) = (
            &mut self.red[..pixels],
            &mut self.green[..pixels],
            &mut self.blue[..pixels],
        );
        for i in 0..u.len().min(v.len()) {
            let (u, v) = ((i16::from(u[i]) << 3) - 1024, (i16::from(v[i]) << 3) - 1024);
            let add_red = multiply_high(v, factors.red_v);
            let add_green = multiply_high(u, factors.green_u) + multiply_high(v, factors.green_v);
            let add_blue = multiply_high(u, factors.blue_u);
            (red[2 * i], red[2 * i + 1]) = (add_red, add_red);
            (green[2 * i], green[2 * i + 1]) = (add_green, add_green);
            (blue[2 * i], blue[2 * i + 1]) = (add_blue, add_blue);
        }
    }
}

#[inline(always)]
fn multiply_high(a: i16, b: i16) -> i16 {
    // The high half of a 16x16-bit product fits 16 bits.
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

#[inline(always)]
fn saturate(value: i16) -> u8 {
    #[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
    let byte = value.clamp(0, 255) as u8;
    byte
}

fn round_16(value: i64) -> i16 {
    let rounded = (value + (1 << 15)) >> 16;
    i16::try_from(rounded).unwrap_or(if rounded < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(space: Space, full: bool, luma: u8, u: u8, v: u8) -> [u8; 3] {
        let (mut red, mut green, mut blue) = ([0], [0], [0]);
        let out = PlanarRow {
            red: &mut red,
            green: &mut green,
            blue: &mut blue,
        };
        YuvToRgb::new(matrix(space), full).row(&[luma], &[u], &[v], &mut ChromaRow::default(), out);
        [red[0], green[0], blue[0]]
    }

    #[test]
    fn black_white_and_red_of_both_ranges() {
        assert_eq!(one(Space::Unspecified, false, 16, 128, 128), [0, 0, 0]);
        assert_eq!(
            one(Space::Unspecified, false, 235, 128, 128),
            [255, 255, 255]
        );
        assert_eq!(one(Space::Unspecified, true, 0, 128, 128), [0, 0, 0]);
        let [r, g, b] = one(Space::Unspecified, false, 81, 90, 240);
        assert!(r >= 252 && g <= 2 && b <= 2, "{r} {g} {b}");
        let [r, g, b] = one(Space::BT709, false, 63, 102, 240);
        assert!(r >= 252 && g <= 2 && b <= 2, "{r} {g} {b}");
    }
}
