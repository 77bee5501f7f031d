//! What a record teaches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The fifteen tasks of ST-Align (arXiv:2501.08282).
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
pub enum Task {
    /// Describe a video.
    VideoCaption,
    /// Temporal video grounding: when does it happen.
    Tvg,
    /// Dense video captioning: every event with its span.
    Dvc,
    /// Temporal referring: what happens in a span.
    Tr,
    /// Referring expression comprehension: where is it in the image.
    Rec,
    /// Dense grounded captioning: a description with boxes.
    Dgc,
    /// Region caption: what is in the box.
    Reg,
    /// Temporal grounded conversation.
    Tgc,
    /// Image grounded conversation.
    Igc,
    /// Spatio-temporal video grounding: when and where.
    Stvg,
    /// Event localization and captioning.
    Elc,
    /// Spatial video grounding: where, in a given span.
    Svg,
    /// Plain conversation.
    Conversation,
    /// Questions about a video.
    VideoQa,
    /// Name the class.
    Classification,
}

/// A word that is no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no task; tasks are {list}", list = Task::ALL.map(Task::as_str).join(", "))]
pub struct UnknownTask(pub String);

impl Task {
    /// Every task.
    pub const ALL: [Self; 15] = [
        Self::VideoCaption,
        Self::Tvg,
        Self::Dvc,
        Self::Tr,
        Self::Rec,
        Self::Dgc,
        Self::Reg,
        Self::Tgc,
        Self::Igc,
        Self::Stvg,
        Self::Elc,
        Self::Svg,
        Self::Conversation,
        Self::VideoQa,
        Self::Classification,
    ];

    /// The task's name in JSON and YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VideoCaption => "video_caption",
            Self::Tvg => "tvg",
            Self::Dvc => "dvc",
            Self::Tr => "tr",
            Self::Rec => "rec",
            Self::Dgc => "dgc",
            Self::Reg => "reg",
            Self::Tgc => "tgc",
            Self::Igc => "igc",
            Self::Stvg => "stvg",
            Self::Elc => "elc",
            Self::Svg => "svg",
            Self::Conversation => "conversation",
            Self::VideoQa => "video_qa",
            Self::Classification => "classification",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(word: &str) -> Result<Self, UnknownTask> {
        Self::ALL
            .into_iter()
            .find(|task| task.as_str() == word)
            .ok_or_else(|| UnknownTask(word.to_owned()))
    }
}
