//! Which files are fetched, where they go, which archives are unpacked: decided before anything big moves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use st_hub::archive::{self, ArchiveSet};
use st_hub::{
    Commit, ContentId, Hub, HubError, Job, Listing, Lock, LockedRepository, Repository, Revision,
    name,
};

use super::Args;
use super::stage::{self, LocalStage};
use super::target::{Role, Target};
use crate::globals::Globals;

/// Everything that will be done.
pub(super) struct Plan {
    pub(super) targets: Vec<Resolved>,
    pub(super) files: Vec<Planned>,
    pub(super) archives: Vec<PlannedArchive>,
    /// Stage files to write into the data root.
    pub(super) stages: Vec<LocalStage>,
    /// What is wrong and does not stop the rest.
    pub(super) problems: Vec<String>,
    /// What is good to know.
    pub(super) notes: Vec<String>,
}

/// A target and the commit that it is.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) repository: Repository,
    pub(super) role: Role,
    pub(super) revision: Revision,
    pub(super) commit: Commit,
}

/// A file to fetch.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) job: Job,
    /// Where it goes below the data root; nowhere for archives that are unpacked.
    pub(super) placed: Option<String>,
    /// Which target wants it.
    pub(super) target: usize,
    /// Bytes that are in the cache: all of them, or what an earlier attempt left.
    pub(super) there: u64,
}

/// An archive to unpack.
#[derive(Clone, Debug)]
pub(super) struct PlannedArchive {
    pub(super) set: ArchiveSet,
    /// Its parts, as numbers of files of the plan.
    pub(super) files: Vec<usize>,
    /// The folder below the data root.
    pub(super) folder: String,
}

/// What a target wants of its repository, before it is a plan.
pub(super) struct Wanted {
    pub(super) files: Vec<(String, Option<String>)>,
    pub(super) archives: Vec<(ArchiveSet, String)>,
}

impl Resolved {
    /// The lock's line for it.
    pub(super) fn held(&self) -> LockedRepository {
        LockedRepository {
            repository: self.repository.clone(),
            revision: self.revision.clone(),
            commit: self.commit.clone(),
        }
    }
}

impl Plan {
    /// Asks the hub what there is.
    pub(super) fn make(
        targets: &[Target],
        args: &Args,
        hub: &Hub,
        lock: &Lock,
        globals: &Globals,
    ) -> anyhow::Result<Self> {
        let mut plan = Self {
            targets: Vec::new(),
            files: Vec::new(),
            archives: Vec::new(),
            stages: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        };
        let mut listed: Option<(Repository, Commit, Listing)> = None;
        for target in targets {
            let commit = commit(target, args, hub, lock)?;
            let resolved = Resolved {
                repository: target.repository.clone(),
                role: target.role.clone(),
                revision: target.revision.clone(),
                commit: commit.clone(),
            };
            let same = listed.as_ref().is_some_and(|(repository, at, _)| {
                *repository == target.repository && *at == commit
            });
            if !same {
                globals.say(format!(
                    "{} @ {}: listing",
                    target.repository,
                    commit.short()
                ));
                let listing = hub.list(&target.repository, &commit, &())?;
                plan.tell_refused(&target.repository, &listing);
                listed = Some((target.repository.clone(), commit, listing));
            }
            let Some((_, _, listing)) = &listed else {
                bail!("{} has no list of files", target.repository);
            };
            let wanted = match &target.role {
                Role::Stage(stage) => {
                    stage::wanted(*stage, target, &resolved, listing, args, hub, &mut plan)?
                }
                role => all_wanted(role, target, listing, args),
            };
            ensure!(
                !wanted.files.is_empty() || !plan.problems.is_empty(),
                "{} has no such file; see --include and --exclude",
                target.repository
            );
            plan.add(resolved, wanted, listing, args, hub, lock)?;
        }
        Ok(plan)
    }

    fn tell_refused(&mut self, repository: &Repository, listing: &Listing) {
        for (path, fault) in &listing.refused {
            self.problems.push(
                HubError::Name {
                    repository: repository.to_string(),
                    path: path.clone(),
                    fault: *fault,
                }
                .to_string(),
            );
        }
    }

    fn add(
        &mut self,
        resolved: Resolved,
        wanted: Wanted,
        listing: &Listing,
        args: &Args,
        hub: &Hub,
        lock: &Lock,
    ) -> anyhow::Result<()> {
        let number = self.targets.len();
        let first = self.files.len();
        for (path, placed) in wanted.files {
            let Some(file) = listing.files.iter().find(|file| file.path == path) else {
                continue;
            };
            if let Some(placed) = &placed {
                name::check(placed)
                    .with_context(|| format!("{}: cannot be placed", name::shown(&path)))?;
            }
            let known = lock
                .file(&resolved.repository, &path)
                .filter(|known| known.size == file.size && !args.check)
                .filter(|known| match &file.id {
                    ContentId::Sha256(digits) => *digits == known.sha256,
                    ContentId::GitBlob(_) => known.commit == resolved.commit,
                })
                .map(|known| known.sha256.clone());
            let job = Job {
                repository: resolved.repository.clone(),
                commit: resolved.commit.clone(),
                file: file.clone(),
                known,
            };
            let cached = hub.cache().find(&job.repository, &job.commit, file);
            let there = match cached {
                Some(_) => file.size,
                None => hub.cache().partial(&job.repository, file),
            };
            self.files.push(Planned {
                job,
                placed,
                target: number,
                there,
            });
        }
        for (set, folder) in wanted.archives {
            let files = set
                .parts
                .iter()
                .filter_map(|part| {
                    let at = self.files[first..]
                        .iter()
                        .position(|file| file.job.file.path == *part)?;
                    Some(first + at)
                })
                .collect();
            self.archives.push(PlannedArchive { set, files, folder });
        }
        self.targets.push(resolved);
        Ok(())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.job.file.size).sum()
    }

    /// Bytes that the network must bring. Content that several files share comes once.
    pub(super) fn missing(&self) -> u64 {
        let mut seen = BTreeSet::new();
        self.files
            .iter()
            .filter(|file| seen.insert((&file.job.repository, file.job.file.id.digits())))
            .map(|file| file.job.file.size - file.there)
            .sum()
    }

    /// Bytes that unpacking needs at least: media hardly shrink when packed.
    pub(super) fn unpacked(&self, root: &Path) -> u64 {
        let open = self
            .archives
            .iter()
            .filter(|archive| !root.join(self.list(archive)).exists());
        open.flat_map(|archive| &archive.files)
            .map(|at| self.files[*at].job.file.size)
            .sum()
    }

    /// Bytes that copies into the data root need.
    pub(super) fn copied(&self, root: &Path) -> u64 {
        let open = self.files.iter().filter(|file| {
            file.placed
                .as_ref()
                .is_some_and(|placed| !root.join(placed).exists())
        });
        open.map(|file| file.job.file.size).sum()
    }

    /// The list of an archive's unpacked files, below the data root: named by what and where.
    pub(super) fn list(&self, archive: &PlannedArchive) -> PathBuf {
        let digits = archive
            .files
            .first()
            .map_or("", |at| self.files[*at].job.file.id.digits());
        let folder = archive.folder.replace('/', "--");
        PathBuf::from(format!(
            ".stdata/unpacked/{}-{folder}.jsonl",
            &digits[..digits.len().min(16)]
        ))
    }

    /// With `--locked`: every file is recorded just so.
    pub(super) fn require_locked(&self, lock: &Lock) -> anyhow::Result<()> {
        for file in &self.files {
            let job = &file.job;
            let path = &job.file.path;
            let Some(held) = lock.file(&job.repository, path) else {
                bail!(
                    "{}/{} is not in stdata.lock: run once without --locked",
                    job.repository,
                    name::shown(path)
                );
            };
            let same_content = match &job.file.id {
                ContentId::Sha256(digits) => *digits == held.sha256,
                ContentId::GitBlob(_) => held.commit == job.commit,
            };
            ensure!(
                held.size == job.file.size && same_content,
                "{}/{} is not what stdata.lock records; run without --locked to take it as it is now",
                job.repository,
                name::shown(path)
            );
        }
        Ok(())
    }
}

/// The commit to take: what the lock holds, unless the flags say otherwise.
fn commit(target: &Target, args: &Args, hub: &Hub, lock: &Lock) -> anyhow::Result<Commit> {
    let held = lock.repository(&target.repository);
    if args.locked {
        let held = held.with_context(|| {
            format!(
                "{} is not in stdata.lock: run once without --locked",
                target.repository
            )
        })?;
        return Ok(held.commit.clone());
    }
    match held {
        Some(held) if !args.update && held.revision == target.revision => Ok(held.commit.clone()),
        _ => Ok(hub.commit(&target.repository, &target.revision, &())?),
    }
}

/// Everything that the patterns leave, for repositories that are no stage.
fn all_wanted(role: &Role, target: &Target, listing: &Listing, args: &Args) -> Wanted {
    let paths: Vec<&str> = listing
        .files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| target.patterns.take(path))
        .collect();
    let sets = if args.no_unpack || *role == Role::Model {
        Vec::new()
    } else {
        archive::sets(paths.iter().copied())
    };
    let packed: BTreeSet<&str> = sets
        .iter()
        .flat_map(|set| &set.parts)
        .map(String::as_str)
        .collect();
    let files = paths
        .iter()
        .map(|path| {
            let place = (!packed.contains(path)).then(|| place(role, target, path));
            ((*path).to_owned(), place)
        })
        .collect();
    let archives = sets
        .iter()
        .map(|set| (set.clone(), unpack_folder(role, &set.stem)))
        .collect();
    Wanted { files, archives }
}

fn place(role: &Role, target: &Target, path: &str) -> String {
    match role {
        Role::Stage(_) => format!(
            "annotations/{}",
            path.strip_prefix("annotations/").unwrap_or(path)
        ),
        Role::Benchmark(name) => {
            let is_text = [
                ".json",
                ".jsonl",
                ".md",
                ".yaml",
                ".txt",
                ".csv",
                ".gitattributes",
            ]
            .iter()
            .any(|ending| path.ends_with(ending));
            if is_text {
                format!("benchmarks/{name}/{path}")
            } else {
                format!(
                    "media/{name}/{}",
                    path.strip_prefix("sources/").unwrap_or(path)
                )
            }
        }
        Role::Model => format!("models/{}/{path}", target.repository.name()),
        Role::Plain(folder) => format!("{folder}/{path}"),
    }
}

/// Archives are unpacked where they lie in the repository, a benchmark's into its one media folder.
fn unpack_folder(role: &Role, stem: &str) -> String {
    match role {
        Role::Benchmark(name) => format!("media/{name}"),
        Role::Plain(folder) => match stem.rsplit_once('/') {
            Some((above, _)) => format!("{folder}/{above}"),
            None => folder.clone(),
        },
        Role::Stage(_) | Role::Model => "media".to_owned(),
    }
}
