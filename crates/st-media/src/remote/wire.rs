//! What goes through the pipes: a JSON header and raw bytes, with the length of both before them.

use std::io::{Error, ErrorKind, Read, Result, Write};

use serde::{Deserialize, Serialize};

use crate::encode::EncodeOptions;
use crate::{ClipOutline, ClipRequest, MediaError, Probe};

/// The first line of a helper, without the line break.
pub(super) const GREETING: &str = concat!(
    "st-media ",
    env!("CARGO_PKG_VERSION"),
    " ",
    env!("ST_MEDIA_BUILD")
);

/// One request; the bytes with it are the file's path, or a frame. A reply ends it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request<'a> {
    /// Facts about a file.
    Probe,
    /// Frames of a file.
    Decode(ClipRequest),
    /// Opens a file for writing; a helper writes one at a time.
    Create(#[serde(borrow)] EncodeOptions<'a>),
    /// A frame for the open file.
    Write,
    /// Ends the open file.
    Finish,
}

/// What comes back. [`Reply::Frame`] has the pixels with it and more replies after it; the others end the request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// One of the frames of [`Request::Decode`].
    Frame { width: u32, height: u32 },
    /// After the last frame.
    Clip(ClipOutline),
    /// To [`Request::Probe`].
    Probe(Probe),
    /// To what has no result.
    Done,
    /// To anything.
    Failed(MediaError),
}

/// Sends a header and the bytes with it.
pub(super) fn send(to: &mut impl Write, header: &impl Serialize, bytes: &[u8]) -> Result<()> {
    let json = serde_json::to_vec(header)?;
    let mut start = Vec::with_capacity(json.len() + 16);
    start.extend((json.len() as u64).to_le_bytes());
    start.extend((bytes.len() as u64).to_le_bytes());
    start.extend(json);
    to.write_all(&start)?;
    to.write_all(bytes)
}

/// Receives a header's JSON and appends the bytes with it to `bytes`.
///
/// # Errors
/// When the other side is gone, be it in the middle of a message.
pub(super) fn receive(from: &mut impl Read, bytes: &mut Vec<u8>) -> Result<Vec<u8>> {
    let (mut header_length, mut bytes_length) = ([0; 8], [0; 8]);
    from.read_exact(&mut header_length)?;
    from.read_exact(&mut bytes_length)?;
    let mut header = Vec::new();
    append(from, u64::from_le_bytes(header_length), &mut header)?;
    append(from, u64::from_le_bytes(bytes_length), bytes)?;
    Ok(header)
}

/// Room is made for what comes, not for what was announced.
fn append(from: &mut impl Read, length: u64, to: &mut Vec<u8>) -> Result<()> {
    if from.by_ref().take(length).read_to_end(to)? as u64 == length {
        Ok(())
    } else {
        Err(Error::from(ErrorKind::UnexpectedEof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_or_not_at_all() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Request::Probe, b"/a\xff.mp4").unwrap();
        send(&mut pipe, &Reply::Done, b"").unwrap();
        let (mut from, mut bytes) = (pipe.as_slice(), b"before ".to_vec());
        let header = receive(&mut from, &mut bytes).unwrap();
        assert!(matches!(
            serde_json::from_slice(&header).unwrap(),
            Request::Probe
        ));
        assert_eq!(bytes, b"before /a\xff.mp4");
        let header = receive(&mut from, &mut bytes).unwrap();
        assert!(matches!(
            serde_json::from_slice(&header).unwrap(),
            Reply::Done
        ));
        for length in 0..24 {
            let mut cut = &pipe[..length];
            assert!(receive(&mut cut, &mut Vec::new()).is_err(), "{length}");
        }
        let mut endless = [u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        endless.extend(b"{}");
        assert!(receive(&mut endless.as_slice(), &mut Vec::new()).is_err());
    }

    #[test]
    fn errors_arrive_with_their_text_and_cause() {
        let system = || Error::from_raw_os_error(2);
        for source in [system(), Error::other("it is no regular file")] {
            let sent = MediaError::Read {
                path: "a.mp4".into(),
                source,
            };
            let json = serde_json::to_vec(&sent).unwrap();
            let received: MediaError = serde_json::from_slice(&json).unwrap();
            let (MediaError::Read { source: before, .. }, MediaError::Read { source: after, .. }) =
                (&sent, &received)
            else {
                panic!("{received:?}");
            };
            assert_eq!(sent.to_string(), received.to_string());
            assert_eq!(before.to_string(), after.to_string());
            assert_eq!(before.raw_os_error(), after.raw_os_error());
        }
    }
}
