//! `SigLIP` vision tower (arXiv:2303.15343) as LLaVA-ST uses it: without the last layer, the final norm's output and the pooling head.
//!
//! Pictures arrive as unfolded patches, so that the patch convolution is one matrix product.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};
use st_schema::Frames;

use crate::config::VisionConfig;
use crate::layers::{Embedding, LayerNorm, Linear};
use crate::ops::{self, Mask};

/// A picture of another size than the tower's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model reads frames of {expected}x{expected} pixels, these are {width}x{height}; resize them or shard with --size {expected}"
)]
pub struct FrameSizeError {
    /// Side that the configuration asks for.
    pub expected: usize,
    /// Width of the frames.
    pub width: usize,
    /// Height of the frames.
    pub height: usize,
}

/// Unfolds 8-bit frames into normalised patches: `(v / 255 - 0.5) / 0.5`, patches row by row, numbers of a patch in the order
/// channel, row, column.
///
/// # Shapes
/// - output: `[all frames, patches, 3 * patch_size^2]`
///
/// # Errors
/// [`FrameSizeError`] when a frame is not `image_size` square.
pub fn patches(
    clips: &[&Frames],
    config: &VisionConfig,
    device: &Device,
) -> Result<Tensor<3>, FrameSizeError> {
    let side = config.image_size;
    let count = clips.iter().map(|frames| frames.count).sum::<usize>();
    let levels: [f32; 256] = std::array::from_fn(|level| {
        #[expect(clippy::cast_precision_loss, reason = "at most 255")]
        let value = level as f32;
        (value / 255.0 - 0.5) / 0.5
    });
    let mut values = Vec::with_capacity(count * config.tokens() * config.patch_len());
    for frames in clips {
        if (frames.width, frames.height) != (side, side) {
            return Err(FrameSizeError {
                expected: side,
                width: frames.width,
                height: frames.height,
            });
        }
        for index in 0..frames.count {
            unfold(frames.frame(index), config, &levels, &mut values);
        }
    }
    Ok(Tensor::from_data(
        TensorData::new(values, [count, config.tokens(), config.patch_len()]),
        device,
    ))
}

fn unfold(rgb: &[u8], config: &VisionConfig, levels: &[f32; 256], values: &mut Vec<f32>) {
    let (side, patch, grid) = (config.image_size, config.patch_size, config.grid());
    for (row, column) in (0..grid * grid).map(|index| (index / grid, index % grid)) {
        for channel in 0..3 {
            for y in row * patch..(row + 1) * patch {
                let start = (y * side + column * patch) * 3 + channel;
                let line = rgb[start..].iter().step_by(3).take(patch);
                values.extend(line.map(|level| levels[usize::from(*level)]));
            }
        }
    }
}

/// Patch convolution as a matrix product, with the convolution's parameters.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    /// `[hidden, 3, patch_size, patch_size]`.
    pub weight: Param<Tensor<4>>,
    /// `[hidden]`.
    pub bias: Param<Tensor<1>>,
}

impl PatchEmbedding {
    fn new(config: &VisionConfig, device: &Device) -> Self {
        let (patch, width, fan_in) = (config.patch_size, config.hidden_size, config.patch_len());
        let start = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        Self {
            weight: start.init_with([width, 3, patch, patch], Some(fan_in), Some(width), device),
            bias: start.init_with([width], Some(fan_in), Some(width), device),
        }
    }

    /// `[frames, patches, 3 * patch_size^2]` to `[frames, patches, hidden]`.
    #[must_use]
    pub fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        let [frames, count, length] = patches.dims();
        let weight = self.weight.val();
        let width = weight.dims()[0];
        let flat = patches.reshape([frames * count, length]);
        ops::linear(flat, weight.reshape([width, length]), Some(self.bias.val()))
            .reshape([frames, count, width])
    }
}

/// Patches and their positions.
#[derive(Module, Debug)]
pub struct SiglipEmbeddings {
    /// Patch convolution.
    pub patch_embedding: PatchEmbedding,
    /// One row for each patch, row by row of the picture.
    pub position_embedding: Embedding,
}

impl SiglipEmbeddings {
    /// `[frames, patches, 3 * patch_size^2]` to `[frames, patches, hidden]`.
    #[must_use]
    pub fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        self.patch_embedding.forward(patches) + self.position_embedding.weight.val().unsqueeze()
    }
}

/// Self-attention over the patches of a frame.
#[derive(Module, Debug)]
pub struct SiglipAttention {
    /// Keys.
    pub k_proj: Linear,
    /// Values.
    pub v_proj: Linear,
    /// Queries.
    pub q_proj: Linear,
    /// Output.
    pub out_proj: Linear,
    /// Heads.
    pub heads: usize,
}

impl SiglipAttention {
    /// `[frames, patches, hidden]`, each frame for itself.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [frames, patches, width] = input.dims();
        let split =
            |states: Tensor<3>| states.reshape([frames, patches, self.heads, width / self.heads]);
        let query = split(self.q_proj.forward(input.clone()));
        let key = split(self.k_proj.forward(input.clone()));
        let value = split(self.v_proj.forward(input));
        let mixed = ops::attention(query, key, value, Mask::Full);
        self.out_proj
            .forward(mixed.reshape([frames, patches, width]))
    }
}

/// Two linear layers with tanh-GELU between.
#[derive(Module, Debug)]
pub struct SiglipMlp {
    /// Up.
    pub fc1: Linear,
    /// Down.
    pub fc2: Linear,
}

impl SiglipMlp {
    /// `[frames, patches, hidden]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(ops::gelu_tanh(self.fc1.forward(input)))
    }
}

/// One pre-norm layer.
#[derive(Module, Debug)]
pub struct SiglipLayer {
    /// Attention.
    pub self_attn: SiglipAttention,
    /// Norm before attention.
    pub layer_norm1: LayerNorm,
    /// Feed-forward.
    pub mlp: SiglipMlp,
    /// Norm before the feed-forward.
    pub layer_norm2: LayerNorm,
}

impl SiglipLayer {
    fn new(config: &VisionConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = || Linear::new(width, width, true, device);
        Self {
            self_attn: SiglipAttention {
                k_proj: linear(),
                v_proj: linear(),
                q_proj: linear(),
                out_proj: linear(),
                heads: config.num_attention_heads,
            },
            layer_norm1: LayerNorm::new(width, config.layer_norm_eps, device),
            mlp: SiglipMlp {
                fc1: Linear::new(width, inner, true, device),
                fc2: Linear::new(inner, width, true, device),
            },
            layer_norm2: LayerNorm::new(width, config.layer_norm_eps, device),
        }
    }

    /// `[frames, patches, hidden]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let states = input.clone() + self.self_attn.forward(self.layer_norm1.forward(input));
        states.clone() + self.mlp.forward(self.layer_norm2.forward(states))
    }
}

/// The layers.
#[derive(Module, Debug)]
pub struct SiglipEncoder {
    /// First to last.
    pub layers: Vec<SiglipLayer>,
}

/// The tower.
#[derive(Module, Debug)]
pub struct SiglipTower {
    /// Patches to states.
    pub embeddings: SiglipEmbeddings,
    /// Layers.
    pub encoder: SiglipEncoder,
    /// In the checkpoints, and never applied: `LLaVA` takes the last layer's output as it is.
    pub post_layernorm: LayerNorm,
}

/// Frames that go through the tower together when no gradient is tracked, which bounds the memory of a long clip.
const FRAME_BLOCK: usize = 32;

impl SiglipTower {
    /// A tower with random values, created when first used.
    #[must_use]
    pub fn new(config: &VisionConfig, device: &Device) -> Self {
        Self {
            embeddings: SiglipEmbeddings {
                patch_embedding: PatchEmbedding::new(config, device),
                position_embedding: Embedding::new(config.tokens(), config.hidden_size, device),
            },
            encoder: SiglipEncoder {
                layers: (0..config.num_hidden_layers)
                    .map(|_| SiglipLayer::new(config, device))
                    .collect(),
            },
            post_layernorm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
        }
    }

    /// The last layer's output, without the final norm.
    ///
    /// # Shapes
    /// - patches: `[frames, patches, 3 * patch_size^2]`
    /// - output: `[frames, patches, hidden]`
    #[must_use]
    pub fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        let frames = patches.dims()[0];
        if frames <= FRAME_BLOCK {
            return self.forward_block(patches);
        }
        let starts = (0..frames).step_by(FRAME_BLOCK);
        let blocks = starts.map(|start| {
            self.forward_block(
                patches
                    .clone()
                    .narrow(0, start, FRAME_BLOCK.min(frames - start)),
            )
        });
        Tensor::cat(blocks.collect(), 0)
    }

    fn forward_block(&self, patches: Tensor<3>) -> Tensor<3> {
        let states = self.embeddings.forward(patches);
        self.encoder
            .layers
            .iter()
            .fold(states, |states, layer| layer.forward(states))
    }
}
