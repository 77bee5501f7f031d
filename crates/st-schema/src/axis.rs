//! The three axes of a coordinate and the two sides of a conversation.

use serde::{Deserialize, Serialize};

/// One of the three directions that a coordinate token can name.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Time, as a fraction of the clip.
    Temporal,
    /// Vertical position, as a fraction of the picture's height.
    Height,
    /// Horizontal position, as a fraction of the picture's width.
    Width,
}

impl Axis {
    /// Every axis, in the order of the released JSON's `variables`.
    pub const ALL: [Self; 3] = [Self::Temporal, Self::Height, Self::Width];

    /// The word that tokens use: `TEMP`, `HEIGHT` or `WIDTH`.
    #[must_use]
    pub const fn token_word(self) -> &'static str {
        match self {
            Self::Temporal => "TEMP",
            Self::Height => "HEIGHT",
            Self::Width => "WIDTH",
        }
    }

    /// The placeholder for this axis on `side`, such as `<TEMP-INPUT>`.
    #[must_use]
    pub const fn placeholder(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Temporal, Side::Input) => "<TEMP-INPUT>",
            (Self::Temporal, Side::Output) => "<TEMP-OUTPUT>",
            (Self::Height, Side::Input) => "<HEIGHT-INPUT>",
            (Self::Height, Side::Output) => "<HEIGHT-OUTPUT>",
            (Self::Width, Side::Input) => "<WIDTH-INPUT>",
            (Self::Width, Side::Output) => "<WIDTH-OUTPUT>",
        }
    }
}

/// Which half of a conversation a coordinate belongs to.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Given to the model, in a human turn.
    Input,
    /// Asked from the model, in any other turn.
    Output,
}

impl Side {
    /// Both sides, in the order of the released JSON's `variables`.
    pub const ALL: [Self; 2] = [Self::Input, Self::Output];

    /// The word that placeholders use: `INPUT` or `OUTPUT`.
    #[must_use]
    pub const fn token_word(self) -> &'static str {
        match self {
            Self::Input => "INPUT",
            Self::Output => "OUTPUT",
        }
    }
}
