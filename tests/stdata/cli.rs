//! Exit codes, help, completions, and one line per error.

use std::fs;

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

/// Every command that reads a dataset: one line that names the file and what is wrong, exit code 2, nothing on stdout.
#[test]
fn wrong_inputs_give_one_line_with_the_file_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("broken.yaml"), "datasets: [{json_path: 3").unwrap();
    fs::write(path("shape.yaml"), "data: []\n").unwrap();
    fs::write(
        path("strategy.yaml"),
        "datasets:\n  - {json_path: a.json, data_folder: ., sampling_strategy: some}\n",
    )
    .unwrap();
    fs::write(
        path("gone.yaml"),
        "datasets:\n  - {json_path: gone.json, data_folder: ., sampling_strategy: all}\n",
    )
    .unwrap();
    for command in ["validate", "stats", "shard"] {
        for (input, named) in [
            ("nowhere.yaml", "nowhere.yaml"),
            ("nowhere.json", "nowhere.json"),
            ("broken.yaml", "broken.yaml"),
            ("shape.yaml", "datasets"),
            ("strategy.yaml", "some"),
            ("gone.yaml", "gone.json"),
        ] {
            let output = stdata()
                .args([command, "-q", "--root"])
                .arg(folder.path())
                .arg(path(input))
                .output()
                .unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command} {input}: {error}");
            assert_eq!(
                error.trim_end().lines().count(),
                1,
                "{command} {input}: {error}"
            );
            assert!(
                error.starts_with("error: ") && error.contains(named),
                "{command} {input}: {error}"
            );
            assert!(output.stdout.is_empty(), "{command} {input}");
        }
    }
}

#[test]
fn an_empty_data_root_says_what_to_name() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["validate", "stats", "shard"] {
        let output = stdata()
            .args([command, "--root"])
            .arg(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.to_lowercase().contains("yaml"), "{command}: {error}");
    }
}
