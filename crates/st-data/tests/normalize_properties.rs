//! What holds for every source, whatever its format: the order of fields and unknown fields change nothing, no text and no damage
//! stops a run, nothing is lost, and pickles run nothing.

#![expect(clippy::unwrap_used, reason = "a test stops at what should not be")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use st_data::source::{
    self, Account, Collected, Container, Durations, Inputs, Phrases, Settings, Source, SourceError,
    Splits,
};
use st_data::validate::{Judge, Verdict};

/// The part of `expected.yaml` that says what is given.
#[derive(Clone, Deserialize)]
struct Given {
    files: Vec<String>,
    #[serde(default)]
    splits: Vec<String>,
    #[serde(default)]
    durations: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Expected {
    runs: Vec<Given>,
}

/// One run over raw samples.
#[derive(Clone)]
struct Case {
    source: &'static dyn Source,
    given: Given,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/normalize")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &source in source::ALL {
        let path = fixtures().join(source.info().name).join("expected.yaml");
        let Ok(yaml) = std::fs::read_to_string(path) else {
            continue;
        };
        let expected: Expected = serde_yaml::from_str(&yaml).unwrap();
        let cases_of = |given| Case { source, given };
        cases.extend(expected.runs.into_iter().map(cases_of));
    }
    cases
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.source.info().name, self.given.files)
    }
}

impl Case {
    /// Whether a file holds annotations, and is no table beside them.
    fn is_main(&self, name: &str) -> bool {
        let info = self.source.info();
        let side = info.sides.iter().any(|side| fits(side.pattern, name));
        !side && info.files.iter().any(|files| fits(files.pattern, name))
    }

    fn raw(&self) -> PathBuf {
        fixtures().join(self.source.info().name).join("raw")
    }

    /// The same files elsewhere, each as `change` makes it from its path and bytes.
    fn with(
        &self,
        mut change: impl FnMut(&str, Vec<u8>) -> Vec<u8>,
    ) -> Result<(Account, Collected), SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for file in &self.given.files {
            // `FORM:PATH` or a path.
            let (form, file) = match file.split_once(':') {
                Some((form, file)) => (format!("{form}:"), file),
                None => (String::new(), file.as_str()),
            };
            let (from, to) = (self.raw().join(file), folder.path().join(file));
            copy(&from, &to, file, &mut change);
            paths.push(PathBuf::from(format!("{form}{}", to.display())));
        }
        let inputs = Inputs::resolve(self.source.info(), &paths)?;
        let templates = std::fs::read_to_string(fixtures().join("templates.yaml")).unwrap();
        let mut settings = Settings::shipped()?;
        settings.options.jobs = 1;
        settings.phrases = Phrases::parse(&templates, "templates.yaml")?;
        if !self.given.splits.is_empty() {
            settings.splits = Splits::Only(self.given.splits.clone());
        }
        let mut durations = Durations::default();
        for (path, seconds) in &self.given.durations {
            durations.insert(path, *seconds);
        }
        settings.durations = durations;
        let mut collected = Collected::default();
        let account = source::normalize(self.source, &inputs, &settings, &mut collected, |_| {})?;
        assert!(account.adds_up(), "{self:?}");
        for record in &collected.records {
            let record: st_schema::Record = serde_json::from_value(record.clone()).unwrap();
            let judged = Judge::default().record(record);
            assert_eq!(
                judged.verdict,
                Some(Verdict::Kept),
                "{self:?}: {:?}",
                judged.findings
            );
        }
        Ok((account, collected))
    }
}

fn copy(from: &Path, to: &Path, name: &str, change: &mut dyn FnMut(&str, Vec<u8>) -> Vec<u8>) {
    if from.is_dir() {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap().file_name();
            let inner = format!("{name}/{}", entry.to_string_lossy());
            copy(&from.join(&entry), &to.join(&entry), &inner, change);
        }
        return;
    }
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let bytes = std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    std::fs::write(to, change(name, bytes)).unwrap();
}

/// Fields in order of their names, without the one that a test added: records of our own form are passed on as they are.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| name != "zz_extra");
            let fields: BTreeMap<String, Value> =
                fields.map(|(name, field)| (name, sorted(field))).collect();
            fields.into_iter().collect()
        }
        other => other,
    }
}

/// Records without what tells of their place, in an order of their own.
fn placeless(collected: &Collected) -> Vec<String> {
    let mut records: Vec<String> = collected
        .records
        .iter()
        .map(|record| {
            let mut record = record.clone();
            let fields = record.as_object_mut().unwrap();
            fields.shift_remove("id");
            fields.shift_remove("provenance");
            sorted(record).to_string()
        })
        .collect();
    records.sort();
    records
}

/// JSON files with `change` done to each of their values, in the container they had.
fn json_changed(name: &str, bytes: Vec<u8>, change: &dyn Fn(&mut Value)) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return bytes;
    };
    let json_like = text.trim_start().starts_with(['{', '[']) && !is_table(name);
    if !json_like {
        return bytes;
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect();
    let Ok(mut values) = values else {
        return bytes;
    };
    values.iter_mut().for_each(change);
    let lines: Vec<String> = values.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

fn walk(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
        _ => {}
    }
    change(value);
}

fn is_table(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "csv")
}

/// A table with its columns in reverse order, and one more.
fn columns_turned(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    if !is_table(name) {
        return bytes;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes.as_slice());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (number, row) in reader.records().enumerate() {
        let row = row.unwrap();
        let extra = if number == 0 { "zz_extra" } else { "ü, \"x\"" };
        let turned = std::iter::once(extra).chain(row.iter().rev());
        writer.write_record(turned).unwrap();
    }
    writer.into_inner().unwrap()
}

#[test]
fn the_order_of_fields_changes_nothing() {
    for case in cases() {
        let (before, plain) = case.with(|_, bytes| bytes).unwrap();
        let reverse = |value: &mut Value| {
            walk(value, &|value| {
                if let Value::Object(fields) = value {
                    *fields = std::mem::take(fields).into_iter().rev().collect();
                }
            });
        };
        let turned =
            case.with(|name, bytes| json_changed(name, columns_turned(name, bytes), &reverse));
        let (after, turned) = turned.unwrap();
        assert_eq!(placeless(&plain), placeless(&turned), "{case:?}");
        assert_eq!(before.reasons, after.reasons, "{case:?}");
    }
}

/// Unknown fields at the top of every item; in containers that are objects of items one more entry is one more item, which may
/// be refused but disturbs no other.
#[test]
fn unknown_fields_change_nothing() {
    let extra = |value: &mut Value| {
        let add = |fields: &mut Map<String, Value>| {
            fields.insert("zz_extra".into(), json!({"nested": [1, "ü", null]}));
        };
        match value {
            Value::Array(items) => {
                let objects = items.iter_mut().filter_map(Value::as_object_mut);
                objects.for_each(add);
            }
            Value::Object(fields) => {
                let inner = fields.values_mut().filter_map(Value::as_object_mut);
                inner.for_each(add);
                add(fields);
            }
            _ => {}
        }
    };
    for case in cases() {
        let (_, plain) = case.with(|_, bytes| bytes).unwrap();
        let (_, more) = case
            .with(|name, bytes| json_changed(name, columns_turned(name, bytes), &extra))
            .unwrap();
        assert_eq!(placeless(&plain), placeless(&more), "{case:?}");
    }
}

const MARKER: &str = "naïve 漢字 🦆";

/// The marker between the first two words.
fn with_marker(text: &str) -> Option<String> {
    let letters = |at: usize| {
        let before = text[..at]
            .chars()
            .next_back()
            .is_some_and(char::is_alphabetic);
        before && text[at + 1..].starts_with(char::is_alphabetic)
    };
    let at = text
        .match_indices(' ')
        .map(|(at, _)| at)
        .find(|at| letters(*at))?;
    Some(format!("{} {MARKER}{}", &text[..at], &text[at..]))
}

#[test]
fn any_script_is_kept_to_the_letter() {
    let mut marked: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases() {
        let mark = |value: &mut Value| {
            walk(value, &|value| {
                if let Value::String(text) = value
                    && let Some(with) = with_marker(text)
                {
                    *text = with;
                }
            });
        };
        let mut changed = false;
        let (_, collected) = case
            .with(|name, bytes| {
                let new = json_changed(name, bytes.clone(), &mark);
                changed |= case.is_main(name)
                    && new != bytes
                    && String::from_utf8_lossy(&new).contains(MARKER);
                new
            })
            .unwrap();
        let count = marked.entry(case.source.info().name).or_default();
        let found = |record: &&Value| record.to_string().contains(MARKER);
        *count += if changed && !collected.records.is_empty() {
            collected.records.iter().filter(found).count()
        } else {
            1
        };
    }
    let lost: Vec<_> = marked.iter().filter(|(_, count)| **count == 0).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn empty_files_hold_nothing() {
    for case in cases() {
        let emptied = case.with(|name, bytes| {
            if case.is_main(name) {
                Vec::new()
            } else {
                bytes
            }
        });
        let (account, collected) = emptied.unwrap();
        assert!(collected.records.is_empty(), "{case:?}");
        assert_eq!(account.written(), 0, "{case:?}");
    }
}

/// As the inputs are sorted out: the last parts of the path, `*` for any characters of one part.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = name.rsplit('/');
    pattern.rsplit('/').all(|wanted| {
        parts
            .next()
            .is_some_and(|part| match wanted.split_once('*') {
                None => part == wanted,
                Some((start, end)) => {
                    let end = end.rsplit('*').next().unwrap();
                    part.len() >= start.len() + end.len()
                        && part.starts_with(start)
                        && part.ends_with(end)
                }
            })
    })
}

#[test]
fn a_pickle_that_calls_is_refused_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("ran");
    let call = format!("cos\nsystem\n(S'touch {}'\ntR.", trace.display());
    let mut tried = 0;
    for case in cases() {
        let pickled = case.source.info().files.iter().any(|files| {
            matches!(
                files.container,
                Container::PickleList | Container::PickleMap
            )
        });
        if !pickled {
            continue;
        }
        let evil = case.with(|name, bytes| {
            let pickle = Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "p" || ending == "pkl");
            if pickle {
                call.clone().into_bytes()
            } else {
                bytes
            }
        });
        match evil {
            // A table that the source needs.
            Err(error) => {
                assert!(format!("{error:?}").contains("import"), "{error:?}");
                tried += 1;
            }
            Ok((account, collected)) => {
                let told = collected.rejects.iter();
                let told = told
                    .filter(|(_, _, message)| message.contains("import"))
                    .count();
                assert_eq!(
                    account.rejected, told as u64,
                    "{case:?}: {:?}",
                    collected.rejects
                );
                tried += told;
            }
        }
    }
    assert!(tried >= 3 && !trace.exists());
}

/// What is done to one file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Flip(Vec<(prop::sample::Index, u8)>),
    Bytes(Vec<u8>),
    Drop(u64),
    Change(u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8).prop_map(Damage::Flip),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Damage::Bytes),
        any::<u64>().prop_map(Damage::Drop),
        any::<u64>().prop_map(Damage::Change),
    ]
}

/// Takes away or replaces the `number`th field, counted over all objects.
fn change_field(value: &mut Value, number: &mut u64, with: Option<&Value>) {
    match value {
        Value::Array(items) => {
            for item in items {
                change_field(item, number, with);
            }
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                if *number == 0 {
                    match with {
                        Some(with) => drop(fields.insert(name.clone(), with.clone())),
                        None => drop(fields.shift_remove(&name)),
                    }
                }
                *number = number.wrapping_sub(1);
                if let Some(field) = fields.get_mut(&name) {
                    change_field(field, number, with);
                }
            }
        }
        _ => {}
    }
}

fn damaged(name: &str, bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    /// Numbers, types and texts that nobody wrote.
    const ODD: &[&str] = &[
        "null",
        "-1",
        "1e308",
        "[]",
        "{}",
        "\"\"",
        "\"\\u0000\"",
        "[[]]",
        "true",
        "99999999999999999999",
        "\"{\"",
    ];
    match damage {
        Damage::Cut(at) => bytes[..at.index(bytes.len() + 1)].to_vec(),
        Damage::Flip(flips) => {
            let mut bytes = bytes;
            if !bytes.is_empty() {
                for (at, byte) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            bytes
        }
        Damage::Bytes(new) => new.clone(),
        Damage::Drop(number) | Damage::Change(number) => {
            let odd = ODD[usize::try_from(number % ODD.len() as u64).unwrap()];
            let odd: Value = serde_json::from_str(odd).unwrap();
            let with = matches!(damage, Damage::Change(_)).then_some(&odd);
            json_changed(name, bytes, &|value| {
                change_field(value, &mut (number % 97), with);
            })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes: no panic, sums that hold (`normalize` asserts them), and only valid records.
    #[test]
    fn no_damage_stops_a_run(
        case in prop::sample::select(cases()),
        file in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let chosen = file.index(case.given.files.len());
        let chosen = case.given.files[chosen].clone();
        // A table that cannot be read is an error; everything else is counted.
        let ran = case.with(|name, bytes| {
            if chosen.ends_with(name) || name.starts_with(&chosen) {
                damaged(name, bytes, &damage)
            } else {
                bytes
            }
        });
        let lost = matches!(ran, Err(SourceError::Lost { .. }));
        prop_assert!(!lost, "{:?}", ran.err());
    }
}
