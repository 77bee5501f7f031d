//! Rotary positions.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Cpu, Input, Kernel, rows_per_task, run, tensor, values, vectorized};

/// `x: [rows, positions, heads, width]`, `cos`, `sin: [rows or 1, positions, 1, width]`; the tables carry no gradient.
pub(crate) fn rotate(x: &Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Option<Tensor<4>> {
    // A tracked table would wait for a gradient that never comes.
    let (cos, sin) = (cos.clone().detach(), sin.clone().detach());
    Some(run(
        &Rotate,
        [Input::of(x)?, Input::of(&cos)?, Input::of(&sin)?],
    ))
}

#[derive(Clone, Debug)]
struct Rotate;

/// Turns by the angles of the tables, or back by them.
fn turn(x: &Cpu, cos: &Cpu, sin: &Cpu, back: bool) -> Cpu {
    let shape = x.layout().shape().clone();
    let [_, positions, heads, width] = [shape[0], shape[1], shape[2], shape[3]];
    let (input, cos, sin) = (values(x), values(cos), values(sin));
    let tables = cos.len() / (positions * width);
    let turning = if back { -1.0f32 } else { 1.0 };
    let mut output = vec![0.0f32; input.len()];
    let size = heads * width;
    let task = rows_per_task(input.len() / size.max(1), size);
    let tasks = output
        .par_chunks_mut(task * size)
        .zip(input.par_chunks(task * size))
        .enumerate();
    tasks.for_each(|(number, (output, input))| {
        vectorized(|| {
            for (offset, (output, input)) in output
                .chunks_exact_mut(size)
                .zip(input.chunks_exact(size))
                .enumerate()
            {
                let place = number * task + offset;
                let row = if tables == 1 {
                    place % positions
                } else {
                    place
                };
                let (cos, sin) = (
                    &cos[row * width..(row + 1) * width],
                    &sin[row * width..(row + 1) * width],
                );
                for (output, input) in output
                    .chunks_exact_mut(width)
                    .zip(input.chunks_exact(width))
                {
                    turn_head(output, input, cos, sin, turning);
                }
            }
        });
    });
    tensor(output, shape)
}

#[inline]
fn turn_head(output: &mut [f32], input: &[f32], cos: &[f32], sin: &[f32], turning: f32) {
    let half = input.len() / 2;
    let (low, high) = input.split_at(half);
    let (low_out, high_out) = output.split_at_mut(half);
    let tables = cos[..half].iter().zip(&sin[..half]);
    for ((((low_out, high_out), low), high), (cos, sin)) in low_out
        .iter_mut()
        .zip(high_out)
        .zip(low)
        .zip(high)
        .zip(tables)
    {
        let sin = sin * turning;
        *low_out = low * cos - high * sin;
        *high_out = high * cos + low * sin;
    }
}

impl Kernel<3> for Rotate {
    type Saved = ();

    fn forward(&self, [x, cos, sin]: &[Cpu; 3]) -> (Cpu, ()) {
        (turn(x, cos, sin, false), ())
    }

    fn backward(
        &self,
        [_, cos, sin]: [Cpu; 3],
        (): (),
        gradient: Cpu,
        wanted: [bool; 3],
    ) -> [Option<Cpu>; 3] {
        // A rotation's transpose turns back.
        [
            wanted[0].then(|| turn(&gradient, &cos, &sin, true)),
            None,
            None,
        ]
    }
}
