//! `steval predict`, killed and continued.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::fixture::Fixture;

fn lines(text: &[u8]) -> Vec<Value> {
    std::str::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn killed_at_any_time_and_continued_it_writes_the_same_file() {
    let fixture = Fixture::new(40);
    let whole = fixture.path("whole");
    let outcome = fixture.predict(&whole).output().unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let unbroken = std::fs::read(whole.join("rec.jsonl")).unwrap();
    assert_eq!(lines(&unbroken).len(), 40);
    let schema = include_str!("../../schemas/result.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for line in lines(&unbroken) {
        assert!(schema.is_valid(&line), "{line:#}");
    }

    let broken = fixture.path("broken");
    let mut kills = 0;
    for attempt in 0..200_u64 {
        if kills >= 20 {
            break;
        }
        let mut child = fixture
            .predict(&broken)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere between the start and long after the end, in an order that looks random and repeats.
        std::thread::sleep(Duration::from_millis(attempt * 7919 % 120));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        if attempt % 4 == 3 {
            // A line that was cut off by the system: the last one loses its end.
            let path = broken.join("rec.jsonl");
            if let Ok(bytes) = std::fs::read(&path)
                && bytes.len() < unbroken.len()
            {
                std::fs::write(&path, &bytes[..bytes.len().saturating_sub(5)]).unwrap();
            }
        }
        if std::fs::read(broken.join("rec.jsonl")).is_ok_and(|bytes| bytes.len() == unbroken.len())
        {
            // Done early: begin anew, so that all kills hit a run at work.
            assert_eq!(std::fs::read(broken.join("rec.jsonl")).unwrap(), unbroken);
            std::fs::remove_dir_all(&broken).unwrap();
        }
    }
    assert!(kills >= 20, "{kills} kills");
    assert!(fixture.predict(&broken).output().unwrap().status.success());
    assert_eq!(std::fs::read(broken.join("rec.jsonl")).unwrap(), unbroken);
}

#[test]
fn a_broken_picture_is_a_line_with_an_error_and_nobody_elses_answer() {
    let fixture = Fixture::new(8);
    std::fs::write(fixture.path("media").join("001.png"), b"not a picture").unwrap();
    let out = fixture.path("out");
    let outcome = fixture
        .predict(&out)
        .arg("--blind")
        .arg("3")
        .output()
        .unwrap();
    assert_eq!(
        outcome.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let outcome = fixture.predict(&fixture.path("seeing")).output().unwrap();
    assert_eq!(
        outcome.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let answers = lines(&std::fs::read(fixture.path("seeing").join("rec.jsonl")).unwrap());
    assert_eq!(answers.len(), 8);
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer["index"], index);
        let broken = index / 2 == 1;
        assert_eq!(answer.get("error").is_some(), broken, "{answer}");
        assert_eq!(answer["outputs"] == "", broken, "{answer}");
    }
    // The blind run shows another picture, so the error falls on two other records.
    let blind = lines(&std::fs::read(out.join("rec.jsonl")).unwrap());
    let failed: Vec<usize> = (0..8)
        .filter(|index| blind[*index].get("error").is_some())
        .collect();
    assert!(
        failed.len() == 2 && !failed.contains(&2) && !failed.contains(&3),
        "{failed:?}"
    );
}

#[test]
fn parts_make_up_the_whole() {
    let fixture = Fixture::new(10);
    let whole = fixture.path("whole");
    assert!(
        fixture
            .predict_batches(&whole, "1")
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut parts = Vec::new();
    for index in 0..3 {
        let out = fixture.path("parts");
        let number = index.to_string();
        let outcome = fixture
            .predict_batches(&out, "1")
            .args(["--task-count", "3", "--task-index", &number])
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{}",
            String::from_utf8_lossy(&outcome.stderr)
        );
        parts.extend(
            std::fs::read(out.join(format!("rec.part-0000{index}-of-00003.jsonl"))).unwrap(),
        );
    }
    assert_eq!(parts, std::fs::read(whole.join("rec.jsonl")).unwrap());
}

#[test]
fn another_model_does_not_continue_the_file() {
    let fixture = Fixture::new(2);
    let out = fixture.path("out");
    assert!(fixture.predict(&out).output().unwrap().status.success());
    let outcome = fixture
        .predict(&out)
        .args(["--untrained", "5"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    let text = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        text.contains("another run's answers") && text.contains("model was"),
        "{text}"
    );
}

#[test]
fn constrained_answers_hold_only_coordinates_that_can_be_meant_and_say_so() {
    use st_schema::answer::FaultKind;
    let fixture = Fixture::new(6);
    let out = fixture.path("out");
    let outcome = fixture.predict(&out).arg("--constrained").output().unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let free = fixture.path("free");
    assert!(fixture.predict(&free).output().unwrap().status.success());
    let faults = |folder: &std::path::Path| -> usize {
        lines(&std::fs::read(folder.join("rec.jsonl")).unwrap())
            .iter()
            .filter_map(|line| {
                st_schema::answer::parse(st_schema::Task::Reg, line["outputs"].as_str()?).ok()
            })
            .flat_map(|answer| answer.faults)
            // What the limit of 24 tokens cuts off is malformed.
            .filter(|fault| !matches!(fault.kind, FaultKind::Malformed | FaultKind::Stray))
            .count()
    };
    assert_eq!(faults(&out), 0);
    let answers = lines(&std::fs::read(out.join("rec.jsonl")).unwrap());
    assert!(answers.iter().all(|line| line["constrained"] == true));
    let score = std::process::Command::new(env!("CARGO_BIN_EXE_steval"))
        .args(["score", "--json"])
        .arg(out.join("rec.jsonl"))
        .output()
        .unwrap();
    let tables: Value = serde_json::from_slice(&score.stdout).unwrap();
    assert_eq!(tables[0]["constrained"], 6);
    // The free run's file is another one: it is not continued, and not counted as constrained.
    let outcome = fixture
        .predict(&free)
        .arg("--constrained")
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
}

#[test]
fn beams_repeat_and_do_not_go_with_sampling() {
    let fixture = Fixture::new(5);
    let (one, other) = (fixture.path("one"), fixture.path("other"));
    for (out, batch) in [(&one, "5"), (&other, "2")] {
        let outcome = fixture
            .predict_batches(out, batch)
            .args(["--beams", "3"])
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{}",
            String::from_utf8_lossy(&outcome.stderr)
        );
    }
    let read = |out: &std::path::Path| std::fs::read(out.join("rec.jsonl")).unwrap();
    assert_eq!(read(&one), read(&other));
    let outcome = fixture
        .predict(&fixture.path("warm"))
        .args(["--beams", "3", "--temperature", "1"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("--beams"));
}
