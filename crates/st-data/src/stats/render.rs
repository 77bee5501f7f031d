//! A report as tables of text.

use std::fmt::Write;

use st_schema::Task;

use super::Distribution;
use super::report::{Counted, Evidence, GroupRow, Likeness, Place, Report};

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

/// The report for a terminal: one row for each dataset, task and source, then what 100 bins lose, what was found, the
/// paper's table, and the mixture where something was asked of it. Lengths and areas are medians, as shares of clip and
/// picture; words are means over records.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut rows: Vec<Vec<String>> = vec![TITLES.map(str::to_owned).to_vec()];
    rows.extend(report.groups.iter().map(group_row));
    let mut text = aligned(&rows, 3);
    for row in &report.datasets {
        let _ = writeln!(
            text,
            "{}: {} records listed, {} taken by its sampling strategies",
            row.name, row.listed, row.taken
        );
    }
    bounds(report, &mut text);
    words(report, &mut text);
    found(report, &mut text);
    leakage(report, &mut text);
    composition(report, &mut text);
    mixture(report, &mut text);
    let totals = &report.totals;
    let _ = write!(
        text,
        "\n{} records of {} clips in {} files of media; {} repeated ids, {} records with wrong counts, {} pieces that are no records",
        totals.records,
        totals.clips,
        totals.media,
        totals.repeated_ids,
        totals.wrong_counts,
        totals.no_records
    );
    if let Some(clips) = totals.clips_in_shards {
        let _ = write!(text, "; {clips} clips in shards");
    }
    text
}

fn bounds(report: &Report, text: &mut String) {
    let section = &report.quantization;
    for (name, bound) in [("spans", &section.spans), ("boxes", &section.boxes)] {
        if let (Some(nearest), Some(best)) = (bound.nearest, bound.best) {
            let reach: Vec<String> = bound
                .reach
                .iter()
                .map(|(threshold, share)| format!("{share:.4} at {threshold}"))
                .collect();
            let _ = writeln!(
                text,
                "{} bins, {} {name} of answers: mean IoU at most {best:.4} ({nearest:.4} with nearest bins); reach {}",
                section.bins,
                bound.count,
                reach.join(", ")
            );
        }
    }
}

fn words(report: &Report, text: &mut String) {
    let section = &report.text;
    let first = |list: &[Counted]| {
        let texts = list.iter().take(5);
        let texts = texts.map(|row| format!("{} ({})", shortened(&row.text, 40), row.count));
        texts.collect::<Vec<_>>().join(", ")
    };
    let totals = &report.totals;
    let tokens = match (totals.tokens, &totals.tokenizer) {
        (Some(tokens), Some(name)) => format!(", {tokens} tokens of {name}"),
        _ => String::new(),
    };
    let _ = writeln!(
        text,
        "{} words{tokens}, {} different; {} different answers",
        totals.words, section.vocabulary, section.answers
    );
    for (name, list) in [
        ("answers", &section.frequent_answers),
        ("objects", &section.frequent_objects),
        ("languages", &section.languages),
    ] {
        if !list.is_empty() {
            let _ = writeln!(text, "most frequent {name}: {}", first(list));
        }
    }
}

fn found(report: &Report, text: &mut String) {
    let (duplicates, conflicts) = (&report.duplicates, &report.contradictions);
    let example = |likeness: Likeness| {
        let set = duplicates.sets.iter().find(|set| set.likeness == likeness);
        set.map_or_else(String::new, |set| names(&set.records))
    };
    let wrong = report.totals.wrong_count_examples.first();
    let conflict = conflicts.examples.first();
    let shared = report.shared_media.examples.first();
    let rows = [
        (
            "wrong counts",
            report.totals.wrong_counts,
            wrong.map_or_else(String::new, name),
        ),
        (
            "exact duplicates",
            duplicates.exact,
            example(Likeness::Exact),
        ),
        (
            "same but for case and marks",
            duplicates.same_text,
            example(Likeness::SameText),
        ),
        ("near duplicates", duplicates.near, example(Likeness::Near)),
        (
            "long text about another clip",
            duplicates.copied_text,
            example(Likeness::CopiedText),
        ),
        (
            "contradicting answers",
            conflicts.records,
            conflict.map_or_else(String::new, |conflict| names(&conflict.records)),
        ),
        (
            "media under several names",
            report.shared_media.media,
            shared.map_or_else(String::new, |file| file.paths.join(", ")),
        ),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(what, count, first)| {
            vec![what.to_owned(), count.to_string(), shortened(&first, 100)]
        })
        .collect();
    section(text, &["found", "records", "first"], rows, 1);
}

fn leakage(report: &Report, text: &mut String) {
    let rows = report.leakage.benchmarks.iter().map(|row| {
        let evidence: Vec<String> = row
            .evidence
            .iter()
            .map(|(kind, count)| format!("{} {count}", word(*kind)))
            .collect();
        vec![
            row.file.clone(),
            row.items.to_string(),
            row.media.to_string(),
            row.leaked_media.to_string(),
            row.records.to_string(),
            evidence.join(", "),
        ]
    });
    let titles = [
        "benchmark",
        "items",
        "media",
        "leaked",
        "records",
        "evidence",
    ];
    section(text, &titles, rows.collect(), 1);
    for known in &report.leakage.known {
        let _ = writeln!(text, "known of {}: {}", known.source, known.fact);
    }
}

fn composition(report: &Report, text: &mut String) {
    let rows = report.composition.iter().map(|row| {
        let surplus = row.surplus.iter();
        let surplus: Vec<String> = surplus
            .map(|source| format!("{} {}", source.text, source.count))
            .collect();
        vec![
            row.stage.to_string(),
            row.task.map_or("-", Task::as_str).to_owned(),
            row.paper
                .map_or_else(|| "-".to_owned(), |paper| paper.to_string()),
            row.taken.to_string(),
            row.missing.join(", "),
            surplus.join(", "),
        ]
    });
    let titles = [
        "stage",
        "task",
        "paper",
        "here",
        "missing sources",
        "surplus",
    ];
    section(text, &titles, rows.collect(), 2);
}

fn mixture(report: &Report, text: &mut String) {
    let section_rows = &report.mixture;
    if section_rows.changed.is_empty() && section_rows.speed.is_none() {
        return;
    }
    let rows = section_rows.rows.iter().map(|row| {
        vec![
            row.dataset.clone(),
            row.task.map_or("-", Task::as_str).to_owned(),
            row.source.clone(),
            row.listed.to_string(),
            row.taken.to_string(),
            format!("{:.1} %", 100.0 * row.share),
            row.tokens.unwrap_or(row.words).to_string(),
            row.gpu_hours
                .map_or_else(|| "-".to_owned(), |hours| format!("{hours:.2}")),
        ]
    });
    let unit = if report.totals.tokens.is_some() {
        "tokens"
    } else {
        "words"
    };
    let titles = [
        "epoch of",
        "task",
        "source",
        "listed",
        "taken",
        "share",
        unit,
        "gpu hours",
    ];
    section(text, &titles, rows.collect(), 3);
    let hours: f64 = section_rows
        .rows
        .iter()
        .filter_map(|row| row.gpu_hours)
        .sum();
    if let Some(speed) = &section_rows.speed {
        let _ = writeln!(text, "{hours:.2} hours of one GPU at {speed}");
    }
}

/// A table with a heading, after an empty line; nothing without rows.
fn section(text: &mut String, titles: &[&str], rows: Vec<Vec<String>>, words: usize) {
    if rows.is_empty() {
        return;
    }
    let heading = titles.iter().map(|title| (*title).to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let _ = write!(text, "\n{}", aligned(&all, words));
}

fn name(place: &Place) -> String {
    let file = place.file.rsplit('/').next().unwrap_or(&place.file);
    format!("{file}:{} {}", place.line, place.id)
}

fn names(places: &[Place]) -> String {
    places
        .iter()
        .take(3)
        .map(name)
        .collect::<Vec<_>>()
        .join(", ")
}

const fn word(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::SamePath => "path",
        Evidence::SameId => "id",
        Evidence::SameBytes => "bytes",
        Evidence::SameFrames => "frames",
        Evidence::SameText => "text",
    }
}

fn shortened(text: &str, length: usize) -> String {
    let mut letters = text.chars();
    let start: String = letters.by_ref().take(length).collect();
    if letters.next().is_some() {
        format!("{start}…")
    } else {
        start
    }
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

/// Columns side by side: the first `words` and the last of text to the left, numbers to the right.
fn aligned(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let is_number =
        |cell: &String| cell.starts_with(|letter: char| letter.is_ascii_digit()) || cell == "-";
    // A column whose cells are not all numbers reads better to the left.
    let left: Vec<bool> = (0..columns)
        .map(|column| column < words || !rows.iter().skip(1).all(|row| is_number(&row[column])))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).zip(&left);
        let cells = cells.map(|((cell, width), left)| {
            if *left {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
