//! The `steval` program from outside.

mod score;
