//! `stdata verify`: checks shards against their index.

use std::path::PathBuf;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Flags of `stdata verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata verify data/shards/stage3")]
pub(crate) struct Args {
    /// Shard folders [default: all under the data root]
    inputs: Vec<PathBuf>,
}

/// Not built yet.
pub(crate) fn run(args: &Args, _globals: &Globals) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("verify of {:?} is not built yet", args.inputs)
}
