//! The `steval` program from outside.

mod fixture;
mod predict;
mod recipes;
mod report;
mod score;
