//! The few operations that everything else is made of.
//!
//! [`plain`] writes each with plain tensor operations. For 32-bit tensors of the CPU backend, fused forms with their own backward passes
//! take their place.

use burn::tensor::Tensor;

use crate::cpu;

pub mod plain;

/// Which keys a query may look at.
#[derive(Debug, Clone, Copy)]
pub enum Mask<'a> {
    /// All of them.
    Full,
    /// Query `i` stands at column `offset + i` and sees the columns from its row's start up to its own.
    Causal {
        /// Column of the first query.
        offset: usize,
        /// First real column of each row; `None` when all rows start at column 0.
        starts: Option<&'a [usize]>,
    },
}

/// `x W^T + b` with `x: [rows, in]`, `weight: [out, in]`, `bias: [out]`.
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    cpu::linear(&x, &weight, bias.as_ref()).unwrap_or_else(|| plain::linear(x, weight, bias))
}

/// Layer norm of the last axis with biased variance.
#[must_use]
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    cpu::layer_norm(&x, &weight, &bias, epsilon)
        .unwrap_or_else(|| plain::layer_norm(x, weight, bias, epsilon))
}

/// `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis.
#[must_use]
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, epsilon: f64) -> Tensor<D> {
    cpu::rms_norm(&x, &weight, epsilon).unwrap_or_else(|| plain::rms_norm(x, weight, epsilon))
}

/// Exact GELU, `x Φ(x)`.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    cpu::gelu(&x).unwrap_or_else(|| plain::gelu(x))
}

/// GELU by its tanh approximation, as `SigLIP` uses it.
#[must_use]
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    cpu::gelu_tanh(&x).unwrap_or_else(|| plain::gelu_tanh(x))
}

/// `silu(gate) * up`.
#[must_use]
pub fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    cpu::swiglu(&gate, &up).unwrap_or_else(|| plain::swiglu(gate, up))
}

/// Rotates pairs `(i, i + width/2)` of the last axis.
///
/// # Shapes
/// - `x`: `[batch, positions, heads, width]`
/// - `cos`, `sin`: `[batch or 1, positions, 1, width]`; no gradient reaches them
#[must_use]
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    cpu::rotate(&x, &cos, &sin).unwrap_or_else(|| plain::rotate(x, cos, sin))
}

/// Queries of one block of [`attention`]; the scores of a block are what is in memory at a time when no gradient is tracked.
const QUERY_BLOCK: usize = 512;

/// Scaled dot-product attention; several query heads may share a key head.
///
/// # Shapes
/// - `query`: `[batch, queries, heads, width]`
/// - `key`, `value`: `[batch, keys, key_heads, width]`, `heads` a multiple of `key_heads`
/// - output: `[batch, queries, heads, width]`
///
/// # Panics
/// When `heads` is not a multiple of `key_heads`.
#[must_use]
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: Mask<'_>) -> Tensor<4> {
    let queries = query.dims()[1];
    if queries <= QUERY_BLOCK {
        return attention_block(query, key, value, mask);
    }
    let mut blocks = Vec::with_capacity(queries.div_ceil(QUERY_BLOCK));
    for start in (0..queries).step_by(QUERY_BLOCK) {
        let length = QUERY_BLOCK.min(queries - start);
        let block = query.clone().narrow(1, start, length);
        blocks.push(match mask {
            Mask::Full => attention_block(block, key.clone(), value.clone(), mask),
            Mask::Causal { offset, starts } => {
                // Later keys are seen by no query of this block.
                let seen = offset + start + length;
                let (key, value) = (
                    key.clone().narrow(1, 0, seen),
                    value.clone().narrow(1, 0, seen),
                );
                attention_block(
                    block,
                    key,
                    value,
                    Mask::Causal {
                        offset: offset + start,
                        starts,
                    },
                )
            }
        });
    }
    Tensor::cat(blocks, 1)
}

fn attention_block(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: Mask<'_>,
) -> Tensor<4> {
    cpu::attention(&query, &key, &value, mask)
        .unwrap_or_else(|| plain::attention(query, key, value, mask))
}
