//! Every shipped recipe can be read.

use st_eval::benchmark::EvalRecipe;

#[test]
fn every_shipped_recipe_parses() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/eval");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let recipe =
            EvalRecipe::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in &recipe.benchmarks {
            assert!(
                !entry.annotations.starts_with('/') && !entry.media.starts_with('/'),
                "{}",
                path.display()
            );
        }
        found += 1;
    }
    assert!(found > 0, "no recipe in {folder}");
}
