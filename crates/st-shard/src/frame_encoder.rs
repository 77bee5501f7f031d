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

mod bits;
mod tables;
mod transform;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pulp::{Arch, Simd, WithSimd};

use self::bits::{BLOCK_BYTES, Bits};
use self::tables::{Tables, read_header};
use self::transform::{Block, LANES, SIDE, transform};
use crate::ShardError;

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
    /// The bytes of sixteen rows.
    coded: Vec<u8>,
    /// A frame's colours apart, when it comes as pixels.
    apart: Vec<u8>,
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
            blocks: [2 * blocks, blocks / 2, blocks / 2].map(|count| vec![Block::EMPTY; count]),
            coded: vec![0; (3 * blocks + 1) * BLOCK_BYTES],
            apart: Vec::new(),
            arch: Arch::new(),
        })
    }

    /// Encodes one frame, `[height, width, 3]`. The same frame gives the same bytes on any machine.
    ///
    /// # Errors
    /// When the buffer does not fit the size.
    pub fn encode(&mut self, rgb: &[u8]) -> Result<Vec<u8>, ShardError> {
        let mut apart = std::mem::take(&mut self.apart);
        apart.clear();
        for color in 0..3 {
            apart.extend(rgb.iter().skip(color).step_by(3));
        }
        let bytes = self.encode_planes(&apart);
        self.apart = apart;
        bytes
    }

    /// As [`FrameEncoder::encode`], for a frame whose colours lie apart, `[3, height, width]`.
    ///
    /// # Errors
    /// When the buffer does not fit the size.
    pub fn encode_planes(&mut self, planes: &[u8]) -> Result<Vec<u8>, ShardError> {
        let area = self.width * self.height;
        if planes.len() != 3 * area {
            return Err(ShardError::Jpeg(format!(
                "a frame of {}x{} has {} bytes",
                self.width,
                self.height,
                planes.len()
            )));
        }
        let mut bytes = Vec::with_capacity(planes.len() / 6);
        bytes.extend_from_slice(&self.header);
        let (red, rest) = planes.split_at(area);
        let (green, blue) = rest.split_at(area);
        let arch = self.arch;
        arch.dispatch(Encode {
            encoder: self,
            planes: [red, green, blue],
            bytes: &mut bytes,
        });
        Ok(bytes)
    }

    #[inline(always)]
    fn encode_rows(&mut self, planes: [&[u8]; 3], bytes: &mut Vec<u8>) {
        let mut before = [0; 3];
        let mut bits = Bits::NONE;
        for top in (0..self.height).step_by(2 * SIDE) {
            self.fill_planes(planes, top);
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
                let blocks = [
                    (&upper[2 * unit], 0, luma),
                    (&upper[2 * unit + 1], 0, luma),
                    (&lower[2 * unit], 0, luma),
                    (&lower[2 * unit + 1], 0, luma),
                    (&blue_blocks[unit], 1, chroma),
                    (&red_blocks[unit], 2, chroma),
                ];
                for (block, plane, tables) in blocks {
                    bits = bits.block(block, before[plane], tables, &mut self.coded);
                    before[plane] = block.values[0];
                }
            }
            bytes.extend_from_slice(&self.coded[..bits.written]);
            bits.written = 0;
        }
        let end = bits.finish(&mut self.coded);
        bytes.extend_from_slice(&self.coded[..end]);
    }

    /// Turns sixteen rows of pixels into luma and chroma; the last row and column are repeated beyond the picture.
    #[inline(always)]
    fn fill_planes(&mut self, planes: [&[u8]; 3], top: usize) {
        let (width, last) = (self.width, self.height - 1);
        let wide = self.planes[0].len() / 16;
        let rows_of = |y: usize| {
            let start = width * y.min(last);
            planes.map(|plane| &plane[start..start + width])
        };
        let [luma, blue, red] = &mut self.planes;
        for (y, out) in luma.chunks_exact_mut(wide).enumerate() {
            weigh(rows_of(top + y), [19_595, 38_470, 7471], -128, out);
        }
        for (plane, factors) in [
            (blue, [-11_059, -21_709, 32_768]),
            (red, [32_768, -27_439, -5329]),
        ] {
            for (y, out) in plane.chunks_exact_mut(wide / 2).enumerate() {
                for (half, full) in self.chroma.iter_mut().enumerate() {
                    weigh(rows_of(top + 2 * y + half), factors, 128, full);
                }
                let [upper, lower] = &self.chroma;
                average(upper, lower, out);
            }
        }
    }
}

/// Weighted sums of the pixels' colours in 16.16 fixed point, rounded, and `offset`; the last is repeated to the row's end.
#[inline(always)]
fn weigh(rows: [&[u8]; 3], factors: [i32; 3], offset: i32, out: &mut [i16]) {
    let [red, green, blue] = rows;
    let width = red.len();
    let (green, blue) = (&green[..width], &blue[..width]);
    let (inside, outside) = out.split_at_mut(width);
    let offset = (offset << 16) + 0x7fff;
    for x in 0..width {
        let sum = i32::from(red[x]) * factors[0]
            + i32::from(green[x]) * factors[1]
            + i32::from(blue[x]) * factors[2];
        inside[x] = ((sum + offset) >> 16) as i16;
    }
    outside.fill(inside[width - 1]);
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
    planes: [&'a [u8]; 3],
    bytes: &'a mut Vec<u8>,
}

impl WithSimd for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.encoder.encode_rows(self.planes, self.bytes);
    }
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
