//! `stdata`: makes, checks, shards and audits spatio-temporal grounding data.

mod cli;
mod commands;
mod environment;
mod error_line;
mod exit_status;
mod globals;
mod marks;
mod progress;
mod whole_file;

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
        Err(error) if error_line::is_broken_pipe(&error) => ExitStatus::Done.into(),
        Err(error) => {
            // Nowhere to report a closed stderr to; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {}", error_line::of(&error));
            ExitCode::from(ExitStatus::FAILED)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitStatus> {
    let globals = Globals::resolve(&cli.globals)?;
    match &cli.command {
        Command::Fetch(args) => commands::fetch::run(args, &globals),
        Command::Synth(args) => commands::synth::run(args, &globals),
        Command::Benchmark(args) => commands::benchmark::run(args, &globals),
        Command::Media(args) => commands::media::run(args, &globals),
        Command::Validate(args) => commands::validate::run(args, &globals),
        Command::Normalize(args) => commands::normalize::run(args, &globals),
        Command::Shard(args) => commands::shard::run(args, &globals),
        Command::Verify(args) => commands::verify::run(args, &globals),
        Command::Sheet(args) => commands::sheet::run(args, &globals),
        Command::Stats(args) => commands::stats::run(args, &globals),
        Command::Browse(args) => commands::browse::run(args, &globals),
        Command::ShardWorker(args) => commands::shard_worker::run(args),
        Command::Completions(args) => commands::completions::run(args),
    }
}
