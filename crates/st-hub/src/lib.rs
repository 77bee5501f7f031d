//! From `repository@revision/path` to a verified path on this disk.
//!
//! A [`Hub`] tells a revision's [`Commit`], lists the commit's files, and fetches them into the standard [`Cache`], which
//! Python's `huggingface_hub` shares: what one has brought, the other finds.
//!
//! A file counts as there when its bytes have the checksum that the repository lists. Until then they lie beside their
//! place as `<checksum>.part`, which a later run, also after `kill -9` or a power cut, continues with a ranged request. A
//! file that has its name is complete and right.
//!
//! The [`Lock`] records what was fetched: repository, commit, path, size, sha256, time. [`archive`] unpacks, and trusts
//! archives as little as [`name::check`] trusts names.
//!
//! # Why not the crate hf-hub
//! Version 1.0 serves the same three questions (commit, list, content) but brings the Xet client and with it more than 200 crates,
//! a C library and an asynchronous runtime; its retries do not wait as long as `Retry-After` says, and it routes ranged downloads of most files
//! around the addresses that can be continued and checked. What is left of it are three requests, which `ureq` makes
//! here in `api.rs`.
//!
//! The crate reads no environment and prints nothing: [`Settings`] come from the program, [`Event`]s go to its
//! [`Observer`].

mod answer;
mod api;
pub mod archive;
mod cache;
mod check;
mod digest;
mod download;
mod error;
mod event;
mod http;
mod hub;
pub mod layout;
mod lock;
pub mod name;
mod part;
mod repository;
mod retry;
pub mod selection;
mod settings;
pub mod space;
mod throttle;

pub use api::{Listing, RemoteFile};
pub use cache::{Cache, write_whole};
pub use check::{Checked, Fault};
pub use digest::{ContentId, sha256_of};
pub use download::{Fetched, Origin};
pub use error::{HubError, human_bytes};
pub use event::{Event, Observer};
pub use hub::{Hub, Job};
pub use lock::{Lock, LockError, LockedArchive, LockedFile, LockedRepository};
pub use repository::{Commit, Repository, RepositoryError, RepositoryKind, Revision};
pub use settings::{Settings, Token};
