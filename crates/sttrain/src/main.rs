//! Trains LLaVA-ST from a recipe.

fn main() {}
