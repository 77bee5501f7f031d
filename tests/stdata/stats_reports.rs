//! What `stdata stats` writes for others: the page in a real browser, features, Croissant, the card.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::chromium::{Page, program};
use crate::stdata;

fn synthetic(folder: &Path, records: &str) -> PathBuf {
    let out = folder.join("data/synth");
    stdata()
        .args([
            "synth",
            "-q",
            "--annotations-only",
            "--records",
            records,
            "--out",
        ])
        .arg(&out)
        .assert()
        .success();
    out.join("train.yaml")
}

fn stats(dataset: &Path, flag: &str, to: &Path) {
    stdata()
        .args(["stats", "-q"])
        .arg(dataset)
        .arg(flag)
        .arg(to)
        .assert()
        .success();
}

/// The page asks for nothing, complains of nothing, draws its charts, filters, and opens samples where it has some.
#[test]
fn the_page_works_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let page_file = folder.path().join("reports/stats.html");
    stats(&synthetic(folder.path(), "400"), "--html", &page_file);
    let text = fs::read_to_string(&page_file).unwrap();
    assert!(text.len() < 10_000_000);
    for outside in ["src=\"http", "href=\"http", "@import", "fetch("] {
        assert!(!text.contains(outside), "the page names {outside}");
    }
    let Some(chromium) = program() else { return };
    let address = format!("file://{}", page_file.display());
    for scheme in ["light", "dark"] {
        let mut page = Page::open(&chromium, scheme);
        page.go(&address);
        page.wait("document.querySelectorAll('.chart rect').length > 100");
        assert_eq!(
            page.value("document.querySelector('.tile b').textContent"),
            "400"
        );
        page.picture(&format!("stats-{scheme}"));
        let rows = "document.querySelectorAll('#content tbody tr').length";
        let all = page.value(rows);
        page.value("const task = document.querySelector('[data-choice=task]'); task.value = 'stvg'; task.dispatchEvent(new Event('change'))");
        page.wait(&format!("{rows} < {all} && {rows} > 0"));
        page.click("#cards button");
        page.wait(
            "document.querySelector('dialog').open && document.querySelector('dialog .turn')",
        );
        page.click("dialog .close");
        page.write("#search", "nothing says this");
        page.wait("document.querySelector('#cards .empty')");
        page.reload();
        page.wait("document.querySelectorAll('.chart rect').length > 100");
        page.assert_quiet(&[&address]);
    }
}

/// Filter, search, open a card, step its clip by button and key, play it, jump by a chip, close, reload; in both colour schemes.
#[test]
fn cards_show_clips_of_shards_and_step_them() {
    let Some(chromium) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = crate::browse::synthetic(folder.path());
    let page_file = folder.path().join("stats.html");
    stdata()
        .args(["stats", "-q", "--root"])
        .arg(&root)
        .arg(root.join("synth/train.yaml"))
        .arg("--shards")
        .arg(root.join("shards/train"))
        .arg("--html")
        .arg(&page_file)
        .assert()
        .success();
    let address = format!("file://{}", page_file.display());
    let cards = "document.querySelectorAll('#cards button').length";
    let frame = "document.querySelector('.strip [aria-current]').getAttribute('aria-label')";
    for scheme in ["light", "dark"] {
        let mut page = Page::open(&chromium, scheme);
        page.go(&address);
        let loaded =
            "[...document.querySelectorAll('#cards img')].filter(i => i.naturalWidth > 0).length";
        page.wait(&format!("{loaded} > 0 && {loaded} === {cards}"));
        page.picture(&format!("report-frames-{scheme}"));
        let all = page.value(cards);
        page.value("const task = document.querySelector('[data-choice=task]'); task.value = 'stvg'; task.dispatchEvent(new Event('change'))");
        page.wait(&format!("{cards} > 0 && {cards} < {all}"));
        page.write("#search", "time interval");
        page.wait(&format!("{cards} > 0"));
        page.click("#cards button");
        page.wait("document.querySelector('dialog').open && document.querySelector('.stage img').naturalWidth > 0");
        let count = page
            .value("document.querySelectorAll('.strip button').length")
            .as_u64()
            .unwrap();
        assert!(count >= 4, "{count} frames");
        let boxes = page.value("document.querySelectorAll('.stage .box').length");
        assert!(
            boxes.as_u64() > Some(0),
            "the first frame of the tube has no box"
        );
        page.picture(&format!("report-card-{scheme}"));
        let first = page.value(frame);
        page.click(".controls .step");
        page.wait(&format!("{frame} !== {first}"));
        page.press("ArrowLeft");
        page.wait(&format!("{frame} === {first}"));
        page.press("ArrowRight");
        page.wait(&format!("{frame} !== {first}"));
        page.click(".controls .play");
        let last = format!("frame {count} of {count}");
        page.wait(&format!("{frame} === '{last}'"));
        page.click(".turn .chip");
        page.wait(&format!("{frame} !== '{last}'"));
        page.click("dialog .close");
        page.wait("!document.querySelector('dialog').open");
        page.reload();
        page.wait(&format!("{cards} === {all} && {loaded} === {cards}"));
        page.assert_quiet(&[&address]);
    }
}

/// Checksums are those of the files, every column is described, and every record has a row.
#[test]
fn croissant_and_card_describe_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = synthetic(folder.path(), "60");
    let published = dataset.parent().unwrap();
    stdata()
        .args(["stats", "-q"])
        .arg(&dataset)
        .args(["--name", "Shapes", "--license", "cc-by-4.0", "--card"])
        .arg(published)
        .assert()
        .success();
    let text = fs::read(published.join("croissant.json")).unwrap();
    let croissant: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(croissant["license"], "cc-by-4.0");
    let files = croissant["distribution"].as_array().unwrap();
    assert!(files.len() > 1);
    for file in files {
        let path = published.join(file["contentUrl"].as_str().unwrap());
        let bytes = fs::metadata(&path).unwrap().len();
        assert_eq!(
            file["contentSize"],
            format!("{bytes} B"),
            "{}",
            path.display()
        );
        assert_eq!(file["sha256"].as_str().unwrap().len(), 64);
    }
    let fields = croissant["recordSet"][0]["field"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["name"] == "tube_motion"));
    let card = fs::read_to_string(published.join("README.md")).unwrap();
    assert!(
        card.starts_with("---\npretty_name: Shapes\nlicense: cc-by-4.0\n"),
        "{card}"
    );
    assert!(card.contains("| stvg | "), "{card}");
    // Written twice, the features are the same.
    let before = fs::read(published.join("features.parquet")).unwrap();
    stats(&dataset, "--card", published);
    assert_eq!(
        fs::read(published.join("features.parquet")).unwrap(),
        before
    );
}
