//! Spatial-temporal packer (section 3.3 of arXiv:2501.08282): point-to-region attention that compresses space or time.
//!
//! A query is the linearly resized feature of a region, keys and values are all features of the region, and the answer is added to the
//! query. The first packer compresses space; from its output the slow packer compresses time and the fast packer space again.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::config::{ModelConfig, PackerConfig};
use crate::layers::{LayerNorm, Linear};
use crate::ops::{self, Mask};

/// Two linear layers with exact GELU between.
#[derive(Module, Debug)]
pub struct PackerMlp {
    /// `.0` in the checkpoints.
    pub fc1: Linear,
    /// `.2` in the checkpoints.
    pub fc2: Linear,
}

impl PackerMlp {
    fn new(inputs: usize, width: usize, device: &Device) -> Self {
        Self {
            fc1: Linear::new(inputs, width, true, device),
            fc2: Linear::new(width, width, true, device),
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(ops::gelu(self.fc1.forward(input)))
    }
}

/// The parameters of `PyTorch`'s `MultiheadAttention`, the three input maps in one matrix.
#[derive(Module, Debug)]
pub struct PackedAttention {
    /// `[3 * width, width]`: query, key, value.
    pub in_proj_weight: Param<Tensor<2>>,
    /// `[3 * width]`.
    pub in_proj_bias: Param<Tensor<1>>,
    /// Output map.
    pub out_proj: Linear,
    /// Heads.
    pub heads: usize,
}

impl PackedAttention {
    fn new(width: usize, heads: usize, device: &Device) -> Self {
        let start = Initializer::XavierUniform { gain: 1.0 };
        Self {
            in_proj_weight: start.init_with(
                [3 * width, width],
                Some(width),
                Some(3 * width),
                device,
            ),
            in_proj_bias: Initializer::Zeros.init([3 * width], device),
            out_proj: Linear::new(width, width, true, device),
            heads,
        }
    }

    /// Applies one of the three input maps: 0 query, 1 key, 2 value.
    fn project(&self, input: Tensor<2>, which: usize) -> Tensor<2> {
        let width = input.dims()[1];
        let weight = self.in_proj_weight.val().narrow(0, which * width, width);
        let bias = self.in_proj_bias.val().narrow(0, which * width, width);
        ops::linear(input, weight, Some(bias))
    }

    /// One query for each region.
    ///
    /// # Shapes
    /// - query: `[regions, width]`
    /// - key, value: `[regions * points, width]`, region by region
    /// - output: `[regions, width]`
    fn forward(&self, query: Tensor<2>, key: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        let [regions, width] = query.dims();
        let points = key.dims()[0] / regions;
        let (heads, head) = (self.heads, width / self.heads);
        let query = self.project(query, 0).reshape([regions, 1, heads, head]);
        let key = self.project(key, 1).reshape([regions, points, heads, head]);
        let value = self
            .project(value, 2)
            .reshape([regions, points, heads, head]);
        let mixed = ops::attention(query, key, value, Mask::Full);
        self.out_proj.forward(mixed.reshape([regions, width]))
    }
}

/// Point-to-region attention. The name of the field that holds it is the checkpoint's (`devide_attention`).
#[derive(Module, Debug)]
pub struct PointToRegion {
    /// Queries.
    pub to_q: PackerMlp,
    /// Keys.
    pub to_k: PackerMlp,
    /// Values.
    pub to_v: PackerMlp,
    /// Norm of the queries.
    pub ln_q: LayerNorm,
    /// Norm of the keys.
    pub ln_k: LayerNorm,
    /// Norm of the values.
    pub ln_v: LayerNorm,
    /// Attention.
    pub attn: PackedAttention,
    /// Back to the visual width, without bias.
    pub to_out: Linear,
}

impl PointToRegion {
    fn new(visual: usize, config: &PackerConfig, device: &Device) -> Self {
        let width = config.embed_dim;
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        Self {
            to_q: PackerMlp::new(visual, width, device),
            to_k: PackerMlp::new(visual, width, device),
            to_v: PackerMlp::new(visual, width, device),
            ln_q: norm(),
            ln_k: norm(),
            ln_v: norm(),
            attn: PackedAttention::new(width, config.num_attention_heads, device),
            to_out: Linear::new(width, visual, false, device),
        }
    }

    /// `points` numbers the features of a region; all arguments and the result are `[rows, visual]`.
    fn forward(&self, query: Tensor<2>, regions: Tensor<2>) -> Tensor<2> {
        let q = self.ln_q.forward(self.to_q.forward(query.clone()));
        let k = self.ln_k.forward(self.to_k.forward(regions.clone()));
        let v = self.ln_v.forward(self.to_v.forward(regions));
        query + self.to_out.forward(self.attn.forward(q, k, v))
    }
}

/// One packer.
#[derive(Module, Debug)]
pub struct TokenPacker {
    /// Its attention, under the checkpoint's spelling.
    pub devide_attention: PointToRegion,
}

impl TokenPacker {
    fn new(visual: usize, config: &PackerConfig, device: &Device) -> Self {
        Self {
            devide_attention: PointToRegion::new(visual, config, device),
        }
    }

    /// Compresses `[frames, from * from, width]` to `[frames, to * to, width]`.
    ///
    /// With `attend` off, a region becomes its mean (ablation of the attention; the shape is the same).
    ///
    /// # Panics
    /// When the tokens are not a grid of `from` by `from`.
    #[must_use]
    pub fn compress_space(
        &self,
        features: Tensor<3>,
        from: usize,
        to: usize,
        attend: bool,
    ) -> Tensor<3> {
        let [frames, tokens, width] = features.dims();
        assert_eq!(
            tokens,
            from * from,
            "{tokens} tokens are not a grid of {from}x{from}"
        );
        let scale = from / to;
        let count = frames * to * to;
        // [F, to, s, to, s, W] -> [F, to, to, s, s, W]
        let split: Tensor<6> = features.reshape([frames, to, scale, to, scale, width]);
        let regions: Tensor<3> =
            split
                .permute([0, 1, 3, 2, 4, 5])
                .reshape([count, scale * scale, width]);
        let packed = if attend {
            let middle = middle(scale);
            let points = middle
                .iter()
                .flat_map(|y| middle.iter().map(move |x| y * scale + x));
            self.attend(regions, &points.collect::<Vec<_>>())
        } else {
            regions.mean_dim(1).reshape([count, width])
        };
        packed.reshape([frames, to * to, width])
    }

    /// Compresses `[clips * from, tokens, width]` to `[clips * to, tokens, width]`, `from` frames a clip.
    ///
    /// With `attend` off, a region becomes its mean.
    #[must_use]
    pub fn compress_time(
        &self,
        features: Tensor<3>,
        from: usize,
        to: usize,
        attend: bool,
    ) -> Tensor<3> {
        let [frames, tokens, width] = features.dims();
        let (clips, scale) = (frames / from, from / to);
        let count = clips * to * tokens;
        // [N, to, s, P, W] -> [N, to, P, s, W]
        let split: Tensor<5> = features.reshape([clips, to, scale, tokens, width]);
        let regions: Tensor<3> = split
            .permute([0, 1, 3, 2, 4])
            .reshape([count, scale, width]);
        let packed = if attend {
            self.attend(regions, &middle(scale))
        } else {
            regions.mean_dim(1).reshape([count, width])
        };
        packed.reshape([clips * to, tokens, width])
    }

    /// `regions: [regions, points, width]`; the query is the mean of the points at `middle`.
    fn attend(&self, regions: Tensor<3>, middle: &[usize]) -> Tensor<2> {
        let [count, points, width] = regions.dims();
        let pick = |point: usize| regions.clone().narrow(1, point, 1).reshape([count, width]);
        let mut query: Tensor<2> = pick(middle[0]);
        for point in &middle[1..] {
            query = query + pick(*point);
        }
        #[expect(clippy::cast_precision_loss, reason = "one, two or four points")]
        let share = 1.0 / middle.len() as f64;
        let query = if middle.len() > 1 {
            query.mul_scalar(share)
        } else {
            query
        };
        self.devide_attention
            .forward(query, regions.reshape([count * points, width]))
    }
}

/// Points of a region of `scale` that linear resizing with half-pixel centres by `1 / scale` reads: the middle one, or the two beside it.
fn middle(scale: usize) -> Vec<usize> {
    if scale % 2 == 1 {
        vec![scale / 2]
    } else {
        vec![scale / 2 - 1, scale / 2]
    }
}

/// All three packers.
#[derive(Module, Debug)]
pub struct VisionResampler {
    /// First packer: space.
    pub token_packer: TokenPacker,
    /// Slow stream: time.
    pub token_packer_slow: TokenPacker,
    /// Fast stream: space.
    pub token_packer_fast: TokenPacker,
    /// Side of the incoming grid.
    pub grid: usize,
    /// Side after the first packer.
    pub first_grid: usize,
    /// Side of the fast stream.
    pub fast_grid: usize,
    /// Frames of a video, before and after the slow packer.
    pub frames: [usize; 2],
    /// Attention in the regions; off for the ablation.
    pub attend: bool,
}

impl VisionResampler {
    /// Random values, created when first used.
    #[must_use]
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let packer = || TokenPacker::new(config.text.hidden_size, &config.packer, device);
        Self {
            token_packer: packer(),
            token_packer_slow: packer(),
            token_packer_fast: packer(),
            grid: config.vision.grid(),
            first_grid: config.packer.first_grid,
            fast_grid: config.packer.fast_grid,
            frames: [config.video.frames, config.video.slow_frames],
            attend: config.parts.stp,
        }
    }

    /// First packer: `[frames, grid^2, width]` to `[frames, first_grid^2, width]`.
    #[must_use]
    pub fn first(&self, features: Tensor<3>) -> Tensor<3> {
        self.token_packer
            .compress_space(features, self.grid, self.first_grid, self.attend)
    }

    /// Slow stream of videos: `[clips * frames, first_grid^2, width]` to `[clips * slow_frames, first_grid^2, width]`.
    #[must_use]
    pub fn slow(&self, first: Tensor<3>) -> Tensor<3> {
        let [from, to] = self.frames;
        self.token_packer_slow
            .compress_time(first, from, to, self.attend)
    }

    /// Slow packer on single frames, as images take it: nothing is pooled in time.
    #[must_use]
    pub fn slow_image(&self, first: Tensor<3>) -> Tensor<3> {
        self.token_packer_slow
            .compress_time(first, 1, 1, self.attend)
    }

    /// Fast stream: `[frames, first_grid^2, width]` to `[frames, fast_grid^2, width]`.
    #[must_use]
    pub fn fast(&self, first: Tensor<3>) -> Tensor<3> {
        self.token_packer_fast
            .compress_space(first, self.first_grid, self.fast_grid, self.attend)
    }
}

#[cfg(test)]
mod tests {
    use super::middle;

    #[test]
    fn resizing_reads_the_middle() {
        assert_eq!(middle(1), [0]);
        assert_eq!(middle(3), [1]);
        assert_eq!(middle(5), [2]);
        assert_eq!(middle(4), [1, 2]);
    }
}
