//! A time span as fractions of a clip.

use crate::{CoordinateError, Fraction, FrameIndex, Seconds};

/// A stretch of a clip, `start <= end`, both as fractions in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    start: Fraction,
    end: Fraction,
}

/// Why two numbers are not a span.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SpanError {
    /// One end is not a fraction.
    #[error("a span's end is not a fraction")]
    Coordinate(#[from] CoordinateError),
    /// The span ends before it starts.
    #[error("the span ends at {end}, before its start {start}")]
    Reversed {
        /// The first number.
        start: f64,
        /// The second number.
        end: f64,
    },
}

impl Span {
    /// A span from two fractions; equal ends are a span of no length.
    ///
    /// # Errors
    /// When a number lies outside `[0, 1]` or the end comes before the start.
    pub fn new(start: f64, end: f64) -> Result<Self, SpanError> {
        let span = Self {
            start: Fraction::new(start)?,
            end: Fraction::new(end)?,
        };
        if start <= end {
            Ok(span)
        } else {
            Err(SpanError::Reversed { start, end })
        }
    }

    /// A span from seconds of a file that lasts `duration`.
    ///
    /// # Errors
    /// When an end lies outside the file or the end comes before the start.
    pub fn of_seconds(start: Seconds, end: Seconds, duration: Seconds) -> Result<Self, SpanError> {
        Self::new(
            Fraction::of_seconds(start, duration)?.get(),
            Fraction::of_seconds(end, duration)?.get(),
        )
    }

    /// A span from two frames (both inclusive) of the clip `[first, last]` (both inclusive).
    ///
    /// # Errors
    /// When a frame lies outside the clip or the end comes before the start.
    pub fn of_frames(
        start: FrameIndex,
        end: FrameIndex,
        clip: [FrameIndex; 2],
    ) -> Result<Self, SpanError> {
        Self::new(
            Fraction::of_frame(start, clip)?.get(),
            Fraction::of_frame(end, clip)?.get(),
        )
    }

    /// Where it starts, a fraction of the clip.
    #[must_use]
    pub const fn start(self) -> f64 {
        self.start.get()
    }

    /// Where it ends, a fraction of the clip.
    #[must_use]
    pub const fn end(self) -> f64 {
        self.end.get()
    }

    /// `end - start`.
    #[must_use]
    pub fn length(self) -> f64 {
        self.end() - self.start()
    }

    /// Both ends rounded to the three decimals of the format.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self {
            start: self.start.rounded(),
            end: self.end.rounded(),
        }
    }
}
