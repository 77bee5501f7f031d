//! Reading golden cases: `$ST_GOLDEN`, else `shared/golden` beside the workspace.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "each test program uses its part; a skip is said aloud; only the library does no I/O"
)]

use std::path::PathBuf;

use serde_json::Value;

/// One line of a golden file.
pub(crate) struct Case(pub(crate) Value);

impl Case {
    pub(crate) fn id(&self) -> &Value {
        &self.0["id"]
    }

    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or("-")
    }

    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.0[name].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }
}

fn root() -> (PathBuf, bool) {
    match std::env::var_os("ST_GOLDEN") {
        Some(path) => (path.into(), true),
        None => (
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden").into(),
            false,
        ),
    }
}

pub(crate) fn present() -> bool {
    root().0.is_dir()
}

/// The cases of one file; none, with a note, where the goldens are absent, unless `ST_GOLDEN` asked for them.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let (root, asked) = root();
    let path = root.join(file);
    if !path.exists() && !asked {
        println!(
            "skipped: {} is absent; set ST_GOLDEN to the golden folder",
            path.display()
        );
        return Vec::new();
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<Case> = text
        .lines()
        .map(|line| Case(serde_json::from_str(line).unwrap()))
        .collect();
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

pub(crate) fn strings<'a>(items: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    items.map(String::as_str).collect()
}
