//! `sttrain completions`: a script for the shell.

use clap::CommandFactory;

use super::{ExitStatus, print};
use crate::cli::Cli;

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sttrain", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Done)
}
