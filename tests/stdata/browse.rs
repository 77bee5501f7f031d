//! `stdata browse`: who may ask, what can be had, what marks do, and the page in a real browser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::chromium::{Page, program};
use crate::stdata;

/// A running `stdata browse`, ended when dropped.
struct Served {
    child: Child,
    port: u16,
    prefix: String,
    address: String,
}

impl Served {
    fn start(root: &Path, arguments: &[&Path]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stdata"))
            .env_remove("STDATA_ROOT")
            .args(["browse", "--json", "-q", "--root"])
            .arg(root)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut document = String::new();
        while !document.ends_with("\n}\n") {
            assert_ne!(out.read_line(&mut document).unwrap(), 0, "{document}");
        }
        let document: Value = serde_json::from_str(&document).unwrap();
        let address = document["address"].as_str().unwrap().to_owned();
        let rest = address.strip_prefix("http://127.0.0.1:").unwrap();
        let (port, key) = rest.split_once('/').unwrap();
        Self {
            child,
            port: port.parse().unwrap(),
            prefix: format!("/{key}"),
            address,
        }
    }

    /// Sends a request as it stands; status, head and body of the answer.
    fn raw(&self, request: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let (prefix, port) = (&self.prefix, self.port);
        self.raw(&format!(
            "GET {prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path, "");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> u16 {
        let (prefix, port, length) = (&self.prefix, self.port, body.len());
        self.raw(&format!(
            "POST {prefix}{path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )).0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(id: &str, kind: &str, path: &str, answer: &str) -> Value {
    json!({"id": id, "source": "made", "task": "tvg", kind: path, "conversations": [
        {"from": "human", "value": format!("<{kind}>\nWhen does {id} jump?")},
        {"from": "gpt", "value": format!("{{<TEMP-OUTPUT><TEMP-OUTPUT>}} {answer}")}],
        "variables": {"temporal_input_locations": [], "temporal_output_locations": [0.25, 0.75],
            "spatial_width_input_locations": [], "spatial_width_output_locations": [],
            "spatial_height_input_locations": [], "spatial_height_output_locations": []}})
}

/// A data root with files to show, and a secret beside it.
fn guarded(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    fs::create_dir_all(root.join("media")).unwrap();
    fs::write(root.join("media/inside.mp4"), b"0123456789").unwrap();
    fs::write(root.join("media/notes.txt"), b"0123456789").unwrap();
    fs::write(folder.join("secret.mp4"), b"SECRET").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.join("secret.mp4"), root.join("media/link.mp4")).unwrap();
    let absolute = folder.join("secret.mp4");
    let records = [
        record("inside", "video", "inside.mp4", "high"),
        record("link", "video", "link.mp4", "low"),
        record("above", "video", "../../secret.mp4", "far"),
        record("absolute", "video", absolute.to_str().unwrap(), "wide"),
        record("text", "video", "notes.txt", "long"),
        record("gone", "video", "gone.mp4", "<b>bold</b>"),
    ];
    let mut text = records.map(|one| one.to_string() + "\n").concat();
    text.push_str("{\"id\": \"cut\n");
    fs::write(root.join("all.jsonl"), text).unwrap();
    let yaml =
        "datasets:\n  - {json_path: all.jsonl, data_folder: media, sampling_strategy: all}\n";
    fs::write(root.join("all.yaml"), yaml).unwrap();
    root
}

#[test]
fn only_this_machine_and_only_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let root = guarded(folder.path());
    let served = Served::start(&root, &[]);
    let (prefix, port) = (&served.prefix, served.port);
    let (status, head, _) = served.get("", "");
    assert_eq!(status, 200);
    for guard in [
        "default-src 'none'",
        "nosniff",
        "no-referrer",
        "same-origin",
    ] {
        assert!(head.contains(guard), "{guard} is missing in {head}");
    }
    // A page elsewhere whose name is made to mean 127.0.0.1 sends its own name.
    for hosts in [
        String::new(),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        "Host: 127.0.0.1\r\n".to_owned(),
        format!("Host: 127.0.0.1:{port}.evil.example\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
    ] {
        let request = format!("GET {prefix} HTTP/1.1\r\nConnection: close\r\n{hosts}\r\n");
        assert_eq!(served.raw(&request).0, 403, "{hosts}");
    }
    for path in [
        "/",
        "/api/records",
        "/0123456789abcdef0123456789abcdef/",
        "*",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        assert_eq!(served.raw(&request).0, 404, "{path}");
    }
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let request = format!(
            "{method} {prefix} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(served.raw(&request).0, 405, "{method}");
    }
    // The machine's own address in its network, found without sending anything.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr())
    {
        Ok(own) if !own.ip().is_loopback() => {
            assert!(
                TcpStream::connect((own.ip(), port)).is_err(),
                "{own} answers"
            );
        }
        _ => println!("skipped: this machine has no address but loopback"),
    }
}

#[test]
fn nothing_outside_the_data_root_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let root = guarded(folder.path());
    let served = Served::start(&root, &[]);
    let (status, _, body) = served.get("media/0", "");
    assert_eq!((status, body.as_slice()), (200, b"0123456789".as_slice()));
    let (status, head, body) = served.get("media/0", "Range: bytes=2-4\r\n");
    assert_eq!((status, body.as_slice()), (206, b"234".as_slice()));
    assert!(head.contains("Content-Range: bytes 2-4/10"), "{head}");
    assert_eq!(served.get("media/0", "Range: bytes=10-\r\n").0, 416);
    for number in 1..8 {
        let (status, _, body) = served.get(&format!("media/{number}"), "");
        assert_eq!(status, 404, "record {number}");
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("SECRET") && !text.contains("0123"), "{text}");
    }
    for path in [
        "../secret.mp4",
        "..%2f..%2fsecret.mp4",
        "%2e%2e/all.jsonl",
        "media/../all.jsonl",
        "media/0/../../all.jsonl",
        "media//etc/passwd",
        "frame/0/../../../all.jsonl",
        "frame/0/0.jpg",
        "api/record/99999999999999999999",
        "api/record/-1",
        "api/records?path=/etc/passwd",
        "review.jsonl",
        "all.jsonl",
    ] {
        let (status, _, body) = served.get(path, "");
        assert_eq!(status, 404, "{path}: {}", String::from_utf8_lossy(&body));
    }
    // A dataset file in the data root may not list annotations elsewhere.
    fs::write(folder.path().join("secret.jsonl"), "{}\n").unwrap();
    let outside =
        "datasets:\n  - {json_path: ../secret.jsonl, data_folder: ., sampling_strategy: all}\n";
    fs::write(root.join("outside.yaml"), outside).unwrap();
    let refused = stdata()
        .args(["browse", "-q", "--root"])
        .arg(&root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(
        error.contains("secret.jsonl") && error.contains("outside the data root"),
        "{error}"
    );
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn lists_are_filtered_and_pieces_that_are_no_records_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let root = guarded(folder.path());
    let served = Served::start(&root, &[]);
    let numbers = |query: &str| -> Vec<u64> {
        let page = served.json(&format!("api/records?{query}"));
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["number"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(""), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers("task=tvg&text=LINK+jump"), [1]);
    assert_eq!(numbers("text=%22does+above%22"), [2]);
    assert_eq!(numbers("text=nowhere"), [0_u64; 0]);
    assert_eq!(numbers("kind=no+record"), [6]);
    assert_eq!(numbers("rule=path-unsafe"), [2, 3]);
    assert_eq!(numbers("from=4"), [4, 5, 6]);
    let facets = &served.json("api/records?rule=path-unsafe")["facets"];
    assert_eq!(facets["records"], 2);
    assert_eq!(facets["task"], json!([{"value": "tvg", "records": 2}]));
    let cut = served.json("api/record/6");
    assert_eq!(cut["findings"][0]["rule"], "json-syntax");
    let view = served.json("api/record/0");
    assert_eq!(view["story"]["spans"][0]["at"], json!([0.25, 0.75]));
    assert_eq!(view["line"], 1);
    for unknown in [
        "task=none",
        "rule=none",
        "mark=none",
        "kind=none",
        "colour=red",
        "from=x",
    ] {
        assert_eq!(
            served.get(&format!("api/records?{unknown}"), "").0,
            404,
            "{unknown}"
        );
    }
}

#[test]
fn marks_come_from_the_page_only_and_validate_honours_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = guarded(folder.path());
    let review = root.join("review.jsonl");
    let served = Served::start(&root, &[]);
    let port = served.port;
    let (json, ours) = (
        "Content-Type: application/json\r\n",
        format!("Origin: http://localhost:{port}\r\n"),
    );
    let bad = r#"{"mark":"bad","note":"wrong child"}"#;
    for (headers, body, status) in [
        (json.to_owned(), bad, 403),
        (format!("{json}Origin: http://evil.example\r\n"), bad, 403),
        (format!("{json}Origin: null\r\n"), bad, 403),
        (
            format!("{json}Origin: https://localhost:{port}\r\n"),
            bad,
            403,
        ),
        (ours.clone(), bad, 415),
        (format!("{ours}Content-Type: text/plain\r\n"), bad, 415),
        (format!("{ours}{json}"), "{", 400),
        (format!("{ours}{json}"), r#"{"mark":"worse"}"#, 400),
        (
            format!("{ours}{json}"),
            r#"{"mark":"bad","path":"/etc"}"#,
            400,
        ),
        (
            format!("{ours}{json}"),
            &format!("{{\"note\":\"{}\"}}", "x".repeat(1 << 17)),
            413,
        ),
    ] {
        assert_eq!(
            served.post("api/mark/0", &headers, body),
            status,
            "{headers}"
        );
    }
    assert!(!review.exists());
    let headers = format!("{ours}{json}");
    assert_eq!(
        served.post("api/mark/6", &headers, bad),
        404,
        "no record to mark"
    );
    assert_eq!(served.post("api/mark/0", &headers, bad), 200);
    assert_eq!(
        served.post("api/mark/1", &headers, r#"{"mark":"fix"}"#),
        200
    );
    assert_eq!(
        served.post("api/mark/5", &headers, r#"{"mark":"good"}"#),
        200
    );
    assert_eq!(served.post("api/mark/5", &headers, r#"{"mark":null}"#), 200);
    let text = fs::read_to_string(&review).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains(r#""note":"wrong child","id":"inside""#),
        "{text}"
    );
    let view = served.json("api/record/0");
    assert_eq!(
        (&view["mark"], &view["note"]),
        (&json!("bad"), &json!("wrong child"))
    );
    let marked = served.json("api/records?mark=bad");
    assert_eq!(marked["items"].as_array().unwrap().len(), 1);
    drop(served);

    let validate = |extra: &[&str]| -> Value {
        let output = stdata()
            .args(["validate", "--json", "-q", "--root"])
            .arg(&root)
            .arg(root.join("all.yaml"))
            .args(extra)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let rules = |ledger: &Value| -> Vec<String> {
        let rules = ledger["rules"].as_array().unwrap().iter();
        rules
            .map(|one| one["rule"].as_str().unwrap().to_owned())
            .collect()
    };
    let honoured = validate(&[]);
    for rule in ["review-bad", "review-fix"] {
        assert!(rules(&honoured).contains(&rule.to_owned()), "{rule}");
    }
    fs::rename(&review, root.join("other.jsonl")).unwrap();
    let free = validate(&[]);
    assert!(!rules(&free).contains(&"review-bad".to_owned()));
    let rejected = |ledger: &Value| ledger["total"]["rejected"].as_u64().unwrap();
    assert_eq!(rejected(&honoured), rejected(&free) + 1);
    let other = root.join("other.jsonl");
    let named = validate(&["--review", other.to_str().unwrap()]);
    assert_eq!(rejected(&named), rejected(&honoured));
}

/// A data root with a synthetic dataset and shards of it.
pub(crate) fn synthetic(folder: &Path) -> PathBuf {
    let root = folder.join("data");
    let out = root.join("synth");
    stdata()
        .args(["synth", "-q", "--images", "4", "--videos", "4", "--out"])
        .arg(&out)
        .assert()
        .success();
    stdata()
        .args(["shard", "-q", "--frames", "10", "--size", "64", "--root"])
        .arg(&root)
        .arg(out.join("train.yaml"))
        .assert()
        .success();
    root
}

/// Open, filter, open a card, step a clip, mark a record, reload; in both colour schemes.
#[test]
fn the_page_works_in_a_browser() {
    let Some(chromium) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = synthetic(folder.path());
    let dataset = root.join("synth/train.yaml");
    for scheme in ["light", "dark"] {
        let served = Served::start(&root, &[&dataset]);
        let mut page = Page::open(&chromium, scheme);
        page.go(&served.address);
        page.wait("document.querySelectorAll('#list .item').length > 10");
        page.wait("[...document.querySelectorAll('#list img')].slice(0, 4).every(i => i.naturalWidth > 0)");
        page.picture(&format!("browse-list-{scheme}"));
        let all = page.value("document.querySelectorAll('#list .item').length");
        page.click("[data-filter='task=stvg']");
        page.wait("document.querySelectorAll('#list .item').length > 0 && [...document.querySelectorAll('#list .tag')].every(t => t.textContent !== 'rec')");
        assert_ne!(
            page.value("document.querySelectorAll('#list .item').length"),
            all
        );
        page.click("#list .item");
        page.wait("document.querySelector('.stage img').naturalWidth > 0 && document.querySelector('.strip')");
        assert_eq!(
            page.value("document.querySelectorAll('.strip button').length"),
            10
        );
        assert!(
            page.value("document.querySelectorAll('.stage .box').length")
                .as_u64()
                > Some(0)
        );
        page.picture(&format!("browse-record-{scheme}"));
        let frame = "document.querySelector('.strip [aria-current]').getAttribute('aria-label')";
        let first = page.value(frame);
        page.press("ArrowRight");
        page.wait(&format!("{frame} !== {first}"));
        page.click(".controls .play");
        page.wait(&format!("{frame} === 'frame 10 of 10'"));
        page.press("f");
        page.wait("document.querySelector('.marks .fix').getAttribute('aria-pressed') === 'true'");
        page.write("textarea", "the box is late");
        page.value("document.querySelector('textarea').blur()");
        page.wait("fetch(`api/record/${new URLSearchParams(location.hash.slice(1)).get('record')}`).then(a => a.json()).then(v => v.note) && true");
        page.reload();
        page.wait("document.querySelector('.marks .fix').getAttribute('aria-pressed') === 'true'");
        page.wait("document.querySelector('textarea').value === 'the box is late'");
        page.press("Escape");
        page.wait("document.querySelector('#list .tag.fix')");
        page.click("#text");
        page.write("#text", "nothing says this");
        page.wait("document.querySelector('#list .empty')");
        page.assert_quiet(&[&served.address]);
        let kept = fs::read_to_string(root.join("review.jsonl")).unwrap();
        assert!(
            kept.contains(r#""mark":"fix","note":"the box is late""#),
            "{kept}"
        );
        // The next scheme starts without marks.
        fs::remove_file(root.join("review.jsonl")).unwrap();
    }
}
