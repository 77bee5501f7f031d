//! Tokens, BLEU, ROUGE-L and CIDEr on `golden/metrics`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failing test may panic, and a skipped one says so"
)]

use std::path::PathBuf;

use serde_json::Value;
use st_eval::captions::{Pair, bleu, cider, raw_tokens, rouge_l, tokenize};

const TOLERANCE: f64 = 1e-6;

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ST_GOLDEN").map(PathBuf::from);
    let root = named
        .clone()
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden").into());
    let folder = root.join("metrics");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        named.is_none(),
        "ST_GOLDEN is set, but {} is no folder",
        folder.display()
    );
    eprintln!("skipped: {} is not here", folder.display());
    None
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn near(ours: f64, theirs: &Value, what: &str) {
    let theirs = theirs
        .as_f64()
        .unwrap_or_else(|| panic!("{what}: {theirs} is no number"));
    assert!(
        (ours - theirs).abs() <= TOLERANCE,
        "{what}: ours {ours}, theirs {theirs}"
    );
}

#[test]
fn golden_metrics_ptb_tokens() {
    let Some(folder) = folder() else { return };
    let mut wrong = Vec::new();
    let cases = lines(&folder.join("ptb.jsonl"));
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let neutral = case
            .get("raw_tokens_between_neutral_lines")
            .unwrap_or(&case["raw_tokens"]);
        let (raw, tokens) = (raw_tokens(text), tokenize(text));
        let raw_right = raw == case["raw_tokens"] || raw == *neutral;
        if !raw_right || (tokens != case["tokenized"] && raw != *neutral) {
            wrong.push(format!(
                "{text}\n  ours   {raw}\n  theirs {}",
                case["raw_tokens"].as_str().unwrap()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn golden_metrics_captions() {
    let Some(folder) = folder() else { return };
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("scores.json")).unwrap())
            .unwrap();
    for name in ["captions_elc", "captions_multi", "captions_english"] {
        let items = lines(&folder.join(format!("{name}.jsonl")));
        let pairs: Vec<Pair> = items
            .iter()
            .map(|item| {
                let references = strings(&item["refs"]);
                let references: Vec<&str> = references.iter().map(String::as_str).collect();
                let pair = Pair::of_texts(&references, item["hyp"].as_str().unwrap());
                assert_eq!(pair.references, strings(&item["refs_tok"]), "{name}");
                assert_eq!(pair.hypothesis, item["hyp_tok"], "{name}");
                pair
            })
            .collect();
        let (corpus_bleu, bleus) = bleu(&pairs);
        let (corpus_rouge, rouges) = rouge_l(&pairs);
        let (corpus_cider, ciders) = cider(&pairs).unwrap();
        for (index, item) in items.iter().enumerate() {
            let what = format!("{name} line {}", index + 1);
            for order in 0..4 {
                near(
                    bleus[index][order],
                    &item[format!("Bleu_{}", order + 1)],
                    &what,
                );
            }
            near(rouges[index], &item["ROUGE_L"], &what);
            near(ciders[index], &item["CIDEr"], &what);
        }
        let expected = &all[name];
        for (order, score) in corpus_bleu.iter().enumerate() {
            near(*score, &expected[format!("Bleu_{}", order + 1)], name);
        }
        near(corpus_rouge, &expected["ROUGE_L"], name);
        near(corpus_cider, &expected["CIDEr"], name);
    }
}
