//! What a finished command tells its caller.

use std::process::ExitCode;

/// How a command ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Everything was done and nothing was found: exit code 0.
    Done,
    /// Everything was done, and something in the data needs a look: exit code 1.
    NeedsALook,
}

impl ExitStatus {
    /// The command failed: exit code 2, as clap uses for a wrong command line.
    pub(crate) const FAILED: u8 = 2;
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Done => Self::SUCCESS,
            ExitStatus::NeedsALook => Self::from(1),
        }
    }
}
