//! Coefficients to Huffman codes in bytes.

use super::tables::{Code, Tables};
use super::transform::Block;

/// Bytes that one block can take at most, generously: 64 codes of 27 bits, each byte followed by a zero.
pub(super) const BLOCK_BYTES: usize = 512;

/// Coded bits on their way into bytes. It is passed by value, so that it stays in registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    buffer: u64,
    free: u32,
    /// Bytes written so far.
    pub(super) written: usize,
}

impl Bits {
    pub(super) const NONE: Self = Self {
        buffer: 0,
        free: 64,
        written: 0,
    };

    /// Appends the lowest `length` bits of `bits`, which has no others; at most 32.
    #[inline(always)]
    fn put(&mut self, out: &mut [u8], bits: u32, length: u32) {
        if length <= self.free {
            // A buffer that is empty is never shifted by all its bits.
            self.buffer = (self.buffer << length) | u64::from(bits);
            self.free -= length;
            return;
        }
        let left = length - self.free;
        let full = (self.buffer << self.free) | (u64::from(bits) >> left);
        self.written = flush(full, out, self.written);
        self.buffer = u64::from(bits);
        self.free = 64 - left;
    }

    #[inline(always)]
    fn value(&mut self, out: &mut [u8], code: Code, value: i16, size: u32) {
        // Negative numbers are written less one, in as many bits as they need.
        let value = i32::from(value);
        let low = (value + (value >> 31)).cast_unsigned() & ((1 << size) - 1);
        self.put(out, (code.bits << size) | low, code.length + size);
    }

    /// Appends a block whose plane's block before had the mean `before`.
    #[inline(always)]
    pub(super) fn block(
        mut self,
        block: &Block,
        before: i16,
        tables: &Tables,
        out: &mut [u8],
    ) -> Self {
        let mean = block.values[0] - before;
        let size = bits_of(mean);
        self.value(out, tables.means[size as usize], mean, size);
        let mut rest = block.present & !1;
        let mut last = 0;
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest - 1;
            let mut zeros = at - last - 1;
            last = at;
            while zeros > 15 {
                let code = tables.others[0xf0];
                self.put(out, code.bits, code.length);
                zeros -= 16;
            }
            let value = block.values[at as usize & 63];
            let size = bits_of(value);
            let code = tables.others[((zeros << 4) | size) as usize & 255];
            self.value(out, code, value, size);
        }
        if last < 63 {
            let code = tables.others[0];
            self.put(out, code.bits, code.length);
        }
        self
    }

    /// Fills the last byte with ones and ends the picture.
    pub(super) fn finish(mut self, out: &mut [u8]) -> usize {
        self.put(out, 0x7f, 7);
        let used = (64 - self.free) / 8;
        let bytes = (self.buffer << (self.free % 64)).to_be_bytes();
        let written = stuff(&bytes[..used as usize], out, self.written);
        out[written..written + 2].copy_from_slice(&[0xff, 0xd9]);
        written + 2
    }
}

/// Writes eight bytes at `at` and tells where the next come.
#[inline(always)]
fn flush(full: u64, out: &mut [u8], at: usize) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const LOW: u64 = 0x0101_0101_0101_0101;
    let bytes = full.to_be_bytes();
    if full & HIGH & !full.wrapping_add(LOW) == 0 {
        out[at..at + 8].copy_from_slice(&bytes);
        at + 8
    } else {
        stuff(&bytes, out, at)
    }
}

/// A byte of ones is followed by one of zeros, as it would else be a marker.
#[inline(never)]
fn stuff(bytes: &[u8], out: &mut [u8], mut at: usize) -> usize {
    for byte in bytes {
        out[at] = *byte;
        at += 1;
        if *byte == 0xff {
            out[at] = 0;
            at += 1;
        }
    }
    at
}

/// Bits of a number without its sign.
#[inline(always)]
fn bits_of(value: i16) -> u32 {
    16 - value.unsigned_abs().leading_zeros()
}
