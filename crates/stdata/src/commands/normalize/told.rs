//! What `stdata normalize` says: the list of sources, the ledger, the paper's table.

use std::fmt::Write as _;

use serde::Serialize;
use st_data::source::{self, ALL, Account, Row, table};
use st_schema::Task;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    /// The ledger, source by source.
    pub(super) sources: &'a [Account],
    /// The paper's table beside what was written; empty without --all.
    pub(super) composition: &'a [Row],
}

/// One line of `--list`.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    tasks: &'static [Task],
    about: &'static str,
}

/// Names every source.
pub(super) fn list(globals: &Globals) -> anyhow::Result<ExitStatus> {
    let listed: Vec<Listed> = ALL
        .iter()
        .map(|source| source.info())
        .map(|info| Listed {
            name: info.name,
            tasks: info.tasks,
            about: info.about,
        })
        .collect();
    let mut text = String::new();
    for one in &listed {
        let tasks: Vec<&str> = one.tasks.iter().map(|task| task.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<20} {:<22} {}",
            one.name,
            tasks.join(" "),
            one.about
        );
    }
    globals.emit(&listed, text.trim_end())?;
    Ok(ExitStatus::Done)
}

/// The ledger, the paper's table beside it, and for each source what to look at.
pub(super) fn report(accounts: &[Account], composition: &[Row]) -> String {
    let mut text = table(accounts);
    text.push('\n');
    if !composition.is_empty() {
        let _ = writeln!(text, "\n{}", source::composition_table(composition));
    }
    for account in accounts {
        for file in &account.files {
            let _ = write!(
                text,
                "\n{}: {} read as {} ({})",
                account.source, file.file, file.form, file.means
            );
        }
        for (note, count) in &account.notes {
            let _ = write!(text, "\n{}: {note} ({count} times)", account.source);
        }
        for example in &account.examples {
            let _ = write!(
                text,
                "\n{}: {} {}, item {}: {}",
                account.source, example.reason, example.file, example.row, example.message
            );
        }
        for name in &account.unused {
            let _ = write!(text, "\n{}: {name} is not used", account.source);
        }
    }
    text
}
