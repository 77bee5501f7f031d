//! Unpacks fetched archives into the data root.

use std::path::PathBuf;

use st_hub::archive::{self, Limits, Source};
use st_hub::{Fetched, Hub, Lock, LockedArchive, name};

use super::Args;
use super::bars::Bars;
use super::plan::Plan;
use super::report::Report;
use super::transfer::locations;
use crate::globals::Globals;

/// Refused entries told one by one; the rest is a number.
const TOLD: usize = 20;

/// Unpacks every archive whose parts are all there.
pub(super) fn unpack(
    plan: &Plan,
    fetched: &[Option<Fetched>],
    hub: &Hub,
    args: &Args,
    lock: &mut Lock,
    globals: &Globals,
    report: &mut Report,
) -> anyhow::Result<()> {
    let sizes = plan.archives.iter().flat_map(|archive| &archive.files);
    let total = sizes.map(|at| plan.files[*at].job.file.size).sum();
    if plan.archives.is_empty() {
        return Ok(());
    }
    let bars = Bars::start(globals, "unpack", plan.archives.len(), total);
    for archive in &plan.archives {
        let first = &archive.set.parts[0];
        if let Some(missing) = &archive.set.missing {
            report.problem(format!(
                "{}: not unpacked, the repository has no {missing}",
                name::shown(first)
            ));
            continue;
        }
        let Some(parts) = locations(&archive.files, fetched) else {
            report.problem(format!(
                "{}: not unpacked, not all of it is there",
                name::shown(first)
            ));
            continue;
        };
        let (paths, checksums): (Vec<PathBuf>, Vec<String>) = parts.into_iter().unzip();
        let source = Source {
            name: first,
            kind: archive.set.kind,
            parts: &paths,
            checksums: &checksums,
        };
        let limits = Limits {
            keep_free: hub.settings().keep_free,
            ..Limits::default()
        };
        let list = plan.list(archive);
        let result = archive::unpack(
            &source,
            &globals.root.join(&archive.folder),
            &globals.root.join(&list),
            limits,
            &bars,
        );
        match result {
            Err(error) => report.problem(error.to_string()),
            Ok(unpacked) => {
                for (entry, reason) in unpacked.refused.iter().take(TOLD) {
                    report.problem(format!("{}: {entry} refused: {reason}", name::shown(first)));
                }
                if unpacked.refused.len() > TOLD {
                    let more = unpacked.refused.len() - TOLD;
                    report.problem(format!(
                        "{}: {more} more entries refused",
                        name::shown(first)
                    ));
                }
                let target = plan.files[archive.files[0]].target;
                if !args.locked {
                    lock.record_archive(LockedArchive {
                        repository: plan.targets[target].repository.clone(),
                        path: first.clone(),
                        folder: archive.folder.clone(),
                        files: unpacked.files,
                        bytes: unpacked.bytes,
                        list: list.display().to_string(),
                    });
                    lock.write(&globals.root)?;
                }
                report.unpacked(archive, unpacked);
            }
        }
    }
    bars.finish();
    Ok(())
}
