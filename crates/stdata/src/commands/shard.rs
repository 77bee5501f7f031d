//! `stdata shard`: writes frame shards.

use std::path::PathBuf;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Flags of `stdata shard`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata shard data/synth/stage3.yaml --frames 20 --size 126")]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
}

/// Not built yet.
pub(crate) fn run(args: &Args, _globals: &Globals) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("shard of {:?} is not built yet", args.inputs)
}
