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
        Choice::Cpu => Ok(Device::flex()),
        Choice::Cuda => cuda(),
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> anyhow::Result<Device> {
    // Asking the driver panics where there is none, so its library is looked for first.
    let found =
        std::panic::catch_unwind(|| Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec());
    let devices = found.unwrap_or_default();
    anyhow::ensure!(
        !devices.is_empty(),
        "no CUDA device: this needs an NVIDIA GPU with its driver (libcuda.so), and NVRTC and the headers of a CUDA toolkit \
         (set CUDA_PATH, or install to /usr/local/cuda)"
    );
    Ok(Device::cuda(0))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> anyhow::Result<Device> {
    anyhow::bail!(
        "this steval was built without CUDA; build it with `cargo build --release -p steval --features cuda`, which needs \
         neither a GPU nor a CUDA toolkit, and run it on a machine with an NVIDIA driver and NVRTC"
    )
}
