//! A report as tables of text.

use std::fmt::Write;

use st_schema::Task;

use super::Distribution;
use super::report::{GroupRow, Report};

const TITLES: [&str; 13] = [
    "dataset",
    "task",
    "source",
    "records",
    "clips",
    "hours",
    "questions",
    "words",
    "spans",
    "length",
    "boxes",
    "area",
    "faulty",
];
/// The first columns are words.
const WORDS: usize = 3;

/// One row for each dataset, task and source, then the sums and what was found. Lengths and areas are medians, as shares of
/// clip and picture; words are means over records.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut rows: Vec<Vec<String>> = vec![TITLES.map(str::to_owned).to_vec()];
    rows.extend(report.groups.iter().map(group_row));
    let mut text = aligned(&rows);
    for row in &report.datasets {
        let _ = writeln!(
            text,
            "{}: {} records listed, {} taken by its sampling strategies",
            row.name, row.listed, row.taken
        );
    }
    let totals = &report.totals;
    let _ = write!(
        text,
        "{} records of {} clips in {} files of media; {} repeated ids, {} records with wrong counts, {} pieces that are no records",
        totals.records,
        totals.clips,
        totals.media,
        totals.repeated_ids,
        totals.wrong_counts,
        totals.no_records
    );
    text
}

fn group_row(row: &GroupRow) -> Vec<String> {
    let group = &row.group;
    let words = group.question_words.sum() + group.answer_words.sum();
    vec![
        row.dataset.clone(),
        row.task.map_or("-", Task::as_str).to_owned(),
        row.source.clone(),
        group.records.to_string(),
        row.clips.to_string(),
        hours(row.seconds),
        group.questions.to_string(),
        words
            .checked_div(group.records)
            .map_or_else(|| "-".to_owned(), |words| words.to_string()),
        group.span_length.count().to_string(),
        median(&group.span_length),
        group.box_area.count().to_string(),
        median(&group.box_area),
        group.wrong_counts.to_string(),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "hours are shown with one decimal"
)]
fn hours(seconds: u64) -> String {
    format!("{:.1}", seconds as f64 / 3600.0)
}

fn median(spread: &Distribution) -> String {
    spread
        .quantile(0.5)
        .map_or_else(|| "-".to_owned(), |median| format!("{median:.3}"))
}

/// Columns side by side: words to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column < WORDS {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
