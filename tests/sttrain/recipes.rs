//! Every shipped training recipe is one.

use std::path::{Path, PathBuf};

use st_train::recipe::parse;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let entries = fs_err::read_dir(folder).unwrap();
    let paths = entries.map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    found.sort();
    found
}

#[test]
fn shipped_recipes_have_no_fault() {
    let found = shipped();
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        let text = fs_err::read_to_string(&path).unwrap();
        let recipe =
            parse(&text, &[]).unwrap_or_else(|faults| panic!("{}: {faults:?}", path.display()));
        assert_eq!(
            Some(recipe.name.as_str()),
            path.file_stem().and_then(|s| s.to_str())
        );
        assert!(
            text.contains("$schema: ../schemas/train.schema.json"),
            "{}",
            path.display()
        );
        assert!(
            !text.contains(": /"),
            "{} names an absolute path",
            path.display()
        );
    }
}
