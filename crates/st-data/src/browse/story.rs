//! A record's conversation, cut into words, spans, boxes and tubes.

use serde::Serialize;
use st_schema::{Axis, Record, text};

/// Who says where or when something is: the question or the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The human gives it.
    Asked,
    /// The model is to give it.
    Answered,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StorySpan {
    /// Who says it.
    pub side: Side,
    /// Start and end as fractions of the clip.
    pub at: [f64; 2],
}

/// A place in the picture, for the whole clip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StoryBox {
    /// Who says it.
    pub side: Side,
    /// `x1, y1, x2, y2` as fractions of the picture.
    pub at: [f64; 4],
}

/// Places one after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoryTube {
    /// Who says it.
    pub side: Side,
    /// Times as fractions of the clip, in the order of the text.
    pub times: Vec<f64>,
    /// A box for each time, `x1, y1, x2, y2` as fractions of the picture.
    pub boxes: Vec<[f64; 4]>,
}

/// A piece of a turn. Spans, boxes and tubes are named by their number in the [`Story`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Words.
    Text(String),
    /// A span.
    Span(usize),
    /// A box.
    Box(usize),
    /// A tube.
    Tube(usize),
    /// A time that belongs to no span and no tube.
    Time(f64),
    /// A width or height that belongs to no box, or a placeholder without a number.
    Loose(String),
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Telling {
    /// `human`, `gpt` or `system`.
    pub from: &'static str,
    /// What is said; the media placeholder is left out.
    pub parts: Vec<Part>,
}

/// A record, ready to be drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Story {
    /// The turns.
    pub turns: Vec<Telling>,
    /// All spans, in text order.
    pub spans: Vec<StorySpan>,
    /// All boxes without a time, in text order.
    pub boxes: Vec<StoryBox>,
    /// All tubes, in text order.
    pub tubes: Vec<StoryTube>,
}

/// A placeholder and its number.
struct Token {
    axis: Axis,
    side: Side,
    value: Option<f64>,
    start: usize,
    end: usize,
}

impl Story {
    /// Tells a record. Placeholders that make no span, box or tube, or have no number, stay visible as such.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut story = Self::default();
        let mut taken = [[0_usize; 2]; 3];
        for (number, turn) in record.conversations.iter().enumerate() {
            let tokens: Vec<Token> = text::placeholders(&turn.value)
                .map(|(start, axis, side)| {
                    let next = &mut taken[axis as usize][side as usize];
                    let value = record.variables.get(axis, side).get(*next).copied();
                    *next += 1;
                    Token {
                        axis,
                        side: match side {
                            st_schema::Side::Input => Side::Asked,
                            st_schema::Side::Output => Side::Answered,
                        },
                        value,
                        start,
                        end: start + axis.placeholder(side).len(),
                    }
                })
                .collect();
            let mut teller = Teller {
                story: &mut story,
                text: &turn.value,
                told: 0,
                parts: Vec::new(),
            };
            if number == 0 {
                teller.pass_media(record.media.placeholder());
            }
            teller.tell(&tokens);
            let parts = teller.parts;
            story.pair(&parts);
            story.turns.push(Telling {
                from: turn.from.as_str(),
                parts,
            });
        }
        story
    }
}

impl Story {
    /// A question that names one time and an answer that names another mean the time between ("Starts in …", "Ends in …").
    fn pair(&mut self, answer: &[Part]) {
        let lone = |parts: &[Part]| {
            let mut times = parts.iter().filter_map(|part| match part {
                Part::Time(time) => Some(*time),
                _ => None,
            });
            times.next().filter(|_| times.next().is_none())
        };
        let asked = self.turns.last().filter(|turn| turn.from == "human");
        let start = asked.and_then(|turn| lone(&turn.parts));
        if let (Some(start), Some(end)) = (start, lone(answer)) {
            self.spans.push(StorySpan {
                side: Side::Answered,
                at: [start, end],
            });
        }
    }
}

struct Teller<'a> {
    story: &'a mut Story,
    text: &'a str,
    /// Up to where the text is told.
    told: usize,
    parts: Vec<Part>,
}

impl Teller<'_> {
    fn pass_media(&mut self, placeholder: &str) {
        if let Some(rest) = self.text.strip_prefix(placeholder) {
            self.told = self.text.len() - rest.trim_start().len();
        }
    }

    fn tell(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += self
                .timed_box(rest)
                .or_else(|| self.plain_box(rest))
                .or_else(|| self.span(rest))
                .unwrap_or_else(|| self.loose(&rest[0]));
        }
        self.words(self.text.len());
    }

    /// Tells the words up to `end`.
    fn words(&mut self, end: usize) {
        if let Some(words) = self
            .text
            .get(self.told..end)
            .filter(|words| !words.is_empty())
        {
            self.parts.push(Part::Text(words.to_owned()));
        }
        self.told = self.told.max(end);
    }

    /// The extent of tokens with the bracket before and after them, where both are there.
    fn extent(&self, first: &Token, last: &Token, brackets: [char; 2]) -> [usize; 2] {
        let before = self.text[..first.start].trim_end();
        let after = self.text[last.end..].trim_start();
        if before.len() > self.told
            && before.ends_with(brackets[0])
            && after.starts_with(brackets[1])
        {
            [
                before.len() - 1,
                self.text.len() - after.len() + brackets[1].len_utf8(),
            ]
        } else {
            [first.start, last.end]
        }
    }

    fn timed_box(&mut self, tokens: &[Token]) -> Option<usize> {
        let (time, rest) = tokens.split_first()?;
        if time.axis != Axis::Temporal {
            return None;
        }
        let at = corners(rest)?;
        let when = time.value?;
        let between = self.text.get(time.end..rest[0].start)?;
        if between.replace(' ', "") != ":[" {
            return None;
        }
        let [_, end] = self.extent(&rest[0], &rest[3], ['[', ']']);
        // Boxes that only a separator parts are one tube.
        let gap = self.text.get(self.told..time.start).unwrap_or_default();
        let parted = gap.chars().any(char::is_alphanumeric);
        match (self.parts.last(), parted) {
            // A time that does not rise begins another object's tube.
            (Some(Part::Tube(number)), false)
                if self.story.tubes[*number].times.last() < Some(&when) =>
            {
                let tube = &mut self.story.tubes[*number];
                tube.times.push(when);
                tube.boxes.push(at);
            }
            _ => {
                self.words(time.start);
                self.parts.push(Part::Tube(self.story.tubes.len()));
                self.story.tubes.push(StoryTube {
                    side: time.side,
                    times: vec![when],
                    boxes: vec![at],
                });
            }
        }
        self.told = end;
        Some(5)
    }

    fn plain_box(&mut self, tokens: &[Token]) -> Option<usize> {
        let at = corners(tokens)?;
        let [start, end] = self.extent(&tokens[0], &tokens[3], ['[', ']']);
        self.words(start);
        self.parts.push(Part::Box(self.story.boxes.len()));
        self.story.boxes.push(StoryBox {
            side: tokens[0].side,
            at,
        });
        self.told = end;
        Some(4)
    }

    fn span(&mut self, tokens: &[Token]) -> Option<usize> {
        let [first, last, ..] = tokens else {
            return None;
        };
        let both = [first, last].map(|token| (token.axis == Axis::Temporal).then_some(token.value));
        let at = [both[0]??, both[1]??];
        if first.end != last.start {
            return None;
        }
        let [start, end] = self.extent(first, last, ['{', '}']);
        self.words(start);
        self.parts.push(Part::Span(self.story.spans.len()));
        self.story.spans.push(StorySpan {
            side: first.side,
            at,
        });
        self.told = end;
        Some(2)
    }

    fn loose(&mut self, token: &Token) -> usize {
        self.words(token.start);
        self.parts.push(match (token.axis, token.value) {
            (Axis::Temporal, Some(value)) => Part::Time(value),
            (axis, Some(value)) => Part::Loose(format!("{axis:?} {value}").to_lowercase()),
            (axis, None) => Part::Loose(format!("{axis:?} without a number").to_lowercase()),
        });
        self.told = token.end;
        1
    }
}

/// The box of four placeholders that stand side by side.
fn corners(tokens: &[Token]) -> Option<[f64; 4]> {
    use Axis::{Height, Width};
    let four = tokens.get(..4)?;
    let axes = [Width, Height, Width, Height];
    let side_by_side = four.windows(2).all(|pair| pair[0].end == pair[1].start);
    let fits = four
        .iter()
        .zip(axes)
        .all(|(token, axis)| token.axis == axis);
    if !side_by_side || !fits {
        return None;
    }
    Some([
        four[0].value?,
        four[1].value?,
        four[2].value?,
        four[3].value?,
    ])
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers are passed on as they are")]
mod tests {
    use super::*;

    fn story(question: &str, answer: &str, variables: &str) -> Story {
        let json = format!(
            r#"{{"id":"a","video":"a.mp4","conversations":[{{"from":"human","value":"<video>\n{question}"}},{{"from":"gpt","value":"{answer}"}}],"variables":{variables}}}"#
        );
        Story::of(&serde_json::from_str(&json).unwrap())
    }

    const BOX: &str = "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]";

    #[test]
    fn a_span_and_a_tube_are_told_in_their_places() {
        let answer = format!(
            "During the span of {{<TEMP-OUTPUT><TEMP-OUTPUT>}}. Object bounding box: <TEMP-OUTPUT>:{BOX} <TEMP-OUTPUT>:{BOX}, so."
        );
        let story = story(
            "In { <TEMP-INPUT><TEMP-INPUT> }, who?",
            &answer,
            r#"{"temporal_input_locations":[0.1,0.9],"temporal_output_locations":[0.2,0.6,0.2,0.6],
            "spatial_width_output_locations":[0.0,0.5,0.1,0.6],"spatial_height_output_locations":[0.25,1.0,0.3,0.9]}"#,
        );
        let text = |text: &str| Part::Text(text.into());
        assert_eq!(
            story.turns[0].parts,
            [text("In "), Part::Span(0), text(", who?")]
        );
        assert_eq!(
            story.turns[1].parts,
            [
                text("During the span of "),
                Part::Span(1),
                text(". Object bounding box: "),
                Part::Tube(0),
                text(", so."),
            ]
        );
        assert_eq!(
            story.spans.iter().map(|span| span.side).collect::<Vec<_>>(),
            [Side::Asked, Side::Answered]
        );
        assert_eq!(story.tubes[0].times, [0.2, 0.6]);
        assert_eq!(story.tubes[0].boxes[1], [0.1, 0.3, 0.6, 0.9]);
    }

    #[test]
    fn words_part_tubes_and_boxes_stand_alone() {
        let answer = format!("a <TEMP-OUTPUT>:{BOX} and <TEMP-OUTPUT>:{BOX} on {BOX}");
        let story = story(
            "Who?",
            &answer,
            r#"{"temporal_output_locations":[0.2,0.6],
            "spatial_width_output_locations":[0.0,0.5,0.1,0.6,0.2,0.7],"spatial_height_output_locations":[0.25,1.0,0.3,0.9,0.4,0.8]}"#,
        );
        assert_eq!((story.tubes.len(), story.boxes.len()), (2, 1));
        assert_eq!(story.boxes[0].at, [0.2, 0.4, 0.7, 0.8]);
    }

    #[test]
    fn an_end_and_its_start_make_a_span() {
        let story = story(
            "Starts in <TEMP-INPUT>?",
            &format!("Ends in <TEMP-OUTPUT>, a ring. Object: <TEMP-OUTPUT>:{BOX}"),
            r#"{"temporal_input_locations":[0.25],"temporal_output_locations":[0.75,0.25],
            "spatial_width_output_locations":[0.1,0.5],"spatial_height_output_locations":[0,0.5]}"#,
        );
        assert_eq!(story.spans[0].at, [0.25, 0.75]);
        assert_eq!(story.tubes.len(), 1);
    }

    #[test]
    fn what_does_not_fit_stays_visible() {
        let story = story(
            "At <TEMP-INPUT>?",
            "<TEMP-OUTPUT><TEMP-OUTPUT> <WIDTH-OUTPUT>",
            r#"{"temporal_input_locations":[0.4],"temporal_output_locations":[0.2],"spatial_width_output_locations":[0.5]}"#,
        );
        assert_eq!(story.turns[0].parts[1], Part::Time(0.4));
        let loose: Vec<&Part> = story.turns[1].parts.iter().collect();
        assert_eq!(
            loose,
            [
                &Part::Time(0.2),
                &Part::Loose("temporal without a number".into()),
                &Part::Text(" ".into()),
                &Part::Loose("width 0.5".into())
            ]
        );
    }
}
