//! Linear layers whose weight's gradient comes out in the weight's own layout.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Cpu, Input, Kernel, rows_per_task, run, values, vectorized};

/// `x: [rows, in]`, `weight: [out, in]`, `bias: [out]`.
pub(crate) fn linear(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<2>> {
    let (x, weight) = (Input::of(x)?, Input::of(weight)?);
    Some(match bias {
        Some(bias) => run(&Linear, [x, weight, Input::of(bias)?]),
        None => run(&Linear, [x, weight]),
    })
}

#[derive(Clone, Debug)]
struct Linear;

fn transposed(tensor: &Cpu) -> Cpu {
    tensor.transpose(0, 1)
}

fn add_bias(output: &mut Cpu, bias: &[f32]) {
    let task = rows_per_task(output.layout().shape()[0], bias.len()) * bias.len();
    output
        .storage_mut::<f32>()
        .par_chunks_mut(task)
        .for_each(|rows| {
            vectorized(|| {
                for row in rows.chunks_exact_mut(bias.len()) {
                    row.iter_mut()
                        .zip(bias)
                        .for_each(|(value, bias)| *value += bias);
                }
            });
        });
}

fn column_sums(gradient: &[f32], width: usize) -> Vec<f32> {
    let task = rows_per_task(gradient.len() / width.max(1), width) * width;
    let add = |mut sum: Vec<f32>, part: Vec<f32>| {
        sum.iter_mut()
            .zip(part)
            .for_each(|(sum, value)| *sum += value);
        sum
    };
    let parts: Vec<_> = gradient
        .par_chunks(task.max(1))
        .map(|rows| {
            let mut sum = vec![0.0f32; width];
            vectorized(|| {
                for row in rows.chunks_exact(width) {
                    sum.iter_mut()
                        .zip(row)
                        .for_each(|(sum, value)| *sum += value);
                }
            });
            sum
        })
        .collect();
    // In order, so that the same batch always gives the same sum.
    parts.into_iter().fold(vec![0.0; width], add)
}

fn gradients(x: Cpu, weight: Cpu, gradient: &Cpu, wanted: [bool; 2]) -> [Option<Cpu>; 2] {
    [
        wanted[0].then(|| Flex::float_matmul(gradient.clone(), weight)),
        wanted[1].then(|| Flex::float_matmul(transposed(gradient), x)),
    ]
}

impl Kernel<2> for Linear {
    type Saved = ();

    fn forward(&self, [x, weight]: &[Cpu; 2]) -> (Cpu, ()) {
        (Flex::float_matmul(x.clone(), transposed(weight)), ())
    }

    fn backward(
        &self,
        [x, weight]: [Cpu; 2],
        (): (),
        gradient: Cpu,
        wanted: [bool; 2],
    ) -> [Option<Cpu>; 2] {
        gradients(x, weight, &gradient, wanted)
    }
}

impl Kernel<3> for Linear {
    type Saved = ();

    fn forward(&self, [x, weight, bias]: &[Cpu; 3]) -> (Cpu, ()) {
        let mut output = Flex::float_matmul(x.clone(), transposed(weight));
        add_bias(&mut output, values(bias));
        (output, ())
    }

    fn backward(
        &self,
        [x, weight, bias]: [Cpu; 3],
        (): (),
        gradient: Cpu,
        wanted: [bool; 3],
    ) -> [Option<Cpu>; 3] {
        let width = bias.layout().num_elements();
        let sums = wanted[2].then(|| super::tensor(column_sums(values(&gradient), width), [width]));
        let [x, weight] = gradients(x, weight, &gradient, [wanted[0], wanted[1]]);
        [x, weight, sums]
    }
}
