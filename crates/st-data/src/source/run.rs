//! One source from its raw files to records: read, convert, judge, count, write.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use st_schema::{FramePlan, Record, Task};

use super::account::{Account, Counted};
use super::assemble::{Assembler, Origin};
use super::container::{Batch, Batches, is_item};
use super::draft::{Claim, Draft, Drafts, Made, Splits};
use super::inputs::{Inputs, MainFile};
use super::item::{Payload, RawItem};
use super::phrases::Phrases;
use super::sides::{Durations, Sides};
use super::{Reject, Source, SourceError};
use crate::read::{self, Options, PieceKind, Position, Positions, in_parallel};
use crate::review::{Mark, Review};
use crate::spill::SpillingMap;
use crate::validate::{Duplicates, DuplicatesError, Fingerprint, Judge, Rule, Verdict};

/// How sources are normalized.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How files are read.
    pub options: Options,
    /// The templates.
    pub phrases: Phrases,
    /// Which frames of a clip tubes have boxes for.
    pub plan: FramePlan,
    /// Lengths of media files.
    pub durations: Durations,
    /// Which splits are wanted; the training split unless set.
    pub splits: Splits,
    /// Only these tasks; all when absent.
    pub tasks: Option<Vec<Task>>,
    /// This share of the records, chosen by a hash of their names.
    pub share: f64,
    /// What a person thought of records, if anything; a record is known by what it says when it is written.
    pub review: Option<Arc<Review>>,
}

impl Settings {
    /// The shipped templates, 100 frames, everything.
    ///
    /// # Errors
    /// Never with the shipped templates.
    pub fn shipped() -> Result<Self, SourceError> {
        Ok(Self {
            options: Options::default(),
            phrases: Phrases::shipped()?,
            plan: FramePlan::REFERENCE,
            durations: Durations::default(),
            splits: Splits::default(),
            tasks: None,
            share: 1.0,
            review: None,
        })
    }
}

/// A candidate that became no record.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// The file.
    pub file: &'a str,
    /// Which item of the file, from 0.
    pub row: u64,
    /// The item's name in its map.
    pub key: Option<&'a str>,
    /// Where the item stands, in files that are lists of JSON values.
    pub position: Option<Position>,
    /// The record's name, as far as it got one.
    pub id: &'a str,
    /// Why.
    pub reject: &'a Reject,
}

/// Where records and refused candidates go.
pub trait Sink {
    /// Takes a record as JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    fn record(&mut self, task: Task, json: &[u8]) -> Result<(), SourceError>;

    /// Takes a candidate that became none.
    ///
    /// # Errors
    /// When it cannot be written.
    fn reject(&mut self, rejected: &Rejected<'_>) -> Result<(), SourceError>;
}

/// What became of one candidate.
pub(super) enum Outcome {
    Written {
        json: Vec<u8>,
        task: Task,
        repairs: Vec<&'static str>,
        print: Fingerprint,
        claim: Option<Claimed>,
        /// Whether a person marked it as one to be fixed.
        to_fix: bool,
    },
    Refused(Reject),
    LeftOut,
}

/// What a record says of its media file.
pub(super) struct Claimed {
    /// A hash of the path, the same in all threads.
    key: u64,
    path: String,
    claim: Claim,
}

/// A candidate with its place.
struct Candidate {
    row: u64,
    key: Option<String>,
    position: Option<Position>,
    id: String,
    outcome: Outcome,
}

/// What a thread makes of one batch.
#[derive(Default)]
struct Worked {
    items: u64,
    candidates: Vec<Candidate>,
    notes: Vec<Cow<'static, str>>,
}

/// What all records so far say together.
#[derive(Default)]
struct Seen {
    duplicates: Duplicates,
    /// By a hash of the media path, what the first record about it said.
    claims: SpillingMap,
}

impl Seen {
    /// Why a finished record cannot stand beside the earlier ones.
    fn against(
        &mut self,
        print: &Fingerprint,
        claimed: Option<&Claimed>,
    ) -> Result<Option<Reject>, SourceError> {
        if let Some(Claimed { key, path, claim }) = claimed {
            let Claim { value, reason } = *claim;
            // 0 for a claim that no other record can share.
            let value = value.map_or(0, |value| value | 1);
            #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
            let said = ((value >> 32) as u32, value as u32);
            match self.claims.get(*key).map_err(DuplicatesError::of)? {
                None => self
                    .claims
                    .insert(*key, said)
                    .map_err(DuplicatesError::of)?,
                Some(first) if value != 0 && first == said => {}
                Some(_) => {
                    return Ok(Some(Reject::unusable(
                        reason,
                        format!("an earlier record speaks of {path} already, and says otherwise"),
                    )));
                }
            }
        }
        let repeats = self.duplicates.add(print)? == Some(Rule::DuplicateExact);
        Ok(repeats.then(|| Reject::Rule {
            rule: Rule::DuplicateExact,
            message: "an earlier record says the same, to the letter".into(),
        }))
    }
}

/// Normalizes one source. `progress` is told the packed bytes read since the last call.
///
/// Every item gives at least one candidate, and every candidate is kept, repaired, rejected or left out: the sums are
/// asserted.
///
/// # Errors
/// When a file cannot be opened, a table cannot be read, or a result cannot be written. What is wrong with single items is
/// counted, not an error.
pub fn normalize(
    source: &'static dyn Source,
    inputs: &Inputs,
    settings: &Settings,
    sink: &mut dyn Sink,
    mut progress: impl FnMut(u64),
) -> Result<Account, SourceError> {
    let info = source.info();
    let sides = Sides::open(info, inputs, &settings.options)?;
    let mut durations = settings.durations.clone();
    for path in &inputs.durations {
        durations.read(path)?;
    }
    let worker = Worker::new(source, settings, &sides, &durations);
    let mut account = Account::new(info);
    let mut seen = Seen::default();
    for file in &inputs.main {
        let mut batches = Batches::open(&file.path, file.files.container, &settings.options)?;
        let consumed = Arc::clone(&batches.consumed);
        let mut told = 0;
        let mut items = 0;
        let read = in_parallel(
            move || batches.next_batch(),
            settings.options.jobs,
            |batch| worker.batch(file, batch),
            |worked: Worked| {
                let now = consumed.load(Ordering::Relaxed);
                progress(now - std::mem::replace(&mut told, now));
                items += worked.items;
                account.notes(worked.notes);
                for candidate in worked.candidates {
                    take(file, candidate, &mut seen, &mut account, sink)?;
                }
                Ok::<(), SourceError>(())
            },
        );
        match read {
            // A file that ends in the middle: what came before is counted, the rest is one refused item.
            Err(SourceError::Read(error @ read::ReadError::Read { .. })) => {
                items += 1;
                let reject = Reject::Shape(full_message(&error));
                let candidate = Candidate::refused(items - 1, reject);
                take(file, candidate, &mut seen, &mut account, sink)?;
            }
            other => other?,
        }
        account.file(&file.name, file.files, items);
    }
    account.checked(info)
}

/// An error and its causes.
fn full_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    message
}

/// What the account notes of a record that a person marked as one to be fixed.
const TO_FIX: &str = "review-fix: a person marked the record as one to be fixed";

fn take(
    file: &MainFile,
    mut candidate: Candidate,
    seen: &mut Seen,
    account: &mut Account,
    sink: &mut dyn Sink,
) -> Result<(), SourceError> {
    if let Outcome::Written { print, claim, .. } = &candidate.outcome
        && let Some(reject) = seen.against(print, claim.as_ref())?
    {
        candidate.outcome = Outcome::Refused(reject);
    }
    match &candidate.outcome {
        Outcome::Written {
            json,
            task,
            repairs,
            to_fix,
            ..
        } => {
            if *to_fix {
                account.notes(vec![TO_FIX.into()]);
            }
            account.count(&Counted::Written {
                task: *task,
                repairs,
            });
            sink.record(*task, json)
        }
        Outcome::LeftOut => {
            account.count(&Counted::LeftOut);
            Ok(())
        }
        Outcome::Refused(reject) => {
            let rejected = Rejected {
                file: &file.name,
                row: candidate.row,
                key: candidate.key.as_deref(),
                position: candidate.position,
                id: &candidate.id,
                reject,
            };
            account.count(&Counted::Refused(&rejected));
            sink.reject(&rejected)
        }
    }
}

impl Candidate {
    const fn refused(row: u64, reject: Reject) -> Self {
        Self {
            row,
            key: None,
            position: None,
            id: String::new(),
            outcome: Outcome::Refused(reject),
        }
    }
}

/// Everything a thread needs.
pub(super) struct Worker<'a> {
    source: &'static dyn Source,
    settings: &'a Settings,
    sides: &'a Sides,
    assembler: Assembler<'a>,
    judge: Judge,
    /// For media paths; the same in all threads.
    hasher: foldhash::fast::FixedState,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        source: &'static dyn Source,
        settings: &'a Settings,
        sides: &'a Sides,
        durations: &'a Durations,
    ) -> Self {
        Self {
            source,
            settings,
            sides,
            assembler: Assembler {
                info: source.info(),
                phrases: &settings.phrases,
                durations,
                plan: settings.plan,
            },
            judge: Judge {
                plan: settings.plan,
                review: settings.review.clone(),
                ..Judge::default()
            },
            hasher: foldhash::fast::FixedState::default(),
        }
    }

    /// Every candidate of one item into memory.
    pub(super) fn collect(
        &self,
        item: &RawItem<'_>,
        to: &mut Collected,
    ) -> Result<(), SourceError> {
        let mut worked = Worked::default();
        self.item(item, None, &mut worked);
        for candidate in worked.candidates {
            match candidate.outcome {
                Outcome::Written { json, task, .. } => to.record(task, &json)?,
                Outcome::LeftOut => {}
                Outcome::Refused(reject) => {
                    to.rejects
                        .push((candidate.id, reject.reason(), reject.to_string()));
                }
            }
        }
        Ok(())
    }

    fn batch(&self, file: &MainFile, batch: Batch) -> Worked {
        let mut worked = Worked::default();
        match batch {
            Batch::Items(items) => {
                for loose in items {
                    worked.items += 1;
                    match loose.payload {
                        Err(message) => worked
                            .candidates
                            .push(Candidate::refused(loose.row, Reject::Shape(message))),
                        Ok(payload) => {
                            let item = RawItem {
                                form: file.files.form,
                                file: &file.name,
                                row: loose.row,
                                key: loose.key,
                                payload,
                            };
                            self.item(&item, None, &mut worked);
                        }
                    }
                }
            }
            Batch::Chunk { chunk, first_row } => {
                let mut positions = Positions::new(&chunk);
                let pieces = chunk.pieces.iter().filter(|piece| is_item(piece.kind));
                for (row, piece) in (first_row..).zip(pieces) {
                    worked.items += 1;
                    let position = Some(positions.of(piece));
                    if piece.kind == PieceKind::Record {
                        let item = RawItem {
                            form: file.files.form,
                            file: &file.name,
                            row,
                            key: None,
                            payload: Payload::Json(chunk.bytes(piece)),
                        };
                        self.item(&item, position, &mut worked);
                    } else {
                        let mut candidate = Candidate::refused(row, broken(piece.kind));
                        candidate.position = position;
                        worked.candidates.push(candidate);
                    }
                }
            }
        }
        worked
    }

    /// Every candidate of one item, at least one.
    fn item(&self, item: &RawItem<'_>, position: Option<Position>, worked: &mut Worked) {
        let mut drafts = Drafts::new(&self.settings.splits);
        let converted = self.source.convert(item, self.sides, &mut drafts);
        let mut outcomes: Vec<(String, Outcome)> = drafts
            .made
            .into_iter()
            .map(|made| match made {
                Ok(Made::Draft(mut draft)) => {
                    if draft.id.is_empty() {
                        draft.id = item.default_id();
                    }
                    (draft.id.clone(), self.draft(*draft, item))
                }
                Ok(Made::Record(mut record)) => {
                    if record.id.is_empty() {
                        record.id = item.default_id().into();
                    }
                    (record.id.as_str().to_owned(), self.record(*record, item))
                }
                Err((id, reject)) => (id, Outcome::Refused(reject)),
            })
            .collect();
        match converted {
            Err(Reject::OtherSplit(_)) => outcomes.push((String::new(), Outcome::LeftOut)),
            Err(reject) => outcomes.push((String::new(), Outcome::Refused(reject))),
            Ok(()) if outcomes.is_empty() => {
                let reject = Reject::Nothing("no question and answer");
                outcomes.push((String::new(), Outcome::Refused(reject)));
            }
            Ok(()) => {}
        }
        let candidates = outcomes.into_iter().map(|(id, outcome)| Candidate {
            row: item.row,
            key: item.key.clone(),
            position,
            id,
            outcome,
        });
        worked.candidates.extend(candidates);
        worked.notes.append(&mut drafts.notes);
    }

    /// Whether a record of this name and task is asked for.
    fn wanted(&self, task: Task, id: &str) -> bool {
        let Settings {
            tasks,
            share,
            phrases,
            ..
        } = self.settings;
        let source = self.assembler.info.name;
        tasks.as_ref().is_none_or(|tasks| tasks.contains(&task))
            && (*share >= 1.0 || phrases.sampled(source, id, *share))
    }

    /// A record that was one already.
    fn record(&self, mut record: Record, item: &RawItem<'_>) -> Outcome {
        let Some(task) = record.task else {
            return Outcome::Refused(Reject::shape("the record names no task"));
        };
        if !self.wanted(task, &record.id) {
            return Outcome::LeftOut;
        }
        let name = self.assembler.info.name;
        record.source.get_or_insert_with(|| name.to_owned());
        self.assembler.stamp(&mut record, &[], origin(item));
        self.judged(task, record, Vec::new(), None)
    }

    fn draft(&self, draft: Draft, item: &RawItem<'_>) -> Outcome {
        if !self.wanted(draft.task, &draft.id) {
            return Outcome::LeftOut;
        }
        let task = draft.task;
        let origin = origin(item);
        let claim = draft.claim.map(|claim| Claimed {
            key: self.hasher.hash_one(draft.media.path()),
            path: draft.media.path().to_owned(),
            claim,
        });
        let assembled = match self.assembler.record(draft, origin) {
            Ok(assembled) => assembled,
            Err(reject) => return Outcome::Refused(reject),
        };
        self.judged(task, assembled.record, assembled.repairs, claim)
    }

    /// What `stdata validate` would say, so that it has nothing left to say.
    fn judged(
        &self,
        task: Task,
        record: Record,
        mut repairs: Vec<&'static str>,
        claim: Option<Claimed>,
    ) -> Outcome {
        let kept = record.clone();
        let judged = self.judge.record(record);
        let to_fix = judged.mark == Some(Mark::Fix);
        let record = match judged.verdict {
            Some(Verdict::Kept) => kept,
            Some(Verdict::Repaired(record)) => {
                let severities = &self.judge.severities;
                repairs.extend(
                    judged
                        .findings
                        .iter()
                        .filter(|one| severities.of(one.rule) == st_schema::Severity::Repair)
                        .map(|one| one.rule.id()),
                );
                *record
            }
            Some(Verdict::Rejected) | None => {
                let finding = judged.findings.into_iter().next();
                return Outcome::Refused(finding.map_or(
                    Reject::Nothing("refused without a finding"),
                    |finding| Reject::Rule {
                        rule: finding.rule,
                        message: finding.message,
                    },
                ));
            }
        };
        let print = judged
            .fingerprint
            .unwrap_or_else(|| Fingerprint::of(&record));
        match serde_json::to_vec(&record) {
            Ok(json) => Outcome::Written {
                json,
                task,
                repairs,
                print,
                claim,
                to_fix,
            },
            Err(error) => Outcome::Refused(Reject::Shape(error.to_string())),
        }
    }
}

fn origin<'i>(item: &'i RawItem<'_>) -> Origin<'i> {
    Origin {
        file: item.file,
        row: item.row,
        key: item.key.as_deref(),
    }
}

fn broken(kind: PieceKind) -> Reject {
    use crate::read::FaultKind;
    Reject::Broken(match kind {
        PieceKind::Truncated => FaultKind::Truncated,
        PieceKind::TooLong => FaultKind::TooLong,
        _ => FaultKind::Junk,
    })
}

/// Keeps records in memory, for tests and examples.
#[derive(Debug, Default)]
pub struct Collected {
    /// Records, in order.
    pub records: Vec<serde_json::Value>,
    /// Refused candidates: name, reason, message.
    pub rejects: Vec<(String, &'static str, String)>,
    /// Records by task.
    pub tasks: BTreeMap<Task, u64>,
}

impl Sink for Collected {
    fn record(&mut self, task: Task, json: &[u8]) -> Result<(), SourceError> {
        *self.tasks.entry(task).or_default() += 1;
        // Written by this program a moment ago.
        self.records
            .push(serde_json::from_slice(json).unwrap_or_default());
        Ok(())
    }

    fn reject(&mut self, rejected: &Rejected<'_>) -> Result<(), SourceError> {
        self.rejects.push((
            rejected.id.to_owned(),
            rejected.reject.reason(),
            rejected.reject.to_string(),
        ));
        Ok(())
    }
}
