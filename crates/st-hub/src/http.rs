//! Requests: to the hub with the token, to wherever it redirects without.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};

use crate::error::HubError;
use crate::part::Tag;
use crate::retry::{self, Backoff};
use crate::settings::Settings;

/// Redirects that are followed.
const REDIRECTS: u32 = 10;
/// The largest set of answer headers, in bytes.
const HEADER_BYTES: usize = 64 << 10;
/// The largest answer to a question (a page of a listing), in bytes.
const ANSWER_BYTES: u64 = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Sends requests and follows redirects by itself, because the token must not travel along.
pub(crate) struct Http {
    agent: ureq::Agent,
    origin: String,
    settings: Settings,
}

/// An answer whose body is not read yet.
pub(crate) struct Reply {
    /// Of the last answer.
    pub(crate) status: u16,
    /// Of the last answer.
    pub(crate) headers: HeaderMap,
    /// Of the first answer: where the hub tells about the file before it redirects. The same as `headers` without redirect.
    pub(crate) first: HeaderMap,
    /// Whether the last answer came from the hub itself and not from where it redirects.
    pub(crate) from_hub: bool,
    /// The last answer's address, without what follows a `?`, which may hold secrets.
    pub(crate) address: String,
    body: ureq::Body,
}

/// Why a request brought no answer.
pub(crate) enum Failure {
    /// May pass: the connection broke, a time-out.
    Passing(String),
    /// Will not pass.
    Lasting(HubError),
}

impl Reply {
    pub(crate) fn into_reader(self) -> impl Read {
        self.body.into_reader()
    }

    pub(crate) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
        headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = Self::text_of(&self.headers, "retry-after")?;
        retry::retry_after(&text, SystemTime::now())
    }
}

impl Http {
    pub(crate) fn new(settings: Settings) -> Result<Self, HubError> {
        let (origin, _) = split_origin(&settings.endpoint).ok_or_else(|| HubError::Answer {
            url: settings.endpoint.clone(),
            reason: "is no address of a hub: it starts with https:// (HF_ENDPOINT)".to_owned(),
        })?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES)
            .timeout_connect(Some(CONNECT_TIMEOUT.min(settings.stall)))
            .timeout_recv_response(Some(settings.stall))
            .timeout_per_read(Some(settings.stall))
            .user_agent(settings.user_agent.clone())
            .build()
            .new_agent();
        Ok(Self {
            agent,
            origin: origin.to_owned(),
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether an address belongs to the hub: only then the token goes along.
    fn is_hub(&self, url: &str) -> bool {
        split_origin(url).is_some_and(|(origin, _)| origin.eq_ignore_ascii_case(&self.origin))
    }

    /// One request, with redirects followed. Any status is an answer.
    ///
    /// `condition` goes along as `If-Match` to the kind of server that it came from.
    pub(crate) fn get(
        &self,
        url: &str,
        headers: &[(&str, String)],
        condition: Option<&Tag>,
    ) -> Result<Reply, Failure> {
        let mut target = url.to_owned();
        let mut first = None;
        for _ in 0..=REDIRECTS {
            let response = self.send(&target, headers, condition)?;
            let (parts, body) = response.into_parts();
            let location = redirect(parts.status.as_u16(), &parts.headers);
            let first_headers = first.get_or_insert_with(|| parts.headers.clone());
            let Some(location) = location else {
                return Ok(Reply {
                    status: parts.status.as_u16(),
                    first: std::mem::take(first_headers),
                    headers: parts.headers,
                    from_hub: self.is_hub(&target),
                    address: bare(&target).to_owned(),
                    body,
                });
            };
            target = join(&target, &location).map_err(|reason| {
                Failure::Lasting(HubError::Target {
                    url: url.to_owned(),
                    target: location,
                    reason,
                })
            })?;
        }
        Err(Failure::Lasting(HubError::Redirects {
            url: url.to_owned(),
            limit: REDIRECTS,
        }))
    }

    fn send(
        &self,
        url: &str,
        headers: &[(&str, String)],
        condition: Option<&Tag>,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let mut request = self
            .agent
            .get(url)
            .header(header::ACCEPT_ENCODING.as_str(), "identity");
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header(header::AUTHORIZATION.as_str(), token.header());
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(tag) = condition.filter(|tag| tag.from_hub == self.is_hub(url)) {
            request = request.header(header::IF_MATCH.as_str(), &tag.value);
        }
        request.call().map_err(|error| {
            let reason = error.to_string();
            match error {
                ureq::Error::Io(_)
                | ureq::Error::Timeout(_)
                | ureq::Error::ConnectionFailed
                | ureq::Error::HostNotFound
                | ureq::Error::BodyStalled
                | ureq::Error::Protocol(_) => Failure::Passing(reason),
                _ => Failure::Lasting(HubError::Answer {
                    url: bare(url).to_owned(),
                    reason,
                }),
            }
        })
    }

    /// An answer to a question, tried again as long as that may help: the status is below 500 and not 408 or 429.
    pub(crate) fn ask(
        &self,
        url: &str,
        wait: &dyn Fn(&str, Duration),
    ) -> Result<(Reply, Vec<u8>), HubError> {
        let mut backoff = Backoff::new(self.settings.attempts, self.settings.pause);
        loop {
            let mut asked = None;
            let reason = match self.get(url, &[], None) {
                Ok(reply) if is_passing(reply.status) => {
                    asked = reply.retry_after();
                    format!("status {}", reply.status)
                }
                Ok(mut reply) => {
                    let body = reply.body.with_config().limit(ANSWER_BYTES).read_to_vec();
                    match body {
                        Ok(body) => return Ok((reply, body)),
                        Err(ureq::Error::BodyExceedsLimit(limit)) => {
                            return Err(HubError::Answer {
                                url: bare(url).to_owned(),
                                reason: format!("the answer has more than {limit} bytes"),
                            });
                        }
                        Err(error) => error.to_string(),
                    }
                }
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(reason)) => reason,
            };
            let Some(pause) = backoff.failed(asked, host(url))? else {
                return Err(HubError::Connection {
                    url: bare(url).to_owned(),
                    attempts: backoff.failures(),
                    reason,
                });
            };
            wait(&reason, pause);
            std::thread::sleep(pause);
        }
    }
}

/// Whether the same request may do better later.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn redirect(status: u16, headers: &HeaderMap) -> Option<String> {
    matches!(status, 301 | 302 | 303 | 307 | 308)
        .then(|| Reply::text_of(headers, header::LOCATION.as_str()))
        .flatten()
}

/// `https://host:port` and the rest.
fn split_origin(url: &str) -> Option<(&str, &str)> {
    let uri: Uri = url.parse().ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https"))
        || uri.authority()?.as_str().contains('@')
    {
        return None;
    }
    let start = url.find("://")? + 3;
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    Some(url.split_at(end))
}

/// The host, for messages.
pub(crate) fn host(url: &str) -> &str {
    let origin = split_origin(url).map_or(url, |(origin, _)| origin);
    origin.split("://").last().unwrap_or(origin)
}

/// Without what follows a `?`: signed addresses hold secrets there.
fn bare(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// Where `location` leads from `base`.
pub(crate) fn join(base: &str, location: &str) -> Result<String, &'static str> {
    let (origin, _) = split_origin(base).ok_or("the address before is none")?;
    let target = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        return Err("it names no scheme");
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else {
        return Err("it is neither a full address nor a path from the root");
    };
    if split_origin(&target).is_none() {
        return Err("it is no http address");
    }
    if base.starts_with("https://") && !target.starts_with("https://") {
        return Err("it gives up encryption");
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_http_and_keep_encryption() {
        let base = "https://hub.example/a?b";
        assert_eq!(join(base, "/x?y").unwrap(), "https://hub.example/x?y");
        assert_eq!(
            join(base, "https://cdn.example/x").unwrap(),
            "https://cdn.example/x"
        );
        for location in [
            "http://cdn.example/x",
            "file:///etc/passwd",
            "//x/y",
            "x",
            "https://u@h/x",
        ] {
            assert!(join(base, location).is_err(), "{location}");
        }
    }

    #[test]
    fn the_token_goes_to_the_hub_only() {
        let mut settings = Settings::new("cache".into());
        settings.endpoint = "https://hub.example/mirror".to_owned();
        let http = Http::new(settings).unwrap();
        assert!(http.is_hub("https://HUB.example/api"));
        for other in [
            "http://hub.example/api",
            "https://hub.example:444/api",
            "https://hub.example.evil/api",
            "https://hub.example@evil/api",
        ] {
            assert!(!http.is_hub(other), "{other}");
        }
    }
}
