//! A run's account for people: a table for the terminal, a page for the browser.

use std::fmt::Write as _;

use minijinja::{Environment, context};
use st_schema::Severity;

use crate::ledger::{Counts, Ledger};

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The template does not fit the ledger.
    #[error("cannot make the report page")]
    Template(#[from] minijinja::Error),
}

/// The account as text: worst rules first, each with an example.
#[must_use]
pub fn text(ledger: &Ledger) -> String {
    let mut out = String::new();
    if !ledger.rules.is_empty() {
        let _ = writeln!(
            out,
            "{:<8} {:<22} {:>10}  first",
            "severity", "rule", "findings"
        );
        for count in &ledger.rules {
            let severity = format!("{:?}", count.severity).to_lowercase();
            let _ = write!(
                out,
                "{severity:<8} {:<22} {:>10}  ",
                count.rule.id(),
                count.findings
            );
            match count.examples.first() {
                Some(example) => {
                    let name = example
                        .file
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy();
                    let _ = writeln!(
                        out,
                        "{name}:{} {}",
                        example.position.line,
                        shortened(&example.message)
                    );
                }
                None => out.push('\n'),
            }
        }
        out.push('\n');
    }
    let width = ledger
        .sources
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max(6);
    let _ = writeln!(
        out,
        "{:<width$} {:>10} {:>10} {:>10} {:>10}",
        "source", "read", "kept", "repaired", "rejected"
    );
    let mut line = |name: &str, counts: &Counts| {
        let Counts {
            read,
            kept,
            repaired,
            rejected,
        } = counts;
        let _ = writeln!(
            out,
            "{name:<width$} {read:>10} {kept:>10} {repaired:>10} {rejected:>10}"
        );
    };
    for (name, counts) in &ledger.sources {
        line(name, counts);
    }
    if ledger.sources.len() != 1 {
        line("all", &ledger.total);
    }
    out.pop();
    out
}

fn shortened(message: &str) -> String {
    let mut chars = message.chars();
    let start: String = chars.by_ref().take(100).collect();
    if chars.next().is_some() {
        format!("{start}…")
    } else {
        start
    }
}

/// The account as a page that needs no other file.
///
/// # Errors
/// Never for a ledger of this version; the template engine wants it so.
pub fn html(ledger: &Ledger) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.add_template("report.html", include_str!("report.html"))?;
    let rules: Vec<_> = ledger
        .rules
        .iter()
        .map(|count| {
            let info = count.rule.info();
            context! { id => info.id, severity => severity(count.severity), summary => info.summary, findings => count.findings,
            examples => count.examples }
        })
        .collect();
    Ok(environment.get_template("report.html")?.render(
        context! { look => include_str!("look/look.css"), total => ledger.total, sources => ledger.sources, files => ledger.files, rules => rules },
    )?)
}

fn severity(severity: Severity) -> String {
    format!("{severity:?}").to_lowercase()
}
