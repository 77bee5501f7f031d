//! The helper's side.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::wire::{self, GREETING, Reply, Request};
use crate::encode::VideoWriter;
use crate::{ClipOutline, ClipRequest, MediaError};

/// How long a request under way may go on, to clean up, when whoever made it is gone.
const GRACE: Duration = Duration::from_secs(1);

/// Serves requests from standard input on standard output until the input ends.
///
/// # Errors
/// When whoever asks is gone, or asks for what makes no sense.
pub fn serve() -> Result<()> {
    // Past the buffer of `stdout`, which looks for line breaks.
    let mut output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    output.write_all(format!("{GREETING}\n").as_bytes())?;
    let (sender, requests) = sync_channel(1);
    std::thread::spawn(move || listen(sender));
    let mut writer = None;
    for (header, bytes) in requests {
        let request = serde_json::from_slice(&header)?;
        let reply = answer(&request, &bytes, &mut writer, &mut output)?;
        wire::send(&mut output, &reply.unwrap_or_else(Reply::Failed), &[])?;
    }
    Ok(())
}

/// Passes requests on. At the end of the input it ends the process, whatever FFmpeg is at.
fn listen(requests: SyncSender<(Vec<u8>, Vec<u8>)>) {
    let mut input = std::io::stdin().lock();
    let mut bytes = Vec::new();
    while let Ok(header) = wire::receive(&mut input, &mut bytes) {
        if requests.send((header, std::mem::take(&mut bytes))).is_err() {
            return;
        }
    }
    drop(requests);
    std::thread::sleep(GRACE);
    std::process::exit(0);
}

fn answer(
    request: &Request<'_>,
    bytes: &[u8],
    writer: &mut Option<VideoWriter>,
    output: &mut File,
) -> Result<std::result::Result<Reply, MediaError>> {
    let path = Path::new(OsStr::from_bytes(bytes));
    let no_file = || Error::from(ErrorKind::InvalidInput);
    Ok(match request {
        Request::Probe => crate::probe(path).map(Reply::Probe),
        Request::Decode(request) => decode(request, path, output)?.map(Reply::Clip),
        Request::Create(options) => VideoWriter::create(path, options).map(|opened| {
            *writer = Some(opened);
            Reply::Done
        }),
        Request::Write => {
            let writer = writer.as_mut().ok_or_else(no_file)?;
            writer.write(bytes).map(|()| Reply::Done)
        }
        Request::Finish => {
            let writer = writer.take().ok_or_else(no_file)?;
            writer.finish().map(|()| Reply::Done)
        }
    })
}

/// Sends each frame as it comes.
fn decode(
    request: &ClipRequest,
    path: &Path,
    output: &mut File,
) -> Result<std::result::Result<ClipOutline, MediaError>> {
    let mut sent = Ok(());
    let outline = request.visit(path, |rgb, (width, height)| {
        if sent.is_ok() {
            sent = wire::send(output, &Reply::Frame { width, height }, rgb);
        }
    });
    sent.map(|()| outline)
}
