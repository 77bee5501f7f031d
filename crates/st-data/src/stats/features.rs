//! What one record holds: spans, boxes, tubes and words, read from its placeholders and numbers.

use st_schema::text::{Token, tokens};
use st_schema::{Axis, Record, Role, Side};

/// A span as the record gives it: fractions of the clip, in the record's order, unchecked.
pub type RawSpan = [f64; 2];

/// A box as the record gives it: x1, y1, x2, y2 as fractions of the picture, unchecked.
pub type RawBox = [f64; 4];

/// The coordinates of one turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TurnShape {
    /// Pairs of times side by side.
    pub spans: Vec<RawSpan>,
    /// Boxes, and the time that stands before each, if any.
    pub boxes: Vec<(Option<f64>, RawBox)>,
    /// Times that belong to no span and no box.
    pub times: Vec<f64>,
}

/// Boxes of one object at rising times.
pub type RawTube = Vec<(f64, RawBox)>;

impl TurnShape {
    /// The tubes: runs of at least two boxes at rising times. A time that does not rise starts another object's tube.
    #[must_use]
    pub fn tubes(&self) -> Vec<RawTube> {
        let mut tubes: Vec<RawTube> = Vec::new();
        let mut last = None;
        for (time, corners) in &self.boxes {
            match (last, time) {
                (Some(before), Some(now)) if *now > before => {
                    if let Some(tube) = tubes.last_mut() {
                        tube.push((*now, *corners));
                    }
                }
                (_, Some(now)) => tubes.push(vec![(*now, *corners)]),
                (_, None) => {}
            }
            last = *time;
        }
        tubes.retain(|tube| tube.len() > 1);
        tubes
    }
}

/// The coordinates of a conversation, turn by turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// One for each turn.
    pub turns: Vec<TurnShape>,
}

impl Features {
    /// Reads a record's coordinates; `None` when placeholders and numbers do not match in number.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let mut lists =
            Axis::ALL.map(|axis| Side::ALL.map(|side| record.variables.get(axis, side).iter()));
        let mut turns = Vec::with_capacity(record.conversations.len());
        for turn in &record.conversations {
            let mut reader = TurnReader::default();
            for located in tokens(&turn.value) {
                if let Token::Placeholder(axis, side) = located.token {
                    let value = *lists[axis as usize][side as usize].next()?;
                    let gap = &turn.value[reader.end..located.start];
                    reader.take(axis, value, gap);
                    reader.end = located.end;
                }
            }
            turns.push(reader.finish());
        }
        let all_used = lists.iter().flatten().all(|list| list.len() == 0);
        all_used.then_some(Self { turns })
    }

    /// Spans of questions or answers. An answer that only names its end ("Ends in …") makes a span with the one time that
    /// its question names.
    #[must_use]
    pub fn spans(&self, record: &Record, side: Side) -> Vec<RawSpan> {
        let mut spans = Vec::new();
        let mut start = None;
        for (turn, shape) in record.conversations.iter().zip(&self.turns) {
            if turn.from.side() == side {
                spans.extend_from_slice(&shape.spans);
            }
            match (turn.from, &shape.times[..], start) {
                (Role::Human, [time], _) => start = Some(*time),
                (Role::Human, ..) => start = None,
                (Role::Gpt, [end], Some(start)) if side == Side::Output => {
                    spans.push([start, *end]);
                }
                _ => {}
            }
        }
        spans
    }
}

/// Puts placeholders together while they arrive.
#[derive(Default)]
struct TurnReader {
    shape: TurnShape,
    /// Placeholders side by side that are no span or box yet.
    run: Vec<(Axis, f64)>,
    /// A lone time, and whether nothing but `:[` has followed it.
    time: Option<(f64, bool)>,
    /// Where the last placeholder ended.
    end: usize,
}

impl TurnReader {
    fn take(&mut self, axis: Axis, value: f64, gap: &str) {
        if !gap.is_empty() {
            self.close_run(gap);
        }
        self.run.push((axis, value));
        match self.run[..] {
            [(Axis::Temporal, from), (Axis::Temporal, to)] => {
                self.lone_time();
                self.shape.spans.push([from, to]);
                self.run.clear();
            }
            [
                (Axis::Width, x1),
                (Axis::Height, y1),
                (Axis::Width, x2),
                (Axis::Height, y2),
            ] => {
                let time = match self.time {
                    Some((time, true)) => {
                        self.time = None;
                        Some(time)
                    }
                    _ => None,
                };
                self.lone_time();
                self.shape.boxes.push((time, [x1, y1, x2, y2]));
                self.run.clear();
            }
            _ => {}
        }
    }

    /// What stood side by side was no span or box: a single time waits for its box, anything else is dropped.
    fn close_run(&mut self, gap: &str) {
        if let [(Axis::Temporal, time)] = self.run[..] {
            self.lone_time();
            let opens = gap.trim_start().strip_prefix(':').map(str::trim);
            self.time = Some((time, opens == Some("[")));
        } else if let Some((_, before_box)) = &mut self.time {
            *before_box = false;
        }
        self.run.clear();
    }

    fn lone_time(&mut self) {
        if let Some((time, _)) = self.time.take() {
            self.shape.times.push(time);
        }
    }

    fn finish(mut self) -> TurnShape {
        self.close_run("");
        self.lone_time();
        self.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(question: &str, answer: &str, variables: &str) -> Record {
        let json = serde_json::json!({"id":"a","task":"stvg","video":"v.mp4","conversations":[
            {"from":"human","value":question},{"from":"gpt","value":answer}],
            "variables": serde_json::from_str::<serde_json::Value>(variables).unwrap()});
        serde_json::from_value(json).unwrap()
    }

    const BOX: &str = "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]";

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are copied, not computed")]
    fn spans_tubes_and_boxes_are_told_apart() {
        let answer = format!(
            "In {{<TEMP-OUTPUT><TEMP-OUTPUT>}}: <TEMP-OUTPUT>:{BOX} <TEMP-OUTPUT>:{BOX} <TEMP-OUTPUT>: {BOX}, and {BOX}."
        );
        let record = record(
            "<video>\nWhere?",
            &answer,
            r#"{"temporal_output_locations":[0.2,0.5,0.2,0.3,0.1],
            "spatial_width_output_locations":[0.1,0.5,0.2,0.6,0.3,0.7,0.4,0.8],
            "spatial_height_output_locations":[0,0.5,0,0.5,0,0.5,0,0.5]}"#,
        );
        let features = Features::of(&record).unwrap();
        let shape = &features.turns[1];
        assert_eq!(shape.spans, [[0.2, 0.5]]);
        let times: Vec<_> = shape.boxes.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [Some(0.2), Some(0.3), Some(0.1), None]);
        assert_eq!(shape.boxes[1].1, [0.2, 0.0, 0.6, 0.5]);
        assert_eq!(shape.tubes().len(), 1);
        assert_eq!(shape.tubes()[0].len(), 2);
        assert!(shape.times.is_empty());
    }

    #[test]
    fn an_end_and_its_start_make_a_span() {
        let record = record(
            "<video>\nStarts in <TEMP-INPUT>, until when?",
            &format!("Ends in <TEMP-OUTPUT>, a ring. Object bounding box: <TEMP-OUTPUT>:{BOX}."),
            r#"{"temporal_input_locations":[0.25],"temporal_output_locations":[0.75,0.25],
            "spatial_width_output_locations":[0.1,0.5],"spatial_height_output_locations":[0,0.5]}"#,
        );
        let features = Features::of(&record).unwrap();
        assert_eq!(features.spans(&record, Side::Output), [[0.25, 0.75]]);
        assert!(features.spans(&record, Side::Input).is_empty());
    }

    #[test]
    fn numbers_that_do_not_match_are_refused() {
        for numbers in ["[0.2]", "[0.2,0.5,0.7]"] {
            let record = record(
                "<video>\nWhen?",
                "{<TEMP-OUTPUT><TEMP-OUTPUT>}",
                &format!("{{\"temporal_output_locations\":{numbers}}}"),
            );
            assert_eq!(Features::of(&record), None, "{numbers}");
        }
    }
}
