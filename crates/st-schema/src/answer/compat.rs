//! The reference's own reading of a model's answer, value for value, with its blind spots.
//!
//! Each function is one pass over the text. `None` stands where the reference gives `[0, 0]` or 0 for "nothing found".

use std::fmt::Write as _;

use crate::scan::{Cursor, digit, to_ascii, to_number};
use crate::text::compat::span as span_inside;

/// `replace_and_normalize`: every `<TEMP-k>`, `<WIDTH-k>`, `<HEIGHT-k>` becomes `k/99` with five decimals and a comma, then
/// `,]` becomes `]` and `,}` becomes `}` everywhere.
#[must_use]
pub fn normalize(text: &str) -> String {
    replace_tokens(text, |digits, out| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{:.5},", to_number(digits) / 99.0);
    })
}

/// The same with the bin's number instead of its fraction.
#[must_use]
pub fn tokens(text: &str) -> String {
    replace_tokens(text, |digits, out| {
        let ascii = to_ascii(digits);
        let trimmed = ascii.trim_start_matches('0');
        out.push_str(if trimmed.is_empty() { "0" } else { trimmed });
        out.push(',');
    })
}

fn replace_tokens(text: &str, mut write: impl FnMut(&str, &mut String)) -> String {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for (start, _) in text.match_indices('<') {
        let mut cursor = Cursor::new(text, start + 1);
        if start < copied
            || !["WIDTH-", "HEIGHT-", "TEMP-"]
                .into_iter()
                .any(|word| cursor.eat(word))
        {
            continue;
        }
        if let Some(digits) = cursor.digits()
            && cursor.eat(">")
        {
            result.push_str(&text[copied..start]);
            write(digits, &mut result);
            copied = cursor.at();
        }
    }
    result.push_str(&text[copied..]);
    result.replace(",]", "]").replace(",}", "}")
}

/// `parse_span_from_text`: the first `{a,b}`.
#[must_use]
pub fn span(text: &str) -> Option<[f64; 2]> {
    text.match_indices('{').find_map(|(at, _)| {
        span_inside(&mut Cursor::new(text, at + 1)).map(|(start, end)| [start, end])
    })
}

/// Reads `a,b,c,d]`, spaces after commas.
fn box_inside(cursor: &mut Cursor<'_>) -> Option<[f64; 4]> {
    let mut values = [0.0; 4];
    for (index, value) in values.iter_mut().enumerate() {
        if index > 0 {
            if !cursor.eat(",") {
                return None;
            }
            cursor.spaces();
        }
        *value = cursor.number()?;
    }
    cursor.eat("]").then_some(values)
}

/// `parse_box_from_text`: the first `[a,b,c,d]`, ASCII spaces taken out of the text before.
#[must_use]
pub fn bounding_box(text: &str) -> Option<[f64; 4]> {
    let text = text.replace(' ', "");
    text.match_indices('[')
        .find_map(|(at, _)| box_inside(&mut Cursor::new(&text, at + 1)))
}

/// `parse_stpair_from_text`: every `t,:[a,b,c,d]` in first-seen order; a repeated time keeps its place and takes the last box.
#[must_use]
pub fn tube(text: &str) -> Vec<(f64, [f64; 4])> {
    let text = text.replace(' ', "");
    let mut pairs: Vec<(f64, [f64; 4])> = Vec::new();
    for (comma, _) in text.match_indices(",:") {
        let Some(time) = number_before(&text[..comma]) else {
            continue;
        };
        let mut cursor = Cursor::new(&text, comma + 2);
        cursor.spaces();
        if !cursor.eat("[") {
            continue;
        }
        if let Some(bbox) = box_inside(&mut cursor) {
            match pairs
                .iter_mut()
                .find(|(known, _)| known.to_bits() == time.to_bits())
            {
                Some(pair) => pair.1 = bbox,
                None => pairs.push((time, bbox)),
            }
        }
    }
    pairs
}

/// The longest `\d+(\.\d+)?` that a text ends with.
fn number_before(text: &str) -> Option<f64> {
    let is_digit = |c: char| digit(c).is_some();
    let rest = text.trim_end_matches(is_digit);
    if rest.len() == text.len() {
        return None;
    }
    let start = match rest.strip_suffix('.') {
        Some(whole) if whole.ends_with(is_digit) => whole.trim_end_matches(is_digit).len(),
        _ => rest.len(),
    };
    Some(to_number(&text[start..]))
}

fn number_after(text: &str, words: &str) -> Option<f64> {
    text.match_indices(words).find_map(|(at, _)| {
        let mut cursor = Cursor::new(text, at + words.len());
        cursor.spaces();
        cursor.number()
    })
}

/// `parse_float_from_text(.., "Ends in")`: the number after the first `Ends in` that has one.
#[must_use]
pub fn ends_in(text: &str) -> Option<f64> {
    number_after(text, "Ends in")
}

/// The same for `Starts in`.
#[must_use]
pub fn starts_in(text: &str) -> Option<f64> {
    number_after(text, "Starts in")
}

/// The demo's dense grounded captioning: the first box of each piece that ends in `]`.
#[must_use]
pub fn demo_boxes(text: &str) -> Vec<[f64; 4]> {
    text.split(']')
        .filter_map(|piece| bounding_box(&format!("{piece}]")))
        .collect()
}

/// The demo's dense video captioning: each `{` with its span and what stands between the piece's last comma and the next full
/// stop. A span of two zeros is taken for "nothing found" and lost, as in the reference.
#[must_use]
pub fn demo_events(text: &str) -> Vec<([f64; 2], String)> {
    text.split('{')
        .filter(|piece| piece.contains('}'))
        .filter_map(|piece| {
            let piece = format!("{{{piece}");
            let after = piece.rsplit(',').next().unwrap_or_default();
            let sentence = after.split('.').next().unwrap_or_default().to_owned();
            span(&piece)
                .filter(|ends| *ends != [0.0, 0.0])
                .map(|ends| (ends, sentence))
        })
        .collect()
}
