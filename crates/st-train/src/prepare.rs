//! Everything a run needs before its first step, made from the recipe.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use st_model::config::ModelConfig;
use st_model::init::InitConfig;
use st_model::input::{InputEncoder, InputOptions, SYSTEM_MESSAGE, role_name};
use st_model::lora::LoraConfig;
use st_model::loss::Objective;
use st_model::model::LlavaSt;
use st_model::published::{config_from_json, config_to_json};
use st_model::tokenizer::{ExtraTokens, Tokenizer};
use st_schema::{Axis, Side, Turn};
use st_weights::{Dtype, ModelFolder, TensorSpec, WeightsError};

use crate::checkpoint::{CheckpointError, hex, sha256_file, write_atomic};
use crate::dataset::{DataError, Dataset, Roots};
use crate::order::{NoRecords, Order};
use crate::recipe::{LoraPlan, ModelSource, ObjectivePlan, Part, Recipe, TokenizerSource};
use crate::replica::Facts;
use crate::start::{Start, Vocabulary};
use crate::train::TrainError;

/// Bytes of one file of weights at most.
const MAX_SHARD: usize = 5 << 30;

/// A run that cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// Records or shards.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A stream of a phase without records.
    #[error(transparent)]
    Order(#[from] NoRecords),
    /// A file of the run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A model folder.
    #[error("model.path: {0}")]
    Folder(#[from] WeightsError),
    /// The model's configuration.
    #[error("{key}: {reason}")]
    Config {
        /// The recipe's key, or the file.
        key: String,
        /// What does not fit.
        reason: String,
    },
    /// The tokenizer.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// Weights that do not fit the model.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The folder.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// A run that can begin.
pub struct Prepared {
    /// The recipe.
    pub recipe: Recipe,
    /// Folder of the run.
    pub folder: PathBuf,
    /// The model's sizes.
    pub config: ModelConfig,
    /// The model at its start, on a device with autodiff.
    pub model: LlavaSt,
    /// What it learns from.
    pub objective: Objective,
    /// Records to ids.
    pub encoder: Arc<InputEncoder>,
    /// The padding token.
    pub pad: u32,
    /// The training set.
    pub dataset: Arc<Dataset>,
    /// Which records form which step.
    pub order: Arc<Order>,
    /// SHA-256 of what the result depends on.
    pub fingerprint: String,
    tokenizer: String,
    resolved: Resolved,
}

/// What `run.yaml` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Resolved {
    /// Version of the program.
    version: String,
    /// SHA-256 of what the result depends on.
    fingerprint: String,
    /// SHA-256 of the files that were read.
    inputs: BTreeMap<String, String>,
    /// The resolved recipe.
    recipe: Recipe,
    /// The resolved model.
    model: ModelConfig,
}

impl Prepared {
    /// Opens data, tokenizer and weights.
    ///
    /// # Errors
    /// The first thing that is missing or does not fit; `sttrain check` lists all.
    pub fn new(recipe: Recipe, roots: &Roots, device: &Device) -> Result<Self, PrepareError> {
        let data = &recipe.data;
        let dataset = Dataset::open(
            "data",
            &data.records,
            &data.shards,
            roots,
            recipe.seed,
            data.max_rejects,
        )?;
        let (config, tokenizer, vocabulary) = model_config(&recipe, roots, &dataset)?;
        let json = tokenizer
            .to_json()
            .map_err(|e| PrepareError::Tokenizer(e.to_string()))?;
        let encoder = encoder(&recipe, tokenizer, &config)?;
        let model = model(&recipe, roots, &config, vocabulary, device)?;
        let order = Order::new(&recipe, dataset.catalog())?;
        let mut inputs = dataset.hashes()?;
        if let ModelSource::Folder { path, adapter, .. } = &recipe.model {
            for path in std::iter::once(path).chain(adapter) {
                inputs.extend(folder_hashes(&found(roots, path)?)?);
            }
        }
        let fingerprint = fingerprint(&recipe, &config, &inputs);
        let resolved = Resolved {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: fingerprint.clone(),
            inputs,
            recipe: recipe.clone(),
            model: config.clone(),
        };
        Ok(Self {
            folder: roots.runs.join(&recipe.name),
            objective: match recipe.objective {
                ObjectivePlan::Coordinates => Objective::Coordinates,
                ObjectivePlan::Alignment => Objective::Alignment,
            },
            pad: encoder.pad_id(),
            encoder: Arc::new(encoder),
            dataset: Arc::new(dataset),
            order: Arc::new(order),
            config,
            model,
            fingerprint,
            tokenizer: json,
            resolved,
            recipe,
        })
    }

    /// Writes `run.yaml`, or compares with the one that is there.
    pub(crate) fn claim_folder(&self) -> Result<(), TrainError> {
        let path = self.folder.join("run.yaml");
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(CheckpointError::from)?;
            let old: Option<Resolved> = serde_yaml::from_str(&text).ok();
            if old
                .as_ref()
                .is_some_and(|o| o.fingerprint == self.fingerprint)
            {
                return Ok(());
            }
            let differs = old.map_or_else(
                || "a file of another version".to_owned(),
                |o| differences(&o, &self.resolved),
            );
            return Err(TrainError::OtherRecipe {
                path: self.folder.clone(),
                differs,
            });
        }
        let text = serde_yaml::to_string(&self.resolved)
            .map_err(|e| CheckpointError::from(std::io::Error::other(e)))?;
        write_atomic(&path, text.as_bytes())?;
        Ok(())
    }

    /// Whether a checkpoint holds the parameter of this name: those that learn in some phase, and all of a model from scratch.
    pub(crate) fn is_saved(&self, name: &str) -> bool {
        if matches!(self.recipe.model, ModelSource::Scratch { .. }) {
            return true;
        }
        if self.recipe.lora.is_some() && Part::of(name) == Part::Decoder {
            return false;
        }
        let own = self.recipe.phases.iter().filter_map(|p| p.train.as_ref());
        own.chain([&self.recipe.train])
            .any(|parts| Part::any(parts, name))
    }

    /// What every replica needs.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            recipe: self.recipe.clone(),
            config: self.config.clone(),
            objective: self.objective,
            dataset: Arc::clone(&self.dataset),
        }
    }

    /// Writes `model/`: configuration, tokenizer and weights with adapters merged. A folder that is there stays.
    pub(crate) fn write_model(&self, model: &LlavaSt) -> Result<PathBuf, TrainError> {
        let target = self.folder.join("model");
        if target.join("config.json").exists() {
            return Ok(target);
        }
        let merged = model.clone().into_merged_lora();
        let tensors: BTreeMap<String, burn::tensor::TensorData> = merged.named_tensors().collect();
        let specs: Vec<TensorSpec> = tensors
            .iter()
            .map(|(name, data)| {
                let dtype = match data.dtype() {
                    burn::tensor::DType::BF16 => Dtype::BF16,
                    burn::tensor::DType::F16 => Dtype::F16,
                    _ => Dtype::F32,
                };
                TensorSpec::new(name.as_str(), dtype, data.shape().to_vec())
            })
            .collect();
        let config = config_to_json(&self.config);
        let bytes = |spec: &TensorSpec| {
            Ok::<_, WeightsError>(Cow::Borrowed(tensors[&spec.name].as_bytes()))
        };
        st_weights::save_folder(
            &target,
            &config,
            Some(self.tokenizer.as_bytes()),
            &specs,
            MAX_SHARD,
            bytes,
        )
        .map_err(PrepareError::from)?;
        Ok(target)
    }
}

fn found(roots: &Roots, path: &Path) -> Result<PathBuf, PrepareError> {
    let missing = || DataError::Missing {
        key: "model.path".to_owned(),
        path: path.to_owned(),
        root: roots.data.clone(),
        remedy: "`stdata fetch` gets published weights, an earlier stage writes runs/NAME/model"
            .to_owned(),
    };
    Ok(roots.find(path).ok_or_else(missing)?)
}

/// The model's sizes and its tokenizer.
fn model_config(
    recipe: &Recipe,
    roots: &Roots,
    dataset: &Dataset,
) -> Result<(ModelConfig, Tokenizer, Vocabulary), PrepareError> {
    let from_bytes = |bytes: &[u8]| {
        Tokenizer::from_json(bytes).map_err(|e| PrepareError::Tokenizer(e.to_string()))
    };
    let mut tokenizer = match &recipe.tokenizer {
        Some(TokenizerSource::Folder { path }) => Some(from_bytes(
            &fs::read(found(roots, path)?.join("tokenizer.json")).map_err(DataError::from)?,
        )?),
        Some(TokenizerSource::TrainBpe { vocab }) => Some(trained(dataset, *vocab)?),
        None => None,
    };
    let config: Map<String, Value> = match &recipe.model {
        ModelSource::Scratch { config, .. } => config.clone(),
        ModelSource::Folder {
            path,
            config: changes,
            ..
        } => {
            let path = found(roots, path)?;
            let folder = ModelFolder::open(&path)?;
            if tokenizer.is_none() {
                tokenizer = Some(from_bytes(&folder.tokenizer()?)?);
            }
            let mut config = folder_config(&folder)?;
            merge(&mut config, changes);
            config
        }
    };
    let tokenizer = tokenizer.ok_or_else(|| PrepareError::Tokenizer("none is given".to_owned()))?;
    let known = tokenizer.vocabulary();
    if matches!(recipe.model, ModelSource::Scratch { .. }) {
        let config = sized(config, Some(known))?;
        let vocabulary = Vocabulary {
            known,
            wanted: known,
        };
        return Ok((config, tokenizer, vocabulary));
    }
    // A published model knows nothing of this project's tokens; stage 1 adds those of pictures and videos, stage 2 the coordinates'.
    let before = sized(config.clone(), None)?;
    let tokenizer = tokenizer.with_extra_tokens(match recipe.objective {
        ObjectivePlan::Alignment => ExtraTokens::Visual,
        ObjectivePlan::Coordinates => ExtraTokens::Coordinates(&before.coordinates),
    });
    let vocabulary = Vocabulary {
        known,
        wanted: tokenizer.vocabulary(),
    };
    Ok((
        sized(config, Some(vocabulary.wanted))?,
        tokenizer,
        vocabulary,
    ))
}

/// Changes below `changes` go into `config`, map by map.
pub(crate) fn merge(config: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, value) in changes {
        match (config.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                config.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The sizes in a folder's `config.json`, whichever of the known forms it has, to be changed by a recipe.
pub(crate) fn folder_config(folder: &ModelFolder) -> Result<Map<String, Value>, PrepareError> {
    let fault = |reason: String| PrepareError::Config {
        key: "model.path".to_owned(),
        reason: format!("{}: {reason}", folder.dir().join("config.json").display()),
    };
    let config = config_from_json(folder.config()).map_err(|e| fault(e.to_string()))?;
    match serde_json::to_value(config) {
        Ok(Value::Object(config)) => Ok(config),
        _ => Err(fault("not an object".to_owned())),
    }
}

/// Reads a configuration; `vocabulary` fills in the size that only the tokenizer knows.
pub(crate) fn sized(
    mut config: Map<String, Value>,
    vocabulary: Option<usize>,
) -> Result<ModelConfig, PrepareError> {
    let fault = |reason: String| PrepareError::Config {
        key: "model.config".to_owned(),
        reason,
    };
    if let (Some(size), Some(Value::Object(text))) = (vocabulary, config.get_mut("text")) {
        text.insert("vocab_size".to_owned(), size.into());
    }
    let config: ModelConfig =
        serde_json::from_value(Value::Object(config)).map_err(|e| fault(e.to_string()))?;
    config.validate().map_err(|e| fault(e.to_string()))?;
    Ok(config)
}

fn trained(dataset: &Dataset, vocab: usize) -> Result<Tokenizer, PrepareError> {
    let mut count = BTreeMap::new();
    for index in 0..dataset.len() {
        count_texts(&mut count, &dataset.record(index)?.conversations);
    }
    bpe(&count, vocab)
}

/// Each text in sorted order, as often as it was counted: the same records give the same tokenizer.
fn bpe(count: &BTreeMap<String, usize>, vocab: usize) -> Result<Tokenizer, PrepareError> {
    let all = count
        .iter()
        .flat_map(|(text, times)| std::iter::repeat_n(text.as_str(), *times));
    Tokenizer::train_bpe(all, vocab).map_err(|e| PrepareError::Tokenizer(e.to_string()))
}

/// Counts the texts of a conversation as the model reads it, roles and system message included: spelt out letter by letter, these
/// would be a third of a short record's tokens.
fn count_texts(count: &mut BTreeMap<String, usize>, conversation: &[Turn]) {
    let mut add =
        |role: &str, text: &str| *count.entry(format!("{role}\n{text}")).or_default() += 1;
    add("system", SYSTEM_MESSAGE);
    for turn in conversation {
        add(role_name(turn.from.as_str()), &without_markers(&turn.value));
    }
}

/// What is left when the markers, which are tokens of their own, are taken out.
fn without_markers(text: &str) -> String {
    let mut text = text.replace("<image>", "").replace("<video>", "");
    for axis in Axis::ALL {
        for side in Side::ALL {
            text = text.replace(axis.placeholder(side), "");
        }
    }
    text
}

fn encoder(
    recipe: &Recipe,
    tokenizer: Tokenizer,
    config: &ModelConfig,
) -> Result<InputEncoder, PrepareError> {
    let options: InputOptions = serde_json::from_value(Value::Object(recipe.input.clone()))
        .map_err(|e| PrepareError::Config {
            key: "input".to_owned(),
            reason: e.to_string(),
        })?;
    let encoder =
        InputEncoder::new(tokenizer, config).map_err(|e| PrepareError::Tokenizer(e.to_string()))?;
    Ok(encoder.with_options(options))
}

/// The model at its start.
fn model(
    recipe: &Recipe,
    roots: &Roots,
    config: &ModelConfig,
    vocabulary: Vocabulary,
    device: &Device,
) -> Result<LlavaSt, PrepareError> {
    let device = device.clone().autodiff();
    let fault = |reason: String| PrepareError::Config {
        key: "model.config".to_owned(),
        reason,
    };
    let mut model = config.init(&device).map_err(|e| fault(e.to_string()))?;
    let scratch_values = |init: &Map<String, Value>| {
        serde_json::from_value::<InitConfig>(Value::Object(init.clone())).map_err(|e| {
            PrepareError::Config {
                key: "model.init".to_owned(),
                reason: e.to_string(),
            }
        })
    };
    match &recipe.model {
        ModelSource::Scratch { init, .. } => {
            model = model.initialize(&scratch_values(init)?, recipe.seed);
        }
        ModelSource::Folder {
            path,
            adapter,
            fresh,
            ..
        } => {
            model = model.initialize(&InitConfig::default(), recipe.seed);
            let adapter = adapter
                .as_ref()
                .map(|path| found(roots, path))
                .transpose()?;
            let start = Start::open(&found(roots, path)?, adapter.as_deref(), vocabulary)?;
            model = start.load(model, fresh)?;
        }
    }
    if let Some(lora) = &recipe.lora {
        let config = lora_config(lora)?;
        model = model.with_lora(&config);
        let seed = recipe.seed;
        let fresh = config_lora_values(&model, seed);
        model = model.map_values(&mut |name, _| fresh.get(name).cloned());
    }
    Ok(model)
}

pub(crate) fn lora_config(plan: &LoraPlan) -> Result<LoraConfig, PrepareError> {
    let json =
        serde_json::json!({"r": plan.rank, "lora_alpha": plan.alpha, "lora_dropout": plan.dropout});
    serde_json::from_value(json).map_err(|e| PrepareError::Config {
        key: "lora".to_owned(),
        reason: e.to_string(),
    })
}

/// What is known of a run from its folder, without opening its data.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The model's sizes.
    pub model: ModelConfig,
    /// Its adapters, if it trains any.
    pub lora: Option<LoraConfig>,
}

/// Reads `run.yaml` of a run's folder.
///
/// # Errors
/// Where it is missing or of another version.
pub fn run_facts(folder: &Path) -> Result<RunFacts, PrepareError> {
    let path = folder.join("run.yaml");
    let text = fs::read_to_string(&path).map_err(CheckpointError::from)?;
    let resolved: Resolved = serde_yaml::from_str(&text).map_err(|e| PrepareError::Config {
        key: path.display().to_string(),
        reason: e.to_string(),
    })?;
    let lora = resolved.recipe.lora.as_ref().map(lora_config).transpose()?;
    Ok(RunFacts {
        model: resolved.model,
        lora,
    })
}

/// Start values of adapters: uniform `A` as PEFT draws it, zero `B`; from the seed alone.
fn config_lora_values(model: &LlavaSt, seed: u64) -> BTreeMap<String, burn::tensor::TensorData> {
    let mut values = BTreeMap::new();
    for parameter in model.named_parameters() {
        if Part::of(&parameter.name) != Part::Lora {
            continue;
        }
        let digest = Sha256::digest(parameter.name.as_bytes());
        let word = digest[..8]
            .iter()
            .fold(0_u64, |w, b| w << 8 | u64::from(*b));
        let mut random = crate::random::SplitMix::at(&[seed, word]);
        #[expect(clippy::cast_precision_loss, reason = "a width")]
        let bound = 1.0 / (parameter.shape[1] as f64).sqrt();
        let scale = if parameter.name.contains("lora_A") {
            bound
        } else {
            0.0
        };
        #[expect(clippy::cast_possible_truncation, reason = "start values are 32-bit")]
        let drawn: Vec<f32> = (0..parameter.count())
            .map(|_| ((2.0 * random.unit() - 1.0) * scale) as f32)
            .collect();
        values.insert(
            parameter.name.clone(),
            burn::tensor::TensorData::new(drawn, parameter.shape.clone()),
        );
    }
    values
}

fn folder_hashes(folder: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    let mut hashes = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if matches!(kind, "json" | "safetensors" | "bin") {
            hashes.insert(path.display().to_string(), sha256_file(&path)?);
        }
    }
    Ok(hashes)
}

/// What the result does not depend on is left out: names of places and what is written when.
fn essence(recipe: &Recipe) -> Value {
    let mut value = serde_json::to_value(recipe).unwrap_or(Value::Null);
    if let Some(map) = value.as_object_mut() {
        for key in [
            "$schema",
            "name",
            "minutes",
            "checkpoint",
            "validation",
            "log_every",
        ] {
            map.remove(key);
        }
        if let Some(data) = map.get_mut("data").and_then(Value::as_object_mut) {
            for key in ["records", "shards", "feature_cache_mb", "max_rejects"] {
                data.remove(key);
            }
        }
    }
    value
}

fn fingerprint(recipe: &Recipe, config: &ModelConfig, inputs: &BTreeMap<String, String>) -> String {
    let hashes: Vec<&String> = inputs.values().collect();
    let all = serde_json::json!([essence(recipe), config, hashes]);
    hex(&Sha256::digest(all.to_string().as_bytes()))
}

/// Keys of two runs that differ, for the message.
fn differences(old: &Resolved, new: &Resolved) -> String {
    let (a, b) = (essence(&old.recipe), essence(&new.recipe));
    let empty = Map::new();
    let (a, b) = (
        a.as_object().unwrap_or(&empty),
        b.as_object().unwrap_or(&empty),
    );
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut names: Vec<&str> = keys
        .into_iter()
        .filter(|k| a.get(*k) != b.get(*k))
        .map(String::as_str)
        .collect();
    if old.inputs.values().ne(new.inputs.values()) {
        names.push("the data or weights that it reads");
    }
    if names.is_empty() {
        names.push("the model's configuration");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_a_conversation_takes_few_tokens() {
        let mut count = BTreeMap::new();
        for _ in 0..2 {
            let turns = [Turn::human("<image>\nWhere?"), Turn::gpt("There.")];
            count_texts(&mut count, &turns);
        }
        assert_eq!(count["user\n\nWhere?"], 2);
        let tokenizer = bpe(&count, 600).unwrap();
        // A word, a space with its word, a full stop or a line's end is one token each.
        let tokens = |text: &str| tokenizer.encode(text).unwrap().len();
        assert_eq!(tokens(&format!("system\n{SYSTEM_MESSAGE}")), 2 + 6);
        assert_eq!((tokens("user\n"), tokens("assistant\n")), (2, 2));
    }
}
