//! The model against tensors that the original `PyTorch` code computed; see the README beside them for formulas and tolerances.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small integers of golden files"
)]

mod reference;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use reference::{Judge, Tensors, batch, clips, config_json, frames, model, packer_input};
use serde_json::Value;
use st_model::batch::Batch;
use st_model::config::{VideoStreams, WidthInput};
use st_model::coordinates::index;
use st_model::lape::{Lape, resize};
use st_model::lora::LoraConfig;
use st_model::loss::{Objective, Reduction, targets};
use st_model::model::{LlavaSt, VisualTokens};
use st_model::siglip::patches;
use st_model::weights::{Loading, from_peft_name};
use st_schema::Axis;

const FORWARD: f64 = 1e-4;
const PACKER: f64 = 2e-5;
const LOSS: f64 = 5e-5;
const GRADIENT: f64 = 1e-4;

/// Tower output of the image, then of the video, on a device without gradients.
fn tower_states(json: &Value, model: &LlavaSt) -> Tensor<3> {
    let (image, video) = (
        frames(json, 1, "seed_image"),
        frames(json, model.config.video.frames, "seed_video"),
    );
    let patches = patches(&[&image, &video], &model.config.vision, &Device::flex()).unwrap();
    model.model.vision_tower.forward(patches)
}

#[test]
fn golden_model_vision() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("vision.safetensors")) else {
        return;
    };
    let model = model(&json, &Device::flex());
    let count = golden.get("tower").unwrap().1[0];
    let mut judge = Judge::default();
    let video = patches(
        &[&frames(&json, count, "seed_video")],
        &model.config.vision,
        &Device::flex(),
    )
    .unwrap();
    let tower = &model.model.vision_tower;
    let embeddings = tower.embeddings.forward(video.clone().narrow(0, 0, 1));
    let after = tower.encoder.layers[0].forward(embeddings.clone());
    judge.tensor(
        "tower",
        "frame0.embeddings",
        embeddings,
        &golden.values("frame0.embeddings"),
        FORWARD,
    );
    judge.tensor(
        "tower",
        "frame0.after_layer0",
        after,
        &golden.values("frame0.after_layer0"),
        FORWARD,
    );
    let image = patches(
        &[&frames(&json, 1, "seed_image")],
        &model.config.vision,
        &Device::flex(),
    )
    .unwrap();
    for (name, patches) in [("", video), ("image.", image)] {
        let states = tower.forward(patches);
        judge.tensor(
            "tower",
            &format!("{name}tower"),
            states.clone(),
            &golden.values(&format!("{name}tower")),
            FORWARD,
        );
        let projected = model.model.mm_projector.forward(states);
        let name = format!("{name}projector");
        judge.tensor(
            "projector",
            &name,
            projected,
            &golden.values(&name),
            FORWARD,
        );
    }
    judge.finish("vision");
}

#[test]
fn golden_model_siglip_raw() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("siglip_raw.safetensors"))
    else {
        return;
    };
    let device = Device::flex();
    let fresh = reference::model_config(&json).init(&device).unwrap();
    let loaded = fresh
        .load_named(&golden.parsed(), Loading::siglip())
        .unwrap();
    let weights: BTreeMap<_, _> = model(&json, &device).named_tensors().collect();
    let mut compared = 0;
    for (name, data) in loaded
        .named_tensors()
        .filter(|(name, _)| name.contains("vision_tower"))
    {
        data.assert_eq(&weights[&name], true);
        compared += 1;
    }
    println!("siglip_raw: {compared} tensors equal bit for bit");
    assert!(compared > 0);

    let mut narrow = reference::model_config(&json);
    narrow.vision.intermediate_size += 1;
    let error = narrow
        .init(&device)
        .unwrap()
        .load_named(&golden.parsed(), Loading::siglip())
        .unwrap_err();
    assert!(
        error.to_string().contains("mlp.fc1.weight` has shape"),
        "{error}"
    );
}

#[test]
fn golden_model_packer() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("packer.safetensors")) else {
        return;
    };
    let device = Device::flex();
    let model = model(&json, &device);
    let config = &model.config;
    let seed = json["packer_input"]["seed"].as_u64().unwrap();
    let input = packer_input(
        seed,
        [
            config.video.frames,
            config.vision.tokens(),
            config.text.hidden_size,
        ],
        &device,
    );
    let packers = &model.model.vision_resampler;
    let first = packers.first(input);
    let mut judge = Judge::default();
    let sampled = first
        .clone()
        .select(0, index((0..config.video.frames).step_by(11), &device));
    judge.tensor(
        "video",
        "video.first_sample",
        sampled,
        &golden.values("video.first_sample"),
        PACKER,
    );
    judge.tensor(
        "video",
        "video.slow",
        packers.slow(first.clone()),
        &golden.values("video.slow"),
        PACKER,
    );
    judge.tensor(
        "video",
        "video.fast",
        packers.fast(first.clone()),
        &golden.values("video.fast"),
        PACKER,
    );
    let image = first.narrow(0, 0, 1);
    judge.tensor(
        "image",
        "image.first",
        image.clone(),
        &golden.values("image.first"),
        PACKER,
    );
    judge.tensor(
        "image",
        "image.slow",
        packers.slow_image(image.clone()),
        &golden.values("image.slow"),
        PACKER,
    );
    judge.tensor(
        "image",
        "image.fast",
        packers.fast(image),
        &golden.values("image.fast"),
        PACKER,
    );
    judge.finish("packer");
}

#[test]
fn golden_model_lape() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("lape.safetensors")) else {
        return;
    };
    let device = Device::flex();
    let model = model(&json, &device);
    let (config, tables) = (&model.config, &model.model.coordinates);
    let mut judge = Judge::default();
    for (axis, name) in [
        (Axis::Temporal, "temporal"),
        (Axis::Height, "height"),
        (Axis::Width, "width"),
    ] {
        judge.tensor(
            "tables",
            name,
            tables.mean(axis),
            &golden.values(name),
            FORWARD,
        );
        let name = format!("{name}_{}", config.vision.grid());
        if axis != Axis::Temporal {
            judge.tensor(
                "tables",
                &name,
                resize(tables.mean(axis), config.vision.grid()),
                &golden.values(&name),
                FORWARD,
            );
        }
    }
    let lape = Lape::new(tables, config);
    let sample: Vec<usize> = serde_json::from_value(json["lape_sample"]["frames"].clone()).unwrap();
    let stride = json["lape_sample"]["token_stride"].as_u64().unwrap() as usize;
    let tokens = || index((0..config.vision.tokens()).step_by(stride), &device);
    let video = frames(&json, config.video.frames, "seed_video");
    let video = model.encode_frames(patches(&[&video], &config.vision, &device).unwrap());
    let image = model.encode_frames(
        patches(&[&frames(&json, 1, "seed_image")], &config.vision, &device).unwrap(),
    );
    let at_sample = |states: Tensor<3>| {
        states
            .select(0, index(sample.iter().copied(), &device))
            .select(1, tokens())
    };
    let cases = [
        ("video.before_sample", at_sample(video.clone())),
        ("video.after_sample", at_sample(video + lape.video())),
        ("image.before_sample", image.clone().select(1, tokens())),
        (
            "image.after_sample",
            (image + lape.image().unsqueeze()).select(1, tokens()),
        ),
    ];
    for (name, states) in cases {
        judge.tensor("features", name, states, &golden.values(name), FORWARD);
    }
    judge.finish("lape");
}

/// The four ways to read the original: as it is, and with its faults mended.
fn variant(model: &LlavaSt, name: &str) -> LlavaSt {
    let mut model = model.clone();
    model.config.width_input = if matches!(name, "width_fixed" | "all_fixed") {
        WidthInput::Interpolated
    } else {
        WidthInput::Template
    };
    model.config.video_streams = if matches!(name, "fast_fixed" | "all_fixed") {
        VideoStreams::Both
    } else {
        VideoStreams::SlowOnly
    };
    model
}

/// Rows of `[rows, columns, width]` where the mask of the case is one, and the same of the golden.
fn unpadded(found: Tensor<3>, batch: &Batch, expected: &[f64]) -> (Vec<f32>, Vec<f64>) {
    let [_, columns, width] = found.dims();
    let found = found.into_data().try_to_vec::<f32>().unwrap();
    assert_eq!(found.len(), expected.len(), "number of values");
    let real = batch.valid.iter().enumerate().map(|(row, valid)| {
        (row * columns + valid.start) * width..(row * columns + valid.end) * width
    });
    let real: Vec<_> = real.collect();
    let pick = real
        .iter()
        .flat_map(|place| found[place.clone()].iter().copied())
        .collect();
    (
        pick,
        real.iter()
            .flat_map(|place| expected[place.clone()].iter().copied())
            .collect(),
    )
}

fn check_embeds(
    judge: &mut Judge,
    golden: &Tensors,
    case: &str,
    name: &str,
    embeds: Tensor<3>,
    batch: &Batch,
    kind: &'static str,
) {
    if let Some((expected, _)) = golden.get(&format!("{case}.{name}")) {
        let (found, expected) = unpadded(embeds, batch, &expected);
        judge.check(
            kind,
            &format!("{case}.{name}"),
            reference::difference(&found, &expected),
            FORWARD,
        );
    }
}

fn check_case(
    judge: &mut Judge,
    json: &Value,
    golden: &Tensors,
    model: &LlavaSt,
    features: &Tensor<3>,
    case: &str,
) {
    let mut model = model.clone();
    model.config.use_downsample_image = case.ends_with("_downsample");
    let (batch, kinds) = batch(json, golden, case);
    let losses = &json["losses"][case];
    for name in ["", "width_fixed", "fast_fixed", "all_fixed"] {
        let loss_name = if name.is_empty() {
            "loss".to_owned()
        } else {
            format!("loss_{name}")
        };
        let Some(expected_loss) = losses[loss_name.as_str()].as_f64() else {
            continue;
        };
        let model = variant(&model, name);
        let visual = model.visual_tokens(features.clone(), &clips(&kinds), Objective::Coordinates);
        check_streams(judge, golden, case, &visual);
        let embeds = model.inputs_embeds(&batch, &visual, Objective::Coordinates);
        let embeds_name = if name.is_empty() {
            "inputs_embeds".to_owned()
        } else {
            format!("inputs_embeds_{name}")
        };
        check_embeds(
            judge,
            golden,
            case,
            &embeds_name,
            embeds.clone(),
            &batch,
            "embeds",
        );
        let hidden = model.decode(embeds);
        let hidden_name = if name.is_empty() {
            "hidden".to_owned()
        } else {
            format!("hidden_{name}")
        };
        check_embeds(
            judge,
            golden,
            case,
            &hidden_name,
            hidden.clone(),
            &batch,
            "hidden",
        );
        let output = model.loss_of_hidden(hidden.clone(), 0, &batch, Objective::Coordinates);
        let loss = output.reduce(Reduction::SumOfMeans).into_scalar::<f32>();
        judge.check(
            "loss",
            &format!("{case}.{loss_name}"),
            (f64::from(loss) - expected_loss).abs(),
            LOSS,
        );
        if name.is_empty() {
            check_targets(golden, case, &model, &batch);
            check_logits(judge, golden, case, &model, hidden, &batch);
            let expected: Vec<f64> =
                serde_json::from_value(losses["loss_per_sample"].clone()).unwrap();
            judge.tensor(
                "loss",
                &format!("{case}.loss_per_sample"),
                output.per_record,
                &expected,
                LOSS,
            );
        }
    }
}

fn check_streams(judge: &mut Judge, golden: &Tensors, case: &str, visual: &VisualTokens) {
    for (name, stream) in [
        ("fast_features", &visual.fast),
        ("slow_features", &visual.slow),
    ] {
        if let (Some((expected, _)), Some(stream)) = (golden.get(&format!("{case}.{name}")), stream)
        {
            judge.tensor(
                "streams",
                &format!("{case}.{name}"),
                stream.clone(),
                &expected,
                FORWARD,
            );
        }
    }
}

/// Positions, ids and weights of the soft labels are exact.
fn check_targets(golden: &Tensors, case: &str, model: &LlavaSt, batch: &Batch) {
    let found = targets(batch, &model.config, Objective::Coordinates);
    let places: Vec<f64> = found
        .iter()
        .flat_map(|target| [target.row as f64, target.column as f64])
        .collect();
    assert_eq!(
        places,
        golden.values(&format!("{case}.target_pos")),
        "{case}.target_pos"
    );
    let ids: Vec<f64> = found
        .iter()
        .flat_map(|target| [target.floor as f64, target.ceil as f64])
        .collect();
    assert_eq!(
        ids,
        golden.values(&format!("{case}.target_id")),
        "{case}.target_id"
    );
    let weights: Vec<f64> = found.iter().map(|target| target.ceil_weight).collect();
    assert_eq!(
        weights,
        golden.values(&format!("{case}.target_ceil_weight")),
        "{case}.target_ceil_weight"
    );
}

fn check_logits(
    judge: &mut Judge,
    golden: &Tensors,
    case: &str,
    model: &LlavaSt,
    hidden: Tensor<3>,
    batch: &Batch,
) {
    let [rows, columns, width] = hidden.dims();
    let places = golden.values(&format!("{case}.logits_pos"));
    let places = places
        .chunks_exact(2)
        .map(|place| batch.flat(place[0] as usize, place[1] as usize));
    let device = hidden.device();
    let picked = hidden
        .reshape([rows * columns, width])
        .select(0, index(places, &device));
    let objective = if case.starts_with("s1_") {
        Objective::Alignment
    } else {
        Objective::Coordinates
    };
    let name = format!("{case}.logits");
    judge.tensor(
        "logits",
        &name,
        model.logits(picked, objective),
        &golden.values(&name),
        FORWARD,
    );
}

fn forward(file: &str) {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open(&format!("{file}.safetensors")))
    else {
        return;
    };
    let model = model(&json, &Device::flex());
    let features = model
        .model
        .mm_projector
        .forward(tower_states(&json, &model));
    let mut judge = Judge::default();
    for case in cases(&golden) {
        check_case(&mut judge, &json, &golden, &model, &features, &case);
    }
    judge.finish(file);
}

/// Names before `.input_ids`.
fn cases(golden: &Tensors) -> Vec<String> {
    golden
        .names()
        .iter()
        .filter_map(|name| name.strip_suffix(".input_ids").map(str::to_owned))
        .collect()
}

#[test]
fn golden_model_forward_image() {
    forward("forward_image");
}

#[test]
fn golden_model_forward_video() {
    forward("forward_video");
}

#[test]
fn golden_model_forward_stage1() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("forward_stage1.safetensors"))
    else {
        return;
    };
    let model = model(&json, &Device::flex());
    let features = model
        .model
        .mm_projector
        .forward(tower_states(&json, &model));
    let mut judge = Judge::default();
    for case in cases(&golden) {
        let (batch, kinds) = batch(&json, &golden, &case);
        let visual = model.visual_tokens(features.clone(), &clips(&kinds), Objective::Alignment);
        let embeds = model.inputs_embeds(&batch, &visual, Objective::Alignment);
        let hidden = model.decode(embeds.clone());
        let loss = model
            .loss_of_hidden(hidden.clone(), 0, &batch, Objective::Alignment)
            .reduce(Reduction::TokenMean);
        let expected = json["losses"][case.as_str()]["loss"].as_f64().unwrap();
        judge.check(
            "loss",
            &case,
            (f64::from(loss.into_scalar::<f32>()) - expected).abs(),
            LOSS,
        );
        check_logits(&mut judge, &golden, &case, &model, hidden.clone(), &batch);
        for (name, states) in [("inputs_embeds_sample", embeds), ("hidden_sample", hidden)] {
            let (expected, shape) = golden.get(&format!("{case}.{name}")).unwrap();
            let stride = batch.columns.div_ceil(shape[1]);
            let sample = states.select(
                1,
                index((0..batch.columns).step_by(stride), &Device::flex()),
            );
            let found = sample.into_data().try_to_vec::<f32>().unwrap();
            // Compare only real positions.
            let mut worst = 0.0f64;
            for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let position = place / shape[2];
                let (row, column) = (position / shape[1], position % shape[1] * stride);
                if batch.valid[row].contains(&column) {
                    worst = worst.max((f64::from(*found) - expected).abs());
                }
            }
            judge.check("states", &format!("{case}.{name}"), worst, FORWARD);
        }
    }
    judge.finish("forward_stage1");
}

/// A model on an autodiff device with the tower frozen, and the tower's output without gradients.
fn trainable(json: &Value) -> (LlavaSt, Tensor<3>) {
    let states = tower_states(json, &model(json, &Device::flex()));
    let model = model(json, &Device::flex().autodiff());
    (
        model.set_trainable(&|name| !name.contains("vision_tower")),
        states.autodiff(),
    )
}

fn gradients(
    json: &Value,
    golden: &Tensors,
    model: &LlavaSt,
    states: &Tensor<3>,
    case: &str,
) -> (f32, BTreeMap<String, Vec<f32>>) {
    let (batch, kinds) = batch(json, golden, case);
    let features = model.model.mm_projector.forward(states.clone());
    let visual = model.visual_tokens(features, &clips(&kinds), Objective::Coordinates);
    let loss = model
        .loss(&batch, &visual, Objective::Coordinates)
        .reduce(Reduction::SumOfMeans);
    let value = loss.clone().into_scalar::<f32>();
    let gradients = model.named_gradients(&loss.backward());
    (
        value,
        gradients
            .into_iter()
            .map(|(name, data)| (name, data.try_to_vec().unwrap()))
            .collect(),
    )
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0f64, |largest, value| largest.max(value.abs()))
}

/// Largest difference relative to the tensor's largest entry; a missing gradient counts as zero.
fn relative(found: Option<&Vec<f32>>, expected: &[f64]) -> f64 {
    let largest = largest(expected);
    let zeros = vec![0.0; expected.len()];
    let difference = reference::difference(found.unwrap_or(&zeros), expected);
    if largest == 0.0 {
        difference
    } else {
        difference / largest
    }
}

#[test]
fn golden_model_grads() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("grads.safetensors")) else {
        return;
    };
    let (video, image) = (
        Tensors::open("forward_video.safetensors").unwrap(),
        Tensors::open("forward_image.safetensors").unwrap(),
    );
    let (model, states) = trainable(&json);
    let mut judge = Judge::default();
    for (set, expected) in json["grads"].as_object().unwrap() {
        let (case, name) = ["width_fixed", "fast_fixed", "all_fixed"]
            .iter()
            .find_map(|name| {
                set.strip_suffix(&format!("_{name}"))
                    .map(|case| (case, *name))
            })
            .unwrap_or((set, ""));
        let source = if video.get(&format!("{case}.input_ids")).is_some() {
            &video
        } else {
            &image
        };
        let (loss, found) = gradients(&json, source, &variant(&model, name), &states, case);
        judge.check(
            "loss",
            set,
            (f64::from(loss) - expected["loss"].as_f64().unwrap()).abs(),
            LOSS,
        );
        let zero: Vec<String> = serde_json::from_value(expected["all_zero"].clone()).unwrap();
        for name in &zero {
            let largest = found.get(name).map_or(0.0, |values| {
                values
                    .iter()
                    .fold(0.0f32, |worst, value| worst.max(value.abs()))
            });
            assert_eq!(largest.to_bits(), 0, "{set}.{name} must be exactly zero");
        }
        let prefix = format!("{set}.");
        for name in golden.names() {
            let Some(parameter) = name.strip_prefix(&prefix) else {
                continue;
            };
            let expected = golden.values(&name);
            if let Some(packer) = parameter.strip_suffix("ln_k.bias") {
                // Its true gradient is 0 (softmax does not see a shift of all keys), so both sides hold rounding only: it has to be
                // small beside the gradient of the same norm's scale.
                let scale = largest(&golden.values(&format!("{prefix}{packer}ln_k.weight")));
                let noise = found.get(parameter).map_or(0.0, |values| {
                    values
                        .iter()
                        .fold(0.0, |top: f64, value| top.max(f64::from(value.abs())))
                });
                judge.check(
                    "zero gradient",
                    &name,
                    if scale == 0.0 { noise } else { noise / scale },
                    GRADIENT,
                );
                continue;
            }
            judge.check(
                "gradient",
                &name,
                relative(found.get(parameter), &expected),
                GRADIENT,
            );
        }
    }
    judge.finish("grads");
}

#[test]
fn golden_model_lora() {
    let (Some(json), Some(golden)) = (config_json(), Tensors::open("lora.safetensors")) else {
        return;
    };
    let train = reference::folder().unwrap().join("train.json");
    let train: Value = serde_json::from_slice(&std::fs::read(train).unwrap()).unwrap();
    let case = train["case"].as_str().unwrap();
    let forward = Tensors::open("forward_video.safetensors").unwrap();
    let (model, states) = trainable(&json);
    let plain = Reference::of(&model);

    let lora = LoraConfig {
        r: train["lora"]["r"].as_u64().unwrap() as usize,
        lora_alpha: train["lora"]["alpha"].as_f64().unwrap(),
        lora_dropout: 0.0,
        target_modules: targets_of(&train),
    };
    let starts = adapters(&golden, "init.");
    let model = model.with_lora(&lora).map_values(&mut |name, shape| {
        let (values, found) = starts.get(name)?;
        assert_eq!(found, shape, "{name}");
        Some(burn::tensor::TensorData::new(
            values.iter().map(|value| *value as f32).collect(),
            shape.to_vec(),
        ))
    });
    assert_eq!(
        starts.len(),
        model
            .named_parameters()
            .iter()
            .filter(|parameter| parameter.name.contains("lora_"))
            .count()
    );

    let mut judge = Judge::default();
    let (loss, found) = gradients(&json, &forward, &model, &states, case);
    judge.check(
        "loss",
        case,
        (f64::from(loss) - train["losses"][0].as_f64().unwrap()).abs(),
        LOSS,
    );
    for (name, (expected, _)) in adapters(&golden, "grad_step0.") {
        judge.check(
            "gradient",
            &name,
            relative(found.get(&name), &expected),
            GRADIENT,
        );
    }
    assert!(
        !found.contains_key("model.layers.0.self_attn.q_proj.weight"),
        "a base weight must be frozen"
    );

    // With B away from zero: merged and unmerged give the same states, and unmerging restores every bit.
    let (after, visual) = (adapters(&golden, "after5."), &states);
    let model = model.map_values(&mut |name, shape| {
        let (values, _) = after.get(name).filter(|_| name.contains("lora_"))?;
        Some(burn::tensor::TensorData::new(
            values.iter().map(|value| *value as f32).collect(),
            shape.to_vec(),
        ))
    });
    let (beside, _) = gradients(&json, &forward, &model, visual, case);
    let merged = model.clone().merge_lora();
    let (within, _) = gradients(&json, &forward, &merged, visual, case);
    judge.check("merged", "loss", f64::from((beside - within).abs()), 1e-5);
    assert!(
        Reference::of(&merged).differs(&plain),
        "merging must change the weights"
    );
    assert!(
        !Reference::of(&merged.unmerge_lora()).differs(&plain),
        "unmerging must restore every bit"
    );
    judge.finish("lora");
}

/// Base weights as bits.
struct Reference(BTreeMap<String, Vec<u32>>);

impl Reference {
    fn of(model: &LlavaSt) -> Self {
        let bits = model
            .named_tensors()
            .filter(|(name, _)| !name.contains("lora_"));
        Self(
            bits.map(|(name, data)| {
                (
                    name,
                    data.try_to_vec::<f32>()
                        .unwrap()
                        .into_iter()
                        .map(f32::to_bits)
                        .collect(),
                )
            })
            .collect(),
        )
    }

    fn differs(&self, other: &Self) -> bool {
        self.0 != other.0
    }
}

fn targets_of(train: &Value) -> Vec<String> {
    let targets: Vec<String> = serde_json::from_value(train["lora"]["targets"].clone()).unwrap();
    let last = targets
        .iter()
        .map(|target| target.rsplit('.').next().unwrap().to_owned());
    last.collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn adapters(golden: &Tensors, prefix: &str) -> BTreeMap<String, (Vec<f64>, Vec<usize>)> {
    let names = golden.names();
    let names = names
        .iter()
        .filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
    names
        .map(|(name, published)| (from_peft_name(published), golden.get(name).unwrap()))
        .collect()
}
