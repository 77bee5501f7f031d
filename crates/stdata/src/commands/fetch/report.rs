//! What `stdata fetch` tells at its end.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;
use st_hub::archive::Unpacked;
use st_hub::{Fetched, Hub, HubError, Lock, human_bytes, name, space};

use super::plan::{Plan, Planned, PlannedArchive};
use super::target::Role;
use super::transfer::{from_network, is_consequence};
use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Problems told one by one in the text; the rest is a number. JSON has all.
const TOLD: usize = 20;

/// Everything that happened.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    dry_run: bool,
    repositories: Vec<RepositoryReport>,
    /// Of all files wanted.
    files: u64,
    bytes: u64,
    /// What the network brought, or would bring.
    network_files: u64,
    network_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    archives: Vec<ArchiveReport>,
    /// Files written into the data root besides the fetched ones.
    written: Vec<String>,
    problems: Vec<String>,
    notes: Vec<String>,
    disks: Vec<Disk>,
    /// The sha256 of stdata.lock, for reports to cite.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next: Vec<String>,
    #[serde(skip)]
    failures: u64,
}

#[derive(Debug, Serialize)]
struct RepositoryReport {
    repository: String,
    revision: String,
    commit: String,
    files: u64,
    bytes: u64,
    missing_bytes: u64,
    listed: Vec<FileReport>,
}

#[derive(Debug, Serialize)]
struct FileReport {
    path: String,
    size: u64,
    there: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    placed: Option<String>,
}

#[derive(Debug, Serialize)]
struct ArchiveReport {
    path: String,
    parts: usize,
    folder: String,
    #[serde(flatten)]
    unpacked: Option<Unpacked>,
}

/// A place to write to.
#[derive(Debug, Serialize)]
struct Disk {
    folder: PathBuf,
    needed: u64,
    free: u64,
    /// What must stay free.
    keep_free: u64,
}

impl Disk {
    fn fits(&self) -> bool {
        self.needed == 0 || self.needed.saturating_add(self.keep_free) <= self.free
    }
}

impl Report {
    /// What the plan says, before anything moved.
    pub(super) fn new(
        plan: &Plan,
        hub: &Hub,
        copy: bool,
        globals: &Globals,
    ) -> anyhow::Result<Self> {
        let repositories = plan
            .targets
            .iter()
            .enumerate()
            .map(|(number, target)| {
                let files: Vec<&Planned> = plan
                    .files
                    .iter()
                    .filter(|file| file.target == number)
                    .collect();
                RepositoryReport {
                    repository: target.repository.to_string(),
                    revision: target.revision.to_string(),
                    commit: target.commit.to_string(),
                    files: files.len() as u64,
                    bytes: files.iter().map(|file| file.job.file.size).sum(),
                    missing_bytes: files
                        .iter()
                        .map(|file| file.job.file.size - file.there)
                        .sum(),
                    listed: files.iter().map(|file| FileReport::new(file)).collect(),
                }
            })
            .collect();
        Ok(Self {
            dry_run: false,
            repositories,
            files: plan.files.len() as u64,
            bytes: plan.bytes(),
            network_files: 0,
            network_bytes: 0,
            archives: Vec::new(),
            written: Vec::new(),
            problems: plan.problems.clone(),
            notes: plan.notes.clone(),
            disks: disks(plan, hub, copy, globals)?,
            lock: None,
            next: Vec::new(),
            failures: 0,
        })
    }

    /// Refuses to begin what would fill a disk.
    pub(super) fn require_room(&self, hub: &Hub) -> Result<(), HubError> {
        for disk in &self.disks {
            space::require(&disk.folder, disk.needed, hub.settings().keep_free)?;
        }
        Ok(())
    }

    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn written(&mut self, file: &str) {
        self.written.push(file.to_owned());
    }

    pub(super) fn came(&mut self, _file: &Planned, found: &Fetched) {
        if let Some(bytes) = from_network(found) {
            self.network_files += 1;
            self.network_bytes += bytes;
        }
    }

    pub(super) fn failed(&mut self, file: &Planned, error: &HubError) {
        self.failures += 1;
        if !is_consequence(error) {
            let text = error.to_string();
            let path = name::shown(&file.job.file.path);
            let line = if text.contains(&path) {
                text
            } else {
                format!("{path}: {text}")
            };
            if !self.problems.contains(&line) {
                self.problems.push(line);
            }
        }
    }

    pub(super) fn unpacked(&mut self, archive: &PlannedArchive, unpacked: Unpacked) {
        self.archives
            .push(ArchiveReport::new(archive, Some(unpacked)));
    }

    /// Ends a dry run.
    pub(super) fn finish_dry(&mut self, plan: &Plan) {
        self.dry_run = true;
        self.network_files = plan
            .files
            .iter()
            .filter(|file| file.there < file.job.file.size)
            .count() as u64;
        self.network_bytes = plan.missing();
        self.archives = plan
            .archives
            .iter()
            .map(|archive| ArchiveReport::new(archive, None))
            .collect();
        let lacking: Vec<&Disk> = self.disks.iter().filter(|disk| !disk.fits()).collect();
        for disk in &lacking {
            self.problems.push(format!(
                "{}: {} needed, {} free, of which {} stay free (--keep-free): it would not be begun",
                disk.folder.display(),
                human_bytes(disk.needed),
                human_bytes(disk.free),
                human_bytes(disk.keep_free)
            ));
        }
        if lacking.is_empty() {
            self.next.push("the same without --dry-run".to_owned());
        }
    }

    /// Ends a run.
    pub(super) fn finish(&mut self, plan: &Plan, lock: &Lock) {
        self.lock = Some(lock.sha256());
        if self.failures > 0 {
            self.next.push(
                "the same command, when the problems are settled: it goes on where this one stopped"
                    .to_owned(),
            );
            return;
        }
        for stage in &self.written {
            self.next.push(format!("stdata media ROOT/{stage}"));
        }
        for target in &plan.targets {
            match &target.role {
                Role::Model => {
                    let name = target.repository.name();
                    self.next
                        .push(format!("steval ask --model ROOT/models/{name}"));
                }
                Role::Benchmark(_) => {
                    self.next.push(
                        "steval predict --model MODEL --benchmark recipes/eval/st_align.yaml"
                            .to_owned(),
                    );
                }
                Role::Plain(_) => self.next.push("stdata verify".to_owned()),
                Role::Stage(_) => {}
            }
        }
        self.next.dedup();
    }

    /// Prints it. Failed files make the command fail; other problems need a look.
    pub(super) fn emit(&mut self, globals: &Globals) -> anyhow::Result<ExitStatus> {
        let root = globals.root.display().to_string();
        for next in &mut self.next {
            *next = next.replace("ROOT", &root);
        }
        globals.emit(self, self.text())?;
        anyhow::ensure!(
            self.failures == 0,
            "{} of {} could not be fetched",
            self.failures,
            files(self.files)
        );
        Ok(if self.problems.is_empty() {
            ExitStatus::Done
        } else {
            ExitStatus::NeedsALook
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for found in &self.repositories {
            let _ = writeln!(
                text,
                "{} @ {}: {}, {}, {} of it in the cache before",
                found.repository,
                &found.commit[..12],
                files(found.files),
                human_bytes(found.bytes),
                human_bytes(found.bytes - found.missing_bytes)
            );
            if self.dry_run {
                for file in &found.listed {
                    let _ = writeln!(text, "  {:>10}  {}", human_bytes(file.size), file.shown());
                }
            }
        }
        let (word, verb) = if self.dry_run {
            ("would fetch", "would unpack")
        } else {
            ("fetched", "unpacked")
        };
        let _ = if self.network_files == 0 && self.failures == 0 {
            writeln!(text, "all is in the cache: nothing from the network")
        } else {
            writeln!(
                text,
                "{word} {}, {} from the network",
                files(self.network_files),
                human_bytes(self.network_bytes)
            )
        };
        for archive in &self.archives {
            let _ = writeln!(text, "{verb} {}", archive.shown());
        }
        if self.dry_run {
            for disk in &self.disks {
                let _ = writeln!(
                    text,
                    "{}: {} needed, {} free",
                    disk.folder.display(),
                    human_bytes(disk.needed),
                    human_bytes(disk.free)
                );
            }
        }
        for file in &self.written {
            let _ = writeln!(text, "wrote {file}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for problem in self.problems.iter().take(TOLD) {
            let _ = writeln!(text, "problem: {problem}");
        }
        if self.problems.len() > TOLD {
            let _ = writeln!(
                text,
                "problem: and {} more; --json tells all",
                self.problems.len() - TOLD
            );
        }
        for next in &self.next {
            let _ = writeln!(text, "next: {next}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl FileReport {
    fn new(file: &Planned) -> Self {
        Self {
            path: file.job.file.path.clone(),
            size: file.job.file.size,
            there: file.there,
            placed: file.placed.clone(),
        }
    }

    fn shown(&self) -> String {
        let path = name::shown(&self.path);
        match (&self.placed, self.there) {
            (_, there) if there == self.size => format!("{path} (in the cache)"),
            (Some(placed), _) => format!("{path} -> {placed}"),
            (None, _) => path,
        }
    }
}

impl ArchiveReport {
    fn new(archive: &PlannedArchive, unpacked: Option<Unpacked>) -> Self {
        Self {
            path: archive.set.parts[0].clone(),
            parts: archive.set.parts.len(),
            folder: archive.folder.clone(),
            unpacked,
        }
    }

    fn shown(&self) -> String {
        let mut text = name::shown(&self.path);
        if self.parts > 1 {
            let _ = write!(text, " ({} parts)", self.parts);
        }
        let _ = write!(text, " -> {}", self.folder);
        if let Some(unpacked) = &self.unpacked {
            let _ = write!(
                text,
                ": {}, {}",
                files(unpacked.files),
                human_bytes(unpacked.bytes)
            );
            if unpacked.there > 0 {
                let _ = write!(text, ", {} there before", unpacked.there);
            }
        }
        text
    }
}

fn files(count: u64) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

/// What is needed where: the cache takes what comes, the data root what is unpacked or copied.
fn disks(plan: &Plan, hub: &Hub, copy: bool, globals: &Globals) -> anyhow::Result<Vec<Disk>> {
    let cache = hub.cache().root();
    let fetched = plan.missing();
    let copied = if copy { plan.copied(&globals.root) } else { 0 };
    let rooted = plan.unpacked(&globals.root) + copied;
    let disk = |folder: &std::path::Path, needed| -> Result<Disk, HubError> {
        Ok(Disk {
            folder: folder.to_owned(),
            needed,
            free: space::free(folder)?,
            keep_free: hub.settings().keep_free,
        })
    };
    if space::same_disk(cache, &globals.root) {
        return Ok(vec![disk(cache, fetched + rooted)?]);
    }
    Ok(vec![disk(cache, fetched)?, disk(&globals.root, rooted)?])
}
