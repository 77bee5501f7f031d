//! A box that moves through time.

use crate::{BBox, Fraction};

/// One box of a tube and the time it holds for, a fraction of the clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimedBox {
    /// The time, a fraction of the clip.
    pub time: Fraction,
    /// The box at that time.
    pub bbox: BBox,
}

/// Boxes at strictly increasing times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tube {
    boxes: Vec<TimedBox>,
}

/// Why boxes do not make a tube.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TubeError {
    /// A time is not after the one before it.
    #[error("box {index} of the tube is at time {time}, not after {before}")]
    NotIncreasing {
        /// Which box, from 0.
        index: usize,
        /// Its time.
        time: f64,
        /// The time of the box before.
        before: f64,
    },
}

impl Tube {
    /// A tube of boxes in time order.
    ///
    /// # Errors
    /// When a time is not after the one before it.
    pub fn new(boxes: Vec<TimedBox>) -> Result<Self, TubeError> {
        for (index, pair) in boxes.windows(2).enumerate() {
            if pair[1].time <= pair[0].time {
                return Err(TubeError::NotIncreasing {
                    index: index + 1,
                    time: pair[1].time.get(),
                    before: pair[0].time.get(),
                });
            }
        }
        Ok(Self { boxes })
    }

    /// The boxes in time order.
    #[must_use]
    pub fn boxes(&self) -> &[TimedBox] {
        &self.boxes
    }

    /// Whether there is no box at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }
}
