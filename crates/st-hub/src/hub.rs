//! The hub: settings, cache and connections together.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::api::RemoteFile;
use crate::cache::Cache;
use crate::download::Fetched;
use crate::error::HubError;
use crate::event::Observer;
use crate::http::Http;
use crate::repository::{Commit, Repository};
use crate::settings::Settings;
use crate::throttle::Throttle;

/// Lists and fetches files of repositories. Can be shared between threads.
pub struct Hub {
    http: Http,
    cache: Cache,
    throttle: Throttle,
}

/// One file to fetch.
#[derive(Clone, Debug)]
pub struct Job {
    /// The repository.
    pub repository: Repository,
    /// At which commit.
    pub commit: Commit,
    /// The file.
    pub file: RemoteFile,
    /// Its sha256 where that was computed before and recorded: a file found in the cache is then not read again.
    pub known: Option<String>,
}

impl Hub {
    /// Reaches the hub as `settings` say. Nothing is sent yet.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn new(mut settings: Settings) -> Result<Self, HubError> {
        settings
            .endpoint
            .truncate(settings.endpoint.trim_end_matches('/').len());
        Ok(Self {
            cache: Cache::new(settings.cache.clone()),
            throttle: Throttle::new(settings.bandwidth),
            http: Http::new(settings)?,
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.http.settings()
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    pub(crate) fn not_cached(&self, what: &str) -> HubError {
        HubError::Offline {
            what: what.to_owned(),
            cache: self.cache.root().to_owned(),
        }
    }

    /// Fetches files over up to `connections` connections, and gives each one's outcome to `done` as soon as it is known,
    /// with the job's number. After an error that would meet every file, no further one is begun.
    pub fn fetch_all(
        &self,
        jobs: &[Job],
        connections: usize,
        observer: &dyn Observer,
        done: &mut (dyn FnMut(usize, Result<Fetched, HubError>) + Send),
    ) {
        let next = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let done = Mutex::new(done);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(at) else { break };
                let result = if stopped.load(Ordering::Relaxed) {
                    Err(HubError::NotBegun {
                        path: job.file.path.clone(),
                    })
                } else {
                    self.fetch(job, observer)
                };
                if result.as_ref().is_err_and(HubError::stops_all) {
                    stopped.store(true, Ordering::Relaxed);
                }
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done(at, result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..connections.clamp(1, jobs.len().max(1)) {
                scope.spawn(work);
            }
        });
    }
}
