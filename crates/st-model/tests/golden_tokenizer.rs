//! Token ids, labels and decoded text against those of the original's own encoders.
//!
//! Cases are whatever lies in `$ST_GOLDEN/tokenizer`; without that folder the tests say so and pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing test may panic, a skipped one says so"
)]

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use st_model::config::{CoordinateConfig, ModelConfig};
use st_model::input::{ChatTurn, InputEncoder, InputOptions, VideoMarkers};
use st_model::tokenizer::{ExtraTokens, Tokenizer};

/// The folder of the golden files, or `None` with a note where there is none.
fn golden() -> Option<PathBuf> {
    let given = std::env::var_os("ST_GOLDEN").map(PathBuf::from);
    let root = given
        .clone()
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden").into());
    let folder = root.join("tokenizer");
    if folder.join("tokenizer.json").is_file() {
        return Some(folder);
    }
    assert!(
        given.is_none(),
        "{} has no tokenizer.json",
        folder.display()
    );
    println!("skipped: no golden files at {}", folder.display());
    None
}

fn tokenizer(folder: &std::path::Path) -> Tokenizer {
    Tokenizer::from_json(&std::fs::read(folder.join("tokenizer.json")).unwrap()).unwrap()
}

fn cases(folder: &std::path::Path, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let cases: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!cases.is_empty(), "{file} is empty");
    cases
}

/// Numbers, with `[number, count]` for a run.
fn numbers(value: &Value) -> Vec<i64> {
    let mut out = Vec::new();
    for item in value.as_array().unwrap() {
        match item.as_array() {
            Some(run) => {
                let count = usize::try_from(run[1].as_u64().unwrap()).unwrap();
                out.extend(std::iter::repeat_n(run[0].as_i64().unwrap(), count));
            }
            None => out.push(item.as_i64().unwrap()),
        }
    }
    out
}

fn ids(value: &Value) -> Vec<u32> {
    numbers(value)
        .into_iter()
        .map(|id| u32::try_from(id).unwrap())
        .collect()
}

fn turns(case: &Value) -> Vec<ChatTurn<'_>> {
    let turns = case["conversations"].as_array().unwrap();
    turns
        .iter()
        .map(|turn| ChatTurn {
            from: turn["from"].as_str().unwrap(),
            value: turn["value"].as_str().unwrap(),
        })
        .collect()
}

fn all_tokens() -> CoordinateConfig {
    CoordinateConfig::default()
}

/// The encoder of a training stage: the first knows the tokens of the visual slots only.
fn encoder(base: &Tokenizer, stage: u64) -> InputEncoder {
    let mut config = ModelConfig::published_7b();
    let coordinates = all_tokens();
    let extra = if stage == 1 {
        ExtraTokens::Visual
    } else {
        ExtraTokens::Coordinates(&coordinates)
    };
    let tokenizer = base.clone().with_extra_tokens(extra);
    config.text.vocab_size = tokenizer.vocabulary();
    InputEncoder::new(tokenizer, &config).unwrap()
}

#[test]
fn golden_tokenizer_extra_tokens_have_their_ids() {
    let Some(folder) = golden() else { return };
    let coordinates = all_tokens();
    let tokenizer = tokenizer(&folder).with_extra_tokens(ExtraTokens::Coordinates(&coordinates));
    let extra: Value =
        serde_json::from_slice(&std::fs::read(folder.join("extra_tokens.json")).unwrap()).unwrap();
    let first = u32::try_from(extra["first_id"].as_u64().unwrap()).unwrap();
    for (token, id) in extra["tokens"].as_array().unwrap().iter().zip(first..) {
        assert_eq!(tokenizer.id(token.as_str().unwrap()), Some(id), "{token}");
    }
}

#[test]
fn golden_tokenizer_texts() {
    let Some(folder) = golden() else { return };
    let base = tokenizer(&folder);
    let coordinates = all_tokens();
    let full = base
        .clone()
        .with_extra_tokens(ExtraTokens::Coordinates(&coordinates));
    for case in cases(&folder, "qwen2_cases.jsonl") {
        let (number, text) = (&case["id"], case["text"].as_str().unwrap());
        let plain = base.encode(text).unwrap();
        assert_eq!(plain, ids(&case["ids"]), "case {number}");
        assert_eq!(
            base.decode(&plain, false).unwrap(),
            case["decoded"].as_str().unwrap(),
            "case {number}"
        );
        let extra = full.encode(text).unwrap();
        let expected = if case["ids_with_extra"].is_null() {
            plain
        } else {
            ids(&case["ids_with_extra"])
        };
        assert_eq!(extra, expected, "case {number} with extra tokens");
        let decoded = case["decoded_with_extra"]
            .as_str()
            .unwrap_or_else(|| case["decoded"].as_str().unwrap());
        assert_eq!(
            full.decode(&extra, false).unwrap(),
            decoded,
            "case {number} with extra tokens"
        );
        let skipped = case["decoded_with_extra_skip_special"].as_str().unwrap();
        assert_eq!(
            full.decode(&extra, true).unwrap(),
            skipped,
            "case {number} without special tokens"
        );
    }
}

#[test]
fn golden_tokenizer_decoding() {
    let Some(folder) = golden() else { return };
    let coordinates = all_tokens();
    let tokenizer = tokenizer(&folder).with_extra_tokens(ExtraTokens::Coordinates(&coordinates));
    for case in cases(&folder, "decode_cases.jsonl") {
        let given = ids(&case["ids"]);
        assert_eq!(
            tokenizer.decode(&given, false).unwrap(),
            case["decoded"].as_str().unwrap(),
            "{}",
            case["id"]
        );
        let skipped = case["decoded_skip_special"].as_str().unwrap();
        assert_eq!(
            tokenizer.decode(&given, true).unwrap(),
            skipped,
            "{} without special tokens",
            case["id"]
        );
    }
}

/// Compares one case of a chat file and says how many of its parts were compared.
fn check_chat(encoder: &InputEncoder, case: &Value) -> usize {
    let turns = turns(case);
    let kind = &case["kind"];
    let mut compared = 0;
    if case["train"]
        .get("expanded")
        .is_none_or(|expanded| !expanded.is_null())
    {
        let found = encoder.encode_chat(&turns).unwrap();
        assert_eq!(
            found.ids,
            ids(&case["train"]["input_ids"]),
            "{kind}: ids in training"
        );
        assert_eq!(
            found.labels,
            numbers(&case["train"]["labels"]),
            "{kind}: labels"
        );
        for slot in &found.visual {
            let labelled = found.ids[slot.start..slot.start + slot.len]
                .iter()
                .collect::<std::collections::HashSet<_>>();
            assert_eq!(labelled.len(), 3, "{kind}: a slot is start, patches, end");
        }
        compared += 1;
    }
    if !case["infer"].is_null() {
        let prompt = encoder.encode_chat_prompt(&turns[..1]).unwrap();
        assert_eq!(
            prompt.ids,
            ids(&case["infer"]["input_ids"]),
            "{kind}: ids in inference"
        );
        compared += 1;
    }
    compared
}

#[test]
fn golden_tokenizer_chat() {
    let Some(folder) = golden() else { return };
    let base = tokenizer(&folder);
    let encoders: Vec<InputEncoder> = (1..=3).map(|stage| encoder(&base, stage)).collect();
    let mut compared = 0;
    for case in cases(&folder, "chat.jsonl") {
        let stage = usize::try_from(case["stage"].as_u64().unwrap()).unwrap();
        compared += check_chat(&encoders[stage - 1], &case);
    }
    println!("{compared} encodings equal");
}

#[test]
fn golden_tokenizer_chat_without_slow_markers() {
    let Some(folder) = golden() else { return };
    let options = InputOptions {
        video: VideoMarkers::Slow,
        ..InputOptions::default()
    };
    let encoder = encoder(&tokenizer(&folder), 3).with_options(options);
    for case in cases(&folder, "chat_no_slow.jsonl") {
        assert_eq!(check_chat(&encoder, &case), 2);
    }
}

#[test]
fn golden_tokenizer_records_that_the_original_drops_are_refused() {
    let Some(folder) = golden() else { return };
    let encoder = encoder(&tokenizer(&folder), 3);
    for case in cases(&folder, "chat.jsonl") {
        if !case["train"].get("expanded").is_some_and(Value::is_null) {
            continue;
        }
        let mut json = String::new();
        write!(
            json,
            r#"{{"id":"x","video":"v.mp4","conversations":{}}}"#,
            case["conversations"]
        )
        .unwrap();
        let record: st_schema::Record = serde_json::from_str(&json).unwrap();
        assert!(encoder.encode_train(&record).is_err(), "{}", case["kind"]);
    }
}
