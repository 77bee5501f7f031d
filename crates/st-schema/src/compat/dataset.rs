//! The trainer's sampling strategies, permissive where ours is strict.

use std::ops::Range;

/// Why the reference's loader stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// More than one colon.
    #[error("ValueError: too many values to unpack (expected 2)")]
    Unpack,
    /// What follows the colon is no Python integer.
    #[error("ValueError: invalid literal for int() with base 10: '{0}'")]
    Int(String),
}

/// What the reference takes from a file of `length` records: a range of positions, or that many drawn at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// These positions.
    Range(Range<usize>),
    /// So many, in an order that a global generator decides.
    Random(usize),
}

/// Applies a strategy as the reference's trainer does: unknown words take everything, `end:0` takes everything, negative
/// numbers count from the other end, percentages round up.
///
/// # Errors
/// Where the reference stops with an exception.
pub fn sample(strategy: &str, length: usize) -> Result<Taken, StrategyError> {
    let whole = || Ok(Taken::Range(0..length));
    let Some((word, amount)) = strategy.split_once(':') else {
        return whole();
    };
    if amount.contains(':') {
        return Err(StrategyError::Unpack);
    }
    let number = match amount.split_once('%') {
        Some((percent, _)) => ceil_percent(int(percent)?, length),
        None => int(amount)?,
    };
    // A Python slice end: negative counts from the back, and everything is cut to the list.
    let slice = |end: i128| -> usize {
        let length = length as i128;
        usize::try_from(if end < 0 {
            (length + end).max(0)
        } else {
            end.min(length)
        })
        .unwrap_or(0)
    };
    match word {
        "first" => Ok(Taken::Range(0..slice(number))),
        "end" => Ok(Taken::Range(
            if number == 0 { 0 } else { slice(-number) }..length,
        )),
        "random" => Ok(Taken::Random(slice(number))),
        _ => whole(),
    }
}

/// `math.ceil(percent * length / 100)`.
fn ceil_percent(percent: i128, length: usize) -> i128 {
    let product = percent.saturating_mul(length as i128);
    -((-product).div_euclid(100))
}

/// Python's `int` of a text: spaces around, a sign and single underscores between digits are allowed.
fn int(text: &str) -> Result<i128, StrategyError> {
    let error = || StrategyError::Int(text.to_owned());
    let body = text.trim_matches(crate::scan::is_space);
    let digits = body.strip_prefix(['+', '-']).unwrap_or(body);
    let plain = !digits.is_empty()
        && digits
            .split('_')
            .all(|part| !part.is_empty() && part.chars().all(|c| crate::scan::digit(c).is_some()));
    if !plain {
        return Err(error());
    }
    crate::scan::to_ascii(body)
        .replace('_', "")
        .parse()
        .map_err(|_| error())
}
