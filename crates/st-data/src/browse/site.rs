//! What each address answers: a function of a request's parts.
//!
//! ```text
//! /KEY/                      the page          /KEY/look.css, clip.js, browse.js
//! /KEY/api/records?…         a list with the choices beside the filter
//! /KEY/api/record/N          one record
//! /KEY/api/mark/N            POST {"mark": "good" | "bad" | "fix" | null, "note": "…"}
//! /KEY/frame/N/I.jpg         a stored frame
//! /KEY/media/N               the media file, with ranges
//! ```
//!
//! Loopback is shared with every user and every web page of the machine. So each address begins with a key that only the one who
//! started the program is told, the host must be this machine by name or number (a page elsewhere can make its own name mean
//! 127.0.0.1), and a mark is taken only from a page of the same origin.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::facets::NAMELESS;
use super::{BrowseError, Catalogue, Facets, Filter, Item, Kind};
use crate::review::Mark;
use crate::validate::Rule;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Give something.
    Get,
    /// Say what GET would give.
    Head,
    /// Change something.
    Post,
    /// Anything else, which is refused.
    Other,
}

/// A request's parts.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// Path and query, as sent.
    pub target: &'a str,
    /// The header `Host`.
    pub host: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The header `Range`.
    pub range: Option<&'a str>,
    /// The body, at most [`Site::BODY_BYTES`] of it.
    pub body: &'a [u8],
}

/// What is sent.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of a file, from where it stands.
    File(fs_err::File, u64),
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, those against misuse included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        let mut response = Self {
            status,
            headers: GUARDS
                .map(|(name, value)| (name, value.to_owned()))
                .to_vec(),
            body: Body::Bytes(body),
        };
        response.headers.push(("Content-Type", kind.to_owned()));
        response
    }

    fn refused(status: u16, why: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", why.into())
    }

    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::new(200, "application/json", bytes),
            Err(error) => Self::refused(500, &error.to_string()),
        }
    }

    fn of(error: &BrowseError) -> Self {
        let status = match error {
            BrowseError::NoRecord(_) | BrowseError::Io { .. } | BrowseError::Outside { .. } => 404,
            _ => 500,
        };
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            text = format!("{text}: {cause}");
        }
        Self::refused(status, &text)
    }
}

/// Nothing from elsewhere, nothing to elsewhere, nothing guessed, nothing kept by others.
const GUARDS: [(&str, &str); 6] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
];

/// The pages' files, by name.
const FILES: [(&str, &str, &str); 4] = [
    ("", "text/html; charset=utf-8", include_str!("page.html")),
    (
        "look.css",
        "text/css; charset=utf-8",
        include_str!("../look/look.css"),
    ),
    (
        "clip.js",
        "text/javascript; charset=utf-8",
        include_str!("../look/clip.js"),
    ),
    (
        "browse.js",
        "text/javascript; charset=utf-8",
        include_str!("browse.js"),
    ),
];

/// A page of a list.
#[derive(Serialize)]
struct List {
    total: usize,
    facets: Option<Facets>,
    items: Vec<Item>,
    next: Option<usize>,
}

/// What a mark's body says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marking {
    mark: Option<Mark>,
    #[serde(default)]
    note: String,
}

/// A catalogue behind addresses.
pub struct Site {
    catalogue: Catalogue,
    prefix: String,
    hosts: [String; 3],
    patience: Duration,
}

impl Site {
    /// Bytes of a body that are taken.
    pub const BODY_BYTES: usize = 1 << 16;
    /// Records of one list.
    const PAGE: usize = 60;

    /// A site on `port` of loopback whose addresses begin with `key`.
    #[must_use]
    pub fn new(catalogue: Catalogue, port: u16, key: &str) -> Self {
        let host = |name: &str| format!("{name}:{port}");
        Self {
            catalogue,
            prefix: format!("/{key}/"),
            hosts: [host("127.0.0.1"), host("localhost"), host("[::1]")],
            patience: Duration::from_millis(1500),
        }
    }

    /// The address to open.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}{}", self.hosts[0], self.prefix)
    }

    /// What is looked at.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Answers a request.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>) -> Response {
        let known = |host: &str| {
            self.hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
        };
        if !request.host.is_some_and(known) {
            return Response::refused(403, "this page answers only on the address of this machine");
        }
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((request.target, ""));
        let Some(path) = path.strip_prefix(&self.prefix) else {
            return Response::refused(404, "open the address that stdata browse printed");
        };
        match request.method {
            Method::Get | Method::Head => self.get(path, query, request.range),
            Method::Post => self.post(path, request),
            Method::Other => Response::refused(405, "only GET, HEAD and POST are known"),
        }
    }

    fn get(&self, path: &str, query: &str, range: Option<&str>) -> Response {
        if let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) {
            return Response::new(200, kind, text.as_bytes().to_vec());
        }
        let parts: Vec<&str> = path.split('/').collect();
        let answer = match parts.as_slice() {
            ["api", "records"] => self.list(query),
            ["api", "record", number] => whole(number).map(|number| {
                let view = self.catalogue.view(number);
                view.map_or_else(|error| Response::of(&error), |view| Response::json(&view))
            }),
            ["frame", number, frame] => self.frame(number, frame),
            ["media", number] => whole(number).map(|number| self.media(number, range)),
            _ => None,
        };
        answer.unwrap_or_else(|| Response::refused(404, "there is nothing at this address"))
    }

    fn list(&self, query: &str) -> Option<Response> {
        let mut filter = Filter::default();
        let mut from = 0;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let named = |value: &str| (value != NAMELESS).then(|| value.to_owned());
            match (&*name, &*value) {
                ("from", value) => from = whole(value)?,
                ("text", value) => value.clone_into(&mut filter.text),
                (_, "") => {}
                ("task", value) => {
                    filter.task = Some(match named(value) {
                        None => None,
                        Some(word) => Some(word.parse().ok()?),
                    });
                }
                ("source", value) => filter.source = Some(named(value).unwrap_or_default()),
                ("file", value) => filter.file = Some(value.to_owned()),
                ("rule", value) => filter.rule = Some(Rule::find(value)?),
                ("mark", value) => {
                    filter.mark = Some(match named(value) {
                        None => None,
                        Some(word) => Some(Mark::find(&word)?),
                    });
                }
                ("kind", value) => {
                    let mut kinds = Kind::ALL.into_iter();
                    filter.kind = Some(kinds.find(|kind| kind.as_str() == value)?);
                }
                ("clip", value) => filter.clip = Some(value == "yes"),
                _ => return None,
            }
        }
        let found = self
            .catalogue
            .find(&filter, from, Self::PAGE, self.patience);
        let list = found.and_then(|found| {
            let items = found
                .numbers
                .iter()
                .map(|number| self.catalogue.item(*number));
            Ok(List {
                total: self.catalogue.len(),
                facets: (from == 0).then(|| self.catalogue.facets(&filter)),
                items: items.collect::<Result<_, _>>()?,
                next: found.next,
            })
        });
        Some(list.map_or_else(|error| Response::of(&error), |list| Response::json(&list)))
    }

    fn frame(&self, number: &str, frame: &str) -> Option<Response> {
        let frame = whole(frame.strip_suffix(".jpg")?)?;
        match self.catalogue.frame(whole(number)?, frame) {
            Ok(jpeg) => Some(Response::new(200, "image/jpeg", jpeg?)),
            Err(error) => Some(Response::of(&error)),
        }
    }

    fn media(&self, number: usize, range: Option<&str>) -> Response {
        let opened = self.catalogue.media_file(number).and_then(|(path, kind)| {
            let failed = |source| BrowseError::Io {
                path: path.clone(),
                source,
            };
            let file = fs_err::File::open(&path).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len();
            Ok((file, length, kind))
        });
        let (mut file, length, kind) = match opened {
            Ok(opened) => opened,
            Err(error) => return Response::of(&error),
        };
        let mut response = Response::new(200, kind, Vec::new());
        response.headers.push(("Accept-Ranges", "bytes".to_owned()));
        let mut taken = length;
        if let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) {
            let Some([first, last]) = span_of(range, length) else {
                let mut refused = Response::refused(416, "the file has no such bytes");
                let all = format!("bytes */{length}");
                refused.headers.push(("Content-Range", all));
                return refused;
            };
            if file.seek(SeekFrom::Start(first)).is_err() {
                return Response::refused(500, "the file cannot be read");
            }
            taken = last - first + 1;
            response.status = 206;
            let part = format!("bytes {first}-{last}/{length}");
            response.headers.push(("Content-Range", part));
        }
        response.body = Body::File(file, taken);
        response
    }

    fn post(&self, path: &str, request: &Request<'_>) -> Response {
        let ours = |origin: &str| {
            let host = origin.strip_prefix("http://");
            host.is_some_and(|host| self.hosts.iter().any(|known| known == host))
        };
        if !request.origin.is_some_and(ours) {
            return Response::refused(403, "marks are taken from the page itself only");
        }
        if request.content_type != Some("application/json") {
            return Response::refused(415, "a mark is sent as application/json");
        }
        let number = path.strip_prefix("api/mark/").and_then(whole);
        let Some(number) = number else {
            return Response::refused(404, "there is nothing at this address");
        };
        let marking: Marking = match serde_json::from_slice(request.body) {
            Ok(marking) => marking,
            Err(error) => return Response::refused(400, &format!("no mark: {error}")),
        };
        match self
            .catalogue
            .mark(number, marking.mark, marking.note.trim())
        {
            Ok(()) => Response::json(&json!({ "mark": marking.mark, "note": marking.note.trim() })),
            Err(error) => Response::of(&error),
        }
    }
}

/// A whole number of digits only.
fn whole(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// First and last byte of the one range that a header asks for.
fn span_of(range: &str, length: u64) -> Option<[u64; 2]> {
    let (first, last) = range.split_once('-')?;
    let last_byte = length.checked_sub(1)?;
    let [first, last] = match (first.trim(), last.trim()) {
        ("", last) => [length.saturating_sub(last.parse().ok()?), last_byte],
        (first, "") => [first.parse().ok()?, last_byte],
        (first, last) => [
            first.parse().ok()?,
            last.parse::<u64>().ok()?.min(last_byte),
        ],
    };
    (first <= last).then_some([first, last])
}

impl Body {
    /// All of it, for tests and small answers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn into_bytes(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::File(file, length) => {
                let mut bytes = Vec::new();
                file.take(length).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_in_the_file() {
        assert_eq!(span_of("0-", 10), Some([0, 9]));
        assert_eq!(span_of("3-5", 10), Some([3, 5]));
        assert_eq!(span_of("3-50", 10), Some([3, 9]));
        assert_eq!(span_of("-4", 10), Some([6, 9]));
        assert_eq!(span_of("-40", 10), Some([0, 9]));
        for bad in ["10-", "5-3", "a-", "-", "0-1,3-4", ""] {
            assert_eq!(span_of(bad, 10), None, "{bad}");
        }
        assert_eq!(span_of("0-", 0), None);
        assert_eq!(whole("+1"), None);
        assert_eq!(whole(""), None);
    }
}
