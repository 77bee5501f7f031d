//! What happens while files come, for progress bars.

use std::time::Duration;

/// Something that happened. Paths are those in the repository.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A file is begun, or begun anew.
    Begun {
        /// The file.
        path: &'a str,
        /// Its bytes.
        size: u64,
        /// Bytes that are there already.
        there: u64,
    },
    /// Bytes came.
    Came {
        /// The file.
        path: &'a str,
        /// How many.
        bytes: u64,
    },
    /// Something failed and will be tried again.
    Waiting {
        /// The file or address.
        what: &'a str,
        /// What failed.
        reason: &'a str,
        /// For how long.
        pause: Duration,
    },
    /// A file is complete and verified.
    Done {
        /// The file.
        path: &'a str,
    },
    /// A file was given up.
    GivenUp {
        /// The file.
        path: &'a str,
    },
}

impl<'a> Event<'a> {
    pub(crate) fn waiting(what: &'a str, reason: &'a str, pause: Duration) -> Self {
        Self::Waiting {
            what,
            reason,
            pause,
        }
    }
}

/// Is told what happens, from several threads.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Looks away.
impl Observer for () {
    fn event(&self, _event: Event<'_>) {}
}
