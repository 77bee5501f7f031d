//! Layer norm and RMS norm over rows.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Cpu, Input, Kernel, rows_per_task, run, tensor, values, vectorized};

/// `x: [.., width]`, `weight`, `bias: [width]`.
pub(crate) fn layer_norm<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    epsilon: f64,
) -> Option<Tensor<D>> {
    let inputs = [Input::of(x)?, Input::of(weight)?, Input::of(bias)?];
    Some(run(&LayerNorm { epsilon }, inputs))
}

/// `x: [.., width]`, `weight: [width]`.
pub(crate) fn rms_norm<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<1>,
    epsilon: f64,
) -> Option<Tensor<D>> {
    let inputs = [Input::of(x)?, Input::of(weight)?];
    Some(run(&RmsNorm { epsilon }, inputs))
}

#[derive(Clone, Debug)]
struct LayerNorm {
    epsilon: f64,
}

#[expect(clippy::cast_precision_loss, reason = "widths are below 2^24")]
fn share(width: usize) -> f32 {
    1.0 / width as f32
}

#[expect(clippy::cast_possible_truncation, reason = "32-bit kernels")]
fn inverse_root(mean_square: f32, epsilon: f64) -> f32 {
    (mean_square + epsilon as f32).sqrt().recip()
}

impl Kernel<3> for LayerNorm {
    /// Mean and inverse deviation of each row.
    type Saved = Vec<[f32; 2]>;

    fn forward(&self, [x, weight, bias]: &[Cpu; 3]) -> (Cpu, Self::Saved) {
        let (input, weight, bias) = (values(x), values(weight), values(bias));
        let width = weight.len();
        let rows = input.len() / width;
        let task = rows_per_task(rows, width);
        let mut output = vec![0.0f32; input.len()];
        let mut moments = vec![[0.0f32; 2]; rows];
        let tasks = output
            .par_chunks_mut(task * width)
            .zip(input.par_chunks(task * width))
            .zip(moments.par_chunks_mut(task));
        tasks.for_each(|((output, input), moments)| {
            vectorized(|| {
                let rows = output
                    .chunks_exact_mut(width)
                    .zip(input.chunks_exact(width))
                    .zip(moments);
                for ((output, input), moments) in rows {
                    let mean = sum(input) * share(width);
                    for (output, input) in output.iter_mut().zip(input) {
                        *output = input - mean;
                    }
                    let inverse = inverse_root(dot(output, output) * share(width), self.epsilon);
                    for ((output, weight), bias) in output.iter_mut().zip(weight).zip(bias) {
                        *output = *output * inverse * weight + bias;
                    }
                    *moments = [mean, inverse];
                }
            });
        });
        (tensor(output, x.layout().shape().clone()), moments)
    }

    fn backward(
        &self,
        [x, weight, _]: [Cpu; 3],
        moments: Self::Saved,
        gradient: Cpu,
        wanted: [bool; 3],
    ) -> [Option<Cpu>; 3] {
        let (input, scale, gradient) = (values(&x), values(&weight), values(&gradient));
        let width = scale.len();
        let task = rows_per_task(moments.len(), width);
        let mut output = vec![0.0f32; if wanted[0] { input.len() } else { 0 }];
        let sums = || (vec![0.0f32; width], vec![0.0f32; width]);
        let rows = input
            .par_chunks(task * width)
            .zip(gradient.par_chunks(task * width))
            .zip(moments.par_chunks(task));
        let work = |(weights, biases): &mut (Vec<f32>, Vec<f32>),
                    input: &[f32],
                    gradient: &[f32],
                    moments: &[[f32; 2]],
                    output: &mut [f32]| {
            let mut outputs = output.chunks_exact_mut(width);
            let (mut normal, mut pulled) = (vec![0.0f32; width], vec![0.0f32; width]);
            let rows = input
                .chunks_exact(width)
                .zip(gradient.chunks_exact(width))
                .zip(moments);
            for ((input, gradient), [mean, inverse]) in rows {
                for ((normal, input), (pulled, (gradient, scale))) in normal
                    .iter_mut()
                    .zip(input)
                    .zip(pulled.iter_mut().zip(gradient.iter().zip(scale)))
                {
                    *normal = (input - mean) * inverse;
                    *pulled = gradient * scale;
                }
                let sums = weights.iter_mut().zip(biases.iter_mut());
                for ((weight, bias), (normal, gradient)) in sums.zip(normal.iter().zip(gradient)) {
                    *weight += gradient * normal;
                    *bias += gradient;
                }
                let Some(output) = outputs.next() else {
                    continue;
                };
                let (total, along) = (
                    sum(&pulled) * share(width),
                    dot(&pulled, &normal) * share(width),
                );
                for ((output, pulled), normal) in output.iter_mut().zip(&pulled).zip(&normal) {
                    *output = inverse * (pulled - total - normal * along);
                }
            }
        };
        let partial: Vec<_> = if wanted[0] {
            let tasks = rows.zip(output.par_chunks_mut(task * width));
            tasks
                .map(|(((input, gradient), moments), output)| {
                    let mut sums = sums();
                    vectorized(|| work(&mut sums, input, gradient, moments, output));
                    sums
                })
                .collect()
        } else {
            rows.map(|((input, gradient), moments)| {
                let mut sums = sums();
                vectorized(|| work(&mut sums, input, gradient, moments, &mut []));
                sums
            })
            .collect()
        };
        let (weights, biases): (Vec<_>, Vec<_>) = partial.into_iter().unzip();
        [
            wanted[0].then(|| tensor(output, x.layout().shape().clone())),
            wanted[1].then(|| tensor(add_all(&weights, width), [width])),
            wanted[2].then(|| tensor(add_all(&biases, width), [width])),
        ]
    }
}

fn add_all(parts: &[Vec<f32>], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; width];
    for part in parts {
        sum.iter_mut()
            .zip(part)
            .for_each(|(sum, value)| *sum += value);
    }
    sum
}

#[derive(Clone, Debug)]
struct RmsNorm {
    epsilon: f64,
}

impl Kernel<2> for RmsNorm {
    /// Inverse root mean square of each row.
    type Saved = Vec<f32>;

    fn forward(&self, [x, weight]: &[Cpu; 2]) -> (Cpu, Self::Saved) {
        let (input, weight) = (values(x), values(weight));
        let width = weight.len();
        let rows = input.len() / width;
        let task = rows_per_task(rows, width);
        let mut output = vec![0.0f32; input.len()];
        let mut inverses = vec![0.0f32; rows];
        let tasks = output
            .par_chunks_mut(task * width)
            .zip(input.par_chunks(task * width))
            .zip(inverses.par_chunks_mut(task));
        tasks.for_each(|((output, input), inverses)| {
            vectorized(|| {
                let rows = output
                    .chunks_exact_mut(width)
                    .zip(input.chunks_exact(width))
                    .zip(inverses);
                for ((output, input), saved) in rows {
                    let square = dot(input, input);
                    let inverse = inverse_root(square * share(width), self.epsilon);
                    for ((output, input), weight) in output.iter_mut().zip(input).zip(weight) {
                        *output = input * inverse * weight;
                    }
                    *saved = inverse;
                }
            });
        });
        (tensor(output, x.layout().shape().clone()), inverses)
    }

    fn backward(
        &self,
        [x, weight]: [Cpu; 2],
        inverses: Self::Saved,
        gradient: Cpu,
        wanted: [bool; 2],
    ) -> [Option<Cpu>; 2] {
        let (input, scale, gradient) = (values(&x), values(&weight), values(&gradient));
        let width = scale.len();
        let task = rows_per_task(inverses.len(), width);
        let mut output = vec![0.0f32; input.len()];
        let tasks = output
            .par_chunks_mut(task * width)
            .zip(input.par_chunks(task * width));
        let tasks = tasks
            .zip(gradient.par_chunks(task * width))
            .zip(inverses.par_chunks(task));
        let partial: Vec<Vec<f32>> = tasks
            .map(|(((output, input), gradient), inverses)| {
                let (mut weights, mut pulled) = (vec![0.0f32; width], vec![0.0f32; width]);
                vectorized(|| {
                    let rows = output
                        .chunks_exact_mut(width)
                        .zip(input.chunks_exact(width));
                    for (((output, input), gradient), inverse) in
                        rows.zip(gradient.chunks_exact(width)).zip(inverses)
                    {
                        for ((pulled, gradient), scale) in
                            pulled.iter_mut().zip(gradient).zip(scale)
                        {
                            *pulled = gradient * scale;
                        }
                        let along = dot(input, &pulled) * share(width) * inverse * inverse;
                        let values = output.iter_mut().zip(input).zip(gradient).zip(&pulled);
                        for ((((output, input), gradient), pulled), weight) in
                            values.zip(weights.iter_mut())
                        {
                            *weight += gradient * input * inverse;
                            *output = inverse * (pulled - input * along);
                        }
                    }
                });
                weights
            })
            .collect();
        [
            wanted[0].then(|| tensor(output, x.layout().shape().clone())),
            wanted[1].then(|| tensor(add_all(&partial, width), [width])),
        ]
    }
}

/// Sixteen running sums, which the compiler keeps in one wide register.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (lefts, rights) = (left.chunks_exact(16), right.chunks_exact(16));
    let rest: f32 = lefts
        .remainder()
        .iter()
        .zip(rights.remainder())
        .map(|(left, right)| left * right)
        .sum();
    for (left, right) in lefts.zip(rights) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Sum over sixteen lanes.
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let lines = values.chunks_exact(16);
    let rest: f32 = lines.remainder().iter().sum();
    for line in lines {
        sums.iter_mut()
            .zip(line)
            .for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest
}
