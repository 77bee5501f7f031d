//! What the flags name: repositories, and what each one's files are for.

use std::str::FromStr;

use anyhow::{Context, anyhow, bail, ensure};
use st_data::registry::{self, Place};
use st_hub::selection::Patterns;
use st_hub::{Lock, Repository, RepositoryKind, Revision, Settings, name};

use super::Args;

/// The stages' records.
const ST_ALIGN: &str = "appletea2333/ST-Align-Dataset";
/// The benchmarks' records and videos.
const ST_ALIGN_BENCHMARK: &str = "appletea2333/ST-Align-Benchmark";
/// Short names of the models that the recipes start from.
const MODELS: [(&str, &str); 3] = [
    ("llava-onevision", "lmms-lab/llava-onevision-qwen2-7b-ov"),
    ("siglip", "google/siglip-so400m-patch14-384"),
    ("llava-st", "appletea2333/LLaVA-ST-Qwen2-7B"),
];

/// `--stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// 1, 2 or 3.
    Train(u8),
    /// The benchmarks.
    Bench,
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self::Train(1)),
            "2" => Ok(Self::Train(2)),
            "3" => Ok(Self::Train(3)),
            "bench" => Ok(Self::Bench),
            _ => Err("write 1, 2, 3 or bench".to_owned()),
        }
    }
}

/// What a repository's files are for, which says where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Records of a training stage.
    Stage(u8),
    /// A benchmark: its name.
    Benchmark(&'static str),
    /// A model's folder.
    Model,
    /// Anything else, with its folder below the data root.
    Plain(String),
}

/// A repository to fetch from.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) repository: Repository,
    pub(super) role: Role,
    /// As typed, or as the lock holds it.
    pub(super) revision: Revision,
    pub(super) patterns: Patterns,
    /// With a stage: only these sources.
    pub(super) sources: Vec<String>,
}

/// All that the flags name.
pub(super) fn targets(args: &Args, lock: &Lock) -> anyhow::Result<Vec<Target>> {
    let mut named = Vec::new();
    for stage in &args.what.stage {
        let (id, role) = match stage {
            Stage::Train(number) => (ST_ALIGN, Role::Stage(*number)),
            Stage::Bench => (ST_ALIGN_BENCHMARK, Role::Benchmark("st-align")),
        };
        named.push((Repository::new(RepositoryKind::Dataset, id)?, role));
    }
    for text in &args.what.model {
        let id = MODELS
            .iter()
            .find(|(short, _)| short == text)
            .map_or(text.as_str(), |(_, id)| id);
        named.push((Repository::new(RepositoryKind::Model, id)?, Role::Model));
    }
    for text in &args.what.repo {
        let repository = repository(text)?;
        let role = match repository.kind() {
            RepositoryKind::Model if args.into.is_none() => Role::Model,
            _ => plain(args, repository.name())?,
        };
        named.push((repository, role));
    }
    if args.what.stage.is_empty() {
        for source in &args.what.source {
            named.push((source_repository(source)?, plain(args, source)?));
        }
    }
    let patterns = Patterns::new(&args.include, &args.exclude)?;
    let revision = |repository: &Repository| {
        let held = lock
            .repository(repository)
            .map(|held| held.revision.clone());
        args.revision.clone().or(held).unwrap_or_default()
    };
    Ok(named
        .into_iter()
        .map(|(repository, role)| Target {
            revision: revision(&repository),
            repository,
            role,
            patterns: patterns.clone(),
            sources: args.what.source.clone(),
        })
        .collect())
}

/// `OWNER/NAME` is a dataset; the kind may stand before it, and so may the hub's address.
fn repository(text: &str) -> anyhow::Result<Repository> {
    let text = text
        .strip_prefix(Settings::ENDPOINT)
        .map_or(text, |rest| rest.trim_matches('/'));
    if text.starts_with("datasets/") || text.starts_with("models/") {
        return Ok(text.parse()?);
    }
    Ok(Repository::new(RepositoryKind::Dataset, text)?)
}

fn plain(args: &Args, fallback: &str) -> anyhow::Result<Role> {
    let folder = args.into.clone().map_or_else(
        || format!("raw/{fallback}"),
        |into| into.trim_end_matches('/').to_owned(),
    );
    name::check(&folder).map_err(|fault| {
        anyhow!(
            "--into {}: {fault}; name a folder below the data root",
            name::shown(&folder)
        )
    })?;
    ensure!(
        !folder.starts_with(".stdata"),
        "--into {folder}: that folder is the program's own"
    );
    Ok(Role::Plain(folder))
}

/// The repository that holds a source's annotations.
fn source_repository(source: &str) -> anyhow::Result<Repository> {
    let registry = registry::builtin();
    let known = registry.recognize(source).with_context(|| {
        format!(
            "no source is called {}; `stdata media` lists them",
            name::shown(source)
        )
    })?;
    let hub = known
        .annotations
        .get
        .iter()
        .find_map(|place| place.hub.clone());
    if let Some(hub) = hub {
        return Ok(Repository::new(RepositoryKind::Dataset, &hub)?);
    }
    let places: Vec<String> = known
        .annotations
        .get
        .iter()
        .filter_map(Place::address)
        .collect();
    bail!(
        "{} is not on the hub ({}): get it from {}",
        known.title,
        known.annotations.access,
        if places.is_empty() {
            "its authors".to_owned()
        } else {
            places.join(" or ")
        }
    )
}
