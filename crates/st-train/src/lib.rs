//! Stages, loop and checkpoints of LLaVA-ST training.
//!
//! A run is a [`recipe`]; which records form which step is [`order`], how fast they teach is [`schedule`], what they change is
//! [`optimizer`], and what survives a kill is [`checkpoint`]. Order and rate are pure functions of the step, so the only state of a
//! run is its tensors and one number. That costs a shuffle per epoch on resume, and buys that a resumed run equals an unbroken one
//! to the bit, on any number of loader threads.

pub mod check;
pub mod checkpoint;
pub mod curve;
pub mod dataset;
pub mod loader;
pub mod metrics;
pub mod optimizer;
pub mod order;
pub mod parameters;
pub mod pass;
pub mod prepare;
pub mod random;
pub mod recipe;
mod replica;
pub mod schedule;
mod start;
pub mod step_time;
pub mod tensorboard;
pub mod train;
pub mod validate;
