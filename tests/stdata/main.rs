//! End-to-end tests of `stdata`: the built program, in a temporary folder.

mod cli;
mod shard;
