//! `stdata benchmark`: evaluation files from the raw files that they were once made from.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use st_data::read::Options;
use st_data::source::benchmark::{Benchmark, Choice, write};
use st_data::source::{self, Account, Inputs, table};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::whole_file::write_whole;

/// Flags of `stdata benchmark`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The files are those that the original's evaluation reads: ST-Align's stvg, svg and elc (from VidSTG and VidOR),\n\
                  MDETR's RefCOCO files (from refer and COCO), and LLaVA-ST's form of Charades-STA. docs/benchmark-files.md.\n\n\
                  Example:\n  stdata benchmark stvg raw/vidstg raw/vidor --limit 2000 --out benchmarks/st-align/stvg.json\n  \
                  stdata benchmark refcoco raw/refcoco --split testA --out benchmarks/refcoco_testA.json"
)]
pub(crate) struct Args {
    /// The evaluation file
    #[arg(value_enum)]
    name: Name,
    /// Raw files or folders: annotations and the tables beside them
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Where the file goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The split, or `all` [default: test for charades-sta, val for the others]
    #[arg(long)]
    split: Option<String>,
    /// Only declarative sentences, no questions (stvg and svg)
    #[arg(long)]
    declarative: bool,
    /// Only the first N sentences; the original's evaluation takes 2000 of stvg, svg and elc
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// ST-Align: when and where
    Stvg,
    /// ST-Align: where, the time being given
    Svg,
    /// ST-Align: until when, what and where, the start and a box being given
    Elc,
    /// RefCOCO
    Refcoco,
    /// RefCOCO+
    RefcocoPlus,
    /// The third of refer's sets
    #[value(help = "RefCOCOg")]
    Refcocog,
    /// Charades-STA
    CharadesSta,
}

impl From<Name> for Benchmark {
    fn from(name: Name) -> Self {
        match name {
            Name::Stvg => Self::Stvg,
            Name::Svg => Self::Svg,
            Name::Elc => Self::Elc,
            Name::Refcoco => Self::Refcoco,
            Name::RefcocoPlus => Self::RefcocoPlus,
            Name::Refcocog => Self::Refcocog,
            Name::CharadesSta => Self::CharadesSta,
        }
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output<'a> {
    out: &'a Path,
    #[serde(flatten)]
    account: &'a Account,
}

/// Reads, writes the file, and says what became of every sentence.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let benchmark = Benchmark::from(args.name);
    let found = source::find(benchmark.source_name())?;
    let inputs = Inputs::resolve(found.info(), &args.inputs)?;
    let choice = Choice {
        split: args
            .split
            .clone()
            .unwrap_or_else(|| benchmark.usual_split().to_owned()),
        declarative: args.declarative,
        limit: args.limit,
    };
    let options = Options {
        jobs: globals.jobs,
        ..Options::default()
    };
    let written = write(benchmark, &inputs, &choice, &options)?;
    let account = &written.account;
    if account.written() == 0 {
        anyhow::bail!(
            "no sentence of the split `{}` in the inputs: {}",
            choice.split,
            table(std::slice::from_ref(account))
        );
    }
    let mut bytes = serde_json::to_vec(&written.document)?;
    bytes.push(b'\n');
    write_whole(&args.out, &bytes)?;
    let out = &args.out;
    globals.emit(&Output { out, account }, text(account))?;
    globals.say(format!(
        "{}: {} sentences",
        out.display(),
        account.written()
    ));
    Ok(if account.rejected > 0 {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn text(account: &Account) -> String {
    let mut text = table(std::slice::from_ref(account));
    for (note, count) in &account.notes {
        let _ = write!(text, "\n{count} times: {note}");
    }
    for example in &account.examples {
        let _ = write!(
            text,
            "\n{}: {}, item {}: {}",
            example.reason, example.file, example.row, example.message
        );
    }
    text
}
