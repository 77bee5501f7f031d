//! What a source says about itself, with an example before and after.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use st_schema::Task;

use super::container::Container;
use super::run::Worker;
use super::{Collected, Durations, Info, Payload, RawItem, Settings, Sides, Source, SourceError};
use crate::registry;

/// Everything `stdata normalize --explain` tells.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The source.
    pub name: &'static str,
    /// The adapter's version.
    pub version: u32,
    /// What the annotations are.
    pub about: &'static str,
    /// The shapes of its files.
    pub files: Vec<ExplainedFiles>,
    /// Tables beside them.
    pub tables: Vec<String>,
    /// What times are.
    pub times: String,
    /// What boxes are.
    pub boxes: String,
    /// What it teaches.
    pub tasks: &'static [Task],
    /// What the known facts leave open.
    pub open_questions: &'static [&'static str],
    /// The licence of the annotations, as the registry has it.
    pub licence: String,
    /// Where to get them.
    pub get: Vec<String>,
    /// What is known to be wrong with the data.
    pub problems: Vec<String>,
    /// A raw item.
    pub before: &'static str,
    /// The records that it gives.
    pub after: Vec<Value>,
    /// What of it is refused: reason and message.
    pub refused: Vec<(&'static str, String)>,
}

/// One shape of a source's files.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedFiles {
    /// Its name.
    pub form: &'static str,
    /// What such files are called.
    pub pattern: &'static str,
    /// How they hold their items.
    pub container: &'static str,
    /// What it means.
    pub means: &'static str,
}

/// The patterns of a source's files, for messages.
#[must_use]
pub fn patterns(info: &Info) -> String {
    let patterns: Vec<&str> = info.files.iter().map(|files| files.pattern).collect();
    patterns.join(", ")
}

/// Tells about a source; the example goes through the adapter as any item does.
///
/// # Errors
/// Never with the shipped templates.
pub fn explain(source: &'static dyn Source) -> Result<Explained, SourceError> {
    let info = source.info();
    let example = example(source)?;
    let tables = info.sides.iter().map(|side| {
        let need = if side.needed {
            "needed"
        } else {
            "used where it is there"
        };
        format!("{} ({}): {need}", side.name, side.pattern)
    });
    let known = registry::builtin().source(info.name);
    Ok(Explained {
        licence: known.map_or_else(
            || "not known".into(),
            |known| known.annotations.licence.clone(),
        ),
        get: known.map_or_else(Vec::new, |known| {
            let places = known.annotations.get.iter();
            places.map(ToString::to_string).collect()
        }),
        problems: known.map_or_else(Vec::new, |known| known.notes.clone()),
        name: info.name,
        version: info.version,
        about: info.about,
        files: info
            .files
            .iter()
            .map(|files| ExplainedFiles {
                form: files.form,
                pattern: files.pattern,
                container: files.container.describe(),
                means: files.means,
            })
            .collect(),
        tables: tables.collect(),
        times: info
            .time
            .map_or_else(|| "none".into(), |time| time.to_string()),
        boxes: info
            .boxes
            .map_or_else(|| "none".into(), |boxes| boxes.to_string()),
        tasks: info.tasks,
        open_questions: info.open_questions,
        before: info.example.item,
        after: example.records,
        refused: example
            .rejects
            .into_iter()
            .map(|(_, reason, message)| (reason, message))
            .collect(),
    })
}

/// The example of a source, converted; tables that it needs come with it.
pub(super) fn example(source: &'static dyn Source) -> Result<Collected, SourceError> {
    let info = source.info();
    let settings = Settings::shipped()?;
    let sides = Sides::of_example(info);
    let mut durations = Durations::default();
    for (id, seconds) in info.example.durations {
        durations.insert(id, *seconds);
    }
    let worker = Worker::new(source, &settings, &sides, &durations);
    let files = info
        .files
        .iter()
        .find(|files| files.form == info.example.form);
    let text = matches!(
        files.map(|files| files.container),
        Some(Container::Lines | Container::TextDocument)
    );
    let payload = if text {
        Payload::Text(info.example.item.to_owned())
    } else {
        Payload::Json(info.example.item.as_bytes())
    };
    let item = RawItem {
        form: info.example.form,
        file: "example",
        row: 0,
        key: info.example.key.map(str::to_owned),
        payload,
    };
    let mut collected = Collected::default();
    worker.collect(&item, &mut collected)?;
    Ok(collected)
}

/// The same for people.
#[must_use]
pub fn explanation(explained: &Explained) -> String {
    let tasks: Vec<&str> = explained.tasks.iter().map(|task| task.as_str()).collect();
    let mut text = format!(
        "{} (adapter version {})\n{}\n\ntasks  {}\ntimes  {}\nboxes  {}\n",
        explained.name,
        explained.version,
        explained.about,
        tasks.join(", "),
        explained.times,
        explained.boxes
    );
    for files in &explained.files {
        let ExplainedFiles {
            form,
            pattern,
            container,
            means,
        } = files;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "files  {pattern} (form `{form}`): {container}; {means}"
        );
    }
    for table in &explained.tables {
        let _ = writeln!(text, "table  {table}");
    }
    let _ = writeln!(text, "licence  {}", explained.licence);
    for place in &explained.get {
        let _ = writeln!(text, "get    {place}");
    }
    for problem in &explained.problems {
        let _ = writeln!(text, "known  {problem}");
    }
    for question in explained.open_questions {
        let _ = writeln!(text, "open   {question}");
    }
    let _ = writeln!(
        text,
        "\nbefore\n  {}\n\nafter",
        explained.before.replace('\n', "\n  ")
    );
    for record in &explained.after {
        let _ = writeln!(text, "  {record}");
    }
    for (reason, message) in &explained.refused {
        let _ = writeln!(text, "  refused, {reason}: {message}");
    }
    text.pop();
    text
}
