//! Low-rank adapters (arXiv:2106.09685) on the activation side: `x W^T + s (x A^T) B^T`.
//!
//! Neither the forward nor the backward pass ever forms the full change `s B A`. Merging does, and keeps the weight it replaced, so that
//! unmerging restores it bit by bit.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};

use crate::layers::Linear;

/// Rank and strength of all adapters of a model, as in PEFT's `adapter_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank `r`.
    pub r: usize,
    /// The change is scaled by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// Probability of dropping an input of `A` during training, in `0..1`.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Last parts of the names of the layers that get an adapter; the original takes all linear layers of the decoder.
    #[serde(default = "all_decoder_linears")]
    pub target_modules: Vec<String>,
}

impl LoraConfig {
    /// The change's factor.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rank is far below 2^52")]
    pub fn scaling(&self) -> f64 {
        self.lora_alpha / self.r as f64
    }

    /// Whether a layer of this name gets an adapter.
    #[must_use]
    pub fn targets(&self, layer: &str) -> bool {
        self.target_modules.iter().any(|target| target == layer)
    }
}

fn all_decoder_linears() -> Vec<String> {
    [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The two factors of one layer's adapter.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// `[r, in]`.
    pub lora_a: Param<Tensor<2>>,
    /// `[out, r]`, zero at the start.
    pub lora_b: Param<Tensor<2>>,
    /// `lora_alpha / r`.
    pub scaling: f64,
    /// Dropout probability of the inputs of `A`; applied only where gradients are tracked.
    pub dropout: f64,
    /// The weight before merging, while merged.
    #[module(skip)]
    pub unmerged: Option<Tensor<2>>,
}

impl LoraAdapter {
    /// Uniform `A` (`PyTorch`'s start of a linear layer), zero `B`.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, config: &LoraConfig, device: &Device) -> Self {
        let start = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        Self {
            lora_a: start.init_with([config.r, inputs], Some(inputs), Some(config.r), device),
            lora_b: Initializer::Zeros.init([outputs, config.r], device),
            scaling: config.scaling(),
            dropout: config.lora_dropout,
            unmerged: None,
        }
    }

    /// The change `s (x A^T) B^T` of `[rows, in]`, or `None` while it is merged into the weight.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Option<Tensor<2>> {
        if self.unmerged.is_some() {
            return None;
        }
        let a = self.lora_a.val();
        let input = if self.dropout > 0.0 && a.is_tracked() {
            self.drop(input)
        } else {
            input
        };
        let low = input.matmul(a.transpose());
        Some(
            low.matmul(self.lora_b.val().transpose())
                .mul_scalar(self.scaling),
        )
    }

    fn drop(&self, input: Tensor<2>) -> Tensor<2> {
        let keep = 1.0 - self.dropout;
        let mask =
            Tensor::<2>::random(input.dims(), Distribution::Bernoulli(keep), &input.device());
        input * mask.mul_scalar(1.0 / keep)
    }

    /// The full change `s B A`, `[out, in]`.
    #[must_use]
    pub fn delta(&self) -> Tensor<2> {
        self.lora_b
            .val()
            .matmul(self.lora_a.val())
            .mul_scalar(self.scaling)
    }
}

impl Linear {
    /// Adds an adapter and freezes weight and bias.
    #[must_use]
    pub fn with_lora(mut self, config: &LoraConfig, device: &Device) -> Self {
        let [outputs, inputs] = self.weight.lazy_shape().dims();
        self.weight = self.weight.set_require_grad(false);
        self.bias = self.bias.map(|bias| bias.set_require_grad(false));
        self.lora = Some(LoraAdapter::new(inputs, outputs, config, device));
        self
    }

    /// Adds the adapter's change to the weight; a layer without adapter, or already merged, stays as it is.
    #[must_use]
    pub fn merge(mut self) -> Self {
        if let Some(adapter) = self
            .lora
            .as_mut()
            .filter(|adapter| adapter.unmerged.is_none())
        {
            let delta = adapter.delta().detach();
            adapter.unmerged = Some(self.weight.val());
            self.weight = self
                .weight
                .map(|weight| (weight.detach() + delta).set_require_grad(false));
        }
        self
    }

    /// Undoes [`Linear::merge`]: the weight is again exactly what it was.
    #[must_use]
    pub fn unmerge(mut self) -> Self {
        if let Some(weight) = self
            .lora
            .as_mut()
            .and_then(|adapter| adapter.unmerged.take())
        {
            self.weight = self.weight.map(|_| weight);
        }
        self
    }

    /// Merges and drops the adapter, for export.
    #[must_use]
    pub fn into_merged(self) -> Self {
        let mut merged = self.merge();
        merged.lora = None;
        merged
    }
}
