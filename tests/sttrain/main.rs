//! `sttrain` from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model_files;
mod python;
mod recipes;
mod runs;
mod schemas;
mod ways;
mod world;
