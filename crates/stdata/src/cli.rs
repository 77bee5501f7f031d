//! The command line as typed. Resolving it into settings is `globals.rs` and each command's business.

use clap::{Parser, Subcommand};

use crate::commands::{
    benchmark, browse, completions, fetch, media, normalize, shard, shard_worker, sheet, stats,
    synth, validate, verify,
};
use crate::globals::GlobalArgs;

/// Makes, checks, shards and audits spatio-temporal grounding data.
#[derive(Debug, Parser)]
#[command(
    name = "stdata",
    version,
    max_term_width = 100,
    after_help = "Exit code: 0 done, 1 done and something needs a look, 2 failed.\n\n\
                  Example:\n  stdata synth --out data/synth && stdata stats data/synth/stage3.yaml"
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
    /// Fetch records, media and models from the hub, verified and locked
    Fetch(fetch::Args),
    /// Make a synthetic dataset with exact truth
    Synth(synth::Args),
    /// Tell which media files are there, and link those that lie elsewhere
    Media(media::Args),
    /// Judge every record of a dataset; nothing is lost
    Validate(validate::Args),
    /// Turn a source's raw annotations into records
    Normalize(normalize::Args),
    /// Write frame shards: each clip once, in tar files with an index
    Shard(shard::Args),
    /// Check shards and fetched files against what was recorded
    Verify(verify::Args),
    /// Draw a clip's frames with its records' spans and boxes
    Sheet(sheet::Args),
    /// Count and measure a dataset
    Stats(stats::Args),
    /// Look at records and clips in a browser, and mark them
    Browse(browse::Args),
    /// Make clips for `stdata shard`: jobs on stdin, answers on stdout
    #[command(hide = true)]
    ShardWorker(shard_worker::Args),
    /// Write evaluation files from raw annotations
    Benchmark(benchmark::Args),
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
                "`stdata {} --help` has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn global_flags_stand_before_or_after_the_subcommand() {
        for line in [
            ["stdata", "--json", "stats", "x.yaml"],
            ["stdata", "stats", "x.yaml", "--json"],
        ] {
            assert!(Cli::try_parse_from(line).unwrap().globals.json);
        }
    }
}
