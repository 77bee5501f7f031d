//! What a run is: the recipe, its defaults and its faults.
//!
//! A recipe is YAML that can be read aloud. It names no machine: the device, the worker threads and the data root are flags of
//! `sttrain`. [`parse`] turns text and `--set` overrides into a [`Recipe`] or into *all* of the text's faults.

mod parse;
mod schema;

pub use parse::{Fault, Override, parse};
pub use schema::json_schema;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where an editor finds the schema of this file; ignored by the run.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Name of the run: its folder is `runs/<name>/`.
    pub name: String,
    /// Seed of the initial weights, the order of the data and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Optimizer steps. Exactly one of `steps` and `epochs` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Passes over the data, where no phase has a `mix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Stops after so many minutes of training, with a checkpoint and the model folder. It changes nothing else: rates and phases
    /// follow the step, never the clock, so a run that is cut short equals the beginning of one that is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// The weights at the start.
    pub model: ModelSource,
    /// The tokenizer; a model folder brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerSource>,
    /// Low-rank adapters on the linear layers of the decoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraPlan>,
    /// Whether coordinates are learnt: `coordinates` (stages 2 and 3) or `alignment` (stage 1: no coordinate tables at all).
    #[serde(default)]
    pub objective: ObjectivePlan,
    /// Which parts learn, unless a phase says otherwise.
    #[serde(default = "all_parts")]
    pub train: Vec<Part>,
    /// Records and frames.
    pub data: DataPlan,
    /// How records become tokens and labels: `loss_on`, `prompt` and `video` (see `docs/model.md`).
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub input: serde_json::Map<String, serde_json::Value>,
    /// How records form steps.
    #[serde(default)]
    pub batch: BatchPlan,
    /// How the losses of the records of a step become one number.
    #[serde(default)]
    pub loss: Reduction,
    /// Numbers of weights and activations. Losses, gradients over a step, and the optimizer are in 32 bits either way.
    #[serde(default)]
    pub precision: Precision,
    /// Keeps only each decoder layer's input for the backward pass and runs the layer again there: much less memory for about a third
    /// more time.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// The optimizer.
    pub optimizer: OptimizerPlan,
    /// The learning rate over the run.
    #[serde(default)]
    pub schedule: SchedulePlan,
    /// A curriculum; none is one phase over all records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// When the state is written.
    #[serde(default)]
    pub checkpoint: CheckpointPlan,
    /// What is measured on held-out records, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationPlan>,
    /// Every how many steps a line of metrics is written and shown.
    #[serde(default = "ten")]
    pub log_every: u64,
}

fn all_parts() -> Vec<Part> {
    vec![Part::All]
}

fn ten() -> u64 {
    10
}

/// Numbers of weights and activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// 16 bits with the exponent of 32: what the published stages train in.
    Bfloat16,
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelSource {
    /// Random weights of the given sizes.
    Scratch {
        /// The model's sizes; the fields of `config.json` (see `docs/model.md`). The vocabulary follows the tokenizer.
        config: serde_json::Map<String, serde_json::Value>,
        /// The spread of the start values (see `docs/training.md`).
        #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
        init: serde_json::Map<String, serde_json::Value>,
    },
    /// A Hugging Face folder, or the `model/` folder of an earlier run.
    Folder {
        /// The folder.
        path: PathBuf,
        /// A `LoRA` folder over it, the original's or PEFT's: its adapters are merged, what else it holds takes the folder's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adapter: Option<PathBuf>,
        /// Parts that start anew, whether or not the folder has them. The original restarts `packers` in stages 2 and 3.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fresh: Vec<Part>,
        /// Parts of `config.json` that are changed for this run, for example `ntp: false`.
        #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
        config: serde_json::Map<String, serde_json::Value>,
    },
}

/// Where the tokenizer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenizerSource {
    /// The `tokenizer.json` of a folder.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A byte-level BPE made from the texts of the training records, the same for the same records.
    TrainBpe {
        /// Entries of its vocabulary at most, the 256 bytes included.
        vocab: usize,
    },
}

/// What a run learns from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectivePlan {
    /// Words and coordinates, with soft labels on coordinates.
    #[default]
    Coordinates,
    /// Words only.
    Alignment,
}

/// Low-rank adaptation (arXiv:2106.09685) of every linear layer of the decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraPlan {
    /// Rank.
    pub rank: usize,
    /// The adapter's output is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Probability of dropping an adapter's input.
    #[serde(default)]
    pub dropout: f64,
}

/// A part of the model that learns or rests as one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Everything.
    All,
    /// SigLIP.
    VisionTower,
    /// The two-layer projector.
    Projector,
    /// The three spatio-temporal packers (`vision_resampler`).
    Packers,
    /// The six coordinate tables.
    Coordinates,
    /// Of these the two of times. Pictures never answer with one, yet each answer pushes all times away, and `AdamW` makes whole steps of it.
    TemporalCoordinates,
    /// Of these the four of widths and heights.
    SpatialCoordinates,
    /// The word embeddings (`embed_tokens`).
    TokenEmbeddings,
    /// The word head (`lm_head`).
    LmHead,
    /// The layers and the final norm of the decoder.
    Decoder,
    /// The adapters.
    Lora,
}

impl Part {
    /// The part that a parameter of this published name belongs to: never [`Part::All`], and [`Part::Coordinates`] for either kind of
    /// coordinate.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let has = |part: &str| name.contains(part);
        if has("lora_") {
            Self::Lora
        } else if has("vision_resampler") {
            Self::Packers
        } else if has("vision_tower") {
            Self::VisionTower
        } else if has("mm_projector") {
            Self::Projector
        } else if has("temporal_") || has("spatial_") {
            Self::Coordinates
        } else if has("embed_tokens") {
            Self::TokenEmbeddings
        } else if has("lm_head") {
            Self::LmHead
        } else {
            Self::Decoder
        }
    }

    /// The word of a recipe.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::VisionTower => "vision_tower",
            Self::Projector => "projector",
            Self::Packers => "packers",
            Self::Coordinates => "coordinates",
            Self::TemporalCoordinates => "temporal_coordinates",
            Self::SpatialCoordinates => "spatial_coordinates",
            Self::TokenEmbeddings => "token_embeddings",
            Self::LmHead => "lm_head",
            Self::Decoder => "decoder",
            Self::Lora => "lora",
        }
    }

    /// Whether a list of parts contains the parameter of this published name.
    #[must_use]
    pub fn any(parts: &[Self], name: &str) -> bool {
        let part = Self::of(name);
        let coordinate = |kind: &str| part == Self::Coordinates && name.contains(kind);
        parts.iter().any(|&listed| match listed {
            Self::All => true,
            Self::TemporalCoordinates => coordinate("temporal_"),
            Self::SpatialCoordinates => coordinate("spatial_"),
            _ => listed == part,
        })
    }
}

/// Records and frames of the training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataPlan {
    /// Dataset files (the shape of the released stage files). `data: FILE.yaml` is short for a list of one.
    pub records: Vec<PathBuf>,
    /// Shard folders; none is `<root>/shards/<name of the dataset file>` for each dataset file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<PathBuf>,
    /// Megabytes in which the features of clips are kept while tower and projector rest; 0 keeps none.
    #[serde(default)]
    pub feature_cache_mb: usize,
    /// The share of records that may be unusable before the run is refused.
    #[serde(default = "one_percent")]
    pub max_rejects: f64,
}

fn one_percent() -> f64 {
    0.01
}

/// How records form optimizer steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPlan {
    /// Records of one forward pass at most.
    pub records: usize,
    /// Forward passes of one optimizer step; where a phase has a `mix`, passes of each of its streams at least.
    pub accumulate: usize,
    /// Records that share a clip stand together, and the vision tower sees the clip once.
    pub group_by_clip: bool,
}

impl Default for BatchPlan {
    fn default() -> Self {
        Self {
            records: 4,
            accumulate: 1,
            group_by_clip: true,
        }
    }
}

/// How the losses of a step become one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Mean over a record's labelled tokens, mean over the records.
    #[default]
    MeanOfRecords,
    /// Mean over a record's labelled tokens, *sum* over the records of a forward pass, mean over the passes: the original's
    /// stages 2 and 3.
    SumOfRecords,
    /// One mean over all labelled tokens of a forward pass, mean over the passes: the original's stage 1.
    MeanOfTokens,
}

/// `AdamW` (arXiv:1711.05101), and Muon for hidden matrices where asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimizerPlan {
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the two moments.
    #[serde(default = "default_betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Decoupled weight decay, on matrices only.
    #[serde(default)]
    pub weight_decay: f64,
    /// The norm of all gradients together at most; none is no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Muon for the matrices of tower, projector, packers and decoder (not for embeddings, heads and tables).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonPlan>,
    /// Parts with a rate of their own; the last group that names a part counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn default_eps() -> f64 {
    1e-8
}

/// Muon: momentum, then the nearest orthogonal matrix by five Newton-Schulz steps (Jordan 2024, kellerjordan.github.io/posts/muon).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MuonPlan {
    /// Learning rate; scaled by the root of rows over columns where that is above one.
    pub lr: f64,
    /// Momentum (Nesterov).
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f64,
}

fn default_momentum() -> f64 {
    0.95
}

/// Parts with a rate of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The parts.
    pub parts: Vec<Part>,
    /// Their learning rate.
    pub lr: f64,
    /// Their weight decay; none is the optimizer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// The learning rate as a function of the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchedulePlan {
    /// The curve after the warm-up.
    pub kind: Curve,
    /// Share of the steps over which the rate rises from zero.
    pub warmup: f64,
    /// Share of the steps, after the warm-up, at the full rate before the curve falls.
    pub hold: f64,
    /// The rate at the end, as a share of the full rate.
    pub floor: f64,
}

impl Default for SchedulePlan {
    fn default() -> Self {
        Self {
            kind: Curve::Cosine,
            warmup: 0.03,
            hold: 0.0,
            floor: 0.0,
        }
    }
}

/// A curve from the full rate to the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// Half a cosine.
    Cosine,
    /// A straight line.
    Linear,
    /// The full rate to the end.
    Constant,
}

/// One part of a curriculum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name in the metrics.
    pub name: String,
    /// Its share of the steps; the shares of all phases sum to 1.
    pub share: f64,
    /// Which parts learn; none is the recipe's `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Vec<Part>>,
    /// All rates are multiplied by this.
    #[serde(default = "one")]
    pub lr_scale: f64,
    /// What a step is made of; none is the next records of the epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<Stream>,
}

fn one() -> f64 {
    1.0
}

/// One ingredient of each step of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The tasks, each with its weight in the choice among a clip's records.
    pub tasks: BTreeMap<String, f64>,
    /// Clips in each step.
    pub clips: usize,
    /// Records of each clip at most.
    #[serde(default = "one_record")]
    pub questions: usize,
    /// Only images, only videos, or both.
    #[serde(default)]
    pub media: MediaKind,
    /// Weight of these records in the loss.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one_record() -> usize {
    1
}

/// Which media a stream takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Images and videos.
    #[default]
    Any,
    /// Images.
    Image,
    /// Videos.
    Video,
}

/// When the state is written. The end of the run and a signal always write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointPlan {
    /// Every so many steps; 0 is never.
    pub every_steps: u64,
    /// Every so many minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_minutes: Option<f64>,
    /// The newest so many are kept, and the best by validation.
    pub keep: usize,
}

impl Default for CheckpointPlan {
    fn default() -> Self {
        Self {
            every_steps: 200,
            every_minutes: None,
            keep: 2,
        }
    }
}

/// What is measured on held-out records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidationPlan {
    /// Dataset files of the held-out records.
    pub records: Vec<PathBuf>,
    /// Their shards; none is `<root>/shards/<name of the dataset file>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<PathBuf>,
    /// Every so many steps, and at the end.
    pub every_steps: u64,
    /// Records of each task at most.
    #[serde(default = "default_limit")]
    pub limit: usize,
    /// Also answers the questions and scores the answers; otherwise only the loss.
    #[serde(default)]
    pub answer: bool,
}

fn default_limit() -> usize {
    64
}
