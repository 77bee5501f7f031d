//! Judging records by named rules.
//!
//! [`Judge::chunk`] judges the pieces of a chunk, in any thread; [`crate::ledger`] adds the verdicts up, in file order. The
//! rules are in [`Rule`], their words in `docs/rules.md`.

mod duplicates;
mod fingerprint;
mod geometry;
mod media;
mod repair;
mod rule;
mod text;

use std::sync::Arc;

use st_schema::{FramePlan, Record, Severity};

use crate::read::{Chunk, FaultKind, Note, Piece, PieceKind, Position, Positions, read_piece};
use crate::review::{Mark, Review};

pub use duplicates::{Duplicates, DuplicatesError};
pub use fingerprint::Fingerprint;
pub use media::{MediaCheck, MediaDepth};
pub use rule::{Rule, RuleInfo, Severities, SeverityError, documentation};

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What exactly, for a person.
    pub message: String,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It stays as it is.
    Kept,
    /// It can be put right; this is how it then reads.
    Repaired(Box<Record>),
    /// It is refused.
    Rejected,
}

/// A judged piece of a chunk.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The piece, by its bytes in the chunk.
    pub piece: Piece,
    /// Where it stands; only looked up where something was found.
    pub position: Option<Position>,
    /// The record's name, where something was found.
    pub id: String,
    /// The record's source, where it names one itself.
    pub source: Option<String>,
    /// What is wrong, severest first.
    pub findings: Vec<Finding>,
    /// What becomes of it; absent for notes, which are no records.
    pub verdict: Option<Verdict>,
    /// For telling duplicates; absent for what is no record.
    pub fingerprint: Option<Fingerprint>,
    /// What a person thought of it.
    pub mark: Option<Mark>,
}

/// The settings of a run, shared by all threads.
#[derive(Debug)]
pub struct Judge {
    /// What each rule does.
    pub severities: Severities,
    /// The frame plan that tubes are held against.
    pub plan: FramePlan,
    /// The model's context in tokens, less what the frames take.
    pub context_tokens: usize,
    /// How media files are looked at, if at all.
    pub media: Option<MediaCheck>,
    /// What a person thought of records, if anything.
    pub review: Option<Arc<Review>>,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            severities: Severities::default(),
            plan: FramePlan::REFERENCE,
            // `model_max_length` of the original's training scripts, less what a video takes by `llava/model/llava_arch.py`:
            // 100 frames of 9 tokens, 20 of 81, and four markers.
            context_tokens: 32_768 - (100 * 9 + 20 * 81 + 4),
            media: None,
            review: None,
        }
    }
}

/// Buffers that one thread keeps from record to record.
#[derive(Default)]
struct Scratch {
    placed: Vec<geometry::Placed>,
    plain: Vec<u8>,
}

/// The findings of one record while rules run.
pub(crate) struct Notebook<'a> {
    severities: &'a Severities,
    findings: Vec<Finding>,
}

impl<'a> Notebook<'a> {
    fn new(severities: &'a Severities) -> Self {
        Self {
            severities,
            findings: Vec::new(),
        }
    }

    /// Notes a finding, unless its rule is off.
    fn add(&mut self, rule: Rule, message: impl FnOnce() -> String) {
        if self.severities.of(rule) != Severity::Off {
            self.findings.push(Finding {
                rule,
                message: message(),
            });
        }
    }

    fn has(&self, rule: Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }
}

impl Judge {
    /// Judges every piece of a chunk.
    #[must_use]
    pub fn chunk(&self, chunk: &Chunk) -> Vec<Judged> {
        let mut positions = Positions::new(chunk);
        let mut scratch = Scratch::default();
        chunk
            .pieces
            .iter()
            .map(|piece| {
                let mut judged = self.piece(chunk, piece, &mut scratch);
                if !judged.findings.is_empty() {
                    judged.position = Some(positions.of(piece));
                }
                judged
            })
            .collect()
    }

    fn piece(&self, chunk: &Chunk, piece: &Piece, scratch: &mut Scratch) -> Judged {
        let mut notebook = Notebook::new(&self.severities);
        let mut judged = Judged {
            piece: *piece,
            position: None,
            id: String::new(),
            source: None,
            findings: Vec::new(),
            verdict: Some(Verdict::Rejected),
            fingerprint: None,
            mark: None,
        };
        if let PieceKind::Note(note) = piece.kind {
            let (rule, message) = note_rule(note);
            notebook.add(rule, || message.to_owned());
            judged.verdict = None;
            judged.findings = notebook.findings;
            return judged;
        }
        match read_piece(chunk, piece) {
            Some(Ok(record)) => self.judge(record, notebook, scratch, &mut judged),
            Some(Err(kind)) => match repair::reshape(chunk.bytes(piece), &kind) {
                Some(record) => {
                    notebook.add(Rule::RoleWord, || {
                        "a speaker is named in another project's word".into()
                    });
                    self.judge(record, notebook, scratch, &mut judged);
                }
                None => {
                    // What cannot be read cannot be kept, whatever the rule's severity.
                    judged.findings = vec![Finding {
                        rule: fault_rule(&kind),
                        message: kind.to_string(),
                    }];
                }
            },
            None => judged.verdict = None,
        }
        judged
    }

    /// The rules under which a piece that is no record is refused.
    #[must_use]
    pub fn faults(&self, chunk: &Chunk, piece: &Piece) -> Vec<Rule> {
        let judged = self.piece(chunk, piece, &mut Scratch::default());
        judged.findings.iter().map(|one| one.rule).collect()
    }

    /// Judges one record.
    #[must_use]
    pub fn record(&self, record: Record) -> Judged {
        let piece = Piece {
            start: 0,
            end: 0,
            kind: PieceKind::Record,
        };
        let mut judged = Judged {
            piece,
            position: None,
            id: String::new(),
            source: None,
            findings: Vec::new(),
            verdict: None,
            fingerprint: None,
            mark: None,
        };
        let notebook = Notebook::new(&self.severities);
        self.judge(record, notebook, &mut Scratch::default(), &mut judged);
        judged
    }

    fn judge(
        &self,
        record: Record,
        mut notebook: Notebook<'_>,
        scratch: &mut Scratch,
        judged: &mut Judged,
    ) {
        let told = self.look(&record, scratch, &mut notebook);
        judged.mark = self.heed(&record, &mut notebook);
        judged.fingerprint = Some(Fingerprint::with_buffer(&record, &mut scratch.plain));
        if notebook.findings.is_empty() {
            judged.verdict = Some(Verdict::Kept);
            judged.source = record.source;
            return;
        }
        judged.source.clone_from(&record.source);
        record.id.as_str().clone_into(&mut judged.id);
        let severity = |finding: &Finding| self.severities.of(finding.rule);
        let mut findings = notebook.findings;
        findings.sort_by_key(|finding| (std::cmp::Reverse(severity(finding)), finding.rule));
        let worst = findings.first().map_or(Severity::Off, severity);
        judged.verdict = Some(match worst {
            Severity::Reject => Verdict::Rejected,
            Severity::Repair => {
                let wanted: Vec<Rule> = findings
                    .iter()
                    .filter(|one| severity(one) == Severity::Repair)
                    .map(|one| one.rule)
                    .collect();
                self.repair(record, &wanted, told.as_ref(), scratch, &mut findings)
            }
            Severity::Warn | Severity::Off => Verdict::Kept,
        });
        if let Some(Verdict::Repaired(record)) = &judged.verdict {
            // What is written is what may repeat another record, and what a mark may have been given to.
            judged.fingerprint = Some(Fingerprint::of(record));
            if judged.mark.is_none() {
                let mut notebook = Notebook {
                    severities: &self.severities,
                    findings,
                };
                judged.mark = self.heed(record, &mut notebook);
                findings = notebook.findings;
            }
        }
        judged.findings = findings;
    }

    /// Repairs a record and looks at it once more: a repair that leaves or makes a fault is none.
    fn repair(
        &self,
        mut record: Record,
        wanted: &[Rule],
        facts: Option<&media::Facts>,
        scratch: &mut Scratch,
        findings: &mut Vec<Finding>,
    ) -> Verdict {
        for &rule in wanted {
            repair::apply(&mut record, rule, facts);
        }
        let mut again = Notebook::new(&self.severities);
        self.look(&record, scratch, &mut again);
        // The mark may have been given to the repaired record.
        self.heed(&record, &mut again);
        let left = again
            .findings
            .into_iter()
            .find(|finding| self.severities.of(finding.rule) >= Severity::Repair);
        match left {
            None => Verdict::Repaired(Box::new(record)),
            Some(mut finding) => {
                finding.message.push_str(" (still so after the repair)");
                findings.insert(0, finding);
                Verdict::Rejected
            }
        }
    }

    /// Does as a person said of the record.
    fn heed(&self, record: &Record, notebook: &mut Notebook<'_>) -> Option<Mark> {
        let mark = self.review.as_ref()?.mark(record)?;
        match mark {
            Mark::Bad => notebook.add(Rule::ReviewBad, || {
                "a person marked the record bad".to_owned()
            }),
            Mark::Fix => notebook.add(Rule::ReviewFix, || {
                "a person marked the record as one to be fixed".to_owned()
            }),
            Mark::Good => {
                let severities = notebook.severities;
                notebook
                    .findings
                    .retain(|finding| severities.of(finding.rule) > Severity::Warn);
            }
        }
        Some(mark)
    }

    /// Runs every rule; gives back what the media file says about itself.
    fn look(
        &self,
        record: &Record,
        scratch: &mut Scratch,
        notebook: &mut Notebook<'_>,
    ) -> Option<media::Facts> {
        let placed = &mut scratch.placed;
        text::fields(record, notebook);
        text::conversation(record, self.context_tokens, placed, notebook);
        geometry::split(record, notebook);
        geometry::numbers(record, self.plan, placed, notebook);
        if notebook.has(Rule::PathUnsafe) || notebook.has(Rule::MediaBoth) {
            return None;
        }
        self.media
            .as_ref()
            .and_then(|check| check.look(record, self.plan, notebook))
    }
}

fn note_rule(note: Note) -> (Rule, &'static str) {
    match note {
        Note::ByteOrderMark => (Rule::JsonBom, "the file begins with a byte order mark"),
        Note::SecondArray => (Rule::JsonConcatenated, "another array begins here"),
        Note::MissingComma => (Rule::JsonComma, "a comma is missing before this record"),
        Note::ExtraComma => (Rule::JsonComma, "a comma without a record"),
        Note::Unclosed => (Rule::JsonUnclosed, "the file ends before its array does"),
        Note::Empty => (Rule::FileEmpty, "the file holds no value"),
    }
}

/// The rule that a fault of reading falls under.
fn fault_rule(kind: &FaultKind) -> Rule {
    match kind {
        FaultKind::Truncated => Rule::JsonTruncated,
        FaultKind::TooLong => Rule::RecordSize,
        FaultKind::Junk => Rule::JsonJunk,
        FaultKind::Utf8(_) => Rule::JsonUtf8,
        FaultKind::Depth => Rule::JsonDepth,
        FaultKind::NotFinite => Rule::JsonNotFinite,
        FaultKind::DuplicateKey(_) => Rule::JsonDuplicateKey,
        FaultKind::Syntax(_) => Rule::JsonSyntax,
        FaultKind::Shape(_) => Rule::RecordShape,
    }
}
