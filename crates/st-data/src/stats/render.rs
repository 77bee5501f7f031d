//! An audit as a table of text.

use std::fmt::Write;

use st_schema::Task;

use super::{Audit, Distribution, GroupKey};

const TITLES: [&str; 11] = [
    "dataset",
    "task",
    "source",
    "records",
    "images",
    "questions",
    "spans",
    "length",
    "boxes",
    "area",
    "faulty",
];

/// One row for each dataset, task and source, then the sums. Lengths and areas are medians, as shares of clip and picture.
#[must_use]
pub fn table(audit: &Audit) -> String {
    let mut rows: Vec<Vec<String>> = vec![TITLES.map(str::to_owned).to_vec()];
    for (key, group) in &audit.groups {
        let GroupKey {
            dataset,
            task,
            source,
        } = key;
        rows.push(vec![
            dataset.clone(),
            task.map_or("-", Task::as_str).to_owned(),
            source.clone(),
            group.records.to_string(),
            group.images.to_string(),
            group.questions.to_string(),
            group.span_length.count().to_string(),
            median(&group.span_length),
            group.box_area.count().to_string(),
            median(&group.box_area),
            group.mismatched.to_string(),
        ]);
    }
    let mut text = aligned(&rows);
    for (dataset, taken) in &audit.taken {
        let listed = audit
            .groups
            .iter()
            .filter(|(key, _)| key.dataset == *dataset);
        let listed: u64 = listed.map(|(_, group)| group.records).sum();
        let _ = writeln!(
            text,
            "{dataset}: {listed} records listed, {taken} taken by its sampling strategies"
        );
    }
    let Audit {
        records,
        no_records,
        clips,
        duplicates,
        repeated_ids,
        ..
    } = audit;
    let _ = write!(
        text,
        "{records} records of {clips} clips; {duplicates} duplicates, {repeated_ids} repeated ids, {no_records} pieces that are no records"
    );
    text
}

fn median(spread: &Distribution) -> String {
    spread
        .quantile(0.5)
        .map_or_else(|| "-".to_owned(), |median| format!("{median:.3}"))
}

/// Columns side by side: words to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column < 3 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
