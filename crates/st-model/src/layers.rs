//! Linear layers, norms and tables with the parameter names and layouts of the published checkpoints.
//!
//! Weights of linear layers are kept as `[out, in]`, the layout of the files, so that loading, saving and adapters need no transposition.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

use crate::lora::LoraAdapter;
use crate::ops;

/// Affine map `x W^T + b`, with an optional low-rank adapter beside it.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Adapter on the activation side.
    pub lora: Option<LoraAdapter>,
}

impl Linear {
    /// Uniform start in `±1/sqrt(inputs)`, created when first used.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, bias: bool, device: &Device) -> Self {
        let start = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        Self {
            weight: start.init_with([outputs, inputs], Some(inputs), Some(outputs), device),
            bias: bias.then(|| start.init_with([outputs], Some(inputs), Some(outputs), device)),
            lora: None,
        }
    }

    /// Applies the map to the last axis.
    ///
    /// # Shapes
    /// - input: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let mut dims = input.dims();
        let inputs = dims[D - 1];
        let rows = dims[..D - 1].iter().product::<usize>();
        // [.., in] -> [rows, in]: one large product, and one for the weight's gradient.
        let flat: Tensor<2> = input.reshape([rows, inputs]);
        let mut output = ops::linear(
            flat.clone(),
            self.weight.val(),
            self.bias.as_ref().map(Param::val),
        );
        if let Some(adapter) = &self.lora
            && let Some(change) = adapter.forward(flat)
        {
            output = output + change;
        }
        dims[D - 1] = output.dims()[1];
        output.reshape(dims)
    }
}

/// Layer norm over the last axis with scale and shift.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// `[width]`.
    pub bias: Param<Tensor<1>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Scale one, shift zero.
    #[must_use]
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([width], device),
            bias: Initializer::Zeros.init([width], device),
            epsilon,
        }
    }

    /// Normalises the last axis; the shape stays.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(input, self.weight.val(), self.bias.val(), self.epsilon)
    }
}

/// Root-mean-square norm over the last axis (arXiv:1910.07467).
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// Scale one.
    #[must_use]
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([width], device),
            epsilon,
        }
    }

    /// Normalises the last axis; the shape stays.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        ops::rms_norm(input, self.weight.val(), self.epsilon)
    }
}

/// A table of rows looked up by number.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[rows, width]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Normal start with standard deviation 0.02.
    #[must_use]
    pub fn new(rows: usize, width: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            }
            .init([rows, width], device),
        }
    }

    /// Rows `[count, width]` at `[count]` numbers.
    #[must_use]
    pub fn forward(&self, rows: Tensor<1, Int>) -> Tensor<2> {
        self.weight.val().select(0, rows)
    }
}
