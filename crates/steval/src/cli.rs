//! The command line as typed. Resolving it into settings is each command's business.

use clap::{Parser, Subcommand};

use crate::commands::{ask, completions, predict, report, score};
use crate::globals::GlobalArgs;

/// Predicts and scores grounding benchmarks, answers single questions, writes reports.
#[derive(Debug, Parser)]
#[command(
    name = "steval",
    version,
    max_term_width = 100,
    after_help = "Exit code: 0 done, 1 done and something needs a look, 2 failed.\n\n\
                  Example:\n  steval score runs/tiny/eval/stvg.jsonl"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One subcommand a file, in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer benchmarks with a model
    Predict(predict::Args),
    /// Ask one question about one image or video and draw the answer
    Ask(ask::Args),
    /// Score result files; needs no model
    Score(score::Args),
    /// Compare runs on one page: scores, distributions, pictures
    Report(report::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string);
            assert!(
                after.is_some_and(|text| text.contains("Example")),
                "`steval {} --help` has no example",
                command.get_name()
            );
        }
    }
}
