//! What a recipe comes to, without training: everything that is missing at once, and what a step costs.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::Serialize;
use serde_json::{Map, Value};
use st_model::config::ModelConfig;
use st_model::model::LlavaSt;
use st_weights::ModelFolder;

use crate::dataset::Roots;
use crate::prepare::{PrepareError, Prepared, folder_config, lora_config, merge, sized};
use crate::recipe::{MediaKind, ModelSource, Part, Precision, Recipe, Stream, TokenizerSource};

/// What a recipe comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What is missing, each with the command that gets it.
    pub missing: Vec<String>,
    /// Parameters by part; empty where the configuration is missing.
    pub parameters: BTreeMap<String, usize>,
    /// Parameters that learn, by phase.
    pub trainable: BTreeMap<String, usize>,
    /// Records of the training set.
    pub records: Option<usize>,
    /// Records left out.
    pub rejected: Option<usize>,
    /// Clips.
    pub clips: Option<usize>,
    /// Optimizer steps.
    pub steps: Option<u64>,
    /// Tokens of one image and one video, without the text.
    pub visual_tokens: Option<[usize; 2]>,
    /// The cost of one step.
    pub cost: Option<Cost>,
}

/// An estimate of what one optimizer step costs, in the costliest phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Records of the step at most: a clip may have fewer questions than a stream asks. Media are videos where no stream says images.
    pub records: usize,
    /// Floating-point operations of forward and backward passes: 2 a parameter and token for each forward, 2 more where only
    /// inputs need gradients, 4 more where weights do; attention scores left out.
    pub flop: f64,
    /// Bytes of weights, gradients and optimizer state; gradients and state are in 32 bits.
    pub state_bytes: f64,
}

/// Resolves a recipe.
///
/// Nothing is trained or written. What cannot be resolved goes into [`Report::missing`].
#[must_use]
pub fn check(recipe: &Recipe, roots: &Roots) -> Report {
    let mut report = Report {
        missing: Vec::new(),
        parameters: BTreeMap::new(),
        trainable: BTreeMap::new(),
        records: None,
        rejected: None,
        clips: None,
        steps: None,
        visual_tokens: None,
        cost: None,
    };
    missing_data(recipe, roots, &mut report.missing);
    let config = config(recipe, roots, &mut report.missing);
    let device = Device::default();
    if report.missing.is_empty() {
        match Prepared::new(recipe.clone(), roots, &device) {
            Ok(prepared) => {
                report.records = Some(prepared.dataset.len());
                report.rejected = Some(prepared.dataset.rejects().len());
                report.clips = Some(prepared.dataset.catalog().is_video.len());
                report.steps = Some(prepared.order.steps());
            }
            Err(e) => report.missing.push(e.to_string()),
        }
    }
    if let Some(config) = config {
        sizes(recipe, &config, &device, &mut report);
    }
    report
}

fn missing_data(recipe: &Recipe, roots: &Roots, missing: &mut Vec<String>) {
    let sets = [("data", Some((&recipe.data.records, &recipe.data.shards)))];
    let held_out = recipe.validation.as_ref().map(|v| (&v.records, &v.shards));
    for (key, set) in sets.into_iter().chain([("validation", held_out)]) {
        let Some((records, shards)) = set else {
            continue;
        };
        for (i, file) in records.iter().enumerate() {
            let found = roots.find(file);
            if found.is_none() {
                missing.push(format!(
                    "{key}.records[{i}]: {} is neither here nor below {}; get it with `{}`",
                    file.display(),
                    roots.data.display(),
                    data_command(file)
                ));
            }
            let path = found.unwrap_or_else(|| file.clone());
            let folder = shards
                .get(i)
                .cloned()
                .unwrap_or_else(|| roots.shards_of(&path));
            if roots
                .find(&folder)
                .is_none_or(|f| !f.join("manifest.json").exists())
            {
                missing.push(format!(
                    "{key}.shards[{i}]: no complete shards in {}; make them with `stdata shard {} --out {}`",
                    folder.display(),
                    path.display(),
                    folder.display()
                ));
            }
        }
    }
}

/// The command that gets a dataset file, as far as its name tells.
fn data_command(file: &Path) -> String {
    let stem = file
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default();
    match stem
        .strip_prefix("stage")
        .and_then(|rest| rest.chars().next())
    {
        Some(stage @ '1'..='3') if !file.to_string_lossy().contains("synth") => {
            format!("stdata fetch --stage {stage}")
        }
        _ => format!(
            "stdata synth --out {}",
            file.parent().unwrap_or(Path::new("data/synth")).display()
        ),
    }
}

/// The model's sizes, from the recipe, or from the folder's `config.json`. What is not there is added to `missing`.
pub fn config(recipe: &Recipe, roots: &Roots, missing: &mut Vec<String>) -> Option<ModelConfig> {
    if let Some(TokenizerSource::Folder { path }) = &recipe.tokenizer
        && roots.find(&path.join("tokenizer.json")).is_none()
    {
        missing.push(format!(
            "tokenizer.path: {} has no tokenizer.json; get it with `stdata fetch --stage 1`",
            path.display()
        ));
    }
    let (config, vocabulary): (Map<String, Value>, _) = match &recipe.model {
        ModelSource::Scratch { config, .. } => {
            let vocabulary = match recipe.tokenizer {
                Some(TokenizerSource::TrainBpe { vocab }) => Some(vocab),
                _ => None,
            };
            (config.clone(), vocabulary)
        }
        ModelSource::Folder {
            path,
            adapter,
            config: changes,
            ..
        } => {
            if let Some(adapter) = adapter
                && roots.find(&adapter.join("adapter_config.json")).is_none()
            {
                missing.push(format!(
                    "model.adapter: {} has no adapter_config.json; it is the folder that the original's trainer or PEFT wrote",
                    adapter.display()
                ));
            }
            let Some(found) = roots.find(path).filter(|p| p.join("config.json").exists()) else {
                missing.push(weights_missing(path));
                return changes_only(changes, missing);
            };
            let opened = ModelFolder::open(&found).map_err(PrepareError::from);
            match opened.and_then(|folder| folder_config(&folder)) {
                Ok(mut config) => {
                    merge(&mut config, changes);
                    (config, None)
                }
                Err(e) => {
                    missing.push(e.to_string());
                    return None;
                }
            }
        }
    };
    match sized(config, vocabulary) {
        Ok(config) => Some(config),
        Err(e) => {
            missing.push(e.to_string());
            None
        }
    }
}

fn weights_missing(path: &Path) -> String {
    let name = path.display();
    let earlier = path.file_name().is_some_and(|n| n == "model");
    let command = if earlier {
        let run = path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy();
        format!("sttrain recipes/{run}.yaml")
    } else {
        "stdata fetch --stage 1".to_owned()
    };
    format!("model.path: {name} is not a model folder; get it with `{command}`")
}

/// Without the folder, a recipe that carries the whole configuration can still be sized.
fn changes_only(changes: &Map<String, Value>, missing: &mut Vec<String>) -> Option<ModelConfig> {
    if !changes.contains_key("text") {
        return Some(ModelConfig::published_7b());
    }
    sized(changes.clone(), None)
        .map_err(|e| missing.push(e.to_string()))
        .ok()
}

/// A model with the recipe's adapters, and with what learns in any of its phases marked as such.
#[must_use]
pub fn as_trained(model: LlavaSt, recipe: &Recipe) -> LlavaSt {
    let model = match recipe.lora.as_ref().map(lora_config) {
        Some(Ok(lora)) => model.with_lora(&lora),
        _ => model,
    };
    let lora = recipe.lora.is_some();
    let own = recipe
        .phases
        .iter()
        .map(|phase| phase.train.as_ref().unwrap_or(&recipe.train));
    let parts: Vec<Part> = if recipe.phases.is_empty() {
        recipe.train.clone()
    } else {
        own.flatten().copied().collect()
    };
    model.set_trainable(&|name| {
        Part::any(&parts, name) && !(lora && Part::of(name) == Part::Decoder)
    })
}

fn sizes(recipe: &Recipe, config: &ModelConfig, device: &Device, report: &mut Report) {
    let Ok(model) = config.init(device) else {
        return;
    };
    let model = as_trained(model, recipe);
    let parameters = model.named_parameters();
    for parameter in &parameters {
        *report
            .parameters
            .entry(Part::of(&parameter.name).as_str().to_owned())
            .or_default() += parameter.count();
    }
    let lora = recipe.lora.is_some();
    let learns = |parts: &[Part], name: &str| {
        Part::any(parts, name) && !(lora && Part::of(name) == Part::Decoder)
    };
    let mut count = |name: &str, parts: &[Part]| {
        let sum = parameters
            .iter()
            .filter(|p| learns(parts, &p.name))
            .map(st_model::weights::NamedParameter::count)
            .sum();
        report.trainable.insert(name.to_owned(), sum);
    };
    if recipe.phases.is_empty() {
        count("all", &recipe.train);
    }
    for phase in &recipe.phases {
        count(&phase.name, phase.train.as_deref().unwrap_or(&recipe.train));
    }
    let (fast, slow) = config.video_tokens();
    report.visual_tokens = Some([config.image_tokens(), fast + slow]);
    report.cost = Some(cost(recipe, config, report));
}

/// Of the costliest phase.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn cost(recipe: &Recipe, config: &ModelConfig, report: &Report) -> Cost {
    let part = |name: &str| report.parameters.get(name).copied().unwrap_or(0) as f64;
    let trainable = report.trainable.values().copied().max().unwrap_or(0) as f64;
    let (fast, slow) = config.video_tokens();
    let frame = config.vision.tokens() as f64;
    // The text of a published record is about a tenth of its visual tokens.
    let text = 0.1 * (fast + slow) as f64;
    let decoder = part("decoder") + part("lora") + part("lm_head");
    let weights = if recipe.lora.is_some() { 4.0 } else { 6.0 };
    let of_stream = |clips: usize, records: usize, media: MediaKind, train: &[Part]| {
        let (patches, visual) = match media {
            MediaKind::Image => (frame, config.image_tokens()),
            MediaKind::Any | MediaKind::Video => (frame * config.video.frames as f64, fast + slow),
        };
        let learns = Part::any(train, "vision_tower");
        let tower = if learns { 6.0 } else { 2.0 };
        clips as f64
            * patches
            * (tower * (part("vision_tower") + part("projector")) + 6.0 * part("packers") / 9.0)
            + records as f64 * (visual as f64 + text) * weights * decoder
    };
    let of_phase = |mix: &[Stream], train: &[Part]| {
        if mix.is_empty() {
            let records = recipe.batch.records * recipe.batch.accumulate;
            return (records, of_stream(records, records, MediaKind::Any, train));
        }
        mix.iter().fold((0, 0.0), |(sum, flop), stream| {
            let records = stream.clips * stream.questions;
            (
                sum + records,
                flop + of_stream(stream.clips, records, stream.media, train),
            )
        })
    };
    let (records, flop) = recipe
        .phases
        .iter()
        .map(|phase| of_phase(&phase.mix, phase.train.as_ref().unwrap_or(&recipe.train)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or_else(|| of_phase(&[], &recipe.train));
    let all: f64 = report.parameters.values().map(|n| *n as f64).sum();
    Cost {
        records,
        flop,
        state_bytes: match recipe.precision {
            Precision::Float32 => 4.0 * all + 12.0 * trainable,
            // The optimizer keeps a 32-bit original of what learns.
            Precision::Bfloat16 => 2.0 * all + 16.0 * trainable,
        },
    }
}
