//! Every source's raw samples to records, against what `expected.yaml` beside them says, written by hand from the formats' facts.
//!
//! Turns stand there in short: `{0.1,0.5}` is a span, `[0.1,0.2,0.3,0.4]` a box, `t0.3` a time, `x0.4` and `y0.5` a point.

#![expect(clippy::unwrap_used, reason = "a test stops at what should not be")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use st_data::source::{
    self, Durations, Inputs, Phrases, Rejected, Settings, Sink, SourceError, Splits,
};
use st_data::validate::{Judge, Verdict};
use st_schema::{Axis, FramePlan, Record, Role, Task, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    files: Vec<String>,
    #[serde(default)]
    splits: Vec<String>,
    #[serde(default)]
    durations: BTreeMap<String, f64>,
    /// Frames of the plan, where not 100.
    frames: Option<usize>,
    counts: Counts,
    records: Vec<Wanted>,
    #[serde(default)]
    repaired: Vec<Repaired>,
    #[serde(default)]
    rejected: Vec<Refused>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    read: u64,
    kept: u64,
    repaired: u64,
    rejected: u64,
    #[serde(default)]
    left_out: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    task: Task,
    id: Option<String>,
    video: Option<String>,
    image: Option<String>,
    turns: Option<Vec<String>>,
    split: Option<[u64; 2]>,
    duration: Option<f64>,
    cut: Option<[f64; 2]>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repaired {
    row: u64,
    rule: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    row: u64,
    reason: String,
}

#[derive(Default)]
struct Caught {
    records: Vec<Record>,
    rejected: Vec<Refused>,
}

impl Sink for Caught {
    fn record(&mut self, _: Task, json: &[u8]) -> Result<(), SourceError> {
        self.records.push(serde_json::from_slice(json).unwrap());
        Ok(())
    }

    fn reject(&mut self, rejected: &Rejected<'_>) -> Result<(), SourceError> {
        assert!(!rejected.reject.to_string().is_empty());
        self.rejected.push(Refused {
            row: rejected.row,
            reason: rejected.reject.reason().to_owned(),
        });
        Ok(())
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/normalize")
}

/// The folders with an `expected.yaml`, by their sources' names.
fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let names = entries.map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = names
        .filter(|path| path.join("expected.yaml").exists())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The numbers of a turn beside its words.
fn short(turn: &str, role: Role) -> String {
    let side = if role == Role::Human {
        "INPUT"
    } else {
        "OUTPUT"
    };
    let mut text = turn.to_owned();
    for (axis, letter) in [
        (Axis::Temporal, 't'),
        (Axis::Width, 'x'),
        (Axis::Height, 'y'),
    ] {
        let open = format!("<{}-{side}", axis.token_word());
        text = text.replace(&open, &format!("\u{1}{letter}"));
    }
    // Each number ends with the token's `>`: a following token is set off by a comma.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((words, after)) = rest.split_once('\u{1}') {
        let (number, next) = after.split_once('>').unwrap();
        out.push_str(words);
        let grouped = out.ends_with(['{', '[', ',']);
        out.push_str(if grouped { &number[1..] } else { number });
        if next.starts_with('\u{1}') {
            out.push(',');
        }
        rest = next;
    }
    out + rest
}

fn check_record(record: &Record, wanted: &Wanted, place: &str) {
    assert_eq!(record.task, Some(wanted.task), "{place}");
    let media = wanted.video.as_ref().or(wanted.image.as_ref()).unwrap();
    assert_eq!(record.media.path(), media, "{place}");
    let kind = if wanted.video.is_some() {
        "video"
    } else {
        "image"
    };
    assert_eq!(record.media.kind(), kind, "{place}");
    if let Some(id) = &wanted.id {
        assert_eq!(record.id.as_str(), id, "{place}");
    }
    let inlined = text::inline(record).unwrap();
    let turns: Vec<String> = inlined
        .iter()
        .map(|turn| short(&turn.value, turn.from))
        .collect();
    if let Some(expected) = &wanted.turns {
        assert_eq!(&turns, expected, "{place}");
    }
    let roles: Vec<bool> = inlined
        .iter()
        .map(|turn| turn.from == Role::Human)
        .collect();
    assert!(roles.chunks(2).all(|pair| pair == [true, false]), "{place}");
    if wanted.split.is_some() {
        assert_eq!(record.meta.split, wanted.split, "{place}");
    }
    if let Some(seconds) = wanted.duration {
        assert_eq!(record.meta.extra["duration"], seconds, "{place}");
    }
    let cut = record.meta.extra.get("cut_seconds").cloned();
    assert_eq!(cut, wanted.cut.map(|cut| serde_json::json!(cut)), "{place}");
}

/// What `stdata validate` says of it: nothing.
fn check_valid(record: &Record, place: &str) {
    let judged = Judge::default().record(record.clone());
    assert_eq!(
        judged.verdict,
        Some(Verdict::Kept),
        "{place}: {:?}",
        judged.findings
    );
}

fn provenance(record: &Record) -> (u64, Vec<String>) {
    let provenance = &record.extra["provenance"];
    assert!(provenance["adapter"].as_u64().unwrap() > 0);
    assert!(!provenance["file"].as_str().unwrap().is_empty());
    let repairs = provenance["repairs"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let repairs = repairs.iter().map(|name| name.as_str().unwrap().to_owned());
    (provenance["row"].as_u64().unwrap(), repairs.collect())
}

/// `FORM:PATH` or a path, under a folder.
fn given(folder: &Path, file: &str) -> PathBuf {
    match file.split_once(':') {
        None => folder.join(file),
        Some((form, file)) => PathBuf::from(format!("{form}:{}", folder.join(file).display())),
    }
}

fn check_run(name: &str, number: usize, run: &Run) {
    let place = format!("{name}, run {number}");
    let found = source::find(name).unwrap();
    let raw = fixtures().join(name).join("raw");
    let paths: Vec<PathBuf> = run.files.iter().map(|file| given(&raw, file)).collect();
    let inputs = Inputs::resolve(found.info(), &paths).unwrap();
    let templates = std::fs::read_to_string(fixtures().join("templates.yaml")).unwrap();
    let mut settings = Settings::shipped().unwrap();
    settings.phrases = Phrases::parse(&templates, "templates.yaml").unwrap();
    if !run.splits.is_empty() {
        settings.splits = Splits::Only(run.splits.clone());
    }
    if let Some(frames) = run.frames {
        settings.plan = FramePlan { frames };
    }
    let mut durations = Durations::default();
    for (path, seconds) in &run.durations {
        durations.insert(path, *seconds);
    }
    settings.durations = durations;
    let mut caught = Caught::default();
    let account = source::normalize(found, &inputs, &settings, &mut caught, |_| {}).unwrap();
    let repaired: Vec<Repaired> = caught
        .records
        .iter()
        .flat_map(|record| {
            let (row, rules) = provenance(record);
            rules.into_iter().map(move |rule| Repaired { row, rule })
        })
        .collect();
    assert_eq!(caught.rejected, run.rejected, "{place}");
    assert_eq!(repaired, run.repaired, "{place}");
    let counts = Counts {
        read: account.read,
        kept: account.kept,
        repaired: account.repaired,
        rejected: account.rejected,
        left_out: account.left_out,
    };
    assert_eq!(counts, run.counts, "{place}");
    let ids: BTreeSet<&str> = caught
        .records
        .iter()
        .map(|record| record.id.as_str())
        .collect();
    assert_eq!(ids.len(), caught.records.len(), "{place}: a name twice");
    for (index, (record, wanted)) in caught.records.iter().zip(&run.records).enumerate() {
        let place = format!("{place}, record {index}");
        assert_eq!(record.source.as_deref(), Some(name), "{place}");
        check_record(record, wanted, &place);
        check_valid(record, &place);
    }
    assert_eq!(caught.records.len(), run.records.len(), "{place}");
    let notes: BTreeSet<&str> = account.notes.keys().map(AsRef::as_ref).collect();
    for note in &run.notes {
        assert!(
            notes.iter().any(|have| have.contains(note.as_str())),
            "{place}: {notes:?}"
        );
    }
}

#[test]
fn raw_samples_become_the_expected_records() {
    let mut failures = Vec::new();
    for name in folders() {
        let path = fixtures().join(&name).join("expected.yaml");
        let yaml = std::fs::read_to_string(&path).unwrap();
        let expected: Expected = serde_yaml::from_str(&yaml)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for (number, run) in expected.runs.iter().enumerate() {
            let checked = std::panic::catch_unwind(|| check_run(&name, number, run));
            if checked.is_err() {
                failures.push(format!("{name}, run {number}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn short_turns_keep_every_number() {
    let long = "a {<TEMP-INPUT0.1><TEMP-INPUT0.5>} <TEMP-INPUT0.3>:[<WIDTH-INPUT0.1><HEIGHT-INPUT0.2><WIDTH-INPUT0.3><HEIGHT-INPUT0.4>] (<WIDTH-INPUT0.4>, <HEIGHT-INPUT0.5>)";
    assert_eq!(
        short(long, Role::Human),
        "a {0.1,0.5} t0.3:[0.1,0.2,0.3,0.4] (x0.4, y0.5)"
    );
}

/// Sources without a folder yet would pass unseen.
#[test]
fn every_source_has_expected_records() {
    let folders = folders();
    let missing: Vec<&str> = source::ALL
        .iter()
        .map(|source| source.info().name)
        .filter(|name| !folders.iter().any(|folder| folder == name))
        .collect();
    assert!(
        missing.is_empty(),
        "no tests/fixtures/normalize/NAME/expected.yaml: {missing:?}"
    );
}
