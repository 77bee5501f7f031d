//! Records to clips to shards.
//!
//! [`ClipPlan`] gathers the distinct clips of all records; [`run`] makes those that are not there yet, on as many
//! workers as it is given, and joins them into the shards of `st-shard`. What a worker is, a thread of this process or a
//! process of its own ([`WorkerProcess`]) that may crash or hang without harm, is a [`ClipMaker`].

mod input;
mod job;
mod plan;
mod process;
mod run;
mod sheet;

use std::path::PathBuf;

pub use input::{ShardInput, read_inputs};
pub use job::{ClipMaker, InProcess, Job, JobLimits, serve};
pub use plan::{ClipPlan, PlannedClip};
pub use process::{WorkerCommand, WorkerProcess};
pub use run::{Event, Task, run};
pub use sheet::{Marks, Tile, contact_sheet};

/// Why sharding stopped. Faults of single media files are no errors but rejects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardingError {
    /// A dataset file cannot be read.
    #[error(transparent)]
    Input(#[from] crate::dataset::InputError),
    /// An annotation file cannot be read.
    #[error(transparent)]
    Read(#[from] crate::read::ReadError),
    /// Two files claim the same name within shards.
    #[error("clip {name} would be both {one} and {other}: name the data folders differently")]
    Ambiguous {
        /// The clip's media name.
        name: String,
        /// The first file.
        one: PathBuf,
        /// The second file.
        other: PathBuf,
    },
    /// The shards could not be written.
    #[error(transparent)]
    Shard(#[from] st_shard::ShardError),
    /// A worker process could not be started or spoken to.
    #[error("worker process: {0}")]
    Worker(String),
}
