//! Why something of a raw source becomes no record.

use std::borrow::Cow;

use st_schema::units::UnitError;

use crate::read::FaultKind;
use crate::validate::Rule;

/// One reason for one candidate. What cannot be used is never passed over: it is counted under [`Reject::reason`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reject {
    /// The piece of the file is no value at all.
    #[error("{0}")]
    Broken(FaultKind),
    /// A field is missing or of the wrong type.
    #[error("{0}")]
    Shape(String),
    /// A table beside the annotations has no entry for this item.
    #[error("{side} has no entry `{key}`")]
    NotInSide {
        /// The table's name.
        side: &'static str,
        /// What was looked up.
        key: String,
    },
    /// The length of the video is needed and not known.
    #[error(
        "the length of {media} is not known; give it with --durations FILE (columns: id, seconds), or the files with --media DIR"
    )]
    DurationUnknown {
        /// The media path.
        media: String,
    },
    /// Raw numbers that are no span or box of this clip.
    #[error("{what}: {error}")]
    Unit {
        /// Which number, in the source's words.
        what: Cow<'static, str>,
        /// What is wrong with it.
        error: UnitError,
    },
    /// The item belongs to a split that is not wanted; it is left out, not refused.
    #[error("it belongs to the split {0}")]
    OtherSplit(String),
    /// The item is sound but holds nothing for any task.
    #[error("there is nothing in it: {0}")]
    Nothing(&'static str),
    /// A reason of the source's own.
    #[error("{message}")]
    Unusable {
        /// The reason's name in the ledger, in words-with-hyphens.
        reason: &'static str,
        /// What exactly is wrong.
        message: String,
    },
    /// The finished record breaks a rule of `stdata validate`.
    #[error("{message}")]
    Rule {
        /// The rule.
        rule: Rule,
        /// What it found.
        message: String,
    },
}

impl Reject {
    /// A reason of the source's own.
    pub fn unusable(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Unusable {
            reason,
            message: message.into(),
        }
    }

    /// A missing field or a wrong type.
    pub fn shape(message: impl Into<String>) -> Self {
        Self::Shape(message.into())
    }

    /// The name under which it is counted.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Broken(_) => "broken",
            Self::Shape(_) => "shape",
            Self::NotInSide { .. } => "not-in-table",
            Self::DurationUnknown { .. } => "duration-unknown",
            Self::Unit { error, .. } => unit_reason(error),
            Self::OtherSplit(_) => "other-split",
            Self::Nothing(_) => "nothing-in-it",
            Self::Unusable { reason, .. } => reason,
            Self::Rule { rule, .. } => rule.id(),
        }
    }
}

const fn unit_reason(error: &UnitError) -> &'static str {
    match error {
        UnitError::NoDuration => "duration-unknown",
        UnitError::NoFrames => "frames-unknown",
        UnitError::NoSize => "size-unknown",
        UnitError::NotFinite(_) => "not-finite",
        UnitError::Reversed { .. } => "span-reversed",
        UnitError::Empty(_) => "span-empty",
        UnitError::Beyond { hint: None, .. } => "beyond-the-end",
        UnitError::Beyond { hint: Some(_), .. } => "unit-doubtful",
        UnitError::Before(_) => "before-the-start",
        UnitError::BoxEmpty(_) => "box-empty",
        UnitError::BoxReversed(_) => "box-reversed",
        UnitError::BoxOutside(_) => "box-outside",
    }
}

/// Why a whole source cannot be read.
///
/// [`SourceError::is_of_one_source`] tells what ends one source from what ends a run.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no room for fingerprints.
    #[error(transparent)]
    Duplicates(#[from] crate::validate::DuplicatesError),
    /// There is no source of this name.
    #[error("there is no source `{name}`{}; `stdata normalize --list` names all", nearest.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name most like it.
        nearest: Option<&'static str>,
    },
    /// A file's name fits none of the source's patterns.
    #[error(
        "{path} is no file of {source_name}: its files are {patterns}; rename it, or name the form as FORM:PATH"
    )]
    NoForm {
        /// The file.
        path: std::path::PathBuf,
        /// The source.
        source_name: &'static str,
        /// The patterns, with their forms.
        patterns: String,
    },
    /// A folder holds none of the source's files.
    #[error("{path} holds no file of {source_name}: its files are {patterns}")]
    NoFiles {
        /// The folder.
        path: std::path::PathBuf,
        /// The source.
        source_name: &'static str,
        /// The patterns.
        patterns: String,
    },
    /// A table that the source needs is not among the inputs.
    #[error(
        "{source_name} needs {side} ({pattern}); add the file, or the folder that holds it, to the inputs"
    )]
    NoSide {
        /// The source.
        source_name: &'static str,
        /// The table's name.
        side: &'static str,
        /// What its files are called.
        pattern: &'static str,
    },
    /// A file cannot be opened or read on.
    #[error(transparent)]
    Read(#[from] crate::read::ReadError),
    /// A file is not of the container that it should be.
    #[error("{path}{}: {message}", place.map(|place| format!(", {place}")).unwrap_or_default())]
    Container {
        /// The file.
        path: std::path::PathBuf,
        /// Where in it.
        place: Option<crate::read::Position>,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A template list or a composition cannot be used.
    #[error("{path}: {message}")]
    Recipe {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A result cannot be written.
    #[error(transparent)]
    Output(#[from] crate::ledger::OutputError),
    /// A fault of this program: the counts do not add up.
    #[error("the counts of {source_name} do not add up: {counts}; please report this")]
    Lost {
        /// The source.
        source_name: &'static str,
        /// The counts.
        counts: String,
    },
}

impl SourceError {
    /// Whether the fault lies in the source's own files, so that other sources can still be read.
    #[must_use]
    pub const fn is_of_one_source(&self) -> bool {
        match self {
            Self::NoForm { .. }
            | Self::NoFiles { .. }
            | Self::NoSide { .. }
            | Self::Read(_)
            | Self::Container { .. } => true,
            Self::Duplicates(_)
            | Self::Unknown { .. }
            | Self::Recipe { .. }
            | Self::Output(_)
            | Self::Lost { .. } => false,
        }
    }
}
