//! `steval`: predicts and scores grounding benchmarks, answers single questions, writes reports.

mod cli;
mod commands;
mod device;
mod draw;
mod exit_status;
mod globals;
mod media;
mod model;
mod picture;
mod progress;
mod question;
mod records;
mod result_file;
mod write;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit_status::ExitStatus;
use globals::Globals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(status) => status.into(),
        Err(error) if is_broken_pipe(&error) => ExitStatus::Done.into(),
        Err(error) => {
            // Nowhere to report a closed stderr to; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(ExitStatus::FAILED)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitStatus> {
    let globals = Globals::resolve(&cli.globals)?;
    match &cli.command {
        Command::Predict(args) => commands::predict::run(args, &globals),
        Command::Ask(args) => commands::ask::run(args, &globals),
        Command::Report(args) => commands::report::run(args, &globals),
        Command::Score(args) => commands::score::run(args, &globals),
        Command::Completions(args) => Ok(commands::completions::run(args)),
    }
}

/// `steval … | head` closes our stdout; that is the reader's choice and no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
