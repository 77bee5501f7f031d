//! Brings the files, records them, puts them in their places.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use st_hub::{Fetched, Hub, HubError, Job, Lock, LockedFile, Origin, name, sha256_of};

use super::Args;
use super::bars::Bars;
use super::plan::{Plan, Planned};
use super::report::Report;
use crate::globals::Globals;

/// The lock is written at most this often while files come, and at the end.
const LOCK_INTERVAL: Duration = Duration::from_secs(2);

/// Fetches the plan's files; what could not be had is a problem of the report. Answers by the files' numbers.
pub(super) fn fetch(
    plan: &Plan,
    hub: &Hub,
    args: &Args,
    lock: &mut Lock,
    globals: &Globals,
    report: &mut Report,
) -> anyhow::Result<Vec<Option<Fetched>>> {
    let jobs: Vec<Job> = plan.files.iter().map(|file| file.job.clone()).collect();
    let bars = Bars::start(globals, "fetch", jobs.len(), plan.bytes());
    let mut fetched: Vec<Option<Fetched>> = vec![None; jobs.len()];
    let mut drift = Vec::new();
    let mut unwritten = None;
    let written = Mutex::new(Instant::now());
    hub.fetch_all(
        &jobs,
        args.network.connections.get(),
        &bars,
        &mut |at, result| {
            let file = &plan.files[at];
            match result {
                Ok(found) if args.locked => {
                    let held = lock.file(&file.job.repository, &file.job.file.path);
                    if held.is_some_and(|held| held.sha256 == found.sha256) {
                        report.came(file, &found);
                        fetched[at] = Some(found);
                    } else {
                        drift.push(name::shown(&file.job.file.path));
                    }
                }
                Ok(found) => {
                    report.came(file, &found);
                    lock.record(line(file, &found));
                    fetched[at] = Some(found);
                    if let Ok(mut last) = written.lock()
                        && last.elapsed() >= LOCK_INTERVAL
                    {
                        *last = Instant::now();
                        unwritten = lock.write(&globals.root).err();
                    }
                }
                Err(error) => report.failed(file, &error),
            }
        },
    );
    bars.finish();
    if let Some(error) = unwritten {
        return Err(error.into());
    }
    ensure!(
        drift.is_empty(),
        "not what stdata.lock records: {}",
        drift.join(", ")
    );
    if !args.locked {
        lock.write(&globals.root)?;
    }
    Ok(fetched)
}

fn line(file: &Planned, found: &Fetched) -> LockedFile {
    LockedFile {
        repository: file.job.repository.clone(),
        commit: file.job.commit.clone(),
        path: file.job.file.path.clone(),
        size: file.job.file.size,
        sha256: found.sha256.clone(),
        time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        placed: None,
    }
}

/// Puts fetched files into the data root: links to the cache, or copies. What else is there is left and told.
pub(super) fn place(
    plan: &Plan,
    fetched: &[Option<Fetched>],
    args: &Args,
    lock: &mut Lock,
    globals: &Globals,
    report: &mut Report,
) {
    for (file, found) in plan.files.iter().zip(fetched) {
        let (Some(found), Some(placed)) = (found, &file.placed) else {
            continue;
        };
        match put(found, &globals.root.join(placed), args.copy) {
            Ok(()) if args.locked => {}
            Ok(()) => lock.record(LockedFile {
                placed: Some(placed.clone()),
                ..line(file, found)
            }),
            Err(error) => report.problem(format!("{placed}: {error:#}")),
        }
    }
}

fn put(found: &Fetched, place: &Path, copy: bool) -> anyhow::Result<()> {
    let content = std::fs::canonicalize(&found.location)
        .with_context(|| format!("cannot read {}", found.location.display()))?;
    let there = std::fs::symlink_metadata(place).ok();
    let is_link = there.as_ref().is_some_and(std::fs::Metadata::is_symlink);
    if !is_link && there.is_some() {
        let same = sha256_of(place).is_ok_and(|(sha256, _)| sha256 == found.sha256);
        ensure!(
            same,
            "another file is there and was kept: move it away and fetch again"
        );
        return Ok(());
    }
    let folder = place.parent().context("it has no folder")?;
    std::fs::create_dir_all(folder).context("cannot make its folder")?;
    let staging = tempfile::Builder::new()
        .prefix(".stdata-")
        .tempdir_in(folder)
        .context("cannot write there")?;
    let new = staging.path().join("new");
    if copy {
        std::fs::copy(&content, &new).context("cannot copy it")?;
        std::fs::File::open(&new)?.sync_all()?;
    } else {
        if std::fs::read_link(place).is_ok_and(|target| target == content) {
            return Ok(());
        }
        std::os::unix::fs::symlink(&content, &new).context("cannot link it")?;
    }
    std::fs::rename(&new, place).context("cannot rename it")
}

/// Where the parts of an archive lie in the cache, when all of them are there.
pub(super) fn locations(
    files: &[usize],
    fetched: &[Option<Fetched>],
) -> Option<Vec<(PathBuf, String)>> {
    files
        .iter()
        .map(|at| {
            let found = fetched[*at].as_ref()?;
            Some((found.location.clone(), found.sha256.clone()))
        })
        .collect()
}

/// Whether the network brought it.
pub(super) fn from_network(found: &Fetched) -> Option<u64> {
    match found.origin {
        Origin::Network { bytes } => Some(bytes),
        Origin::Cache | Origin::Recorded => None,
    }
}

/// Errors that say only that another error came first need no line of their own.
pub(super) fn is_consequence(error: &HubError) -> bool {
    matches!(error, HubError::NotBegun { .. })
}
