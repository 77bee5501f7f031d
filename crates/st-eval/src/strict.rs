//! Our own scores: one denominator, one threshold rule, nothing left out.
//!
//! - Every record of the benchmark counts; an answer that cannot be read scores 0 and is counted by its kind.
//! - A threshold is reached at `>=` everywhere.
//! - Boxes are compared as fractions of the picture, without rounding to pixels.
//! - Tubes are compared frame by frame on the frames that the model saw: each time of an answer and each frame of the
//!   truth goes to the nearest of them. `siou` is the mean box IoU over the truth's frames, a frame without a predicted
//!   box scoring 0; `viou` divides the same sum by the number of frames in either tube (vIoU of VidSTG, arXiv:2001.06891).
//! - An ELC answer's span runs from the start in the question to the end in the answer's own `Ends in`.

use std::collections::BTreeMap;

use st_schema::FramePlan;

use crate::prediction::{Prediction, TruthBoxes, VideoTruth};
use crate::score::{Unparsed, Values};
use crate::task::EvalTask;

/// What is right for one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// REC: `x1, y1, x2, y2` as fractions.
    Box([f64; 4]),
    /// TVG: start and end as fractions of the video.
    Span([f64; 2]),
    /// STVG, SVG, ELC.
    Tube(TubeTruth),
}

/// The truth of an ST-Align record, as fractions.
#[derive(Clone, Debug, PartialEq)]
pub struct TubeTruth {
    /// Start and end as fractions of the clip; SVG's result files have none.
    pub span: Option<[f64; 2]>,
    /// Boxes by index among the frames of the plan, `x1, y1, x2, y2` as fractions.
    pub boxes: BTreeMap<usize, [f64; 4]>,
    /// How many different frames the model saw.
    pub frames: FrameGrid,
    /// ELC's caption.
    pub caption: Option<String>,
    /// The span that the question names: SVG's span, ELC's start; fractions of the clip.
    pub asked: Vec<f64>,
}

/// The different frames that the model saw of a clip, as fractions of it, rising.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameGrid(Vec<f64>);

impl FrameGrid {
    /// The frames that `plan` takes from a clip whose last frame is `length` after its first.
    #[must_use]
    pub fn new(plan: FramePlan, length: u64) -> Self {
        let mut frames: Vec<u64> = plan.indices(0, length);
        frames.dedup();
        #[expect(
            clippy::cast_precision_loss,
            reason = "frame numbers are far below 2^53"
        )]
        let fractions = frames.iter().map(|frame| {
            if length == 0 {
                0.0
            } else {
                *frame as f64 / length as f64
            }
        });
        Self(fractions.collect())
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the plan takes no frame at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The frame nearest to `time`, a fraction of the clip; of two equally near ones the earlier.
    #[must_use]
    pub fn nearest(&self, time: f64) -> usize {
        let after = self.0.partition_point(|frame| *frame < time);
        match (after.checked_sub(1), self.0.get(after)) {
            (Some(before), Some(next)) if time - self.0[before] <= next - time => before,
            (Some(before), None) => before,
            _ => after,
        }
    }

    /// The frames nearest to the two ends of a span and all between.
    #[must_use]
    pub fn of_span(&self, [start, end]: [f64; 2]) -> std::ops::RangeInclusive<usize> {
        self.nearest(start)..=self.nearest(end)
    }

    /// Where frame `index` lies, a fraction of the clip.
    ///
    /// # Panics
    /// When there is no such frame.
    #[must_use]
    pub fn fraction(&self, index: usize) -> f64 {
        self.0[index]
    }
}

/// An answer's content, as fractions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Start and end, fractions of the clip.
    pub span: Option<[f64; 2]>,
    /// The first box without a time, `x1, y1, x2, y2`.
    pub bbox: Option<[f64; 4]>,
    /// Every box without a time and the words before it.
    pub regions: Vec<(String, [f64; 4])>,
    /// Boxes by time.
    pub tube: Vec<(f64, [f64; 4])>,
    /// ELC's end, a fraction of the clip.
    pub end: Option<f64>,
    /// ELC's caption.
    pub caption: Option<String>,
}

/// Why a record's truth cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TruthError {
    /// A field is absent or null.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is not of the task's shape.
    #[error("`{field}` is not {expected}")]
    Shape {
        /// The field's name.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl Truth {
    /// Reads the truth that a result line carries.
    ///
    /// # Errors
    /// When a field of the task is missing or misshapen.
    pub fn of(task: EvalTask, record: &Prediction) -> Result<Self, TruthError> {
        match task {
            EvalTask::Rec => {
                let corners = field(record.gt_bbox.as_ref(), "gt_bbox")?;
                let corners = corners.as_slice().try_into();
                corners.map(Self::Box).map_err(|_| TruthError::Shape {
                    field: "gt_bbox",
                    expected: "four numbers",
                })
            }
            EvalTask::Tvg => match field(record.gt.as_ref(), "gt")? {
                VideoTruth::Span(ends) => {
                    let ends = ends.as_slice().try_into();
                    ends.map(Self::Span).map_err(|_| TruthError::Shape {
                        field: "gt",
                        expected: "two numbers",
                    })
                }
                VideoTruth::Tube { .. } => Err(TruthError::Shape {
                    field: "gt",
                    expected: "two numbers",
                }),
            },
            EvalTask::Stvg | EvalTask::Svg | EvalTask::Elc => {
                TubeTruth::of(task, record).map(Self::Tube)
            }
        }
    }
}

impl TubeTruth {
    fn of(task: EvalTask, record: &Prediction) -> Result<Self, TruthError> {
        let VideoTruth::Tube { tvg, svg, caption } = field(record.gt.as_ref(), "gt")? else {
            return Err(TruthError::Shape {
                field: "gt",
                expected: "an object with svg",
            });
        };
        let [first, last] = *field(record.split.as_ref(), "split")?;
        let length = u64::try_from(last - first).map_err(|_| TruthError::Shape {
            field: "split",
            expected: "two frames in order",
        })?;
        let (width, height) = (
            *field(record.width.as_ref(), "width")?,
            *field(record.height.as_ref(), "height")?,
        );
        if width <= 0.0 || height <= 0.0 {
            return Err(TruthError::Shape {
                field: "width, height",
                expected: "above zero",
            });
        }
        let Some(TruthBoxes::ByFrame(boxes)) = svg else {
            return Err(TruthError::Shape {
                field: "gt.svg",
                expected: "an object of boxes by frame",
            });
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "frame numbers are far below 2^53"
        )]
        let place = |frame: f64| {
            if length == 0 {
                0.0
            } else {
                ((frame - first as f64) / length as f64).clamp(0.0, 1.0)
            }
        };
        let span = tvg
            .as_deref()
            .and_then(|ends| <[f64; 2]>::try_from(ends).ok())
            .map(|ends| ends.map(place));
        if span.is_none() && task != EvalTask::Svg {
            return Err(TruthError::Missing("gt.tvg"));
        }
        let frames = usize::try_from(record.frame_num.unwrap_or(100)).unwrap_or(100);
        let grid = FrameGrid::new(FramePlan { frames }, length);
        if grid.is_empty() {
            return Err(TruthError::Shape {
                field: "frame_num",
                expected: "above zero",
            });
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "frame numbers are far below 2^53"
        )]
        let boxes = boxes
            .iter()
            .map(|(frame, [x1, y1, x2, y2])| {
                (
                    grid.nearest(place(*frame as f64)),
                    [x1 / width, y1 / height, x2 / width, y2 / height],
                )
            })
            .collect();
        let asked = record.variables.temporal_input_locations.clone();
        Ok(Self {
            span,
            boxes,
            frames: grid,
            caption: caption.clone(),
            asked,
        })
    }
}

/// Scores an answer. The values that its task has are all set; parts that the answer lacks score 0.
///
/// # Errors
/// What the answer lacks, when it holds nothing that the task can be scored by.
pub fn score(task: EvalTask, truth: &Truth, answer: &Answer) -> Result<Values, Unparsed> {
    match truth {
        Truth::Box(truth) => {
            let predicted = ordered_box(answer.bbox.ok_or(Unparsed::NoBox)?)?;
            Ok(Values {
                iou: Some(box_iou(*truth, predicted)),
                ..Values::default()
            })
        }
        Truth::Span(truth) => {
            let predicted = ordered_span(answer.span.ok_or(Unparsed::NoSpan)?)?;
            Ok(Values {
                tiou: Some(span_iou(*truth, predicted)),
                ..Values::default()
            })
        }
        Truth::Tube(truth) => tube(task, truth, answer),
    }
}

fn tube(task: EvalTask, truth: &TubeTruth, answer: &Answer) -> Result<Values, Unparsed> {
    let span = match task {
        EvalTask::Elc => answer
            .end
            .zip(truth.span)
            .map(|(end, [start, _])| [start, end]),
        _ => answer.span,
    };
    let mut predicted = BTreeMap::new();
    for (time, corners) in &answer.tube {
        if let Ok(corners) = ordered_box(*corners) {
            predicted.insert(truth.frames.nearest(*time), corners);
        }
    }
    let ordered = span.map(ordered_span);
    match (&ordered, predicted.is_empty()) {
        (Some(Err(_)), true) => return Err(Unparsed::Reversed),
        (None, true) if task == EvalTask::Svg => return Err(Unparsed::NoTube),
        (None, true) => {
            return Err(if answer.tube.is_empty() {
                Unparsed::NoSpan
            } else {
                Unparsed::Reversed
            });
        }
        _ => {}
    }
    let tiou = match (truth.span, ordered) {
        _ if task == EvalTask::Svg => None,
        (Some(truth), Some(Ok(predicted))) => Some(span_iou(truth, predicted)),
        _ => Some(0.0),
    };
    let (siou, viou) = tube_iou(&truth.boxes, &predicted);
    Ok(Values {
        iou: None,
        tiou,
        siou: Some(siou),
        viou: Some(viou),
    })
}

/// Sum of box IoUs over the truth's frames, and over all frames of either tube. A truth without boxes scores 0.
#[must_use]
pub fn tube_iou(
    truth: &BTreeMap<usize, [f64; 4]>,
    predicted: &BTreeMap<usize, [f64; 4]>,
) -> (f64, f64) {
    let (mut sum, mut shared) = (0.0, 0);
    for (frame, corners) in truth {
        if let Some(other) = predicted.get(frame) {
            sum += box_iou(*corners, *other);
            shared += 1;
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a tube has far fewer than 2^53 boxes"
    )]
    let over = |frames: usize| sum / frames.max(1) as f64;
    (
        over(truth.len()),
        over(truth.len() + predicted.len() - shared),
    )
}

/// Shared length over joined length of two spans, each with start <= end; two equal points score 1.
#[must_use]
pub fn span_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let shared = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
    let union = (a[1] - a[0]) + (b[1] - b[0]) - shared;
    if union > 0.0 {
        shared / union
    } else if a.map(f64::to_bits) == b.map(f64::to_bits) {
        1.0
    } else {
        0.0
    }
}

/// Shared area over joined area of two boxes, each with ordered corners; two boxes without area score 0.
#[must_use]
pub fn box_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |c: [f64; 4]| (c[2] - c[0]) * (c[3] - c[1]);
    let shared =
        (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

fn ordered_box(corners: [f64; 4]) -> Result<[f64; 4], Unparsed> {
    if corners[0] <= corners[2] && corners[1] <= corners[3] {
        Ok(corners)
    } else {
        Err(Unparsed::Reversed)
    }
}

fn ordered_span(span: [f64; 2]) -> Result<[f64; 2], Unparsed> {
    if span[0] <= span[1] {
        Ok(span)
    } else {
        Err(Unparsed::Reversed)
    }
}

fn field<'a, T>(value: Option<&'a Option<T>>, name: &'static str) -> Result<&'a T, TruthError> {
    value
        .and_then(Option::as_ref)
        .ok_or(TruthError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_to_the_nearest_seen_frame() {
        let grid = FrameGrid::new(FramePlan { frames: 3 }, 10);
        assert_eq!(
            [0.0, 0.25, 0.26, 0.74, 0.76, 1.0].map(|time| grid.nearest(time)),
            [0, 0, 1, 1, 2, 2]
        );
        // A clip shorter than the plan has each frame once.
        assert_eq!(FrameGrid::new(FramePlan { frames: 100 }, 4).len(), 5);
        assert_eq!(FrameGrid::new(FramePlan { frames: 100 }, 0).len(), 1);
    }

    #[test]
    fn a_reversed_span_is_no_answer_and_a_point_can_be_right() {
        let truth = Truth::Span([0.5, 0.5]);
        let answer = |span| Answer {
            span: Some(span),
            ..Answer::default()
        };
        assert_eq!(
            score(EvalTask::Tvg, &truth, &answer([0.6, 0.4])),
            Err(Unparsed::Reversed)
        );
        assert_eq!(
            score(EvalTask::Tvg, &truth, &answer([0.5, 0.5]))
                .unwrap()
                .tiou,
            Some(1.0)
        );
        assert_eq!(
            score(EvalTask::Tvg, &truth, &Answer::default()),
            Err(Unparsed::NoSpan)
        );
    }

    #[test]
    fn a_tube_pays_for_every_frame_of_either_side() {
        let whole = [0.0, 0.0, 1.0, 1.0];
        let truth = BTreeMap::from([(1, whole), (2, whole)]);
        let predicted = BTreeMap::from([(2, whole), (3, whole)]);
        assert_eq!(tube_iou(&truth, &predicted), (0.5, 1.0 / 3.0));
    }
}
