//! `stdata media`: which media files are there, and linking those that lie elsewhere.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use st_data::dataset::{Input, find_dataset_files, inputs};
use st_data::inventory::link::{self, Made, Mode, Plan, Pool};
use st_data::inventory::{Inventory, Survey, missing, survey, table};
use st_data::read::Options;
use st_data::registry;

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;
use crate::whole_file::write_whole;

/// Flags of `stdata media`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "For each source: the files that its records name, how many are there, and where the rest can be had.\n\n\
                  Example:\n  stdata media\n  stdata media data/annotations/stage3_data.yaml --json\n  \
                  stdata media link vidor ~/VidOR --yes\n  stdata media missing --format urls > urls.txt"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<MediaCommand>,
    #[command(flatten)]
    dataset: DatasetArgs,
}

#[derive(Debug, clap::Subcommand)]
enum MediaCommand {
    /// Find missing files in a folder laid out otherwise, and link them in
    Link(LinkArgs),
    /// List what is missing, in forms that downloaders take
    Missing(MissingArgs),
}

/// Which datasets.
#[derive(Debug, clap::Args)]
struct DatasetArgs {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
    /// Folder that media paths start from, for annotation files that no dataset YAML lists
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Flags of `stdata media link`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files are found by their whole path, by their name, by their name with another ending, and by the\n\
                  identifier in their name (v_ID, ID_start_end, COCO_train2014_ID). What fits several files, and what may be\n\
                  another cut, is listed and not linked. Files that are there are never touched.\n\n\
                  Example:\n  stdata media link vidor ~/VidOR            # shows what it would do\n  \
                  stdata media link vidor ~/VidOR --yes      # does it"
)]
struct LinkArgs {
    /// Source as the dataset calls it, a media collection such as `vidor`, or `all`
    source: String,
    /// Folder that has the files, laid out anyhow
    from: PathBuf,
    #[command(flatten)]
    dataset: DatasetArgs,
    /// How a file gets to its place
    #[arg(long, value_enum, default_value_t = ModeArg::Symlink)]
    mode: ModeArg,
    /// Do it; without this flag the plan is shown and nothing is changed
    #[arg(long)]
    yes: bool,
    /// Files shown of each kind
    #[arg(long, default_value_t = 5, value_name = "N")]
    examples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeArg {
    /// No space; breaks when the file moves
    Symlink,
    /// A second name of the file; no space, one file system
    Hardlink,
    /// A copy that shares its blocks; Btrfs and XFS
    Reflink,
    /// A copy
    Copy,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Symlink => Self::Symlink,
            ModeArg::Hardlink => Self::Hardlink,
            ModeArg::Reflink => Self::Reflink,
            ModeArg::Copy => Self::Copy,
        }
    }
}

/// Flags of `stdata media missing`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "ids and urls have each line once, in order. A file whose name tells no address is left out of urls, and counted.\n\n\
                        Example:\n  stdata media missing --source kinetics --format urls | yt-dlp --batch-file -"
)]
struct MissingArgs {
    #[command(flatten)]
    dataset: DatasetArgs,
    /// Form of the list
    #[arg(long, value_enum)]
    format: FormatArg,
    /// Only this source, as the dataset calls it, or this media collection
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    /// One identifier a line
    Ids,
    /// One address a line
    Urls,
    /// source, folder, path, state, id, url
    Csv,
}

impl From<FormatArg> for missing::Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Ids => Self::Ids,
            FormatArg::Urls => Self::Urls,
            FormatArg::Csv => Self::Csv,
        }
    }
}

/// What `stdata media link --json` prints.
#[derive(Debug, Serialize)]
struct LinkOutput<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    mode: Mode,
    /// What was made; absent without `--yes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<&'a Made>,
}

pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    match &args.command {
        None => take_inventory(&args.dataset, globals),
        Some(MediaCommand::Link(args)) => link(args, globals),
        Some(MediaCommand::Missing(args)) => list_missing(args, globals),
    }
}

/// Reads the annotation files and looks up what they name.
fn look(args: &DatasetArgs, globals: &Globals) -> anyhow::Result<Survey> {
    let paths = if args.inputs.is_empty() {
        find_dataset_files(&globals.root)?
    } else {
        args.inputs.clone()
    };
    let mut inputs: Vec<Input> = inputs(&paths)?;
    for input in &mut inputs {
        input.media = input.media.take().or_else(|| args.folder.clone());
    }
    let options = Options {
        jobs: globals.jobs,
        ..Options::default()
    };
    let mut files: Vec<&Path> = inputs
        .iter()
        .map(|input| input.annotations.as_path())
        .collect();
    files.sort_unstable();
    files.dedup();
    let bytes = files
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum();
    let progress = Progress::start(globals, "bytes", bytes);
    let survey = survey(&inputs, &options, |bytes| progress.add(bytes))?;
    progress.finish();
    Ok(survey)
}

fn take_inventory(args: &DatasetArgs, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let inventory = Inventory::of(&look(args, globals)?, registry::builtin());
    globals.emit(&inventory, table(&inventory))?;
    if inventory.total.missing + inventory.total.empty > 0 {
        globals.say("next: stdata media link SOURCE FROM for files that you have elsewhere, stdata media missing for lists");
    }
    Ok(status(inventory.complete()))
}

fn status(complete: bool) -> ExitStatus {
    if complete {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsALook
    }
}

fn link(args: &LinkArgs, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let mode = Mode::from(args.mode);
    let pool = Pool::read(&args.from)?;
    let survey = look(&args.dataset, globals)?;
    let registry = registry::builtin();
    let sources = link::sources_called(&survey, registry, &args.source)?;
    let plan = link::plan(&survey, registry, &sources, &pool);
    let done = if args.yes {
        let folders: Vec<&Path> = survey
            .folders
            .iter()
            .map(|folder| folder.path.as_path())
            .collect();
        let progress = Progress::start(globals, mode.plural(), plan.links.len() as u64);
        let done = plan.carry_out(mode, &folders, || progress.add(1))?;
        progress.finish();
        Some(done)
    } else {
        None
    };
    let output = LinkOutput {
        plan: &plan,
        mode,
        made: done.as_ref(),
    };
    let text = link::describe(&plan, mode, done.as_ref(), args.examples);
    globals.emit(&output, text)?;
    if done.is_none() && !plan.links.is_empty() {
        globals.say("nothing was changed; run again with --yes to do it");
    }
    Ok(status(
        plan.complete() && done.is_none_or(|done| done.failed.is_empty()),
    ))
}

fn list_missing(args: &MissingArgs, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let survey = look(&args.dataset, globals)?;
    let registry = registry::builtin();
    let names: Option<Vec<&str>> = match &args.source {
        None => None,
        Some(name) => {
            let called = link::sources_called(&survey, registry, name)?;
            Some(
                called
                    .iter()
                    .map(|&number| survey.sources[number as usize].name.as_str())
                    .collect(),
            )
        }
    };
    let wanted = |name: &str| names.as_ref().is_none_or(|names| names.contains(&name));
    let files = missing::missing(&survey, registry, wanted);
    let mut list = Vec::new();
    let left_out = missing::write(&files, args.format.into(), &mut list)?;
    match &args.out {
        Some(path) => write_whole(path, &list)?,
        None if !globals.json => std::io::stdout().lock().write_all(&list)?,
        None => {}
    }
    if globals.json {
        globals.emit(
            &serde_json::json!({ "files": files, "left_out": left_out }),
            "",
        )?;
    }
    let lines = list.split(|byte| *byte == b'\n').count() - 1;
    globals.say(format!(
        "{} files are missing or empty; {lines} lines",
        files.len()
    ));
    if left_out > 0 {
        globals.say(format!(
            "{left_out} are left out: their names tell no address; --format csv has them all"
        ));
    }
    Ok(status(left_out == 0))
}
