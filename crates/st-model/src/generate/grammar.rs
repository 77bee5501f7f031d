//! Constrained decoding: coordinate tokens only where they make spans, boxes and times that can be meant.
//!
//! - `{` is followed by two times, the second not before the first, and `}`.
//! - `[` is followed by width, height, width, height, the second corner not before the first, and `]`.
//! - A time outside of braces is followed by a comma, or by a colon and a box; the times of such boxes rise.
//! - Heights and widths stand nowhere else.

use std::sync::Arc;

use st_schema::Axis;

use super::{LogitFilter, id_of};
use crate::config::ModelConfig;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// What a piece of text opens behind it, for the tokens that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Opens {
    #[default]
    Nothing,
    Span,
    Box,
}

/// How a piece of text goes on after coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Continues {
    #[default]
    Otherwise,
    /// Begins with a brace that closes a span.
    ClosesSpan,
    /// Begins with a bracket that closes a box.
    ClosesBox,
    /// Begins with a comma.
    Comma,
    /// Is a colon alone.
    Colon,
    /// Is a colon and an opened box.
    ColonAndBox,
    /// Is an opening bracket alone.
    Bracket,
}

/// What a piece of text means for the tokens around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Piece {
    opens: Opens,
    continues: Continues,
}

impl Piece {
    fn of(text: &str) -> Self {
        let opens = match text.chars().last() {
            Some('{') => Opens::Span,
            Some('[') => Opens::Box,
            _ => Opens::Nothing,
        };
        let continues = match (text, text.chars().next()) {
            (":", _) => Continues::Colon,
            (":[", _) => Continues::ColonAndBox,
            ("[", _) => Continues::Bracket,
            _ if opens != Opens::Nothing => Continues::Otherwise,
            (_, Some('}')) => Continues::ClosesSpan,
            (_, Some(']')) => Continues::ClosesBox,
            (_, Some(',')) => Continues::Comma,
            _ => Continues::Otherwise,
        };
        Self { opens, continues }
    }
}

/// A token of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Text(Piece),
    Bin(Axis, usize),
}

/// What may follow.
#[derive(Clone, Copy, Debug)]
enum Allowed {
    /// Any text, and a time of at least this bin.
    TextOrTime(usize),
    /// A bin of the axis, of at least this number.
    Bin(Axis, usize),
    /// Text that goes on in one of these ways.
    Text(&'static [Continues]),
}

/// Which tokens are bins, and what the others mean.
#[derive(Debug)]
pub struct CoordinateGrammar {
    pieces: Vec<Piece>,
    /// First id and number of bins of each axis, in the order of the ids.
    axes: [(Axis, usize, usize); 3],
}

impl CoordinateGrammar {
    /// The grammar over a model's token ids.
    ///
    /// # Errors
    /// When a token has no text.
    pub fn new(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Self, TokenizerError> {
        let known = tokenizer.len();
        let pieces = (0..config.text.vocab_size)
            .map(|id| {
                // Rows behind the tokenizer's last word only fill the table up.
                if id >= known {
                    return Ok(Piece::default());
                }
                Ok(Piece::of(&tokenizer.decode(&[id_of(id)], false)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            pieces,
            axes: Axis::ALL
                .map(|axis| (axis, config.first_id(axis), config.coordinates.bins(axis))),
        })
    }

    /// The filter for [`super::GenerateOptions::filter`].
    #[must_use]
    pub fn filter(self) -> LogitFilter {
        Arc::new(move |_, ids, logits| self.forbid(ids, logits))
    }

    fn symbol(&self, id: u32) -> Symbol {
        let id = id as usize;
        self.axes
            .iter()
            .find(|(_, first, bins)| (*first..first + bins).contains(&id))
            .map_or_else(
                || Symbol::Text(self.pieces.get(id).copied().unwrap_or_default()),
                |(axis, first, _)| Symbol::Bin(*axis, id - first),
            )
    }

    fn forbid(&self, ids: &[u32], logits: &mut [f32]) {
        let symbols: Vec<Symbol> = ids.iter().map(|id| self.symbol(*id)).collect();
        let allowed = allowed(&symbols);
        let words = self.pieces.len().min(logits.len());
        match allowed {
            Allowed::TextOrTime(_) => {}
            Allowed::Bin(..) => logits[..words].fill(f32::NEG_INFINITY),
            Allowed::Text(ways) => {
                for (logit, piece) in logits.iter_mut().zip(&self.pieces) {
                    if !ways.contains(&piece.continues) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
        for (axis, first, bins) in self.axes {
            let least = match allowed {
                Allowed::TextOrTime(least) if axis == Axis::Temporal => least,
                Allowed::Bin(wanted, least) if axis == wanted => least,
                _ => bins,
            };
            let end = (first + least.min(bins)).min(logits.len());
            logits[first.min(end)..end].fill(f32::NEG_INFINITY);
        }
    }
}

/// What may follow an answer's tokens so far, all of which were allowed when they came.
fn allowed(symbols: &[Symbol]) -> Allowed {
    let run = symbols
        .iter()
        .rev()
        .take_while(|symbol| matches!(symbol, Symbol::Bin(..)))
        .count();
    let (before, run) = symbols.split_at(symbols.len() - run);
    let opener = match before.last() {
        Some(Symbol::Text(piece)) => *piece,
        _ => Piece::default(),
    };
    let bin = |place: usize| match run[place] {
        Symbol::Bin(_, bin) => bin,
        Symbol::Text(_) => 0,
    };
    if opener.opens == Opens::Box {
        return match run.len() {
            0 => Allowed::Bin(Axis::Width, 0),
            1 => Allowed::Bin(Axis::Height, 0),
            2 => Allowed::Bin(Axis::Width, bin(0)),
            3 => Allowed::Bin(Axis::Height, bin(1)),
            _ => Allowed::Text(&[Continues::ClosesBox]),
        };
    }
    if opener.opens == Opens::Span {
        return match run.len() {
            0 => Allowed::Bin(Axis::Temporal, 0),
            1 => Allowed::Bin(Axis::Temporal, bin(0)),
            _ => Allowed::Text(&[Continues::ClosesSpan]),
        };
    }
    if !run.is_empty() {
        return Allowed::Text(&[Continues::Comma, Continues::Colon, Continues::ColonAndBox]);
    }
    // A colon that follows a time, but not one of the words.
    if opener.continues == Continues::Colon && matches!(before, [.., Symbol::Bin(..), _]) {
        return Allowed::Text(&[Continues::Bracket]);
    }
    Allowed::TextOrTime(last_box_time(before).map_or(0, |time| time + 1))
}

/// The time of the last box that has one.
fn last_box_time(symbols: &[Symbol]) -> Option<usize> {
    symbols.windows(2).rev().find_map(|pair| match pair {
        [Symbol::Bin(Axis::Temporal, time), Symbol::Text(piece)]
            if matches!(piece.continues, Continues::Colon | Continues::ColonAndBox) =>
        {
            Some(*time)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TEXTS: [&str; 12] = [
        "{", "}", "[", "]", ":", ":[", "],", "}. ", ", ", " a dog", "Ends in ", " box:",
    ];
    const BINS: usize = 10;

    fn grammar() -> CoordinateGrammar {
        let first = |axis: usize| TEXTS.len() + axis * BINS;
        CoordinateGrammar {
            pieces: TEXTS.map(Piece::of).into(),
            axes: [0, 1, 2].map(|axis| (Axis::ALL[axis], first(axis), BINS)),
        }
    }

    fn text(grammar: &CoordinateGrammar, ids: &[u32]) -> String {
        ids.iter()
            .map(|id| match grammar.symbol(*id) {
                Symbol::Text(_) => TEXTS[*id as usize].to_owned(),
                // Ten bins stand for the hundred of the real model.
                Symbol::Bin(axis, bin) => crate::tokenizer::numbered(axis, bin * 11),
            })
            .collect()
    }

    #[test]
    fn a_drunken_model_writes_only_coordinates_that_can_be_meant() {
        use st_schema::answer::{FaultKind, parse};
        let grammar = grammar();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mut spans, mut boxes, mut tubes) = (0, 0, 0);
        for _ in 0..3000 {
            let mut ids: Vec<u32> = Vec::new();
            // To a place where the answer may end.
            while ids.len() < 24
                || (ids.len() < 60
                    && !matches!(
                        allowed(&ids.iter().map(|id| grammar.symbol(*id)).collect::<Vec<_>>()),
                        Allowed::TextOrTime(_)
                    ))
            {
                let mut logits = vec![0.0_f32; TEXTS.len() + 3 * BINS];
                grammar.forbid(&ids, &mut logits);
                let free: Vec<usize> = (0..logits.len())
                    .filter(|id| logits[*id] > f32::NEG_INFINITY)
                    .collect();
                ids.push(id_of(free[random.random_range(0..free.len())]));
            }
            let text = text(&grammar, &ids);
            let Ok(answer) = parse(st_schema::Task::Stvg, &text) else {
                continue;
            };
            spans += answer.events.len();
            boxes += answer.boxes.len();
            tubes += answer.tube.len();
            // A time before a comma is one on its own, as in `Ends in <TEMP-012>,`.
            let meant = |kind| {
                !matches!(
                    kind,
                    FaultKind::ReversedSpan
                        | FaultKind::ReversedBox
                        | FaultKind::WrongAxis
                        | FaultKind::RepeatedTime
                        | FaultKind::UnorderedTime
                        | FaultKind::NoSuchBin
                )
            };
            assert!(
                answer.faults.iter().all(|fault| meant(fault.kind)),
                "{text}\n{:?}",
                answer.faults
            );
        }
        assert!(
            spans > 100 && boxes > 100 && tubes > 100,
            "{spans} {boxes} {tubes}"
        );
    }

    #[test]
    fn a_span_closes_after_two_rising_times() {
        let grammar = grammar();
        let id = |word: &str| id_of(TEXTS.iter().position(|text| *text == word).unwrap());
        let time = |bin: usize| id_of(TEXTS.len() + bin);
        let free = |ids: &[u32]| -> Vec<u32> {
            let mut logits = vec![0.0_f32; TEXTS.len() + 3 * BINS];
            grammar.forbid(ids, &mut logits);
            (0..logits.len())
                .filter(|id| logits[*id] > f32::NEG_INFINITY)
                .map(id_of)
                .collect()
        };
        assert_eq!(free(&[id("{"), time(7)]), [time(7), time(8), time(9)]);
        assert_eq!(free(&[id("{"), time(7), time(9)]), [id("}"), id("}. ")]);
        assert_eq!(free(&[time(9)]), [id(":"), id(":["), id(", ")]);
        assert_eq!(free(&[time(9), id(":")]), [id("[")]);
    }
}
