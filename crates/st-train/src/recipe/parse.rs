//! Text and overrides to a recipe, or to all of its faults at once.

use std::fmt;

use serde_json::{Map, Value};

use super::schema::{check, json_schema};
use super::{Recipe, TokenizerSource};
use crate::recipe::ModelSource;

/// One thing that is wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, from the top: `phases[1].mix[0].clips`. Empty for the whole file.
    pub place: String,
    /// Line in the text, from 1, where it could be found.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Fault {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            line: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

/// One `--set a.b=c`.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
}

impl std::str::FromStr for Override {
    type Err = String;

    /// Reads `a.b=c`; `c` is YAML, so that `[1, 2]`, `true` and `{a: 1}` work.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not of the form key=value"))?;
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{text}` has an empty key"));
        }
        let value =
            serde_yaml::from_str(value).map_err(|e| format!("the value of `{text}`: {e}"))?;
        Ok(Self { path, value })
    }
}

/// Reads a recipe.
///
/// # Errors
/// All faults of the text: bad YAML, unknown keys (with the nearest known one), wrong types, values out of range and keys that
/// contradict each other.
pub fn parse(text: &str, overrides: &[Override]) -> Result<Recipe, Vec<Fault>> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| vec![yaml_fault(&e)])?;
    let mut value = serde_json::to_value(yaml)
        .map_err(|e| vec![Fault::new("", format!("not a recipe: {e}"))])?;
    let mut faults = Vec::new();
    expand_short_forms(&mut value);
    for change in overrides {
        if let Err(fault) = set(&mut value, &change.path, change.value.clone()) {
            faults.push(fault);
        }
    }
    expand_short_forms(&mut value);
    check(&json_schema(), &value, &mut faults);
    if faults.is_empty() {
        match serde_json::from_value::<Recipe>(value) {
            Ok(recipe) => {
                faults = contradictions(&recipe);
                if faults.is_empty() {
                    return Ok(recipe);
                }
            }
            Err(e) => faults.push(Fault::new("", e.to_string())),
        }
    }
    for fault in &mut faults {
        fault.line = line_of(text, &fault.place);
    }
    Err(faults)
}

fn yaml_fault(error: &serde_yaml::Error) -> Fault {
    Fault {
        place: String::new(),
        line: None,
        message: format!("not readable as YAML: {error}"),
    }
}

/// `data: FILE` is `data: {records: [FILE]}`.
fn expand_short_forms(value: &mut Value) {
    if let Some(data) = value.get_mut("data")
        && data.is_string()
    {
        let file = data.take();
        let mut map = Map::new();
        map.insert("records".to_owned(), Value::Array(vec![file]));
        *data = Value::Object(map);
    }
}

/// Sets one key, making the maps on the way; a number indexes a list.
fn set(value: &mut Value, path: &[String], new: Value) -> Result<(), Fault> {
    let full = path.join(".");
    let mut at = value;
    for key in path {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(map) => map.entry(key.clone()).or_insert(Value::Null),
            Value::Array(list) => {
                let length = list.len();
                key.parse::<usize>()
                    .ok()
                    .and_then(|i| list.get_mut(i))
                    .ok_or_else(|| {
                        Fault::new(
                            full.clone(),
                            format!("--set: `{key}` is not an index of this list of {length}"),
                        )
                    })?
            }
            _ => {
                return Err(Fault::new(
                    full,
                    format!("--set: `{key}` lies below a plain value"),
                ));
            }
        };
    }
    *at = new;
    Ok(())
}

/// What types cannot say.
fn contradictions(recipe: &Recipe) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |place: &str, message: String| faults.push(Fault::new(place, message));
    if recipe.name.is_empty() || recipe.name.contains(['/', '\\']) || recipe.name.starts_with('.') {
        fault("name", "must be the name of a folder".to_owned());
    }
    match (recipe.steps, recipe.epochs) {
        (None, None) => fault("steps", "give `steps` or `epochs`".to_owned()),
        (Some(_), Some(_)) => fault("epochs", "give `steps` or `epochs`, not both".to_owned()),
        (Some(0), None) => fault("steps", "must be at least 1".to_owned()),
        (None, Some(e)) if e <= 0.0 => fault("epochs", "must be above 0".to_owned()),
        _ => {}
    }
    let mixed = recipe.phases.iter().any(|p| !p.mix.is_empty());
    if recipe.epochs.is_some() && mixed {
        let message = "a phase with a `mix` has no epochs: give `steps`".to_owned();
        fault("epochs", message);
    }
    if recipe.data.records.is_empty() {
        fault("data.records", "name at least one dataset file".to_owned());
    }
    if !recipe.data.shards.is_empty() && recipe.data.shards.len() != recipe.data.records.len() {
        let message = format!(
            "{} shard folders for {} dataset files: give one for each, or none",
            recipe.data.shards.len(),
            recipe.data.records.len()
        );
        fault("data.shards", message);
    }
    if matches!(recipe.model, ModelSource::Scratch { .. }) && recipe.tokenizer.is_none() {
        let message = "a model from scratch needs one: `tokenizer: {kind: train_bpe, vocab: 512}`";
        fault("tokenizer", message.to_owned());
    }
    if let Some(TokenizerSource::TrainBpe { vocab }) = recipe.tokenizer
        && vocab < 256
    {
        fault(
            "tokenizer.vocab",
            "must be at least 256, the bytes".to_owned(),
        );
    }
    ranges(recipe, &mut faults);
    phases(recipe, &mut faults);
    faults
}

fn ranges(recipe: &Recipe, faults: &mut Vec<Fault>) {
    let mut within = |place: &str, value: f64, low: f64, high: f64| {
        if !(low..=high).contains(&value) {
            let message = format!("{value} is outside {low} to {high}");
            faults.push(Fault::new(place, message));
        }
    };
    let optimizer = &recipe.optimizer;
    within("optimizer.lr", optimizer.lr, 0.0, 1.0);
    within("optimizer.betas[0]", optimizer.betas[0], 0.0, 0.999_999);
    within("optimizer.betas[1]", optimizer.betas[1], 0.0, 0.999_999_9);
    within("optimizer.weight_decay", optimizer.weight_decay, 0.0, 10.0);
    if let Some(muon) = &optimizer.muon {
        within("optimizer.muon.lr", muon.lr, 0.0, 1.0);
        within("optimizer.muon.momentum", muon.momentum, 0.0, 0.999_999);
    }
    within("schedule.warmup", recipe.schedule.warmup, 0.0, 1.0);
    within("schedule.hold", recipe.schedule.hold, 0.0, 1.0);
    within("schedule.floor", recipe.schedule.floor, 0.0, 1.0);
    within("data.max_rejects", recipe.data.max_rejects, 0.0, 1.0);
    if let Some(lora) = &recipe.lora {
        within("lora.dropout", lora.dropout, 0.0, 0.99);
        if lora.rank == 0 {
            faults.push(Fault::new("lora.rank", "must be at least 1"));
        }
    }
    if recipe.schedule.warmup + recipe.schedule.hold > 1.0 {
        faults.push(Fault::new("schedule.hold", "with `warmup` it exceeds 1"));
    }
    for (place, value) in [
        ("batch.records", recipe.batch.records),
        ("batch.accumulate", recipe.batch.accumulate),
        ("checkpoint.keep", recipe.checkpoint.keep),
    ] {
        if value == 0 {
            faults.push(Fault::new(place, "must be at least 1"));
        }
    }
    if recipe.log_every == 0 {
        faults.push(Fault::new("log_every", "must be at least 1"));
    }
}

fn phases(recipe: &Recipe, faults: &mut Vec<Fault>) {
    let total: f64 = recipe.phases.iter().map(|p| p.share).sum();
    if !recipe.phases.is_empty() && (total - 1.0).abs() > 1e-6 {
        let message = format!("the shares sum to {total}, not to 1");
        faults.push(Fault::new("phases", message));
    }
    for (i, phase) in recipe.phases.iter().enumerate() {
        if phase.share <= 0.0 {
            faults.push(Fault::new(format!("phases[{i}].share"), "must be above 0"));
        }
        for (j, stream) in phase.mix.iter().enumerate() {
            let place = format!("phases[{i}].mix[{j}]");
            if stream.clips == 0 || stream.questions == 0 {
                let message = "clips and questions must be at least 1";
                faults.push(Fault::new(place.clone(), message));
            }
            for (task, weight) in &stream.tasks {
                let place = format!("{place}.tasks.{task}");
                if let Err(e) = task.parse::<st_schema::Task>() {
                    faults.push(Fault::new(place.clone(), e.to_string()));
                }
                if !(weight.is_finite() && *weight > 0.0) {
                    faults.push(Fault::new(place, "must be above 0"));
                }
            }
        }
    }
}

/// The line of a key in block-style YAML: each name of the place is looked for below the one before it.
fn line_of(text: &str, place: &str) -> Option<usize> {
    let mut found = None;
    let mut from = 0;
    let lines: Vec<&str> = text.lines().collect();
    for key in place.split('.') {
        let (name, index) = match key.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (key, None),
        };
        let hit = (from..lines.len()).find(|&i| {
            let line = lines[i].trim_start().trim_start_matches("- ").trim_start();
            line.strip_prefix(name)
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        });
        let Some(mut line) = hit else { break };
        if let Some(index) = index {
            let items =
                (line + 1..lines.len()).filter(|&i| lines[i].trim_start().starts_with("- "));
            let indent = |i: usize| lines[i].len() - lines[i].trim_start().len();
            let first = items.clone().next().map(indent);
            if let Some(at) = items.filter(|&i| Some(indent(i)) == first).nth(index) {
                line = at;
            }
        } else {
            from = line + 1;
        }
        found = Some(line + 1);
        from = from.max(line);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Part;

    const SMALL: &str = "\
name: small
steps: 5
model:
  kind: scratch
  config: {}
tokenizer: {kind: train_bpe, vocab: 300}
data: demo.yaml
optimizer:
  lr: 1e-3
";

    #[test]
    fn reads_defaults_and_the_short_form_of_data() {
        let recipe = parse(SMALL, &[]).unwrap();
        assert_eq!(recipe.data.records, [std::path::PathBuf::from("demo.yaml")]);
        assert_eq!(recipe.batch, super::super::BatchPlan::default());
    }

    #[test]
    fn overrides_reach_nested_keys_and_the_short_form() {
        let changes: Vec<Override> = ["steps=7", "optimizer.clip_norm=1.0", "data=other.yaml"]
            .iter()
            .map(|s| s.parse().unwrap())
            .collect();
        let recipe = parse(SMALL, &changes).unwrap();
        assert_eq!(recipe.steps, Some(7));
        assert_eq!(recipe.optimizer.clip_norm, Some(1.0));
        assert_eq!(
            recipe.data.records,
            [std::path::PathBuf::from("other.yaml")]
        );
    }

    #[test]
    fn coordinates_are_those_of_times_and_of_places() {
        let time = "model.temporal_input_embeddings.weight";
        let place = "model.spatial_width_output_embeddings.weight";
        for (part, times, places) in [
            (Part::All, true, true),
            (Part::Coordinates, true, true),
            (Part::TemporalCoordinates, true, false),
            (Part::SpatialCoordinates, false, true),
            (Part::Packers, false, false),
        ] {
            assert_eq!(Part::any(&[part], time), times, "{part:?}");
            assert_eq!(Part::any(&[part], place), places, "{part:?}");
            assert!(part == Part::All || !Part::any(&[part], "model.norm.weight"));
        }
    }

    #[test]
    fn reports_all_faults_with_lines_and_suggestions() {
        let text = SMALL
            .replace("steps: 5", "stepz: 5")
            .replace("  lr: 1e-3", "  lr: fast\n  beta: 1");
        let faults = parse(&text, &[]).unwrap_err();
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let all = all.join("\n");
        assert!(
            all.contains("line 2: stepz: unknown key; did you mean `steps`?"),
            "{all}"
        );
        assert!(
            all.contains("line 9: optimizer.lr: expected a number, found `fast`"),
            "{all}"
        );
        assert!(
            all.contains("optimizer.beta: unknown key; did you mean `betas`?"),
            "{all}"
        );
    }

    #[test]
    fn refuses_contradictions() {
        let text = SMALL.replace("steps: 5", "steps: 5\nepochs: 1\nlog_every: 0");
        let places: Vec<_> = parse(&text, &[])
            .unwrap_err()
            .into_iter()
            .map(|f| f.place)
            .collect();
        assert_eq!(places, ["epochs", "log_every"]);
    }

    #[test]
    fn a_recipe_survives_its_own_yaml() {
        let recipe = parse(SMALL, &[]).unwrap();
        let text = serde_yaml::to_string(&recipe).unwrap();
        assert_eq!(parse(&text, &[]).unwrap(), recipe);
    }
}
