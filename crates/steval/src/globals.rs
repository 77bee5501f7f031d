//! Flags common to all subcommands, and what they resolve to.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgAction, Args};
use serde::Serialize;

/// The data root when neither `--root` nor `STDATA_ROOT` names one.
const DEFAULT_ROOT: &str = "data";

/// Common flags as typed.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Data root
    #[arg(long, global = true, env = "STDATA_ROOT", default_value = DEFAULT_ROOT, value_name = "DIR", help_heading = "Common")]
    pub(crate) root: PathBuf,
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true, help_heading = "Common")]
    pub(crate) json: bool,
    /// Say only what went wrong
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Common"
    )]
    pub(crate) quiet: bool,
    /// Say more; twice says everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Common")]
    pub(crate) verbose: u8,
    /// Worker threads [default: one per core]
    #[arg(short, long, global = true, value_name = "N", help_heading = "Common")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// Common settings, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Globals {
    /// Folder that holds annotations, media, shards and reports.
    pub(crate) root: PathBuf,
    /// stdout carries one JSON document.
    pub(crate) json: bool,
    /// -1 quiet, 0 normal, 1 and 2 more.
    pub(crate) verbosity: i8,
    /// stderr is a terminal: bars may be drawn.
    pub(crate) interactive: bool,
}

impl Globals {
    /// Resolves the flags and sizes the global thread pool.
    ///
    /// # Errors
    /// When the thread pool cannot be started.
    pub(crate) fn resolve(args: &GlobalArgs) -> anyhow::Result<Self> {
        let jobs = args
            .jobs
            .or_else(|| std::thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZeroUsize::get);
        rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .build_global()
            .with_context(|| format!("cannot start {jobs} worker threads; try a smaller --jobs"))?;
        Ok(Self {
            root: args.root.clone(),
            json: args.json,
            verbosity: if args.quiet {
                -1
            } else {
                i8::try_from(args.verbose).unwrap_or(i8::MAX)
            },
            interactive: std::io::stderr().is_terminal(),
        })
    }

    /// Writes a command's result to stdout: as JSON under `--json`, else as text.
    ///
    /// # Errors
    /// When stdout is closed.
    pub(crate) fn emit<T: Serialize>(&self, result: &T, text: impl Display) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, result)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()?;
        Ok(())
    }

    /// Says something on stderr, unless `--quiet`.
    pub(crate) fn say(&self, text: impl Display) {
        if self.verbosity >= 0 {
            // A closed stderr must not stop the work.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
