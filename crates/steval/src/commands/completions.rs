//! `steval completions`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit_status::ExitStatus;

/// Flags of `steval completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  steval completions bash > ~/.local/share/bash-completion/completions/steval"
)]
pub(crate) struct Args {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> ExitStatus {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "steval",
        &mut std::io::stdout(),
    );
    ExitStatus::Done
}
