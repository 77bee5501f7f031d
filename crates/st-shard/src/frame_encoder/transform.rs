//! Samples to quantized cosine coefficients, eight blocks side by side.
//!
//! Each loop over the lanes has a long body and no branch, so that it becomes vector instructions of whatever width the caller is
//! compiled for; short loops would be unrolled and stay scalar.

use super::tables::Tables;

/// Blocks that are transformed side by side.
pub(super) const LANES: usize = 8;
/// Side of a block.
pub(super) const SIDE: usize = 8;
/// One value of each of the blocks in hand.
type Lane = [i32; LANES];

/// The quantized coefficients of one block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// In zigzag order.
    pub(super) values: [i16; SIDE * SIDE],
    /// Bit `i` is set where value `i` is not 0.
    pub(super) present: u64,
}

impl Block {
    pub(super) const EMPTY: Self = Self {
        values: [0; SIDE * SIDE],
        present: 0,
    };
}

/// Where coefficient `i` of the zigzag order stands in its block (ITU-T T.81, figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Transforms and quantizes eight rows of samples into one block after the other.
#[inline(always)]
pub(super) fn transform(rows: &[i16], blocks: &mut [Block], tables: &Tables) {
    let wide = rows.len() / SIDE;
    for (group, blocks) in blocks.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut lanes = [[0; LANES]; SIDE * SIDE];
        for (y, row) in rows.chunks_exact(wide).enumerate() {
            let from = &row[group * LANES * SIDE..(group + 1) * LANES * SIDE];
            let mut samples = [[0; SIDE]; LANES];
            for (samples, from) in samples.iter_mut().zip(from.as_chunks().0) {
                *samples = *from;
            }
            let samples = turn(&samples);
            let mut line = [[0; LANES]; SIDE];
            for (line, samples) in line.iter_mut().zip(&samples) {
                for (value, sample) in line.iter_mut().zip(samples) {
                    *value = i32::from(*sample);
                }
            }
            let line = cosines::<PASS_BITS>(&line, true);
            lanes[SIDE * y..SIDE * (y + 1)].copy_from_slice(&line);
        }
        for x in 0..SIDE {
            let mut column = [[0; LANES]; SIDE];
            for y in 0..SIDE {
                column[y] = lanes[SIDE * y + x];
            }
            let column = cosines::<PASS_BITS>(&column, false);
            for y in 0..SIDE {
                lanes[SIDE * y + x] = column[y];
            }
        }
        quantize(&lanes, blocks, tables);
    }
}

/// Divides the coefficients of eight blocks, with rounding, and hands each block its own.
#[inline(always)]
fn quantize(lanes: &[Lane; SIDE * SIDE], blocks: &mut [Block; LANES], tables: &Tables) {
    let mut present = [[0_u32; LANES]; 2];
    for part in 0..SIDE {
        let mut quantized = [[0; LANES]; SIDE];
        let present = &mut present[part / 4];
        for lane in 0..LANES {
            for (i, quantized) in quantized.iter_mut().enumerate() {
                let at = SIDE * part + i;
                let value = lanes[ZIGZAG[at]][lane];
                // The sign is taken off and put back without a branch.
                let sign = value >> 31;
                let size = (value ^ sign) - sign + tables.corrections[at];
                let size = (size * tables.reciprocals[at]) >> RECIPROCAL_BITS;
                quantized[lane] = ((size ^ sign) - sign) as i16;
                present[lane] |= u32::from(size != 0) << (at % 32);
            }
        }
        for (block, values) in blocks.iter_mut().zip(turn(&quantized)) {
            block.values[SIDE * part..SIDE * (part + 1)].copy_from_slice(&values);
        }
    }
    for (lane, block) in blocks.iter_mut().enumerate() {
        block.present = u64::from(present[0][lane]) | (u64::from(present[1][lane]) << 32);
    }
}

/// Fractional bits of a reciprocal.
pub(super) const RECIPROCAL_BITS: u32 = 15;

/// Rows to columns, by laying the lower half between the upper three times.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn turn(rows: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    use std::arch::x86_64::{__m128i, _mm_unpackhi_epi16, _mm_unpacklo_epi16};

    let mut rows: [__m128i; 8] = pulp::bytemuck::cast(*rows);
    for _ in 0..3 {
        let mut next = rows;
        for i in 0..4 {
            #[expect(unsafe_code, reason = "the compiler does not find these two by itself")]
            // SAFETY: they take SSE2, which every x86-64 has.
            unsafe {
                next[2 * i] = _mm_unpacklo_epi16(rows[i], rows[i + 4]);
                next[2 * i + 1] = _mm_unpackhi_epi16(rows[i], rows[i + 4]);
            }
        }
        rows = next;
    }
    pulp::bytemuck::cast(rows)
}

/// Rows to columns.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn turn(rows: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    let mut columns = [[0; 8]; 8];
    for (y, row) in rows.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            columns[x][y] = *value;
        }
    }
    columns
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
        let (s0, s1, s2, s3) = (at(0) + at(7), at(1) + at(6), at(2) + at(5), at(3) + at(4));
        let (d0, d1, d2, d3) = (at(0) - at(7), at(1) - at(6), at(2) - at(5), at(3) - at(4));

        let (outer, inner) = (s0 + s3, s1 + s2);
        let (left, right) = (s0 - s3, s1 - s2);
        let scale = |value: i32| {
            if rows {
                value << BITS
            } else {
                round(value, BITS)
            }
        };
        out[0][lane] = scale(outer + inner);
        out[4][lane] = scale(outer - inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_makes_rows_columns() {
        let mut rows = [[0; 8]; 8];
        for (y, row) in (0..).zip(&mut rows) {
            for (x, value) in (0..).zip(row) {
                *value = 10 * y + x;
            }
        }
        let turned = turn(&rows);
        for y in 0..8 {
            for x in 0..8 {
                assert_eq!(turned[x][y], rows[y][x]);
            }
        }
    }
}
