//! What a model consists of and what a record costs: parameters by part, and floating-point operations by part.
//!
//! The derivation of each formula, with the published model's numbers, is in `docs/model.md`.

use serde::Serialize;

use crate::config::{ModelConfig, VideoStreams};
use crate::model::{ClipKind, LlavaSt};

/// A part of the model, as the method's figure divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// `SigLIP`.
    VisionTower,
    /// The two-layer projector.
    Projector,
    /// The three packers.
    Packers,
    /// The six coordinate tables, input and output.
    CoordinateTables,
    /// Word embedding.
    WordEmbedding,
    /// Decoder layers and the final norm.
    Decoder,
    /// Output layer over the vocabulary.
    OutputLayer,
    /// `LoRA` adapters.
    Adapters,
}

impl Part {
    /// All parts in the order in which a record goes through them.
    pub const ALL: [Self; 8] = [
        Self::VisionTower,
        Self::Projector,
        Self::Packers,
        Self::CoordinateTables,
        Self::WordEmbedding,
        Self::Decoder,
        Self::OutputLayer,
        Self::Adapters,
    ];

    /// The part to which a published parameter name belongs, or `None` for a name that is no part of the model.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        if name.contains(".lora_A.") || name.contains(".lora_B.") {
            return Some(Self::Adapters);
        }
        let prefixes = [
            ("model.vision_tower.", Self::VisionTower),
            ("model.mm_projector.", Self::Projector),
            ("model.vision_resampler.", Self::Packers),
            ("model.temporal_", Self::CoordinateTables),
            ("model.spatial_", Self::CoordinateTables),
            ("model.embed_tokens.", Self::WordEmbedding),
            ("model.layers.", Self::Decoder),
            ("model.norm.", Self::Decoder),
            ("lm_head.", Self::OutputLayer),
        ];
        prefixes
            .into_iter()
            .find(|(prefix, _)| name.starts_with(prefix))
            .map(|(_, part)| part)
    }

    /// A word or two for tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::VisionTower => "vision tower",
            Self::Projector => "projector",
            Self::Packers => "packers",
            Self::CoordinateTables => "coordinate tables",
            Self::WordEmbedding => "word embedding",
            Self::Decoder => "decoder",
            Self::OutputLayer => "output layer",
            Self::Adapters => "adapters",
        }
    }
}

/// Parameters of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartCount {
    /// The part.
    pub part: Part,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of values.
    pub parameters: usize,
    /// Of these, values whose gradient is tracked in training.
    pub trainable: usize,
}

/// Parameters by part, parts without any left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Census {
    /// In the order of [`Part::ALL`].
    pub parts: Vec<PartCount>,
    /// Names that belong to no part.
    pub unknown: Vec<String>,
}

impl Census {
    /// Counts the parameters of a model without creating their values.
    #[must_use]
    pub fn of(model: &LlavaSt) -> Self {
        let list = model.named_parameters();
        Self::count(
            list.iter()
                .map(|one| (one.name.as_str(), one.shape.as_slice(), one.trainable)),
        )
    }

    /// Counts named shapes: name, shape, whether it is trained.
    pub fn count<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a [usize], bool)>) -> Self {
        let mut parts = Part::ALL.map(|part| PartCount {
            part,
            tensors: 0,
            parameters: 0,
            trainable: 0,
        });
        let mut unknown = Vec::new();
        for (name, shape, trainable) in parameters {
            let Some(part) = Part::of(name) else {
                unknown.push(name.to_owned());
                continue;
            };
            let values: usize = shape.iter().product();
            if let Some(count) = parts.iter_mut().find(|count| count.part == part) {
                count.tensors += 1;
                count.parameters += values;
                count.trainable += if trainable { values } else { 0 };
            }
        }
        Self {
            parts: parts
                .into_iter()
                .filter(|count| count.tensors > 0)
                .collect(),
            unknown,
        }
    }

    /// Parameters of one part; 0 where the model has none.
    #[must_use]
    pub fn parameters(&self, part: Part) -> usize {
        self.parts
            .iter()
            .find(|count| count.part == part)
            .map_or(0, |count| count.parameters)
    }

    /// All parameters.
    #[must_use]
    pub fn total(&self) -> usize {
        self.parts.iter().map(|count| count.parameters).sum()
    }

    /// All parameters whose gradient is tracked.
    #[must_use]
    pub fn trainable(&self) -> usize {
        self.parts.iter().map(|count| count.trainable).sum()
    }
}

/// What goes through the model for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordSize {
    /// Frames through the vision tower.
    pub frames: usize,
    /// Positions of visual tokens in the decoder.
    pub visual_tokens: usize,
    /// Other positions: template, question and answer.
    pub text_tokens: usize,
    /// Positions with a label, for which logits are computed.
    pub labels: usize,
}

impl RecordSize {
    /// The size of a record about an image or a video.
    #[must_use]
    pub fn new(config: &ModelConfig, kind: ClipKind, text_tokens: usize, labels: usize) -> Self {
        let (frames, visual_tokens) = match kind {
            ClipKind::Image => (1, config.image_tokens()),
            ClipKind::Video => {
                let (fast, slow) = config.video_tokens();
                (config.video.frames, fast + slow)
            }
        };
        Self {
            frames,
            visual_tokens,
            text_tokens,
            labels,
        }
    }

    /// Positions in the decoder.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.visual_tokens + self.text_tokens
    }
}

/// Floating-point operations of one record's forward pass, by part. A multiplication and an addition count as two; only matrix
/// products are counted, which is all but a few thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordFlops {
    /// Vision tower, all frames.
    pub vision_tower: u64,
    /// Projector, all frames.
    pub projector: u64,
    /// Packers.
    pub packers: u64,
    /// Decoder layers.
    pub decoder: u64,
    /// Logits at labelled positions.
    pub output_layer: u64,
}

impl RecordFlops {
    /// Counts the operations of a record.
    #[must_use]
    pub fn new(config: &ModelConfig, kind: ClipKind, size: RecordSize) -> Self {
        let frames = size.frames as u64;
        let patches = config.vision.tokens() as u64;
        let (narrow, wide) = (
            config.vision.hidden_size as u64,
            config.text.hidden_size as u64,
        );
        Self {
            vision_tower: frames * tower_flops(config),
            projector: 2 * frames * patches * (narrow * wide + wide * wide),
            packers: packer_flops(config, kind),
            decoder: decoder_flops(config, size.tokens() as u64),
            output_layer: 2 * size.labels as u64 * wide * config.total_ids() as u64,
        }
    }

    /// Sum over all parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.vision_tower + self.projector + self.packers + self.decoder + self.output_layer
    }
}

/// One frame: patches, then for each layer four square projections, two feed-forward ones, and attention of all with all.
fn tower_flops(config: &ModelConfig) -> u64 {
    let vision = &config.vision;
    let (tokens, width, inner) = (
        vision.tokens() as u64,
        vision.hidden_size as u64,
        vision.intermediate_size as u64,
    );
    let linear = 2 * tokens * (4 * width * width + 2 * width * inner);
    let attention = 4 * tokens * tokens * width;
    2 * tokens * vision.patch_len() as u64 * width
        + vision.num_hidden_layers as u64 * (linear + attention)
}

/// One packer with so many queries and keys; each key is in the region of one query.
fn one_packer(config: &ModelConfig, queries: usize, keys: usize) -> u64 {
    if !config.parts.stp {
        return 0;
    }
    let (wide, inner) = (
        config.text.hidden_size as u64,
        config.packer.embed_dim as u64,
    );
    let (queries, keys) = (queries as u64, keys as u64);
    // Two layers of `to_q`, `to_k` or `to_v`, then the attention's own projection.
    let project = 2 * (wide * inner + 2 * inner * inner);
    let out = 2 * (inner * inner + inner * wide);
    queries * (project + out) + 2 * keys * project + 4 * keys * inner
}

fn packer_flops(config: &ModelConfig, kind: ClipKind) -> u64 {
    let (patches, first) = (
        config.vision.tokens(),
        config.packer.first_grid * config.packer.first_grid,
    );
    match kind {
        ClipKind::Image if !config.use_downsample_image => 0,
        ClipKind::Image => one_packer(config, first, patches) + one_packer(config, first, first),
        ClipKind::Video => {
            let frames = config.video.frames;
            let (fast, slow) = config.video_tokens();
            let fast = if config.video_streams == VideoStreams::Both {
                fast
            } else {
                0
            };
            let keys = frames * first;
            one_packer(config, keys, frames * patches)
                + one_packer(config, slow, keys)
                + if fast > 0 {
                    one_packer(config, fast, keys)
                } else {
                    0
                }
        }
    }
}

/// All layers: projections of each token, and causal attention, in which a token sees itself and those before it.
fn decoder_flops(config: &ModelConfig, tokens: u64) -> u64 {
    let text = &config.text;
    let (width, inner) = (text.hidden_size as u64, text.intermediate_size as u64);
    let small = (text.num_key_value_heads * text.head_dim()) as u64;
    let linear = 2 * tokens * (2 * width * width + 2 * width * small + 3 * width * inner);
    let attention = 4 * width * (tokens * (tokens + 1) / 2);
    text.num_hidden_layers as u64 * (linear + attention)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Sums over the shapes of the published checkpoint, written out in `docs/model.md`, one part at a time.
    const PUBLISHED: [(Part, usize); 7] = [
        (Part::VisionTower, 397_747_744),
        (Part::Projector, 16_980_992),
        (Part::Packers, 66_109_440),
        (Part::CoordinateTables, 2_150_400),
        (Part::WordEmbedding, 543_549_440),
        (Part::Decoder, 6_525_621_760),
        (Part::OutputLayer, 543_549_440),
    ];

    #[test]
    fn published_model_has_its_parameters() {
        let model = ModelConfig::published_7b().init(&Device::flex()).unwrap();
        let census = Census::of(&model);
        for (part, parameters) in PUBLISHED {
            assert_eq!(census.parameters(part), parameters, "{}", part.title());
        }
        assert_eq!(census.total(), 8_095_709_216);
        assert!(census.unknown.is_empty(), "{:?}", census.unknown);
    }

    #[test]
    fn record_sizes_are_the_published_ones() {
        let config = ModelConfig::published_7b();
        assert_eq!(
            RecordSize::new(&config, ClipKind::Video, 80, 30).tokens(),
            2600
        );
        assert_eq!(
            RecordSize::new(&config, ClipKind::Image, 80, 30).visual_tokens,
            729
        );
    }

    /// A single token through the decoder costs two operations for each weight, and attention to itself.
    #[test]
    fn decoder_flops_follow_the_weights() {
        let config = ModelConfig::published_7b();
        let vectors = 28 * (3584 + 2 * 512 + 2 * 3584) + 3584;
        let weights = 6_525_621_760 - vectors;
        assert_eq!(decoder_flops(&config, 1), 2 * weights + 28 * 4 * 3584);
    }

    /// The tower's weights but for biases and norms, twice for each token, and attention.
    #[test]
    fn tower_flops_follow_the_weights() {
        let config = ModelConfig::published_7b();
        let layer = 4 * 1152 * 1152 + 2 * 1152 * 4304;
        let expected = 2 * 729 * (26 * layer + 588 * 1152) + 26 * 4 * 729 * 729 * 1152;
        assert_eq!(tower_flops(&config), expected);
    }

    #[test]
    fn the_unused_stream_costs_nothing() {
        let both = packer_flops(&ModelConfig::published_7b(), ClipKind::Video);
        let slow = packer_flops(&ModelConfig::published_7b().as_released(), ClipKind::Video);
        assert!(slow < both);
        assert_eq!(
            packer_flops(&ModelConfig::published_7b(), ClipKind::Image),
            0
        );
    }
}
