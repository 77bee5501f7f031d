//! Adding verdicts up so that nothing is lost: read = kept + repaired + rejected, for every file and source.

mod output;

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use st_schema::{FramePlan, Severity};

use crate::dataset::Input;
use crate::read::{self, Chunk, Chunks, PieceKind, Position, ReadError};
use crate::review::{Mark, Review};
use crate::validate::{
    Duplicates, DuplicatesError, Finding, Judge, Judged, MediaCheck, MediaDepth, Rule, Severities,
    Verdict,
};

pub use output::{OutputError, RejectLine, fixed_path, write_fixed_dataset};

pub(crate) use output::Pending;
use output::{Fixed, Rejects};

/// How many records met which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Records and pieces that are none.
    pub read: u64,
    /// Records left as they were.
    pub kept: u64,
    /// Records put right, or that `--fix` would put right.
    pub repaired: u64,
    /// Records and pieces refused.
    pub rejected: u64,
}

impl Counts {
    /// Whether nothing is lost.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.read == self.kept + self.repaired + self.rejected
    }

    fn count(&mut self, verdict: &Verdict) {
        self.read += 1;
        match verdict {
            Verdict::Kept => self.kept += 1,
            Verdict::Repaired(_) => self.repaired += 1,
            Verdict::Rejected => self.rejected += 1,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.kept += other.kept;
        self.repaired += other.repaired;
        self.rejected += other.rejected;
    }
}

/// One finding, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub position: Position,
    /// The record's name; empty for what is no record.
    pub id: String,
    /// What exactly is wrong.
    pub message: String,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleCount {
    /// The rule.
    pub rule: Rule,
    /// What the rule does; the severest, where files differ.
    pub severity: Severity,
    /// How often it found something.
    pub findings: u64,
    /// The first findings.
    pub examples: Vec<Example>,
}

/// One file's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileCount {
    /// The file.
    pub file: PathBuf,
    /// Its bytes, unpacked.
    pub bytes: u64,
    /// Its records.
    pub counts: Counts,
    /// Where refused records were written, when there were any.
    pub rejects: Option<PathBuf>,
    /// Where the repaired file was written, when that was asked for.
    pub fixed: Option<PathBuf>,
}

/// The account of a run.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// All records.
    pub total: Counts,
    /// By file, in the order given.
    pub files: Vec<FileCount>,
    /// By source; `-` where neither dataset file nor record names one.
    pub sources: BTreeMap<String, Counts>,
    /// By rule, severest first, then by number of findings.
    pub rules: Vec<RuleCount>,
}

impl Ledger {
    /// Whether nothing is lost, in total and for every file and source.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let sum = |parts: &mut dyn Iterator<Item = Counts>| {
            let mut sum = Counts::default();
            let mut sound = true;
            for counts in parts {
                sound &= counts.adds_up();
                sum += counts;
            }
            sound && sum == self.total
        };
        sum(&mut self.files.iter().map(|file| file.counts))
            && sum(&mut self.sources.values().copied())
    }

    /// Whether a rule found something.
    #[must_use]
    pub fn findings(&self, rule: Rule) -> u64 {
        self.rules
            .iter()
            .find(|count| count.rule == rule)
            .map_or(0, |count| count.findings)
    }
}

/// How a run works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How files are read.
    pub options: read::Options,
    /// The frame plan that tubes are held against.
    pub plan: FramePlan,
    /// How closely media files are looked at.
    pub media: MediaDepth,
    /// The folder for refused records; none are written without it.
    pub rejects: Option<PathBuf>,
    /// Whether repaired files are written beside the old ones.
    pub fix: bool,
    /// How many examples each rule keeps.
    pub examples: usize,
    /// What a person thought of records, if anything.
    pub review: Option<Arc<Review>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            options: read::Options::default(),
            plan: FramePlan::REFERENCE,
            media: MediaDepth::Presence,
            rejects: None,
            fix: false,
            examples: 3,
            review: None,
        }
    }
}

/// Why a run stops.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// A file cannot be opened.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// There is no room for fingerprints.
    #[error(transparent)]
    Duplicates(#[from] DuplicatesError),
    /// A fault of this program: the counts do not add up.
    #[error("the counts do not add up: {0:?}; please report this")]
    Lost(Counts),
}

/// Judges every record of every input. `progress` is told the packed bytes read since the last call.
///
/// A file whose reading stops in the middle is a finding of rule `file-damaged`; a file that cannot be opened is an error.
///
/// # Errors
/// When a file cannot be opened or a result cannot be written.
pub fn validate(
    inputs: &[Input],
    settings: &Settings,
    mut progress: impl FnMut(u64),
) -> Result<Ledger, ValidateError> {
    let mut book = Book {
        settings,
        ledger: Ledger::default(),
        rules: BTreeMap::new(),
        duplicates: Duplicates::default(),
    };
    for (number, input) in inputs.iter().enumerate() {
        book.file(number, input, &mut progress)?;
    }
    let mut ledger = book.ledger;
    ledger.rules = book.rules.into_values().collect();
    ledger.rules.sort_by_key(|count| {
        (
            std::cmp::Reverse((count.severity, count.findings)),
            count.rule,
        )
    });
    if ledger.adds_up() {
        Ok(ledger)
    } else {
        Err(ValidateError::Lost(ledger.total))
    }
}

struct Book<'a> {
    settings: &'a Settings,
    ledger: Ledger,
    rules: BTreeMap<Rule, RuleCount>,
    duplicates: Duplicates,
}

/// A file while its records are counted.
struct OpenFile<'a> {
    input: &'a Input,
    counts: Counts,
    bytes: u64,
    lines: u64,
    rejects: Option<Rejects>,
    fixed: Option<Fixed>,
}

impl Book<'_> {
    fn file(
        &mut self,
        number: usize,
        input: &Input,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ValidateError> {
        let check = input
            .media
            .clone()
            .map(|folder| MediaCheck::new(folder, self.settings.media));
        let chunks = Chunks::open(&input.annotations, &self.settings.options)?;
        if let Some(check) = check.as_ref().filter(|check| !check.folder_exists()) {
            let message = format!(
                "{} does not exist: no media file was looked at",
                check.folder().display()
            );
            self.finding(
                input,
                Position::default(),
                "",
                &Finding {
                    rule: Rule::MediaFolder,
                    message,
                },
            );
        }
        let judge = Judge {
            severities: input.severities.clone(),
            plan: self.settings.plan,
            media: check,
            review: self.settings.review.clone(),
            ..Judge::default()
        };
        let rejects = self
            .settings
            .rejects
            .as_ref()
            .map(|folder| Rejects::new(folder, number, &input.annotations));
        let fixed = self.settings.fix.then(|| Fixed::new(&input.annotations));
        let mut open = OpenFile {
            input,
            counts: Counts::default(),
            bytes: 0,
            lines: 1,
            rejects,
            fixed,
        };
        let consumed = chunks.consumed();
        let mut told = 0;
        let work = |chunk: Chunk| {
            let judged = judge.chunk(&chunk);
            (chunk, judged)
        };
        let read = read::for_each_chunk(
            chunks,
            self.settings.options.jobs,
            work,
            |(chunk, judged)| {
                let now = consumed.load(std::sync::atomic::Ordering::Relaxed);
                progress(now - std::mem::replace(&mut told, now));
                self.chunk(&mut open, &chunk, judged)
            },
        );
        match read {
            Err(ValidateError::Read(error @ ReadError::Read { .. })) => {
                self.damaged(&mut open, &error)?;
            }
            other => other?,
        }
        progress(consumed.load(std::sync::atomic::Ordering::Relaxed) - told);
        self.close(open)
    }

    fn chunk(
        &mut self,
        open: &mut OpenFile<'_>,
        chunk: &Chunk,
        judged: Vec<Judged>,
    ) -> Result<(), ValidateError> {
        if let Some(fixed) = &mut open.fixed {
            fixed.form(chunk.form)?;
        }
        let mut positions = read::Positions::new(chunk);
        for mut one in judged {
            self.tell_duplicate(open.input, &mut one)?;
            let position = one
                .position
                .or_else(|| (!one.findings.is_empty()).then(|| positions.of(&one.piece)));
            for finding in &one.findings {
                self.finding(open.input, position.unwrap_or_default(), &one.id, finding);
            }
            let Some(verdict) = &one.verdict else {
                continue;
            };
            open.counts.count(verdict);
            self.source(open.input, one.source.as_deref(), verdict);
            let bytes = chunk.bytes(&one.piece);
            match verdict {
                Verdict::Rejected => {
                    if let (Some(rejects), Some(finding)) =
                        (&mut open.rejects, one.findings.first())
                    {
                        let source = open.input.source.as_ref().or(one.source.as_ref());
                        let whole = one.piece.kind != PieceKind::TooLong;
                        rejects.write(
                            finding,
                            position.unwrap_or_default(),
                            &one.id,
                            source,
                            bytes,
                            whole,
                        )?;
                    }
                }
                Verdict::Kept => open
                    .fixed
                    .as_mut()
                    .map_or(Ok(()), |fixed| fixed.write(bytes))?,
                Verdict::Repaired(record) => open
                    .fixed
                    .as_mut()
                    .map_or(Ok(()), |fixed| fixed.write_record(record))?,
            }
        }
        open.bytes += chunk.data.len() as u64;
        open.lines = chunk.first_line;
        Ok(())
    }

    /// Compares a record with those before it; a refused one neither repeats nor is repeated.
    fn tell_duplicate(&mut self, input: &Input, one: &mut Judged) -> Result<(), ValidateError> {
        let Some(print) = one
            .fingerprint
            .filter(|_| one.verdict != Some(Verdict::Rejected))
        else {
            return Ok(());
        };
        let Some(rule) = self.duplicates.add(&print)? else {
            return Ok(());
        };
        let message = match rule {
            Rule::DuplicateExact => "an earlier record says the same, to the letter",
            Rule::DuplicateText => {
                "an earlier record says the same but for case, spaces and punctuation"
            }
            _ => "an earlier record asks the same and gives another answer",
        };
        match input.severities.of(rule) {
            Severity::Off => return Ok(()),
            Severity::Warn if one.mark == Some(Mark::Good) => return Ok(()),
            Severity::Reject => one.verdict = Some(Verdict::Rejected),
            Severity::Warn | Severity::Repair => {}
        }
        one.findings.insert(
            0,
            Finding {
                rule,
                message: message.into(),
            },
        );
        Ok(())
    }

    fn source(&mut self, input: &Input, named: Option<&str>, verdict: &Verdict) {
        let name = input.source.as_deref().or(named).unwrap_or("-");
        if let Some(counts) = self.ledger.sources.get_mut(name) {
            counts.count(verdict);
        } else {
            self.ledger
                .sources
                .entry(name.to_owned())
                .or_default()
                .count(verdict);
        }
        self.ledger.total.count(verdict);
    }

    fn finding(&mut self, input: &Input, position: Position, id: &str, finding: &Finding) {
        let severity = severity_of(&input.severities, finding.rule);
        let entry = self.rules.entry(finding.rule).or_insert_with(|| RuleCount {
            rule: finding.rule,
            severity,
            findings: 0,
            examples: Vec::new(),
        });
        entry.findings += 1;
        entry.severity = entry.severity.max(severity);
        if entry.examples.len() < self.settings.examples {
            entry.examples.push(Example {
                file: input.annotations.clone(),
                position,
                id: id.to_owned(),
                message: finding.message.clone(),
            });
        }
    }

    /// Reading stopped: the rest of the file counts as one refused piece.
    fn damaged(&mut self, open: &mut OpenFile<'_>, error: &ReadError) -> Result<(), ValidateError> {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        let finding = Finding {
            rule: Rule::FileDamaged,
            message,
        };
        let position = Position {
            line: open.lines,
            byte: open.bytes,
        };
        self.finding(open.input, position, "", &finding);
        open.counts.count(&Verdict::Rejected);
        self.source(open.input, None, &Verdict::Rejected);
        if let Some(rejects) = &mut open.rejects {
            rejects.write(
                &finding,
                position,
                "",
                open.input.source.as_ref(),
                b"",
                false,
            )?;
        }
        Ok(())
    }

    fn close(&mut self, open: OpenFile<'_>) -> Result<(), ValidateError> {
        let rejects = open.rejects.map_or(Ok(None), Rejects::finish)?;
        let fixed = open.fixed.map(Fixed::finish).transpose()?;
        self.ledger.files.push(FileCount {
            file: open.input.annotations.clone(),
            bytes: open.bytes,
            counts: open.counts,
            rejects,
            fixed,
        });
        Ok(())
    }
}

/// What cannot be read is refused, whatever a dataset file says.
fn severity_of(severities: &Severities, rule: Rule) -> Severity {
    let unreadable = [
        Rule::JsonSyntax,
        Rule::JsonTruncated,
        Rule::JsonJunk,
        Rule::JsonUtf8,
        Rule::JsonDepth,
        Rule::JsonDuplicateKey,
        Rule::JsonNotFinite,
        Rule::RecordSize,
        Rule::RecordShape,
        Rule::FileDamaged,
    ];
    if unreadable.contains(&rule) {
        Severity::Reject
    } else {
        severities.of(rule)
    }
}
