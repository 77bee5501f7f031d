//! Spans in VTG-IT's answers, whose digits may be spelled by tokens.

use std::sync::LazyLock;

use regex::Regex;

const SPELLED: [(&str, &str); 11] = [
    ("<TIME_ZERO>", "0"),
    ("<TIME_ONE>", "1"),
    ("<TIME_TWO>", "2"),
    ("<TIME_THREE>", "3"),
    ("<TIME_FOUR>", "4"),
    ("<TIME_FIVE>", "5"),
    ("<TIME_SIX>", "6"),
    ("<TIME_SEVEN>", "7"),
    ("<TIME_EIGHT>", "8"),
    ("<TIME_NINE>", "9"),
    ("<TIME_DOT>", "."),
];

/// The text with digits for tokens.
pub(super) fn plain(text: &str) -> String {
    SPELLED.iter().fold(text.to_owned(), |text, (token, sign)| {
        text.replace(token, sign)
    })
}

/// "START - END seconds", with ", caption." in dense captions; a caption ends at the first full stop.
static SPAN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"([0-9]+(?:\.[0-9]+)?) ?- ?([0-9]+(?:\.[0-9]+)?) seconds(?:, *([^.]+)\.?)?").ok()
});

/// A span as the text has it.
pub(super) struct Found {
    /// Where it stands, in bytes.
    pub(super) place: std::ops::Range<usize>,
    pub(super) span: [f64; 2],
    pub(super) caption: Option<String>,
    /// Whether a lone zero stands for the start, as the lineage's reader takes it.
    pub(super) bare_zero: bool,
}

/// Every span of a text; `spelled` when its digits were tokens.
pub(super) fn spans(answer: &str, spelled: bool) -> Vec<Found> {
    let Some(pattern) = SPAN.as_ref() else {
        return Vec::new();
    };
    pattern
        .captures_iter(answer)
        .filter_map(|found| {
            let whole = found.get(0)?;
            let number = |group| found.get(group)?.as_str().parse::<f64>().ok();
            Some(Found {
                place: whole.range(),
                span: [number(1)?, number(2)?],
                caption: found
                    .get(3)
                    .map(|caption| caption.as_str().trim().to_owned()),
                bare_zero: spelled && &found[1] == "0",
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_one() {
        assert!(SPAN.is_some());
    }
}
