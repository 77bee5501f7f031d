//! The operations as plain tensor operations, which run and differentiate on every device.

use burn::tensor::{Tensor, TensorData, activation, module};

use super::Mask;

/// `x W^T + b` with `x: [rows, in]`, `weight: [out, in]`, `bias: [out]`.
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    module::linear(x, weight.transpose(), bias)
}

/// Layer norm of the last axis with biased variance.
#[must_use]
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    module::layer_norm(x, weight, Some(bias), epsilon)
}

/// `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis.
#[must_use]
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let mean_square = (x.clone() * x.clone()).mean_dim(D - 1);
    let inverse = mean_square.add_scalar(epsilon).sqrt().recip();
    x * inverse * weight.unsqueeze()
}

/// Exact GELU, `x Φ(x)`.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let half = x.clone().mul_scalar(0.5);
    half * x
        .mul_scalar(std::f64::consts::FRAC_1_SQRT_2)
        .erf()
        .add_scalar(1.0)
}

/// GELU by its tanh approximation, as `SigLIP` uses it.
#[must_use]
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cube = (x.clone() * x.clone() * x.clone()).mul_scalar(0.044_715);
    let inner = (x.clone() + cube).mul_scalar((2.0 / std::f64::consts::PI).sqrt());
    x.mul_scalar(0.5) * inner.tanh().add_scalar(1.0)
}

/// `silu(gate) * up`.
#[must_use]
pub fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    activation::silu(gate) * up
}

/// Rotates pairs `(i, i + width/2)` of the last axis.
///
/// # Shapes
/// - `x`: `[batch, positions, heads, width]`
/// - `cos`, `sin`: `[batch or 1, positions, 1, width]`
#[must_use]
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.clone().narrow(3, half, half);
    let turned = Tensor::cat(vec![second.neg(), first], 3);
    x * cos + turned * sin
}

/// Scaled dot-product attention of all queries at once; shapes as in [`super::attention`].
///
/// # Panics
/// When `heads` is not a multiple of `key_heads`.
#[must_use]
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: Mask<'_>) -> Tensor<4> {
    let [batch, queries, heads, width] = query.dims();
    let [_, keys, key_heads, _] = key.dims();
    assert!(
        heads.is_multiple_of(key_heads),
        "{heads} query heads cannot share {key_heads} key heads"
    );
    let group = heads / key_heads;
    #[expect(clippy::cast_precision_loss, reason = "a head width is far below 2^52")]
    let scale = (width as f64).sqrt().recip();

    // [B, Q, KH * G, W] -> [B, KH, G * Q, W]
    let query: Tensor<5> = query
        .mul_scalar(scale)
        .reshape([batch, queries, key_heads, group, width]);
    let query: Tensor<4> =
        query
            .permute([0, 2, 3, 1, 4])
            .reshape([batch, key_heads, group * queries, width]);
    let key = key.permute([0, 2, 3, 1]); // [B, KH, W, K]
    let value = value.permute([0, 2, 1, 3]); // [B, KH, K, W]

    let mut scores = query.matmul(key); // [B, KH, G * Q, K]
    if let Some(bias) = mask_bias(mask, queries, keys, &scores) {
        let split: Tensor<5> = scores.reshape([batch, key_heads, group, queries, keys]);
        scores = (split + bias).reshape([batch, key_heads, group * queries, keys]);
    }
    let mixed = activation::softmax(scores, 3).matmul(value);
    // [B, KH, G * Q, W] -> [B, Q, KH * G, W]
    let mixed: Tensor<5> = mixed.reshape([batch, key_heads, group, queries, width]);
    mixed
        .permute([0, 3, 1, 2, 4])
        .reshape([batch, queries, heads, width])
}

/// Zero where a key is seen and a large negative number elsewhere, `[rows or 1, 1, 1, queries, keys]`; `None` when all keys are seen.
///
/// Finite, so that a query in the padding, which sees no key, gives finite numbers too.
fn mask_bias(mask: Mask<'_>, queries: usize, keys: usize, like: &Tensor<4>) -> Option<Tensor<5>> {
    let Mask::Causal { offset, starts } = mask else {
        return None;
    };
    let sees_all =
        queries == 1 && starts.is_none_or(|starts| starts.iter().all(|start| *start == 0));
    if sees_all && offset + 1 == keys {
        return None;
    }
    let rows = starts.unwrap_or(&[0]);
    let mut bias = vec![-1e30_f32; rows.len() * queries * keys];
    for (row, line) in bias.chunks_exact_mut(keys).enumerate() {
        let (start, end) = (rows[row / queries], (offset + row % queries + 1).min(keys));
        if start < end {
            line[start..end].fill(0.0);
        }
    }
    let data = TensorData::new(bias, [rows.len(), 1, 1, queries, keys]);
    Some(Tensor::from_data(data, (&like.device(), like.dtype())))
}
