//! What a model writes, read into spans, boxes, tubes and captions.
//!
//! [`parse`] reads a raw answer (`<TEMP-012>` and so on) once, into typed values and a list of what is wrong with it;
//! [`compat`] gives the reference's own values, which published scores rest on.
//!
//! ```
//! use st_schema::{Task, answer};
//!
//! let answer = answer::parse(Task::Tvg, "{<TEMP-012><TEMP-034>}")?;
//! let (start, end) = answer.span.unwrap();
//! assert_eq!((start.number(), end.number()), (12, 34));
//! assert_eq!(answer::parse(Task::Tvg, "no idea").unwrap_err(), answer::AnswerError::NoCoordinates);
//! # Ok::<(), answer::AnswerError>(())
//! ```

pub mod compat;

use crate::scan::to_ascii;
use crate::text::{Located, Token, tokens};
use crate::{Axis, Bin, Task};

/// An answer's contents. Coordinates are as written; [`Answer::faults`] says which of them cannot be meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The first span `{<TEMP-a><TEMP-b>}`.
    pub span: Option<(Bin, Bin)>,
    /// Every span, with the sentence that follows it.
    pub events: Vec<Event>,
    /// Every box that has no time, with the text before it.
    pub boxes: Vec<Region>,
    /// Every `<TEMP-t>:[box]`, in the order written.
    pub tube: Vec<(Bin, [Bin; 4])>,
    /// The time after `Starts in`.
    pub starts_in: Option<Bin>,
    /// The time after `Ends in`.
    pub ends_in: Option<Bin>,
    /// The words: for elc what stands between the end time and `Object bounding box:`, else the whole text, trimmed.
    pub caption: Option<String>,
    /// What is wrong, in text order.
    pub faults: Vec<Fault>,
}

/// A span and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Start and end.
    pub span: (Bin, Bin),
    /// The text up to the next span, without the comma before and the full stop after.
    pub sentence: String,
}

/// A box and the words before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// `x1, y1, x2, y2`.
    pub bbox: [Bin; 4],
    /// The text since the previous box, trimmed.
    pub phrase: String,
}

/// Something in an answer that cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it starts, in bytes of the answer.
    pub at: usize,
    /// What it is.
    pub kind: FaultKind,
}

/// The ways in which an answer can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// A span that ends before it starts.
    ReversedSpan,
    /// A box whose second corner lies left of or above its first.
    ReversedBox,
    /// A bin number of 100 or more.
    NoSuchBin,
    /// A token of another axis than its place asks for.
    WrongAxis,
    /// Brackets or braces with tokens inside that make neither a span nor a box.
    Malformed,
    /// A second box for the same time.
    RepeatedTime,
    /// A time of a tube that is not after the one before.
    UnorderedTime,
    /// A coordinate token that belongs to nothing.
    Stray,
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing but white space.
    #[error("the answer is empty")]
    Empty,
    /// A task that asks for coordinates, and not one well-formed span, box or time.
    #[error("the answer has no coordinates")]
    NoCoordinates,
}

/// Whether a task's answers must hold coordinates.
#[must_use]
pub const fn wants_coordinates(task: Task) -> bool {
    matches!(
        task,
        Task::Tvg | Task::Dvc | Task::Rec | Task::Dgc | Task::Stvg | Task::Elc | Task::Svg
    )
}

/// Reads an answer.
///
/// # Errors
/// When the text is empty, or holds no coordinates although the task asks for them.
pub fn parse(task: Task, text: &str) -> Result<Answer, AnswerError> {
    if text.trim().is_empty() {
        return Err(AnswerError::Empty);
    }
    let mut reader = Reader {
        text,
        tokens: tokens(text).collect(),
        answer: Answer::default(),
        boxed_to: 0,
        event: None,
    };
    reader.read();
    let mut answer = reader.answer;
    let found = !answer.events.is_empty()
        || !answer.boxes.is_empty()
        || !answer.tube.is_empty()
        || answer.ends_in.is_some()
        || answer.starts_in.is_some();
    if wants_coordinates(task) && !found {
        return Err(AnswerError::NoCoordinates);
    }
    answer.span = answer.events.first().map(|event| event.span);
    answer.caption = Some(caption(task, text)).filter(|words| !words.is_empty());
    answer.faults.sort_by_key(|fault| fault.at);
    Ok(answer)
}

fn caption(task: Task, text: &str) -> String {
    let words = if task == Task::Elc {
        let body = text.split("Object bounding box:").next().unwrap_or(text);
        body.split_once("Ends in")
            .map_or(body, |(_, after)| match tokens(after).next() {
                Some(Located { end, .. }) => after[end..].trim_start().trim_start_matches(','),
                None => after,
            })
    } else {
        text
    };
    words.trim().to_owned()
}

fn bin_of(digits: &str) -> Option<Bin> {
    Bin::new(to_ascii(digits).parse().ok()?).ok()
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Located<'a>>,
    answer: Answer,
    /// Where the last box ended.
    boxed_to: usize,
    /// The span that has no sentence yet, and where it ended.
    event: Option<((Bin, Bin), usize)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            index += self.group(index);
        }
        self.finish_event(self.text.len());
    }

    /// Reads the group that token `index` opens and says how many tokens it took.
    fn group(&mut self, index: usize) -> usize {
        let start = self.tokens[index].start;
        match self.before(index) {
            Some('{') => self.span(index, start),
            Some('[') => self.region(index, start),
            _ => self.time(index, start),
        }
    }

    /// The character before token `index`, white space aside.
    fn before(&self, index: usize) -> Option<char> {
        self.text[..self.tokens[index].start]
            .trim_end()
            .chars()
            .next_back()
    }

    /// What lies between the end of token `index` and the next token or the text's end, trimmed.
    fn after(&self, index: usize) -> &'a str {
        let stop = self
            .tokens
            .get(index + 1)
            .map_or(self.text.len(), |next| next.start);
        self.text[self.tokens[index].end..stop].trim()
    }

    fn fault(&mut self, at: usize, kind: FaultKind) {
        self.answer.faults.push(Fault { at, kind });
    }

    /// The bins of tokens `index..`, one for each of `axes`, when they stand together and close with `close`.
    fn bins<const N: usize>(
        &mut self,
        index: usize,
        axes: [Axis; N],
        close: char,
    ) -> Result<[Bin; N], usize> {
        let mut bins = [Bin::FIRST; N];
        for (offset, axis) in axes.into_iter().enumerate() {
            let Some(located) = self.tokens.get(index + offset).copied() else {
                return Err(offset.max(1));
            };
            let Token::Bin(found, digits) = located.token else {
                self.fault(located.start, FaultKind::Malformed);
                return Err(offset + 1);
            };
            if found != axis {
                self.fault(located.start, FaultKind::WrongAxis);
                return Err(offset + 1);
            }
            let Some(bin) = bin_of(digits) else {
                self.fault(located.start, FaultKind::NoSuchBin);
                return Err(offset + 1);
            };
            bins[offset] = bin;
            let after = self.after(index + offset);
            let joined = if offset + 1 == N {
                after.starts_with(close)
            } else {
                after.is_empty() || after == ","
            };
            if !joined {
                self.fault(located.start, FaultKind::Malformed);
                return Err(offset + 1);
            }
        }
        Ok(bins)
    }

    fn span(&mut self, index: usize, start: usize) -> usize {
        match self.bins(index, [Axis::Temporal; 2], '}') {
            Ok([first, last]) => {
                if last < first {
                    self.fault(start, FaultKind::ReversedSpan);
                }
                let open = self.text[..start].rfind('{').unwrap_or(start);
                self.finish_event(open);
                let close = self.text[self.tokens[index + 1].end..]
                    .find('}')
                    .map_or(0, |at| at + 1);
                self.event = Some(((first, last), self.tokens[index + 1].end + close));
                2
            }
            Err(taken) => taken,
        }
    }

    fn finish_event(&mut self, stop: usize) {
        if let Some((span, from)) = self.event.take() {
            let sentence = self.text[from.min(stop)..stop]
                .trim()
                .trim_start_matches(',')
                .trim();
            let sentence = sentence.strip_suffix('.').unwrap_or(sentence).to_owned();
            self.answer.events.push(Event { span, sentence });
        }
    }

    fn corners(&mut self, index: usize, start: usize) -> Result<[Bin; 4], usize> {
        let bbox = self.bins(
            index,
            [Axis::Width, Axis::Height, Axis::Width, Axis::Height],
            ']',
        )?;
        if bbox[2] < bbox[0] || bbox[3] < bbox[1] {
            self.fault(start, FaultKind::ReversedBox);
        }
        Ok(bbox)
    }

    fn region(&mut self, index: usize, start: usize) -> usize {
        match self.corners(index, start) {
            Ok(bbox) => {
                let open = self.text[..start].rfind('[').unwrap_or(start);
                let phrase = self.text[self.boxed_to.min(open)..open].trim().to_owned();
                self.boxed_to = self.box_end(index + 3);
                self.answer.boxes.push(Region { bbox, phrase });
                4
            }
            Err(taken) => taken,
        }
    }

    fn box_end(&self, last: usize) -> usize {
        let end = self.tokens[last].end;
        self.text[end..].find(']').map_or(end, |at| end + at + 1)
    }

    /// A token outside brackets: a time of a tube, of `Starts in` or `Ends in`, or nothing known.
    fn time(&mut self, index: usize, start: usize) -> usize {
        let located = self.tokens[index];
        let Token::Bin(Axis::Temporal, digits) = located.token else {
            self.fault(
                start,
                if located.token == Token::Malformed {
                    FaultKind::Malformed
                } else {
                    FaultKind::Stray
                },
            );
            return 1;
        };
        let Some(bin) = bin_of(digits) else {
            self.fault(start, FaultKind::NoSuchBin);
            return 1;
        };
        let after = self.after(index);
        if after
            .strip_prefix(':')
            .is_some_and(|rest| rest.trim() == "[")
        {
            return 1 + match self.corners(index + 1, start) {
                Ok(bbox) => {
                    self.boxed_to = self.box_end(index + 4);
                    self.push_box(bin, bbox, start);
                    4
                }
                Err(taken) => taken,
            };
        }
        let words = self.text[..start].trim_end();
        if words.ends_with("Ends in") && self.answer.ends_in.is_none() {
            self.answer.ends_in = Some(bin);
        } else if words.ends_with("Starts in") && self.answer.starts_in.is_none() {
            self.answer.starts_in = Some(bin);
        } else {
            self.fault(start, FaultKind::Stray);
        }
        1
    }

    fn push_box(&mut self, time: Bin, bbox: [Bin; 4], start: usize) {
        if self.answer.tube.iter().any(|(known, _)| *known == time) {
            self.fault(start, FaultKind::RepeatedTime);
        } else if self
            .answer
            .tube
            .last()
            .is_some_and(|(before, _)| *before > time)
        {
            self.fault(start, FaultKind::UnorderedTime);
        }
        self.answer.tube.push((time, bbox));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(answer: &Answer) -> Vec<FaultKind> {
        answer.faults.iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn an_stvg_answer_is_read_whole() {
        let text = "In {<TEMP-010><TEMP-012>}. Object bounding box: <TEMP-010>:[<WIDTH-001><HEIGHT-002><WIDTH-003><HEIGHT-004>] <TEMP-012>:[<WIDTH-005><HEIGHT-006><WIDTH-007><HEIGHT-008>].";
        let answer = parse(Task::Stvg, text).unwrap();
        assert_eq!(
            answer.span.map(|(a, b)| (a.number(), b.number())),
            Some((10, 12))
        );
        assert_eq!(answer.tube.len(), 2);
        assert_eq!(answer.tube[1].1.map(Bin::number), [5, 6, 7, 8]);
        assert!(answer.faults.is_empty() && answer.boxes.is_empty());
    }

    #[test]
    fn an_elc_caption_keeps_its_commas() {
        let text = "Ends in <TEMP-045>, a child, in red, grabs 3.5 balls. Object bounding box: <TEMP-045>:[<WIDTH-010><HEIGHT-020><WIDTH-030><HEIGHT-040>]";
        let answer = parse(Task::Elc, text).unwrap();
        assert_eq!(
            answer.caption.as_deref(),
            Some("a child, in red, grabs 3.5 balls.")
        );
        assert_eq!(answer.ends_in.map(Bin::number), Some(45));
    }

    #[test]
    fn events_and_regions_have_their_words() {
        let answer = parse(
            Task::Dvc,
            "{<TEMP-000><TEMP-036>}, he pushes. {<TEMP-040><TEMP-050>}, she runs, fast.",
        )
        .unwrap();
        let sentences: Vec<_> = answer
            .events
            .iter()
            .map(|event| event.sentence.as_str())
            .collect();
        assert_eq!(sentences, ["he pushes", "she runs, fast"]);
        let answer = parse(Task::Dgc, "a ball [<WIDTH-050><HEIGHT-003><WIDTH-081><HEIGHT-074>] near a bike [<WIDTH-000><HEIGHT-013><WIDTH-047><HEIGHT-014>]").unwrap();
        let phrases: Vec<_> = answer
            .boxes
            .iter()
            .map(|region| region.phrase.as_str())
            .collect();
        assert_eq!(phrases, ["a ball", "near a bike"]);
    }

    #[test]
    fn faults_are_told_apart() {
        for (text, expected) in [
            ("{<TEMP-090><TEMP-010>}", vec![FaultKind::ReversedSpan]),
            (
                "{<TEMP-100><TEMP-110>} {<TEMP-001><TEMP-002>}",
                vec![FaultKind::NoSuchBin, FaultKind::NoSuchBin],
            ),
            (
                "{<WIDTH-001><HEIGHT-002>} {<TEMP-001><TEMP-002>}",
                vec![FaultKind::WrongAxis, FaultKind::Stray],
            ),
            (
                "[<WIDTH-050><HEIGHT-003><WIDTH-001><HEIGHT-074>]",
                vec![FaultKind::ReversedBox],
            ),
            (
                "[<WIDTH-050><HEIGHT-003><WIDTH-001>] {<TEMP-001><TEMP-002>}",
                vec![FaultKind::Malformed],
            ),
            ("<TEMP-005> {<TEMP-001><TEMP-002>}", vec![FaultKind::Stray]),
            (
                "<TEMP-010>:[<WIDTH-001><HEIGHT-002><WIDTH-003><HEIGHT-004>] <TEMP-010>:[<WIDTH-001><HEIGHT-002><WIDTH-003><HEIGHT-004>]",
                vec![FaultKind::RepeatedTime],
            ),
        ] {
            assert_eq!(kinds(&parse(Task::Stvg, text).unwrap()), expected, "{text}");
        }
        assert_eq!(parse(Task::Tr, " \n").unwrap_err(), AnswerError::Empty);
        assert_eq!(
            parse(Task::Rec, "{<TEMP-INPUT><TEMP-OUTPUT>}").unwrap_err(),
            AnswerError::NoCoordinates
        );
        assert!(parse(Task::Tr, "a dog").is_ok());
    }
}
