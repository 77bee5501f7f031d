//! What became of every item of a source, added up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use st_schema::Task;

use super::run::Rejected;
use super::{Files, Info, SourceError};

/// The account of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The source.
    pub source: &'static str,
    /// Items in the raw files.
    pub items: u64,
    /// Candidates for records; an item may give several, and gives at least one.
    pub read: u64,
    /// Records written as the source has them.
    pub kept: u64,
    /// Records written after something was put right.
    pub repaired: u64,
    /// Candidates refused.
    pub rejected: u64,
    /// Candidates of tasks that were not asked for, or outside the share.
    pub left_out: u64,
    /// Refused candidates by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Repairs by name; a record may have several.
    pub repairs: BTreeMap<&'static str, u64>,
    /// Things to know about the data, in the adapter's words, with their counts.
    pub notes: BTreeMap<Cow<'static, str>, u64>,
    /// Records written, by task.
    pub tasks: BTreeMap<Task, u64>,
    /// The files and what they were taken for.
    pub files: Vec<FileAccount>,
    /// Files of the folders that no pattern of the source fits.
    pub unused: Vec<String>,
    /// The first refused candidate of each reason.
    pub examples: Vec<Example>,
    /// Why nothing was read at all, and what to do; absent where the source was normalized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// One file of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileAccount {
    /// The file.
    pub file: String,
    /// Which of the source's forms it was taken for.
    pub form: &'static str,
    /// What that form means.
    pub means: &'static str,
    /// Its items.
    pub items: u64,
}

/// A refused candidate, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The reason's name.
    pub reason: &'static str,
    /// The file.
    pub file: String,
    /// Which item, from 0.
    pub row: u64,
    /// The record's name, as far as it got one.
    pub id: String,
    /// What exactly is wrong.
    pub message: String,
}

/// One candidate to be counted.
pub(super) enum Counted<'a> {
    Written {
        task: Task,
        repairs: &'a [&'static str],
    },
    Refused(&'a Rejected<'a>),
    LeftOut,
}

impl Account {
    pub(super) fn new(info: &Info) -> Self {
        Self {
            source: info.name,
            ..Self::default()
        }
    }

    /// The account of a source that could not be read.
    #[must_use]
    pub fn stopped(info: &Info, why: String) -> Self {
        Self {
            stopped: Some(why),
            ..Self::new(info)
        }
    }

    /// Whether something needs a look: a refused candidate, or a source that could not be read.
    #[must_use]
    pub const fn needs_a_look(&self) -> bool {
        self.rejected > 0 || self.stopped.is_some()
    }

    pub(super) fn count(&mut self, counted: &Counted<'_>) {
        self.read += 1;
        match counted {
            Counted::LeftOut => self.left_out += 1,
            Counted::Written { task, repairs } => {
                if repairs.is_empty() {
                    self.kept += 1;
                } else {
                    self.repaired += 1;
                }
                for &name in *repairs {
                    *self.repairs.entry(name).or_default() += 1;
                }
                *self.tasks.entry(*task).or_default() += 1;
            }
            Counted::Refused(rejected) => {
                self.rejected += 1;
                let reason = rejected.reject.reason();
                let count = self.reasons.entry(reason).or_default();
                *count += 1;
                if *count == 1 {
                    self.examples.push(Example {
                        reason,
                        file: rejected.file.to_owned(),
                        row: rejected.row,
                        id: rejected.id.to_owned(),
                        message: rejected.reject.to_string(),
                    });
                }
            }
        }
    }

    pub(super) fn notes(&mut self, notes: Vec<Cow<'static, str>>) {
        for note in notes {
            *self.notes.entry(note).or_default() += 1;
        }
    }

    pub(super) fn file(&mut self, name: &str, files: &Files, items: u64) {
        self.items += items;
        self.files.push(FileAccount {
            file: name.to_owned(),
            form: files.form,
            means: files.means,
            items,
        });
    }

    /// Records written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.kept + self.repaired
    }

    /// Whether nothing is lost: every candidate has one end, every item a candidate, every refusal a reason, every record a
    /// task.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.read == self.kept + self.repaired + self.rejected + self.left_out
            && self.items <= self.read
            && self.rejected == self.reasons.values().sum::<u64>()
            && self.written() == self.tasks.values().sum::<u64>()
            && self.items == self.files.iter().map(|file| file.items).sum::<u64>()
    }

    /// The account, when its sums hold.
    pub(super) fn checked(self, info: &Info) -> Result<Self, SourceError> {
        if self.adds_up() {
            Ok(self)
        } else {
            Err(SourceError::Lost {
                source_name: info.name,
                counts: format!("{self:?}"),
            })
        }
    }
}

/// The ledger of several sources as a table, with refusals by reason.
#[must_use]
pub fn table(accounts: &[Account]) -> String {
    let names = accounts.iter().map(|account| account.source.len());
    let width = names.max().unwrap_or(0).max(6);
    let mut out = format!(
        "{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  rejected by reason\n",
        "source", "items", "read", "kept", "repaired", "rejected", "left out"
    );
    let mut total = Account {
        source: "all",
        ..Account::default()
    };
    for account in accounts {
        row(&mut out, width, account);
        total.items += account.items;
        total.read += account.read;
        total.kept += account.kept;
        total.repaired += account.repaired;
        total.rejected += account.rejected;
        total.left_out += account.left_out;
    }
    if accounts.len() != 1 {
        row(&mut out, width, &total);
    }
    out.pop();
    out
}

fn row(out: &mut String, width: usize, account: &Account) {
    let Account {
        source,
        items,
        read,
        kept,
        repaired,
        rejected,
        left_out,
        stopped,
        ..
    } = account;
    if let Some(why) = stopped {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{source:<width$} {:>59}  {why}", "stopped");
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{source:<width$} {items:>9} {read:>9} {kept:>9} {repaired:>9} {rejected:>9} {left_out:>9}"
    );
    for (number, (reason, count)) in account.reasons.iter().enumerate() {
        let separator = if number == 0 { "  " } else { ", " };
        let _ = write!(out, "{separator}{reason} {count}");
    }
    out.push('\n');
}
