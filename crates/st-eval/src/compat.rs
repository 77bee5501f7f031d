//! The original's reading of answers (`inference/src/utils.py`), until the vocabulary crate has it.

/// Coordinate tokens as `k/99` with five decimals.
pub(crate) fn normalize(text: &str) -> String {
    replace_tokens(text, |bin| format!("{:.5},", bin / 99.0))
}

/// Coordinate tokens as whole numbers.
pub(crate) fn tokens(text: &str) -> String {
    replace_tokens(text, |bin| format!("{bin},"))
}

fn replace_tokens(text: &str, write: impl Fn(f64) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((bin, after)) = token(rest) {
            out.push_str(&write(bin));
            rest = after;
        } else {
            out.push('<');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out.replace(",]", "]").replace(",}", "}")
}

fn token(text: &str) -> Option<(f64, &str)> {
    let after = ["<WIDTH-", "<HEIGHT-", "<TEMP-"]
        .into_iter()
        .find_map(|kind| text.strip_prefix(kind))?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let bin = after[..digits].parse().ok()?;
    Some((bin, after[digits..].strip_prefix('>')?))
}

/// The first `{a,b}`.
pub(crate) fn span(text: &str) -> Option<[f64; 2]> {
    text.match_indices('{').find_map(|(at, _)| {
        let mut cursor = Cursor {
            bytes: text.as_bytes(),
            at: at + 1,
        };
        cursor.blanks();
        let start = cursor.number()?;
        cursor.take(b',')?;
        cursor.blanks();
        let end = cursor.number()?;
        cursor.blanks();
        cursor.take(b'}')?;
        Some([start, end])
    })
}

/// The first `[a,b,c,d]`, all spaces taken out before.
pub(crate) fn bounding_box(text: &str) -> Option<[f64; 4]> {
    let text = text.replace(' ', "");
    text.match_indices('[').find_map(|(at, _)| {
        Cursor {
            bytes: text.as_bytes(),
            at,
        }
        .corners()
    })
}

/// Every `t,:[a,b,c,d]`, all spaces taken out before; a repeated time keeps its place and takes the last box.
pub(crate) fn tube(text: &str) -> Vec<(f64, [f64; 4])> {
    let text = text.replace(' ', "");
    let bytes = text.as_bytes();
    let mut found: Vec<(f64, [f64; 4])> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let mut cursor = Cursor { bytes, at };
        if let Some((time, corners)) = cursor.timed_box() {
            at = cursor.at;
            match found.iter_mut().find(|(known, _)| *known == time) {
                Some((_, known)) => *known = corners,
                None => found.push((time, corners)),
            }
        } else {
            at += bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
        }
    }
    found
}

/// The number after the first `Ends in`.
pub(crate) fn ends_in(text: &str) -> Option<f64> {
    text.match_indices("Ends in").find_map(|(at, word)| {
        let mut cursor = Cursor {
            bytes: text.as_bytes(),
            at: at + word.len(),
        };
        cursor.blanks();
        cursor.number()
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, byte: u8) -> Option<()> {
        let hit = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(hit);
        hit.then_some(())
    }

    fn blanks(&mut self) {
        self.at += self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        if self.digits() == 0 {
            return None;
        }
        let whole = self.at;
        if self.take(b'.').is_some() && self.digits() == 0 {
            self.at = whole;
        }
        std::str::from_utf8(&self.bytes[start..self.at])
            .ok()?
            .parse()
            .ok()
    }

    fn corners(&mut self) -> Option<[f64; 4]> {
        let mut corners = [0.0; 4];
        self.take(b'[')?;
        for (index, corner) in corners.iter_mut().enumerate() {
            if index > 0 {
                self.take(b',')?;
                self.blanks();
            }
            *corner = self.number()?;
        }
        self.take(b']')?;
        Some(corners)
    }

    fn timed_box(&mut self) -> Option<(f64, [f64; 4])> {
        let time = self.number()?;
        self.take(b',')?;
        self.take(b':')?;
        self.blanks();
        Some((time, self.corners()?))
    }
}
