//! Fetches, validates, shards and audits spatio-temporal grounding data.

fn main() {}
