//! Videos, through `steval-media`: what reaches FFmpeg is a process of its own, so that `steval` starts without FFmpeg's
//! libraries and outlives a file that FFmpeg does not.

use std::path::PathBuf;

use st_media::remote::{Client, RemoteError};

/// The program beside this one, or else in `PATH`.
const HELPER: &str = "steval-media";

/// Reads and writes videos; the first one starts the helper.
pub(crate) fn client() -> Client {
    let beside = std::env::current_exe().map(|program| program.with_file_name(HELPER));
    Client::new(beside.into_iter().chain([PathBuf::from(HELPER)]).collect())
}

/// Whether no video can be read at all, so that there is no use in trying the next one.
pub(crate) fn is_fatal(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<RemoteError>()
        .is_some_and(RemoteError::is_fatal)
}
