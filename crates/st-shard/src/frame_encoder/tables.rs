//! What a JPEG's header says: divisors and Huffman codes.

use super::transform::RECIPROCAL_BITS;

/// A Huffman code.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) length: u32,
}

/// What one kind of plane is quantized and coded with.
#[derive(Debug)]
pub(super) struct Tables {
    /// In zigzag order: multiplying after adding the correction is dividing with rounding.
    pub(super) reciprocals: [i32; 64],
    pub(super) corrections: [i32; 64],
    /// For the difference of two means, by its number of bits.
    pub(super) means: [Code; 256],
    /// For the others, by zeros before it and number of bits.
    pub(super) others: [Code; 256],
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
pub(super) fn read_header(jpeg: &mut Vec<u8>, sides: (u16, u16)) -> Option<[Tables; 2]> {
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
