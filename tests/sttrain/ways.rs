//! Other ways to the same weights: several replicas, layers run again, 16 bits; and other places to start from.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::runs::{Place, text};

/// Two passes of two clips a step, so that two replicas have something to share.
const TWO_PASSES: [&str; 2] = ["--set", "batch={records: 2}"];

pub(crate) fn run(place: &Place, name: &str, more: &[&str]) -> String {
    let name = format!("name={name}");
    let output = place.run(&[&["recipe.yaml", "-q", "--set", &name][..], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

fn losses(place: &Place, name: &str) -> Vec<f64> {
    let path = place.path().join("runs").join(name).join("metrics.jsonl");
    let lines = fs_err::read_to_string(path).unwrap();
    let loss = |line: &str| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64();
    lines.lines().filter_map(loss).collect()
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < tolerance * a.abs(), "{a} {b}");
    }
}

#[test]
fn two_replicas_follow_the_loss_of_one_and_repeat_themselves() {
    let place = Place::new();
    run(&place, "one", &TWO_PASSES);
    let two = [&TWO_PASSES[..], &["--devices", "2"]].concat();
    run(&place, "two", &two);
    run(&place, "again", &two);
    assert_close(&losses(&place, "one"), &losses(&place, "two"), 1e-4);
    assert_eq!(place.model("two"), place.model("again"));
}

#[test]
fn replicas_on_one_device_refuse_dropout() {
    let place = Place::new();
    let dropout = "lora={rank: 2, alpha: 4, dropout: 0.1}";
    let output = place.run(&["recipe.yaml", "--devices", "2", "--set", dropout]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("lora.dropout"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn layers_run_again_follow_the_loss_of_layers_kept() {
    let place = Place::new();
    run(&place, "kept", &[]);
    run(&place, "again", &["--set", "gradient_checkpointing=true"]);
    assert_close(&losses(&place, "kept"), &losses(&place, "again"), 1e-4);
}

#[test]
fn sixteen_bits_learn_and_resume_to_the_bit() {
    let place = Place::new();
    let half = ["--set", "precision=bfloat16"];
    run(&place, "whole", &[]);
    run(&place, "half", &half);
    assert_close(&losses(&place, "whole"), &losses(&place, "half"), 0.05);
    // The optimizer's 32-bit originals are in the checkpoint: take the end away, and go on from step 9.
    let folder = place.path().join("runs/half");
    let whole = place.model("half");
    fs_err::remove_dir_all(folder.join("model")).unwrap();
    fs_err::remove_dir_all(folder.join("checkpoints/step-000012")).unwrap();
    assert!(folder.join("checkpoints/step-000009").exists());
    run(&place, "half", &half);
    assert_eq!(place.model("half"), whole);
}

fn tensors(folder: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs_err::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| {
        data.as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect()
    };
    file.iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.shape().to_vec(), values(view.data())),
            )
        })
        .collect()
}

/// Makes a model folder as if this project's tokens had never been added: the tokenizer forgets them, tables lose their rows and get
/// two rows of padding, and coordinates are gone.
fn forget_tokens(folder: &Path) -> usize {
    let path = folder.join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let added = json["added_tokens"].as_array_mut().unwrap();
    added.retain(|token| token["content"].as_str().unwrap().starts_with("<|"));
    let known = json["model"]["vocab"].as_object().unwrap().len() + added_behind(&json);
    fs_err::write(&path, json.to_string()).unwrap();
    let mut kept = Vec::new();
    for (name, (mut shape, mut values)) in tensors(folder) {
        if name.starts_with("model.temporal_") || name.starts_with("model.spatial_") {
            continue;
        }
        if name == "model.embed_tokens.weight" || name == "lm_head.weight" {
            shape[0] = known + 2;
            values.truncate(known * shape[1]);
            values.resize((known + 2) * shape[1], 1e6);
        }
        kept.push((name, shape, values));
    }
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = kept
        .into_iter()
        .map(|(name, shape, values)| {
            (
                name,
                shape,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data);
        (name.clone(), view.unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    fs_err::write(folder.join("model.safetensors"), file).unwrap();
    known
}

/// Added tokens whose ids lie behind the vocabulary of the byte pairs.
fn added_behind(json: &Value) -> usize {
    let vocabulary = json["model"]["vocab"].as_object().unwrap();
    let added = json["added_tokens"].as_array().unwrap();
    let is_new = |token: &&Value| !vocabulary.contains_key(token["content"].as_str().unwrap());
    added.iter().filter(is_new).count()
}

/// The pictures of the toy set without coordinates, as in stage 1.
fn captions(place: &Place) {
    let root = place.path().join("data");
    let text = fs_err::read_to_string(root.join("toy/rec.json")).unwrap();
    let mut records: Value = serde_json::from_str(&text).unwrap();
    for record in records.as_array_mut().unwrap() {
        record["task"] = "conversation".into();
        record["conversations"][1]["value"] = "Somewhere in the picture.".into();
        record["variables"] = serde_json::json!({});
    }
    fs_err::write(root.join("toy/captions.json"), records.to_string()).unwrap();
    let yaml = "datasets:\n  - {json_path: toy/captions.json, data_folder: ., source: toy, sampling_strategy: all}\n";
    fs_err::write(root.join("captions.yaml"), yaml).unwrap();
}

#[test]
fn a_model_that_knows_no_coordinates_gets_rows_for_them() {
    let place = Place::new();
    run(&place, "base", &[]);
    let base = place.path().join("runs/base/model");
    let before = tensors(&base);
    let known = forget_tokens(&base);
    // The vocabulary in config.json now counts the padding, as published ones do.
    let config = base.join("config.json");
    let mut json: Value = serde_json::from_slice(&fs_err::read(&config).unwrap()).unwrap();
    json["vocab_size"] = (known + 2).into();
    json["llava_st"]["text"]["vocab_size"] = (known + 2).into();
    fs_err::write(&config, json.to_string()).unwrap();

    let stage = "phases=[]";
    let start = "model={kind: folder, path: runs/base/model, fresh: [packers, coordinates]}";
    let tokenizer = "tokenizer=null";
    let common = [
        "--set", "steps=1", "--set", stage, "--set", start, "--set", tokenizer,
    ];
    captions(&place);
    let stages = [
        ("visual", "alignment", "captions.yaml", 8),
        ("all", "coordinates", "toy.yaml", 14),
    ];
    for (name, objective, records, added) in stages {
        let objective = format!("objective={objective}");
        let data = format!("data={{records: [{records}], shards: [shards/toy]}}");
        let more = [
            "--set",
            objective.as_str(),
            "--set",
            data.as_str(),
            "--set",
            "train=[packers]",
        ];
        let said = run(&place, name, &[&common[..], &more[..]].concat());
        // Pictures do not pass through the packers.
        assert_eq!(name == "visual", said.contains("teaches"), "{said}");
        let after = tensors(&place.path().join("runs").join(name).join("model"));
        for table in ["model.embed_tokens.weight", "lm_head.weight"] {
            let (shape, values) = &after[table];
            let width = shape[1];
            assert_eq!(shape[0], known + added, "{table}");
            let old = &before[table].1[..known * width];
            assert_eq!(&values[..known * width], old, "{table}: known rows stay");
            for column in 0..width {
                let sum: f64 = (0..known)
                    .map(|row| f64::from(old[row * width + column]))
                    .sum();
                #[expect(clippy::cast_precision_loss, reason = "a few hundred rows")]
                let mean = sum / known as f64;
                let new = f64::from(values[(known + added - 1) * width + column]);
                assert!((new - mean).abs() < 1e-6, "{table}: {new} {mean}");
            }
        }
    }
}

/// Writes what a command of `sttrain export` makes, in 32 bits.
pub(crate) fn export(place: &Place, args: &[&str]) {
    let output = place.run(&[&["export", "--dtype", "f32"][..], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Trains adapters on the run `base`, as the run `adapted`, and exports them as the folder `adapter`.
pub(crate) fn adapted(place: &Place) {
    let lora = [
        "--set",
        "model={kind: folder, path: runs/base/model}",
        "--set",
        "tokenizer=null",
        "--set",
        "phases=[]",
        "--set",
        "lora={rank: 2, alpha: 4, dropout: 0}",
        "--set",
        "train=[lora]",
    ];
    run(place, "adapted", &lora);
    let from = "runs/adapted/checkpoints/step-000012";
    export(place, &[from, "--adapter", "--out", "adapter"]);
}

#[test]
fn an_adapter_folder_is_merged_into_the_model_it_belongs_to() {
    let place = Place::new();
    run(&place, "base", &[]);
    adapted(&place);
    let start = "model={kind: folder, path: runs/base/model, adapter: adapter}";
    // One step of the packers alone: the decoder is what it was at the start.
    let more = [
        "--set",
        start,
        "--set",
        "tokenizer=null",
        "--set",
        "phases=[]",
        "--set",
        "steps=1",
        "--set",
        "train=[packers]",
    ];
    run(&place, "from_adapter", &more);
    let model = |name: &str| tensors(&place.path().join("runs").join(name).join("model"));
    let (merged, loaded, base) = (model("adapted"), model("from_adapter"), model("base"));
    let mut changed = 0;
    for (name, (_, values)) in &merged {
        if !name.starts_with("model.layers.") {
            continue;
        }
        changed += usize::from(*values != base[name].1);
        for (a, b) in values.iter().zip(&loaded[name].1) {
            assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
        }
    }
    assert!(changed >= 7, "{changed} layers have an adapter that learnt");
}
