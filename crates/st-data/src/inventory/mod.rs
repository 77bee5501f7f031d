//! Which media files a dataset names, which of them are there, and how what a user already has gets to its place.
//!
//! [`survey`] reads the annotation files for the paths they name and looks each up on disk; [`Inventory`] adds the survey up by
//! source and says where what is missing can be had ([`crate::registry`]); [`missing`] writes lists for downloaders; [`link`]
//! finds files in a folder laid out otherwise and links them in.
//!
//! ```no_run
//! use st_data::{inventory, read::Options, registry};
//!
//! let inputs = st_data::dataset::inputs(&["data/annotations/stage3_data.yaml".into()])?;
//! let survey = inventory::survey(&inputs, &Options::default(), |_| ())?;
//! let inventory = inventory::Inventory::of(&survey, registry::builtin());
//! println!("{} of {} files are there", inventory.total.present, inventory.total.referenced);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod collect;
pub mod link;
pub mod missing;
mod probe;
mod report;
mod sources;
mod survey;

pub use report::{Inventory, SourceInventory, Tally, size, table};
pub use survey::{
    AnnotationFile, Folder, SourceUse, State, Survey, SurveyError, WantedFile, survey,
};
