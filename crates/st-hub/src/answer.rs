//! Whether the answer to a request for content continues what is there.

use std::time::Duration;

use crate::api::RemoteFile;
use crate::error::HubError;
use crate::http::{self, Reply};
use crate::hub::{Hub, Job};
use crate::part::Part;

/// How an attempt ended that did not end the work.
pub(crate) struct Broken {
    pub(crate) reason: String,
    pub(crate) asked: Option<Duration>,
    /// What is reported when there is no further attempt.
    pub(crate) error: HubError,
}

impl Hub {
    /// Looks at an answer before its body is read. The part is emptied where the answer does not continue it.
    pub(crate) fn judge(
        &self,
        job: &Job,
        url: &str,
        reply: &Reply,
        part: &mut Part<'_>,
    ) -> Result<Option<Broken>, HubError> {
        let file = &job.file;
        let broken = |reason: &str, error: HubError| {
            Ok(Some(Broken {
                reason: reason.to_owned(),
                asked: reply.retry_after(),
                error,
            }))
        };
        let changed = || HubError::Changed {
            path: file.path.clone(),
        };
        match reply.status {
            200 if part.have() > 0 => part.restart()?,
            200 => {}
            206 if continues(reply, part.have(), file.size) => {}
            206 => {
                part.restart()?;
                return broken(
                    "the server sends another part than was asked for",
                    changed(),
                );
            }
            412 | 416 => {
                part.restart()?;
                return broken("the file has changed on the server", changed());
            }
            status if http::is_passing(status) || (!reply.from_hub && status >= 400) => {
                // Elsewhere than at the hub, addresses are signed for a while only: ask the hub for another.
                let error = HubError::Status {
                    url: reply.address.clone(),
                    status,
                    attempts: 0,
                };
                return broken(&format!("status {status}"), error);
            }
            _ => {
                return Err(self.refusal(
                    &job.repository,
                    job.commit.as_str(),
                    Some(&file.path),
                    url,
                    reply,
                ));
            }
        }
        let told = ["x-linked-etag", "etag"]
            .iter()
            .find_map(|name| Reply::text_of(&reply.first, name));
        if told.is_some_and(|tag| contradicts(&tag, file)) {
            return broken(
                "the server has another file than the repository lists",
                changed(),
            );
        }
        let length =
            Reply::text_of(&reply.headers, "content-length").and_then(|text| text.parse().ok());
        if let Some(length) = length.filter(|length: &u64| *length != file.size - part.have()) {
            let error = HubError::Length {
                path: file.path.clone(),
                expected: file.size,
                found: part.have().saturating_add(length),
            };
            return broken("the length is not what the repository lists", error);
        }
        Ok(None)
    }
}

/// Whether `Content-Range: bytes FIRST-LAST/TOTAL` starts where we stopped, in a file as long as ours.
fn continues(reply: &Reply, have: u64, size: u64) -> bool {
    let range = Reply::text_of(&reply.headers, "content-range");
    range.is_some_and(|text| range_is(&text, have, size))
}

fn range_is(text: &str, have: u64, size: u64) -> bool {
    let parse = || {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total_fits = total == "*" || total.parse::<u64>().ok()? == size;
        Some(total_fits && first.parse::<u64>().ok()? == have && last.parse::<u64>().ok()? < size)
    };
    parse().unwrap_or(false)
}

/// Whether the hub's tag is a checksum, and another one than the file's.
fn contradicts(tag: &str, file: &RemoteFile) -> bool {
    let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
    let is_checksum =
        matches!(tag.len(), 40 | 64) && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_checksum
        && tag.len() == file.id.digits().len()
        && !tag.eq_ignore_ascii_case(file.id.digits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ContentId;

    #[test]
    fn ranges_must_continue_where_we_stopped() {
        assert!(range_is("bytes 5-9/10", 5, 10));
        assert!(range_is("bytes 5-7/*", 5, 10));
        for wrong in [
            "bytes 4-9/10",
            "bytes 5-9/11",
            "bytes 5-10/10",
            "items 5-9/10",
            "bytes */10",
            "",
        ] {
            assert!(!range_is(wrong, 5, 10), "{wrong}");
        }
    }

    #[test]
    fn only_a_checksum_can_contradict() {
        let file = RemoteFile {
            path: "a".into(),
            size: 1,
            id: ContentId::GitBlob("a".repeat(40)),
        };
        assert!(!contradicts(&format!("W/\"{}\"", "a".repeat(40)), &file));
        assert!(contradicts(&format!("\"{}\"", "b".repeat(40)), &file));
        assert!(!contradicts("\"xyz\"", &file));
    }
}
