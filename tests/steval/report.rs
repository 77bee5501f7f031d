//! `steval report` and `steval ask`.

use serde_json::Value;

use crate::fixture::Fixture;

fn steval() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_steval"))
}

#[test]
fn a_report_stands_alone_and_shows_answers() {
    let fixture = Fixture::new(6);
    let (seeing, blind) = (fixture.path("seeing"), fixture.path("blind"));
    assert!(fixture.predict(&seeing).output().unwrap().status.success());
    assert!(
        fixture
            .predict(&blind)
            .args(["--blind", "1"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let metrics = fixture.path("metrics.jsonl");
    std::fs::write(&metrics, "{\"kind\":\"train\",\"step\":1,\"loss\":2.5}\n{\"kind\":\"train\",\"step\":2,\"loss\":1.5}\n").unwrap();
    let page = fixture.path("report.html");
    let outcome = steval()
        .args([
            "report",
            "--constant",
            "--json",
            "--pictures",
            "3",
            "--resamples",
            "50",
            "--title",
            "A <title>",
        ])
        .arg("--run")
        .arg(format!("blind={}", blind.display()))
        .arg("--run")
        .arg(format!("trained={}", seeing.display()))
        .arg("--metrics")
        .arg(&metrics)
        .arg("--out")
        .arg(&page)
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let json: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(json["benchmarks"][0]["runs"]["trained"]["counted"], 6);
    let html = std::fs::read_to_string(&page).unwrap();
    for part in [
        "A &lt;title&gt;",
        "At a glance",
        "blind → trained",
        "Training loss",
        "by chance",
    ] {
        assert!(html.contains(part), "no `{part}`");
    }
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 3);
    assert!(
        !html.contains("http://")
            && !html.contains("https://")
            && !html.contains("<script")
            && html.len() < 5 << 20
    );
    assert!(
        std::fs::read_to_string(fixture.path("report.md"))
            .unwrap()
            .contains("| miou |")
    );
}

#[test]
fn a_question_about_an_image_is_answered_and_drawn() {
    let fixture = Fixture::new(2);
    let out = fixture.path("answers");
    let outcome = steval()
        .args(["ask", "--json", "--max-new-tokens", "16", "--model"])
        .arg(fixture.path("model"))
        .arg("--out")
        .arg(&out)
        .arg(fixture.path("media").join("000.png"))
        .args(["What is at [0.1,0.2,0.5,0.9]?", "--task", "reg"])
        .output()
        .unwrap();
    assert!(
        outcome.status.code().is_some_and(|code| code < 2),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    let reply: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(
        (reply["width"].as_u64(), reply["height"].as_u64()),
        (Some(48), Some(36))
    );
    let picture = image::open(out.join("000.reg.png")).unwrap().into_rgb8();
    assert!(
        picture.width() >= 400,
        "small pictures are drawn large: {}",
        picture.width()
    );
    // The left side of the box that the question names, blue.
    let (x, y) = (picture.width() / 10, picture.height() / 4);
    let blue = (x.saturating_sub(3)..x + 3).any(|x| picture.get_pixel(x, y).0 == [64, 156, 255]);
    assert!(blue, "no blue line near {x},{y}");
}

#[test]
fn a_task_that_does_not_fit_the_file_is_refused() {
    let fixture = Fixture::new(2);
    let picture = fixture.path("media").join("000.png");
    let outcome = steval()
        .args(["ask", "--model"])
        .arg(fixture.path("model"))
        .arg(&picture)
        .args(["When?", "--task", "tvg"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    let text = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        text.contains("tvg asks about a video")
            && text.contains("000.png")
            && text.lines().count() == 1,
        "{text}"
    );
}
