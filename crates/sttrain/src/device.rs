//! The one place that knows which backends were compiled in.

use burn::tensor::Device;

/// A word of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// The CPU (Burn's flex backend).
    Cpu,
    /// The first CUDA device.
    Cuda,
}

/// The device of a word.
///
/// # Errors
/// Where the program was built without it.
pub(crate) fn open(choice: Choice) -> anyhow::Result<Device> {
    match choice {
        Choice::Cpu => Ok(Device::default()),
        Choice::Cuda => cuda(),
    }
}

fn cuda() -> anyhow::Result<Device> {
    anyhow::bail!(
        "this sttrain was built without CUDA; build it with `cargo build --release -p sttrain --features cuda`"
    )
}
