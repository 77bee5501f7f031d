//! Sizes and switches of a model: the only place where a number of the architecture stands.
//!
//! Every grid, frame count and width of the model follows from a [`ModelConfig`]; the modules hold no size of their own.
//! Field names are those of the published `config.json` files (`SigLIP` and Qwen2 on Hugging Face) where such a field exists.

use serde::{Deserialize, Serialize};
use st_schema::Axis;

/// A configuration that cannot be built, with the numbers that do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A size that must be positive is zero.
    #[error("`{field}` is 0, it must be at least 1")]
    Zero {
        /// Dotted path of the field.
        field: &'static str,
    },
    /// One number has to be a multiple of another.
    #[error("`{whole}` ({whole_value}) is not a multiple of `{part}` ({part_value})")]
    NotDivisible {
        /// Dotted path of the field that is divided.
        whole: &'static str,
        /// Its value.
        whole_value: usize,
        /// Dotted path of the divisor.
        part: &'static str,
        /// Its value.
        part_value: usize,
    },
    /// An attention head of odd width, which rotary positions cannot rotate.
    #[error(
        "the head width of `text` is {head_dim} (hidden_size {hidden_size} over {heads} heads), rotary positions need an even one"
    )]
    OddHead {
        /// Width of one head.
        head_dim: usize,
        /// Width of the decoder.
        hidden_size: usize,
        /// Number of heads.
        heads: usize,
    },
    /// The picture is smaller than one patch.
    #[error(
        "`vision.image_size` ({image_size}) is smaller than `vision.patch_size` ({patch_size})"
    )]
    NoPatch {
        /// Side of the picture in pixels.
        image_size: usize,
        /// Side of a patch in pixels.
        patch_size: usize,
    },
}

/// `SigLIP` vision tower (arXiv:2303.15343), as far as it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisionConfig {
    /// Side of the square input picture in pixels.
    pub image_size: usize,
    /// Side of a square patch in pixels; pixels left over at the right and bottom edge are not seen.
    pub patch_size: usize,
    /// Width of the tower.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Layers that are *used*; LLaVA-ST drops the last layer of the published tower (26 of 27).
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Epsilon of the layer norms.
    #[serde(default = "eps_1e6")]
    pub layer_norm_eps: f64,
}

impl VisionConfig {
    /// Patches along one side: `image_size / patch_size`, rounded down as a convolution without padding does.
    #[must_use]
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Patches of one frame.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.grid() * self.grid()
    }

    /// Numbers in one patch: three channels times the patch area.
    #[must_use]
    pub fn patch_len(&self) -> usize {
        3 * self.patch_size * self.patch_size
    }
}

/// The three point-to-region packers (spatial-temporal packer, section 3.3 of arXiv:2501.08282).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackerConfig {
    /// Width inside the attention.
    pub embed_dim: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Epsilon of the layer norms.
    #[serde(default = "eps_1e5")]
    pub layer_norm_eps: f64,
    /// Side of the grid after the first packer (published: 27 to 9).
    pub first_grid: usize,
    /// Side of the grid of the fast stream (published: 9 to 3).
    pub fast_grid: usize,
}

/// How many frames a video clip has and how many remain in the slow stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoConfig {
    /// Frames of a clip (published: 100).
    pub frames: usize,
    /// Frames of the slow stream (published: 20).
    pub slow_frames: usize,
}

/// Qwen2 decoder (arXiv:2407.10671); field names of its `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig {
    /// Rows of the word embedding, without the coordinate rows behind it.
    pub vocab_size: usize,
    /// Width of the decoder, and of every visual token.
    pub hidden_size: usize,
    /// Width inside the gated feed-forward part.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Base of the rotary positions.
    #[serde(default = "rope_1e6")]
    pub rope_theta: f64,
    /// Epsilon of the RMS norms.
    #[serde(default = "eps_1e6")]
    pub rms_norm_eps: f64,
}

impl TextConfig {
    /// Width of one attention head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// `Qwen/Qwen2-7B-Instruct` with the vocabulary of the released LLaVA-ST checkpoint left to the caller.
    #[must_use]
    pub fn qwen2_7b(vocab_size: usize) -> Self {
        Self {
            vocab_size,
            hidden_size: 3584,
            intermediate_size: 18944,
            num_hidden_layers: 28,
            num_attention_heads: 28,
            num_key_value_heads: 4,
            rope_theta: rope_1e6(),
            rms_norm_eps: eps_1e6(),
        }
    }
}

/// Coordinate tokens of each axis; they follow the vocabulary in the order temporal, height, width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinateConfig {
    /// Temporal bins.
    #[serde(default = "bins_100")]
    pub num_temporal: usize,
    /// Height bins.
    #[serde(default = "bins_100")]
    pub num_height: usize,
    /// Width bins.
    #[serde(default = "bins_100")]
    pub num_width: usize,
}

impl Default for CoordinateConfig {
    fn default() -> Self {
        Self {
            num_temporal: bins_100(),
            num_height: bins_100(),
            num_width: bins_100(),
        }
    }
}

impl CoordinateConfig {
    /// Bins of one axis.
    #[must_use]
    pub fn bins(&self, axis: Axis) -> usize {
        match axis {
            Axis::Temporal => self.num_temporal,
            Axis::Height => self.num_height,
            Axis::Width => self.num_width,
        }
    }

    /// Rows behind the vocabulary: the bins of all axes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.num_temporal + self.num_height + self.num_width
    }

    /// First row of an axis, counted from the end of the vocabulary.
    #[must_use]
    pub fn offset(&self, axis: Axis) -> usize {
        match axis {
            Axis::Temporal => 0,
            Axis::Height => self.num_temporal,
            Axis::Width => self.num_temporal + self.num_height,
        }
    }
}

/// Which streams of a video reach the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoStreams {
    /// Fast and slow, as the paper describes; for new training.
    #[default]
    Both,
    /// The original code: the fast positions keep the embeddings of their patch tokens. For its released weights.
    SlowOnly,
}

/// What the placeholder of a width coordinate in the prompt becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WidthInput {
    /// The interpolated embedding, like the other axes; for new training.
    #[default]
    Interpolated,
    /// The original code, which forgets the assignment: the embedding of the template token. For its released weights.
    Template,
}

/// What happens to the packers when a checkpoint is loaded for stages 2 and 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackerInit {
    /// They keep the checkpoint's values.
    #[default]
    Keep,
    /// The original code: they start from random values again.
    Restart,
}

/// Parts of the method that can be switched off for ablations; all are on in the published model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parts {
    /// Language-aligned positional embedding added to the visual features.
    pub lape: bool,
    /// Point-to-region attention in the packers; off: each region is replaced by its mean, token counts stay.
    pub stp: bool,
    /// Neighbouring token propagation in the gradient of the coordinate tables.
    pub ntp: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            lape: true,
            stp: true,
            ntp: true,
        }
    }
}

/// A whole model: sizes of all parts and the switches between the paper and the original code.
///
/// ```
/// use st_model::config::ModelConfig;
/// let config = ModelConfig::published_7b();
/// config.validate()?;
/// assert_eq!(config.vision.grid(), 27);
/// assert_eq!(config.video_tokens(), (900, 1620));
/// # Ok::<(), st_model::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Vision tower.
    pub vision: VisionConfig,
    /// Packers.
    pub packer: PackerConfig,
    /// Frames of a clip.
    pub video: VideoConfig,
    /// Language decoder.
    pub text: TextConfig,
    /// Coordinate tokens.
    #[serde(default)]
    pub coordinates: CoordinateConfig,
    /// Streams of a video that reach the decoder.
    #[serde(default)]
    pub video_streams: VideoStreams,
    /// Width coordinates in prompts.
    #[serde(default)]
    pub width_input: WidthInput,
    /// Packers at the start of stages 2 and 3.
    #[serde(default)]
    pub packer_init: PackerInit,
    /// Give an image the tokens of the slow stream (published: 81) in place of all patches (published: 729).
    #[serde(default)]
    pub use_downsample_image: bool,
    /// Ablation switches.
    #[serde(default)]
    pub parts: Parts,
}

impl ModelConfig {
    /// LLaVA-ST-Qwen2-7B (arXiv:2501.08282): `SigLIP` so400m patch14-384 without its last layer, Qwen2 7B, and a
    /// vocabulary of Qwen2's 151 646 tokens with 14 more behind them.
    ///
    /// The switches stand for new training; see [`ModelConfig::as_released`] for the original's behaviour.
    #[must_use]
    pub fn published_7b() -> Self {
        Self {
            vision: VisionConfig {
                image_size: 384,
                patch_size: 14,
                hidden_size: 1152,
                intermediate_size: 4304,
                num_hidden_layers: 26,
                num_attention_heads: 16,
                layer_norm_eps: eps_1e6(),
            },
            packer: PackerConfig {
                embed_dim: 1024,
                num_attention_heads: 8,
                layer_norm_eps: eps_1e5(),
                first_grid: 9,
                fast_grid: 3,
            },
            video: VideoConfig {
                frames: 100,
                slow_frames: 20,
            },
            text: TextConfig::qwen2_7b(PUBLISHED_VOCABULARY),
            coordinates: CoordinateConfig::default(),
            video_streams: VideoStreams::default(),
            width_input: WidthInput::default(),
            packer_init: PackerInit::default(),
            use_downsample_image: false,
            parts: Parts::default(),
        }
    }

    /// The same sizes with the switches under which the original's released weights were trained.
    #[must_use]
    pub fn as_released(mut self) -> Self {
        self.video_streams = VideoStreams::SlowOnly;
        self.width_input = WidthInput::Template;
        self
    }

    /// Visual tokens of an image.
    #[must_use]
    pub fn image_tokens(&self) -> usize {
        if self.use_downsample_image {
            self.packer.first_grid * self.packer.first_grid
        } else {
            self.vision.tokens()
        }
    }

    /// Visual tokens of a video: fast stream, slow stream.
    #[must_use]
    pub fn video_tokens(&self) -> (usize, usize) {
        let fast = self.video.frames * self.packer.fast_grid * self.packer.fast_grid;
        let slow = self.video.slow_frames * self.packer.first_grid * self.packer.first_grid;
        (fast, slow)
    }

    /// Token ids that the extended tables know: the vocabulary and all coordinates.
    #[must_use]
    pub fn total_ids(&self) -> usize {
        self.text.vocab_size + self.coordinates.total()
    }

    /// Token id of bin 0 of an axis.
    #[must_use]
    pub fn first_id(&self, axis: Axis) -> usize {
        self.text.vocab_size + self.coordinates.offset(axis)
    }

    /// Checks that all sizes fit together.
    ///
    /// # Errors
    /// The first [`ConfigError`] in the order vision, packers, video, text, coordinates, with the numbers that do not fit.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in self.positive_fields() {
            if value == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        let (vision, packer, text) = (&self.vision, &self.packer, &self.text);
        if vision.image_size < vision.patch_size {
            return Err(ConfigError::NoPatch {
                image_size: vision.image_size,
                patch_size: vision.patch_size,
            });
        }
        divides(
            "vision.hidden_size",
            vision.hidden_size,
            "vision.num_attention_heads",
            vision.num_attention_heads,
        )?;
        divides(
            "vision grid (image_size / patch_size)",
            vision.grid(),
            "packer.first_grid",
            packer.first_grid,
        )?;
        divides(
            "packer.first_grid",
            packer.first_grid,
            "packer.fast_grid",
            packer.fast_grid,
        )?;
        divides(
            "packer.embed_dim",
            packer.embed_dim,
            "packer.num_attention_heads",
            packer.num_attention_heads,
        )?;
        divides(
            "video.frames",
            self.video.frames,
            "video.slow_frames",
            self.video.slow_frames,
        )?;
        divides(
            "text.hidden_size",
            text.hidden_size,
            "text.num_attention_heads",
            text.num_attention_heads,
        )?;
        let heads = text.num_attention_heads;
        divides(
            "text.num_attention_heads",
            heads,
            "text.num_key_value_heads",
            text.num_key_value_heads,
        )?;
        if !text.head_dim().is_multiple_of(2) {
            return Err(ConfigError::OddHead {
                head_dim: text.head_dim(),
                hidden_size: text.hidden_size,
                heads,
            });
        }
        Ok(())
    }

    fn positive_fields(&self) -> [(&'static str, usize); 21] {
        let (vision, packer, text, bins) =
            (&self.vision, &self.packer, &self.text, &self.coordinates);
        [
            ("vision.image_size", vision.image_size),
            ("vision.patch_size", vision.patch_size),
            ("vision.hidden_size", vision.hidden_size),
            ("vision.intermediate_size", vision.intermediate_size),
            ("vision.num_hidden_layers", vision.num_hidden_layers),
            ("vision.num_attention_heads", vision.num_attention_heads),
            ("packer.embed_dim", packer.embed_dim),
            ("packer.num_attention_heads", packer.num_attention_heads),
            ("packer.first_grid", packer.first_grid),
            ("packer.fast_grid", packer.fast_grid),
            ("video.frames", self.video.frames),
            ("video.slow_frames", self.video.slow_frames),
            ("text.vocab_size", text.vocab_size),
            ("text.hidden_size", text.hidden_size),
            ("text.intermediate_size", text.intermediate_size),
            ("text.num_hidden_layers", text.num_hidden_layers),
            ("text.num_attention_heads", text.num_attention_heads),
            ("text.num_key_value_heads", text.num_key_value_heads),
            ("coordinates.num_temporal", bins.num_temporal),
            ("coordinates.num_height", bins.num_height),
            ("coordinates.num_width", bins.num_width),
        ]
    }
}

/// Rows of the word embedding of LLaVA-ST-Qwen2-7B: `len(tokenizer)` of Qwen2-7B-Instruct and the added tokens.
pub const PUBLISHED_VOCABULARY: usize = 151_660;

fn divides(
    whole: &'static str,
    whole_value: usize,
    part: &'static str,
    part_value: usize,
) -> Result<(), ConfigError> {
    if whole_value.is_multiple_of(part_value) {
        Ok(())
    } else {
        Err(ConfigError::NotDivisible {
            whole,
            whole_value,
            part,
            part_value,
        })
    }
}

fn eps_1e6() -> f64 {
    1e-6
}

fn eps_1e5() -> f64 {
    1e-5
}

fn rope_1e6() -> f64 {
    1e6
}

fn bins_100() -> usize {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_that_do_not_divide_are_refused_with_their_numbers() {
        let mut config = ModelConfig::published_7b();
        config.packer.first_grid = 10;
        let message = config.validate().unwrap_err().to_string();
        assert!(
            message.contains("(27)") && message.contains("(10)"),
            "{message}"
        );

        let mut config = ModelConfig::published_7b();
        config.video.slow_frames = 30;
        let message = config.validate().unwrap_err().to_string();
        assert!(
            message.contains("`video.frames` (100)") && message.contains("(30)"),
            "{message}"
        );

        let mut config = ModelConfig::published_7b();
        config.text.num_key_value_heads = 0;
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains("text.num_key_value_heads"), "{message}");
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut json = serde_json::to_value(ModelConfig::published_7b()).unwrap();
        assert!(serde_json::from_value::<ModelConfig>(json.clone()).is_ok());
        json["video_stream"] = "both".into();
        let error = serde_json::from_value::<ModelConfig>(json).unwrap_err();
        assert!(error.to_string().contains("video_stream"), "{error}");
    }

    #[test]
    fn released_weights_get_the_original_switches() {
        let config = ModelConfig::published_7b().as_released();
        assert_eq!(
            (config.video_streams, config.width_input),
            (VideoStreams::SlowOnly, WidthInput::Template)
        );
        assert_eq!(
            config.first_id(Axis::Width) - config.first_id(Axis::Temporal),
            200
        );
        assert_eq!(config.total_ids(), PUBLISHED_VOCABULARY + 300);
    }
}
