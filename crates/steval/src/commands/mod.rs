//! One file per subcommand.

pub(crate) mod ask;
pub(crate) mod completions;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod score;
