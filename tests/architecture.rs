//! The dependency table of `docs/architecture.md`, held against `cargo metadata`.
#![allow(clippy::unwrap_used, reason = "tests panic on what they do not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate and the crates of ours that it may use, exactly. Dependencies point down only.
const TABLE: [(&str, &[&str]); 13] = [
    ("st-schema", &[]),
    ("st-media", &["st-schema"]),
    ("st-shard", &["st-schema"]),
    ("st-hub", &[]),
    ("st-eval", &["st-schema"]),
    ("st-weights", &[]),
    ("unify-features", &[]),
    ("st-model", &["st-schema", "unify-features"]),
    ("st-data", &["st-media", "st-schema", "st-shard"]),
    (
        "st-train",
        &["st-model", "st-schema", "st-shard", "st-weights"],
    ),
    ("stdata", &["st-data", "st-hub", "st-schema", "st-shard"]),
    (
        "sttrain",
        &["st-eval", "st-model", "st-schema", "st-train", "st-weights"],
    ),
    (
        "steval",
        &[
            "st-eval",
            "st-media",
            "st-model",
            "st-schema",
            "st-shard",
            "st-weights",
        ],
    ),
];
const BINARIES: [&str; 3] = ["stdata", "sttrain", "steval"];
/// Burn is known from `st-model` upwards.
const WITH_BURN: [&str; 4] = ["st-model", "st-train", "sttrain", "steval"];
/// Command lines, reports of errors to people, and bars belong to the binaries.
const BINARIES_ONLY: [&str; 4] = ["clap", "clap_complete", "anyhow", "indicatif"];

/// Names of every crate's dependencies, tests' and build scripts' left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

#[test]
fn crates_use_each_other_as_the_table_says() {
    let found = dependencies();
    let ours: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names, ours,
        "a crate came or went: argue it in docs/architecture.md and change the table"
    );
    for (name, allowed) in TABLE {
        let used: Vec<&str> = found[name]
            .iter()
            .map(String::as_str)
            .filter(|d| ours.contains(d))
            .collect();
        assert_eq!(used, allowed, "{name} does not use what the table says");
    }
}

#[test]
fn burn_stays_off_the_data_side() {
    for (name, used) in dependencies() {
        let burn = used.iter().any(|dependency| dependency.starts_with("burn"));
        assert!(
            !burn || WITH_BURN.contains(&name.as_str()),
            "{name} must not know Burn"
        );
    }
}

#[test]
fn libraries_have_no_command_line() {
    for (name, used) in dependencies() {
        if !BINARIES.contains(&name.as_str()) {
            let bad: Vec<_> = used
                .iter()
                .filter(|d| BINARIES_ONLY.contains(&d.as_str()))
                .collect();
            assert!(bad.is_empty(), "{name} is a library and uses {bad:?}");
        }
    }
}
