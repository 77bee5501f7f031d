//! `stdata validate`: judges every record of a dataset.

use std::path::PathBuf;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Flags of `stdata validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata validate data/synth/stage3.yaml")]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
}

/// Not built yet.
pub(crate) fn run(args: &Args, _globals: &Globals) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("validate of {:?} is not built yet", args.inputs)
}
