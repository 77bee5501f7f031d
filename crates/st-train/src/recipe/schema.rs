//! The JSON schema of a recipe, and a walk over it that reports every fault and guesses what was meant.

use serde_json::{Map, Value};

use super::{Fault, Recipe};

/// The JSON schema of [`Recipe`], for editors and for `schemas/train.schema.json`.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Recipe).to_value();
    // The short form of `data`, which `parse` expands before the check.
    if let Some(data) = schema.pointer_mut("/properties/data") {
        let long = data.take();
        *data = serde_json::json!({"anyOf": [long, {"type": "string"}]});
    }
    schema
}

/// Appends what of `value` does not fit `schema`.
pub(super) fn check(schema: &Value, value: &Value, faults: &mut Vec<Fault>) {
    Walk {
        root: schema,
        faults,
    }
    .node(schema, value, "");
}

struct Walk<'a> {
    root: &'a Value,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    fn fault(&mut self, place: &str, message: String) {
        self.faults.push(Fault::new(place, message));
    }

    fn node(&mut self, schema: &Value, value: &Value, place: &str) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            if let Some(target) = root.pointer(target.trim_start_matches('#')) {
                self.node(target, value, place);
            }
            return;
        }
        if let Some(options) = schema
            .get("oneOf")
            .or_else(|| schema.get("anyOf"))
            .and_then(Value::as_array)
        {
            self.one_of(options, value, place);
            return;
        }
        if let Some(expected) = schema.get("const") {
            if value != expected {
                self.fault(
                    place,
                    format!("expected `{}`, found {}", plain(expected), shown(value)),
                );
            }
            return;
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            self.word(options, value, place);
            return;
        }
        if let Some(expected) = mismatch(schema, value) {
            self.fault(
                place,
                format!("expected {expected}, found {}", shown(value)),
            );
            return;
        }
        match value {
            Value::Object(map) => self.object(schema, map, place),
            Value::Array(list) => self.list(schema, list, place),
            Value::Number(number) => self.number(schema, number.as_f64(), place),
            _ => {}
        }
    }

    fn word(&mut self, options: &[Value], value: &Value, place: &str) {
        if options.contains(value) {
            return;
        }
        let names: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        let hint = value
            .as_str()
            .and_then(|v| nearest(v, names.iter().copied()));
        let message = match hint {
            Some(name) => format!("{} is not known; did you mean `{name}`?", shown(value)),
            None => format!("{} is not one of {}", shown(value), names.join(", ")),
        };
        self.fault(place, message);
    }

    /// The option that fits; a `kind:` decides between maps, and constants are read as one list of words.
    fn one_of(&mut self, options: &[Value], value: &Value, place: &str) {
        if options
            .iter()
            .all(|o| o.get("const").is_some() || o.get("enum").is_some())
        {
            let words: Vec<Value> = options
                .iter()
                .flat_map(
                    |o| match (o.get("const"), o.get("enum").and_then(Value::as_array)) {
                        (Some(word), _) => vec![word.clone()],
                        (None, Some(words)) => words.clone(),
                        (None, None) => Vec::new(),
                    },
                )
                .collect();
            return self.word(&words, value, place);
        }
        let kind_of = |o: &Value| o.pointer("/properties/kind/const").cloned();
        if let (Value::Object(map), true) = (value, options.iter().all(|o| kind_of(o).is_some())) {
            let kind = map.get("kind").unwrap_or(&Value::Null);
            if let Some(option) = options.iter().find(|o| kind_of(o).as_ref() == Some(kind)) {
                return self.node(option, value, place);
            }
            let kinds: Vec<Value> = options.iter().filter_map(kind_of).collect();
            return self.word(&kinds, kind, &join(place, "kind"));
        }
        let mut best: Option<Vec<Fault>> = None;
        for option in options {
            let mut faults = Vec::new();
            Walk {
                root: self.root,
                faults: &mut faults,
            }
            .node(option, value, place);
            if faults.is_empty() {
                return;
            }
            let deeper = |f: &[Fault]| f.iter().map(|f| f.place.len()).max().unwrap_or(0);
            if best.as_ref().is_none_or(|b| deeper(&faults) > deeper(b)) {
                best = Some(faults);
            }
        }
        self.faults.extend(best.unwrap_or_default());
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, place: &str) {
        let none = Map::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (key, value) in map {
            let here = join(place, key);
            if let Some(schema) = known.get(key) {
                self.node(schema, value, &here);
            } else if closed {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let message = nearest(key, names.iter().copied()).map_or_else(
                    || format!("unknown key; known here: {}", names.join(", ")),
                    |name| format!("unknown key; did you mean `{name}`?"),
                );
                self.fault(&here, message);
            } else if let Some(schema) =
                schema.get("additionalProperties").filter(|s| s.is_object())
            {
                self.node(schema, value, &here);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                let message = match known
                    .get(name)
                    .and_then(|s| s.get("description"))
                    .and_then(Value::as_str)
                {
                    Some(text) => format!(
                        "missing ({})",
                        text.lines()
                            .next()
                            .unwrap_or_default()
                            .trim_end_matches('.')
                    ),
                    None => "missing".to_owned(),
                };
                self.fault(&join(place, name), message);
            }
        }
    }

    fn list(&mut self, schema: &Value, list: &[Value], place: &str) {
        if let Some(items) = schema.get("items") {
            for (i, value) in list.iter().enumerate() {
                self.node(items, value, &format!("{place}[{i}]"));
            }
        }
        let length = |key: &str| schema.get(key).and_then(Value::as_u64);
        if let Some(n) = length("minItems").filter(|&n| (list.len() as u64) < n) {
            self.fault(place, format!("needs {n} entries, has {}", list.len()));
        }
        if let Some(n) = length("maxItems").filter(|&n| (list.len() as u64) > n) {
            self.fault(place, format!("takes {n} entries, has {}", list.len()));
        }
    }

    fn number(&mut self, schema: &Value, value: Option<f64>, place: &str) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        if let (Some(value), Some(low)) = (value, bound("minimum"))
            && value < low
        {
            self.fault(place, format!("{value} is below {low}"));
        }
    }
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

/// The expected type, in words, where `value` is of another.
fn mismatch(schema: &Value, value: &Value) -> Option<&'static str> {
    let types: Vec<&str> = match schema.get("type")? {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.as_f64().is_some_and(|v| v.fract() == 0.0) && !value.is_f64(),
        "number" => value.is_number(),
        _ => true,
    };
    if types.iter().any(fits) {
        return None;
    }
    Some(match types[0] {
        "object" => "a map",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "nothing",
    })
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => format!("`{}`", plain(other)),
    }
}

/// The known name that is a slip of the pen away from `name`.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(d, k)| *d <= (k.len().max(name.len()) / 3).max(1))
        .min()
        .map(|(_, k)| k)
}
