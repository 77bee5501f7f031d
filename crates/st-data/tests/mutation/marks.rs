//! Marks that a person gave.

use std::collections::BTreeSet;
use std::sync::Arc;

use st_data::ledger::{Settings, validate};
use st_data::review::{Mark, RecordDigest, Remark, Review};
use st_data::validate::Rule;
use st_schema::Record;
use tempfile::TempDir;

use crate::clean::{Dice, clean};
use crate::{Broken, compare, input, settings};

fn remark(record: &str, mark: Mark) -> Remark {
    let record: Record = serde_json::from_str(record).unwrap();
    Remark {
        record: RecordDigest::of(&record),
        mark,
        note: String::new(),
        id: String::new(),
        file: String::new(),
    }
}

/// Marks on random records.
pub(crate) fn marked_records() -> BTreeSet<Rule> {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(8);
    let mut review = Review::default();
    let mut broken = Broken::new();
    let lines: Vec<String> = (0..2000)
        .map(|number| {
            let line = clean(number, &mut dice);
            let place = number as u64 + 1;
            match dice.roll(30) {
                0 => {
                    review.set(remark(&line, Mark::Bad));
                    broken.insert(place, Rule::ReviewBad);
                }
                1 => {
                    review.set(remark(&line, Mark::Fix));
                    broken.insert(place, Rule::ReviewFix);
                }
                2 => review.set(remark(&line, Mark::Good)),
                _ => {}
            }
            line
        })
        .collect();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let settings = Settings {
        review: Some(Arc::new(review)),
        ..settings(&folder)
    };
    let ledger = validate(&[input(&path, None)], &settings, |_| ()).unwrap();
    let shown = compare(&ledger, &broken, &lines);
    assert_eq!(ledger.total.rejected, ledger.findings(Rule::ReviewBad));
    shown
}

/// A mark may have been given to what a repair makes of a record.
#[test]
fn marks_of_repaired_records_are_honoured() {
    let folder = TempDir::new().unwrap();
    let sound = clean(3, &mut Dice(9));
    let path = folder.path().join("a.jsonl");
    std::fs::write(
        &path,
        sound.replace("thing 3?", "thing 3? QA_GT_caption_based_noisy"),
    )
    .unwrap();
    for (mark, rules) in [
        (Mark::Good, vec![Rule::TextMarker]),
        (Mark::Fix, vec![Rule::TextMarker, Rule::ReviewFix]),
        (Mark::Bad, vec![Rule::ReviewBad, Rule::TextMarker]),
    ] {
        let mut review = Review::default();
        review.set(remark(&sound, mark));
        let settings = Settings {
            review: Some(Arc::new(review)),
            ..settings(&folder)
        };
        let ledger = validate(&[input(&path, None)], &settings, |_| ()).unwrap();
        let found: Vec<Rule> = ledger.rules.iter().map(|count| count.rule).collect();
        assert_eq!(found, rules, "{mark:?}");
        let rejected = u64::from(mark == Mark::Bad);
        assert_eq!(
            (ledger.total.repaired, ledger.total.rejected),
            (1 - rejected, rejected)
        );
    }
}

/// Marks decide: a bad record is refused, one to be fixed is named, a good one is not warned of; all are counted.
#[test]
fn marks_of_the_review_file_are_honoured() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("marked.jsonl");
    // Two answers to one question: the second is warned of under `answer-conflict`.
    let line = |id: &str, end: &str| {
        format!(
            r#"{{"id":"{id}","task":"tvg","video":"v.mp4","conversations":[{{"from":"human","value":"<video>\nWhen?"}},{{"from":"gpt","value":"{{<TEMP-OUTPUT><TEMP-OUTPUT>}}"}}],"variables":{{"temporal_input_locations":[],"temporal_output_locations":[0.1,{end}],"spatial_height_input_locations":[],"spatial_height_output_locations":[],"spatial_width_input_locations":[],"spatial_width_output_locations":[]}}}}"#
        )
    };
    let lines = [line("a", "0.5"), line("b", "0.6"), line("c", "0.7")];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let run = |marks: &[(usize, Mark)]| {
        let mut review = Review::default();
        for (at, mark) in marks {
            let record: Record = serde_json::from_str(&lines[*at]).unwrap();
            review.set(Remark {
                record: RecordDigest::of(&record),
                mark: *mark,
                note: String::new(),
                id: String::new(),
                file: String::new(),
            });
        }
        let settings = Settings {
            review: Some(Arc::new(review)),
            ..Settings::default()
        };
        let ledger = validate(&[input(&path, None)], &settings, |_| ()).unwrap();
        assert!(ledger.adds_up());
        let rules = [Rule::AnswerConflict, Rule::ReviewBad, Rule::ReviewFix];
        (
            ledger.total.rejected,
            rules.map(|rule| ledger.findings(rule)),
        )
    };
    assert_eq!(run(&[]), (0, [2, 0, 0]));
    assert_eq!(run(&[(0, Mark::Bad)]), (1, [1, 1, 0]));
    assert_eq!(run(&[(1, Mark::Good)]), (0, [1, 0, 0]));
    assert_eq!(run(&[(1, Mark::Fix), (2, Mark::Good)]), (0, [1, 0, 1]));
}
