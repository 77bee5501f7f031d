//! Predicts and scores grounding benchmarks.

fn main() {}
