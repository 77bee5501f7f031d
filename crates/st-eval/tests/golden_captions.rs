//! Tokens, BLEU, METEOR, ROUGE-L and CIDEr on `golden/metrics`. METEOR needs its resources: `$ST_METEOR` names their folder.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failing test may panic, and a skipped one says so"
)]

use std::path::PathBuf;

use serde_json::Value;
use st_eval::captions::{Meteor, Pair, bleu, cider, raw_tokens, rouge_l, tokenize};

const TOLERANCE: f64 = 1e-6;
/// METEOR's search breaks ties by the order of a Java sort; what little may differ is bounded.
const METEOR_TOLERANCE: f64 = 1e-4;
const METEOR_SHARE: f64 = 0.99;

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

/// Every file of captions in the folder, by name.
fn caption_files(folder: &std::path::Path) -> Vec<(String, Vec<Value>)> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.strip_suffix(".jsonl")?;
            stem.starts_with("captions_").then(|| stem.to_owned())
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{}: no captions", folder.display());
    names
        .into_iter()
        .map(|name| {
            let items = lines(&folder.join(format!("{name}.jsonl")));
            (name, items)
        })
        .collect()
}

fn pair_of(item: &Value) -> Pair {
    let references = strings(&item["refs"]);
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    Pair::of_texts(&references, item["hyp"].as_str().unwrap())
}

#[test]
fn golden_metrics_meteor() {
    let Some(folder) = folder() else { return };
    let Some(resources) = std::env::var_os("ST_METEOR") else {
        eprintln!("skipped: ST_METEOR names no folder with METEOR's resources");
        return;
    };
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("scores.json")).unwrap())
            .unwrap();
    let (mut items, mut wrong) = (0, Vec::new());
    for (name, cases) in caption_files(&folder) {
        let Some(expected) = all.get(&name) else {
            continue;
        };
        let pairs: Vec<Pair> = cases.iter().map(pair_of).collect();
        let meteor = Meteor::load(resources.as_ref(), &pairs).unwrap();
        let (corpus, ours) = meteor.score(&pairs);
        for (index, (ours, case)) in ours.iter().zip(&cases).enumerate() {
            let theirs = case["METEOR"].as_f64().unwrap();
            items += 1;
            if (ours - theirs).abs() > METEOR_TOLERANCE {
                wrong.push(format!(
                    "{name} line {}: {ours}, theirs {theirs}",
                    index + 1
                ));
            }
        }
        let theirs = expected["METEOR"].as_f64().unwrap();
        assert!(
            (corpus - theirs).abs() <= METEOR_TOLERANCE,
            "{name}: {corpus}, theirs {theirs}; items:\n{}",
            wrong.join("\n")
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "hundreds of items")]
    let right = (items - wrong.len()) as f64;
    #[expect(clippy::cast_precision_loss, reason = "hundreds of items")]
    let enough = items as f64 * METEOR_SHARE;
    assert!(
        right >= enough,
        "{} of {items} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    eprintln!("METEOR: {} of {items} items differ", wrong.len());
}

/// The second item of every edge case. The folder does not say its words; these are the only ones of their kind that its
/// numbers allow: the first three of six words, one and three of them function words, `a` in the reference alone.
fn second_item() -> Pair {
    Pair::of_texts(&["the cat sits on a mat"], "the cat sits")
}

#[test]
fn golden_metrics_edge_captions() {
    let Some(folder) = folder() else { return };
    let cases = lines(&folder.join("captions_edge.jsonl"));
    let meteor = std::env::var_os("ST_METEOR").map(|resources| {
        let pairs = cases.iter().map(pair_of).chain([second_item()]);
        Meteor::load(resources.as_ref(), &pairs.collect::<Vec<_>>()).unwrap()
    });
    for (index, case) in cases.iter().enumerate() {
        let what = format!("captions_edge line {}", index + 1);
        let pairs = [pair_of(case), second_item()];
        let (item, scores) = (&case["item"], &case["scores"]);
        assert_eq!(pairs[0].references, strings(&item["refs_tok"]), "{what}");
        assert_eq!(pairs[0].hypothesis, item["hyp_tok"], "{what}");
        let (corpus, items) = bleu(&pairs);
        for order in 0..4 {
            let name = format!("Bleu_{}", order + 1);
            near(items[0][order], &item[&name], &what);
            near(corpus[order], &scores[&name], &what);
            // BLEU of fewer orders is the beginning of BLEU of more.
            for (below, theirs) in scores[format!("Bleu({})", order + 1)]
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
            {
                near(corpus[below], theirs, &what);
            }
        }
        let (corpus, items) = rouge_l(&pairs);
        near(items[0], &item["ROUGE_L"], &what);
        near(corpus, &scores["ROUGE_L"], &what);
        let (corpus, items) = cider(&pairs).unwrap();
        near(items[0], &item["CIDEr"], &what);
        near(corpus, &scores["CIDEr"], &what);
        if let Some(meteor) = &meteor {
            let (corpus, items) = meteor.score(&pairs);
            near(items[0], &item["METEOR"], &what);
            near(corpus, &scores["METEOR"], &what);
        }
    }
}
