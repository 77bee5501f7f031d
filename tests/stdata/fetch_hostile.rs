//! Repositories and archives that mean harm: refused, one line each, nothing written outside.

use std::io::Write;
use std::path::Path;

use crate::fetch::{Place, ST_ALIGN, files_under};
use crate::hub_double::{Access, Fault};

const NAME: &str = "datasets/o/d";

/// Files anywhere in the test's folder but in the cache and the data root.
fn escaped(place: &Place) -> Vec<String> {
    files_under(place.folder.path())
        .into_iter()
        .map(|path| {
            path.strip_prefix(place.folder.path())
                .unwrap()
                .display()
                .to_string()
        })
        .filter(|path| !path.starts_with("hf/") && !path.starts_with("data/"))
        .collect()
}

#[test]
fn names_that_mean_harm_are_refused_one_by_one() {
    let place = Place::new();
    let long = "n".repeat(4000);
    let names = [
        "../escaped",
        "a/../../escaped",
        "/tmp/stdata-test-escaped",
        "C:/escaped",
        "a\\..\\escaped",
        "bell\u{7}",
        "right\u{202e}left",
        "Case.json",
        "case.json",
        "a//b",
        long.as_str(),
    ];
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "good.json", b"[]", false);
    for name in names {
        place.hub.file(NAME, name, b"bad", false);
    }
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(code, Some(1), "{report:#}");
    let problems: Vec<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    assert_eq!(problems.len(), names.len(), "{problems:#?}");
    for problem in &problems {
        assert!(
            problem.contains("refused") && problem.len() < 250,
            "{problem}"
        );
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
    }
    assert_eq!(report["files"], 1);
    assert_eq!(place.read("raw/d/good.json"), b"[]");
    assert_eq!(escaped(&place), Vec::<String>::new());
    assert!(!Path::new("/tmp/stdata-test-escaped").exists());
    let fetched = files_under(&place.root().join("raw"));
    assert_eq!(fetched, [place.root().join("raw/d/good.json")]);
}

/// A tar entry with a name that the library would refuse to write.
fn raw_entry(kind: tar::EntryType, name: &str, target: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_old();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

#[test]
fn archives_stay_in_their_folder() {
    use tar::EntryType;
    let place = Place::new();
    let outside = place.folder.path().join("outside");
    let mut archive = Vec::new();
    for (kind, name, target) in [
        (EntryType::Regular, "../escaped", ""),
        (EntryType::Regular, "/tmp/stdata-test-escaped", ""),
        (EntryType::Symlink, "up", "../.."),
        (EntryType::Symlink, "abs", outside.to_str().unwrap()),
        (EntryType::Symlink, "here", "."),
        // Each step looks harmless: `here` is `.`, so that `here/out` would be `./..`.
        (EntryType::Symlink, "here/out", ".."),
        (EntryType::Regular, "here/through", ""),
        (EntryType::Link, "hard", "../../../hf/token"),
        (EntryType::Fifo, "pipe", ""),
        (EntryType::Char, "device", ""),
        (EntryType::Regular, "twice", ""),
        (EntryType::Regular, "twice", ""),
    ] {
        let bytes: &[u8] = if kind == EntryType::Regular {
            b"bad"
        } else {
            b""
        };
        archive.extend(raw_entry(kind, name, target, bytes));
    }
    archive.extend(raw_entry(EntryType::Regular, "good.txt", "", b"good"));
    archive.extend([0; 1024]);
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "a.tar", &archive, true);
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(code, Some(1), "{report:#}");
    let refused = report["archives"][0]["refused"].as_array().unwrap();
    let names: Vec<&str> = refused
        .iter()
        .map(|pair| pair[0].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "../escaped",
            "/tmp/stdata-test-escaped",
            "up",
            "abs",
            "here/out",
            "here/through",
            "hard",
            "pipe",
            "device",
            "twice"
        ],
        "{report:#}"
    );
    assert_eq!(report["problems"].as_array().unwrap().len(), names.len());
    assert_eq!(place.read("raw/d/good.txt"), b"good");
    assert_eq!(escaped(&place), Vec::<String>::new());
}

/// A zip whose one entry is `size` zeros.
fn zeros(size: u64) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("zeros", options).unwrap();
    let block = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        writer.write_all(&block).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn bombs_are_refused_by_what_comes_out() {
    let place = Place::new();
    let honest = zeros(64 << 20);
    // The same with a lie about the size, in the local header and in the directory.
    let mut liar = honest.clone();
    let size = (64_u32 << 20).to_le_bytes();
    let told: Vec<usize> = (0..liar.len() - 4)
        .filter(|at| liar[*at..at + 4] == size)
        .collect();
    assert!(!told.is_empty());
    for at in told {
        liar[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut long_name = tar::Header::new_gnu();
    long_name.set_entry_type(tar::EntryType::GNULongName);
    long_name.set_path("././@LongLink").unwrap();
    long_name.set_size(256 << 20);
    long_name.set_cksum();
    gzip.write_all(long_name.as_bytes()).unwrap();
    let block = vec![b'n'; 1 << 20];
    for _ in 0..32 {
        gzip.write_all(&block).unwrap();
    }
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "honest.zip", &honest, true)
        .file(NAME, "liar.zip", &liar, true)
        .file(NAME, "names.tar.gz", &gzip.finish().unwrap(), true)
        .file(
            NAME,
            "cut.tar",
            &raw_entry(tar::EntryType::Regular, "x", "", &[1; 3000])[..2000],
            true,
        );
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(code, Some(1), "{report:#}");
    let problems = report["problems"].to_string();
    assert_eq!(
        report["problems"].as_array().unwrap().len(),
        4,
        "{problems}"
    );
    for words in [
        "honest.zip: refused as a bomb",
        "liar.zip: ",
        "names.tar.gz: is damaged",
        "cut.tar: is damaged",
    ] {
        assert!(problems.contains(words), "{words} is missing in {problems}");
    }
    assert_eq!(
        files_under(&place.root().join("raw")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn yaml_bombs_are_refused() {
    let place = Place::new();
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ('b'..='i').zip('a'..) {
        let list = vec![format!("*{before}"); 9].join(",");
        bomb.extend([format!("{name}: &{name} [{list}]\n")]);
    }
    bomb.push_str("datasets: *i\n");
    let long = format!("datasets: []\n#{}", "x".repeat(2 << 20));
    place.hub.repository(ST_ALIGN, Access::Open);
    for (text, word) in [
        (bomb.as_str(), "stage3.yaml"),
        (long.as_str(), "no stage file is that long"),
    ] {
        place
            .hub
            .file(ST_ALIGN, "stage3.yaml", text.as_bytes(), false);
        let started = std::time::Instant::now();
        let error = place.fails(&["--stage", "3", "--update"]);
        assert!(error.contains(word), "{error}");
        assert!(
            started.elapsed().as_secs() < 20,
            "it took {:?}",
            started.elapsed()
        );
    }
    assert!(!place.root().join("stage3.yaml").exists());
}

#[test]
fn servers_that_mean_harm_end_in_one_clear_error() {
    for (fault, word) in [
        (Fault::Loop, "redirects more than"),
        (Fault::HugeHeaders, "header"),
        (Fault::WrongLength(1000), "bytes come where"),
        (Fault::WrongBytes, "nothing was kept"),
    ] {
        let place = Place::new();
        place
            .hub
            .repository(NAME, Access::Open)
            .file(NAME, "a.bin", &[1; 2000], true);
        place.hub.state.lock().unwrap().always = Some(fault);
        let output = place
            .fetch(&["--repo", "o/d", "--retries", "3"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(2), "{fault:?}: {text}");
        assert!(
            text.contains("problem: ") && text.contains(word),
            "{fault:?}: {text}"
        );
        assert!(!text.contains("secret"), "a signed address is told: {text}");
        assert!(!place.root().join("raw").exists(), "{fault:?}");
    }
}
