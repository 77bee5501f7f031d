//! What a person thought of records: good, bad, to be fixed.
//!
//! Marks are made in `stdata browse` and kept in one small file of JSON lines, `review.jsonl` in the data root.
//! [`crate::validate::Judge`] honours them: a bad record is refused, one to be fixed is reported, and of a good one nothing is
//! reported that only warns. A record is known by what it says ([`RecordDigest`]), so a mark outlives a change of the record's
//! place or name, and ends with a change of its contents.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use st_schema::Record;

use crate::whole_file;

/// What a person thought of a record.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Right as it is: rules that only warn say nothing of it.
    Good,
    /// Wrong beyond repair: `validate` refuses it under rule `review-bad`.
    Bad,
    /// To be put right by a person: `validate` names it under rule `review-fix`.
    Fix,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 3] = [Self::Good, Self::Bad, Self::Fix];

    /// The word in files and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Fix => "fix",
        }
    }

    /// The mark of this name.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| mark.as_str() == word)
    }
}

/// The first half of a SHA-256 over everything that a record shows and says: media kind and path, split, turns, numbers. Neither
/// its name nor its source nor its task is part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordDigest([u8; 16]);

impl RecordDigest {
    /// The digest of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // The length first, so that no two parts run together.
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"llava-st record 1");
        part(record.media.kind().as_bytes());
        part(record.media.path().as_bytes());
        let split = record.meta.split;
        part(&split.map_or_else(Vec::new, |ends| ends.map(u64::to_le_bytes).concat()));
        for turn in &record.conversations {
            part(turn.from.as_str().as_bytes());
            part(turn.value.as_bytes());
        }
        for (axis, side, numbers) in record.variables.iter() {
            part(st_schema::Variables::name(axis, side).as_bytes());
            for number in numbers {
                part(&number.to_le_bytes());
            }
        }
        let whole = hash.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Self(half)
    }
}

impl fmt::Display for RecordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record's digest is 32 hexadecimal digits")]
pub struct NoDigest;

impl FromStr for RecordDigest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let mut digest = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(NoDigest);
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoDigest)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for RecordDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// One line of the review file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// Which record.
    pub record: RecordDigest,
    /// What was thought of it.
    pub mark: Mark,
    /// What else was to be said; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The record's name, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The annotation file it stood in, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// Why a review cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A line is no remark.
    #[error("{path}:{line}: {source}; correct the line or remove it")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// All remarks, one for each record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    remarks: BTreeMap<RecordDigest, Remark>,
}

impl Review {
    /// The file's name in a data root.
    pub const FILE: &str = "review.jsonl";

    /// Reads a review file; one that does not exist holds no remark. Of two lines about one record the later counts.
    ///
    /// # Errors
    /// When the file cannot be read or a line is no remark.
    pub fn load(path: &Path) -> Result<Self, ReviewError> {
        let text = match fs_err::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(ReviewError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let mut review = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let remark = serde_json::from_str(line).map_err(|source| ReviewError::Line {
                path: path.to_owned(),
                line: at + 1,
                source,
            })?;
            review.set(remark);
        }
        Ok(review)
    }

    /// Writes the file whole, under a temporary name that is then changed; by digest, so that equal reviews are equal files.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ReviewError> {
        let failed = |source| ReviewError::Write {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        for remark in self.remarks.values() {
            serde_json::to_writer(&mut bytes, remark).map_err(|error| failed(error.into()))?;
            bytes.push(b'\n');
        }
        whole_file::write(path, |file| file.write_all(&bytes)).map_err(failed)
    }

    /// Whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remarks.is_empty()
    }

    /// How many records are marked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.remarks.len()
    }

    /// What was said of a record.
    #[must_use]
    pub fn get(&self, record: &RecordDigest) -> Option<&Remark> {
        self.remarks.get(record)
    }

    /// The mark of a record.
    #[must_use]
    pub fn mark(&self, record: &Record) -> Option<Mark> {
        if self.remarks.is_empty() {
            return None;
        }
        self.get(&RecordDigest::of(record)).map(|one| one.mark)
    }

    /// Sets what is said of a record; what was said before is gone.
    pub fn set(&mut self, remark: Remark) {
        self.remarks.insert(remark.record, remark);
    }

    /// Takes back what was said of a record.
    pub fn clear(&mut self, record: &RecordDigest) {
        self.remarks.remove(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(answer: &str, end: f64) -> Record {
        let mut record: Record = serde_json::from_str(
            r#"{"id":"a","task":"tvg","video":"v.mp4","conversations":[{"from":"human","value":"<video>\nWhen?"}],
            "variables":{"temporal_output_locations":[0.25]}}"#,
        )
        .unwrap();
        record.conversations.push(st_schema::Turn::gpt(answer));
        record
            .variables
            .get_mut(st_schema::Axis::Temporal, st_schema::Side::Output)
            .push(end);
        record
    }

    #[test]
    fn a_digest_is_of_what_is_said_and_not_of_the_name() {
        let one = record("{<TEMP-OUTPUT><TEMP-OUTPUT>}", 0.5);
        let digest = RecordDigest::of(&one);
        let mut renamed = one.clone();
        renamed.id = "b".into();
        renamed.source = Some("elsewhere".into());
        assert_eq!(RecordDigest::of(&renamed), digest);
        assert_ne!(
            RecordDigest::of(&record("{<TEMP-OUTPUT><TEMP-OUTPUT>}", 0.501)),
            digest
        );
        assert_ne!(
            RecordDigest::of(&record("{<TEMP-OUTPUT><TEMP-OUTPUT>}.", 0.5)),
            digest
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("xyz".parse::<RecordDigest>(), Err(NoDigest));
    }

    #[test]
    fn a_review_is_kept_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/review.jsonl");
        assert!(Review::load(&path).unwrap().is_empty());
        let one = record("{<TEMP-OUTPUT><TEMP-OUTPUT>}", 0.5);
        let remark = |mark| Remark {
            record: RecordDigest::of(&one),
            mark,
            note: String::new(),
            id: "a".into(),
            file: String::new(),
        };
        let mut review = Review::default();
        review.set(remark(Mark::Bad));
        review.set(remark(Mark::Fix));
        review.save(&path).unwrap();
        let again = Review::load(&path).unwrap();
        assert_eq!((again.len(), again.mark(&one)), (1, Some(Mark::Fix)));
        assert_eq!(again, review);
        review.clear(&RecordDigest::of(&one));
        review.save(&path).unwrap();
        assert!(Review::load(&path).unwrap().is_empty());
        fs_err::write(&path, "\n{\"record\":\"x\",\"mark\":\"bad\"}\n").unwrap();
        let error = Review::load(&path).unwrap_err().to_string();
        assert!(error.contains("review.jsonl:2: "), "{error}");
    }
}
