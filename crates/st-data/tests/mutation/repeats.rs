//! Records that repeat or contradict earlier ones.

use std::collections::BTreeSet;

use st_data::ledger::validate;
use st_data::validate::Rule;
use tempfile::TempDir;

use crate::clean::{Dice, clean};
use crate::{Broken, compare, input, settings};

const RECORDS: usize = 2000;

/// Repetitions of earlier records at random places: to the letter, in other letters, and with other numbers.
pub(crate) fn repeated_and_contradicting_records() -> BTreeSet<Rule> {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(4);
    let mut lines: Vec<String> = Vec::new();
    let mut broken = Broken::new();
    // Records that nothing repeats yet.
    let mut lonely: Vec<(usize, String)> = Vec::new();
    for number in 0..RECORDS {
        let record = clean(number, &mut dice);
        lines.push(record.clone());
        lonely.push((number, record));
        let kind = dice.roll(20);
        if kind > 2 {
            continue;
        }
        let (number, record) = lonely.swap_remove(dice.roll(lonely.len()));
        let renamed = |record: &str| record.replace("{\"id\":\"r", "{\"id\":\"again");
        let (rule, again) = match kind {
            0 => (Rule::DuplicateExact, renamed(&record)),
            1 => (
                Rule::DuplicateText,
                renamed(&record).replace("Where is thing", "WHERE  is thing,"),
            ),
            _ => {
                let other = clean(number, &mut dice);
                assert_ne!(other, record);
                (Rule::AnswerConflict, renamed(&other))
            }
        };
        lines.push(again);
        broken.insert(lines.len() as u64, rule);
    }
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let ledger = validate(&[input(&path, None)], &settings(&folder), |_| ()).unwrap();
    let shown = compare(&ledger, &broken, &lines);
    let exact = ledger.findings(Rule::DuplicateExact);
    assert_eq!(ledger.total.rejected, exact);
    shown
}

#[test]
fn repeated_and_contradicting_records_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(4);
    let a = clean(3, &mut dice);
    let shouted = a
        .replace("Where is thing 3?", "WHERE is thing 3 ?")
        .replace("\"r3\"", "\"r4\"");
    let other = clean(3, &mut dice);
    let path = folder.path().join("a.jsonl");
    let lines = [a.as_str(), &a, &shouted, &other, &other];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let ledger = validate(&[input(&path, None)], &settings(&folder), |_| ()).unwrap();
    let broken = Broken::from([
        (2, Rule::DuplicateExact),
        (3, Rule::DuplicateText),
        (4, Rule::AnswerConflict),
        (5, Rule::DuplicateExact),
    ]);
    compare(&ledger, &broken, &lines);
    assert_eq!(ledger.total.rejected, 2);
}
