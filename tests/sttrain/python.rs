//! What Python's packages make of our files. Runs where `$ST_PYTHON` (default `python3`) can import peft, transformers and torch.

use std::process::Command;

use crate::runs::{Place, text};
use crate::ways::{adapted, export, run};

#[test]
#[expect(
    clippy::print_stdout,
    reason = "a skipped test says so, and what Python printed is the result"
)]
fn safetensors_and_peft_read_what_is_written() {
    let python = std::env::var_os("ST_PYTHON").unwrap_or_else(|| "python3".into());
    let can = |script: &str| Command::new(&python).args(["-c", script]).output();
    if !can("import peft, transformers, torch").is_ok_and(|output| output.status.success()) {
        println!("skipped: no Python with peft and transformers (set ST_PYTHON to one)");
        return;
    }
    let place = Place::new();
    run(&place, "base", &[]);
    adapted(&place);
    for (from, out) in [("base", "before"), ("adapted", "after")] {
        export(&place, &[&format!("runs/{from}/model"), "--out", out]);
    }
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/sttrain/read_back.py"
    );
    let output = Command::new(&python)
        .args([script, "before", "adapter", "after"])
        .current_dir(place.path())
        .output()
        .unwrap();
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
