//! `sttrain gpu-check`: does the GPU compute what the CPU computes, and how fast?

use std::fmt::Write as _;
use std::time::Duration;

use burn::tensor::Device;
use st_model::device_check::{Difference, TOLERANCE, TimedShape, Timing, compare, time};

use super::{ExitStatus, print};
use crate::cli::Globals;
use crate::device::{Choice, half_precision, open};

/// What is checked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The device that is compared with the CPU.
    #[arg(long, default_value = "cuda")]
    pub device: Choice,
    /// Leave the shape of the published model out; it needs some 20 GB of GPU memory.
    #[arg(long)]
    pub small: bool,
    /// Start nothing new after this many seconds.
    #[arg(long, default_value_t = 480)]
    pub budget: u64,
}

/// Prints one table; a difference beyond the tolerance "needs a look".
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let device = open(args.device)?;
    let differences = compare(&device, &Device::flex())?;
    let mut timings = Vec::new();
    let mut shapes = vec![TimedShape::small()];
    if !args.small && args.device == Choice::Cuda {
        shapes.push(TimedShape::published());
    }
    let begin = std::time::Instant::now();
    for shape in &shapes {
        let left = Duration::from_secs(args.budget).saturating_sub(begin.elapsed());
        if !left.is_zero() {
            time(
                shape,
                &half_precision(args.device, &device)?,
                left,
                |timing| timings.push(timing),
            )?;
        }
    }
    if globals.json {
        let document = serde_json::json!({"tolerance": TOLERANCE, "differences": differences, "timings": timings});
        print(&format!("{document}\n"))?;
    } else {
        print(&table(&differences, &timings))?;
    }
    let passed = differences.iter().all(|one| one.passed);
    Ok(if passed {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

fn table(differences: &[Difference], timings: &[Timing]) -> String {
    let mut out = format!(
        "{:<34}{:>12}{:>14}  (tolerance {TOLERANCE:.0e})\n",
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
        "\n{:<8}{:<44}{:>12}{:>14}",
        "shape", "work", "seconds", "tokens/s"
    );
    for timing in timings {
        let _ = writeln!(
            out,
            "{:<8}{:<44}{:>12.4}{:>14.1}",
            timing.shape,
            timing.what,
            timing.seconds,
            timing.rate()
        );
    }
    out
}
