//! `schemas/train.schema.json` is what `sttrain schema` prints.

use std::path::Path;

#[test]
fn the_schema_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/train.schema.json");
    let file = fs_err::read_to_string(&path).unwrap_or_default();
    let now = format!(
        "{}\n",
        serde_json::to_string_pretty(&st_train::recipe::json_schema()).unwrap()
    );
    assert!(
        file == now,
        "write it anew: sttrain schema > schemas/train.schema.json"
    );
}
