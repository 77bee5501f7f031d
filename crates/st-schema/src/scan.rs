//! Python's notion of digits, spaces and numbers, which the reference's patterns rely on.

/// The zeros of the decimal digit blocks of Unicode 14, the version of Python 3.11; each block holds ten digits in order.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
    0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650,
    0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50,
    0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

/// What `\d` matches: the digit's value in any script.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.is_ascii_digit().then(|| c as u8 - b'0');
    }
    let code = u32::from(c);
    let block = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    u8::try_from(code - ZEROS[block])
        .ok()
        .filter(|&value| value < 10)
}

/// What `\s` matches: Unicode's white space and the four separators U+001C to U+001F.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A position in a text, moving forward.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    pub(crate) fn at(self) -> usize {
        self.at
    }

    pub(crate) fn rest(self) -> &'a str {
        &self.text[self.at..]
    }

    /// Steps over `literal` if it is next.
    pub(crate) fn eat(&mut self, literal: &str) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    /// Steps over any number of `\s`.
    pub(crate) fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_space).len();
    }

    /// Steps over `\d+` and gives the digits in ASCII.
    pub(crate) fn digits(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(|c| digit(c).is_some()).len();
        self.at += length;
        (length > 0).then(|| &rest[..length])
    }

    /// Steps over `\d+(\.\d+)?` and gives the number as Python's `float` does.
    pub(crate) fn number(&mut self) -> Option<f64> {
        let start = self.at;
        self.digits()?;
        let mut after = *self;
        if after.eat(".") && after.digits().is_some() {
            *self = after;
        }
        Some(to_number(&self.text[start..self.at]))
    }
}

/// The value of `\d+(\.\d+)?` in any script; infinite when too large.
pub(crate) fn to_number(text: &str) -> f64 {
    // Rust's parser rounds correctly, as Python's does.
    if text.is_ascii() {
        text.parse().unwrap_or(f64::NAN)
    } else {
        to_ascii(text).parse().unwrap_or(f64::NAN)
    }
}

/// The digits of any script in ASCII, other characters unchanged.
pub(crate) fn to_ascii(text: &str) -> String {
    text.chars()
        .map(|c| digit(c).map_or(c, |value| char::from(b'0' + value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_spaces_are_pythons() {
        // Counted with CPython 3.11: 660 characters match \d, 29 match \s.
        let all = || (0..=0x0010_FFFF).filter_map(char::from_u32);
        assert_eq!(all().filter(|&c| digit(c).is_some()).count(), 660);
        assert_eq!(all().filter(|&c| is_space(c)).count(), 29);
        assert_eq!(digit('٣'), Some(3));
        assert!(!is_space('\u{feff}') && !is_space('\u{200b}'));
    }

    #[test]
    fn numbers_take_what_the_pattern_takes() {
        for (text, value, rest) in [
            ("0.5.6", 0.5, ".6"),
            ("5.", 5.0, "."),
            ("007x", 7.0, "x"),
            ("٠.١,", 0.1, ","),
        ] {
            let mut cursor = Cursor::new(text, 0);
            assert_eq!(cursor.number(), Some(value));
            assert_eq!(cursor.rest(), rest);
        }
        assert_eq!(Cursor::new(".5", 0).number(), None);
    }
}
