//! `stdata normalize`: raw annotations of a source to records.

mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use st_data::read::Options;
use st_data::registry::{self, Share};
use st_data::source::{
    self, ALL, Account, Info, Inputs, Phrases, RecordFiles, Settings, Source, SourceError, Splits,
    Target, normalize,
};
use st_schema::{FramePlan, Task};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::marks::marks;
use crate::progress::Progress;
use told::{Told, list, report};

/// Flags of `stdata normalize`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every item becomes records or is refused with a reason; the counts are asserted to add up. Refused ones go to\n\
                  ROOT/rejects/normalize-SOURCE.jsonl. A source that --all cannot read is told in the table, and the others\n\
                  go on. docs/adding-a-source.md tells how to add a source.\n\n\
                  Example:\n  stdata normalize --source charades_sta raw/charades_sta --out data/annotations/charades.json\n  \
                  stdata normalize --all raw --out data/annotations\n  stdata normalize --explain didemo"
)]
pub(crate) struct Args {
    /// Raw files or folders; FORM:PATH names a file's form where its name does not tell
    #[arg(requires = "source")]
    inputs: Vec<PathBuf>,
    /// The source that the files are of; see --list
    #[arg(long, value_name = "NAME", requires = "out")]
    source: Option<String>,
    /// Where records go: a JSON array, or JSON lines for a name in .jsonl. With --all a folder, with a file for each source
    /// and task, and stage1.yaml to stage3.yaml
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Names every source
    #[arg(long, conflicts_with_all = ["source", "explain", "all"])]
    list: bool,
    /// Tells a source's format, units, licence and where to get it, with an example
    #[arg(long, value_name = "NAME", conflicts_with_all = ["source", "all"])]
    explain: Option<String>,
    /// Normalizes every source that has a folder of its name in DIR
    #[arg(long, value_name = "DIR", conflicts_with = "source", requires = "out")]
    all: Option<PathBuf>,
    /// Counts that the stage files of --all draw [default: those of the paper's table]
    #[arg(long, value_name = "FILE", requires = "all")]
    composition: Option<PathBuf>,
    /// Draw this share of those counts
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share, requires = "all")]
    scale: f64,
    /// Lengths of media files: a CSV file with the columns id and seconds
    #[arg(long, value_name = "FILE")]
    durations: Vec<PathBuf>,
    /// Media files, whose lengths are looked up where the annotations need and lack them; with --all, a folder for each source
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// Wordings of the tasks [default: the shipped recipes/data/templates.yaml]
    #[arg(long, value_name = "FILE")]
    templates: Option<PathBuf>,
    /// Only these tasks
    #[arg(long, value_name = "TASK,…", value_delimiter = ',')]
    tasks: Vec<Task>,
    /// Only these splits, as far as a source has them (train, val, test, testA, testB), or `all`
    #[arg(
        long = "split",
        value_name = "SPLIT,…",
        value_delimiter = ',',
        default_value = "train"
    )]
    splits: Vec<String>,
    /// Only this share of the records, chosen by a hash of their names
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    share: f64,
    /// Frames of the plan that tubes have boxes for
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// Marks of `stdata browse`, honoured [default: ROOT/review.jsonl where it exists]
    #[arg(long, value_name = "FILE")]
    review: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

/// Lists, explains or normalizes.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    if args.list {
        return list(globals);
    }
    if let Some(name) = &args.explain {
        let explained = source::explain(source::find(name)?)?;
        globals.emit(&explained, source::explanation(&explained))?;
        return Ok(ExitStatus::Done);
    }
    let mut settings = settings(args, globals)?;
    let Some(out) = &args.out else {
        bail!("say where the records go: --out FILE");
    };
    let (accounts, composition) = match (&args.source, &args.all) {
        (Some(name), _) => {
            let found = source::find(name)?;
            if args.inputs.is_empty() {
                bail!(
                    "name the raw files or folders of {name}: {}",
                    source::patterns(found.info())
                );
            }
            let inputs = Inputs::resolve(found.info(), &args.inputs)?;
            if let Some(media) = &args.media {
                settings.durations.probe_in(media);
            }
            let target = Target::File(out.clone());
            (
                vec![one(found, &inputs, &settings, target, globals)?],
                Vec::new(),
            )
        }
        (None, Some(folder)) => {
            let shares = shares(args)?;
            let accounts = every(folder, &settings, args.media.as_deref(), out, globals)?;
            let rows = source::compose(&shares, &accounts, args.scale);
            source::write_stages(out, &rows)?;
            (accounts, rows)
        }
        (None, None) => bail!("name a source (--source NAME), or a folder of sources (--all DIR)"),
    };
    let told = Told {
        sources: &accounts,
        composition: &composition,
    };
    globals.emit(&told, report(&accounts, &composition))?;
    Ok(if accounts.iter().any(Account::needs_a_look) {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

/// The counts that stage files draw.
fn shares(args: &Args) -> anyhow::Result<Vec<Share>> {
    let Some(path) = &args.composition else {
        return Ok(registry::builtin().composition.clone());
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(source::read_composition(
        &text,
        &path.display().to_string(),
    )?)
}

fn settings(args: &Args, globals: &Globals) -> anyhow::Result<Settings> {
    let mut settings = Settings::shipped()?;
    settings.options = Options {
        jobs: globals.jobs,
        ..Options::default()
    };
    if let Some(path) = &args.templates {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        settings.phrases = Phrases::parse(&text, &path.display().to_string())?;
    }
    for path in &args.durations {
        settings.durations.read(path)?;
    }
    settings.plan = FramePlan {
        frames: args.frames as usize,
    };
    settings.splits = if args.splits.iter().any(|split| split == "all") {
        Splits::All
    } else {
        Splits::Only(args.splits.clone())
    };
    settings.share = args.share;
    settings.tasks = (!args.tasks.is_empty()).then(|| args.tasks.clone());
    settings.review = Some(Arc::new(marks(args.review.as_deref(), globals)?));
    Ok(settings)
}

/// Every source with a folder of its name. One that cannot be read is told in its account, and the others go on.
fn every(
    folder: &Path,
    settings: &Settings,
    media: Option<&Path>,
    out: &Path,
    globals: &Globals,
) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for &found in ALL {
        let info = found.info();
        let own = folder.join(info.name);
        if !own.is_dir() {
            continue;
        }
        let mut settings = settings.clone();
        if let Some(media) = media {
            settings.durations.probe_in(&media.join(info.name));
        }
        let target = Target::ByTask {
            folder: out.to_owned(),
            source: info.name,
        };
        let read = Inputs::resolve_beside(info, &[own], &tables(info, folder))
            .and_then(|inputs| one(found, &inputs, &settings, target, globals));
        match read {
            Ok(account) => accounts.push(account),
            Err(SourceError::NoFiles { path, .. }) if lends_tables(info) => {
                globals.say(format!("{}: nothing to normalize", path.display()));
            }
            Err(error) if error.is_of_one_source() => {
                accounts.push(Account::stopped(info, remedy(error, info, folder)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if accounts.is_empty() {
        bail!(
            "{} holds no folder named as a source; `stdata normalize --list` names them",
            folder.display()
        );
    }
    Ok(accounts)
}

/// The folders of other sources that hold tables for this one.
fn tables(info: &Info, folder: &Path) -> Vec<PathBuf> {
    let tables = info.with.iter().map(|name| folder.join(name));
    tables.filter(|path| path.is_dir()).collect()
}

/// Whether a folder of this source may hold nothing but tables for another one.
fn lends_tables(info: &Info) -> bool {
    ALL.iter()
        .any(|other| other.info().with.contains(&info.name))
}

/// Why a source of `--all` was not read, and what to do, on one line.
fn remedy(error: SourceError, info: &Info, folder: &Path) -> String {
    match error {
        SourceError::NoSide { side, pattern, .. } => {
            let names = std::iter::once(info.name).chain(info.with.iter().copied());
            let places: Vec<String> = names
                .map(|name| folder.join(name).display().to_string())
                .collect();
            format!(
                "the table {side} ({pattern}) is missing: put it into {}, then run again",
                places.join(" or ")
            )
        }
        error => format!("{:#}", anyhow::Error::from(error)),
    }
}

/// One source.
fn one(
    found: &'static dyn Source,
    inputs: &Inputs,
    settings: &Settings,
    target: Target,
    globals: &Globals,
) -> Result<Account, SourceError> {
    let name = found.info().name;
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let total = inputs.main.iter().map(|file| size(&file.path)).sum();
    let progress = Progress::start(globals, "bytes", total);
    let rejects = globals
        .root
        .join("rejects")
        .join(format!("normalize-{name}.jsonl"));
    let mut files = RecordFiles::create(target, rejects)?;
    let mut account = normalize(found, inputs, settings, &mut files, |bytes| {
        progress.add(bytes);
    })?;
    progress.finish();
    account.unused.clone_from(&inputs.unused);
    files.finish()?;
    Ok(account)
}
