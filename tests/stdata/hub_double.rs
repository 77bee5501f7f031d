//! A hub for tests: speaks what the real one speaks, and lies, stumbles and stops on demand.
//!
//! Written on bare sockets, because a proper server library refuses to send wrong lengths, endless headers or half an
//! answer, which is what it is for.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Files on one page of a listing.
const PAGE: usize = 3;
/// Bytes sent at once.
const BLOCK: usize = 16 << 10;

/// What goes wrong with one answer that carries content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection ends after so many bytes of the body.
    Cut(u64),
    /// Bytes are changed.
    WrongBytes,
    /// The header tells another length, by so much.
    WrongLength(i64),
    /// A status, and what to wait.
    Status(u16, Option<&'static str>),
    /// The server has another file now: no condition holds.
    Changed,
    /// A few bytes a second.
    Drip,
    /// Redirects in circles.
    Loop,
    /// Headers without end.
    HugeHeaders,
    /// Ranges are ignored.
    NoRange,
    /// Something that is not HTTP.
    Garbage,
}

/// Who may see a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Gated,
    /// Needs this token.
    Private,
}

/// One file.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) large: bool,
    /// Told in listings, where it is not the true one.
    pub(crate) told_size: Option<u64>,
}

impl Content {
    pub(crate) fn sha256(&self) -> String {
        hexadecimal(&Sha256::digest(&self.bytes))
    }

    fn git(&self) -> String {
        let mut sha1 = Sha1::new();
        sha1.update(format!("blob {}\0", self.bytes.len()));
        sha1.update(&self.bytes);
        hexadecimal(&sha1.finalize())
    }

    /// The name of its blob in the cache.
    pub(crate) fn digits(&self) -> String {
        if self.large {
            self.sha256()
        } else {
            self.git()
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A request that asked for content, and what was answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The content's digits.
    pub(crate) digits: String,
    /// Where the range starts.
    pub(crate) start: u64,
    pub(crate) if_match: Option<String>,
    pub(crate) fault: Fault,
    /// Body bytes given to the socket.
    pub(crate) sent: Arc<AtomicU64>,
}

#[derive(Default)]
pub(crate) struct State {
    /// By `datasets/OWNER/NAME`.
    repositories: BTreeMap<String, Repository>,
    /// Taken in order by answers with content; none when empty.
    pub(crate) faults: VecDeque<Fault>,
    /// For every answer with content.
    pub(crate) always: Option<Fault>,
    /// For this content only, every time.
    pub(crate) always_for: Option<(String, Fault)>,
    pub(crate) asked: Vec<Asked>,
    /// Every request line.
    pub(crate) lines: Vec<String>,
    /// A token went to the host that the hub redirects to.
    pub(crate) leaked: bool,
    /// Slept after each block.
    pub(crate) pace: Duration,
}

#[derive(Clone)]
struct Repository {
    commit: String,
    access: Access,
    files: BTreeMap<String, Content>,
}

/// The server. Its threads end with the test program.
pub(crate) struct Double {
    pub(crate) endpoint: String,
    elsewhere: String,
    pub(crate) state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
}

impl Double {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let double = Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            elsewhere: format!("http://localhost:{port}"),
            state: Arc::default(),
        };
        let (state, elsewhere) = (Arc::clone(&double.state), double.elsewhere.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, elsewhere) = (Arc::clone(&state), elsewhere.clone());
                // A client that is killed takes its connection along: no fault of the server.
                std::thread::spawn(move || serve(&stream.unwrap(), &state, &elsewhere));
            }
        });
        double
    }

    /// Adds a repository with small files.
    pub(crate) fn repository(&self, name: &str, access: Access) -> &Self {
        let repository = Repository {
            commit: hexadecimal(&Sha1::digest(name)),
            access,
            files: BTreeMap::new(),
        };
        let mut state = self.state.lock().unwrap();
        state.repositories.insert(name.to_owned(), repository);
        self
    }

    /// Adds a file; every change makes a new commit.
    pub(crate) fn file(&self, repository: &str, path: &str, bytes: &[u8], large: bool) -> &Self {
        let content = Content {
            bytes: bytes.to_vec(),
            large,
            told_size: None,
        };
        self.content(repository, path, content)
    }

    pub(crate) fn content(&self, repository: &str, path: &str, content: Content) -> &Self {
        let mut state = self.state.lock().unwrap();
        let found = state.repositories.get_mut(repository).unwrap();
        found.commit = hexadecimal(&Sha1::digest(format!("{}{path}", found.commit)));
        found.files.insert(path.to_owned(), content);
        self
    }

    pub(crate) fn commit(&self, repository: &str) -> String {
        self.state.lock().unwrap().repositories[repository]
            .commit
            .clone()
    }

    pub(crate) fn contents(&self, repository: &str) -> BTreeMap<String, Content> {
        self.state.lock().unwrap().repositories[repository]
            .files
            .clone()
    }

    /// What was asked for since the last call.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub(crate) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().lines)
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>, elsewhere: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    while let Some(request) = read_request(&mut reader) {
        state
            .lock()
            .unwrap()
            .lines
            .push(format!("{} {}", request.method, request.target));
        let mut stream = stream.try_clone().ok()?;
        answer(&request, &mut stream, state, elsewhere)?;
    }
    None
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request {
        method,
        target,
        headers,
    })
}

/// Nothing means that the connection is at its end.
fn answer(
    request: &Request,
    stream: &mut TcpStream,
    state: &Mutex<State>,
    elsewhere: &str,
) -> Option<()> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let path = decode(path);
    if let Some(digits) = path.strip_prefix("/cdn/") {
        if request.headers.contains_key("authorization") {
            state.lock().unwrap().leaked = true;
        }
        return send_content(request, digits, "cdn", &[], stream, state);
    }
    if path.starts_with("/loop") {
        return plain(
            stream,
            request,
            302,
            &[("Location", "/loop".to_owned())],
            b"",
        );
    }
    if let Some(rest) = path.strip_prefix("/api/") {
        return api(request, rest, query, stream, state);
    }
    resolve(
        request,
        path.trim_start_matches('/'),
        stream,
        state,
        elsewhere,
    )
}

/// `repository`, `word`, `rest` of `repository/word/rest`.
fn split<'a>(path: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    path.split_once(&format!("/{word}/"))
}

fn refusal(
    request: &Request,
    found: Option<&Repository>,
    content: bool,
) -> Option<(u16, &'static str)> {
    let token = request.headers.get("authorization").map(String::as_str);
    match found.map(|found| found.access) {
        None => Some((if token.is_some() { 404 } else { 401 }, "RepoNotFound")),
        Some(Access::Private) if token != Some("Bearer good") => {
            Some((if token.is_some() { 404 } else { 401 }, "RepoNotFound"))
        }
        Some(Access::Gated) if content && token != Some("Bearer good") => {
            Some((if token.is_some() { 403 } else { 401 }, "GatedRepo"))
        }
        _ => None,
    }
}

fn api(
    request: &Request,
    rest: &str,
    query: &str,
    stream: &mut TcpStream,
    state: &Mutex<State>,
) -> Option<()> {
    let (name, word, revision) = ["revision", "tree"]
        .iter()
        .find_map(|word| split(rest, word).map(|(name, revision)| (name, *word, revision)))?;
    let found = state.lock().unwrap().repositories.get(name).cloned();
    if let Some((status, code)) = refusal(request, found.as_ref(), false) {
        return plain(
            stream,
            request,
            status,
            &[("X-Error-Code", code.to_owned())],
            b"{}",
        );
    }
    let found = found?;
    if revision != "main" && revision != found.commit {
        let headers = [("X-Error-Code", "RevisionNotFound".to_owned())];
        return plain(stream, request, 404, &headers, b"{}");
    }
    if word == "revision" {
        let id = name.split_once('/')?.1;
        let siblings: Vec<_> = found
            .files
            .keys()
            .map(|path| serde_json::json!({"rfilename": path}))
            .collect();
        let info = serde_json::json!({
            "_id": "1", "id": id, "sha": found.commit, "private": false, "gated": false, "disabled": false,
            "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
        });
        return plain(stream, request, 200, &[], info.to_string().as_bytes());
    }
    let cursor: usize = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="))
        .map_or(0, |cursor| cursor.parse().unwrap());
    let entries: Vec<_> = found
        .files
        .iter()
        .skip(cursor)
        .take(PAGE)
        .map(|(path, content)| {
            let size = content.told_size.unwrap_or(content.bytes.len() as u64);
            let mut entry = serde_json::json!({"type": "file", "path": path, "size": size, "oid": content.git()});
            if content.large {
                entry["lfs"] = serde_json::json!({"oid": content.sha256(), "size": size, "pointerSize": 130});
            }
            entry
        })
        .collect();
    let mut headers = Vec::new();
    if cursor + PAGE < found.files.len() {
        let host = &request.headers["host"];
        let target = request.target.split('?').next()?;
        let next = format!(
            "<http://{host}{target}?recursive=true&cursor={}>; rel=\"next\"",
            cursor + PAGE
        );
        headers.push(("Link", next));
    }
    plain(
        stream,
        request,
        200,
        &headers,
        serde_json::to_string(&entries).unwrap().as_bytes(),
    )
}

fn resolve(
    request: &Request,
    path: &str,
    stream: &mut TcpStream,
    state: &Mutex<State>,
    elsewhere: &str,
) -> Option<()> {
    let (page, rest) = split(path, "resolve")?;
    let name = if page.starts_with("datasets/") {
        page.to_owned()
    } else {
        format!("models/{page}")
    };
    let (revision, path) = rest.split_once('/')?;
    let found = state.lock().unwrap().repositories.get(&name).cloned();
    if let Some((status, code)) = refusal(request, found.as_ref(), true) {
        return plain(
            stream,
            request,
            status,
            &[("X-Error-Code", code.to_owned())],
            b"{}",
        );
    }
    let found = found?;
    let content = found
        .files
        .get(path)
        .filter(|_| revision == "main" || revision == found.commit);
    let Some(content) = content else {
        let headers = [("X-Error-Code", "EntryNotFound".to_owned())];
        return plain(stream, request, 404, &headers, b"{}");
    };
    let mut headers = vec![
        ("X-Repo-Commit", found.commit.clone()),
        ("ETag", format!("\"{}\"", content.digits())),
    ];
    if !content.large {
        return send_content(request, &content.digits(), "hub", &headers, stream, state);
    }
    headers.push(("X-Linked-Etag", format!("\"{}\"", content.digits())));
    headers.push(("X-Linked-Size", content.bytes.len().to_string()));
    headers.push((
        "Location",
        format!("{elsewhere}/cdn/{}?signature=secret", content.digits()),
    ));
    plain(stream, request, 302, &headers, b"")
}

/// What an answer with content is made of.
struct Turn {
    bytes: Vec<u8>,
    fault: Fault,
    pace: Duration,
    /// Body bytes given to the socket.
    sent: Arc<AtomicU64>,
}

/// Finds the content, draws the fault, and notes the request.
fn turn(request: &Request, digits: &str, state: &Mutex<State>) -> Option<Turn> {
    let mut state = state.lock().unwrap();
    let bytes = state
        .repositories
        .values()
        .flat_map(|repository| repository.files.values())
        .find(|content| content.digits() == digits)?
        .bytes
        .clone();
    let fault = match &state.always_for {
        _ if request.method == "HEAD" => Fault::None,
        Some((only, fault)) if only == digits => *fault,
        _ => {
            let next = state.faults.pop_front();
            state.always.or(next).unwrap_or(Fault::None)
        }
    };
    let sent = Arc::new(AtomicU64::new(0));
    if request.method != "HEAD" {
        state.asked.push(Asked {
            digits: digits.to_owned(),
            start: start_of(request).unwrap_or(0),
            if_match: request.headers.get("if-match").cloned(),
            fault,
            sent: Arc::clone(&sent),
        });
    }
    Some(Turn {
        bytes,
        fault,
        pace: state.pace,
        sent,
    })
}

fn send_content(
    request: &Request,
    digits: &str,
    server: &str,
    headers: &[(&str, String)],
    stream: &mut TcpStream,
    state: &Mutex<State>,
) -> Option<()> {
    let turn = turn(request, digits, state)?;
    let tag = format!("\"{server}-{digits}\"");
    let holds = request
        .headers
        .get("if-match")
        .is_none_or(|wanted| *wanted == tag || *wanted == format!("\"{digits}\""));
    let ranged = start_of(request).is_some();
    match turn.fault {
        Fault::Status(status, wait) => {
            let wait: Vec<_> = wait
                .map(|wait| ("Retry-After", wait.to_owned()))
                .into_iter()
                .collect();
            plain(stream, request, status, &wait, b"not now")
        }
        Fault::Loop => {
            let headers = [("Location", "/loop".to_owned())];
            plain(stream, request, 302, &headers, b"")
        }
        Fault::HugeHeaders => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").ok()?;
            let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
            // The client hangs up at some point.
            for _ in 0..2000 {
                stream.write_all(line.as_bytes()).ok()?;
            }
            None
        }
        Fault::Garbage => {
            stream
                .write_all(b"I am a teapot, not a server\r\n\r\n")
                .ok()?;
            None
        }
        Fault::Changed if ranged => plain(stream, request, 412, &[], b""),
        _ if !holds => plain(stream, request, 412, &[], b""),
        _ => {
            let mut headers = headers.to_vec();
            if server == "cdn" {
                headers.push(("ETag", tag));
            }
            send_body(request, &turn, &headers, stream)
        }
    }
}

fn send_body(
    request: &Request,
    turn: &Turn,
    headers: &[(&str, String)],
    stream: &mut TcpStream,
) -> Option<()> {
    let total = turn.bytes.len() as u64;
    let start = start_of(request).filter(|start| turn.fault != Fault::NoRange && *start < total);
    let first = start.unwrap_or(0);
    let mut body = turn.bytes[usize::try_from(first).unwrap()..].to_vec();
    if turn.fault == Fault::WrongBytes && !body.is_empty() {
        let middle = body.len() / 2;
        body[middle] ^= 1;
    }
    let mut length = body.len() as u64;
    if let Fault::WrongLength(by) = turn.fault {
        length = length.saturating_add_signed(by);
    }
    let status = if start.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
    if start.is_some() {
        let last = total - 1;
        let _ = write!(head, "Content-Range: bytes {first}-{last}/{total}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    if let Fault::Cut(after) = turn.fault {
        body.truncate(usize::try_from(after).unwrap());
    }
    let (block, pause) = if turn.fault == Fault::Drip {
        (10, Duration::from_millis(50))
    } else {
        (BLOCK, turn.pace)
    };
    for piece in body.chunks(block) {
        stream.write_all(piece).ok()?;
        turn.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    // A wrong length leaves the connection in a state that cannot go on.
    (!matches!(turn.fault, Fault::Cut(_) | Fault::WrongLength(_))).then_some(())
}

fn start_of(request: &Request) -> Option<u64> {
    let range = request.headers.get("range")?.strip_prefix("bytes=")?;
    range.split('-').next()?.parse().ok()
}

fn plain(
    stream: &mut TcpStream,
    request: &Request,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if request.method != "HEAD" {
        stream.write_all(body).ok()?;
    }
    Some(())
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let Some(byte) = path
                .get(at + 1..at + 3)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Numbers that follow from a seed (`SplitMix64`, Steele et al. 2014).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
