//! A training stage: its stage file, the annotation files that it names, the archives of their media; and the stage file
//! that speaks of this disk.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use st_data::dataset::is_dataset_file;
use st_data::registry;
use st_hub::archive::{self, ArchiveSet};
use st_hub::layout::{media_folder, speaks_of_stage};
use st_hub::selection::{Meant, meant};
use st_hub::{Hub, Job, Listing, name, write_whole};
use st_schema::{DatasetEntry, DatasetFile, SamplingStrategy};

use super::Args;
use super::plan::{Plan, Resolved, Wanted};
use super::report::Report;
use super::target::Target;
use crate::globals::Globals;

/// A stage file is a list of some dozens of files; more is none.
const STAGE_FILE_BYTES: u64 = 1 << 20;
/// What a stage file that we wrote starts with. Only such a file is replaced.
const MARK: &str = "# Written by `stdata fetch";

/// A stage file to write into the data root.
pub(super) struct LocalStage {
    /// Its name there.
    pub(super) file: String,
    pub(super) text: String,
}

/// What a stage needs of its repository.
pub(super) fn wanted(
    stage: u8,
    target: &Target,
    resolved: &Resolved,
    listing: &Listing,
    args: &Args,
    hub: &Hub,
    plan: &mut Plan,
) -> anyhow::Result<Wanted> {
    let (dataset, origin) = match stage_file(stage, listing, args)? {
        StageFile::Local(path) => {
            let text = read_text(Path::new(&path))?;
            (text.parse().with_context(|| path.clone())?, path)
        }
        StageFile::Remote(path) => (remote(&path, resolved, listing, hub)?, path),
        StageFile::None => {
            plan.notes.push(format!(
                "{} has no stage file for stage {stage}: taking every annotation file in its folder stage{stage}",
                target.repository
            ));
            (
                from_folder(stage, listing),
                format!("the folder stage{stage}"),
            )
        }
    };
    let mut wanted = Wanted {
        files: Vec::new(),
        archives: Vec::new(),
    };
    let mut local = DatasetFile {
        datasets: Vec::new(),
        rules: dataset.rules.clone(),
    };
    let entries: Vec<&DatasetEntry> = dataset
        .datasets
        .iter()
        .filter(|entry| is_of(entry, &target.sources))
        .collect();
    ensure!(
        !entries.is_empty(),
        "{origin} names no annotation file of {}",
        target.sources.join(", ")
    );
    if listing.files.iter().any(|file| file.path == origin) {
        // Not placed: it speaks of another disk. Recorded all the same.
        wanted.files.push((origin.clone(), None));
    }
    let paths: Vec<&str> = listing
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    for entry in entries {
        match meant(&entry.json_path, paths.iter().copied()) {
            Meant::One(path) if target.patterns.take(path) => {
                let placed = format!(
                    "annotations/{}",
                    path.strip_prefix("annotations/").unwrap_or(path)
                );
                wanted.files.push((path.to_owned(), Some(placed.clone())));
                local.datasets.push(DatasetEntry {
                    json_path: placed,
                    data_folder: media_folder(&entry.data_folder, &source_name(entry)),
                    ..entry.clone()
                });
            }
            Meant::One(_) => {}
            Meant::None => plan.problems.push(format!(
                "{origin} names {}, which {} does not have",
                name::shown(&entry.json_path),
                if hub.settings().offline {
                    "the cache"
                } else {
                    "the repository"
                }
            )),
            Meant::Several(fits) => plan.problems.push(format!(
                "{origin} names {}, which may be any of {}",
                name::shown(&entry.json_path),
                fits.join(", ")
            )),
        }
    }
    wanted.files.sort();
    wanted.files.dedup();
    let source = format!("{}/{} @ {}", resolved.repository, origin, resolved.commit);
    if !local.datasets.is_empty() {
        plan.stages.push(LocalStage {
            file: format!("stage{stage}.yaml"),
            text: format!(
                "{MARK} --stage {stage}` from {source}\n{}",
                serde_yaml::to_string(&local)?
            ),
        });
    }
    add_archives(stage, &dataset, target, &paths, args, plan, &mut wanted);
    Ok(wanted)
}

enum StageFile {
    Remote(String),
    Local(String),
    None,
}

/// The file that `--stage-file` names, or the one of the repository that speaks of the stage.
fn stage_file(stage: u8, listing: &Listing, args: &Args) -> anyhow::Result<StageFile> {
    if let Some(named) = &args.stage_file {
        let remote = listing.files.iter().any(|file| file.path == *named);
        return match (remote, Path::new(named).is_file()) {
            (true, _) => Ok(StageFile::Remote(named.clone())),
            (false, true) => Ok(StageFile::Local(named.clone())),
            (false, false) => {
                bail!("--stage-file {named}: neither the repository nor this disk has it")
            }
        };
    }
    let mut candidates: Vec<&str> = listing
        .files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| is_dataset_file(Path::new(path)))
        .filter(|path| speaks_of_stage(path, stage))
        .collect();
    // The name itself says more than a folder above it, and what lies higher is meant for more.
    let rank = |path: &&str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        (!speaks_of_stage(file, stage), path.split('/').count())
    };
    candidates.sort_by_key(rank);
    match candidates.as_slice() {
        [] => Ok(StageFile::None),
        [one] => Ok(StageFile::Remote((*one).to_owned())),
        [first, second, ..] if rank(first) < rank(second) => {
            Ok(StageFile::Remote((*first).to_owned()))
        }
        several => bail!(
            "several files may be the stage file of stage {stage}: {}; choose with --stage-file",
            several.join(", ")
        ),
    }
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    ensure!(
        size <= STAGE_FILE_BYTES,
        "{} has {size} bytes: no stage file is that long",
        path.display()
    );
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Fetches and reads the repository's stage file.
fn remote(
    path: &str,
    resolved: &Resolved,
    listing: &Listing,
    hub: &Hub,
) -> anyhow::Result<DatasetFile> {
    let file = listing
        .files
        .iter()
        .find(|file| file.path == path)
        .with_context(|| format!("{path} is not in the repository"))?;
    let shown = format!("{}/{path}", resolved.repository);
    ensure!(
        file.size <= STAGE_FILE_BYTES,
        "{shown} has {} bytes: no stage file is that long",
        file.size
    );
    let fetched = hub.fetch(
        &Job {
            repository: resolved.repository.clone(),
            commit: resolved.commit.clone(),
            file: file.clone(),
            known: None,
        },
        &(),
    )?;
    read_text(&fetched.location)?.parse().context(shown)
}

/// A dataset of all annotation files in the stage's folder.
fn from_folder(stage: u8, listing: &Listing) -> DatasetFile {
    let datasets = listing
        .files
        .iter()
        .filter(|file| {
            let ending = Path::new(&file.path).extension();
            ending.is_some_and(|ending| ending == "json" || ending == "jsonl")
        })
        .filter(|file| {
            file.path
                .split('/')
                .rev()
                .skip(1)
                .any(|folder| speaks_of_stage(folder, stage))
        })
        .map(|file| {
            let stem = file
                .path
                .rsplit('/')
                .next()
                .and_then(|name| name.split('.').next())
                .unwrap_or_default();
            let known = registry::builtin().recognize(stem);
            let media = known.and_then(|source| source.media.clone());
            DatasetEntry {
                json_path: file.path.clone(),
                data_folder: format!("media/{}", media.as_deref().unwrap_or(stem)),
                source: known.map(|source| source.name.clone()),
                sampling_strategy: SamplingStrategy::All,
                rules: std::collections::BTreeMap::new(),
            }
        })
        .collect();
    DatasetFile {
        datasets,
        rules: std::collections::BTreeMap::new(),
    }
}

/// The source that an entry names, or whose name its file has.
fn source_name(entry: &DatasetEntry) -> String {
    let stem = entry
        .json_path
        .rsplit('/')
        .next()
        .and_then(|name| name.split('.').next());
    let named = entry.source.as_deref().or(stem).unwrap_or_default();
    named.to_owned()
}

fn is_of(entry: &DatasetEntry, sources: &[String]) -> bool {
    let registry = registry::builtin();
    let named = source_name(entry);
    let known = registry.recognize(&named).map(|source| &source.name);
    sources.is_empty()
        || sources.iter().any(|source| {
            *source == named
                || registry
                    .recognize(source)
                    .is_some_and(|source| Some(&source.name) == known)
        })
}

/// Archives of media: those in the stage's folder, and those named like a wanted source or its folder.
fn add_archives(
    stage: u8,
    dataset: &DatasetFile,
    target: &Target,
    paths: &[&str],
    args: &Args,
    plan: &mut Plan,
    wanted: &mut Wanted,
) {
    let wanted_paths = paths
        .iter()
        .copied()
        .filter(|path| target.patterns.take(path));
    let mut left = BTreeSet::new();
    for set in archive::sets(wanted_paths) {
        let Some(folder) = archive_folder(stage, dataset, target, &set) else {
            left.insert(set.stem);
            continue;
        };
        for part in &set.parts {
            let placed = args
                .no_unpack
                .then(|| format!("{folder}/{}", part.rsplit('/').next().unwrap_or(part)));
            wanted.files.push((part.clone(), placed));
        }
        if !args.no_unpack {
            wanted.archives.push((set, folder));
        }
    }
    if !left.is_empty() {
        let names: Vec<String> = left.iter().take(5).map(|stem| name::shown(stem)).collect();
        plan.notes.push(format!(
            "{} archives belong to no file of stage {stage} and stay there ({}…)",
            left.len(),
            names.join(", ")
        ));
    }
}

/// Where a stage's archive is unpacked; nothing when it does not belong to the stage.
fn archive_folder(
    stage: u8,
    dataset: &DatasetFile,
    target: &Target,
    set: &ArchiveSet,
) -> Option<String> {
    let words: Vec<&str> = set.stem.split('/').collect();
    let matching = dataset
        .datasets
        .iter()
        .filter(|entry| is_of(entry, &target.sources))
        .find(|entry| {
            let source = source_name(entry);
            let folder = entry
                .data_folder
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            words.iter().any(|word| {
                !word.is_empty()
                    && (word.eq_ignore_ascii_case(&source) || word.eq_ignore_ascii_case(folder))
            })
        });
    if let Some(entry) = matching {
        return Some(media_folder(&entry.data_folder, &source_name(entry)));
    }
    let of_stage = words.iter().any(|word| speaks_of_stage(word, stage));
    let last = words.last().copied().unwrap_or_default();
    (of_stage && target.sources.is_empty()).then(|| media_folder("", last))
}

/// Writes the stage files that speak of this disk.
pub(super) fn write_local(
    plan: &Plan,
    globals: &Globals,
    report: &mut Report,
) -> anyhow::Result<()> {
    for stage in &plan.stages {
        let path = globals.root.join(&stage.file);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if path.exists() && !found.starts_with(MARK) {
            report.problem(format!(
                "{} is not from stdata fetch and was kept: move it away to have the stage file written",
                path.display()
            ));
            continue;
        }
        if found != stage.text {
            write_whole(&path, stage.text.as_bytes())?;
        }
        report.written(&stage.file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use st_hub::{ContentId, RemoteFile};

    fn listing(paths: &[&str]) -> Listing {
        let files = paths
            .iter()
            .map(|path| RemoteFile {
                path: (*path).to_owned(),
                size: 1,
                id: ContentId::GitBlob("a".repeat(40)),
            })
            .collect();
        Listing {
            files,
            refused: Vec::new(),
        }
    }

    #[test]
    fn a_folder_without_stage_file_becomes_one() {
        let listing = listing(&[
            "stage3/vidor_svg.json",
            "stage2/x.json",
            "stage3/a.zip",
            "README.md",
        ]);
        let dataset = from_folder(3, &listing);
        assert_eq!(dataset.datasets.len(), 1);
        assert_eq!(dataset.datasets[0].json_path, "stage3/vidor_svg.json");
        assert!(dataset.datasets[0].data_folder.starts_with("media/"));
    }
}
