//! Seeded runs against a hub that fails in every way, with `kill -9` in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::fetch::{Place, files_under};
use crate::hub_double::{Access, Asked, Chance, Content, Double, Fault};

const NAME: &str = "datasets/o/d";
const SEEDS: u64 = 200;
/// What a test of seconds runs.
const QUICK: u64 = 12;
/// Runs of the program before a seed counts as stuck.
const RUNS: usize = 8;

#[test]
fn runs_with_faults_end_right_or_clearly() {
    (0..QUICK).for_each(run);
}

#[test]
#[ignore = "200 seeds take minutes"]
fn all_runs_with_faults_end_right_or_clearly() {
    (QUICK..SEEDS).for_each(run);
}

#[test]
fn unpacking_goes_on_after_kills() {
    let place = Place::new();
    let mut chance = Chance(1);
    let mut archive = tar::Builder::new(Vec::new());
    let mut entries = BTreeMap::new();
    for number in 0..3000_u64 {
        let size = if number % 500 == 0 {
            300_000
        } else {
            500 + number % 1000
        };
        let bytes = chance.bytes(usize::try_from(size).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        let name = format!("{}/{number}.mp4", number % 7);
        archive
            .append_data(&mut header, &name, bytes.as_slice())
            .unwrap();
        entries.insert(name, bytes);
    }
    let archive = archive.into_inner().unwrap();
    place
        .hub
        .repository(NAME, Access::Open)
        .file(NAME, "a.tar", &archive, true);
    let raw = place.root().join("raw");
    let mut killed = 0;
    for few in [1, 400, 900, 1500, 2200] {
        let mut child = command(&place, false).spawn().unwrap();
        // Long before the last file is there, and wherever in one this happens to be.
        while files_under(&raw).len() < few && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        killed += usize::from(child.wait().unwrap().code().is_none());
        for path in files_under(&raw) {
            let name = path.strip_prefix(raw.join("d")).unwrap().to_str().unwrap();
            let is_temporary = name.contains(".stdata-");
            let found = std::fs::read(&path).unwrap();
            assert!(is_temporary || entries[name] == found, "{name} is false");
        }
    }
    assert!(
        killed >= 3,
        "only {killed} runs were killed while they unpacked"
    );
    let (code, report) = place.json(&["--repo", "o/d"]);
    assert_eq!(code, Some(0), "{report:#}");
    let there = files_under(&place.root().join("raw"));
    assert_eq!(there.len(), entries.len(), "something is left or missing");
    assert_eq!(report["archives"][0]["files"], entries.len());
    assert!(
        report["archives"][0]["there"].as_u64().unwrap() > 0,
        "all was unpacked again"
    );
    for (name, bytes) in &entries {
        assert!(place.read(&format!("raw/d/{name}")) == *bytes, "{name}");
    }
}

/// One seed: a repository, faults, kills; then what must hold.
fn run(seed: u64) {
    let mut chance = Chance(seed);
    let place = Place::new();
    let contents = fill(&place.hub, &mut chance);
    let lasting = plan(&place.hub, &contents, &mut chance);
    let drips = place
        .hub
        .state
        .lock()
        .unwrap()
        .faults
        .contains(&Fault::Drip);
    let kills = chance.below(3);
    let mut tainted = BTreeSet::new();
    let mut told = String::new();
    let mut code = None;
    for attempt in 0..RUNS {
        let before = parts(&place.cache());
        place.hub.take_asked();
        let kill = (attempt < usize::try_from(kills).unwrap())
            .then(|| Duration::from_millis(20 + chance.below(150)));
        (code, told) = program(&place, kill, drips);
        // The server's threads may still be in the middle of an answer that nobody reads.
        let asked = place.hub.take_asked();
        if !drips {
            nothing_is_asked_for_twice(seed, &asked, &before, &contents, &mut tainted);
        }
        nothing_is_false(seed, &place, &contents);
        if code == Some(0) {
            break;
        }
        assert!(
            code != Some(2) || lasting.is_some(),
            "seed {seed}: the faults passed, and still: {told}"
        );
        if code == Some(2) {
            break;
        }
    }
    match lasting {
        None => {
            assert_eq!(code, Some(0), "seed {seed}: {told}");
            for (path, content) in &contents {
                assert!(
                    place.read(&format!("raw/d/{path}")) == content.bytes,
                    "seed {seed}: {path}"
                );
            }
            let left: Vec<_> = parts(&place.cache()).into_keys().collect();
            assert!(left.is_empty(), "seed {seed}: {left:?} are left");
        }
        Some((path, fault)) => {
            assert_eq!(code, Some(2), "seed {seed}: {fault:?} of {path}: {told}");
            assert!(
                told.contains(&path),
                "seed {seed}: {fault:?} of {path} is not told: {told}"
            );
            assert!(
                !place.root().join("raw/d").join(&path).exists(),
                "seed {seed}"
            );
        }
    }
}

fn fill(hub: &Double, chance: &mut Chance) -> BTreeMap<String, Content> {
    hub.repository(NAME, Access::Open);
    for number in 0..=chance.below(4) {
        let size = match chance.below(6) {
            0 => chance.below(3),
            1 => chance.below(5000),
            _ => chance.below(400_000),
        };
        let bytes = chance.bytes(usize::try_from(size).unwrap());
        let large = chance.below(3) > 0;
        hub.file(NAME, &format!("f{number}/x{number}.bin"), &bytes, large);
    }
    hub.state.lock().unwrap().pace = Duration::from_millis(chance.below(4));
    hub.contents(NAME)
}

/// Faults that pass, and for some seeds one that does not: the file and the fault.
fn plan(
    hub: &Double,
    contents: &BTreeMap<String, Content>,
    chance: &mut Chance,
) -> Option<(String, Fault)> {
    let mut state = hub.state.lock().unwrap();
    for _ in 0..chance.below(7) {
        let fault = match chance.below(13) {
            0..=3 => Fault::Cut(chance.below(300_000)),
            4 if !state.faults.contains(&Fault::WrongBytes) => Fault::WrongBytes,
            5 => Fault::WrongLength(5),
            6 => Fault::WrongLength(-7),
            7 => Fault::Status(429, Some("0")),
            8 => Fault::Status(
                [500, 502, 503, 504][usize::try_from(chance.below(4)).unwrap()],
                None,
            ),
            9 => Fault::Changed,
            10 => Fault::Drip,
            11 => Fault::NoRange,
            _ => Fault::Garbage,
        };
        state.faults.push_back(fault);
    }
    if chance.below(4) > 0 {
        return None;
    }
    let (path, content) = contents
        .iter()
        .find(|(_, content)| content.bytes.len() > 10)?;
    let fault = match chance.below(6) {
        0 => Fault::WrongBytes,
        1 => Fault::WrongLength(3),
        2 => Fault::Loop,
        3 => Fault::HugeHeaders,
        4 => Fault::Status(503, None),
        _ => Fault::Status(404, None),
    };
    state.always_for = Some((content.digits(), fault));
    Some((path.clone(), fault))
}

fn command(place: &Place, drips: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stdata"));
    command
        .env_clear()
        .envs(place.environment())
        .arg("--root")
        .arg(place.root())
        .args([
            "fetch",
            "--repo",
            "o/d",
            "--retry-pause",
            "0.005",
            "--keep-free",
            "0",
        ])
        .args(["--timeout", if drips { "0.7" } else { "30" }])
        .args(["--retries", "8", "--connections", "3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program, for as long as it is let; what it said.
fn program(place: &Place, kill: Option<Duration>, drips: bool) -> (Option<i32>, String) {
    let mut child = command(place, drips).spawn().unwrap();
    if let Some(after) = kill {
        std::thread::sleep(after);
        // SIGKILL; a program that ended before is none the worse for it.
        let _ = child.kill();
    }
    let output = child.wait_with_output().unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), told)
}

/// Bytes of each half-fetched content, by its digits.
fn parts(cache: &Path) -> BTreeMap<String, u64> {
    files_under(cache)
        .into_iter()
        .filter_map(|path| {
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".part")?
                .to_owned();
            Some((name, path.metadata().ok()?.len()))
        })
        .collect()
}

/// Whatever has its name has its content; the lock tells no lies; nothing lies elsewhere.
fn nothing_is_false(seed: u64, place: &Place, contents: &BTreeMap<String, Content>) {
    let by_digits: BTreeMap<String, &Content> = contents
        .values()
        .map(|content| (content.digits(), content))
        .collect();
    for path in files_under(&place.cache()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.parent().unwrap().ends_with("blobs") && !name.contains('.') {
            let found = std::fs::read(&path).unwrap();
            assert!(
                by_digits[name].bytes == found,
                "seed {seed}: {name} is false"
            );
        }
    }
    for (path, content) in contents {
        if let Ok(found) = std::fs::read(place.root().join("raw/d").join(path)) {
            assert!(found == content.bytes, "seed {seed}: {path} is false");
        }
    }
    let Ok(lock) = std::fs::read(place.root().join("stdata.lock")) else {
        return;
    };
    let lock: Value = serde_json::from_slice(&lock).unwrap();
    for file in lock["files"].as_array().unwrap() {
        let content = &contents[file["path"].as_str().unwrap()];
        assert_eq!(file["sha256"], content.sha256().as_str(), "seed {seed}");
    }
}

/// Each request starts where the last one of its content ended, or where a killed program left the part.
///
/// Where the server made the bytes worthless (wrong ones, another file, no ranges) the start may be anew. A connection that
/// drips is given up with bytes under way, so that seeds with one are not held to this.
fn nothing_is_asked_for_twice(
    seed: u64,
    asked: &[Asked],
    before: &BTreeMap<String, u64>,
    contents: &BTreeMap<String, Content>,
    tainted: &mut BTreeSet<String>,
) {
    for content in contents.values() {
        let digits = content.digits();
        let mut have = before.get(&digits).copied().unwrap_or(0);
        for request in asked.iter().filter(|asked| asked.digits == digits) {
            let start_fits =
                request.start == have || (tainted.contains(&digits) && request.start == 0);
            assert!(
                start_fits,
                "seed {seed}: {digits} has {have} bytes, asked from {}: {asked:#?}",
                request.start
            );
            if request.start > 0 {
                let condition = request.if_match.as_deref().unwrap_or_default();
                assert!(
                    condition.contains(&digits),
                    "seed {seed}: no condition on a range"
                );
            }
            let sent = request.sent.load(Ordering::SeqCst);
            have = match request.fault {
                // What comes does not fit what is there, and is left unread.
                Fault::WrongLength(_) => request.start,
                Fault::Changed if request.start > 0 => 0,
                Fault::NoRange => sent,
                _ => request.start + sent,
            };
            if request.fault == Fault::WrongBytes {
                tainted.insert(digits.clone());
            }
        }
    }
}
