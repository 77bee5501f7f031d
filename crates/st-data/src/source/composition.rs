//! The paper's table of tasks beside what was written, and the stage files that draw its counts.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use st_schema::{Amount, DatasetEntry, DatasetFile, SamplingStrategy, Task};

use super::{Account, SourceError};
use crate::ledger::{OutputError, Pending};
use crate::registry::Share;

/// A recipe of counts: rows of the shape of the registry's composition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompositionFile {
    composition: Vec<Share>,
}

/// Reads a recipe of counts; `path` is for error messages.
///
/// # Errors
/// When it is not YAML of this shape, or has no rows.
pub fn read_composition(text: &str, path: &str) -> Result<Vec<Share>, SourceError> {
    let wrong = |message: String| SourceError::Recipe {
        path: path.to_owned(),
        message,
    };
    let file: CompositionFile =
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if file.composition.is_empty() {
        return Err(wrong("`composition` has no rows".into()));
    }
    Ok(file.composition)
}

/// One row of the table: a task of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The stage, 1 to 3.
    pub stage: u8,
    /// The task.
    pub task: Task,
    /// How many records the paper has, in its own rounding.
    pub paper: u64,
    /// How many are wanted: the paper's, scaled.
    pub wanted: u64,
    /// How many were written.
    pub written: u64,
    /// How many of those a stage file draws.
    pub taken: u64,
    /// The sources, in the paper's order.
    pub parts: Vec<Part>,
}

/// One source's part of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The source.
    pub source: String,
    /// How many records of the row's task it gave; absent when the source was not normalized.
    pub written: Option<u64>,
    /// How many of those a stage file draws.
    pub taken: u64,
}

/// Sets what was written beside what the paper has. Where more was written than is wanted, each source gives a share of its
/// own size, so that the sum is exactly what is wanted; where less was, everything is taken.
#[must_use]
pub fn compose(shares: &[Share], accounts: &[Account], scale: f64) -> Vec<Row> {
    shares
        .iter()
        .map(|share| {
            let written = |source: &String| {
                let normalized =
                    |account: &&Account| account.source == source && account.stopped.is_none();
                let account = accounts.iter().find(normalized)?;
                Some(account.tasks.get(&share.task).copied().unwrap_or(0))
            };
            let mut parts: Vec<Part> = share
                .sources
                .iter()
                .map(|source| Part {
                    source: source.clone(),
                    written: written(source),
                    taken: 0,
                })
                .collect();
            let paper = u64::from(share.thousands) * 1000;
            let wanted = scaled(paper, scale);
            let total: u64 = parts.iter().filter_map(|part| part.written).sum();
            apportion(&mut parts, total, wanted.min(total));
            Row {
                stage: share.stage,
                task: share.task,
                paper,
                wanted,
                written: total,
                taken: parts.iter().map(|part| part.taken).sum(),
                parts,
            }
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of records, far below 2^53, times a share"
)]
fn scaled(count: u64, scale: f64) -> u64 {
    (count as f64 * scale).round() as u64
}

/// Shares `taken` of `total` among the parts: running totals are rounded down, so that no record is lost to rounding.
fn apportion(parts: &mut [Part], total: u64, taken: u64) {
    let upto = |written: u64| {
        let share = u128::from(written) * u128::from(taken) / u128::from(total.max(1));
        u64::try_from(share).unwrap_or(taken)
    };
    let mut before = 0;
    for part in parts {
        let after = before + part.written.unwrap_or(0);
        part.taken = upto(after) - upto(before);
        before = after;
    }
}

/// The rows as a table.
#[must_use]
pub fn composition_table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<5} {:<14} {:>9} {:>9} {:>9}  sources (written)\n",
        "stage", "task", "paper", "written", "taken"
    );
    for row in rows {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{:<5} {:<14} {:>8}K {:>9} {:>9}  ",
            row.stage,
            row.task.as_str(),
            row.paper / 1000,
            row.written,
            row.taken
        );
        for (number, part) in row.parts.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            let count = part
                .written
                .map_or_else(|| "not there".to_owned(), |count| count.to_string());
            let _ = write!(out, "{separator}{} ({count})", part.source);
        }
        out.push('\n');
    }
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    let _ = write!(
        out,
        "{:<5} {:<14} {:>8}K {:>9} {:>9}",
        "all",
        "",
        sum(|row| row.paper) / 1000,
        sum(|row| row.written),
        sum(|row| row.taken)
    );
    out
}

/// The dataset file of one stage, as released ones are: `json_path` and `data_folder` name a source's file and media.
///
/// `None` when nothing of the stage was written.
#[must_use]
pub fn stage_file(
    rows: &[Row],
    stage: u8,
    json_path: impl Fn(&str, Task) -> String,
    data_folder: impl Fn(&str) -> String,
) -> Option<DatasetFile> {
    let mut datasets = Vec::new();
    for row in rows.iter().filter(|row| row.stage == stage) {
        for part in row.parts.iter().filter(|part| part.taken > 0) {
            let all = part.written == Some(part.taken);
            datasets.push(DatasetEntry {
                json_path: json_path(&part.source, row.task),
                data_folder: data_folder(&part.source),
                source: Some(part.source.clone()),
                sampling_strategy: if all {
                    SamplingStrategy::All
                } else {
                    SamplingStrategy::Random(Amount::Count(part.taken))
                },
                rules: std::collections::BTreeMap::new(),
            });
        }
    }
    (!datasets.is_empty()).then_some(DatasetFile {
        datasets,
        rules: std::collections::BTreeMap::new(),
    })
}

/// Writes `stage1.yaml` to `stage3.yaml` into the folder of the files that [`super::RecordFiles`] wrote by task, as far as
/// there is something to draw; media are expected under `../media/<source>`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_stages(folder: &Path, rows: &[Row]) -> Result<(), SourceError> {
    for stage in 1..=3 {
        let media = |source: &str| format!("../media/{source}");
        let Some(file) = stage_file(rows, stage, super::task_file, media) else {
            continue;
        };
        let path = folder.join(format!("stage{stage}.yaml"));
        let yaml = serde_yaml::to_string(&file).map_err(|error| OutputError::Format {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let mut pending = Pending::create(path)?;
        pending.write(yaml.as_bytes())?;
        pending.finish()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use crate::source::ALL;

    fn account(source: &'static str, tasks: &[(Task, u64)]) -> Account {
        Account {
            source,
            tasks: tasks.iter().copied().collect(),
            ..Account::default()
        }
    }

    #[test]
    fn counts_come_out_as_the_paper_has_them() {
        // Everything there and plenty of it: every row takes exactly the paper's count.
        let accounts: Vec<Account> = (0u64..)
            .zip(ALL)
            .map(|(number, source)| {
                let tasks = source.info().tasks;
                let tasks: Vec<(Task, u64)> = tasks
                    .iter()
                    .map(|task| (*task, 2_000_003 + 977 * number))
                    .collect();
                account(source.info().name, &tasks)
            })
            .collect();
        let rows = compose(&registry::builtin().composition, &accounts, 1.0);
        for row in &rows {
            assert_eq!(row.taken, row.paper, "{row:?}");
            let there = |part: &Part| part.written > Some(0) && part.taken > 0;
            assert!(row.parts.iter().all(there), "{row:?}");
        }
        let tenth = compose(&registry::builtin().composition, &accounts, 0.1);
        assert!(tenth.iter().all(|row| row.taken == row.paper / 10));
    }

    #[test]
    fn what_is_missing_is_told_and_the_rest_is_taken_whole() {
        let accounts = [
            account("didemo", &[(Task::Tvg, 3)]),
            account("hirest", &[(Task::Tvg, 2), (Task::Dvc, 9)]),
        ];
        let shares: Vec<Share> = registry::builtin()
            .composition
            .iter()
            .filter(|share| share.stage == 3 && share.task == Task::Tvg)
            .cloned()
            .collect();
        let rows = compose(&shares, &accounts, 1.0);
        assert_eq!(
            (rows[0].written, rows[0].taken, rows[0].paper),
            (5, 5, 84_000)
        );
        let table = composition_table(&rows);
        assert!(
            table.contains("didemo (3), hirest (2), queryd (not there)"),
            "{table}"
        );
        let rows = compose(&shares, &accounts, 3.0 / 84_000.0);
        let file = stage_file(
            &rows,
            3,
            |source, task| format!("{source}_{task}.json"),
            str::to_owned,
        );
        let entries = file.unwrap().datasets;
        let drawn: Vec<String> = entries
            .iter()
            .map(|entry| format!("{} {:?}", entry.json_path, entry.sampling_strategy))
            .collect();
        assert_eq!(
            drawn,
            ["didemo_tvg.json Random(Count(1))", "hirest_tvg.json All",]
        );
        assert!(stage_file(&rows, 1, |_, _| String::new(), str::to_owned).is_none());
    }

    #[test]
    fn every_source_of_the_paper_teaches_its_task() {
        for share in &registry::builtin().composition {
            for name in &share.sources {
                let tasks = crate::source::find(name).unwrap().info().tasks;
                assert!(tasks.contains(&share.task), "{name}: {}", share.task);
            }
        }
        // Every source of the registry but those that are media alone can be normalized.
        for source in &registry::builtin().sources {
            assert!(crate::source::find(&source.name).is_ok(), "{}", source.name);
        }
    }

    #[test]
    fn a_recipe_of_counts_replaces_the_papers() {
        let text = "composition:\n  - {stage: 3, task: tvg, thousands: 2, sources: [didemo]}\n";
        assert_eq!(read_composition(text, "x").unwrap()[0].thousands, 2);
        for text in [
            "composition: []",
            "rows: []",
            "composition: [{stage: 3, task: nothing, thousands: 2, sources: []}]",
        ] {
            assert!(read_composition(text, "x").is_err(), "{text}");
        }
    }
}
