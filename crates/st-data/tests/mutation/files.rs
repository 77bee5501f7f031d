//! Faults between records, and of whole files.

use std::collections::BTreeSet;
use std::path::Path;

use st_data::ledger::validate;
use st_data::validate::{MediaDepth, Rule};
use tempfile::TempDir;

use crate::clean::{Dice, clean};
use crate::{Broken, compare, input, settings};

const RECORDS: usize = 2000;

/// A file that Python cannot load: at random places of an array commas are missing or too many, further arrays and other words
/// stand between records, and records are cut off; a byte order mark comes first and the last bracket is gone.
pub(crate) fn faults_between_records() -> BTreeSet<Rule> {
    // What stands before a record in place of `,\n`; the fault itself stands in the record's own line.
    let between = [
        (Rule::JsonComma, "\n"),
        (Rule::JsonComma, ",\n,"),
        (Rule::JsonConcatenated, "]\n["),
        (Rule::JsonJunk, ",\noops, "),
    ];
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(7);
    let mut broken = Broken::from([(1, Rule::JsonBom), (RECORDS as u64, Rule::JsonUnclosed)]);
    let mut text = String::from("\u{feff}[");
    let mut cut = false;
    for number in 0..RECORDS {
        let record = clean(number, &mut dice);
        let inner = number > 0 && number + 1 < RECORDS;
        let kind = dice.roll(10 * (between.len() + 1));
        let mut separator = if number == 0 { "" } else { ",\n" };
        // A record that was cut off has no comma after it.
        if std::mem::take(&mut cut) {
            separator = "\n";
        } else if inner && kind < between.len() {
            let rule;
            (rule, separator) = between[kind];
            broken.insert(number as u64 + 1, rule);
        } else if inner && kind == between.len() {
            cut = true;
        }
        text.push_str(separator);
        if cut {
            // Anywhere inside the question.
            let start = record.find("Where is").unwrap();
            text.push_str(&record[..start + 1 + dice.roll("here is thing".len())]);
            broken.insert(number as u64 + 1, Rule::JsonTruncated);
        } else {
            text.push_str(&record);
        }
    }
    let path = folder.path().join("a.json");
    std::fs::write(&path, &text).unwrap();
    let ledger = validate(&[input(&path, None)], &settings(&folder), |_| ()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let shown = compare(&ledger, &broken, &lines);
    for (rule, _) in between {
        assert!(shown.contains(&rule), "{} was never injected", rule.id());
    }
    // Of the records only those that were cut off are lost.
    let count = |rule| broken.values().filter(|other| **other == rule).count() as u64;
    let lost = count(Rule::JsonTruncated);
    assert_eq!(ledger.total.kept, RECORDS as u64 - lost);
    assert_eq!(ledger.total.rejected, lost + count(Rule::JsonJunk));
    shown
}

/// Damaged, empty and absent files and folders are told apart.
pub(crate) fn faults_of_whole_files() -> BTreeSet<Rule> {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(6);
    let text: String = (0..500)
        .map(|number| clean(number, &mut dice) + "\n")
        .collect();
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let cut = folder.path().join("cut.jsonl.zst");
    std::fs::write(&cut, &packed[..packed.len() / 2]).unwrap();
    let empty = folder.path().join("empty.json");
    std::fs::write(&empty, "").unwrap();
    let inputs = [
        input(&cut, Some(Path::new("no/such/folder"))),
        input(&empty, None),
    ];
    let ledger = validate(&inputs, &settings(&folder), |_| ()).unwrap();
    let found: Vec<(Rule, u64)> = ledger
        .rules
        .iter()
        .map(|count| (count.rule, count.findings))
        .collect();
    // The record that the cut goes through is no line any more, or one that breaks off.
    let broken = |rule| matches!(rule, Rule::JsonSyntax | Rule::JsonTruncated);
    let files: BTreeSet<Rule> = found
        .iter()
        .map(|(rule, count)| {
            assert_eq!(*count, 1, "{}", rule.id());
            *rule
        })
        .filter(|rule| !broken(*rule))
        .collect();
    assert_eq!(
        files,
        BTreeSet::from([Rule::FileDamaged, Rule::FileEmpty, Rule::MediaFolder])
    );
    assert!(ledger.total.rejected >= 1 && ledger.adds_up());
    let absent = folder.path().join("absent.json");
    assert!(validate(&[input(&absent, None)], &settings(&folder), |_| ()).is_err());
    assert_eq!(settings(&folder).media, MediaDepth::Presence);
    files
}
