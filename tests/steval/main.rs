//! The `steval` program from outside.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod fixture;
mod media;
mod predict;
mod recipes;
mod report;
mod score;
