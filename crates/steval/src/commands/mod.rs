//! One file per subcommand.

pub mod ask;
pub mod completions;
pub mod predict;
pub mod report;
pub mod score;
