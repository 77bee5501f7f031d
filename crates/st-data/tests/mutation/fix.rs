//! What `--fix` writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use st_data::ledger::{Settings, fixed_path, validate};
use st_data::read::Form;
use st_data::validate::{Rule, Severities};
use st_schema::Severity;
use tempfile::TempDir;

use crate::clean::{Dice, clean, swap};
use crate::faults::{Fault, faults};
use crate::{input, settings};

const RECORDS: usize = 900;

/// What a repair should make of a faulty record: nearly always the sound one.
fn repaired(rule: Rule, faulty: &str, sound: &str) -> Value {
    let mut expected: Value = serde_json::from_str(sound).unwrap();
    match rule {
        // The fault is a word too many, which is spelled right in the end.
        Rule::TextMojibake => {
            let text = swap("Where", "Café where")(sound).unwrap();
            expected = serde_json::from_str(&text).unwrap();
        }
        // What the number was is not known.
        Rule::ValueRange => {
            let text: Value = serde_json::from_str(faulty).unwrap();
            expected["variables"] = text["variables"].clone();
            for (_, list) in expected["variables"].as_object_mut().unwrap() {
                for number in list.as_array_mut().unwrap() {
                    *number = number.as_f64().unwrap().clamp(0.0, 1.0).into();
                }
            }
        }
        _ => {}
    }
    expected
}

/// What `--fix` writes is clean, keeps what was sound byte for byte, and changes of the rest only what was wrong.
#[test]
fn repairs_change_nothing_else() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(3);
    let repairable: Vec<(Rule, Fault)> = faults()
        .into_iter()
        .filter(|(rule, _)| rule.info().repair.is_some())
        .collect();
    let (mut lines, mut expected): (Vec<String>, Vec<Option<Value>>) = (Vec::new(), Vec::new());
    let mut broken: BTreeMap<Rule, u64> = BTreeMap::new();
    for number in 0..RECORDS {
        let sound = clean(number, &mut dice);
        let (rule, fault) = &repairable[dice.roll(repairable.len())];
        let faulty = (dice.roll(2) == 0).then(|| fault(&sound, &mut dice));
        let faulty: Option<String> = faulty.flatten();
        if let Some(faulty) = faulty {
            *broken.entry(*rule).or_default() += 1;
            expected.push(Some(repaired(*rule, &faulty, &sound)));
            lines.push(faulty);
        } else {
            expected.push(None);
            lines.push(sound);
        }
    }
    let path = folder.path().join("a.json");
    let (first, second) = (lines[1..300].join(","), lines[300..].join(",\n"));
    std::fs::write(&path, format!("\u{feff}[{}\n{first}][{second}", lines[0])).unwrap();
    let mut broken_input = input(&path, None);
    // Those that are refused unless a dataset file says otherwise are repaired too.
    let repair = repairable
        .iter()
        .map(|(rule, _)| (rule.id().to_owned(), Severity::Repair));
    broken_input.severities = Severities::default().with(&repair.collect()).unwrap();
    let fix = Settings {
        fix: true,
        ..settings(&folder)
    };
    let ledger = validate(&[broken_input], &fix, |_| ()).unwrap();
    let count: u64 = broken.values().sum();
    assert_eq!(
        (ledger.total.repaired, ledger.total.rejected),
        (count, 0),
        "{:?}",
        ledger.rules.first()
    );
    let of_files = [
        Rule::JsonBom,
        Rule::JsonConcatenated,
        Rule::JsonComma,
        Rule::JsonUnclosed,
    ];
    broken.extend(of_files.map(|rule| (rule, 1)));
    let found = ledger.rules.iter().map(|one| (one.rule, one.findings));
    assert_eq!(found.collect::<BTreeMap<Rule, u64>>(), broken);
    every_repair_is_tried(&broken.into_keys().collect());

    let fixed = fixed_path(&path, Form::Array);
    let again = validate(&[input(&fixed, None)], &settings(&folder), |_| ()).unwrap();
    assert_eq!(again.rules, []);
    // The original's loader is `json.load`. Sound records stay as they are; the others are the sound ones, field by field.
    let text = std::fs::read_to_string(&fixed).unwrap();
    let records: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(records.len(), RECORDS);
    let written = text.lines().filter(|line| line.starts_with('{'));
    let written: Vec<&str> = written.map(|line| line.trim_end_matches(',')).collect();
    assert_eq!(written.len(), RECORDS);
    for (number, record) in records.iter().enumerate() {
        match &expected[number] {
            None => assert_eq!(written[number], lines[number]),
            Some(expected) => assert!(
                same(record, expected),
                "{record}\nis not\n{expected}\nfrom\n{}",
                lines[number]
            ),
        }
    }
}

/// No rule with a repair is left out, but those of media files, which have their own test.
fn every_repair_is_tried(tried: &BTreeSet<Rule>) {
    let of_media = [Rule::MetaSize, Rule::MetaFps, Rule::MetaFrames];
    for rule in Rule::ALL {
        assert!(
            rule.info().repair.is_none() || tried.contains(rule) || of_media.contains(rule),
            "the repair of {} is not tested",
            rule.id()
        );
    }
}

/// Equal up to the order of fields and to 1 and 1.0 being one number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
