//! `sttrain check`: what a recipe comes to, without training.

use std::fmt::Write;

use st_train::check::{Report, check};

use super::{ExitStatus, print, recipe, roots};
use crate::cli::{Globals, RecipeArgs};

/// Prints the report; something missing is "needs a look".
pub(crate) fn run(args: &RecipeArgs, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let recipe = recipe(args)?;
    let report = check(&recipe, &roots(args, globals));
    if globals.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&text(&report))?;
    }
    Ok(if report.missing.is_empty() {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<18}{value}");
    };
    for (part, count) in &report.parameters {
        line(part, format!("{count} parameters"));
    }
    let all: usize = report.parameters.values().sum();
    if all > 0 {
        line("all", format!("{all} parameters"));
    }
    for (phase, count) in &report.trainable {
        line("learn", format!("{count} in phase {phase}"));
    }
    if let Some([image, video]) = report.visual_tokens {
        line(
            "visual tokens",
            format!("{image} an image, {video} a video"),
        );
    }
    if let (Some(records), Some(rejected), Some(clips)) =
        (report.records, report.rejected, report.clips)
    {
        line(
            "records",
            format!("{records} on {clips} clips, {rejected} left out"),
        );
    }
    if let Some(steps) = report.steps {
        line("steps", steps.to_string());
    }
    if let Some(cost) = &report.cost {
        let gib = cost.state_bytes / (1_u64 << 30) as f64;
        line(
            "a step",
            format!(
                "up to {} records, about {:.3} TFLOP",
                cost.records,
                cost.flop / 1e12
            ),
        );
        line(
            "memory",
            format!("{gib:.2} GiB for weights, gradients and optimizer, without activations"),
        );
    }
    for text in &report.missing {
        line("missing", text.clone());
    }
    out
}
