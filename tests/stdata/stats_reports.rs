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
        if page.value("document.querySelectorAll('#cards button').length > 0") == true {
            page.click("#cards button");
            page.wait(
                "document.querySelector('dialog').open && document.querySelector('dialog .turn')",
            );
            page.click("dialog .close");
            page.write("#search", "nothing says this");
            page.wait("document.querySelector('#cards .empty')");
        }
        page.reload();
        page.wait("document.querySelectorAll('.chart rect').length > 100");
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
