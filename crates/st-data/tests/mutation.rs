//! Every rule finds its own fault, wherever it is, and nothing else.
//!
//! A clean dataset of thousands of records is made, faults are injected at random places from a fixed seed, and the ledger must
//! name exactly the injected ones.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::too_many_lines,
    reason = "a failing test may panic; small numbers; the faults are one list"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use st_data::dataset::Input;
use st_data::ledger::{Ledger, Settings, fixed_path, validate};
use st_data::read::Form;
use st_data::review::{Mark, RecordDigest, Remark, Review};
use st_data::validate::{MediaDepth, Rule, Severities};
use st_schema::{SamplingStrategy, Severity};
use tempfile::TempDir;

/// A generator that needs no crate (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    /// A number with three decimals between two, given in thousandths.
    fn between(&mut self, low: usize, high: usize) -> f64 {
        (low + self.roll(high - low + 1)) as f64 / 1000.0
    }
}

/// A clean record as its JSON text; every kind has a box, a span, or both.
fn clean(number: usize, dice: &mut Dice) -> String {
    let boxed = |dice: &mut Dice| {
        [
            dice.between(0, 400),
            dice.between(0, 400),
            dice.between(500, 1000),
            dice.between(500, 1000),
        ]
    };
    let (mut times, mut widths, mut heights) = (Vec::new(), Vec::new(), Vec::new());
    let corners = "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]";
    let mut answer = String::new();
    let mut push = |[x1, y1, x2, y2]: [f64; 4]| {
        widths.extend([x1, x2]);
        heights.extend([y1, y2]);
    };
    let image = number.is_multiple_of(3);
    if image {
        write!(answer, "It is at {corners}.").unwrap();
        push(boxed(dice));
    } else {
        // Frames of a clip of 100: every thousandth of 99 is on the grid.
        let first = dice.roll(80);
        let frames: Vec<usize> = (first..first + 4 + dice.roll(10)).collect();
        let time = |frame: usize| (frame as f64 / 99.0 * 1000.0).round() / 1000.0;
        times.extend([time(first), time(*frames.last().unwrap())]);
        write!(
            answer,
            "During the span of {{<TEMP-OUTPUT><TEMP-OUTPUT>}}. Object bounding box:"
        )
        .unwrap();
        for frame in frames {
            times.push(time(frame));
            push(boxed(dice));
            write!(answer, " <TEMP-OUTPUT>:{corners}").unwrap();
        }
        answer.push('.');
    }
    let (kind, task) = if image {
        ("image", "rec")
    } else {
        ("video", "stvg")
    };
    let meta = if image {
        String::new()
    } else {
        r#""meta":{"split":[10,109],"width":64,"height":48,"fps":8.0,"frames":200},"#.into()
    };
    let value = serde_json::json!({
        "temporal_input_locations": [], "temporal_output_locations": times,
        "spatial_height_input_locations": [], "spatial_height_output_locations": heights,
        "spatial_width_input_locations": [], "spatial_width_output_locations": widths,
    });
    format!(
        r#"{{"id":"r{number}","task":"{task}","{kind}":"{kind}s/{number}.bin",{meta}"conversations":[{{"from":"human","value":"<{kind}>\nWhere is thing {number}?"}},{{"from":"gpt","value":"{answer}"}}],"variables":{value}}}"#
    )
}

/// How one rule is broken: from a clean record to a faulty one; `None` where this record cannot carry the fault.
type Fault = fn(&str, &mut Dice) -> Option<String>;

fn swap(from: &str, to: &str) -> impl Fn(&str) -> Option<String> {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |text| text.contains(&from).then(|| text.replacen(&from, &to, 1))
}

/// Changes the numbers of one list.
fn numbers(text: &str, list: &str, change: impl Fn(&mut Vec<f64>)) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    let place = &mut value["variables"][list];
    let mut numbers: Vec<f64> = place
        .as_array()?
        .iter()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    if numbers.len() < 2 {
        return None;
    }
    change(&mut numbers);
    *place = numbers.into();
    Some(value.to_string())
}

const TIMES: &str = "temporal_output_locations";
const WIDTHS: &str = "spatial_width_output_locations";
const HEIGHTS: &str = "spatial_height_output_locations";

/// One fault or more for every rule that a record can break by itself.
fn faults() -> Vec<(Rule, Fault)> {
    vec![
        (Rule::JsonSyntax, |text, _| {
            swap(",\"conversations\"", ",,\"conversations\"")(text)
        }),
        (Rule::JsonUtf8, |text, _| {
            swap("Where is", "Where\u{1}is")(text)
        }),
        (Rule::JsonDepth, |text, _| {
            swap(
                "{\"id\"",
                &format!("{{\"deep\":{}{},\"id\"", "[".repeat(140), "]".repeat(140)),
            )(text)
        }),
        (Rule::JsonDuplicateKey, |text, _| {
            swap("{\"id\"", "{\"id\":\"other\",\"id\"")(text)
        }),
        (Rule::JsonNotFinite, |text, _| {
            swap(
                "\"temporal_input_locations\":[]",
                "\"temporal_input_locations\":[NaN]",
            )(text)
        }),
        (Rule::RecordSize, |text, _| {
            swap("Where", &"Where ".repeat(50_000))(text)
        }),
        (Rule::RecordShape, |text, _| {
            swap("\"from\":\"gpt\",\"value\"", "\"from\":\"gpt\",\"words\"")(text)
        }),
        (Rule::RecordShape, |text, _| {
            swap(
                "\"conversations\":[",
                "\"conversations\":\"none\",\"turns\":[",
            )(text)
        }),
        (Rule::RoleWord, |text, _| {
            swap("\"human\"", "\"user\"")(text)
        }),
        (Rule::RoleOrder, |text, _| {
            swap("\"from\":\"human\"", "\"from\":\"system\"")(text)
        }),
        (Rule::MediaBoth, |text, _| {
            swap("\"video\":", "\"image\":\"x.jpg\",\"video\":")(text)
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("<video>\\n", "")(text).or_else(|| swap("<image>\\n", "")(text))
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("<video>\\nWhere", "<image>\\nWhere")(text)
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("Where", "<image> Where")(text)
        }),
        (Rule::TaskUnknown, |text, _| {
            swap("\"stvg\"", "\"stgv\"")(text)
        }),
        (Rule::QuestionEmpty, |text, _| {
            let from = text.find("Where")?;
            let to = from + text[from..].find('"')?;
            Some(format!("{}{}", &text[..from], &text[to..]))
        }),
        (Rule::AnswerEmpty, |text, _| {
            let start = text.find("\"from\":\"gpt\",\"value\":\"")? + 22;
            let end = start + text[start..].find("\"}]")?;
            let empty = format!("{} {}", &text[..start], &text[end..]);
            // Its numbers go with it, or they would be too many.
            let mut value: serde_json::Value = serde_json::from_str(&empty).ok()?;
            for (_, list) in value["variables"].as_object_mut()? {
                *list = serde_json::json!([]);
            }
            Some(value.to_string())
        }),
        (Rule::AnswerTruncated, |text, _| {
            swap(">].\"", ">], a thing at [\"")(text)
        }),
        (Rule::AnswerTruncated, |text, _| {
            swap(">].\"", ">], and,\"")(text)
        }),
        (Rule::TextMarker, |text, _| {
            swap("?\"", "? QA_GT_caption_based_noisy\"")(text)
        }),
        (Rule::TextTemplate, |text, _| {
            swap("Where", "From <s> where")(text)
        }),
        (Rule::TextMojibake, |text, _| {
            swap("Where", "CafÃ© where")(text)
        }),
        (Rule::TextReplaced, |text, _| {
            swap("Where", "Caf\u{fffd} where")(text)
        }),
        (Rule::TextControl, |text, _| {
            swap("Where", "Where\\u0000")(text)
        }),
        (Rule::TextLength, |text, _| {
            swap("Where", &"where ".repeat(22_000))(text)
        }),
        (Rule::TokenMalformed, |text, _| {
            swap("<WIDTH-OUTPUT>", "<WIDTH-OUT>")(text)
        }),
        (Rule::TokenMalformed, |text, _| {
            swap("Where", "<TEMP-012> where")(text)
        }),
        (Rule::TokenSide, |text, _| {
            swap("<WIDTH-OUTPUT>", "<WIDTH-INPUT>")(text)
        }),
        (Rule::VariablesIncomplete, |text, _| {
            swap("\"temporal_input_locations\":[],", "")(text)
        }),
        (Rule::PlaceholderCount, |text, _| {
            numbers(text, WIDTHS, |list| list.truncate(1))
        }),
        (Rule::PlaceholderCount, |text, _| {
            numbers(text, TIMES, |list| list.push(0.5))
        }),
        (Rule::ValueRange, |text, dice| {
            let high = 1.0 + dice.between(1, 900);
            numbers(text, WIDTHS, move |list| *list.last_mut().unwrap() = high)
        }),
        (Rule::ValueRange, |text, _| {
            numbers(text, TIMES, |list| list[0] = -0.25)
        }),
        (Rule::GroupMalformed, |text, _| {
            swap(
                "[<WIDTH-OUTPUT><HEIGHT-OUTPUT>",
                "[<HEIGHT-OUTPUT><WIDTH-OUTPUT>",
            )(text)
        }),
        (Rule::SpanOrder, |text, _| {
            numbers(text, TIMES, |list| list.swap(0, 1))
        }),
        (Rule::BoxOrder, |text, _| {
            numbers(text, WIDTHS, |list| list.swap(0, 1))
        }),
        (Rule::BoxArea, |text, _| {
            numbers(text, WIDTHS, |list| list[1] = list[0])
        }),
        (Rule::TubeOrder, |text, dice| {
            // A time and its box change places with the next.
            let offset = dice.roll(2);
            let text = numbers(text, TIMES, |list| list.swap(2 + offset, 3 + offset))?;
            let pairs = |list: &mut Vec<f64>| {
                list.swap(2 * offset, 2 * offset + 2);
                list.swap(2 * offset + 1, 2 * offset + 3);
            };
            numbers(&numbers(&text, WIDTHS, pairs)?, HEIGHTS, pairs)
        }),
        (Rule::TubeRepeat, |text, _| {
            numbers(text, TIMES, |list| list[3] = list[2])
        }),
        (Rule::TubeSpan, |text, _| {
            numbers(text, TIMES, |list| list[1] = list[2])
        }),
        (Rule::TubeGrid, |text, _| {
            numbers(text, TIMES, |list| {
                list[3] = ((list[2] + list[3]) * 500.0).round() / 1000.0;
            })
        }),
        (Rule::SplitOrder, |text, _| {
            swap("[10,109]", "[109,10]")(text)
        }),
        (Rule::SplitRange, |text, _| {
            swap("\"frames\":200", "\"frames\":109")(text)
        }),
        (Rule::PathUnsafe, |text, _| {
            swap("\":\"videos/", "\":\"../videos/")(text)
                .or_else(|| swap("\":\"images/", "\":\"/images/")(text))
        }),
        (Rule::PathUnsafe, |text, _| {
            swap("\":\"videos/", "\":\"https://videos/")(text)
        }),
        (Rule::MediaMissing, |text, _| {
            swap("\":\"videos/", "\":\"gone/")(text)
        }),
        (Rule::MediaEmpty, |text, _| {
            swap("\":\"videos/", "\":\"empty/")(text)
        }),
        #[cfg(unix)]
        (Rule::MediaLink, |text, _| {
            swap("\":\"videos/", "\":\"outside/")(text)
        }),
    ]
}

/// Rules that a record cannot break alone; each has its own test.
const OF_FILES: [Rule; 14] = [
    Rule::JsonTruncated,
    Rule::JsonJunk,
    Rule::JsonBom,
    Rule::JsonConcatenated,
    Rule::JsonComma,
    Rule::JsonUnclosed,
    Rule::FileEmpty,
    Rule::FileDamaged,
    Rule::MediaFolder,
    // These need real media: tests/media_rules.rs.
    Rule::MediaUnreadable,
    Rule::MetaSize,
    Rule::MetaFps,
    Rule::MetaFrames,
    // Tested with the records that they are about.
    Rule::AnswerConflict,
];

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

/// Media files for every record: one byte each is enough where nothing is decoded.
fn media(folder: &TempDir, records: usize) -> std::path::PathBuf {
    let media = folder.path().join("media");
    let outside = folder.path().join("outside");
    for name in ["images", "videos", "empty"] {
        std::fs::create_dir_all(media.join(name)).unwrap();
    }
    std::fs::create_dir_all(&outside).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, media.join("outside")).unwrap();
    for number in 0..records {
        let kind = if number.is_multiple_of(3) {
            "images"
        } else {
            "videos"
        };
        std::fs::write(media.join(kind).join(format!("{number}.bin")), b"x").unwrap();
        std::fs::write(outside.join(format!("{number}.bin")), b"x").unwrap();
        std::fs::write(media.join("empty").join(format!("{number}.bin")), b"").unwrap();
    }
    media
}

fn found(ledger: &Ledger) -> BTreeMap<String, Vec<Rule>> {
    let mut found: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for count in &ledger.rules {
        for example in &count.examples {
            found
                .entry(format!("line {}", example.position.line))
                .or_default()
                .push(count.rule);
        }
    }
    found
}

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

#[test]
fn every_fault_is_found_under_its_rule_and_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let media = media(&folder, RECORDS);
    let (mut dice, faults) = (Dice(2), faults());
    let mut expected: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    let mut injected: BTreeMap<Rule, u64> = BTreeMap::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for number in 0..RECORDS {
        let mut text = clean(number, &mut dice);
        if dice.roll(3) == 0 {
            let (rule, fault) = &faults[dice.roll(faults.len())];
            if let Some(faulty) = fault(&text, &mut dice) {
                text = faulty;
                expected.insert(format!("line {}", number + 1), vec![*rule]);
                *injected.entry(*rule).or_default() += 1;
                if *rule == Rule::JsonUtf8 {
                    lines.push(
                        text.bytes()
                            .map(|byte| if byte == 1 { 0xff } else { byte })
                            .collect(),
                    );
                    continue;
                }
            }
        }
        lines.push(text.into_bytes());
    }
    let path = folder.path().join("faulty.jsonl");
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    let ledger = validate(&[input(&path, Some(&media))], &settings(&folder), |_| ()).unwrap();
    let found = found(&ledger);
    for (line, rules) in &expected {
        assert_eq!(
            found.get(line),
            Some(rules),
            "{line}: {}",
            String::from_utf8_lossy(&lines[line[5..].parse::<usize>().unwrap() - 1])
        );
    }
    for (line, rules) in &found {
        assert_eq!(expected.get(line), Some(rules), "{line} was clean");
    }
    for rule in Rule::ALL {
        let tested = injected.contains_key(rule) || OF_FILES.contains(rule);
        // Those that a record's text alone does not break have tests of their own.
        let others = [
            Rule::DuplicateExact,
            Rule::DuplicateText,
            Rule::ReviewBad,
            Rule::ReviewFix,
        ];
        assert!(
            tested || others.contains(rule) || cfg!(not(unix)),
            "{} was never injected",
            rule.id()
        );
    }
    counts_follow_severities(&ledger, &injected);
    rejects_say_where(&ledger, &lines);
}

fn counts_follow_severities(ledger: &Ledger, injected: &BTreeMap<Rule, u64>) {
    let of = |severity| {
        injected
            .iter()
            .filter(|(rule, _)| rule.info().severity == severity)
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    assert_eq!(ledger.total.rejected, of(Severity::Reject));
    assert_eq!(ledger.total.repaired, of(Severity::Repair));
    assert_eq!(ledger.total.read, RECORDS as u64);
    assert!(ledger.adds_up());
}

/// Each refused record stands in the rejects with its place and itself.
fn rejects_say_where(ledger: &Ledger, lines: &[Vec<u8>]) {
    let text = std::fs::read_to_string(ledger.files[0].rejects.as_ref().unwrap()).unwrap();
    assert_eq!(text.lines().count() as u64, ledger.total.rejected);
    for line in text.lines() {
        let reject: st_data::ledger::RejectLine = serde_json::from_str(line).unwrap();
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

/// What `--fix` writes is clean, keeps what was sound byte for byte, and changes of the rest only what was wrong.
#[test]
fn repairs_change_nothing_else() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(3);
    let repairable: Vec<(Rule, Fault)> = faults()
        .into_iter()
        .filter(|(rule, _)| rule.info().severity == Severity::Repair)
        .collect();
    let (mut lines, mut originals, mut broken) = (Vec::new(), Vec::new(), 0);
    for number in 0..600 {
        let text = clean(number, &mut dice);
        let (_, fault) = &repairable[number % repairable.len()];
        let faulty = if number.is_multiple_of(2) {
            fault(&text, &mut dice)
        } else {
            None
        };
        broken += u64::from(faulty.is_some());
        originals.push(text.clone());
        lines.push(faulty.unwrap_or(text));
    }
    let path = folder.path().join("a.json");
    std::fs::write(
        &path,
        format!(
            "\u{feff}[{}\n{}][{}",
            lines[0],
            lines[1..300].join(","),
            lines[300..].join(",\n")
        ),
    )
    .unwrap();
    let ledger = validate(
        &[input(&path, None)],
        &Settings {
            fix: true,
            ..settings(&folder)
        },
        |_| (),
    )
    .unwrap();
    assert_eq!(
        (ledger.total.repaired, ledger.total.rejected),
        (broken, 0),
        "{:?}",
        ledger.rules.last()
    );
    for rule in [
        Rule::JsonBom,
        Rule::JsonConcatenated,
        Rule::JsonComma,
        Rule::JsonUnclosed,
    ] {
        assert_eq!(ledger.findings(rule), 1, "{}", rule.id());
    }
    let fixed = fixed_path(&path, Form::Array);
    let again = validate(&[input(&fixed, None)], &settings(&folder), |_| ()).unwrap();
    assert_eq!(again.rules, []);
    // The original's loader is `json.load`; field by field, the numbers and words are those of the sound record.
    let records: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(&fixed).unwrap()).unwrap();
    assert_eq!(records.len(), originals.len());
    for ((record, original), line) in records.iter().zip(&originals).zip(&lines) {
        let original: serde_json::Value = serde_json::from_str(original).unwrap();
        for (name, value) in original.as_object().unwrap() {
            // A word that stands for a fault may leave a trace in the words alone.
            let words = name == "conversations" && record[name] != *value;
            assert!(words || same(&record[name], value), "{name} of {line}");
            if words {
                assert_eq!(record[name].as_array().unwrap().len(), 2, "{line}");
            }
        }
        assert_eq!(
            record.as_object().unwrap().len(),
            original.as_object().unwrap().len(),
            "{line}"
        );
    }
}

/// Equal up to the order of fields and to 1 and 1.0 being one number.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value;
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
    std::fs::write(&path, [a.as_str(), &a, &shouted, &other, &other].join("\n")).unwrap();
    let ledger = validate(&[input(&path, None)], &settings(&folder), |_| ()).unwrap();
    let found: Vec<_> = found(&ledger).into_iter().collect();
    let expected = [
        (2, Rule::DuplicateExact),
        (3, Rule::DuplicateText),
        (4, Rule::AnswerConflict),
        (5, Rule::DuplicateExact),
    ];
    assert_eq!(
        found,
        expected.map(|(line, rule)| (format!("line {line}"), vec![rule]))
    );
    assert_eq!(ledger.total.rejected, 2);
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

#[test]
fn damaged_empty_and_absent_files_are_told_apart() {
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
    assert_eq!(
        (
            ledger.findings(Rule::FileDamaged),
            ledger.findings(Rule::FileEmpty)
        ),
        (1, 1)
    );
    assert_eq!(ledger.findings(Rule::MediaFolder), 1);
    assert!(ledger.total.rejected >= 1 && ledger.adds_up());
    assert!(
        validate(
            &[input(&folder.path().join("absent.json"), None)],
            &settings(&folder),
            |_| ()
        )
        .is_err()
    );
    assert_eq!(settings(&folder).media, MediaDepth::Presence);
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
            let record: st_schema::Record = serde_json::from_str(&lines[*at]).unwrap();
            review.set(Remark {
                record: RecordDigest::of(&record),
                mark: *mark,
                note: String::new(),
                id: String::new(),
                file: String::new(),
            });
        }
        let settings = Settings {
            review: Some(std::sync::Arc::new(review)),
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
