//! Training steps and stages against what the original PyTorch code did; see `train.json` and the README beside it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    reason = "the module that reads the golden folder is the model's"
)]

#[path = "../../st-model/tests/golden_model/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use reference::{Tensors, batch, clips, config_json, folder, frames, model, model_config};
use serde_json::Value;
use st_model::lora::LoraConfig;
use st_model::loss::Objective;
use st_model::model::LlavaSt;
use st_model::siglip::patches;
use st_model::weights::{from_peft_name, published_name};
use st_train::optimizer::{NamedGradients, Optimizer, rule};
use st_train::recipe::{Group, OptimizerPlan, Part, Recipe, parse};

fn train_json() -> Option<Value> {
    let path = folder()?.join("train.json");
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn lora_config(train: &Value) -> LoraConfig {
    let targets: Vec<String> = serde_json::from_value(train["lora"]["targets"].clone()).unwrap();
    let last: BTreeSet<String> = targets
        .iter()
        .map(|t| t.rsplit('.').next().unwrap().to_owned())
        .collect();
    LoraConfig {
        r: train["lora"]["r"].as_u64().unwrap() as usize,
        lora_alpha: train["lora"]["alpha"].as_f64().unwrap(),
        lora_dropout: train["lora"]["dropout"].as_f64().unwrap(),
        target_modules: last.into_iter().collect(),
    }
}

/// Rates by published name, as the original's optimizer groups have them.
fn rates(groups: &Value) -> BTreeMap<String, Value> {
    let mut rates = BTreeMap::new();
    for group in groups.as_array().unwrap() {
        for name in group["params"].as_array().unwrap() {
            let mut rate = group.clone();
            rate.as_object_mut().unwrap().remove("params");
            rates.insert(from_peft_name(name.as_str().unwrap()), rate);
        }
    }
    rates
}

fn optimizer_plan(json: &Value) -> OptimizerPlan {
    OptimizerPlan {
        lr: json["resampler_lr"].as_f64().unwrap(),
        betas: serde_json::from_value(json["betas"].clone()).unwrap(),
        eps: json["eps"].as_f64().unwrap(),
        weight_decay: json["weight_decay"].as_f64().unwrap(),
        clip_norm: json["grad_clip_norm"].as_f64(),
        muon: None,
        groups: vec![Group {
            parts: vec![Part::Lora],
            lr: json["lr"].as_f64().unwrap(),
            weight_decay: None,
        }],
    }
}

/// The model with the golden adapters, ready to train, on a device with autodiff.
fn start(json: &Value, train: &Value, golden: &Tensors) -> LlavaSt {
    let names: BTreeSet<String> = rates(&train["groups"]).into_keys().collect();
    let model = model(json, &Device::flex().autodiff()).with_lora(&lora_config(train));
    let prefix = "init.";
    let found = golden.names();
    let init: BTreeMap<String, &String> = found
        .iter()
        .filter_map(|n| Some((from_peft_name(n.strip_prefix(prefix)?), n)))
        .collect();
    assert!(!init.is_empty(), "no adapters at the start");
    let model = model.map_values(&mut |name, shape| {
        let values = golden.values(init.get(name)?);
        Some(TensorData::new(
            values.iter().map(|v| *v as f32).collect::<Vec<_>>(),
            shape.to_vec(),
        ))
    });
    model.set_trainable(&|name| names.contains(name))
}

fn values(model: &LlavaSt) -> BTreeMap<String, Vec<f64>> {
    model
        .named_tensors()
        .map(|(name, data)| (name, data.iter::<f64>().collect()))
        .collect()
}

#[test]
fn golden_train_five_steps() {
    let (Some(json), Some(train), Some(golden)) = (
        config_json(),
        train_json(),
        Tensors::open("lora.safetensors"),
    ) else {
        return;
    };
    let forward = Tensors::open("forward_video.safetensors").unwrap();
    let case = train["case"].as_str().unwrap();
    let (batch, kinds) = batch(&json, &forward, case);
    let plan = optimizer_plan(&train["optimizer"]);
    let mut model = start(&json, &train, &golden);
    let before = values(&model);
    let features = features(&json, &model);
    let mut optimizer = Optimizer::default();
    let expected: Vec<f64> = serde_json::from_value(train["losses"].clone()).unwrap();
    let norms: Vec<f64> = serde_json::from_value(train["grad_norm_before_clip"].clone()).unwrap();
    let loss_of = |model: &LlavaSt| {
        let visual = model.visual_tokens(features.clone(), &clips(&kinds), Objective::Coordinates);
        model
            .loss(&batch, &visual, Objective::Coordinates)
            .per_record
            .sum()
    };
    let mut worst = (0.0_f64, 0.0_f64);
    for (expected, norm) in expected.iter().zip(&norms) {
        let loss = loss_of(&model);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        worst.0 = worst
            .0
            .max((f64::from(loss.into_scalar::<f32>()) - expected).abs());
        let mut grads = NamedGradients::default();
        grads.add(&model, gradients, published_name);
        let found = grads
            .squared_norms()
            .iter()
            .map(|(_, s)| s)
            .sum::<f64>()
            .sqrt();
        worst.1 = worst.1.max((found / norm - 1.0).abs());
        grads.clip(found, plan.clip_norm);
        model = optimizer.step(model, grads, &plan, 1.0, published_name);
    }
    let last = f64::from(loss_of(&model).into_scalar::<f32>());
    worst.0 = worst
        .0
        .max((last - train["loss_after_step5"].as_f64().unwrap()).abs());
    println!(
        "losses within {:.1e}, gradient norms within {:.1e}",
        worst.0, worst.1
    );
    assert!(worst.0 < 1e-4, "losses differ by {:e}", worst.0);
    assert!(worst.1 < 1e-4, "gradient norms differ by {:e}", worst.1);
    compare_updates(&train, &golden, &before, &values(&model));
}

/// Tower and projector rest in all stages, so their output is plain.
fn features(json: &Value, model: &LlavaSt) -> Tensor<3> {
    use burn::module::Module;
    let (image, video) = (
        frames(json, 1, "seed_image"),
        frames(json, model.config.video.frames, "seed_video"),
    );
    let patches = patches(&[&image, &video], &model.config.vision, &Device::flex()).unwrap();
    model.valid().encode_frames(patches)
}

/// At least 99 % of each tensor's entries moved as the original's, within a tenth of the rate. The README names what is left out:
/// key biases, whose true gradient is zero. Parameters that are in no group must not move at all.
fn compare_updates(
    train: &Value,
    golden: &Tensors,
    before: &BTreeMap<String, Vec<f64>>,
    after: &BTreeMap<String, Vec<f64>>,
) {
    let rates = rates(&train["groups"]);
    let names = golden.names();
    let mut compared = 0;
    let mut worst = (1.0_f64, String::new());
    for name in names.iter().filter(|n| n.starts_with("after5.")) {
        let published = from_peft_name(name.strip_prefix("after5.").unwrap());
        let rate = rates[&published]["lr"].as_f64().unwrap();
        let (expected, shape) = golden.get(name).unwrap();
        let third = shape[0] / 3;
        let skipped = |i: usize| {
            published.ends_with(".ln_k.bias")
                || (published.ends_with(".attn.in_proj_bias") && (third..2 * third).contains(&i))
        };
        let checked: Vec<usize> = (0..expected.len()).filter(|i| !skipped(*i)).collect();
        if checked.is_empty() {
            continue;
        }
        let near = checked
            .iter()
            .filter(|&&i| (after[&published][i] - expected[i]).abs() <= 0.1 * rate)
            .count();
        let fraction = near as f64 / checked.len() as f64;
        if fraction < worst.0 {
            worst = (fraction, published.clone());
        }
        if published.contains("token_packer_fast") {
            assert_eq!(after[&published], before[&published], "{published} moved");
        }
        compared += 1;
    }
    assert_eq!(compared, rates.len() - left_out(&rates), "tensors compared");
    println!(
        "{compared} tensors, fewest entries within 0.1 x rate: {:.4} ({})",
        worst.0, worst.1
    );
    assert!(
        worst.0 >= 0.99,
        "{}: only {:.4} of the entries",
        worst.1,
        worst.0
    );
    for (name, values) in after.iter().filter(|(n, _)| !rates.contains_key(*n)) {
        assert_eq!(values, &before[name], "{name} should rest");
    }
}

fn left_out(rates: &BTreeMap<String, Value>) -> usize {
    rates.keys().filter(|n| n.ends_with(".ln_k.bias")).count()
}

fn recipe(name: &str) -> Recipe {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../recipes")
        .join(format!("{name}.yaml"));
    parse(&std::fs::read_to_string(path).unwrap(), &[]).unwrap()
}

#[test]
fn golden_train_stages() {
    let (Some(json), Some(train)) = (config_json(), train_json()) else {
        return;
    };
    for (name, stage) in train["stages"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, s)| s.get("trainable").is_some())
    {
        let recipe = recipe(name);
        let mut model = model_config(&json).init(&Device::flex()).unwrap();
        if let Some(lora) = &recipe.lora {
            assert_eq!((lora.rank, lora.alpha), (128, 256.0));
            model = model.with_lora(&lora_config(&train));
        }
        let rests = |name: &str| recipe.lora.is_some() && Part::of(name) == Part::Decoder;
        let found: BTreeMap<String, Vec<usize>> = model
            .named_parameters()
            .into_iter()
            .filter(|p| Part::any(&recipe.train, &p.name) && !rests(&p.name))
            .map(|p| (p.name.clone(), p.shape))
            .collect();
        let expected: BTreeSet<String> = stage["trainable"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| from_peft_name(n.as_str().unwrap()))
            .collect();
        assert_eq!(
            found.keys().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{name}: trainable"
        );
        let rates = rates(&stage["groups"]);
        assert_eq!(
            rates.keys().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{name}: the golden's own groups"
        );
        for (parameter, dims) in &found {
            let rule = rule(&recipe.optimizer, parameter, dims);
            let rate = &rates[parameter];
            assert_eq!(Some(rule.lr), rate["lr"].as_f64(), "{name}: {parameter}");
            assert_eq!(
                Some(rule.weight_decay),
                rate["weight_decay"].as_f64(),
                "{name}: {parameter}"
            );
            assert_eq!(
                serde_json::to_value(recipe.optimizer.betas).unwrap(),
                rate["betas"],
                "{name}"
            );
            assert_eq!(Some(recipe.optimizer.eps), rate["eps"].as_f64(), "{name}");
        }
        println!("{name}: {} tensors in their groups", found.len());
    }
}
