//! A dataset card: a README with the metadata that the Hugging Face hub reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use st_schema::Task;

use super::croissant::{About, Distributed, description};
use super::report::{Counted, GroupRow, Report};
use crate::registry;

/// What stands at the head of the card, between two lines of dashes.
#[derive(Serialize)]
struct Metadata<'a> {
    pretty_name: &'a str,
    license: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    language: Vec<&'a str>,
    task_categories: Vec<&'static str>,
    size_categories: Vec<&'static str>,
    tags: Vec<&'static str>,
    configs: Vec<Config<'a>>,
}

/// A part that the hub's viewer shows.
#[derive(Serialize)]
struct Config<'a> {
    config_name: &'static str,
    data_files: &'a str,
}

/// Why a card cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The metadata cannot be written as YAML.
    #[error("cannot make the dataset card")]
    Yaml(#[from] serde_yaml::Error),
}

/// The card, Markdown under YAML.
///
/// # Errors
/// Never for a report of this version; the YAML writer wants it so.
pub fn card(
    report: &Report,
    about: &About,
    annotations: &[Distributed],
    features: &Distributed,
) -> Result<String, CardError> {
    let languages = &report.text.languages;
    let metadata = Metadata {
        pretty_name: &about.name,
        license: about.license.clone().unwrap_or_else(|| "other".to_owned()),
        language: languages
            .iter()
            .filter(|one| one.count * 100 >= report.text.language_sample)
            .filter_map(two_letters)
            .collect(),
        task_categories: categories(report),
        size_categories: vec![size(report.totals.records)],
        tags: vec![
            "video-grounding",
            "spatio-temporal-grounding",
            "llava-st",
            "croissant",
        ],
        configs: vec![Config {
            config_name: "features",
            data_files: &features.path,
        }],
    };
    let mut text = format!(
        "---\n{}---\n\n# {}\n",
        serde_yaml::to_string(&metadata)?,
        about.name
    );
    let words = about
        .description
        .clone()
        .unwrap_or_else(|| description(report));
    let _ = writeln!(text, "\n{words}");
    if let Some(url) = &about.url {
        let _ = writeln!(text, "\nHome: <{url}>");
    }
    tasks(report, &mut text);
    sources(report, &mut text);
    files(annotations, features, &mut text);
    faults(report, &mut text);
    let _ = write!(
        text,
        "\n## Format\n\nConversations carry placeholders (`<TEMP-OUTPUT>`, `<WIDTH-INPUT>` …); their numbers stand beside them, fractions of clip and\n\
         picture with three decimals, in order of appearance. `features.parquet` has a row for each record; `croissant.json` describes it.\n"
    );
    if let Some(cite) = &about.cite_as {
        let _ = write!(text, "\n## Citation\n\n```\n{cite}\n```\n");
    }
    Ok(text)
}

/// Rows of the dataset files, each record of each file once: files that several dataset files list are in the first of them only.
fn first_dataset(report: &Report) -> impl Iterator<Item = &GroupRow> {
    let widest = report.datasets.iter().max_by_key(|one| one.listed);
    let name = widest.map(|one| one.name.as_str()).unwrap_or_default();
    report
        .groups
        .iter()
        .filter(move |group| group.dataset == name)
}

fn tasks(report: &Report, text: &mut String) {
    let mut tasks: BTreeMap<Option<Task>, [u64; 5]> = BTreeMap::new();
    for group in first_dataset(report) {
        let sums = tasks.entry(group.task).or_default();
        let more = [
            group.group.records,
            group.clips,
            group.group.questions,
            group.group.span_length.count(),
            group.group.box_area.count(),
        ];
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }
    let _ = write!(
        text,
        "\n## Tasks\n\n| task | records | clips | questions | spans | boxes |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for (task, [records, clips, questions, spans, boxes]) in tasks {
        let task = task.map_or("none of ours", Task::as_str);
        let _ = writeln!(
            text,
            "| {task} | {records} | {clips} | {questions} | {spans} | {boxes} |"
        );
    }
}

fn sources(report: &Report, text: &mut String) {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for group in first_dataset(report) {
        *sources.entry(&group.source).or_default() += group.group.records;
    }
    let known = registry::builtin();
    let _ = write!(
        text,
        "\n## Sources and licences\n\nThe licences are those that the sources' own pages name; check them before you pass anything on.\n\n| source | records | annotations | media |\n|---|--:|---|---|\n"
    );
    for (name, records) in sources {
        let source = known.recognize(name);
        let media = source.and_then(|source| known.collection_of(source));
        let title = source.map_or(name, |source| source.title.as_str());
        let _ = writeln!(
            text,
            "| {} | {records} | {} | {} |",
            cell(if title.is_empty() { "not named" } else { title }),
            cell(source.map_or("not known here", |source| &source.annotations.licence)),
            cell(media.map_or("not known here", |media| &media.licence))
        );
    }
}

fn files(annotations: &[Distributed], features: &Distributed, text: &mut String) {
    let _ = write!(
        text,
        "\n## Files\n\n| file | bytes | SHA-256 |\n|---|--:|---|\n"
    );
    for file in annotations.iter().chain([features]) {
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` |",
            cell(&file.path),
            file.bytes,
            file.sha256
        );
    }
}

fn faults(report: &Report, text: &mut String) {
    let facts = [
        (
            report.totals.no_records,
            "pieces of the files are no records",
        ),
        (
            report.totals.wrong_counts,
            "records have more or fewer numbers than placeholders",
        ),
        (
            report.duplicates.exact,
            "records repeat another to the letter",
        ),
        (
            report.duplicates.same_text + report.duplicates.near,
            "records nearly repeat another",
        ),
        (
            report.contradictions.records,
            "records answer a question as another contradicts",
        ),
        (
            report.leakage.records,
            "records share media with, or repeat, a benchmark item",
        ),
    ];
    let _ = write!(text, "\n## Known faults\n\n");
    let mut found = false;
    for (count, what) in facts {
        if count > 0 {
            found = true;
            let _ = writeln!(text, "- {count} {what}.");
        }
    }
    if !found {
        let _ = writeln!(text, "`stdata stats` found none.");
    }
}

/// A text that a table's cell can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// The hub's word for a number of records.
fn size(records: u64) -> &'static str {
    match records {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}

/// The hub's words for what the tasks ask.
fn categories(report: &Report) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = report
        .groups
        .iter()
        .filter_map(|group| {
            Some(match group.task? {
                Task::VideoQa | Task::Conversation => "visual-question-answering",
                Task::Classification => "video-classification",
                Task::Rec | Task::Dgc | Task::Igc => "object-detection",
                _ => "video-text-to-text",
            })
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The hub's name of a language.
fn two_letters(language: &Counted) -> Option<&'static str> {
    Some(match language.text.as_str() {
        "eng" => "en",
        "cmn" => "zh",
        "spa" => "es",
        "fra" => "fr",
        "deu" => "de",
        "jpn" => "ja",
        "kor" => "ko",
        "rus" => "ru",
        "por" => "pt",
        "ita" => "it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Audit, Look, examine};

    #[test]
    fn the_head_is_yaml_that_the_hub_reads() {
        let report = examine(&Audit::default(), &Look::default(), &|_| ())
            .unwrap()
            .report;
        let file = |path: &str| Distributed {
            path: path.into(),
            bytes: 3,
            sha256: "ab".into(),
        };
        let about = About {
            name: "Made: of | nothing".into(),
            ..About::default()
        };
        let card = card(
            &report,
            &about,
            &[file("a|b.json")],
            &file("features.parquet"),
        )
        .unwrap();
        let head = card.split("---\n").nth(1).unwrap();
        let head: serde_yaml::Value = serde_yaml::from_str(head).unwrap();
        assert_eq!(head["pretty_name"], "Made: of | nothing");
        assert_eq!(head["size_categories"][0], "n<1K");
        assert!(card.contains("`a\\|b.json` | 3 | `ab`"), "{card}");
    }
}
