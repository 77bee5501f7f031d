//! `steval-media`: the part of `steval` that reaches FFmpeg. `steval` starts it from the folder where it lies itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    match st_media::remote::serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody to tell: whoever asked is gone.
        Err(_) => ExitCode::from(2),
    }
}
