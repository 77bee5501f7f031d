//! End-to-end tests of `stdata`: the built program, in a temporary folder.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "tests panic on what they do not expect"
)]

mod benchmark;
mod browse;
mod chromium;
mod cli;
mod fetch;
mod fetch_faults;
mod fetch_hostile;
mod fetch_python;
mod hub_double;
mod media;
mod normalize;
mod shard;
mod stats;
mod stats_frames;
mod stats_planted;
mod stats_reports;
mod synth;
mod validate;

use assert_cmd::Command;

/// The program, with nothing of the environment steering it.
fn stdata() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
    command.env_remove("STDATA_ROOT");
    command
}
