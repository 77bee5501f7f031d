//! The original's arithmetic, quirks included.
//!
//! Source: `inference/src/metrics.py` of the released code. Its numbers are reproduced as it computes them: REC leaves
//! unparsed answers out of the count, TVG counts them as misses; TVG's thresholds are `>`, the others' `>=`; an ELC end
//! is looked for as `{a,b}`; a tube's spatial IoU is the mean over the frames that truth and prediction share. Where
//! that code stops with an exception, the exception is the result.

use std::borrow::Cow;

use st_schema::answer::compat;
use st_schema::round3;

use crate::prediction::{Prediction, TruthBoxes, VideoTruth};
use crate::score::Values;
use crate::task::EvalTask;

/// The exception with which the original's program ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginalError {
    /// A field is absent.
    #[error("KeyError: '{0}'")]
    Key(&'static str),
    /// A method is called on something that lacks it.
    #[error("AttributeError: '{object}' object has no attribute '{attribute}'")]
    Attribute {
        /// The object's type.
        object: &'static str,
        /// What was asked of it.
        attribute: &'static str,
    },
    /// A pattern is looked for in no text.
    #[error("TypeError: expected string or bytes-like object, got 'NoneType'")]
    NotText,
    /// A value has another type than the arithmetic needs.
    #[error("TypeError: {0} is not as expected")]
    Type(&'static str),
    /// A sequence is shorter than the index.
    #[error("IndexError: list index out of range")]
    Index,
    /// A frame lies outside the sampled ones.
    #[error("AssertionError: ")]
    Assertion,
    /// Division by an integer zero.
    #[error("ZeroDivisionError: division by zero")]
    ZeroDivision,
    /// Division by a real zero.
    #[error("ZeroDivisionError: float division by zero")]
    FloatZeroDivision,
    /// A caption without words in a metric that needs one.
    #[error("ValueError: max() arg is an empty sequence")]
    EmptyCaption,
}

/// What the original computes for one record.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginalScore {
    /// Whether the record enters the denominator.
    pub counted: bool,
    /// Whether an answer was found in the text.
    pub parsed: bool,
    /// The record's numbers.
    pub values: Values,
    /// The span or box found, in the text's own units.
    pub predicted: Vec<f64>,
}

/// Scores one record as the original does.
///
/// # Errors
/// The exception that would end the original's program.
pub fn score(task: EvalTask, record: &Prediction) -> Result<OriginalScore, OriginalError> {
    match task {
        EvalTask::Rec => rec(record),
        EvalTask::Tvg => tvg(record),
        EvalTask::Stvg | EvalTask::Svg | EvalTask::Elc => tube(task, record, 100),
    }
}

fn rec(record: &Prediction) -> Result<OriginalScore, OriginalError> {
    let truth = corners(required(record.gt_bbox.as_ref(), "gt_bbox")?.as_deref())?;
    let text = required(record.converted_outputs.as_ref(), "converted_outputs")?
        .as_deref()
        .ok_or(OriginalError::Attribute {
            object: "NoneType",
            attribute: "replace",
        })?;
    let Some(predicted) = compat::bounding_box(text) else {
        return Ok(OriginalScore {
            counted: false,
            parsed: false,
            values: Values::default(),
            predicted: Vec::new(),
        });
    };
    let iou = box_iou(truth, predicted);
    Ok(OriginalScore {
        counted: true,
        parsed: true,
        values: Values {
            iou: Some(iou),
            ..Values::default()
        },
        predicted: predicted.to_vec(),
    })
}

fn tvg(record: &Prediction) -> Result<OriginalScore, OriginalError> {
    let text = converted(record)?;
    let truth = match required(record.gt.as_ref(), "gt")? {
        Some(VideoTruth::Span(ends)) => ends.clone(),
        _ => return Err(OriginalError::Type("gt")),
    };
    let predicted = compat::span(text).unwrap_or([0.0, 0.0]);
    let parsed = predicted != [0.0, 0.0];
    let tiou = if parsed {
        span_iou(predicted, pair(&truth)?)?
    } else {
        0.0
    };
    Ok(OriginalScore {
        counted: true,
        parsed,
        values: Values {
            tiou: Some(tiou),
            ..Values::default()
        },
        predicted: predicted.to_vec(),
    })
}

/// `eval_stvg` for its three tasks; `frames` is its `num_frames`.
fn tube(task: EvalTask, record: &Prediction, frames: u32) -> Result<OriginalScore, OriginalError> {
    let [first, last] =
        required(record.split.as_ref(), "split")?.ok_or(OriginalError::Type("split"))?;
    let length = last - first;
    let width = required(record.width.as_ref(), "width")?.ok_or(OriginalError::Type("width"))?;
    let height =
        required(record.height.as_ref(), "height")?.ok_or(OriginalError::Type("height"))?;
    let outputs = required(record.outputs.as_ref(), "outputs")?
        .as_deref()
        .ok_or(OriginalError::NotText)?;
    let span = compat::span(converted(record)?);
    let boxes = token_tube(outputs);
    let Some(VideoTruth::Tube { tvg, svg, .. }) = required(record.gt.as_ref(), "gt")? else {
        return Err(OriginalError::Type("gt"));
    };
    let truth_span = if task == EvalTask::Svg {
        None
    } else {
        Some(tvg.as_deref().ok_or(OriginalError::Key("tvg"))?)
    };
    let truth_boxes = match svg.as_ref().ok_or(OriginalError::Key("svg"))? {
        TruthBoxes::ByFrame(boxes) => boxes,
        TruthBoxes::List => {
            return Err(OriginalError::Attribute {
                object: "list",
                attribute: "items",
            });
        }
    };
    let truth_span = truth_span
        .map(|ends| truth_fractions(ends, first, length))
        .transpose()?;
    let sampled = SampledFrames {
        first,
        length,
        last_index: f64::from(frames - 1),
    };
    for (frame, _) in truth_boxes {
        sampled.check(*frame)?;
    }
    let predicted = sampled.place(&boxes, width, height)?;
    let tiou = match &truth_span {
        Some(truth) => span_iou(pair(truth)?, span.unwrap_or([0.0, 0.0]))?,
        None => 0.0,
    };
    let (siou, viou) = tube_iou(truth_boxes, &predicted);
    Ok(OriginalScore {
        counted: true,
        parsed: !predicted.is_empty(),
        values: Values {
            iou: None,
            tiou: Some(tiou),
            siou: Some(siou),
            viou: Some(viou),
        },
        predicted: span.map(Vec::from).unwrap_or_default(),
    })
}

/// `compat::tube(&compat::tokens(text))` without building the text between: by far most of a scorer's time.
///
/// Every `:[` has to belong to a well-formed `<TEMP-t>:[<WIDTH-a><HEIGHT-b><WIDTH-c><HEIGHT-d>]` whose time stands apart
/// from digits before it; any other text goes the long way.
fn token_tube(text: &str) -> Vec<(f64, [f64; 4])> {
    fast_token_tube(text.as_bytes()).unwrap_or_else(|| compat::tube(&compat::tokens(text)))
}

fn fast_token_tube(text: &[u8]) -> Option<Vec<(f64, [f64; 4])>> {
    let mut found: Vec<(f64, [f64; 4])> = Vec::with_capacity(64);
    let mut rising = true;
    let mut at = 0;
    while let Some(colon) = memchr::memchr(b':', &text[at..]).map(|offset| at + offset) {
        at = colon + 1;
        let blanks = text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        if text.get(at + blanks) != Some(&b'[') {
            continue;
        }
        if blanks > 0 {
            return None;
        }
        let time = token_before(&text[..colon])?;
        let mut cursor = at + 1;
        let mut corners = [0.0; 4];
        for (corner, word) in
            corners
                .iter_mut()
                .zip([&b"<WIDTH-"[..], b"<HEIGHT-", b"<WIDTH-", b"<HEIGHT-"])
        {
            let rest = text[cursor..].strip_prefix(word)?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            *corner = decimal(&rest[..digits])?;
            rest[digits..].strip_prefix(b">")?;
            cursor += word.len() + digits + 1;
        }
        text[cursor..].strip_prefix(b"]")?;
        at = cursor + 1;
        // While times rise, as they usually do, each is a new one.
        rising &= found.last().is_none_or(|(last, _)| *last < time);
        let known = if rising {
            None
        } else {
            found
                .iter_mut()
                .find(|(known, _)| known.to_bits() == time.to_bits())
        };
        match known {
            Some((_, known)) => *known = corners,
            None => found.push((time, corners)),
        }
    }
    Some(found)
}

/// The number of the `<TEMP-t>` that a text ends with, when nothing before it can run into the number.
fn token_before(text: &[u8]) -> Option<f64> {
    let inside = text.strip_suffix(b">")?;
    let digits = inside
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (before, number) = inside.split_at(inside.len() - digits);
    let before = before.strip_suffix(b"<TEMP-")?;
    let neighbour = before.iter().rev().find(|byte| **byte != b' ');
    match neighbour {
        Some(byte) if byte.is_ascii_digit() || *byte == b'.' || !byte.is_ascii() => None,
        _ => decimal(number),
    }
}

/// One to nine digits.
fn decimal(digits: &[u8]) -> Option<f64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    Some(f64::from(digits.iter().fold(0_u32, |value, digit| {
        value * 10 + u32::from(digit - b'0')
    })))
}

/// The spatial IoU over shared frames and over all frames of either side.
fn tube_iou(truth: &[(i64, [f64; 4])], predicted: &[(i64, [f64; 4])]) -> (f64, f64) {
    let (truth, predicted) = (by_frame(truth), by_frame(predicted));
    let (mut sum, mut shared, mut next) = (0.0, 0_u32, 0);
    for (frame, corners) in truth.iter() {
        next += predicted[next..]
            .iter()
            .take_while(|(other, _)| other < frame)
            .count();
        if let Some((other, predicted)) = predicted.get(next)
            && other == frame
        {
            sum += box_iou(*corners, *predicted);
            shared += 1;
        }
    }
    let union = truth.len() + predicted.len() - shared as usize;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a tube has far fewer than 2^53 boxes"
    )]
    let all = union.max(1) as f64;
    (sum / f64::from(shared.max(1)), sum / all)
}

/// Boxes in frame order; a frame that comes twice counts once, with its last box, as in a Python dict.
fn by_frame(boxes: &[(i64, [f64; 4])]) -> Cow<'_, [(i64, [f64; 4])]> {
    if boxes.is_sorted_by(|a, b| a.0 < b.0) {
        return Cow::Borrowed(boxes);
    }
    let mut sorted = boxes.to_vec();
    sorted.reverse();
    sorted.sort_by_key(|(frame, _)| *frame);
    sorted.dedup_by_key(|(frame, _)| *frame);
    Cow::Owned(sorted)
}

fn truth_fractions(ends: &[f64], first: i64, length: i64) -> Result<Vec<f64>, OriginalError> {
    ends.iter()
        .map(|end| {
            if length == 0 {
                Err(OriginalError::ZeroDivision)
            } else {
                Ok(round3((end - real(first)) / real(length)))
            }
        })
        .collect()
}

/// The frames that the original assumes the model saw.
struct SampledFrames {
    first: i64,
    length: i64,
    last_index: f64,
}

impl SampledFrames {
    fn check(&self, frame: i64) -> Result<(), OriginalError> {
        let offset = frame - self.first;
        let index = if self.length == 0 {
            0.0
        } else {
            real(offset) / real(self.length) * self.last_index
        };
        // Rounding moves a frame by less than one place, so its index is one of the neighbours.
        let near = rounded(index);
        let hit = [near, near - 1.0, near + 1.0, near - 2.0, near + 2.0]
            .into_iter()
            .filter(|index| (0.0..=self.last_index).contains(index))
            .any(|index| whole(rounded(index / self.last_index * real(self.length))) == offset);
        if hit {
            Ok(())
        } else {
            Err(OriginalError::Assertion)
        }
    }

    /// Boxes in whole pixels by frame number; a later box for the same frame replaces the earlier one.
    fn place(
        &self,
        boxes: &[(f64, [f64; 4])],
        width: f64,
        height: f64,
    ) -> Result<Vec<(i64, [f64; 4])>, OriginalError> {
        for (bin, _) in boxes {
            self.check(self.first + whole(rounded(bin / self.last_index * real(self.length))))?;
        }
        Ok(boxes
            .iter()
            .map(|(bin, corners)| {
                // Rounded after the first frame is added, unlike the sampled frames: ties can differ.
                let frame = whole(rounded(
                    real(self.first) + bin / self.last_index * real(self.length),
                ));
                let [x1, y1, x2, y2] = corners.map(|bin| bin / 99.0);
                (
                    frame,
                    [x1 * width, y1 * height, x2 * width, y2 * height].map(rounded),
                )
            })
            .collect())
    }
}

/// The nearest whole number, of two equally near ones the even one, as Python rounds. The same as
/// [`f64::round_ties_even`] without a call into the C library, where sums with 1.5 * 2^52 have no room for fractions.
fn rounded(value: f64) -> f64 {
    const NO_FRACTIONS: f64 = 6_755_399_441_055_744.0;
    if value.abs() < 1e15 {
        (value + NO_FRACTIONS) - NO_FRACTIONS
    } else {
        value.round_ties_even()
    }
}

/// `utils.temporal_iou`.
fn span_iou(a: [f64; 2], b: [f64; 2]) -> Result<f64, OriginalError> {
    let shared = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
    let hull = a[1].max(b[1]) - a[0].min(b[0]);
    if hull == 0.0 {
        Err(OriginalError::FloatZeroDivision)
    } else {
        Ok((shared / hull).max(0.0))
    }
}

/// `utils.iou`.
fn box_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |c: [f64; 4]| (c[2] - c[0]) * (c[3] - c[1]);
    let shared =
        (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let union = area(a) + area(b) - shared;
    if union == 0.0 { 0.0 } else { shared / union }
}

fn converted<'a>(record: &'a Prediction<'_>) -> Result<&'a str, OriginalError> {
    required(record.converted_outputs.as_ref(), "converted_outputs")?
        .as_deref()
        .ok_or(OriginalError::NotText)
}

fn required<'a, T>(field: Option<&'a T>, name: &'static str) -> Result<&'a T, OriginalError> {
    field.ok_or(OriginalError::Key(name))
}

fn pair(values: &[f64]) -> Result<[f64; 2], OriginalError> {
    values
        .get(..2)
        .and_then(|two| two.try_into().ok())
        .ok_or(OriginalError::Index)
}

fn corners(values: Option<&[f64]>) -> Result<[f64; 4], OriginalError> {
    let values = values.ok_or(OriginalError::Type("gt_bbox"))?;
    values
        .get(..4)
        .and_then(|four| four.try_into().ok())
        .ok_or(OriginalError::Index)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "frame numbers are far below 2^53"
)]
fn real(frame: i64) -> f64 {
    frame as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a frame number, already rounded"
)]
fn whole(frame: f64) -> i64 {
    frame as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_pythons() {
        let values = (-4000..4000).map(|quarter| f64::from(quarter) / 4.0);
        for value in values.chain([0.499_999_999_999_999_94, 1e14 + 0.5, 3e15, -1e300]) {
            assert!(
                (rounded(value) - value.round_ties_even()).abs() < 1e-300,
                "{value}"
            );
        }
    }

    #[test]
    fn the_short_way_is_the_long_way() {
        let unit =
            |t: u32| format!("<TEMP-{t:03}>:[<WIDTH-001><HEIGHT-{t:03}><WIDTH-050><HEIGHT-099>]");
        let texts = [
            unit(7),
            format!("Object bounding box: {} {} {}", unit(1), unit(2), unit(1)),
            format!("{} {} {} {}", unit(5), unit(3), unit(5), unit(4)),
            format!("3 {}", unit(5)),
            format!("3.{}", unit(5)),
            format!("<TEMP-004>{}", unit(5)),
            format!("{} 5,: [1,2,3,4]", unit(9)),
            "<TEMP-001>:[<WIDTH-001><HEIGHT-002>] <TEMP-002>: [<WIDTH-001><HEIGHT-002><WIDTH-003><HEIGHT-004>]".to_owned(),
            "<TEMP-150>:[<WIDTH-1><HEIGHT-02><WIDTH-0003><HEIGHT-1000>]".to_owned(),
            "0.5,:[1,2,3,4] 7,:[1,2,3,4.5]".to_owned(),
            "a: [b] c:".to_owned(),
            String::new(),
        ];
        for text in &texts {
            assert_eq!(
                token_tube(text),
                compat::tube(&compat::tokens(text)),
                "{text}"
            );
        }
        assert!(fast_token_tube(texts[1].as_bytes()).is_some_and(|boxes| boxes.len() == 2));
    }
}
