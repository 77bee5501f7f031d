//! The program's side.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use st_schema::Frames;

use super::helper::Helper;
use super::wire::{Reply, Request};
use crate::encode::{EncodeOptions, temporary};
use crate::{Clip, ClipRequest, MediaError, Probe};

/// Why a request got no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The file is at fault; other requests go on.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The helper is not there.
    #[error("the program that reads and writes videos is missing: {}", places(.tried))]
    Missing {
        /// Where it was looked for; names without a folder, in `PATH`.
        tried: Vec<PathBuf>,
    },
    /// The system does not start the helper.
    #[error("cannot start {program}, which reads and writes videos")]
    Start {
        /// The helper.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The helper ended before it said a word, as one does that lacks FFmpeg's libraries.
    #[error("{program}, which reads and writes videos, ended as soon as it was started ({how})")]
    Silent {
        /// The helper.
        program: PathBuf,
        /// Its signal or exit status.
        how: String,
    },
    /// The helper is of another build.
    #[error(
        "{program} is not of this program's build (it says `{found}`, not `{expected}`); install both together"
    )]
    Build {
        /// The helper.
        program: PathBuf,
        /// Its greeting.
        found: String,
        /// This build's greeting.
        expected: &'static str,
    },
}

impl RemoteError {
    /// Whether any other request would fail in the same way.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Media(_))
    }
}

fn places(tried: &[PathBuf]) -> String {
    let places = tried.iter().map(|program| {
        if program.components().count() > 1 {
            format!("no {}", program.display())
        } else {
            format!("no {} in PATH", program.display())
        }
    });
    places.collect::<Vec<_>>().join(", ")
}

/// Has helpers do what needs FFmpeg. May be shared by threads: each gets a helper of its own, which is kept for the next.
#[derive(Debug)]
pub struct Client {
    programs: Vec<PathBuf>,
    idle: Mutex<Vec<Helper>>,
}

impl Client {
    /// Starts nothing yet. The helper is the first of `programs` that is there, a name without a folder being looked for
    /// in `PATH`; it has to call [`serve`](super::serve).
    #[must_use]
    pub fn new(programs: Vec<PathBuf>) -> Self {
        Self {
            programs,
            idle: Mutex::default(),
        }
    }

    /// As [`probe`](crate::probe).
    ///
    /// # Errors
    /// As there, and when the helper cannot be started or dies.
    pub fn probe(&self, path: &Path) -> Result<Probe, RemoteError> {
        match self.ask(path, &Request::Probe, &mut no_frames())? {
            Reply::Probe(probe) => Ok(probe),
            other => Err(misplaced(path, &other)),
        }
    }

    /// As [`ClipRequest::decode`].
    ///
    /// # Errors
    /// As there, and when the helper cannot be started or dies.
    pub fn decode(&self, path: &Path, request: &ClipRequest) -> Result<Clip, RemoteError> {
        let mut frames = no_frames();
        match self.ask(path, &Request::Decode(request.clone()), &mut frames)? {
            Reply::Clip(outline) => Ok(Clip { frames, outline }),
            other => Err(misplaced(path, &other)),
        }
    }

    /// As [`VideoWriter::create`](crate::encode::VideoWriter::create), in a helper that does nothing else until the
    /// writer is finished or dropped.
    ///
    /// # Errors
    /// As there, and when the helper cannot be started or dies.
    pub fn create(
        &self,
        path: &Path,
        options: &EncodeOptions<'_>,
    ) -> Result<RemoteWriter<'_>, RemoteError> {
        let mut writer = RemoteWriter {
            client: self,
            helper: Some(self.take()?),
            path: path.to_owned(),
        };
        writer.tell(&Request::Create(*options), path.as_os_str().as_bytes())?;
        Ok(writer)
    }

    fn ask(
        &self,
        path: &Path,
        request: &Request<'_>,
        frames: &mut Frames,
    ) -> Result<Reply, RemoteError> {
        let mut helper = self.take()?;
        match helper.ask(request, path.as_os_str().as_bytes(), frames) {
            Ok(reply) => {
                self.keep(helper);
                match reply {
                    Reply::Failed(error) => Err(error.into()),
                    reply => Ok(reply),
                }
            }
            Err(_) => Err(RemoteError::Media(MediaError::Died {
                path: path.to_owned(),
                how: helper.end(),
            })),
        }
    }

    /// A helper that waits, or else a new one.
    fn take(&self) -> Result<Helper, RemoteError> {
        let idle = || {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.pop()
        };
        while let Some(mut helper) = idle() {
            // One that was ended from outside meanwhile is no fault of the next file.
            if helper.is_alive() {
                return Ok(helper);
            }
        }
        Helper::start(&self.programs)
    }

    fn keep(&self, helper: Helper) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(helper);
    }
}

const fn no_frames() -> Frames {
    Frames {
        count: 0,
        height: 0,
        width: 0,
        rgb: Vec::new(),
    }
}

/// A reply that does not belong to its request; within one build there is none.
fn misplaced(path: &Path, reply: &Reply) -> RemoteError {
    RemoteError::Media(MediaError::Died {
        path: path.to_owned(),
        how: format!("it answered {reply:?}"),
    })
}

/// Writes a video through a helper, as [`VideoWriter`](crate::encode::VideoWriter) does.
#[derive(Debug)]
pub struct RemoteWriter<'a> {
    client: &'a Client,
    /// None when the file is finished.
    helper: Option<Helper>,
    path: PathBuf,
}

impl RemoteWriter<'_> {
    /// Appends one frame, `[height, width, 3]`.
    ///
    /// # Errors
    /// When the buffer has another size, the disk is full, or the helper dies.
    pub fn write(&mut self, rgb: &[u8]) -> Result<(), RemoteError> {
        self.tell(&Request::Write, rgb)
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// When nothing was written, the disk is full, or the helper dies.
    pub fn finish(mut self) -> Result<(), RemoteError> {
        self.tell(&Request::Finish, &[])?;
        if let Some(helper) = self.helper.take() {
            self.client.keep(helper);
        }
        Ok(())
    }

    fn tell(&mut self, request: &Request<'_>, bytes: &[u8]) -> Result<(), RemoteError> {
        let failed = |reason| MediaError::Encode {
            path: self.path.clone(),
            reason,
        };
        let Some(helper) = &mut self.helper else {
            return Err(failed("it is finished".to_owned()).into());
        };
        match helper.ask(request, bytes, &mut no_frames()) {
            Ok(Reply::Failed(error)) => Err(error.into()),
            Ok(_) => Ok(()),
            Err(_) => Err(failed(format!("the encoder died ({})", helper.end())).into()),
        }
    }
}

impl Drop for RemoteWriter<'_> {
    fn drop(&mut self) {
        if let Some(helper) = self.helper.take() {
            // It removes what it has written, unless it died.
            drop(helper);
            let _ = std::fs::remove_file(temporary(&self.path));
        }
    }
}
