//! The units that raw annotations use, declared as values, and the one conversion out of them.
//!
//! An adapter says *what* its numbers are ([`TimeConvention`], [`BoxConvention`]); what they mean as fractions of a clip or
//! a picture is worked out here and nowhere else.
//!
//! ```
//! use st_schema::units::{Extent, TimeConvention};
//! use st_schema::Seconds;
//!
//! let extent = Extent { duration: Some(Seconds(60.0)), ..Extent::default() };
//! let span = TimeConvention::MILLISECONDS.span([6_000.0, 30_000.0], &extent)?;
//! assert_eq!((span.value.start(), span.value.end()), (0.1, 0.5));
//! # Ok::<(), st_schema::units::UnitError>(())
//! ```

use std::fmt;

use crate::{BBox, Fraction, FrameIndex, Seconds, Span};

/// How far an end may lie beyond the clip and still be cut to it: a quarter of the clip's length.
///
/// `DiDeMo`'s five-second chunks set it: a video of just over 20 s has five, the last of which ends at 25 s. Annotated ends
/// of the other sources overshoot by less.
pub const END_TOLERANCE: f64 = 1.25;

/// As the end of a raw span: the clip's end, for sources that only say where events start.
pub const TO_THE_END: f64 = f64::INFINITY;

/// What one step of a raw time is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeUnit {
    /// Seconds from the start of the clip.
    Seconds,
    /// Thousandths of a second from the start of the clip.
    Milliseconds,
    /// Frames of the file; the first one has the number `first`, 0 or 1.
    Frames {
        /// The number of the file's first frame.
        first: u64,
    },
    /// Chunks of this many seconds, from 0.
    Steps {
        /// Seconds of one chunk.
        seconds: f64,
    },
    /// Shares of the clip, 0 to 1.
    Fraction,
}

/// What the second number of a raw span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndConvention {
    /// The moment at which the span ends.
    Moment,
    /// The last frame or chunk that belongs to the span.
    Inclusive,
    /// The first frame or chunk that does not belong to the span any more.
    Exclusive,
}

/// What a source's times are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeConvention {
    /// The unit.
    pub unit: TimeUnit,
    /// What the end of a span is.
    pub end: EndConvention,
}

/// How a source orders a box's four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxLayout {
    /// Left, top, right, bottom.
    Xyxy,
    /// Left, top, width, height.
    Xywh,
}

/// What a source measures boxes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxUnit {
    /// Pixels, as distances from the picture's left and top edge.
    Pixels,
    /// Numbers of pixels counted from 1, left, top, right and bottom pixel all inside the box.
    PixelsFromOne,
    /// Shares of width and height, 0 to 1.
    Fraction,
    /// Thousandths of width and height, 0 to 1000.
    Thousandths,
}

/// What a source's boxes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxConvention {
    /// The order of the numbers.
    pub layout: BoxLayout,
    /// Their unit.
    pub unit: BoxUnit,
}

/// What is known of a clip's length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// Its length in seconds.
    pub duration: Option<Seconds>,
    /// Its first and last frame, both inclusive, counted from 0 in the file.
    pub frames: Option<[u64; 2]>,
    /// Frames per second.
    pub fps: Option<f64>,
}

/// What a number would fit, were its unit another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UnitHint {
    /// As milliseconds it would lie in the clip.
    Milliseconds,
    /// As a frame number it would lie in the clip.
    Frames {
        /// The frame rate that was tried.
        fps: f64,
    },
    /// As seconds it would lie in the clip.
    Seconds,
    /// As a percentage it would lie in the clip.
    Percent,
}

impl fmt::Display for UnitHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds => f.write_str("it would fit as milliseconds"),
            Self::Frames { fps } => write!(f, "it would fit as a frame number at {fps} fps"),
            Self::Seconds => f.write_str("it would fit as seconds"),
            Self::Percent => f.write_str("it would fit as a percentage"),
        }
    }
}

/// Why raw numbers cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// Seconds cannot become a share of a clip whose length is not known.
    #[error("the clip's length in seconds is not known")]
    NoDuration,
    /// Frames cannot become a share of a clip whose frames are not known.
    #[error("the clip's frame range is not known")]
    NoFrames,
    /// Pixels cannot become a share of a picture whose size is not known.
    #[error("the picture's width and height are not known")]
    NoSize,
    /// NaN or infinite.
    #[error("{0} is no finite number")]
    NotFinite(f64),
    /// The span ends before it starts.
    #[error("the span ends at {end}, before its start {start}")]
    Reversed {
        /// The first raw number.
        start: f64,
        /// The second raw number.
        end: f64,
    },
    /// The span has no length.
    #[error("the span starts and ends at {0}")]
    Empty(f64),
    /// The time lies so far beyond the clip that the unit must be another one, or the annotation is wrong.
    #[error("{value} lies beyond the clip's end at {extent}{}", hint.map(|hint| format!("; {hint}")).unwrap_or_default())]
    Beyond {
        /// The raw number.
        value: f64,
        /// The clip's end in the same unit.
        extent: f64,
        /// What it would fit as.
        hint: Option<UnitHint>,
    },
    /// The time lies before the clip.
    #[error("{0} lies before the clip's start")]
    Before(f64),
    /// The box has no extent in one direction.
    #[error("the box {0:?} has no area")]
    BoxEmpty([f64; 4]),
    /// The box's second corner lies left of or above its first.
    #[error("the box {0:?} has a negative side")]
    BoxReversed([f64; 4]),
    /// No part of the box lies in the picture.
    #[error("the box {0:?} lies outside the picture")]
    BoxOutside([f64; 4]),
}

/// A converted value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converted<T> {
    /// The value, in shares of the clip or picture, not rounded.
    pub value: T,
    /// Whether a part outside the clip or picture was cut off.
    pub clipped: bool,
}

impl TimeConvention {
    /// Seconds from the start of the clip.
    pub const SECONDS: Self = Self {
        unit: TimeUnit::Seconds,
        end: EndConvention::Moment,
    };
    /// Milliseconds from the start of the clip.
    pub const MILLISECONDS: Self = Self {
        unit: TimeUnit::Milliseconds,
        end: EndConvention::Moment,
    };
    /// Shares of the clip.
    pub const FRACTION: Self = Self {
        unit: TimeUnit::Fraction,
        end: EndConvention::Moment,
    };
    /// Frames from 0, the last one inside.
    pub const FRAMES_INCLUSIVE: Self = Self {
        unit: TimeUnit::Frames { first: 0 },
        end: EndConvention::Inclusive,
    };
    /// Frames from 0, the end outside.
    pub const FRAMES_EXCLUSIVE: Self = Self {
        unit: TimeUnit::Frames { first: 0 },
        end: EndConvention::Exclusive,
    };

    /// A raw span as shares of the clip. What sticks out by up to [`END_TOLERANCE`] is cut off.
    ///
    /// One frame or chunk, inclusive, is a span; two equal moments are none. The end may be [`TO_THE_END`].
    ///
    /// # Errors
    /// When the clip's length is not known in the unit, the numbers are not finite, reversed or equal, or lie outside.
    pub fn span(self, raw: [f64; 2], extent: &Extent) -> Result<Converted<Span>, UnitError> {
        let [start, end] = raw;
        let open = end == TO_THE_END;
        if let Some(bad) = [(start, false), (end, open)]
            .into_iter()
            .find_map(|(number, fine)| (!fine && !number.is_finite()).then_some(number))
        {
            return Err(UnitError::NotFinite(bad));
        }
        if end < start {
            return Err(UnitError::Reversed { start, end });
        }
        // Not before it starts, as was just seen: so equal.
        if end <= start && self.end != EndConvention::Inclusive {
            return Err(UnitError::Empty(start));
        }
        let measure = self.measure(extent)?;
        let last = match (self.unit, self.end) {
            _ if open => measure[1],
            (TimeUnit::Frames { .. }, EndConvention::Exclusive) => end - 1.0,
            (TimeUnit::Steps { .. }, EndConvention::Inclusive) => end + 1.0,
            _ => end,
        };
        let (start, cut_start) = self.place(start, &measure, extent)?;
        let (end, cut_end) = self.place(last, &measure, extent)?;
        // Both are in [0, 1]: `place` cut them; equal ends are one frame, or a start at the very end.
        if start >= end && self.end == EndConvention::Moment {
            return Err(UnitError::Empty(raw[0]));
        }
        let value = Span::new(start, end.max(start)).map_err(|_| UnitError::Reversed {
            start: raw[0],
            end: raw[1],
        })?;
        Ok(Converted {
            value,
            clipped: cut_start || cut_end,
        })
    }

    /// A single raw time as a share of the clip.
    ///
    /// # Errors
    /// As [`Self::span`].
    pub fn time(self, raw: f64, extent: &Extent) -> Result<Converted<Fraction>, UnitError> {
        if !raw.is_finite() {
            return Err(UnitError::NotFinite(raw));
        }
        let measure = self.measure(extent)?;
        let (value, clipped) = self.place(raw, &measure, extent)?;
        let value = Fraction::new(value).map_err(|_| UnitError::NotFinite(raw))?;
        Ok(Converted { value, clipped })
    }

    /// The frame of the file, counted from 0, that a raw time names; none where times are not whole frames.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and not negative; frame numbers are far below 2^53"
    )]
    pub fn frame(self, raw: f64) -> Option<FrameIndex> {
        let TimeUnit::Frames { first } = self.unit else {
            return None;
        };
        let number = raw - exact(first);
        (number >= 0.0 && number.fract() == 0.0).then_some(FrameIndex(number as u64))
    }

    /// The clip's first and last place in the raw unit.
    fn measure(self, extent: &Extent) -> Result<[f64; 2], UnitError> {
        let seconds = || {
            extent
                .duration
                .map(|duration| duration.0)
                .filter(|seconds| *seconds > 0.0 && seconds.is_finite())
                .ok_or(UnitError::NoDuration)
        };
        Ok(match self.unit {
            TimeUnit::Seconds => [0.0, seconds()?],
            TimeUnit::Milliseconds => [0.0, 1000.0 * seconds()?],
            TimeUnit::Steps { seconds: step } => [0.0, seconds()? / step],
            TimeUnit::Fraction => [0.0, 1.0],
            TimeUnit::Frames { first } => {
                let clip = extent.frames.ok_or(UnitError::NoFrames)?;
                clip.map(|frame| exact(frame + first))
            }
        })
    }

    fn place(
        self,
        raw: f64,
        [first, last]: &[f64; 2],
        extent: &Extent,
    ) -> Result<(f64, bool), UnitError> {
        let length = last - first;
        if length <= 0.0 && (raw - first).abs() <= 0.0 {
            return Ok((0.0, false));
        }
        let position = (raw - first) / length;
        if (0.0..=1.0).contains(&position) {
            Ok((position, false))
        } else if position > 1.0 && raw - first <= length * END_TOLERANCE {
            Ok((1.0, true))
        } else if position > 1.0 {
            let hint = self.hint(raw, *last, extent);
            Err(UnitError::Beyond {
                value: raw,
                extent: *last,
                hint,
            })
        } else if position > 1.0 - END_TOLERANCE {
            Ok((0.0, true))
        } else {
            Err(UnitError::Before(raw))
        }
    }

    /// Which other unit would put `raw` into the clip.
    fn hint(self, raw: f64, last: f64, extent: &Extent) -> Option<UnitHint> {
        /// Tried where the source does not say its frame rate.
        const USUAL_FPS: f64 = 30.0;
        let factor = raw / last;
        match self.unit {
            TimeUnit::Seconds => {
                let fps = extent.fps.unwrap_or(USUAL_FPS);
                if factor <= fps {
                    Some(UnitHint::Frames { fps })
                } else {
                    (factor <= 1000.0).then_some(UnitHint::Milliseconds)
                }
            }
            TimeUnit::Fraction => match extent.duration {
                Some(duration) if raw <= duration.0 => Some(UnitHint::Seconds),
                _ => (raw <= 100.0).then_some(UnitHint::Percent),
            },
            _ => None,
        }
    }
}

impl BoxConvention {
    /// Left, top, right, bottom in pixels.
    pub const XYXY_PIXELS: Self = Self {
        layout: BoxLayout::Xyxy,
        unit: BoxUnit::Pixels,
    };
    /// Left, top, width, height in pixels.
    pub const XYWH_PIXELS: Self = Self {
        layout: BoxLayout::Xywh,
        unit: BoxUnit::Pixels,
    };
    /// Left, top, right, bottom as shares of the picture.
    pub const XYXY_FRACTIONS: Self = Self {
        layout: BoxLayout::Xyxy,
        unit: BoxUnit::Fraction,
    };
    /// Left, top, right, bottom pixel counted from 1, all four inside.
    pub const XYXY_FROM_ONE: Self = Self {
        layout: BoxLayout::Xyxy,
        unit: BoxUnit::PixelsFromOne,
    };

    /// A raw box as shares of a picture of `size` (width, height) pixels. What sticks out is cut off.
    ///
    /// # Errors
    /// When the size is needed and not known, a number is not finite, a side is zero or negative, or nothing lies inside.
    pub fn bbox(self, raw: [f64; 4], size: Option<[f64; 2]>) -> Result<Converted<BBox>, UnitError> {
        if let Some(&bad) = raw.iter().find(|number| !number.is_finite()) {
            return Err(UnitError::NotFinite(bad));
        }
        let [x1, y1, third, fourth] = raw;
        let [x2, y2] = match self.layout {
            BoxLayout::Xyxy => [third, fourth],
            BoxLayout::Xywh => [x1 + third, y1 + fourth],
        };
        if x2 < x1 || y2 < y1 {
            return Err(UnitError::BoxReversed(raw));
        }
        // Neither is reversed, as was just seen: so a side of zero.
        if x2 <= x1 || y2 <= y1 {
            return Err(UnitError::BoxEmpty(raw));
        }
        let [width, height] = match self.unit {
            BoxUnit::Fraction => [1.0, 1.0],
            BoxUnit::Thousandths => [1000.0, 1000.0],
            BoxUnit::Pixels | BoxUnit::PixelsFromOne => size
                .filter(|sides| sides.iter().all(|side| *side > 0.0 && side.is_finite()))
                .ok_or(UnitError::NoSize)?,
        };
        // The left edge of pixel 1 is at 0; the right edge of pixel n is at n.
        let offset = f64::from(u8::from(self.unit == BoxUnit::PixelsFromOne));
        let edges = [
            (x1 - offset) / width,
            (y1 - offset) / height,
            x2 / width,
            y2 / height,
        ];
        let inside = edges.map(|edge| edge.clamp(0.0, 1.0));
        let [left, top, right, bottom] = inside;
        if left >= right || top >= bottom {
            return Err(UnitError::BoxOutside(raw));
        }
        let value = BBox::new(left, top, right, bottom).map_err(|_| UnitError::BoxOutside(raw))?;
        Ok(Converted {
            value,
            clipped: edges.iter().any(|edge| !(0.0..=1.0).contains(edge)),
        })
    }
}

impl fmt::Display for TimeConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            TimeUnit::Seconds => f.write_str("seconds")?,
            TimeUnit::Milliseconds => f.write_str("milliseconds")?,
            TimeUnit::Frames { first } => write!(f, "frames counted from {first}")?,
            TimeUnit::Steps { seconds } => write!(f, "chunks of {seconds} s")?,
            TimeUnit::Fraction => f.write_str("shares of the clip")?,
        }
        f.write_str(match self.end {
            EndConvention::Moment => "",
            EndConvention::Inclusive => ", end inclusive",
            EndConvention::Exclusive => ", end exclusive",
        })
    }
}

impl fmt::Display for BoxConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = match self.layout {
            BoxLayout::Xyxy => "left, top, right, bottom",
            BoxLayout::Xywh => "left, top, width, height",
        };
        let unit = match self.unit {
            BoxUnit::Pixels => "pixels",
            BoxUnit::PixelsFromOne => "pixels counted from 1, inclusive",
            BoxUnit::Fraction => "shares of the picture",
            BoxUnit::Thousandths => "thousandths of the picture",
        };
        write!(f, "{layout}, {unit}")
    }
}

impl BoxConvention {
    /// A raw point as shares of a picture of `size` (width, height) pixels.
    ///
    /// # Errors
    /// When the size is needed and not known, a number is not finite, or the point lies outside.
    pub fn point(self, raw: [f64; 2], size: Option<[f64; 2]>) -> Result<[Fraction; 2], UnitError> {
        let [x, y] = raw;
        if let Some(&bad) = raw.iter().find(|number| !number.is_finite()) {
            return Err(UnitError::NotFinite(bad));
        }
        let [width, height] = match self.unit {
            BoxUnit::Fraction => [1.0, 1.0],
            BoxUnit::Thousandths => [1000.0, 1000.0],
            BoxUnit::Pixels | BoxUnit::PixelsFromOne => size
                .filter(|sides| sides.iter().all(|side| *side > 0.0 && side.is_finite()))
                .ok_or(UnitError::NoSize)?,
        };
        // Pixel 1 has its middle at 0.5.
        let offset = if self.unit == BoxUnit::PixelsFromOne {
            0.5
        } else {
            0.0
        };
        let place = |position: f64, extent: f64| {
            Fraction::new((position - offset) / extent)
                .map_err(|_| UnitError::BoxOutside([x, y, x, y]))
        };
        Ok([place(x, width)?, place(y, height)?])
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "frame numbers are far below 2^53"
)]
fn exact(frame: u64) -> f64 {
    frame as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers must be met to the bit")]
mod tests {
    use super::*;

    fn ends(converted: Converted<Span>) -> (f64, f64, bool) {
        (
            converted.value.start(),
            converted.value.end(),
            converted.clipped,
        )
    }

    #[test]
    fn every_unit_means_the_same_moment() {
        // One clip: 10 s, 101 frames 0..=100, so that frame f is at f/100.
        let extent = Extent {
            duration: Some(Seconds(10.0)),
            frames: Some([0, 100]),
            fps: Some(10.0),
        };
        let steps = |end| TimeConvention {
            unit: TimeUnit::Steps { seconds: 2.5 },
            end,
        };
        let from_one = TimeConvention {
            unit: TimeUnit::Frames { first: 1 },
            end: EndConvention::Inclusive,
        };
        for (convention, raw) in [
            (TimeConvention::SECONDS, [2.5, 5.0]),
            (TimeConvention::MILLISECONDS, [2500.0, 5000.0]),
            (TimeConvention::FRACTION, [0.25, 0.5]),
            (TimeConvention::FRAMES_INCLUSIVE, [25.0, 50.0]),
            (TimeConvention::FRAMES_EXCLUSIVE, [25.0, 51.0]),
            (from_one, [26.0, 51.0]),
            (steps(EndConvention::Inclusive), [1.0, 1.0]),
            (steps(EndConvention::Exclusive), [1.0, 2.0]),
        ] {
            assert_eq!(
                ends(convention.span(raw, &extent).unwrap()),
                (0.25, 0.5, false),
                "{convention}"
            );
        }
    }

    #[test]
    fn frames_are_counted_from_the_clips_first() {
        let extent = Extent {
            frames: Some([2, 11]),
            ..Extent::default()
        };
        // Exclusive 12 is the last frame 11.
        let span = TimeConvention::FRAMES_EXCLUSIVE
            .span([6.0, 12.0], &extent)
            .unwrap();
        assert_eq!(ends(span), (4.0 / 9.0, 1.0, false));
        assert_eq!(
            TimeConvention::SECONDS.span([0.0, 1.0], &extent),
            Err(UnitError::NoDuration)
        );
    }

    #[test]
    fn an_end_a_little_beyond_is_cut_and_one_far_beyond_tells_the_unit() {
        let extent = Extent {
            duration: Some(Seconds(60.0)),
            frames: None,
            fps: Some(25.0),
        };
        let seconds = |raw| TimeConvention::SECONDS.span(raw, &extent);
        assert_eq!(ends(seconds([30.0, 75.0]).unwrap()), (0.5, 1.0, true));
        let hint = |raw| match seconds(raw) {
            Err(UnitError::Beyond { hint, .. }) => hint,
            other => panic!("{other:?}"),
        };
        assert_eq!(hint([0.0, 76.0]), Some(UnitHint::Frames { fps: 25.0 }));
        assert_eq!(hint([0.0, 1500.0]), Some(UnitHint::Frames { fps: 25.0 }));
        assert_eq!(hint([0.0, 1501.0]), Some(UnitHint::Milliseconds));
        assert_eq!(hint([0.0, 60_001.0]), None);
        let percent = TimeConvention::FRACTION.span([10.0, 70.0], &extent);
        assert!(matches!(
            percent,
            Err(UnitError::Beyond {
                hint: Some(UnitHint::Seconds),
                ..
            })
        ));
    }

    #[test]
    fn spans_of_no_length_are_told() {
        let extent = Extent {
            duration: Some(Seconds(10.0)),
            frames: Some([0, 9]),
            fps: None,
        };
        assert_eq!(
            TimeConvention::SECONDS.span([2.0, 2.0], &extent),
            Err(UnitError::Empty(2.0))
        );
        assert_eq!(
            TimeConvention::FRAMES_EXCLUSIVE.span([2.0, 2.0], &extent),
            Err(UnitError::Empty(2.0))
        );
        assert!(
            TimeConvention::FRAMES_INCLUSIVE
                .span([2.0, 2.0], &extent)
                .is_ok()
        );
        // Starts at the very end: nothing is left after the cut.
        assert_eq!(
            TimeConvention::SECONDS.span([10.0, 10.5], &extent),
            Err(UnitError::Empty(10.0))
        );
        assert!(matches!(
            TimeConvention::SECONDS.span([3.0, 2.0], &extent),
            Err(UnitError::Reversed { .. })
        ));
        assert!(matches!(
            TimeConvention::SECONDS.span([f64::NAN, 2.0], &extent),
            Err(UnitError::NotFinite(_))
        ));
    }

    #[test]
    fn every_box_unit_means_the_same_box() {
        let size = Some([200.0, 100.0]);
        for (layout, unit, raw) in [
            (BoxLayout::Xyxy, BoxUnit::Pixels, [20.0, 10.0, 100.0, 50.0]),
            (BoxLayout::Xywh, BoxUnit::Pixels, [20.0, 10.0, 80.0, 40.0]),
            (
                BoxLayout::Xyxy,
                BoxUnit::PixelsFromOne,
                [21.0, 11.0, 100.0, 50.0],
            ),
            (BoxLayout::Xyxy, BoxUnit::Fraction, [0.1, 0.1, 0.5, 0.5]),
            (
                BoxLayout::Xyxy,
                BoxUnit::Thousandths,
                [100.0, 100.0, 500.0, 500.0],
            ),
        ] {
            let convention = BoxConvention { layout, unit };
            let bbox = convention.bbox(raw, size).unwrap();
            assert_eq!(
                (bbox.value.to_array(), bbox.clipped),
                ([0.1, 0.1, 0.5, 0.5], false),
                "{convention}"
            );
        }
    }

    #[test]
    fn boxes_are_cut_and_bad_ones_told() {
        let size = Some([640.0, 360.0]);
        let cut = BoxConvention::XYWH_PIXELS
            .bbox([-4.0, 20.0, 120.0, 350.0], size)
            .unwrap();
        assert_eq!(
            cut.value.to_array(),
            [0.0, 20.0 / 360.0, 116.0 / 640.0, 1.0]
        );
        assert!(cut.clipped);
        let error = |raw| BoxConvention::XYXY_PIXELS.bbox(raw, size).unwrap_err();
        assert!(matches!(
            error([10.0, 10.0, 10.0, 300.0]),
            UnitError::BoxEmpty(_)
        ));
        assert!(matches!(
            error([10.0, 10.0, 5.0, 300.0]),
            UnitError::BoxReversed(_)
        ));
        assert!(matches!(
            error([700.0, 10.0, 800.0, 300.0]),
            UnitError::BoxOutside(_)
        ));
        assert_eq!(
            BoxConvention::XYXY_PIXELS.bbox([0.0, 0.0, 1.0, 1.0], None),
            Err(UnitError::NoSize)
        );
    }

    #[test]
    fn an_open_span_lasts_to_the_clips_end() {
        let extent = Extent {
            duration: Some(Seconds(10.0)),
            frames: Some([10, 20]),
            fps: None,
        };
        let open = |convention: TimeConvention, start| {
            ends(convention.span([start, TO_THE_END], &extent).unwrap())
        };
        assert_eq!(open(TimeConvention::SECONDS, 5.0), (0.5, 1.0, false));
        assert_eq!(open(TimeConvention::MILLISECONDS, 0.0), (0.0, 1.0, false));
        assert_eq!(
            open(TimeConvention::FRAMES_INCLUSIVE, 15.0),
            (0.5, 1.0, false)
        );
        assert_eq!(
            open(TimeConvention::FRAMES_EXCLUSIVE, 15.0),
            (0.5, 1.0, false)
        );
        let none = TimeConvention::SECONDS.span([10.0, TO_THE_END], &extent);
        assert_eq!(none, Err(UnitError::Empty(10.0)));
        let start = TimeConvention::SECONDS.span([TO_THE_END, TO_THE_END], &extent);
        assert!(matches!(start, Err(UnitError::NotFinite(_))));
    }

    #[test]
    fn points_are_shares_of_the_picture() {
        let point = |convention: BoxConvention, raw| {
            convention
                .point(raw, Some([200.0, 100.0]))
                .map(|point| point.map(Fraction::get))
        };
        assert_eq!(
            point(BoxConvention::XYXY_FRACTIONS, [0.25, 0.5]),
            Ok([0.25, 0.5])
        );
        assert_eq!(
            point(BoxConvention::XYXY_PIXELS, [50.0, 50.0]),
            Ok([0.25, 0.5])
        );
        assert_eq!(
            point(BoxConvention::XYXY_FROM_ONE, [50.5, 50.5]),
            Ok([0.25, 0.5])
        );
        assert!(matches!(
            point(BoxConvention::XYXY_FRACTIONS, [0.25, 1.5]),
            Err(UnitError::BoxOutside(_))
        ));
    }
}
