//! What happens to a record that a rule finds fault with.

use serde::{Deserialize, Serialize};

/// What a rule's finding does to a record.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not looked at.
    Off,
    /// Reported; the record is kept.
    Warn,
    /// The record is put right where `--fix` is given.
    Repair,
    /// The record is refused.
    Reject,
}
