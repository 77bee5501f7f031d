//! One file per subcommand.

pub mod completions;
pub mod report;
pub mod score;
