//! The reference's own loaders, value for value: which frames it asks for and which records it takes.
//!
//! Nothing else in this project depends on these functions; they say what a published run did, and the goldens hold them to it.
//! [`crate::FramePlan`] and [`crate::SamplingStrategy`] are what we do.

pub mod dataset;
pub mod frames;
