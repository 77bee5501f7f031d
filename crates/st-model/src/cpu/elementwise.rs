//! Activations.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Cpu, Input, Kernel, run, tensor, values, vectorized};

/// Exact GELU.
pub(crate) fn gelu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    Some(run(
        &Pointwise {
            value: gelu_value,
            slope: gelu_slope,
        },
        [Input::of(x)?],
    ))
}

/// GELU by its tanh approximation.
pub(crate) fn gelu_tanh<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    Some(run(
        &Pointwise {
            value: gelu_tanh_value,
            slope: gelu_tanh_slope,
        },
        [Input::of(x)?],
    ))
}

/// `silu(gate) * up`.
pub(crate) fn swiglu<const D: usize>(gate: &Tensor<D>, up: &Tensor<D>) -> Option<Tensor<D>> {
    Some(run(&Swiglu, [Input::of(gate)?, Input::of(up)?]))
}

/// Values that one task works on.
const TASK: usize = 32 * 1024;

/// `e^x` to about one unit in the last place for the arguments that activations have; written without branches, so that the compiler
/// can use vector instructions. Cody and Waite reduction, minimax polynomial of degree 6.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4;
    for factor in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        sum = sum * rest + factor;
    }
    let mantissa = sum * rest * rest + rest + 1.0;
    // The integer sits in the low bits of `shifted`; moved to the exponent it is 2^power.
    mantissa * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

#[inline]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `2 Φ(x) - 1` and `φ(x)`, with the error function of Abramowitz and Stegun 7.1.26 (at most 1.5e-7 off).
#[inline]
fn normal(x: f32) -> (f32, f32) {
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut sum = 1.061_405_4f32;
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = sum * t + factor;
    }
    let erf = 1.0 - sum * t * bell;
    (erf.copysign(x), bell * 0.398_942_3)
}

#[inline]
fn gelu_value(x: f32) -> f32 {
    0.5 * x * (1.0 + normal(x).0)
}

#[inline]
fn gelu_slope(x: f32) -> f32 {
    let (erf, bell) = normal(x);
    0.5 * (1.0 + erf) + x * bell
}

const TANH_OUTER: f32 = 0.797_884_6;
const TANH_CUBE: f32 = 0.044_715;

/// `tanh(u)` as `2 sigmoid(2u) - 1`, so the activation is `x sigmoid(2u)`.
#[inline]
fn gelu_tanh_value(x: f32) -> f32 {
    x * sigmoid(2.0 * TANH_OUTER * (x + TANH_CUBE * x * x * x))
}

#[inline]
fn gelu_tanh_slope(x: f32) -> f32 {
    let open = sigmoid(2.0 * TANH_OUTER * (x + TANH_CUBE * x * x * x));
    let inner = 2.0 * TANH_OUTER * (1.0 + 3.0 * TANH_CUBE * x * x);
    open + x * open * (1.0 - open) * inner
}

/// A function of one value. The two functions are types, not pointers, so that loops over them are compiled for vectors.
#[derive(Clone)]
struct Pointwise<V, S> {
    value: V,
    slope: S,
}

impl<V, S> std::fmt::Debug for Pointwise<V, S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pointwise")
    }
}

impl<V, S> Kernel<1> for Pointwise<V, S>
where
    V: Fn(f32) -> f32 + Clone + Send + Sync + 'static,
    S: Fn(f32) -> f32 + Clone + Send + Sync + 'static,
{
    type Saved = ();

    fn forward(&self, [x]: &[Cpu; 1]) -> (Cpu, ()) {
        let input = values(x);
        let mut output = vec![0.0f32; input.len()];
        output
            .par_chunks_mut(TASK)
            .zip(input.par_chunks(TASK))
            .for_each(|(output, input)| {
                vectorized(|| {
                    output
                        .iter_mut()
                        .zip(input)
                        .for_each(|(output, input)| *output = (self.value)(*input));
                });
            });
        (tensor(output, x.layout().shape().clone()), ())
    }

    fn backward(&self, [x]: [Cpu; 1], (): (), gradient: Cpu, _: [bool; 1]) -> [Option<Cpu>; 1] {
        let (input, gradient) = (values(&x), values(&gradient));
        let mut output = vec![0.0f32; input.len()];
        let tasks = output
            .par_chunks_mut(TASK)
            .zip(input.par_chunks(TASK))
            .zip(gradient.par_chunks(TASK));
        tasks.for_each(|((output, input), gradient)| {
            vectorized(|| {
                for ((output, input), gradient) in output.iter_mut().zip(input).zip(gradient) {
                    *output = gradient * (self.slope)(*input);
                }
            });
        });
        [Some(tensor(output, x.layout().shape().clone()))]
    }
}

#[derive(Clone, Debug)]
struct Swiglu;

impl Kernel<2> for Swiglu {
    type Saved = ();

    fn forward(&self, [gate, up]: &[Cpu; 2]) -> (Cpu, ()) {
        let (gates, ups) = (values(gate), values(up));
        let mut output = vec![0.0f32; gates.len()];
        let tasks = output
            .par_chunks_mut(TASK)
            .zip(gates.par_chunks(TASK))
            .zip(ups.par_chunks(TASK));
        tasks.for_each(|((output, gates), ups)| {
            vectorized(|| {
                for ((output, gate), up) in output.iter_mut().zip(gates).zip(ups) {
                    *output = gate * sigmoid(*gate) * up;
                }
            });
        });
        (tensor(output, gate.layout().shape().clone()), ())
    }

    fn backward(
        &self,
        [gate, up]: [Cpu; 2],
        (): (),
        gradient: Cpu,
        _: [bool; 2],
    ) -> [Option<Cpu>; 2] {
        let (gates, ups, gradient) = (values(&gate), values(&up), values(&gradient));
        let (mut to_gate, mut to_up) = (vec![0.0f32; gates.len()], vec![0.0f32; gates.len()]);
        let tasks = to_gate
            .par_chunks_mut(TASK)
            .zip(to_up.par_chunks_mut(TASK))
            .zip(gates.par_chunks(TASK));
        let tasks = tasks
            .zip(ups.par_chunks(TASK))
            .zip(gradient.par_chunks(TASK));
        tasks.for_each(|((((to_gate, to_up), gates), ups), gradient)| {
            vectorized(|| {
                let values = to_gate
                    .iter_mut()
                    .zip(to_up)
                    .zip(gates)
                    .zip(ups)
                    .zip(gradient);
                for ((((to_gate, to_up), gate), up), gradient) in values {
                    let open = sigmoid(*gate);
                    *to_up = gradient * gate * open;
                    *to_gate = gradient * up * open * (1.0 + gate * (1.0 - open));
                }
            });
        });
        let shape = gate.layout().shape().clone();
        [
            Some(tensor(to_gate, shape.clone())),
            Some(tensor(to_up, shape)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate() {
        for step in -8700i16..8800 {
            let x = f32::from(step) * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 3e-7, "exp({x}): {error:e}");
        }
        assert!((exp(0.0) - 1.0).abs() < 1e-7);
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn slopes_are_derivatives() {
        for step in -60i16..60 {
            let x = f32::from(step) * 0.1 + 0.013;
            let numeric = |value: fn(f32) -> f32| (value(x + 0.01) - value(x - 0.01)) / 0.02;
            assert!(
                (numeric(gelu_value) - gelu_slope(x)).abs() < 2e-4,
                "gelu at {x}"
            );
            assert!(
                (numeric(gelu_tanh_value) - gelu_tanh_slope(x)).abs() < 2e-4,
                "tanh gelu at {x}"
            );
        }
    }
}
