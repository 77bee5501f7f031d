//! The schema of a type, and whether `schemas/` holds it. Part of the tests of the crates whose types those are.

use std::path::Path;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// The schema of `T` with its file's name as identity.
pub(crate) fn schema<T: JsonSchema>(id: &str) -> Value {
    let mut schema = schema_for!(T).to_value();
    schema["$id"] = format!("{id}.schema.json").into();
    schema
}

/// `schemas/ID.schema.json` is this schema. Run with `UPDATE=1` to write it anew.
pub(crate) fn assert_current(id: &str, schema: &Value) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas"));
    let path = folder.join(format!("{id}.schema.json"));
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found,
        text,
        "{}: run the test with UPDATE=1",
        path.display()
    );
}
