//! A plan as text.

use std::fmt::Write;
use std::path::Path;

use super::{How, Made, Mode, Plan};
use crate::inventory::size;

/// A plan, and what was made of it if anything was, with so many examples of each kind.
#[must_use]
pub fn describe(plan: &Plan, mode: Mode, done: Option<&Made>, examples: usize) -> String {
    let mut page = Page {
        text: head(plan),
        examples,
    };
    for (how, what) in [
        (How::Path, "by path"),
        (How::Name, "by name"),
        (How::Stem, "by name with another ending"),
        (How::Id, "by the identifier in the name"),
    ] {
        let links = plan.links.iter().filter(|link| link.how == how);
        page.list(what, links, |link| {
            format!("{} <- {}", link.to.display(), short(&link.from, plan))
        });
    }
    page.list(
        "fit several files: not linked",
        plan.ambiguous.iter(),
        |one| {
            let files = one.candidates.iter().map(|file| short(file, plan));
            let files: Vec<String> = files.collect();
            format!("{} <- {}", one.to.display(), files.join(" or "))
        },
    );
    page.list(
        "may be another file: not linked",
        plan.doubtful.iter(),
        |one| {
            let from = short(&one.from, plan);
            format!("{} <- {from} ({})", one.to.display(), one.doubt.words())
        },
    );
    page.list("not found", plan.not_found.iter(), |path| {
        path.display().to_string()
    });
    if let Some(done) = done {
        page.list("failed", done.failed.iter(), |failure| {
            format!("{}: {}", failure.to.display(), failure.reason)
        });
    }
    page.text + &foot(plan, mode, done)
}

fn head(plan: &Plan) -> String {
    let mut text = format!(
        "{}: {} files are there, {} are not; {} has {} media files\n",
        plan.sources.join(", "),
        plan.present,
        plan.wanted,
        plan.from.display(),
        plan.looked_at
    );
    let skipped = &plan.skipped;
    for (count, what) in [
        (skipped.empty, "have no bytes"),
        (skipped.not_utf8, "have names that are not UTF-8"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count} of its files {what} and are passed over");
        }
    }
    for reason in &skipped.unreadable {
        let _ = writeln!(text, "  cannot be read: {reason}");
    }
    text
}

fn foot(plan: &Plan, mode: Mode, done: Option<&Made>) -> String {
    let (kind, bytes) = (mode.plural(), size(plan.bytes()));
    let Some(done) = done else {
        return format!("would make {} {kind}, of {bytes}", plan.links.len());
    };
    let already = match done.already {
        0 => String::new(),
        count => format!("; {count} were there by then"),
    };
    format!("made {} {kind}, of {bytes} in all{already}", done.made)
}

/// A file by its path from the folder looked in.
fn short(file: &Path, plan: &Plan) -> String {
    let path = file.strip_prefix(&plan.from).unwrap_or(file);
    path.display().to_string()
}

struct Page {
    text: String,
    examples: usize,
}

impl Page {
    /// How many there are of a kind, and the first of them.
    fn list<T>(&mut self, what: &str, items: impl Iterator<Item = T>, line: impl Fn(T) -> String) {
        let mut shown = Vec::new();
        let mut count = 0;
        for item in items {
            count += 1;
            if count <= self.examples {
                shown.push(line(item));
            }
        }
        if count == 0 {
            return;
        }
        if count > self.examples && self.examples > 0 {
            shown.push("…".to_owned());
        }
        let _ = writeln!(self.text, "  {count} {what}");
        for line in shown {
            let _ = writeln!(self.text, "    {line}");
        }
    }
}
