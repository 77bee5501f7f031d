//! One file per subcommand.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod export;
pub(crate) mod gpu_check;
pub(crate) mod info;
pub(crate) mod schema;
pub(crate) mod train;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use st_train::dataset::Roots;
use st_train::recipe::{Recipe, parse};

use crate::cli::{Globals, RecipeArgs};

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done.
    Done,
    /// Done, and something needs a look.
    NeedsALook,
}

/// Reads the recipe; all of its faults become one error.
pub(crate) fn recipe(args: &RecipeArgs) -> anyhow::Result<Recipe> {
    let path = args.recipe.as_deref().unwrap_or(Path::new(""));
    let text = fs_err::read_to_string(path).with_context(|| {
        format!(
            "recipe {}: name a file of recipes/, for example recipes/tiny.yaml",
            path.display()
        )
    })?;
    parse(&text, &args.set).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let count = if lines.len() == 1 {
            String::new()
        } else {
            format!("{} faults: ", lines.len())
        };
        anyhow::anyhow!("{}: {count}{}", path.display(), lines.join("; "))
    })
}

/// The folders of the flags.
pub(crate) fn roots(args: &RecipeArgs, globals: &Globals) -> Roots {
    Roots {
        data: globals.root.clone(),
        runs: args.runs.clone(),
    }
}

/// Writes to stdout.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("stdout"),
    }
}
