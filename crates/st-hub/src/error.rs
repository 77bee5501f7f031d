//! What can go wrong between a repository and this disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::ContentId;
use crate::name::{self, NameFault};

/// Why something could not be listed or fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The hub shows the repository only to those who asked for access.
    #[error(
        "{repository} is gated: ask for access on {page}, then set HF_TOKEN to a token of your account"
    )]
    Gated {
        /// The repository.
        repository: String,
        /// Where access is asked for.
        page: String,
    },
    /// No such repository, or a private one.
    #[error(
        "{repository} is missing or private: look at {page}; if it is yours, set HF_TOKEN to a token that may read it"
    )]
    NoRepository {
        /// The repository.
        repository: String,
        /// Where it should be.
        page: String,
    },
    /// The token is not accepted.
    #[error("{page} does not accept the token: make another on {tokens} and set HF_TOKEN to it")]
    Token {
        /// The repository's page.
        page: String,
        /// Where tokens are made.
        tokens: String,
    },
    /// The repository has no such branch, tag or commit.
    #[error("{repository} has no revision {revision}: see {page} and set --revision")]
    NoRevision {
        /// The repository.
        repository: String,
        /// What was asked for.
        revision: String,
        /// The repository's page.
        page: String,
    },
    /// The repository has no such file.
    #[error("{repository} has no file {}", name::shown(.path))]
    NoFile {
        /// The repository.
        repository: String,
        /// What was asked for.
        path: String,
    },
    /// The network must not be used and the cache does not have it.
    #[error("{what} is not in the cache {}, and --offline forbids to ask the hub", .cache.display())]
    Offline {
        /// What is missing.
        what: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The server asks to wait for longer than is sensible.
    #[error("{host} asks to wait {} s: try again then; a token (HF_TOKEN) raises the limits", .wait.as_secs())]
    Wait {
        /// The server.
        host: String,
        /// For how long.
        wait: Duration,
    },
    /// The server answered with an error, again and again or one that does not pass.
    #[error("{url} answers with status {status} ({attempts} attempts)")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server cannot be reached, or does not keep the connection.
    #[error("{url} cannot be read ({attempts} attempts): {reason}")]
    Connection {
        /// What was asked for.
        url: String,
        /// How often it was tried without getting any further.
        attempts: u32,
        /// The last reason.
        reason: String,
    },
    /// Redirects go round in circles.
    #[error("{url} redirects more than {limit} times")]
    Redirects {
        /// Where it started.
        url: String,
        /// How many redirects are followed.
        limit: u32,
    },
    /// A redirect or a next page leads where it must not.
    #[error("{url} leads to {}: {reason}", name::shown(.target))]
    Target {
        /// Where it started.
        url: String,
        /// Where it leads.
        target: String,
        /// Why that is refused.
        reason: &'static str,
    },
    /// The server's answer is not what the hub answers.
    #[error("{url}: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A file of the repository has a name that is refused.
    #[error("{repository}: the name of {} {fault}: refused", name::shown(.path))]
    Name {
        /// The repository.
        repository: String,
        /// The name.
        path: String,
        /// What is wrong with it.
        #[source]
        fault: NameFault,
    },
    /// The server sends more or fewer bytes than the repository lists.
    #[error("{}: {found} bytes come where the repository lists {expected}", name::shown(.path))]
    Length {
        /// The file.
        path: String,
        /// As listed.
        expected: u64,
        /// As sent.
        found: u64,
    },
    /// The bytes are not those that the repository lists.
    #[error("{}: the content is {computed}, the repository lists {expected}; nothing was kept", name::shown(.path))]
    Checksum {
        /// The file.
        path: String,
        /// As listed.
        expected: ContentId,
        /// Of the bytes that came.
        computed: ContentId,
    },
    /// The file changed on the server while it was fetched.
    #[error("{}: the server now has another file than the repository lists; fetch again", name::shown(.path))]
    Changed {
        /// The file.
        path: String,
    },
    /// There is not enough room.
    #[error("{} more is needed below {}, {} is free: free some, or set HF_HOME or --root to another disk", human_bytes(*.needed), .folder.display(), human_bytes(*.free))]
    Space {
        /// The folder.
        folder: PathBuf,
        /// Bytes needed, with what is to stay free.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Other files failed so that this one was not begun.
    #[error("{}: not begun, because of an error before", name::shown(.path))]
    NotBegun {
        /// The file.
        path: String,
    },
    /// The disk.
    #[error("cannot {action} {}: {source}", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Disk {
            action,
            path: path.to_owned(),
            source: bare(source),
        }
    }

    /// Whether the next file would fail for the same reason, so that there is no use in going on.
    #[must_use]
    pub fn stops_all(&self) -> bool {
        matches!(
            self,
            Self::Gated { .. }
                | Self::NoRepository { .. }
                | Self::Token { .. }
                | Self::NoRevision { .. }
                | Self::Wait { .. }
                | Self::Space { .. }
        ) || matches!(self, Self::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }
}

/// The system's own words: `tempfile` puts a path behind them, which our messages have already.
fn bare(error: std::io::Error) -> std::io::Error {
    let kind = error.kind();
    let inner = error.get_ref().and_then(|inner| {
        std::error::Error::source(inner).and_then(|source| source.downcast_ref::<std::io::Error>())
    });
    match inner.and_then(std::io::Error::raw_os_error) {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None if inner.is_some() => kind.into(),
        None => error,
    }
}

/// A number of bytes for people, in powers of 1,024.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes;
    let mut unit = 0;
    // Keep ten more bits than are shown, so that the fraction can be told.
    while scaled >= 1024 * 1024 && unit + 1 < UNITS.len() {
        scaled /= 1024;
        unit += 1;
    }
    let tenths = scaled * 10 / 1024;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (10_000 << 40, "9.7 PiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn a_path_is_told_once() {
        let path = Path::new("no/such/file");
        let error = HubError::io("read", path, std::fs::read(path).unwrap_err()).to_string();
        assert_eq!(error.matches("no/such/file").count(), 1, "{error}");
    }
}
