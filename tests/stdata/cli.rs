//! Exit codes, help, completions, and one line per error.

use crate::stdata;

#[test]
fn help_lists_only_what_exists() {
    let output = stdata().arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for command in ["synth", "validate", "shard", "verify", "stats"] {
        assert!(text.contains(command), "{command} is missing in:\n{text}");
    }
}

#[test]
fn wrong_command_line_exits_with_2() {
    stdata().arg("no-such-command").assert().code(2);
    stdata().assert().code(2);
}

#[test]
fn completions_name_the_subcommands() {
    let output = stdata().args(["completions", "bash"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("validate"));
}
