//! The reference's own writing of coordinates into text, step by step, faults included.
//!
//! The reference turns `[0.1, 0.2, 0.3, 0.4]`, `{0.1,0.5}` and `Starts in 0.5` into tokens that carry their number, such as
//! `<TEMP-INPUT0.5>` (`format_*_in_text`), and then takes the numbers out (`get_variables`). [`super::encode`] does the same
//! but refuses what this only marks.

use crate::scan::Cursor;
use crate::{Axis, Side, round3};

/// A number as Python prints a float that was rounded to three decimals.
#[must_use]
pub fn python_float(value: f64) -> String {
    let rounded = round3(value);
    if rounded.is_infinite() {
        return "inf".into();
    }
    let magnitude = rounded.abs();
    if magnitude >= 1e16 {
        // Python writes exponents with a sign and at least two digits.
        let text = format!("{rounded:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{digits}e+{exponent:0>2}"),
            None => text,
        };
    }
    format!("{rounded:?}")
}

/// Replaces every match of a pattern that starts with `open`.
fn replace(
    text: &str,
    open: &str,
    mut pattern: impl FnMut(&mut Cursor<'_>) -> Option<String>,
) -> String {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find(open) {
        let start = from + found;
        let mut cursor = Cursor::new(text, start + open.len());
        if let Some(new) = pattern(&mut cursor) {
            result.push_str(&text[copied..start]);
            result.push_str(&new);
            copied = cursor.at();
            from = copied;
        } else {
            from = start + open.len();
        }
    }
    result.push_str(&text[copied..]);
    result
}

fn token(axis: Axis, side: Side, number: &str) -> String {
    let bare = axis.placeholder(side);
    format!("{}{number}>", &bare[..bare.len() - 1])
}

/// A box's coordinate: outside `[0, 1]` it becomes the *integer* 0 or 1.
fn clipped(value: f64) -> String {
    if value < 0.0 {
        "0".into()
    } else if value > 1.0 {
        "1".into()
    } else {
        python_float(value)
    }
}

/// `[x1, y1, x2, y2]` to ` [<WIDTH-..><HEIGHT-..><WIDTH-..><HEIGHT-..>]`, clipped to `[0, 1]`.
#[must_use]
pub fn format_boxes(text: &str, side: Side) -> String {
    replace(text, "[", |cursor| {
        cursor.spaces();
        let mut written = String::from(" [");
        for index in 0..4 {
            let value = cursor.number()?;
            if index < 3 {
                if !cursor.eat(",") {
                    return None;
                }
                cursor.spaces();
            }
            let axis = if index % 2 == 0 {
                Axis::Width
            } else {
                Axis::Height
            };
            written.push_str(&token(axis, side, &clipped(value)));
        }
        cursor.spaces();
        written.push(']');
        cursor.eat("]").then_some(written)
    })
}

/// Reads the inside of `{a,b}`.
pub(crate) fn span(cursor: &mut Cursor<'_>) -> Option<(f64, f64)> {
    cursor.spaces();
    let start = cursor.number()?;
    if !cursor.eat(",") {
        return None;
    }
    cursor.spaces();
    let end = cursor.number()?;
    cursor.spaces();
    cursor.eat("}").then_some((start, end))
}

/// `{a,b}` to ` {<TEMP-..><TEMP-..>} `, and `{<error>}` where the start is not before the end.
#[must_use]
pub fn format_spans(text: &str, side: Side) -> String {
    replace(text, "{", |cursor| {
        let (start, end) = span(cursor)?;
        if start >= end {
            return Some("{<error>}".into());
        }
        let [start, end] =
            [start, end].map(|value| token(Axis::Temporal, side, &python_float(value)));
        Some(format!(" {{{start}{end}}} "))
    })
}

/// `Starts in a` to ` Starts in <TEMP-..> `.
#[must_use]
pub fn format_starts(text: &str, side: Side) -> String {
    replace(text, "Starts in ", |cursor| {
        let value = cursor.number()?;
        Some(format!(
            " Starts in {} ",
            token(Axis::Temporal, side, &python_float(value))
        ))
    })
}

/// The three steps in the reference's order: boxes, spans, starts.
#[must_use]
pub fn format(text: &str, side: Side) -> String {
    format_starts(&format_spans(&format_boxes(text, side), side), side)
}

/// The demo's own notation, `<t0.1> <w0.1> <h0.1>`: calls `write` for each.
fn demo(text: &str, mut write: impl FnMut(Axis, f64) -> String) -> String {
    replace(text, "<", |cursor| {
        let axis = [
            ("t", Axis::Temporal),
            ("w", Axis::Width),
            ("h", Axis::Height),
        ]
        .into_iter()
        .find_map(|(letter, axis)| cursor.eat(letter).then_some(axis))?;
        let value = cursor.number()?;
        cursor.eat(">").then(|| write(axis, value))
    })
}

/// The demo's `<t0.1>` to tokens that carry their number.
#[must_use]
pub fn format_demo(text: &str, side: Side) -> String {
    demo(text, |axis, value| token(axis, side, &python_float(value)))
}

/// The demo's `<t0.1>` to plain numbers.
#[must_use]
pub fn parse_demo_inputs(text: &str) -> String {
    demo(text, |_, value| python_float(value))
}
