//! One file per subcommand: its flags, and a `run` that calls the library once.

pub(crate) mod benchmark;
pub(crate) mod browse;
pub(crate) mod completions;
pub(crate) mod fetch;
pub(crate) mod media;
pub(crate) mod normalize;
pub(crate) mod shard;
pub(crate) mod shard_worker;
pub(crate) mod sheet;
pub(crate) mod stats;
pub(crate) mod stats_reports;
pub(crate) mod synth;
pub(crate) mod validate;
pub(crate) mod verify;
