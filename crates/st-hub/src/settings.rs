//! How the hub is reached, and where files are kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A secret that is never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token in `text`, without space around it; nothing when that is empty or cannot stand in a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.to_owned()))
    }

    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Settings of a [`crate::Hub`]. The library reads no environment: the program resolves it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hub, such as `https://huggingface.co`.
    pub endpoint: String,
    /// Who asks.
    pub token: Option<Token>,
    /// The standard cache: holds `datasets--OWNER--NAME` and so on.
    pub cache: PathBuf,
    /// Never use the network.
    pub offline: bool,
    /// Bytes per second over all connections; no limit when absent.
    pub bandwidth: Option<u64>,
    /// Attempts in a row that may fail without any byte gained, at least one.
    pub attempts: u32,
    /// The first pause after a failure; each further one may be twice as long, up to half a minute.
    pub pause: Duration,
    /// A connection that brings less than a kilobyte in this time is given up and taken up anew.
    pub stall: Duration,
    /// Bytes that stay free on every disk written to.
    pub keep_free: u64,
    /// What the servers are told that we are.
    pub user_agent: String,
}

impl Settings {
    /// The hub's usual endpoint.
    pub const ENDPOINT: &'static str = "https://huggingface.co";

    /// Settings that suit most, with the cache in `cache`.
    #[must_use]
    pub fn new(cache: PathBuf) -> Self {
        Self {
            endpoint: Self::ENDPOINT.to_owned(),
            token: None,
            cache,
            offline: false,
            bandwidth: None,
            attempts: 6,
            pause: Duration::from_millis(500),
            stall: Duration::from_secs(30),
            keep_free: 1 << 30,
            user_agent: concat!("stdata/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_trimmed_and_never_shown() {
        let token = Token::new(" hf_abc\n").unwrap();
        assert_eq!(token.header(), "Bearer hf_abc");
        assert!(!format!("{token:?}").contains("abc"));
        for text in ["", "  ", "a b", "a\nb", "ä"] {
            assert!(Token::new(text).is_none(), "{text}");
        }
    }
}
