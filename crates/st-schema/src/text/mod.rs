//! Conversations: brackets to placeholders and numbers, and back.
//!
//! Three notations of the same turn:
//!
//! - *brackets*, what a person writes: `{0.1,0.5}`, `[0.1, 0.2, 0.3, 0.4]`, `Starts in 0.5`;
//! - *numbered tokens*, the reference's intermediate: `<TEMP-OUTPUT0.1>`;
//! - *placeholders*, what a [`Record`] stores: `<TEMP-OUTPUT>`, with the number in [`Variables`].
//!
//! [`encode`] goes from brackets to placeholders; [`inline`] and [`extract`] go between placeholders and numbered tokens, and
//! are each other's inverse.

pub mod compat;

use std::fmt::Write as _;

use crate::{Axis, Record, Role, Side, Turn, Variables};

/// A coordinate token in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// `<TEMP-INPUT>`: stands for a number of [`Variables`].
    Placeholder(Axis, Side),
    /// `<TEMP-INPUT0.5>`: carries text where a placeholder carries none.
    Numbered(Axis, Side, &'a str),
    /// `<TEMP-012>`: what a model writes; the digits, of any script and count.
    Bin(Axis, &'a str),
    /// Starts like a coordinate token but is none, such as `<TEMP-X>` or `<WIDTH-OUTPUT` without its end.
    Malformed,
}

/// A token and the bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Located<'a> {
    /// Where it starts, in bytes.
    pub start: usize,
    /// Where it ends, exclusive, in bytes.
    pub end: usize,
    /// What it is.
    pub token: Token<'a>,
}

/// Every coordinate token of a text, in order.
pub fn tokens(text: &str) -> impl Iterator<Item = Located<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(found) = text[from..].find('<') {
            let start = from + found;
            from = start + 1;
            if let Some((length, token)) = token_at(&text[start..]) {
                from = start + length;
                return Some(Located {
                    start,
                    end: from,
                    token,
                });
            }
        }
        None
    })
}

/// Bytes that a token may have between its axis and its `>`; what is longer is malformed, so that a text of opened tokens takes
/// no more than its length in time.
const TOKEN_BYTES: usize = 256;

/// The coordinate token that `text` starts with, and its length in bytes; `None` when it starts with none.
#[must_use]
pub fn token_at(text: &str) -> Option<(usize, Token<'_>)> {
    let after = text.strip_prefix('<')?;
    let (axis, inner) = Axis::ALL.into_iter().find_map(|axis| {
        let inner = after.strip_prefix(axis.token_word())?.strip_prefix('-')?;
        Some((axis, inner))
    })?;
    let head = text.len() - inner.len();
    // As the reference's `.*?`, a token ends at the first `>` of its line.
    let window = &inner.as_bytes()[..inner.len().min(TOKEN_BYTES)];
    let stop = window
        .iter()
        .position(|byte| matches!(byte, b'>' | b'\n'))
        .filter(|&at| window[at] == b'>');
    let Some(stop) = stop else {
        return Some((head, Token::Malformed));
    };
    let body = &inner[..stop];
    let token = Side::ALL
        .into_iter()
        .find_map(|side| {
            let number = body.strip_prefix(side.token_word())?;
            Some(if number.is_empty() {
                Token::Placeholder(axis, side)
            } else {
                Token::Numbered(axis, side, number)
            })
        })
        .unwrap_or_else(|| {
            let digits = !body.is_empty() && body.chars().all(|c| crate::scan::digit(c).is_some());
            if digits {
                Token::Bin(axis, body)
            } else {
                Token::Malformed
            }
        });
    Some((head + stop + 1, token))
}

/// The placeholders of a text, in order: start in bytes, axis, side.
pub fn placeholders(text: &str) -> impl Iterator<Item = (usize, Axis, Side)> {
    tokens(text).filter_map(|located| match located.token {
        Token::Placeholder(axis, side) => Some((located.start, axis, side)),
        _ => None,
    })
}

/// Why a conversation's text and numbers do not fit together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TextError {
    /// A span in brackets whose start is not before its end; the reference writes `{<error>}` for it.
    #[error("turn {turn}: the span {{{start},{end}}} does not end after it starts")]
    ReversedSpan {
        /// Which turn, from 0.
        turn: usize,
        /// Its first number.
        start: f64,
        /// Its second number.
        end: f64,
    },
    /// A numbered token whose number is none; the reference runs it as Python code.
    #[error("turn {turn}, byte {at}: `{number}` in a {axis:?} token is no number")]
    Number {
        /// Which turn, from 0.
        turn: usize,
        /// Where the token starts.
        at: usize,
        /// The token's axis.
        axis: Axis,
        /// What stands where the number should.
        number: String,
    },
    /// More placeholders than numbers, or fewer.
    #[error("{} has {found} numbers, the text has {expected} {}", Variables::name(*axis, *side), axis.placeholder(*side))]
    Count {
        /// The axis.
        axis: Axis,
        /// The side.
        side: Side,
        /// Placeholders in the text.
        expected: usize,
        /// Numbers beside it.
        found: usize,
    },
}

/// Brackets to placeholders and numbers, as the reference does, over all turns.
///
/// # Errors
/// When a span does not end after it starts, or a numbered token of the text holds no number.
pub fn encode(turns: &[Turn]) -> Result<(Vec<Turn>, Variables), TextError> {
    let mut encoded = Vec::with_capacity(turns.len());
    for (turn, original) in turns.iter().enumerate() {
        if let Some((start, end)) = reversed_span(&original.value) {
            return Err(TextError::ReversedSpan { turn, start, end });
        }
        encoded.push(original.with_value(compat::format(&original.value, original.from.side())));
    }
    let variables = extract(&mut encoded)?;
    Ok((encoded, variables))
}

/// The first span in brackets that does not end after it starts.
#[must_use]
pub fn reversed_span(text: &str) -> Option<(f64, f64)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (start, end) = compat::span(&mut crate::scan::Cursor::new(text, at + 1))?;
        (start >= end).then_some((start, end))
    })
}

/// Takes the numbers out of numbered tokens, leaving placeholders: the reference's `get_variables` without running code.
///
/// # Errors
/// When a token holds no plain decimal number, or none at all.
pub fn extract(turns: &mut [Turn]) -> Result<Variables, TextError> {
    let mut texts: Vec<Option<String>> =
        turns.iter().map(|turn| Some(turn.value.clone())).collect();
    let variables = extract_texts(&mut texts)?;
    for (turn, text) in turns.iter_mut().zip(texts) {
        turn.value = text.unwrap_or_default();
    }
    Ok(variables)
}

/// [`extract`] on bare texts; absent ones are passed over.
///
/// # Errors
/// As [`extract`].
pub fn extract_texts(texts: &mut [Option<String>]) -> Result<Variables, TextError> {
    let mut variables = Variables::default();
    for (turn, text) in texts.iter_mut().enumerate() {
        let Some(text) = text else { continue };
        let mut bare = String::with_capacity(text.len());
        let mut copied = 0;
        for Located { start, end, token } in tokens(text) {
            let (axis, side, number) = match token {
                Token::Numbered(axis, side, number) => (axis, side, number),
                Token::Placeholder(axis, side) => (axis, side, ""),
                Token::Bin(..) | Token::Malformed => continue,
            };
            let value = literal(number).ok_or_else(|| TextError::Number {
                turn,
                at: start,
                axis,
                number: number.into(),
            })?;
            variables.get_mut(axis, side).push(value);
            bare.push_str(&text[copied..start]);
            bare.push_str(axis.placeholder(side));
            copied = end;
        }
        bare.push_str(&text[copied..]);
        *text = bare;
    }
    Ok(variables)
}

/// A plain decimal number: optional sign, digits, fraction, exponent; nothing that Python would have to evaluate.
fn literal(text: &str) -> Option<f64> {
    let body = text.strip_prefix('-').unwrap_or(text);
    let plain = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    plain
        .then(|| text.parse().ok())
        .flatten()
        .filter(|value: &f64| value.is_finite())
}

/// Puts a record's numbers into its placeholders, turn by turn; [`extract`] takes them out again without loss.
///
/// # Errors
/// When an axis and side have more or fewer numbers than placeholders.
pub fn inline(record: &Record) -> Result<Vec<Turn>, TextError> {
    let mut taken = [[0usize; 2]; 3];
    let mut turns = Vec::with_capacity(record.conversations.len());
    for original in &record.conversations {
        let mut value = String::with_capacity(original.value.len());
        let mut copied = 0;
        for (start, axis, side) in placeholders(&original.value) {
            let index = &mut taken[axis as usize][side as usize];
            let number = record.variables.get(axis, side).get(*index);
            *index += 1;
            let Some(number) = number else { continue };
            let before_close = start + axis.placeholder(side).len() - 1;
            value.push_str(&original.value[copied..before_close]);
            // Writing to a string cannot fail.
            let _ = write!(value, "{number:?}");
            copied = before_close;
        }
        value.push_str(&original.value[copied..]);
        turns.push(original.with_value(value));
    }
    for (axis, side, numbers) in record.variables.iter() {
        let (expected, found) = (taken[axis as usize][side as usize], numbers.len());
        if expected != found {
            return Err(TextError::Count {
                axis,
                side,
                expected,
                found,
            });
        }
    }
    Ok(turns)
}

/// How many placeholders of each axis and side a conversation has, indexed `[axis][side]` as [`Axis::ALL`] and [`Side::ALL`].
#[must_use]
pub fn count_placeholders(turns: &[Turn]) -> [[usize; 2]; 3] {
    let mut counts = [[0; 2]; 3];
    for turn in turns {
        for (_, axis, side) in placeholders(&turn.value) {
            counts[axis as usize][side as usize] += 1;
        }
    }
    counts
}

/// The first human turn, which carries the media placeholder.
#[must_use]
pub fn first_human(turns: &[Turn]) -> Option<&Turn> {
    turns.iter().find(|turn| turn.from == Role::Human)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Media;

    #[test]
    fn tokens_are_told_apart() {
        let found: Vec<_> =
            tokens("<b><TEMP-INPUT><WIDTH-OUTPUT0.5><HEIGHT-012><TEMP-X> <TEMP-INPUT\n>")
                .map(|t| t.token)
                .collect();
        assert_eq!(
            found,
            [
                Token::Placeholder(Axis::Temporal, Side::Input),
                Token::Numbered(Axis::Width, Side::Output, "0.5"),
                Token::Bin(Axis::Height, "012"),
                Token::Malformed,
                Token::Malformed,
            ]
        );
    }

    #[test]
    fn reversed_spans_are_refused_where_the_reference_marks_them() {
        let turns = [Turn::human("See {0.9,0.1}")];
        assert!(matches!(
            encode(&turns),
            Err(TextError::ReversedSpan { turn: 0, .. })
        ));
        assert_eq!(
            compat::format("See {0.9,0.1}", Side::Input),
            "See {<error>}"
        );
    }

    #[test]
    fn code_is_never_run() {
        for text in [
            "<TEMP-INPUT>",
            "<TEMP-INPUTabc>",
            "<TEMP-INPUT0.5+0.25>",
            "<HEIGHT-INPUT0.5,0.75>",
            "<TEMP-INPUTinf>",
        ] {
            assert!(extract(&mut [Turn::human(text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn inline_and_extract_are_inverse() {
        let mut variables = Variables::default();
        variables
            .get_mut(Axis::Temporal, Side::Output)
            .extend([0.087, 0.1 + 0.2]);
        let turns = vec![
            Turn::human("<video>\nWhen?"),
            Turn::gpt("{<TEMP-OUTPUT><TEMP-OUTPUT>}"),
        ];
        let record = Record::new("a", Media::Video("v".into()), turns, variables);
        let mut inlined = inline(&record).unwrap();
        assert_eq!(
            inlined[1].value,
            "{<TEMP-OUTPUT0.087><TEMP-OUTPUT0.30000000000000004>}"
        );
        assert_eq!(extract(&mut inlined).unwrap(), record.variables);
        assert_eq!(inlined, record.conversations);
    }
}
