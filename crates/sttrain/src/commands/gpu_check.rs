//! `sttrain gpu-check`: does the GPU compute what the CPU computes, and how fast?

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use st_model::device_check::{Difference, TOLERANCE, TimedShape, compare, time};
use st_train::step_time::time_step;

use super::{ExitStatus, print};
use crate::cli::Globals;
use crate::device::{Choice, half_precision, open};

/// What is checked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The device that is compared with the CPU.
    #[arg(long, default_value = "cuda")]
    pub device: Choice,
    /// Leave the shape of the published model out; it needs some 40 GB of GPU memory.
    #[arg(long)]
    pub small: bool,
    /// Start nothing new after this many seconds.
    #[arg(long, default_value_t = 480)]
    pub budget: u64,
    /// What the device can do in 16 bits, in 10^12 operations a second, for the MFU column. An H100 or H200 SXM: 989, dense.
    #[arg(long, default_value_t = 989.0)]
    pub peak: f64,
    /// Only the timings, in 16 bits. A device's type of numbers is fixed once it is used, so `gpu-check` starts itself for this part.
    #[arg(long, hide = true)]
    pub timings: bool,
}

/// A row of the table of times.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    shape: String,
    what: String,
    seconds: f64,
    tokens: usize,
    /// Share of the device's peak, in training.
    mfu: Option<f64>,
    /// Most memory that the device had in use, in MiB, where the driver's tool tells.
    memory_mib: Option<u64>,
}

/// Prints one table; a difference beyond the tolerance "needs a look".
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    if args.timings {
        return timings(args);
    }
    let device = open(args.device)?;
    let begin = Instant::now();
    let differences = compare(&device, &Device::flex())?;
    let left = Duration::from_secs(args.budget).saturating_sub(begin.elapsed());
    let rows = timings_apart(args, left)?;
    let name = device_name(args.device);
    if globals.json {
        let document = serde_json::json!({"device": name, "tolerance": TOLERANCE, "differences": differences, "timings": rows});
        print(&format!("{document}\n"))?;
    } else {
        print(&table(&name, &differences, &rows))?;
    }
    let passed = differences.iter().all(|one| one.passed);
    Ok(if passed {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

/// Starts this program again for the timings; each line it prints is a row.
fn timings_apart(args: &Args, left: Duration) -> anyhow::Result<Vec<Row>> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.args(["gpu-check", "--timings", "--device"]);
    command.arg(if args.device == Choice::Cuda {
        "cuda"
    } else {
        "cpu"
    });
    command.args([
        "--budget",
        &left.as_secs().to_string(),
        "--peak",
        &args.peak.to_string(),
    ]);
    if args.small {
        command.arg("--small");
    }
    let output = command.output().context("cannot start the timings")?;
    anyhow::ensure!(
        output.status.success(),
        "the timings failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).context("the timings printed something else"))
        .collect()
}

fn timings(args: &Args) -> anyhow::Result<ExitStatus> {
    let mut devices = [open(args.device)?];
    half_precision(&mut devices)?;
    let [device] = devices;
    let mut shapes = vec![TimedShape::small()];
    if !args.small && args.device == Choice::Cuda {
        shapes.push(TimedShape::published());
    }
    let begin = Instant::now();
    let budget = Duration::from_secs(args.budget);
    for shape in &shapes {
        let left = budget.saturating_sub(begin.elapsed());
        if left.is_zero() {
            break;
        }
        let mut rows = Vec::new();
        time(shape, &device, left, |timing| {
            rows.push(Row {
                shape: timing.shape.to_owned(),
                what: timing.what.clone(),
                seconds: timing.seconds,
                tokens: timing.tokens,
                mfu: None,
                memory_mib: None,
            });
        })?;
        device.memory_cleanup();
        if begin.elapsed() < budget {
            let watch = MemoryWatch::start(args.device);
            let step = time_step(&shape.config, &device, 3)?;
            rows.push(Row {
                shape: shape.name.to_owned(),
                what: "stage 2 step, LoRA 128, checkpointing".to_owned(),
                seconds: step.seconds,
                tokens: step.tokens,
                mfu: Some(step.mfu(args.peak * 1e12)),
                memory_mib: watch.most(),
            });
            device.memory_cleanup();
        }
        for row in rows {
            print(&format!("{}\n", serde_json::to_string(&row)?))?;
        }
    }
    Ok(ExitStatus::Done)
}

/// Asks the driver's tool a few times a second how much memory is in use.
struct MemoryWatch {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl MemoryWatch {
    fn start(device: Choice) -> Self {
        let watch = Self {
            most: Arc::default(),
            stop: Arc::default(),
        };
        if device == Choice::Cuda {
            let (most, stop) = (Arc::clone(&watch.most), Arc::clone(&watch.stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let used = nvidia_smi("memory.used").and_then(|text| text.parse().ok());
                    most.fetch_max(used.unwrap_or(0), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
        watch
    }

    fn most(&self) -> Option<u64> {
        self.stop.store(true, Ordering::Relaxed);
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most > 0)
    }
}

/// One fact of the first GPU, without its unit.
fn nvidia_smi(fact: &str) -> Option<String> {
    let output = Command::new("nvidia-smi")
        .arg(format!("--query-gpu={fact}"))
        .args(["--format=csv,noheader,nounits", "--id=0"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn device_name(device: Choice) -> String {
    match device {
        Choice::Cpu => "CPU".to_owned(),
        Choice::Cuda => nvidia_smi("name").unwrap_or_else(|| "CUDA device 0".to_owned()),
    }
}

fn table(name: &str, differences: &[Difference], rows: &[Row]) -> String {
    let mut out = format!(
        "{name}, compared with the CPU in 32 bits\n{:<34}{:>12}{:>14}  (tolerance {TOLERANCE:.0e})\n",
        "stage", "numbers", "difference"
    );
    for one in differences {
        let verdict = if one.passed { "ok" } else { "DIFFERS" };
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "{:<34}{:>12}{:>14.1e}  {verdict}",
            one.stage, one.count, one.relative
        );
    }
    let _ = writeln!(
        out,
        "\n{name}, timed in 16 bits (bfloat16)\n{:<7}{:<40}{:>10}{:>12}{:>8}{:>13}",
        "shape", "work", "seconds", "tokens/s", "MFU", "memory"
    );
    for row in rows {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let rate = row.tokens as f64 / row.seconds;
        let mfu = row
            .mfu
            .map_or_else(String::new, |mfu| format!("{:.1} %", 100.0 * mfu));
        let memory = row
            .memory_mib
            .map_or_else(String::new, |mib| format!("{mib} MiB"));
        let _ = writeln!(
            out,
            "{:<7}{:<40}{:>10.4}{rate:>12.1}{mfu:>8}{memory:>13}",
            row.shape, row.what, row.seconds
        );
    }
    out
}
