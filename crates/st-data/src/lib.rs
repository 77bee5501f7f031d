//! Curation of grounding data: readers, rules, sources, synthesis, sharding, statistics.

pub mod browse;
pub mod dataset;
pub mod inventory;
pub mod ledger;
pub mod read;
pub mod registry;
pub mod report;
pub mod review;
pub mod shard;
pub mod source;
mod spill;
pub mod stats;
pub mod synth;
pub mod validate;
pub mod whole_file;
