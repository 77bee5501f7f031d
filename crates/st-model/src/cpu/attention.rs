//! Scaled dot-product attention: two matrix products, and one pass over the scores between them, forwards and backwards.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Shape, Tensor};
use rayon::prelude::*;

use super::elementwise::exp;
use super::norm::dot;
use super::{Cpu, Input, Kernel, run, vectorized};
use crate::ops::Mask;

/// Shapes as in [`crate::ops::attention`].
pub(crate) fn attention(
    query: &Tensor<4>,
    key: &Tensor<4>,
    value: &Tensor<4>,
    mask: Mask<'_>,
) -> Option<Tensor<4>> {
    let inputs = [Input::of(query)?, Input::of(key)?, Input::of(value)?];
    let (queries, keys) = (query.dims()[1], key.dims()[1]);
    let (offset, starts) = match mask {
        Mask::Full => (keys, Vec::new()),
        Mask::Causal { offset, starts } => {
            (offset, starts.map(<[usize]>::to_vec).unwrap_or_default())
        }
    };
    Some(run(
        &Attention {
            offset,
            starts,
            queries,
        },
        inputs,
    ))
}

/// Query `i` sees keys `starts[row]..=offset + i`.
#[derive(Clone, Debug)]
struct Attention {
    offset: usize,
    starts: Vec<usize>,
    queries: usize,
}

struct Sizes {
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    key_heads: usize,
    group: usize,
    width: usize,
}

impl Sizes {
    fn of(query: &Cpu, key: &Cpu) -> Self {
        let (query, key) = (query.layout().shape(), key.layout().shape());
        let (heads, key_heads) = (query[2], key[2]);
        assert!(
            heads.is_multiple_of(key_heads),
            "{heads} query heads cannot share {key_heads} key heads"
        );
        Self {
            batch: query[0],
            queries: query[1],
            keys: key[1],
            heads,
            key_heads,
            group: heads / key_heads,
            width: query[3],
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a head width is far below 2^24")]
    fn scale(&self) -> f32 {
        (self.width as f32).sqrt().recip()
    }

    /// `[B, Q, KH * G, W]` seen as `[B, KH, G, Q, W]`, no copy.
    fn by_group(&self, query: &Cpu) -> Cpu {
        let split = query.reshape(Shape::new([
            self.batch,
            self.queries,
            self.key_heads,
            self.group,
            self.width,
        ]));
        split.permute(&[0, 2, 3, 1, 4])
    }

    /// `[B, K, KH, W]` seen as `[B, KH, 1, K, W]`, no copy.
    fn by_head(&self, key: &Cpu) -> Cpu {
        key.reshape(Shape::new([
            self.batch,
            self.keys,
            self.key_heads,
            1,
            self.width,
        ]))
        .permute(&[0, 2, 3, 1, 4])
    }

    /// `[B, KH, G, Q, W]` back to `[B, Q, KH * G, W]`.
    fn join_group(&self, query: &Cpu) -> Cpu {
        let rows = query.permute(&[0, 3, 1, 2, 4]).to_contiguous();
        rows.reshape(Shape::new([
            self.batch,
            self.queries,
            self.heads,
            self.width,
        ]))
    }

    /// `[B, KH, G, K, W]`, summed over the group, back to `[B, K, KH, W]`.
    fn join_head(&self, key: Cpu) -> Cpu {
        let summed = if self.group == 1 {
            key
        } else {
            Flex::float_sum_dim(key, 2)
        };
        let rows = summed.permute(&[0, 3, 1, 2, 4]).to_contiguous();
        rows.reshape(Shape::new([
            self.batch,
            self.keys,
            self.key_heads,
            self.width,
        ]))
    }
}

fn turned(tensor: &Cpu) -> Cpu {
    tensor.transpose(3, 4)
}

impl Attention {
    /// Keys that a query sees.
    fn seen(&self, batch: usize, query: usize, keys: usize) -> std::ops::Range<usize> {
        let end = (self.offset + query + 1).min(keys);
        let start = self.starts.get(batch).copied().unwrap_or(0).min(end);
        start..end
    }

    /// Softmax of scaled scores, in place; unseen keys get 0.
    fn soften(&self, scores: &mut Cpu, sizes: &Sizes) {
        let (keys, scale) = (sizes.keys, sizes.scale());
        let rows_of_batch = sizes.heads * sizes.queries;
        let task = super::rows_per_task(sizes.batch * rows_of_batch, keys);
        scores
            .storage_mut::<f32>()
            .par_chunks_mut(task * keys)
            .enumerate()
            .for_each(|(number, rows)| {
                vectorized(|| {
                    for (offset, row) in rows.chunks_exact_mut(keys).enumerate() {
                        let place = number * task + offset;
                        let seen = self.seen(place / rows_of_batch, place % self.queries, keys);
                        row[..seen.start].fill(0.0);
                        row[seen.end..].fill(0.0);
                        soften_row(&mut row[seen], scale);
                    }
                });
            });
    }
}

#[inline]
fn soften_row(row: &mut [f32], scale: f32) {
    // Sixteen lanes, which the compiler keeps in one wide register.
    let mut tops = [f32::NEG_INFINITY; 16];
    let lines = row.chunks_exact(16);
    let rest = lines
        .remainder()
        .iter()
        .fold(f32::NEG_INFINITY, |top, value| top.max(*value));
    for line in lines {
        for (top, value) in tops.iter_mut().zip(line) {
            *top = if *value > *top { *value } else { *top };
        }
    }
    let top = tops.iter().fold(rest, |top, value| top.max(*value)) * scale;
    for value in row.iter_mut() {
        *value = exp(*value * scale - top);
    }
    let mut sums = [0.0f32; 16];
    let lines = row.chunks_exact(16);
    let rest = lines.remainder().iter().sum::<f32>();
    for line in lines {
        sums.iter_mut()
            .zip(line)
            .for_each(|(sum, value)| *sum += value);
    }
    let inverse = (sums.iter().sum::<f32>() + rest).recip();
    for value in row.iter_mut() {
        *value *= inverse;
    }
}

impl Kernel<3> for Attention {
    /// Weights after the softmax, `[B, KH, G, Q, K]`.
    type Saved = Cpu;

    fn forward(&self, [query, key, value]: &[Cpu; 3]) -> (Cpu, Cpu) {
        let sizes = Sizes::of(query, key);
        let mut weights = Flex::float_matmul(sizes.by_group(query), turned(&sizes.by_head(key)));
        self.soften(&mut weights, &sizes);
        let mixed = Flex::float_matmul(weights.clone(), sizes.by_head(value));
        (sizes.join_group(&mixed), weights)
    }

    fn backward(
        &self,
        [query, key, value]: [Cpu; 3],
        weights: Cpu,
        gradient: Cpu,
        wanted: [bool; 3],
    ) -> [Option<Cpu>; 3] {
        let sizes = Sizes::of(&query, &key);
        let gradient = sizes.by_group(&gradient);
        let to_value = wanted[2]
            .then(|| sizes.join_head(Flex::float_matmul(turned(&weights), gradient.clone())));
        if !wanted[0] && !wanted[1] {
            return [None, None, to_value];
        }
        // Through the softmax: weight * (pulled - sum(weight * pulled)), in place.
        let mut scores = Flex::float_matmul(gradient, turned(&sizes.by_head(&value)));
        let (keys, scale) = (sizes.keys, sizes.scale());
        let task = super::rows_per_task(sizes.batch * sizes.heads * sizes.queries, keys) * keys;
        let weights = super::values(&weights);
        scores
            .storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(weights.par_chunks(task))
            .for_each(|(scores, weights)| {
                vectorized(|| {
                    for (scores, weights) in scores
                        .chunks_exact_mut(keys)
                        .zip(weights.chunks_exact(keys))
                    {
                        let along = dot(scores, weights);
                        scores
                            .iter_mut()
                            .zip(weights)
                            .for_each(|(score, weight)| *score = weight * (*score - along) * scale);
                    }
                });
            });
        let to_key = wanted[1]
            .then(|| sizes.join_head(Flex::float_matmul(turned(&scores), sizes.by_group(&query))));
        let to_query =
            wanted[0].then(|| sizes.join_group(&Flex::float_matmul(scores, sizes.by_head(&key))));
        [to_query, to_key, to_value]
    }
}
