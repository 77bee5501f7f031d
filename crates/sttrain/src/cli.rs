//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use st_train::recipe::Override;

/// Trains LLaVA-ST from a recipe.
///
/// The same command again goes on where the run stopped; a finished run says so. Ctrl-C and SIGTERM write a checkpoint and exit 0.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  sttrain recipes/tiny.yaml --set steps=500 --set name=short\n\nExit codes: 0 done, 1 done and something needs a look, 2 failed."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub train: TrainArgs,
    #[command(flatten)]
    pub globals: Globals,
}

/// Flags of every subcommand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Data root: what a recipe names is looked for here when it is not below the current folder.
    #[arg(long, global = true, env = "STDATA_ROOT", default_value = "data")]
    pub root: PathBuf,
    /// One JSON document on stdout and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say less.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Loader threads.
    #[arg(long, global = true, default_value_t = 2)]
    pub jobs: usize,
}

/// A recipe and its changes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecipeArgs {
    /// The recipe.
    #[arg(required = true)]
    pub recipe: Option<PathBuf>,
    /// Change a key of the recipe, for example `--set optimizer.lr=1e-4`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Folder of runs.
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
    /// Where to compute: cpu or cuda.
    #[arg(long, default_value = "cpu")]
    pub device: crate::device::Choice,
}

/// Training.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Fail where there is no checkpoint to go on from.
    #[arg(long, conflicts_with = "fresh")]
    pub resume: bool,
    /// Delete the run of this name and begin anew.
    #[arg(long)]
    pub fresh: bool,
    /// Replicas that share out the passes of a step: a number, or all: every GPU; on a CPU each replica gets its share of the cores.
    #[arg(long, default_value = "1", value_name = "N|all")]
    pub devices: crate::device::Count,
}

/// What else `sttrain` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Resolve a recipe without training: paths, data, weights, parameters, steps, memory and FLOPs.
    #[command(after_help = "Example:\n  sttrain check recipes/stage2.yaml")]
    Check(RecipeArgs),
    /// Print what a model consists of and what a record costs, without loading a weight.
    #[command(
        after_help = "Examples:\n  sttrain info 7b\n  sttrain info runs/tiny/model\n  sttrain info recipes/train/tiny.yaml"
    )]
    Info(crate::commands::info::Args),
    /// Write a model folder that transformers and the original's code load, or an adapter folder for PEFT.
    #[command(
        after_help = "Examples:\n  sttrain export runs/stage3/model --out llava-st-mine\n  sttrain export runs/stage3/checkpoints/step-000200 --adapter --out adapter"
    )]
    Export(crate::commands::export::Args),
    /// Compare a GPU with the CPU stage by stage, and time it. Needs no file.
    #[command(after_help = "Example:\n  sttrain gpu-check")]
    GpuCheck(crate::commands::gpu_check::Args),
    /// Print the JSON schema of recipes.
    Schema,
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}
