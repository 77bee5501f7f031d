//! Pillow's 8-bit bicubic resize, bit for bit: antialiased, horizontal pass first, each pass rounded to 8 bits.
//!
//! The filter is the cubic convolution kernel with a = -0.5, stretched by the shrink factor; weights are fixed point
//! with 22 fractional bits, as in Pillow's `Resample.c`.

#![expect(
    clippy::inline_always,
    reason = "the loops must be compiled within the caller's vector instructions, and are clearest by index"
)]

use pulp::{Arch, Simd, WithSimd};
use st_schema::Frames;

use crate::color::PlanarRow;

/// Fractional bits of a weight.
const PRECISION: u32 = 22;
/// Rows that are filtered side by side in the horizontal pass, and columns in the vertical one.
const BLOCK: usize = 16;

/// How the colours of a picture lie in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// `[height, width, 3]`
    Pixels,
    /// `[3, height, width]`
    Planes,
}

/// The taps of all outputs along one axis.
#[derive(Debug)]
struct Taps {
    /// First input and number of inputs for each output.
    bounds: Vec<(usize, usize)>,
    /// Weights of all outputs one after the other, `stride` for each.
    weights: Vec<i32>,
    stride: usize,
}

impl Taps {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "picture sides are far below 2^52 and positions are clamped to them, as in Pillow"
    )]
    fn new(input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        let filter_scale = scale.max(1.0);
        let support = 2.0 * filter_scale;
        let stride = support.ceil() as usize * 2 + 1;
        let mut bounds = Vec::with_capacity(output);
        let mut weights = vec![0; output * stride];
        for at in 0..output {
            let center = (at as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let last = ((center + support + 0.5) as usize).min(input);
            let inverse = 1.0 / filter_scale;
            let raw: Vec<f64> = (first..last)
                .map(|x| bicubic((x as f64 - center + 0.5) * inverse))
                .collect();
            let sum: f64 = raw.iter().sum();
            for (weight, value) in weights[at * stride..].iter_mut().zip(&raw) {
                let value = if sum == 0.0 { *value } else { value / sum };
                let rounding = if value < 0.0 { -0.5 } else { 0.5 };
                *weight = (rounding + value * f64::from(1 << PRECISION)) as i32;
            }
            bounds.push((first, last - first));
        }
        Self {
            bounds,
            weights,
            stride,
        }
    }

    fn of(&self, at: usize) -> (usize, &[i32]) {
        let (first, count) = self.bounds[at];
        (
            first,
            &self.weights[at * self.stride..at * self.stride + count],
        )
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[inline(always)]
fn round(sum: i32) -> u8 {
    #[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
    let byte = (sum >> PRECISION).clamp(0, 255) as u8;
    byte
}

/// Resizes pictures of one size to another; weights and buffers are kept from picture to picture.
#[derive(Debug)]
pub struct Resizer {
    input: (usize, usize),
    output: (usize, usize),
    horizontal: Taps,
    vertical: Taps,
    /// `[3][BLOCK][input width]`: rows as they come.
    rows: Vec<u8>,
    /// `[input width][BLOCK]`: one colour of a block, turned.
    turned: Vec<u8>,
    /// `[output width][BLOCK]`: the same, filtered.
    filtered: Vec<u8>,
    /// `[3][input height][output width]`.
    narrow: Vec<u8>,
    /// `[3][output width]`: a finished row.
    finished: Vec<u8>,
    arch: Arch,
}

impl Resizer {
    /// Prepares the weights. Sizes are (width, height) in pixels.
    ///
    /// # Panics
    /// When a side is 0.
    #[must_use]
    pub fn new(input: (u32, u32), output: (u32, u32)) -> Self {
        let wide = |(w, h): (u32, u32)| {
            assert!(w > 0 && h > 0, "a picture of {w}x{h} cannot be resized");
            (w as usize, h as usize)
        };
        let (input, output) = (wide(input), wide(output));
        Self {
            input,
            output,
            horizontal: Taps::new(input.0, output.0),
            vertical: Taps::new(input.1, output.1),
            rows: vec![0; 3 * BLOCK * input.0],
            turned: vec![0; BLOCK * input.0],
            filtered: vec![0; BLOCK * output.0],
            narrow: vec![0; 3 * input.1 * output.0],
            finished: vec![0; 3 * output.0],
            arch: Arch::new(),
        }
    }

    /// The (width, height) of the pictures that go in.
    #[must_use]
    pub fn input(&self) -> (usize, usize) {
        self.input
    }

    /// Resizes one RGB picture, `[height, width, 3]` in and out. `out` is appended to.
    ///
    /// # Panics
    /// When `rgb` does not have the input's size.
    pub fn rgb(&mut self, rgb: &[u8], out: &mut Vec<u8>) {
        self.rgb_as(Order::Pixels, rgb, out);
    }

    /// As [`Resizer::rgb`], with the result in `order`.
    pub(crate) fn rgb_as(&mut self, order: Order, rgb: &[u8], out: &mut Vec<u8>) {
        let width = self.input.0;
        assert_eq!(
            rgb.len(),
            3 * width * self.input.1,
            "the picture is not of the stated size"
        );
        self.planar(order, out, |y, row| {
            for (x, pixel) in rgb[3 * width * y..3 * width * (y + 1)]
                .chunks_exact(3)
                .enumerate()
            {
                row.red[x] = pixel[0];
                row.green[x] = pixel[1];
                row.blue[x] = pixel[2];
            }
        });
    }

    /// Resizes a picture whose rows are written by `fill(y, row)`; called once for each row, from the top.
    pub(crate) fn planar(
        &mut self,
        order: Order,
        out: &mut Vec<u8>,
        fill: impl FnMut(usize, PlanarRow<'_>),
    ) {
        let arch = self.arch;
        arch.dispatch(Resize {
            resizer: self,
            order,
            fill,
            out,
        });
    }

    #[inline(always)]
    fn shrink_rows(&mut self, fill: &mut impl FnMut(usize, PlanarRow<'_>)) {
        let (width, height) = self.input;
        for top in (0..height).step_by(BLOCK) {
            let rows = BLOCK.min(height - top);
            let (red, rest) = self.rows.split_at_mut(BLOCK * width);
            let (green, blue) = rest.split_at_mut(BLOCK * width);
            for row in 0..rows {
                let at = row * width..(row + 1) * width;
                let planar = PlanarRow {
                    red: &mut red[at.clone()],
                    green: &mut green[at.clone()],
                    blue: &mut blue[at],
                };
                fill(top + row, planar);
            }
            for color in 0..3 {
                self.shrink_block(color, top, rows);
            }
        }
    }

    /// Filters up to [`BLOCK`] rows of one colour along x, all rows side by side.
    #[inline(always)]
    fn shrink_block(&mut self, color: usize, top: usize, rows: usize) {
        let (width, height) = self.input;
        let out_width = self.output.0;
        let block = &self.rows[color * BLOCK * width..(color + 1) * BLOCK * width];
        turn(block, &mut self.turned, width);
        let (turned, _) = self.turned.as_chunks::<BLOCK>();
        let (filtered, _) = self.filtered.as_chunks_mut::<BLOCK>();
        for (x, filtered) in filtered.iter_mut().enumerate() {
            let (first, weights) = self.horizontal.of(x);
            let mut sums = [1 << (PRECISION - 1); BLOCK];
            for (weight, values) in weights.iter().zip(&turned[first..]) {
                for lane in 0..BLOCK {
                    sums[lane] += i32::from(values[lane]) * weight;
                }
            }
            for lane in 0..BLOCK {
                filtered[lane] = round(sums[lane]);
            }
        }
        let narrow = &mut self.narrow[color * height * out_width..][top * out_width..];
        let narrow = &mut narrow[..rows * out_width];
        let (whole, rest) = filtered.as_chunks::<BLOCK>();
        for (at, lanes) in whole.iter().enumerate() {
            for (row, values) in transpose(lanes).iter().take(rows).enumerate() {
                let start = row * out_width + at * BLOCK;
                narrow[start..start + BLOCK].copy_from_slice(values);
            }
        }
        for (at, lanes) in rest.iter().enumerate() {
            for (row, value) in lanes.iter().take(rows).enumerate() {
                narrow[row * out_width + whole.len() * BLOCK + at] = *value;
            }
        }
    }

    /// Filters along y and lays the colours as `order` says.
    #[inline(always)]
    fn finish(&mut self, order: Order, out: &mut Vec<u8>) {
        let height = self.input.1;
        let (out_width, out_height) = self.output;
        let start = out.len();
        out.resize(start + 3 * out_width * out_height, 0);
        let out = &mut out[start..];
        for y in 0..out_height {
            let (first, weights) = self.vertical.of(y);
            for color in 0..3 {
                let from = (color * height + first) * out_width;
                let rows = &self.narrow[from..from + weights.len() * out_width];
                let at = match order {
                    Order::Pixels => color * out_width,
                    Order::Planes => (color * out_height + y) * out_width,
                };
                let row = match order {
                    Order::Pixels => &mut self.finished[at..at + out_width],
                    Order::Planes => &mut out[at..at + out_width],
                };
                mix_rows(rows, weights, row);
            }
            if order == Order::Pixels {
                let (red, rest) = self.finished.split_at(out_width);
                let (green, blue) = rest.split_at(out_width);
                let at = 3 * out_width * y;
                for (x, pixel) in out[at..at + 3 * out_width].chunks_exact_mut(3).enumerate() {
                    pixel[0] = red[x];
                    pixel[1] = green[x];
                    pixel[2] = blue[x];
                }
            }
        }
    }
}

/// The weighted sum of `rows`, which lie one after the other and are as long as `out`; the sums of a block of columns stay in
/// registers.
#[inline(always)]
fn mix_rows(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    let width = out.len();
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let start = blocks.len() * BLOCK;
    for (at, block) in blocks.iter_mut().enumerate() {
        let mut sums = [1 << (PRECISION - 1); BLOCK];
        for (weight, row) in weights.iter().zip(rows.chunks_exact(width)) {
            let values = &row[at * BLOCK..(at + 1) * BLOCK];
            for lane in 0..BLOCK {
                sums[lane] += i32::from(values[lane]) * weight;
            }
        }
        for lane in 0..BLOCK {
            block[lane] = round(sums[lane]);
        }
    }
    for (x, value) in rest.iter_mut().enumerate() {
        let mut sum = 1 << (PRECISION - 1);
        for (weight, row) in weights.iter().zip(rows.chunks_exact(width)) {
            sum += i32::from(row[start + x]) * weight;
        }
        *value = round(sum);
    }
}

/// Lays the rows of a block side by side: `[BLOCK][width]` to `[width][BLOCK]`.
#[inline(always)]
fn turn(block: &[u8], turned: &mut [u8], width: usize) {
    let (turned, _) = turned.as_chunks_mut::<BLOCK>();
    let (whole, rest) = turned.as_chunks_mut::<BLOCK>();
    let start = whole.len() * BLOCK;
    for (at, turned) in whole.iter_mut().enumerate() {
        let mut square = [[0; BLOCK]; BLOCK];
        for (row, values) in square.iter_mut().zip(block.chunks_exact(width)) {
            row.copy_from_slice(&values[at * BLOCK..(at + 1) * BLOCK]);
        }
        *turned = transpose(&square);
    }
    for (row, values) in block.chunks_exact(width).enumerate() {
        for (lanes, value) in rest.iter_mut().zip(&values[start..]) {
            lanes[row] = *value;
        }
    }
}

/// Rows to columns, by laying the lower half between the upper four times.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(square: &[[u8; BLOCK]; BLOCK]) -> [[u8; BLOCK]; BLOCK] {
    use std::arch::x86_64::{__m128i, _mm_unpackhi_epi8, _mm_unpacklo_epi8};

    const HALF: usize = BLOCK / 2;
    let mut rows: [__m128i; BLOCK] = pulp::bytemuck::cast(*square);
    for _ in 0..BLOCK.ilog2() {
        let mut next = rows;
        for i in 0..HALF {
            #[expect(unsafe_code, reason = "the compiler does not find these two by itself")]
            // SAFETY: they take SSE2, which every x86-64 has.
            unsafe {
                next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + HALF]);
                next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + HALF]);
            }
        }
        rows = next;
    }
    pulp::bytemuck::cast(rows)
}

/// Rows to columns.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transpose(square: &[[u8; BLOCK]; BLOCK]) -> [[u8; BLOCK]; BLOCK] {
    let mut columns = [[0; BLOCK]; BLOCK];
    for (y, row) in square.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            columns[x][y] = *value;
        }
    }
    columns
}

/// One resize, compiled for each level of vector instructions.
struct Resize<'a, F> {
    resizer: &'a mut Resizer,
    order: Order,
    fill: F,
    out: &'a mut Vec<u8>,
}

impl<F: FnMut(usize, PlanarRow<'_>)> WithSimd for Resize<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        self.resizer.shrink_rows(&mut self.fill);
        self.resizer.finish(self.order, self.out);
    }
}

/// Resizes all frames to `width` x `height` pixels with Pillow's bicubic filter (no cropping, no padding).
///
/// # Panics
/// When a side is 0.
#[must_use]
pub fn resize(frames: &Frames, width: u32, height: u32) -> Frames {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sides of pictures fit 32 bits"
    )]
    let mut resizer = Resizer::new((frames.width as u32, frames.height as u32), (width, height));
    let mut rgb = Vec::with_capacity(frames.count * 3 * width as usize * height as usize);
    for frame in frames.rgb.chunks_exact(3 * frames.width * frames.height) {
        resizer.rgb(frame, &mut rgb);
    }
    Frames {
        count: frames.count,
        height: height as usize,
        width: width as usize,
        rgb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_makes_rows_columns() {
        let mut square = [[0; BLOCK]; BLOCK];
        for (at, value) in (0..=255).zip(square.as_flattened_mut()) {
            *value = at;
        }
        let columns = transpose(&square);
        for (y, row) in square.iter().enumerate() {
            for (x, value) in row.iter().enumerate() {
                assert_eq!(columns[x][y], *value);
            }
        }
    }

    #[test]
    fn planes_are_the_pixels_apart() {
        let rgb: Vec<u8> = (0..3 * 50 * 40_u32)
            .map(|i| (i * 89).to_le_bytes()[1])
            .collect();
        let (mut pixels, mut planes) = (Vec::new(), Vec::new());
        let mut resizer = Resizer::new((50, 40), (37, 52));
        resizer.rgb_as(Order::Pixels, &rgb, &mut pixels);
        resizer.rgb_as(Order::Planes, &rgb, &mut planes);
        let apart: Vec<u8> = (0..3)
            .flat_map(|color| pixels.iter().copied().skip(color).step_by(3))
            .collect();
        assert_eq!(planes, apart);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let rgb: Vec<u8> = (0..3 * 7 * 19)
            .map(|i: u32| (i * 37).to_le_bytes()[0])
            .collect();
        let mut out = Vec::new();
        Resizer::new((7, 19), (7, 19)).rgb(&rgb, &mut out);
        assert_eq!(out, rgb);
    }

    #[test]
    fn a_flat_picture_stays_flat_at_any_size() {
        let rgb = [200, 3, 77].repeat(31 * 17);
        for (w, h) in [(1, 1), (5, 40), (384, 384), (31, 3)] {
            let mut out = Vec::new();
            Resizer::new((31, 17), (w, h)).rgb(&rgb, &mut out);
            assert_eq!(out, [200, 3, 77].repeat((w * h) as usize), "{w}x{h}");
        }
    }

    #[test]
    fn weights_sum_to_one_and_edges_lose_taps() {
        let taps = Taps::new(640, 384);
        for at in 0..384 {
            let sum: i32 = taps.of(at).1.iter().sum();
            assert!(
                (sum - (1 << PRECISION)).abs() <= 8,
                "output {at} sums to {sum}"
            );
        }
        assert!(taps.of(0).1.len() < taps.of(100).1.len());
    }
}
