//! Faults that one record has by itself.

use std::collections::{BTreeMap, BTreeSet};

use st_data::ledger::{Ledger, RejectLine, validate};
use st_data::validate::{Rule, Severities};
use st_schema::Severity;
use tempfile::TempDir;

use crate::clean::{Dice, WIDTHS, clean, media, numbers};
use crate::faults::faults;
use crate::{Broken, compare, input, settings};

const RECORDS: usize = 3000;

#[test]
fn a_clean_dataset_is_clean() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(1);
    let lines: Vec<String> = (0..RECORDS)
        .map(|number| clean(number, &mut dice))
        .collect();
    let path = folder.path().join("clean.json");
    std::fs::write(&path, format!("[{}]", lines.join(",\n"))).unwrap();
    let media = media(&folder, RECORDS);
    let ledger = validate(&[input(&path, Some(&media))], &settings(&folder), |_| ()).unwrap();
    assert_eq!(ledger.rules, []);
    assert_eq!(
        (ledger.total.read, ledger.total.kept),
        (RECORDS as u64, RECORDS as u64)
    );
    assert!(!folder.path().join("rejects").exists());
}

/// Every kind of fault at random places of thousands of records.
pub(crate) fn faults_of_records() -> BTreeSet<Rule> {
    let folder = TempDir::new().unwrap();
    let media = media(&folder, RECORDS);
    let (mut dice, faults) = (Dice(2), faults());
    let mut broken = Broken::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for number in 0..RECORDS {
        let mut text = clean(number, &mut dice).into_bytes();
        if dice.roll(3) == 0 {
            let (rule, fault) = &faults[dice.roll(faults.len())];
            let sound = String::from_utf8_lossy(&text).into_owned();
            if let Some(faulty) = fault(&sound, &mut dice) {
                text = faulty.into_bytes();
                broken.insert(number as u64 + 1, *rule);
                if *rule == Rule::JsonUtf8 {
                    // Text cannot hold the byte that is meant.
                    text.iter_mut()
                        .filter(|byte| **byte == 1)
                        .for_each(|byte| *byte = 0xff);
                }
            }
        }
        lines.push(text);
    }
    let path = folder.path().join("faulty.jsonl");
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    let ledger = validate(&[input(&path, Some(&media))], &settings(&folder), |_| ()).unwrap();
    let shown = compare(&ledger, &broken, &lines);
    for (rule, _) in faults {
        assert!(shown.contains(&rule), "{} was never injected", rule.id());
    }
    counts_follow_severities(&ledger, &broken);
    rejects_say_where(&ledger, &lines);
    shown
}

fn counts_follow_severities(ledger: &Ledger, broken: &Broken) {
    let of = |severity| {
        let rules = broken.values();
        rules
            .filter(|rule| rule.info().severity == severity)
            .count() as u64
    };
    assert_eq!(ledger.total.rejected, of(Severity::Reject));
    assert_eq!(ledger.total.repaired, of(Severity::Repair));
    assert_eq!(ledger.total.read, RECORDS as u64);
}

/// Each refused record stands in the rejects with its place and itself.
fn rejects_say_where(ledger: &Ledger, lines: &[Vec<u8>]) {
    let text = std::fs::read_to_string(ledger.files[0].rejects.as_ref().unwrap()).unwrap();
    assert_eq!(text.lines().count() as u64, ledger.total.rejected);
    for line in text.lines() {
        let reject: RejectLine = serde_json::from_str(line).unwrap();
        let source = &lines[usize::try_from(reject.line).unwrap() - 1];
        match (&reject.record, &reject.text) {
            (Some(record), None) => assert_eq!(
                record,
                &serde_json::from_slice::<serde_json::Value>(source).unwrap()
            ),
            (None, Some(text)) => {
                assert!(String::from_utf8_lossy(source).starts_with(text.as_str()));
            }
            both => panic!("{both:?}"),
        }
    }
}

#[test]
fn severities_of_the_dataset_file_are_obeyed() {
    let folder = TempDir::new().unwrap();
    let text = numbers(&clean(3, &mut Dice(5)), WIDTHS, |list| list[1] = 1.5).unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, text).unwrap();
    for (severity, outcome) in [
        (Severity::Reject, [0, 0, 1]),
        (Severity::Repair, [0, 1, 0]),
        (Severity::Warn, [1, 0, 0]),
        (Severity::Off, [1, 0, 0]),
    ] {
        let mut input = input(&path, None);
        input.severities = Severities::default()
            .with(&BTreeMap::from([("value-range".to_owned(), severity)]))
            .unwrap();
        let ledger = validate(&[input], &settings(&folder), |_| ()).unwrap();
        let total = ledger.total;
        assert_eq!(
            [total.kept, total.repaired, total.rejected],
            outcome,
            "{severity:?}"
        );
        assert_eq!(
            ledger.findings(Rule::ValueRange),
            u64::from(severity != Severity::Off)
        );
    }
}
