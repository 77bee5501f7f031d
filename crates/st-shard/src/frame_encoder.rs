//! Baseline JPEG, many blocks side by side.
//!
//! The bytes are those that the crate `jpeg-encoder` gives for the same frame (4:2:0 with averaged chroma, libjpeg's integer
//! cosine transform, fixed Huffman tables); that crate also supplies header and tables, and a test holds every kind of picture
//! against it. Ours is for speed, as transform and quantization run on eight blocks at once and only coefficients that are not zero
//! are coded one by one; and for equal bytes on every machine: that crate's feature `simd` rounds two of the transform's
//! coefficients in another way than its portable code (0.7.1).

#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "the loops must be compiled within the caller's vector instructions; samples and coefficients fit 16 bits"
)]

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pulp::{Arch, Simd, WithSimd};

use crate::ShardError;

/// Blocks that are transformed side by side.
const LANES: usize = 8;
/// Side of a block.
const SIDE: usize = 8;
/// One value of each of the blocks in hand.
type Lane = [i32; LANES];
/// The quantized coefficients of one block in zigzag order.
type Block = [i16; SIDE * SIDE];

/// Where coefficient `i` of the zigzag order stands in its block (ITU-T T.81, figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Encodes RGB frames of one size; tables and buffers are kept from frame to frame.
#[derive(Debug)]
pub struct FrameEncoder {
    width: usize,
    height: usize,
    /// Everything before the first coded bit.
    header: Vec<u8>,
    /// Luma, chroma.
    tables: [Tables; 2],
    /// Sixteen rows of luma, eight of each chroma, centred on 0.
    planes: [Vec<i16>; 3],
    /// Two rows of chroma at full width, from 0 to 255.
    chroma: [Vec<i16>; 2],
    /// The coefficients of the planes.
    blocks: [Vec<Block>; 3],
    arch: Arch,
}

impl FrameEncoder {
    /// Prepares the tables for frames of `width` x `height` pixels; `quality` is 1 to 100 on libjpeg's scale.
    ///
    /// # Errors
    /// When a side is 0 or above 65535.
    pub fn new(width: u32, height: u32, quality: u8) -> Result<Self, ShardError> {
        let side = |side: u32| {
            let fits = u16::try_from(side).ok().filter(|side| *side > 0);
            fits.ok_or_else(|| ShardError::Jpeg(format!("a side of {side} pixels")))
        };
        let sides = (side(width)?, side(height)?);
        let mut header = Vec::new();
        let mut encoder = Encoder::new(&mut header, quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder
            .encode(&[0; 3], 1, 1, ColorType::Rgb)
            .map_err(|error| ShardError::Jpeg(error.to_string()))?;
        let tables = read_header(&mut header, sides)
            .ok_or_else(|| ShardError::Jpeg("the encoder's header is not understood".into()))?;
        let (width, height) = (usize::from(sides.0), usize::from(sides.1));
        // Whole groups of blocks, so that no lane is ever outside.
        let wide = width.next_multiple_of(2 * SIDE * LANES);
        let blocks = wide / SIDE;
        Ok(Self {
            width,
            height,
            header,
            tables,
            planes: [16 * wide, SIDE * wide / 2, SIDE * wide / 2].map(|length| vec![0; length]),
            chroma: [vec![0; wide], vec![0; wide]],
            blocks: [2 * blocks, blocks / 2, blocks / 2].map(|count| vec![[0; 64]; count]),
            arch: Arch::new(),
        })
    }

    /// Encodes one frame, `[height, width, 3]`. The same frame gives the same bytes on any machine.
    ///
    /// # Errors
    /// When the buffer does not fit the size.
    pub fn encode(&mut self, rgb: &[u8]) -> Result<Vec<u8>, ShardError> {
        if rgb.len() != 3 * self.width * self.height {
            return Err(ShardError::Jpeg(format!(
                "a frame of {}x{} has {} bytes",
                self.width,
                self.height,
                rgb.len()
            )));
        }
        let mut bytes = Vec::with_capacity(rgb.len() / 6);
        bytes.extend_from_slice(&self.header);
        let arch = self.arch;
        let mut bits = Bits::new(bytes);
        arch.dispatch(Encode {
            encoder: self,
            rgb,
            bits: &mut bits,
        });
        Ok(bits.finish())
    }

    #[inline(always)]
    fn encode_rows(&mut self, rgb: &[u8], bits: &mut Bits) {
        let mut before = [0; 3];
        for top in (0..self.height).step_by(2 * SIDE) {
            self.fill_planes(rgb, top);
            let [luma, chroma] = &self.tables;
            let wide = self.planes[0].len() / 16;
            let [light, blue, red] = &self.planes;
            let [light_blocks, blue_blocks, red_blocks] = &mut self.blocks;
            let (upper, lower) = light_blocks.split_at_mut(wide / SIDE);
            transform(&light[..SIDE * wide], upper, luma);
            transform(&light[SIDE * wide..], lower, luma);
            transform(blue, blue_blocks, chroma);
            transform(red, red_blocks, chroma);
            for unit in 0..self.width.div_ceil(2 * SIDE) {
                for block in [
                    &upper[2 * unit],
                    &upper[2 * unit + 1],
                    &lower[2 * unit],
                    &lower[2 * unit + 1],
                ] {
                    bits.block(block, &mut before[0], luma);
                }
                bits.block(&blue_blocks[unit], &mut before[1], chroma);
                bits.block(&red_blocks[unit], &mut before[2], chroma);
            }
        }
    }

    /// Turns sixteen rows of pixels into luma and chroma; the last row and column are repeated beyond the picture.
    #[inline(always)]
    fn fill_planes(&mut self, rgb: &[u8], top: usize) {
        let (width, last) = (self.width, self.height - 1);
        let wide = self.planes[0].len() / 16;
        let row_of = |y: usize| {
            let start = 3 * width * y.min(last);
            rgb[start..start + 3 * width].as_chunks::<3>().0
        };
        let [luma, blue, red] = &mut self.planes;
        for (y, out) in luma.chunks_exact_mut(wide).enumerate() {
            weigh(row_of(top + y), [19_595, 38_470, 7471], -128, out);
        }
        for (plane, factors) in [
            (blue, [-11_059, -21_709, 32_768]),
            (red, [32_768, -27_439, -5329]),
        ] {
            for (y, out) in plane.chunks_exact_mut(wide / 2).enumerate() {
                for (half, full) in self.chroma.iter_mut().enumerate() {
                    weigh(row_of(top + 2 * y + half), factors, 128, full);
                }
                let [upper, lower] = &self.chroma;
                average(upper, lower, out);
            }
        }
    }
}

/// Weighted sums of the pixels' colours in 16.16 fixed point, rounded, and `offset`; the last is repeated to the row's end.
#[inline(always)]
fn weigh(pixels: &[[u8; 3]], factors: [i32; 3], offset: i32, out: &mut [i16]) {
    for (out, pixel) in out.iter_mut().zip(pixels) {
        let sum: i32 = (0..3).map(|i| i32::from(pixel[i]) * factors[i]).sum();
        *out = ((sum + (offset << 16) + 0x7fff) >> 16) as i16;
    }
    let edge = out[pixels.len() - 1];
    out[pixels.len()..].fill(edge);
}

/// Means of two by two values of 0 to 255, centred on 0, rounded down and up by turns as libjpeg does.
#[inline(always)]
fn average(upper: &[i16], lower: &[i16], out: &mut [i16]) {
    let (upper, lower) = (upper.as_chunks::<4>().0, lower.as_chunks::<4>().0);
    for ((out, a), b) in out.as_chunks_mut::<2>().0.iter_mut().zip(upper).zip(lower) {
        out[0] = ((a[0] + a[1] + b[0] + b[1] + 1) >> 2) - 128;
        out[1] = ((a[2] + a[3] + b[2] + b[3] + 2) >> 2) - 128;
    }
}

/// One frame, compiled for each level of vector instructions.
struct Encode<'a> {
    encoder: &'a mut FrameEncoder,
    rgb: &'a [u8],
    bits: &'a mut Bits,
}

impl WithSimd for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.encoder.encode_rows(self.rgb, self.bits);
    }
}

/// Transforms and quantizes eight rows of samples into one block after the other.
#[inline(always)]
fn transform(rows: &[i16], blocks: &mut [Block], tables: &Tables) {
    let wide = rows.len() / SIDE;
    for (group, blocks) in blocks.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut lanes = [[0; LANES]; 64];
        for (y, row) in rows.chunks_exact(wide).enumerate() {
            let from = &row[group * LANES * SIDE..(group + 1) * LANES * SIDE];
            let mut samples = [[0; SIDE]; LANES];
            for (samples, from) in samples.iter_mut().zip(from.as_chunks().0) {
                *samples = *from;
            }
            let turned = turn(&samples);
            let line: [Lane; SIDE] = turned.map(|lane| lane.map(i32::from));
            let line = cosines::<PASS_BITS>(&line, true);
            lanes[SIDE * y..SIDE * (y + 1)].copy_from_slice(&line);
        }
        for x in 0..SIDE {
            let column: [Lane; SIDE] = std::array::from_fn(|y| lanes[SIDE * y + x]);
            let column = cosines::<PASS_BITS>(&column, false);
            for y in 0..SIDE {
                lanes[SIDE * y + x] = column[y];
            }
        }
        for part in 0..SIDE {
            let quantized: [[i16; LANES]; SIDE] = std::array::from_fn(|i| {
                let at = SIDE * part + i;
                let (factor, half) = (tables.reciprocals[at], tables.corrections[at]);
                lanes[ZIGZAG[at]].map(|value| quantize(value, factor, half))
            });
            let turned = turn(&quantized);
            for (block, turned) in blocks.iter_mut().zip(turned) {
                block[SIDE * part..SIDE * (part + 1)].copy_from_slice(&turned);
            }
        }
    }
}

#[inline(always)]
fn quantize(value: i32, reciprocal: i32, correction: i32) -> i16 {
    let size = ((value.abs() + correction) * reciprocal) >> RECIPROCAL_BITS;
    (if value < 0 { -size } else { size }) as i16
}

/// Fractional bits of a reciprocal.
const RECIPROCAL_BITS: u32 = 15;

/// Rows to columns, by laying the upper half between the lower three times.
#[inline(always)]
fn turn(rows: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    let mut rows = *rows;
    for _ in 0..3 {
        let mut next = [[0; 8]; 8];
        for i in 0..4 {
            for at in 0..4 {
                next[2 * i][2 * at] = rows[i][at];
                next[2 * i][2 * at + 1] = rows[i + 4][at];
                next[2 * i + 1][2 * at] = rows[i][at + 4];
                next[2 * i + 1][2 * at + 1] = rows[i + 4][at + 4];
            }
        }
        rows = next;
    }
    rows
}

/// Fractional bits that the first pass leaves.
const PASS_BITS: i32 = 2;
/// Fractional bits of the factors below.
const FACTOR_BITS: i32 = 13;

/// `sqrt(2) cos(k pi / 16)` and sums of such, in 13 fractional bits: the rotations of Loeffler, Ligtenberg and Moschytz
/// ("Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989), rounded as libjpeg rounds them.
mod factor {
    pub(super) const C0_298: i32 = 2446;
    pub(super) const C0_390: i32 = 3196;
    pub(super) const C0_541: i32 = 4433;
    pub(super) const C0_765: i32 = 6270;
    pub(super) const C0_899: i32 = 7373;
    pub(super) const C1_175: i32 = 9633;
    pub(super) const C1_501: i32 = 12_299;
    pub(super) const C1_847: i32 = 15_137;
    pub(super) const C1_961: i32 = 16_069;
    pub(super) const C2_053: i32 = 16_819;
    pub(super) const C2_562: i32 = 20_995;
    pub(super) const C3_072: i32 = 25_172;
}

/// Eight samples of each block to eight cosine coefficients: the first pass (`rows`) gains `BITS` fractional bits, the second
/// takes them away again.
#[inline(always)]
fn cosines<const BITS: i32>(samples: &[Lane; SIDE], rows: bool) -> [Lane; SIDE] {
    let mut out = [[0; LANES]; SIDE];
    let round = |value: i32, bits: i32| (value + (1 << (bits - 1))) >> bits;
    let odd_bits = if rows {
        FACTOR_BITS - BITS
    } else {
        FACTOR_BITS + BITS
    };
    for lane in 0..LANES {
        let at = |i: usize| samples[i][lane];
        let sums: [i32; 4] = std::array::from_fn(|i| at(i) + at(7 - i));
        let [d0, d1, d2, d3] = std::array::from_fn(|i| at(i) - at(7 - i));

        let (outer, inner) = (sums[0] + sums[3], sums[1] + sums[2]);
        let (left, right) = (sums[0] - sums[3], sums[1] - sums[2]);
        let even = [outer + inner, outer - inner];
        [out[0][lane], out[4][lane]] = even.map(|value| {
            if rows {
                value << BITS
            } else {
                round(value, BITS)
            }
        });
        let both = (left + right) * factor::C0_541;
        out[2][lane] = round(both + left * factor::C0_765, odd_bits);
        out[6][lane] = round(both - right * factor::C1_847, odd_bits);

        let all = (d3 + d1 + d2 + d0) * factor::C1_175;
        let far = -(d3 + d0) * factor::C0_899;
        let near = -(d2 + d1) * factor::C2_562;
        let first = all - (d3 + d1) * factor::C1_961;
        let second = all - (d2 + d0) * factor::C0_390;
        out[7][lane] = round(d3 * factor::C0_298 + far + first, odd_bits);
        out[5][lane] = round(d2 * factor::C2_053 + near + second, odd_bits);
        out[3][lane] = round(d1 * factor::C3_072 + near + first, odd_bits);
        out[1][lane] = round(d0 * factor::C1_501 + far + second, odd_bits);
    }
    out
}

/// A Huffman code.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    bits: u32,
    length: u32,
}

/// What one kind of plane is quantized and coded with.
#[derive(Debug)]
struct Tables {
    /// In zigzag order: multiplying after adding the correction is dividing with rounding.
    reciprocals: [i32; 64],
    corrections: [i32; 64],
    /// For the difference of two means, by its number of bits.
    means: [Code; 256],
    /// For the others, by zeros before it and number of bits.
    others: [Code; 256],
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            reciprocals: [0; 64],
            corrections: [0; 64],
            means: [Code::default(); 256],
            others: [Code::default(); 256],
        }
    }
}

impl Tables {
    /// The transform's coefficients are eight times too large, and so are the divisors.
    fn set_divisors(&mut self, divisors: &[u8]) {
        for (at, divisor) in divisors.iter().take(64).enumerate() {
            let divisor = i32::from(*divisor).max(1) << 3;
            let (whole, rest) = (
                (1 << RECIPROCAL_BITS) / divisor,
                (1 << RECIPROCAL_BITS) % divisor,
            );
            let half = divisor / 2;
            // The error of the rounded reciprocal is put right by what is added before.
            (self.reciprocals[at], self.corrections[at]) = match rest {
                0 => (whole, half),
                rest if rest <= half => (whole, half + 1),
                _ => (whole + 1, half),
            };
        }
    }
}

/// Canonical codes from the numbers of codes of each length and their symbols (ITU-T T.81, annex C).
fn codes(counts: &[u8], symbols: &[u8]) -> [Code; 256] {
    let mut codes = [Code::default(); 256];
    let (mut bits, mut symbols) = (0, symbols.iter());
    for (count, length) in counts.iter().zip(1..) {
        for symbol in symbols.by_ref().take(usize::from(*count)) {
            codes[usize::from(*symbol)] = Code { bits, length };
            bits += 1;
        }
        bits <<= 1;
    }
    codes
}

/// Reads the tables out of a JPEG's header, writes `sides` into it and cuts what comes after it; `None` when it has another form.
fn read_header(jpeg: &mut Vec<u8>, sides: (u16, u16)) -> Option<[Tables; 2]> {
    const FRAME: u8 = 0xc0;
    const HUFFMAN: u8 = 0xc4;
    const SCAN: u8 = 0xda;
    const DIVISORS: u8 = 0xdb;
    let mut tables = [Tables::default(), Tables::default()];
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *jpeg.get(at..at + 4)?.first_chunk()? else {
            return None;
        };
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let body = jpeg.get_mut(at + 4..end)?;
        match (marker, body.first()?) {
            (FRAME, _) => {
                body.get_mut(1..3)?.copy_from_slice(&sides.1.to_be_bytes());
                body.get_mut(3..5)?.copy_from_slice(&sides.0.to_be_bytes());
            }
            (DIVISORS, which) => {
                let which = usize::from(*which);
                tables.get_mut(which)?.set_divisors(&body[1..]);
            }
            (HUFFMAN, which) => {
                let table = tables.get_mut(usize::from(which & 15))?;
                let codes = codes(body.get(1..17)?, body.get(17..)?);
                if which >> 4 == 0 {
                    table.means = codes;
                } else {
                    table.others = codes;
                }
            }
            (SCAN, _) => {
                jpeg.truncate(end);
                return Some(tables);
            }
            _ => {}
        }
        at = end;
    }
}

/// Coded bits on their way into bytes.
#[derive(Debug)]
struct Bits {
    bytes: Vec<u8>,
    buffer: u64,
    free: u32,
}

impl Bits {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            buffer: 0,
            free: 64,
        }
    }

    /// Appends the lowest `length` bits of `bits`, which has no others; at most 32.
    #[inline(always)]
    fn put(&mut self, bits: u32, length: u32) {
        if length <= self.free {
            // A buffer that is empty is never shifted by all its bits.
            self.buffer = (self.buffer << length) | u64::from(bits);
            self.free -= length;
            return;
        }
        let left = length - self.free;
        let full = (self.buffer << self.free) | (u64::from(bits) >> left);
        self.flush(full);
        self.buffer = u64::from(bits);
        self.free = 64 - left;
    }

    /// A byte of ones is followed by one of zeros, as it would else be a marker.
    #[inline(always)]
    fn flush(&mut self, full: u64) {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        const LOW: u64 = 0x0101_0101_0101_0101;
        let bytes = full.to_be_bytes();
        if full & HIGH & !full.wrapping_add(LOW) == 0 {
            self.bytes.extend_from_slice(&bytes);
        } else {
            self.stuff(&bytes);
        }
    }

    fn stuff(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.bytes.push(*byte);
            if *byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    #[inline(always)]
    fn value(&mut self, code: Code, value: i16, size: u32) {
        // Negative numbers are written less one, in as many bits as they need.
        let value = i32::from(value);
        let low = (value + (value >> 31)).cast_unsigned() & ((1 << size) - 1);
        self.put((code.bits << size) | low, code.length + size);
    }

    #[inline(always)]
    fn block(&mut self, block: &Block, before: &mut i16, tables: &Tables) {
        let mean = block[0] - std::mem::replace(before, block[0]);
        let size = bits_of(mean);
        self.value(tables.means[size as usize], mean, size);
        let mut rest = 0_u64;
        for (at, value) in block.iter().enumerate() {
            rest |= u64::from(*value != 0) << at;
        }
        rest &= !1;
        let mut last = 0;
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest - 1;
            let mut zeros = at - last - 1;
            last = at;
            while zeros > 15 {
                let code = tables.others[0xf0];
                self.put(code.bits, code.length);
                zeros -= 16;
            }
            let value = block[at as usize & 63];
            let size = bits_of(value);
            let code = tables.others[((zeros << 4) | size) as usize & 255];
            self.value(code, value, size);
        }
        if last < 63 {
            let code = tables.others[0];
            self.put(code.bits, code.length);
        }
    }

    /// Fills the last byte with ones and ends the picture.
    fn finish(mut self) -> Vec<u8> {
        self.put(0x7f, 7);
        let used = (64 - self.free) / 8;
        let bytes = (self.buffer << (self.free % 64)).to_be_bytes();
        self.stuff(&bytes[..used as usize]);
        self.bytes.extend_from_slice(&[0xff, 0xd9]);
        self.bytes
    }
}

/// Bits of a number without its sign.
#[inline(always)]
fn bits_of(value: i16) -> u32 {
    16 - value.unsigned_abs().leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::ChromaSubsamplingMethod;

    fn reference(rgb: &[u8], width: u32, height: u32, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        let (width, height) = (width.try_into().unwrap(), height.try_into().unwrap());
        encoder.encode(rgb, width, height, ColorType::Rgb).unwrap();
        bytes
    }

    /// Pictures from flat to pure noise, by a fixed sequence.
    fn picture(width: u32, height: u32, noise: u64, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut rgb = Vec::new();
        for y in 0..u64::from(height) {
            for x in 0..u64::from(width) {
                let waves = [x * 3 + y, y * 5, (x * x + y * y) / 16];
                rgb.extend(waves.map(|wave| {
                    let value = wave + if noise > 0 { random() % noise } else { 0 };
                    if (x / 16 + y / 16) % 5 == 0 {
                        255 * u8::from(value.is_multiple_of(2))
                    } else {
                        value.to_le_bytes()[0]
                    }
                }));
            }
        }
        rgb
    }

    #[test]
    fn bytes_are_those_of_the_reference() {
        let sizes = [(384, 384), (1, 1), (16, 16), (17, 15), (33, 130), (250, 7)];
        for (seed, (width, height)) in sizes.into_iter().enumerate() {
            for quality in [1, 30, 75, 95, 100] {
                let mut encoder = FrameEncoder::new(width, height, quality).unwrap();
                for noise in [0, 7, 256] {
                    let rgb = picture(width, height, noise, seed as u64);
                    let bytes = encoder.encode(&rgb).unwrap();
                    let expected = reference(&rgb, width, height, quality);
                    assert!(
                        bytes == expected,
                        "{width}x{height}, quality {quality}, noise {noise}"
                    );
                }
            }
        }
    }

    #[test]
    fn wrong_sizes_are_errors() {
        assert!(FrameEncoder::new(0, 5, 90).is_err());
        assert!(FrameEncoder::new(5, 70_000, 90).is_err());
        assert!(
            FrameEncoder::new(5, 5, 90)
                .unwrap()
                .encode(&[0; 74])
                .is_err()
        );
    }
}
