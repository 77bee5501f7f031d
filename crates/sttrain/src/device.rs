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

/// A word of `--devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// So many replicas.
    Exactly(usize),
    /// A replica for every device.
    All,
}

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count @ 1..) => Ok(Self::Exactly(count)),
            _ if text == "all" => Ok(Self::All),
            _ => Err("give a number from 1 on, or all".to_owned()),
        }
    }
}

/// The devices of the replicas. A CPU is one device, on which any number of replicas share the cores.
///
/// # Errors
/// Where there are fewer GPUs, or the program was built without them.
pub(crate) fn open_all(choice: Choice, count: Count) -> anyhow::Result<Vec<Device>> {
    let first = open(choice)?;
    let present = match choice {
        Choice::Cpu => std::thread::available_parallelism().map_or(1, usize::from),
        Choice::Cuda => gpus(),
    };
    let wanted = match count {
        Count::Exactly(count) => count,
        Count::All => present,
    };
    match choice {
        Choice::Cpu => Ok(vec![first; wanted]),
        Choice::Cuda => {
            anyhow::ensure!(
                wanted <= present,
                "--devices {wanted}: there are {present} CUDA devices (CUDA_VISIBLE_DEVICES narrows them)"
            );
            Ok((0..wanted).map(gpu).collect())
        }
    }
}

#[cfg(feature = "cuda")]
fn gpus() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda)
        .into_vec()
        .len()
}

#[cfg(feature = "cuda")]
fn gpu(number: usize) -> Device {
    Device::cuda(number)
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> usize {
    0
}

#[cfg(not(feature = "cuda"))]
fn gpu(_number: usize) -> Device {
    Device::default()
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

/// Makes bfloat16 the type of these devices' numbers.
///
/// # Errors
/// Where a device has been used already.
pub(crate) fn half_precision(devices: &mut [Device]) -> anyhow::Result<()> {
    let mut done: Vec<Device> = Vec::new();
    for device in devices {
        if !done.contains(device) {
            device.configure(burn::tensor::FloatDType::BF16)?;
            done.push(device.clone());
        }
    }
    Ok(())
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
        "this sttrain was built without CUDA; build it with `cargo build --release -p sttrain --features cuda`, which needs \
         neither a GPU nor a CUDA toolkit, and run it on a machine with an NVIDIA driver and NVRTC"
    )
}
