//! End-to-end tests of `stdata`: the built program, in a temporary folder.

mod cli;
mod shard;
mod stats;
mod synth;
mod validate;

use assert_cmd::Command;

/// The program, with nothing of the environment steering it.
fn stdata() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
    command.env_remove("STDATA_ROOT");
    command
}
