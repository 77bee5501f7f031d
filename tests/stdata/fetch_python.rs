//! One cache for two programs: Python's `huggingface_hub` finds what we fetched, and we find what it fetched.
//!
//! Runs where `$ST_PYTHON` (default `python3`) can import the package.

use std::process::Command;

use crate::fetch::Place;
use crate::hub_double::Access;

const NAME: &str = "datasets/o/d";

fn python() -> String {
    std::env::var("ST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Runs Python on the double and the cache of `place`; what it printed.
fn run(place: &Place, code: &str) -> String {
    let output = Command::new(python())
        .env_clear()
        .envs(place.environment())
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .args(["-c", code])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn package() -> Option<String> {
    let code = "import huggingface_hub; print(huggingface_hub.__version__)";
    let output = Command::new(python()).args(["-c", code]).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn python_finds_our_files_and_we_find_pythons() {
    let Some(version) = package() else {
        println!(
            "skipped: {} cannot import huggingface_hub; set ST_PYTHON to one that can",
            python()
        );
        return;
    };
    println!("huggingface_hub {version}");
    let place = Place::new();
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "a/small.json", b"{\"small\": 1}", false)
        .file(NAME, "large.bin", &vec![42; 70_000], true);
    assert_eq!(place.json(&["--repo", "o/d"]).0, Some(0));
    place.hub.take_asked();
    place.hub.take_lines();
    let told = run(
        &place,
        "from huggingface_hub import hf_hub_download, snapshot_download, scan_cache_dir\n\
         for name in ['a/small.json', 'large.bin']:\n    \
             path = hf_hub_download('o/d', name, repo_type='dataset')\n    \
             print(name, len(open(path, 'rb').read()))\n\
         print(snapshot_download('o/d', repo_type='dataset').split('/')[-2])\n\
         found = scan_cache_dir()\n\
         print(found.warnings, [(repo.repo_id, repo.nb_files) for repo in found.repos])",
    );
    print!("{told}");
    assert_eq!(
        told,
        "a/small.json 12\nlarge.bin 70000\nsnapshots\n[] [('o/d', 2)]\n"
    );
    let bodies = place.hub.take_asked();
    assert!(bodies.is_empty(), "Python asked for bodies: {bodies:?}");
    let lines = place.hub.take_lines();
    println!("requests of Python: {lines:#?}");
    assert!(!lines.is_empty(), "Python did not ask the double at all");

    // The other way round, in a cache of its own.
    let place = Place::new();
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "a/small.json", b"{\"small\": 1}", false)
        .file(NAME, "large.bin", &vec![42; 70_000], true);
    run(
        &place,
        "from huggingface_hub import snapshot_download\nsnapshot_download('o/d', repo_type='dataset')",
    );
    assert_eq!(place.hub.take_asked().len(), 2);
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(
        (code, &report["network_files"]),
        (Some(0), &0.into()),
        "{report:#}"
    );
    assert!(
        place.hub.take_asked().is_empty(),
        "we asked for what Python had fetched"
    );
    assert_eq!(place.read("raw/d/large.bin"), vec![42; 70_000]);
    // Offline, from its refs alone.
    place.hub.take_lines();
    assert_eq!(place.json(&["--repo", "o/d", "--offline"]).0, Some(0));
    assert!(place.hub.take_lines().is_empty());
}
