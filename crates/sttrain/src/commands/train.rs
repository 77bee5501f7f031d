//! `sttrain RECIPE.yaml`: trains, or goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use st_train::prepare::Prepared;
use st_train::recipe::Precision;
use st_train::train::{Options, Outcome, Reporter, Validate, run as train};
use st_train::validate::Validator;

use super::{ExitStatus, print, recipe, roots};
use crate::cli::{Globals, TrainArgs};
use crate::device;
use crate::progress::Progress;

/// Trains.
pub(crate) fn run(args: &TrainArgs, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let recipe = recipe(&args.recipe)?;
    let roots = roots(&args.recipe, globals);
    if args.fresh {
        delete(&roots.runs.join(&recipe.name))?;
    }
    let mut devices = device::open_all(args.recipe.device, args.devices)?;
    if recipe.precision == Precision::Bfloat16 {
        device::half_precision(&mut devices)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // The second signal ends the process at once; a checkpoint is never half written.
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(2);
        }
    })
    .context("cannot listen to signals")?;
    let prepared = Prepared::new(recipe, &roots, &devices[0])?;
    let mut progress = Progress::new(globals.quiet);
    let rejects = prepared.dataset.rejects();
    if let Some(first) = rejects.first() {
        progress.warn(&format!(
            "{} of {} records are left out; first: {} record {} ({}): {}",
            rejects.len(),
            prepared.dataset.records_read(),
            first.file.display(),
            first.index,
            first.id,
            first.reason
        ));
    }
    let rejected = !rejects.is_empty();
    let options = Options {
        devices,
        workers: globals.jobs,
        stop,
        resume: args.resume,
    };
    let plan = prepared.recipe.validation.clone();
    let mut validator = match &plan {
        Some(plan) => Some(Validator::new(
            plan,
            &prepared,
            &roots,
            &options.devices[0],
        )?),
        None => None,
    };
    let held_out = validator.as_mut().map(|v| v as &mut dyn Validate);
    let outcome = train(prepared, &options, &mut progress, held_out)?;
    report(&outcome, globals)?;
    Ok(if rejected || outcome.skipped > 0 {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn report(outcome: &Outcome, globals: &Globals) -> anyhow::Result<()> {
    if globals.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(outcome)?));
    }
    if globals.quiet {
        return Ok(());
    }
    let folder = outcome.folder.display();
    let text = match (&outcome.model, outcome.already) {
        (Some(model), true) => {
            format!(
                "{folder}: finished before, after {} steps; the model is {}\n",
                outcome.step,
                model.display()
            )
        }
        (Some(model), false) => format!(
            "{folder}: done, {} steps in {:.1} minutes; the model is {}\n",
            outcome.step,
            outcome.seconds / 60.0,
            model.display()
        ),
        (None, _) => format!(
            "{folder}: stopped after step {} of {}\n",
            outcome.step, outcome.steps
        ),
    };
    print(&text)
}

/// Deletes the folder of a run: first its name, so that no half of it is ever taken for a run.
fn delete(folder: &std::path::Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".deleted-{}", std::process::id()));
    let aside = folder.with_file_name(name);
    fs_err::rename(folder, &aside)?;
    fs_err::remove_dir_all(&aside)?;
    Ok(())
}
