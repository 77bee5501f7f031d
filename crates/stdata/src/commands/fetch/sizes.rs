//! Sizes and times as typed.

use std::time::Duration;

/// `20MB`, `1.5GiB`, `800`: bytes, with the powers of 1,000 or, where an `i` says so, of 1,024.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text} is no size: write a number and B, KB, MB, GB, TB or KiB, MiB, GiB, TiB");
    let lower = text.trim().to_ascii_lowercase();
    let at = lower
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(at);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim();
    let (letter, rest) = unit.split_at(unit.len().min(1));
    let base: f64 = match rest {
        "ib" => 1024.0,
        "" | "b" => 1000.0,
        _ => return Err(wrong()),
    };
    let power = match (letter, rest) {
        ("" | "b", "") => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        _ => return Err(wrong()),
    };
    let bytes = number * base.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; what is larger than any disk is capped"
    )]
    Ok(bytes as u64)
}

/// Seconds, with a fraction.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text} is no number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_either_power() {
        for (text, bytes) in [
            ("0", 0),
            ("800", 800),
            ("800B", 800),
            ("20MB", 20_000_000),
            ("20m", 20_000_000),
            ("1.5 GiB", 3 << 29),
            ("1KiB", 1024),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "5X", "5 bits", "1bb"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert!(seconds("-1").is_err() && seconds("x").is_err());
    }
}
