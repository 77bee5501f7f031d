//! Curation of grounding data: readers, rules, sources, synthesis, sharding, statistics.

pub mod shard;
pub mod synth;
