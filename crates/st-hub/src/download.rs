//! One file: what is there is kept, what is missing is asked for, what comes is checked.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use crate::answer::Broken;
use crate::api::RemoteFile;
use crate::cache::sync_folder;
use crate::digest::Checksums;
use crate::error::HubError;
use crate::event::{Event, Observer};
use crate::http::{self, Failure, Reply};
use crate::hub::{Hub, Job};
use crate::part::Part;
use crate::retry::Backoff;

/// Bytes read, hashed and written at once: also the most that a killed program loses.
pub(crate) const BLOCK: usize = 128 << 10;
/// A connection that brings fewer bytes within the stall time is given up.
const STALLED_BYTES: u64 = 1024;
/// How often a file may come whole and wrong.
const WRONG: u32 = 3;

/// A file that is complete on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// In the cache: `snapshots/<commit>/<path>`.
    pub location: PathBuf,
    /// Its sha256 in hexadecimal.
    pub sha256: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The network brought so many of its bytes; an earlier attempt may have brought the others.
    Network {
        /// Bytes received for it now, also those that came twice.
        bytes: u64,
    },
    /// It was in the cache, and its content was read and checked.
    Cache,
    /// It was in the cache with the right size, and its content was checked when it was recorded.
    Recorded,
}

impl Hub {
    /// Makes sure that a file is in the cache, complete and with the listed content.
    ///
    /// # Errors
    /// When it cannot be had. Bytes that came are kept for the next time, unless they were wrong.
    pub fn fetch(&self, job: &Job, observer: &dyn Observer) -> Result<Fetched, HubError> {
        let result = self.obtain(job, observer);
        let path = &job.file.path;
        observer.event(match result {
            Ok(_) => Event::Done { path },
            Err(_) => Event::GivenUp { path },
        });
        result
    }

    fn obtain(&self, job: &Job, observer: &dyn Observer) -> Result<Fetched, HubError> {
        let Job {
            repository,
            commit,
            file,
            known,
        } = job;
        if let Some(found) = self.cached(job)? {
            return Ok(found);
        }
        if self.settings().offline {
            return Err(self.not_cached(&format!("{repository}/{}", file.path)));
        }
        let blob = self.cache().blob(repository, &file.id);
        crate::cache::make_parent(&blob)?;
        let _lock = self.cache().lock(repository, &file.id)?;
        // Another process may have brought it while we waited.
        if let Some(found) = self.cached(job)? {
            return Ok(found);
        }
        let mut part = Part::open(&blob, file)?;
        let (sha256, bytes) = self.complete(job, &mut part, observer)?;
        debug_assert!(known.as_ref().is_none_or(|known| *known == sha256));
        part.become_blob(&blob)?;
        sync_folder(&blob);
        let location = self.cache().link(repository, commit, file)?;
        Ok(Fetched {
            location,
            sha256,
            origin: Origin::Network { bytes },
        })
    }

    /// The file, if the cache has it and it is right. One that is wrong is removed.
    fn cached(&self, job: &Job) -> Result<Option<Fetched>, HubError> {
        let Job {
            repository,
            commit,
            file,
            known,
        } = job;
        let Some(place) = self.cache().find(repository, commit, file) else {
            return Ok(None);
        };
        let (sha256, origin) = if let Some(known) = known {
            (known.clone(), Origin::Recorded)
        } else {
            let failed = |error| HubError::io("read", &place, error);
            let mut sums = Checksums::new(&file.id, file.size);
            sums.read(&mut std::fs::File::open(&place).map_err(failed)?)
                .map_err(failed)?;
            let (id, sha256) = sums.finish();
            if id != file.id {
                std::fs::remove_file(&place)
                    .map_err(|error| HubError::io("remove", &place, error))?;
                return Ok(None);
            }
            (sha256, Origin::Cache)
        };
        let location = self.cache().link(repository, commit, file)?;
        Ok(Some(Fetched {
            location,
            sha256,
            origin,
        }))
    }

    /// Asks until the part is whole and right. Gives its sha256 and how many bytes came.
    fn complete(
        &self,
        job: &Job,
        part: &mut Part<'_>,
        observer: &dyn Observer,
    ) -> Result<(String, u64), HubError> {
        let file = &job.file;
        let settings = self.settings();
        let url = self.content_url(&job.repository, &job.commit, &file.path);
        let mut backoff = Backoff::new(settings.attempts, settings.pause);
        let (mut received, mut wrong, mut furthest) = (0, 0, part.have());
        loop {
            observer.event(Event::Begun {
                path: &file.path,
                size: file.size,
                there: part.have(),
            });
            let broken = if part.have() < file.size {
                self.attempt(job, &url, part, &mut received, observer)?
            } else {
                None
            };
            // Only what goes further than ever before is a gain: a server without ranges would keep us busy for ever.
            if part.have() > furthest {
                furthest = part.have();
                backoff.gained();
            }
            let broken = match broken {
                Some(broken) => broken,
                None if part.have() < file.size => Broken {
                    reason: format!(
                        "the connection ended at byte {} of {}",
                        part.have(),
                        file.size
                    ),
                    asked: None,
                    error: HubError::Connection {
                        url: url.clone(),
                        attempts: 0,
                        reason: format!("it ends at byte {} of {}", part.have(), file.size),
                    },
                },
                None => {
                    let (computed, sha256) = part.checksums();
                    if computed == file.id {
                        return Ok((sha256, received));
                    }
                    part.restart()?;
                    wrong += 1;
                    furthest = 0;
                    let error = HubError::Checksum {
                        path: file.path.clone(),
                        expected: file.id.clone(),
                        computed,
                    };
                    if wrong >= WRONG {
                        return Err(error);
                    }
                    Broken {
                        reason: "the content is not what the repository lists".to_owned(),
                        asked: None,
                        error,
                    }
                }
            };
            let Some(pause) = backoff.failed(broken.asked, http::host(&url))? else {
                return Err(with_attempts(broken.error, backoff.failures()));
            };
            observer.event(Event::waiting(&file.path, &broken.reason, pause));
            std::thread::sleep(pause);
        }
    }

    /// One request for the bytes that are missing.
    fn attempt(
        &self,
        job: &Job,
        url: &str,
        part: &mut Part<'_>,
        received: &mut u64,
        observer: &dyn Observer,
    ) -> Result<Option<Broken>, HubError> {
        let file = &job.file;
        let mut headers = Vec::new();
        if part.have() > 0 {
            headers.push(("range", format!("bytes={}-", part.have())));
        }
        let condition = part.tag();
        let condition = condition.filter(|_| part.have() > 0);
        let reply = match self.http().get(url, &headers, condition.as_ref()) {
            Ok(reply) => reply,
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(reason)) => {
                return Ok(Some(Broken {
                    error: HubError::Connection {
                        url: url.to_owned(),
                        attempts: 0,
                        reason: reason.clone(),
                    },
                    reason,
                    asked: None,
                }));
            }
        };
        if let Some(broken) = self.judge(job, url, &reply, part)? {
            return Ok(Some(broken));
        }
        if part.have() == 0 {
            part.set_tag(reply.from_hub, Reply::text_of(&reply.headers, "etag"))?;
        }
        self.stream(file, url, reply, part, received, observer)
    }

    /// Takes in the body as far as it comes.
    fn stream(
        &self,
        file: &RemoteFile,
        url: &str,
        reply: Reply,
        part: &mut Part<'_>,
        received: &mut u64,
        observer: &dyn Observer,
    ) -> Result<Option<Broken>, HubError> {
        let mut reader = reply.into_reader();
        let mut block = vec![0; self.throttle().block(BLOCK)];
        let (mut since, mut came) = (Instant::now(), 0);
        while part.have() < file.size {
            let most = usize::try_from(file.size - part.have())
                .map_or(block.len(), |left| left.min(block.len()));
            let reason = match reader.read(&mut block[..most]) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    part.append(&block[..count])?;
                    *received += count as u64;
                    came += count as u64;
                    observer.event(Event::Came {
                        path: &file.path,
                        bytes: count as u64,
                    });
                    self.throttle().took(count);
                    if since.elapsed() < self.settings().stall {
                        continue;
                    }
                    if came >= STALLED_BYTES.min(self.settings().bandwidth.unwrap_or(u64::MAX)) {
                        (since, came) = (Instant::now(), 0);
                        continue;
                    }
                    format!(
                        "{came} bytes came in {:.1} s",
                        since.elapsed().as_secs_f64()
                    )
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => error.to_string(),
            };
            return Ok(Some(Broken {
                error: HubError::Connection {
                    url: url.to_owned(),
                    attempts: 0,
                    reason: reason.clone(),
                },
                reason,
                asked: None,
            }));
        }
        Ok(None)
    }
}

/// Fills in how often it was tried.
fn with_attempts(mut error: HubError, failures: u32) -> HubError {
    if let HubError::Connection { attempts, .. } | HubError::Status { attempts, .. } = &mut error {
        *attempts = failures;
    }
    error
}
