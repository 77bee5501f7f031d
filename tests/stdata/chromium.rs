//! Drives a headless Chromium over its pipe: the `DevTools` protocol as JSON, each message ended by a zero byte.

use base64::Engine as _;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The program, if there is one; says so aloud where there is none.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("ST_CHROMIUM").map(PathBuf::from);
    let usual = [
        "chromium",
        "chromium-headless-shell",
        "chromium-browser",
        "google-chrome",
    ];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        std::env::split_paths(&folders)
            .flat_map(|folder| usual.map(|name| folder.join(name)))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        println!("skipped: there is no Chromium; install one or name it in ST_CHROMIUM");
    }
    found
}

/// A page of a browser of its own, and everything that it said and asked for.
pub(crate) struct Page {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    next: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// How long anything on a page may take; machines that test are busy.
const PATIENCE: Duration = Duration::from_mins(1);

impl Page {
    /// Starts a browser with one empty page. `scheme` is `light` or `dark`.
    pub(crate) fn open(program: &std::path::Path, scheme: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The pipe is file descriptors 3 and 4 of the browser; a shell puts them there.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null")
            .arg("sh")
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut page = Self {
            child,
            to,
            from: BufReader::new(from),
            session: None,
            next: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = page.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = page.call("Target.attachToTarget", &attach);
        page.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.call("Emulation.setEmulatedMedia", &json!({"features": features}));
        let size = json!({"width": 1400, "height": 1000, "deviceScaleFactor": 1, "mobile": false});
        page.call("Emulation.setDeviceMetricsOverride", &size);
        page
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "the browser ended during {method}");
            let answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Goes to an address.
    pub(crate) fn go(&mut self, address: &str) {
        let went = self.call("Page.navigate", &json!({"url": address}));
        assert!(went["errorText"].is_null(), "{address}: {went}");
    }

    /// Loads the page again.
    pub(crate) fn reload(&mut self) {
        self.call("Page.reload", &json!({"ignoreCache": true}));
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &params);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, expression: &str) {
        let started = Instant::now();
        // While a page loads, what is looked for is not there: an exception is a no.
        let guarded = format!(
            "(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"
        );
        while self.value(&guarded) != true {
            assert!(
                started.elapsed() < PATIENCE,
                "never came true: {expression}\n{}",
                self.value("document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Clicks the element that a selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        let found = format!("document.querySelector({selector:?})");
        self.wait(&found);
        self.value(&format!("{found}.click()"));
    }

    /// Presses and lets go a key, as a person does.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let params = json!({"type": kind, "key": key, "text": if key.len() == 1 && kind == "keyDown" { key } else { "" }});
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Types into the element that a selector finds.
    pub(crate) fn write(&mut self, selector: &str, text: &str) {
        self.value(&format!("document.querySelector({selector:?}).focus()"));
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Keeps a picture of the whole page in the folder that `ST_SCREENSHOTS` names, if it names one.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("ST_SCREENSHOTS") else {
            return;
        };
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", &params);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// Asserts that the page complained of nothing and asked only for addresses that begin with one of `allowed`.
    pub(crate) fn assert_quiet(&mut self, allowed: &[&str]) {
        self.value("new Promise(done => setTimeout(done, 100))");
        let mut asked = 0;
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => panic!("exception: {params}"),
                "Runtime.consoleAPICalled" => {
                    let kind = params["type"].as_str().unwrap_or_default();
                    assert!(!["error", "warning", "assert"].contains(&kind), "{params}");
                }
                "Log.entryAdded" => assert_ne!(params["entry"]["level"], "error", "{params}"),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    asked += 1;
                    let own = ["data:", "about:"];
                    let fits = allowed.iter().chain(&own).any(|one| url.starts_with(one));
                    assert!(fits, "the page asks for {url}");
                }
                _ => {}
            }
        }
        assert!(asked > 0, "no request was seen at all");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
