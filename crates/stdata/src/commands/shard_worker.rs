//! `stdata shard-worker`: the process in which `stdata shard` opens media files.

use anyhow::Context;

use crate::exit_status::ExitStatus;

/// Flags of `stdata shard-worker`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stdata shard starts it by itself")]
pub(crate) struct Args {
    /// Memory that the process may use, in MiB
    #[arg(long, value_name = "MIB")]
    max_memory: Option<u64>,
}

/// Makes clips until stdin ends.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    if let Some(mebibytes) = args.max_memory {
        let bytes = mebibytes.saturating_mul(1 << 20);
        let limited = rlimit::Resource::AS.set(bytes, bytes);
        limited.with_context(|| format!("cannot limit memory to {mebibytes} MiB"))?;
    }
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    st_data::shard::serve(input, output)?;
    Ok(ExitStatus::Done)
}
