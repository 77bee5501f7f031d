//! FFmpeg in a process of its own: a file that brings FFmpeg down costs its own request only, and a program that seldom
//! needs FFmpeg does not load its libraries.
//!
//! The helper calls [`serve`], the one function here that reaches FFmpeg; it reads requests from its standard input and
//! writes replies to its standard output. The program has a [`Client`], which starts helpers when they are needed, one for
//! each thread that waits for one. Both must be of one build, which the first line of a helper says.
//!
//! The price is that every frame goes through a pipe once.

mod client;
mod helper;
mod server;
mod wire;

pub use client::{Client, RemoteError, RemoteWriter};
pub use server::serve;
