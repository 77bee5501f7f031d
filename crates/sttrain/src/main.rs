//! Trains LLaVA-ST from a recipe.
//!
//! Exit codes: 0 done, 1 done and something needs a look, 2 failed.

mod allocation;
mod cli;
mod commands;
mod device;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::ExitStatus;

fn main() -> ExitCode {
    allocation::keep_freed_memory();
    let cli = Cli::parse();
    match run(cli) {
        Ok(ExitStatus::Done) => ExitCode::SUCCESS,
        Ok(ExitStatus::NeedsALook) => ExitCode::from(1),
        Err(error) => {
            // The reader may be gone; there is nobody left to tell.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("error: {error:#}\n").as_bytes(),
            );
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitStatus> {
    let Cli {
        command,
        train,
        globals,
    } = cli;
    match command {
        None => commands::train::run(&train, &globals),
        Some(Command::Check(args)) => commands::check::run(&args, &globals),
        Some(Command::Info(args)) => commands::info::run(&args, &globals),
        Some(Command::Export(args)) => commands::export::run(&args, &globals),
        Some(Command::GpuCheck(args)) => commands::gpu_check::run(&args, &globals),
        Some(Command::Schema) => commands::schema::run(),
        Some(Command::Completions { shell }) => commands::completions::run(shell),
    }
}
