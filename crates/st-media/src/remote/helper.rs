//! A helper as its client sees it.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use st_schema::Frames;

use super::RemoteError;
use super::wire::{self, GREETING, Reply, Request};

/// A running helper. Dropping it closes its input, upon which it ends.
#[derive(Debug)]
pub(super) struct Helper {
    child: Child,
    /// None only while it is dropped.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts the first of `programs` that is there.
    ///
    /// # Errors
    /// When none is there, or the one that is cannot be started or is of another build.
    pub(super) fn start(programs: &[PathBuf]) -> Result<Self, RemoteError> {
        for program in programs {
            let started = Command::new(program)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // Ctrl-C ends this program alone, and the helper with its input: nobody reports a helper that died of it.
                .process_group(0)
                .spawn();
            match started {
                Ok(child) => return Self::greet(child, program),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => {
                    let program = program.clone();
                    return Err(RemoteError::Start { program, source });
                }
            }
        }
        Err(RemoteError::Missing {
            tried: programs.to_vec(),
        })
    }

    /// Takes hold of a process that was just started, and sees whether it is of this build.
    fn greet(mut child: Child, program: &Path) -> Result<Self, RemoteError> {
        let requests = child.stdin.take();
        let Some(output) = child.stdout.take() else {
            unreachable!("its output was asked for");
        };
        let mut helper = Self {
            child,
            requests,
            replies: BufReader::new(output),
        };
        let mut line = Vec::new();
        // What is no helper at all may go on for ever.
        let read = helper
            .replies
            .by_ref()
            .take(200)
            .read_until(b'\n', &mut line);
        let found = String::from_utf8_lossy(&line);
        let program = program.to_owned();
        if read.is_err() || line.is_empty() {
            let how = helper.end();
            return Err(RemoteError::Silent { program, how });
        }
        if found.trim_end() != GREETING {
            // It may not listen to the end of its input.
            helper.end();
            return Err(RemoteError::Build {
                program,
                found: found.trim().escape_debug().to_string(),
                expected: GREETING,
            });
        }
        Ok(helper)
    }

    /// Sends a request and waits for the reply that ends it; frames before that are added to `frames`.
    ///
    /// # Errors
    /// When the helper is gone, or talks nonsense.
    pub(super) fn ask(
        &mut self,
        request: &Request<'_>,
        bytes: &[u8],
        frames: &mut Frames,
    ) -> std::io::Result<Reply> {
        if let Some(requests) = &mut self.requests {
            wire::send(requests, request, bytes)?;
        }
        loop {
            let header = wire::receive(&mut self.replies, &mut frames.rgb)?;
            match serde_json::from_slice(&header)? {
                Reply::Frame { width, height } => {
                    frames.count += 1;
                    (frames.width, frames.height) = (width as usize, height as usize);
                }
                reply => return Ok(reply),
            }
        }
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, if it has not ended by itself, and says how it came to its end.
    pub(super) fn end(&mut self) -> String {
        // Of no effect on a process that is about to end: its status stands before its pipes are closed.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => format!("exit status {}", status.code().unwrap_or_default()),
            },
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.wait();
    }
}
