//! Fused operations for the CPU, with their own backward passes.
//!
//! On the CPU a chain of elementwise tensor operations is bound by memory: a norm alone reads and writes its input six times forwards and
//! about twice as often backwards. Here each is one pass over the rows, in 32 bits. Every function gives `None` for tensors of other
//! devices or types, for which [`crate::ops`] has the plain form; `tests/fused.rs` compares the two.

mod attention;
mod elementwise;
mod linear;
mod norm;
mod rotary;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};
use burn::tensor::{DType, Shape, Tensor, TensorData};

pub(crate) use attention::attention;
pub(crate) use elementwise::{gelu, gelu_tanh, swiglu};
pub(crate) use linear::linear;
pub(crate) use norm::{layer_norm, rms_norm};
pub(crate) use rotary::rotate;

/// A tensor of the CPU backend.
pub(crate) type Cpu = FloatTensor<Flex>;

/// A differentiable operation on `N` contiguous 32-bit tensors.
pub(crate) trait Kernel<const N: usize>: Clone + Send + std::fmt::Debug + 'static {
    /// What the backward pass needs beside the inputs.
    type Saved: Clone + Send + std::fmt::Debug + 'static;

    /// The result, and what to keep for the backward pass.
    fn forward(&self, inputs: &[Cpu; N]) -> (Cpu, Self::Saved);

    /// Gradients of the inputs for which `wanted` holds, from the gradient of the result.
    fn backward(
        &self,
        inputs: [Cpu; N],
        saved: Self::Saved,
        gradient: Cpu,
        wanted: [bool; N],
    ) -> [Option<Cpu>; N];
}

/// An input of a [`Kernel`].
pub(crate) enum Input {
    Plain(Cpu),
    Tracked(FloatTensor<Autodiff<Flex>>),
}

impl Input {
    /// `None` when the tensor is not a 32-bit tensor of the CPU backend.
    pub(crate) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        if tensor.is_autodiff() {
            tensor
                .clone()
                .try_into_primitive::<Autodiff<Flex>>()
                .ok()
                .map(Self::Tracked)
        } else {
            tensor
                .clone()
                .try_into_primitive::<Flex>()
                .ok()
                .map(Self::Plain)
        }
    }

    fn into_tracked(self) -> FloatTensor<Autodiff<Flex>> {
        match self {
            Self::Plain(tensor) => <Autodiff<Flex> as AutodiffBackend>::from_inner(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// The backward step of a kernel in Burn's graph.
#[derive(Debug)]
struct Step<K>(K);

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Step<K> {
    type State = ([Cpu; N], K::Saved);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (inputs, saved) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self
            .0
            .backward(inputs, saved, gradient.to_contiguous(), wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Runs a kernel and, where an input is tracked, records its backward step.
pub(crate) fn run<K: Kernel<N>, const N: usize, const D: usize>(
    kernel: &K,
    inputs: [Input; N],
) -> Tensor<D> {
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        let inputs = inputs.map(|input| match input {
            Input::Plain(tensor) => tensor.to_contiguous(),
            Input::Tracked(tensor) => tensor.into_primitive().to_contiguous(),
        });
        return Tensor::from_primitive::<Flex>(kernel.forward(&inputs).0);
    }
    let inputs = inputs.map(Input::into_tracked);
    let nodes = inputs.each_ref().map(FloatTensor::<Autodiff<Flex>>::node);
    let values = inputs.map(|input| input.into_primitive().to_contiguous());
    let output = match Step(kernel.clone())
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = kernel.forward(&values);
            prepared.finish((values, saved), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(kernel.forward(&values).0),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// Values of a contiguous tensor.
fn values(tensor: &Cpu) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("kernels get contiguous 32-bit tensors")
}

/// A tensor of given values.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Cpu {
    Cpu::from_data(TensorData::new(values, shape))
}

/// Rows that one task works on, so that tasks are neither tiny nor few.
fn rows_per_task(rows: usize, width: usize) -> usize {
    const VALUES_PER_TASK: usize = 32 * 1024;
    let tasks = rayon::current_num_threads().max(1);
    (VALUES_PER_TASK / width.max(1))
        .max(1)
        .min(rows.div_ceil(tasks).max(1))
}

/// Runs a loop with the widest vector instructions that the processor has.
fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

#[cfg(test)]
mod tests {
    //! Each fused operation against its plain form: values and gradients.

    use burn::tensor::{Device, Distribution, Tensor};

    use crate::ops::{self, Mask, plain};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(
            shape,
            Distribution::Normal(0.0, 1.5),
            &Device::flex().autodiff(),
        )
        .require_grad()
    }

    fn worst(found: &[f32], expected: &[f32]) -> f32 {
        assert_eq!(found.len(), expected.len());
        found
            .iter()
            .zip(expected)
            .map(|(found, expected)| (found - expected).abs())
            .fold(0.0, f32::max)
    }

    /// The worst difference in parts of the largest entry, which is what rounding of a sum over many rows goes by.
    fn worst_part(found: &[f32], expected: &[f32]) -> f32 {
        let largest = expected.iter().fold(1.0, |most, one| one.abs().max(most));
        worst(found, expected) / largest
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// Compares a result and the gradients of three inputs of any rank under a random weighting.
    fn compare<const D: usize, const A: usize, const B: usize, const C: usize>(
        (a, b, c): (Tensor<A>, Tensor<B>, Tensor<C>),
        fused: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
        plain: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
        used: [bool; 3],
    ) {
        let (first, second) = (
            fused(a.clone(), b.clone(), c.clone()),
            plain(a.clone(), b.clone(), c.clone()),
        );
        assert!(
            worst(&read(first.clone()), &read(second.clone())) < 2e-5,
            "values"
        );
        let weighting = Tensor::random(
            first.dims(),
            Distribution::Normal(0.0, 1.0),
            &first.device(),
        );
        let first = (first * weighting.clone()).sum().backward();
        let second = (second * weighting).sum().backward();
        let difference = [
            used[0].then(|| {
                worst_part(
                    &read(a.grad(&first).unwrap()),
                    &read(a.grad(&second).unwrap()),
                )
            }),
            used[1].then(|| {
                worst_part(
                    &read(b.grad(&first).unwrap()),
                    &read(b.grad(&second).unwrap()),
                )
            }),
            used[2].then(|| {
                worst_part(
                    &read(c.grad(&first).unwrap()),
                    &read(c.grad(&second).unwrap()),
                )
            }),
        ];
        for (input, difference) in difference.into_iter().flatten().enumerate() {
            assert!(difference < 1e-5, "gradient {input}: {difference:e}");
        }
    }

    #[test]
    fn norms() {
        let inputs = || (random([3, 700, 20]), random([20]), random([20]));
        compare(
            inputs(),
            |x, w, b| ops::layer_norm(x, w, b, 1e-5),
            |x, w, b| plain::layer_norm(x, w, b, 1e-5),
            [true; 3],
        );
        compare(
            inputs(),
            |x, w, _| ops::rms_norm(x, w, 1e-6),
            |x, w, _| plain::rms_norm(x, w, 1e-6),
            [true, true, false],
        );
    }

    #[test]
    fn linear_layers() {
        let inputs = || (random([333, 20]), random([17, 20]), random([17]));
        compare(
            inputs(),
            |x, w, b| ops::linear(x, w, Some(b)),
            |x, w, b| plain::linear(x, w, Some(b)),
            [true; 3],
        );
        compare(
            inputs(),
            |x, w, _| ops::linear(x, w, None),
            |x, w, _| plain::linear(x, w, None),
            [true, true, false],
        );
    }

    #[test]
    fn activations() {
        let inputs = || (random([5, 9001]), random([5, 9001]), random([1]));
        compare(
            inputs(),
            |x, _, _| ops::gelu(x),
            |x, _, _| plain::gelu(x),
            [true, false, false],
        );
        compare(
            inputs(),
            |x, _, _| ops::gelu_tanh(x),
            |x, _, _| plain::gelu_tanh(x),
            [true, false, false],
        );
        compare(
            inputs(),
            |x, y, _| ops::swiglu(x, y),
            |x, y, _| plain::swiglu(x, y),
            [true, true, false],
        );
    }

    #[test]
    fn rotation() {
        let inputs = |rows| {
            (
                random([2, 30, 4, 6]),
                random([rows, 30, 1, 6]),
                random([rows, 30, 1, 6]),
            )
        };
        // The tables' halves are equal, as rotary tables are.
        let halves = |table: Tensor<4>| {
            Tensor::cat(
                vec![table.clone().narrow(3, 0, 3), table.narrow(3, 0, 3)],
                3,
            )
        };
        for rows in [1, 2] {
            compare(
                inputs(rows),
                |x, c, s| ops::rotate(x, halves(c), halves(s)),
                |x, c, s| plain::rotate(x, halves(c), halves(s)),
                [true, false, false],
            );
        }
    }

    #[test]
    fn attentions() {
        let starts = [0, 3];
        let masks = [
            (Mask::Full, 7, 12),
            (
                Mask::Causal {
                    offset: 0,
                    starts: None,
                },
                70,
                70,
            ),
            (
                Mask::Causal {
                    offset: 5,
                    starts: None,
                },
                7,
                12,
            ),
            (
                Mask::Causal {
                    offset: 5,
                    starts: Some(&starts),
                },
                7,
                12,
            ),
            (Mask::Full, 1, 9),
        ];
        for (mask, queries, keys) in masks {
            for (heads, key_heads) in [(4, 4), (6, 2)] {
                let inputs = (
                    random([2, queries, heads, 8]),
                    random([2, keys, key_heads, 8]),
                    random([2, keys, key_heads, 8]),
                );
                compare(
                    inputs,
                    |q, k, v| ops::attention(q, k, v, mask),
                    |q, k, v| plain::attention(q, k, v, mask),
                    [true; 3],
                );
            }
        }
    }

    #[test]
    fn long_sequences_are_cut_into_blocks() {
        let inputs = (
            random([1, 1100, 2, 4]),
            random([1, 1100, 1, 4]),
            random([1, 1100, 1, 4]),
        );
        let mask = Mask::Causal {
            offset: 0,
            starts: None,
        };
        compare(
            inputs,
            |q, k, v| ops::attention(q, k, v, mask),
            |q, k, v| plain::attention(q, k, v, mask),
            [true; 3],
        );
    }

    #[test]
    fn frozen_weights_get_no_gradient() {
        let (x, weight) = (random([8, 4]), random([5, 4]).set_require_grad(false));
        let gradients = ops::linear(x.clone(), weight.clone(), None)
            .sum()
            .backward();
        assert!(x.grad(&gradients).is_some());
        assert!(weight.grad(&gradients).is_none());
    }
}
