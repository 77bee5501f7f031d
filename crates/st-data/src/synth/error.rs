//! What can go wrong while making a dataset.

use std::path::PathBuf;

use st_media::MediaError;

/// Why a synthetic dataset could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The options contradict themselves or ask for the impossible.
    #[error("{0}")]
    Options(String),
    /// The folder already has something else in it.
    #[error("{path}: {what}; choose another folder or remove this one")]
    Occupied {
        /// The output folder.
        path: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// Reading or writing failed; the error names the path.
    #[error("cannot write the dataset")]
    Io(#[from] std::io::Error),
    /// An annotation could not be put into JSON.
    #[error("cannot write {path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What serde says.
        #[source]
        source: serde_json::Error,
    },
    /// A picture could not be encoded.
    #[error("cannot encode {path}")]
    Jpeg {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        #[source]
        source: jpeg_encoder::EncodingError,
    },
    /// A video could not be encoded.
    #[error("cannot encode {path}")]
    Video {
        /// The file.
        path: PathBuf,
        /// What FFmpeg says.
        #[source]
        source: MediaError,
    },
}
