//! `stdata fetch`: files of hub repositories, verified, locked, in their places.

mod bars;
mod plan;
mod report;
mod sizes;
mod stage;
mod target;
mod transfer;
mod unpacking;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use st_hub::{Hub, Lock, Revision, Settings};

use crate::environment;
use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use plan::Plan;
use report::Report;

/// Flags of `stdata fetch`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Environment: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE, \
                        as for Python's huggingface_hub.\n\n\
                        Examples:\n  stdata fetch --stage 3 --dry-run\n  \
                        stdata fetch --model appletea2333/LLaVA-ST-Qwen2-7B\n  \
                        stdata fetch --repo shangxd/vidor --include '*.zip' --into media/vidor --limit-rate 20MB"
)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Branch, tag or commit [default: what stdata.lock holds, else main]
    #[arg(long, value_name = "REVISION")]
    revision: Option<Revision>,
    /// Only files that match (`*` crosses folders, `folder/` is all of it); may be given often
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Not the files that match; may be given often
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// The stage file to go by: a path in the repository, or on this disk
    #[arg(long, value_name = "FILE", requires = "stage")]
    stage_file: Option<String>,
    /// Folder below the data root for the files of --repo and --source
    #[arg(long, value_name = "FOLDER")]
    into: Option<String>,
    /// Say what would be done, with sizes and free disk; only the stage file is fetched
    #[arg(long)]
    dry_run: bool,
    /// Use the cache only [also: `HF_HUB_OFFLINE=1`]
    #[arg(long)]
    offline: bool,
    /// Fetch exactly what stdata.lock records; fail where anything differs
    #[arg(long, conflicts_with_all = ["update", "revision"])]
    locked: bool,
    /// Take what the revision is now, where stdata.lock holds an older commit
    #[arg(long)]
    update: bool,
    /// Read and check files in the cache again that stdata.lock vouches for
    #[arg(long)]
    check: bool,
    /// Leave archives packed
    #[arg(long)]
    no_unpack: bool,
    /// Put copies into the data root, not links to the cache
    #[arg(long)]
    copy: bool,
    #[command(flatten)]
    network: Network,
}

/// What to fetch.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct What {
    /// A training stage of ST-Align (1, 2, 3) or its benchmarks; may be given often
    #[arg(long, value_name = "1|2|3|bench")]
    stage: Vec<target::Stage>,
    /// A repository: OWNER/NAME of a dataset, datasets/OWNER/NAME or models/OWNER/NAME
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Vec<String>,
    /// A model's folder: OWNER/NAME, or one of llava-onevision, siglip, llava-st
    #[arg(long, value_name = "OWNER/NAME")]
    model: Vec<String>,
    /// With --stage: only this source's files. Alone: the source's own repository
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
}

/// How the network is used.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
struct Network {
    /// Files fetched at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    connections: NonZeroUsize,
    /// Bytes per second over all connections, such as 20MB
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse)]
    limit_rate: Option<u64>,
    /// Attempts in a row without a byte gained before a file is given up
    #[arg(long, value_name = "N", default_value = "6")]
    retries: u32,
    /// The first pause after a failure; later ones double
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = sizes::seconds)]
    retry_pause: Duration,
    /// A connection that brings nothing for so long is taken up anew
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = sizes::seconds)]
    timeout: Duration,
    /// Room that stays free on the disk
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = sizes::parse)]
    keep_free: u64,
}

/// Plans, asks the disk, fetches, places, unpacks, records, reports.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let hub = Hub::new(settings(args)?)?;
    let mut lock = Lock::read(&globals.root)?;
    let _alone = if args.dry_run {
        None
    } else {
        Some(alone(&globals.root)?)
    };
    let targets = target::targets(args, &lock)?;
    let plan = Plan::make(&targets, args, &hub, &lock, globals)?;
    let mut report = Report::new(&plan, &hub, args.copy, globals)?;
    if args.locked {
        plan.require_locked(&lock)?;
    }
    if args.dry_run {
        report.finish_dry(&plan);
        return report.emit(globals);
    }
    report.require_room(&hub)?;
    for target in &plan.targets {
        hub.cache()
            .remember(&target.repository, &target.revision, &target.commit)?;
        if !args.locked {
            lock.hold(target.held());
        }
    }
    let fetched = transfer::fetch(&plan, &hub, args, &mut lock, globals, &mut report)?;
    transfer::place(&plan, &fetched, args, &mut lock, globals, &mut report);
    unpacking::unpack(&plan, &fetched, &hub, args, &mut lock, globals, &mut report)?;
    stage::write_local(&plan, globals, &mut report)?;
    if !args.locked {
        lock.write(&globals.root)?;
    }
    report.finish(&plan, &lock);
    report.emit(globals)
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let mut settings = environment::hub_settings()?;
    let network = &args.network;
    settings.offline |= args.offline;
    settings.bandwidth = network.limit_rate;
    settings.attempts = network.retries.max(1);
    settings.pause = network.retry_pause;
    settings.stall = network.timeout;
    settings.keep_free = network.keep_free;
    Ok(settings)
}

/// One fetch at a time works in a data root: two would each write their own lock file.
fn alone(root: &std::path::Path) -> anyhow::Result<std::fs::File> {
    let folder: PathBuf = root.join(".stdata");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join("fetch");
    let file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    ensure!(
        !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)),
        "another stdata fetch is at work in {}: wait for it",
        root.display()
    );
    Ok(file)
}
