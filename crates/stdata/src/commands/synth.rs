//! `stdata synth`: makes a synthetic dataset with exact truth.

use std::path::PathBuf;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Flags of `stdata synth`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata synth --out data/synth --images 2000 --videos 500")]
pub(crate) struct Args {
    /// Folder to write
    #[arg(long = "out", value_name = "DIR")]
    inputs: PathBuf,
}

/// Not built yet.
pub(crate) fn run(args: &Args, _globals: &Globals) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("synth of {:?} is not built yet", args.inputs)
}
