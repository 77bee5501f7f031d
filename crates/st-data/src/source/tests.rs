//! The registry as a whole.

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique_sorted_and_well_formed() {
    let names: Vec<&str> = ALL.iter().map(|source| source.info().name).collect();
    let sorted: Vec<&str> = BTreeSet::from_iter(names.clone()).into_iter().collect();
    assert_eq!(names, sorted, "one line each, sorted, none twice");
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(
        names
            .iter()
            .all(|name| !name.is_empty() && name.chars().all(fine))
    );
}

#[test]
fn every_source_says_what_it_is() {
    for source in ALL {
        let info = source.info();
        let name = info.name;
        assert!(info.about.len() > 20 && info.version > 0, "{name}");
        assert!(!info.files.is_empty() && !info.tasks.is_empty(), "{name}");
        let forms: BTreeSet<&str> = info.files.iter().map(|files| files.form).collect();
        assert!(forms.contains(info.example.form), "{name}");
        assert!(
            info.files.iter().all(|files| !files.means.is_empty()),
            "{name}"
        );
        assert!(info.with.iter().all(|other| find(other).is_ok()), "{name}");
    }
}

#[test]
fn a_misspelt_name_is_told_with_the_nearest() {
    let Err(error) = find("charades_st") else {
        panic!("found");
    };
    assert!(error.to_string().contains("`charades_sta`"), "{error}");
}

/// Every template list that an adapter asks for is there, with the slots that it fills; the shown example is sound.
#[test]
fn every_example_becomes_records() {
    for source in ALL {
        let info = source.info();
        for (_, _, json) in info.example.sides {
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
        let collected = explain::example(*source).unwrap();
        assert!(
            !collected.records.is_empty(),
            "{}: {:?}",
            info.name,
            collected.rejects
        );
        for task in collected.tasks.keys() {
            assert!(
                info.tasks.contains(task),
                "{}: {task} is not declared",
                info.name
            );
        }
    }
}
