//! Every single thing that was found, one line each, for programs.

use std::path::Path;

use serde::Serialize;

use super::StatsError;
use super::report::{Evidence, Place};

/// What was found about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its numbers do not match its placeholders.
    WrongCount,
    /// It repeats a record about the same clip to the letter.
    Exact,
    /// It repeats one but for case, punctuation and spaces.
    SameText,
    /// It nearly repeats one.
    Near,
    /// Its long text nearly repeats one about another clip.
    CopiedText,
    /// Its answer contradicts that of another record.
    Contradiction,
    /// It knows a benchmark item.
    Leak,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::WrongCount,
        Self::Exact,
        Self::SameText,
        Self::Near,
        Self::CopiedText,
        Self::Contradiction,
        Self::Leak,
    ];

    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongCount => "wrong_count",
            Self::Exact => "exact",
            Self::SameText => "same_text",
            Self::Near => "near",
            Self::CopiedText => "copied_text",
            Self::Contradiction => "contradiction",
            Self::Leak => "leak",
        }
    }
}

/// One thing that was found about one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Findings of one kind and set belong together: records that repeat each other, answers to one question.
    pub set: u64,
    /// Whether it is the first record of its set, which others repeat.
    pub first: bool,
    /// The record.
    #[serde(flatten)]
    pub place: Place,
    /// For leaks: the benchmark item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Place>,
    /// For leaks: how it was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Everything that was found, by kind, then by set, then in file order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// The findings.
    pub list: Vec<Finding>,
}

impl Findings {
    /// Writes one JSON line for each finding.
    ///
    /// # Errors
    /// When the file cannot be written; an old one then stays as it was.
    pub fn write(&self, path: &Path) -> Result<(), StatsError> {
        let mut bytes = Vec::new();
        for finding in &self.list {
            // Plain strings and numbers cannot fail to serialize.
            if serde_json::to_writer(&mut bytes, finding).is_ok() {
                bytes.push(b'\n');
            }
        }
        super::clean::write_whole(path, |file| file.write_all(&bytes))
    }
}
