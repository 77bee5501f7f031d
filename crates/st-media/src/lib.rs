//! Probing, decoding and resizing of videos and images.
//!
//! Frame `i` of a video is the `i`-th frame in presentation order. A video is read in two steps: [`Video::open`] walks
//! over the packets once and learns when each frame is shown; [`Video::visit`] then decodes what the wanted frames
//! depend on and nothing else, and hands every wanted frame over exactly once, in presentation order.
//!
//! The price of exact numbering is that the file is read twice (packets are not decoded the first time).
//!
//! [`decode_clip`] and [`load_image`] are the short forms: a file in, [`Frames`](st_schema::Frames) out, resized as
//! Pillow's bicubic filter does it, to the bit.
//!
//! [`remote`] does the same through a process of its own.
//!
//! ```no_run
//! use std::path::Path;
//! let probe = st_media::probe(Path::new("clip.mp4"))?;
//! println!("{} frames of {}x{}", probe.frames, probe.width, probe.height);
//! # Ok::<(), st_media::MediaError>(())
//! ```

mod clip;
mod color;
pub mod encode;
mod error;
mod ffmpeg_log;
mod index;
mod jpeg;
mod orientation;
mod picture;
mod probe;
pub mod remote;
mod resize;
mod still;
mod video;

pub use clip::{Clip, ClipOutline, ClipRequest, Truncated, decode_clip};
pub use error::MediaError;
pub use orientation::Orientation;
pub use picture::Picture;
pub use probe::{Probe, Truncation, probe};
pub use resize::{Resizer, resize};
pub use still::{Still, load_image, load_still};
pub use video::{Limits, Video};
