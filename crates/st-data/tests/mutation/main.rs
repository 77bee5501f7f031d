//! Every rule finds its own fault, wherever it is, and nothing else.
//!
//! Clean datasets of thousands of records are made, faults are injected at random places from a fixed seed, and the ledger must
//! name exactly the injected ones. Each scenario says which rules it broke; together they are all that `docs/rules.md` names.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::too_many_lines,
    reason = "a failing test may panic; small numbers; the faults are one list"
)]

mod clean;
mod faults;
mod files;
mod fix;
mod marks;
mod media;
mod records;
mod repeats;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use st_data::dataset::Input;
use st_data::ledger::{Ledger, Settings};
use st_data::validate::{Rule, Severities};
use st_schema::SamplingStrategy;
use tempfile::TempDir;

fn input(path: &Path, media: Option<&Path>) -> Input {
    Input {
        annotations: path.to_owned(),
        media: media.map(Path::to_owned),
        data_folder: None,
        source: Some("s".into()),
        sampling: SamplingStrategy::All,
        severities: Severities::default(),
    }
}

fn settings(folder: &TempDir) -> Settings {
    let mut settings = Settings {
        rejects: Some(folder.path().join("rejects")),
        examples: usize::MAX,
        ..Settings::default()
    };
    settings.options.record_bytes = 200_000;
    settings.options.chunk_bytes = 50_000;
    settings
}

/// Which rule was broken in which line, counted from 1.
type Broken = BTreeMap<u64, Rule>;

/// Holds what was found against what was broken, line by line, and gives back the rules that were shown to work.
fn compare(ledger: &Ledger, broken: &Broken, lines: &[impl AsRef<[u8]>]) -> BTreeSet<Rule> {
    let mut found: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for count in &ledger.rules {
        for example in &count.examples {
            let line = found.entry(example.position.line).or_default();
            line.push(count.rule.id());
        }
    }
    for line in found.keys().chain(broken.keys()) {
        let expected: Vec<&str> = broken.get(line).iter().map(|rule| rule.id()).collect();
        let text = lines.get(usize::try_from(*line).unwrap() - 1);
        assert_eq!(
            found.get(line).cloned().unwrap_or_default(),
            expected,
            "line {line}: {}",
            text.map_or("".into(), |text| String::from_utf8_lossy(text.as_ref()))
        );
    }
    assert!(ledger.adds_up());
    broken.values().copied().collect()
}

/// A rule on the page that no scenario breaks, and one that is broken and on no page, is a fault of this test.
#[test]
fn every_rule_of_the_page_finds_its_own_fault() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    let named: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let scenarios = [
        records::faults_of_records,
        files::faults_between_records,
        files::faults_of_whole_files,
        repeats::repeated_and_contradicting_records,
        marks::marked_records,
        media::faults_of_media,
    ];
    let mut broken: BTreeSet<&str> = scenarios
        .iter()
        .flat_map(|scenario| scenario())
        .map(Rule::id)
        .collect();
    if cfg!(not(unix)) {
        // There are no links to be made.
        broken.insert(Rule::MediaLink.id());
    }
    assert_eq!(broken, named);
}
