//! `stdata completions`: a completion script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit_status::ExitStatus;

/// Flags of `stdata completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stdata completions bash > ~/.local/share/bash-completion/completions/stdata"
)]
pub(crate) struct Args {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script on stdout.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stdata", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script)?;
    Ok(ExitStatus::Done)
}
