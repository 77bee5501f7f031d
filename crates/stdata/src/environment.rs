//! The environment variables that steer `stdata fetch`, all of them, as Python's `huggingface_hub` reads them.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, bail};
use st_hub::{Settings, Token};

/// The hub's address.
const ENDPOINT: &str = "HF_ENDPOINT";
/// The folder of the token and the cache [default: `$XDG_CACHE_HOME/huggingface`, `~/.cache/huggingface`].
const HOME: &str = "HF_HOME";
/// The cache [default: `$HF_HOME/hub`], and its older name.
const CACHE: [&str; 2] = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];
/// The token, and its older name.
const TOKEN: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
/// The file that holds the token [default: `$HF_HOME/token`].
const TOKEN_FILE: &str = "HF_TOKEN_PATH";
/// Send no token that was not asked for.
const NO_TOKEN: &str = "HF_HUB_DISABLE_IMPLICIT_TOKEN";
/// Never use the network.
const OFFLINE: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];

/// The hub's settings as the environment has them.
///
/// # Errors
/// When no folder for the cache can be told, or the token file cannot be read.
pub(crate) fn hub_settings() -> anyhow::Result<Settings> {
    let home = home()?;
    let cache = set(&CACHE).map_or_else(|| home.join("hub"), PathBuf::from);
    let mut settings = Settings::new(cache);
    if let Some(endpoint) = set(&[ENDPOINT]) {
        settings.endpoint = endpoint;
    }
    settings.offline = is_true(&OFFLINE);
    if !is_true(&[NO_TOKEN]) {
        settings.token = token(&home)?;
    }
    Ok(settings)
}

fn home() -> anyhow::Result<PathBuf> {
    if let Some(home) = set(&[HOME]) {
        return Ok(home.into());
    }
    if let Some(caches) = set(&["XDG_CACHE_HOME"]) {
        return Ok(PathBuf::from(caches).join("huggingface"));
    }
    match env::home_dir() {
        Some(home) => Ok(home.join(".cache/huggingface")),
        None => bail!("no home folder is known: set {HOME} to a folder for the cache"),
    }
}

fn token(home: &std::path::Path) -> anyhow::Result<Option<Token>> {
    if let Some(text) = set(&TOKEN) {
        return Ok(Token::new(&text));
    }
    let path = set(&[TOKEN_FILE]).map_or_else(|| home.join("token"), PathBuf::from);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Token::new(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the token in {}", path.display()))
        }
    }
}

/// The first of these variables that is set to something.
fn set(names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

fn is_true(names: &[&str]) -> bool {
    set(names).is_some_and(|value| {
        matches!(
            value.to_ascii_uppercase().as_str(),
            "1" | "ON" | "YES" | "TRUE"
        )
    })
}
