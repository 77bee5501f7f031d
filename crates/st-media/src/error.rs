//! What can go wrong with a media file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

/// Why a media file could not be read or written. Every variant names the file.
///
/// It can be sent to another process: the text stays, and of paths that are no UTF-8 what the text shows.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MediaError {
    /// The file is missing or the system refuses to read it.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// The system's reason.
        #[serde(with = "system_error")]
        source: std::io::Error,
    },
    /// FFmpeg does not recognize the file or cannot read its header.
    #[error("{path} is not a readable video: {reason}")]
    Open {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// FFmpeg's reason.
        reason: String,
    },
    /// The file has no video stream (cover pictures do not count).
    #[error("{path} has no video stream")]
    NoVideo {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
    },
    /// No decoder for the codec was built into FFmpeg, or it does not accept the stream.
    #[error("no decoder for the {codec} stream of {path}: {reason}")]
    Decoder {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// Name of the codec.
        codec: String,
        /// FFmpeg's reason.
        reason: String,
    },
    /// Not a single frame can be decoded.
    #[error("{path} holds no frame that can be decoded: {reason}")]
    Empty {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// FFmpeg's reason.
        reason: String,
    },
    /// A limit on picture size was exceeded.
    #[error("{path} is {width}x{height}, over the limit of {limit} pixels a frame")]
    TooLarge {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in pixels.
        limit: u64,
    },
    /// The limit on time was exceeded.
    #[error("{path} was not decoded within {seconds} s")]
    TooSlow {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// The limit in seconds.
        seconds: f64,
    },
    /// The frame range of a clip does not lie within the video.
    #[error("frames {first}..={last} are wanted of {path}, which has {frames}")]
    Range {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// First wanted frame.
        first: u64,
        /// Last wanted frame (inclusive).
        last: u64,
        /// Frames in the video.
        frames: u64,
    },
    /// The data end before the container says they should.
    #[error("{path} is cut off: {readable} of {declared} frames are there")]
    Truncated {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// Frames that can be read.
        readable: u64,
        /// Frames that the container declares.
        declared: u64,
    },
    /// A wanted frame is damaged or does not come out of the decoder.
    #[error("frame {frame} of {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// The first damaged frame that is wanted.
        frame: u64,
        /// FFmpeg's reason.
        reason: String,
    },
    /// The pixel format cannot be turned into RGB.
    #[error("cannot turn pixel format {format} of {path} into RGB: {reason}")]
    PixelFormat {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// FFmpeg's name of the format.
        format: String,
        /// FFmpeg's reason.
        reason: String,
    },
    /// An image cannot be decoded.
    #[error("{path} is not a readable image: {reason}")]
    Image {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// A video cannot be written.
    #[error("cannot write video {path}: {reason}")]
    Encode {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The process that was at work on the file is gone; see [`remote`](crate::remote).
    #[error("the decoder died on {path} ({how})")]
    Died {
        /// The file.
        #[serde(serialize_with = "as_shown")]
        path: PathBuf,
        /// Its signal or exit status.
        how: String,
    },
}

impl MediaError {
    /// A short name of the kind of error, as it stands in ledgers (`truncated`, `damaged`, …).
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Open { .. } => "not_a_video",
            Self::NoVideo { .. } => "no_video_stream",
            Self::Decoder { .. } => "no_decoder",
            Self::Empty { .. } => "no_frames",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow { .. } => "too_slow",
            Self::Range { .. } => "frame_range",
            Self::Truncated { .. } => "truncated",
            Self::Damaged { .. } => "damaged",
            Self::PixelFormat { .. } => "pixel_format",
            Self::Image { .. } => "not_an_image",
            Self::Encode { .. } => "encode",
            Self::Died { .. } => "died",
        }
    }
}

fn as_shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// A system's error as its number, any other as its text.
mod system_error {
    use std::io::Error;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(error: &Error, to: S) -> Result<S::Ok, S::Error> {
        error
            .raw_os_error()
            .ok_or_else(|| error.to_string())
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Error, D::Error> {
        Result::<i32, String>::deserialize(from)
            .map(|sent| sent.map_or_else(Error::other, Error::from_raw_os_error))
    }
}
