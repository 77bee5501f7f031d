//! A local page over records and shards: what `stdata browse` shows.
//!
//! - [`Catalogue`]: every record's place, task, source, findings and clip, read once; about 40 bytes a record stay in memory, the
//!   records themselves stay in their files.
//! - [`Filter`]: which records are listed, by what the catalogue knows and by words of their text.
//! - [`Story`]: a record's conversation cut into words, spans, boxes and tubes, for drawing.
//! - [`Site`]: what each address answers, a function of a request's parts. It opens no socket: the binary does, on loopback.
//!
//! What a request can reach is decided before any comes: the records of the files named at the start, the frames of the shards
//! named at the start, and media files that lie in the data root after links are followed. No request names a path.

mod catalogue;
mod error;
mod facets;
mod query;
mod site;
mod story;
mod view;

pub use catalogue::{Catalogue, Settings};
pub use error::BrowseError;
pub use facets::{Facet, Facets};
pub use query::{Filter, Found, Kind};
pub use site::{Body, Method, Request, Response, Site};
pub use story::{Part, Side, Story, StoryBox, StorySpan, StoryTube, Telling};
pub use view::{ClipView, FindingView, Item, RecordView};
