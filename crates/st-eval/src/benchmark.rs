//! The registry of benchmarks, and the recipes that say where their files are.

use serde::Deserialize;

use crate::task::EvalTask;

/// A benchmark that this project knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Benchmark {
    /// Its name in recipes and reports.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its task.
    pub task: EvalTask,
    /// Its usual file, as the original's configuration names it.
    pub file: &'static str,
    /// The original's limit: how many records of the file it scores.
    pub original_limit: Option<usize>,
    /// LLaVA-ST-7B's numbers by metric of the original protocol (arXiv:2501.08282, figures of the released repository).
    pub published: &'static [(&'static str, f64)],
}

const fn refcoco(
    name: &'static str,
    title: &'static str,
    file: &'static str,
    published: &'static [(&'static str, f64)],
) -> Benchmark {
    Benchmark {
        name,
        title,
        task: EvalTask::Rec,
        file,
        original_limit: None,
        published,
    }
}

/// Every benchmark of the original's evaluation code, by name.
pub const ALL: &[Benchmark] = &[
    Benchmark {
        name: "charades_sta",
        title: "Charades-STA",
        task: EvalTask::Tvg,
        file: "charades_sta.json",
        original_limit: None,
        published: &[
            ("R1@(0.3)", 63.1),
            ("R1@(0.5)", 44.8),
            ("R1@(0.7)", 23.4),
            ("miou", 0.424),
        ],
    },
    refcoco(
        "refcoco_plus_test_a",
        "RefCOCO+ testA",
        "refcoco+_testA.json",
        &[("R1@(0.5)", 91.3)],
    ),
    refcoco(
        "refcoco_plus_test_b",
        "RefCOCO+ testB",
        "refcoco+_testB.json",
        &[("R1@(0.5)", 78.8)],
    ),
    refcoco(
        "refcoco_plus_val",
        "RefCOCO+ val",
        "refcoco+_val.json",
        &[("R1@(0.5)", 86.0)],
    ),
    refcoco(
        "refcoco_test_a",
        "RefCOCO testA",
        "refcoco_testA.json",
        &[("R1@(0.5)", 93.2)],
    ),
    refcoco(
        "refcoco_test_b",
        "RefCOCO testB",
        "refcoco_testB.json",
        &[("R1@(0.5)", 85.0)],
    ),
    refcoco(
        "refcoco_val",
        "RefCOCO val",
        "refcoco_val.json",
        &[("R1@(0.5)", 90.1)],
    ),
    refcoco(
        "refcocog_test",
        "RefCOCOg test (umd)",
        "refcocog_test.json",
        &[("R1@(0.5)", 87.4)],
    ),
    refcoco(
        "refcocog_val",
        "RefCOCOg val (umd)",
        "refcocog_val.json",
        &[("R1@(0.5)", 86.7)],
    ),
    Benchmark {
        name: "st_align_elc",
        title: "ST-Align ELC",
        task: EvalTask::Elc,
        file: "elc.json",
        original_limit: Some(2000),
        published: &[
            ("tiou@0.5", 60.4),
            ("mtiou", 0.600),
            ("siou@0.5", 32.4),
            ("msiou", 0.335),
            ("METEOR", 0.247),
        ],
    },
    Benchmark {
        name: "st_align_stvg",
        title: "ST-Align STVG",
        task: EvalTask::Stvg,
        file: "stvg.json",
        original_limit: Some(2000),
        published: &[
            ("tiou@0.5", 44.6),
            ("mtiou", 0.438),
            ("siou@0.5", 21.1),
            ("msiou", 0.228),
        ],
    },
    Benchmark {
        name: "st_align_svg",
        title: "ST-Align SVG",
        task: EvalTask::Svg,
        file: "svg.json",
        original_limit: Some(2000),
        published: &[("siou@0.3", 47.2), ("siou@0.5", 30.9), ("msiou", 0.325)],
    },
];

/// The benchmark of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Benchmark> {
    ALL.iter().find(|one| one.name == name)
}

/// `recipes/eval/*.yaml`: which benchmarks a run scores and where their files are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalRecipe {
    /// The benchmarks, in the order in which they run.
    pub benchmarks: Vec<BenchmarkEntry>,
}

/// One benchmark of a recipe.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkEntry {
    /// A name of the registry, or any other with `task`. It names the result file.
    pub name: String,
    /// The task; the registry's when absent.
    #[serde(default)]
    pub task: Option<EvalTask>,
    /// The annotation file, from the data root.
    pub annotations: String,
    /// The folder that the annotation's media paths are relative to, from the data root.
    pub media: String,
    /// Score the first so many records only; all when absent.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Which phrase of the original's list asks; the first when absent.
    #[serde(default)]
    pub prompt: Prompt,
}

/// Which of the original's phrases asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Always the phrase of this number, from 0.
    Fixed(usize),
    /// A phrase drawn for each record, as in the original, with this seed.
    Random(u64),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Not YAML of this shape.
    #[error("{0}")]
    Yaml(#[from] serde_yaml::Error),
    /// Entries that contradict themselves or each other.
    #[error("{}", .0.join("; "))]
    Entries(Vec<String>),
}

impl EvalRecipe {
    /// Reads a recipe and checks it.
    ///
    /// # Errors
    /// When the text is not YAML of this shape, or with all its faults at once.
    pub fn parse(yaml: &str) -> Result<Self, RecipeError> {
        let recipe: Self = serde_yaml::from_str(yaml)?;
        let mut faults = Vec::new();
        if recipe.benchmarks.is_empty() {
            faults.push("`benchmarks` is empty".to_owned());
        }
        for (index, entry) in recipe.benchmarks.iter().enumerate() {
            let known = find(&entry.name);
            match (entry.task, known) {
                (None, None) => faults.push(format!(
                    "benchmarks[{index}]: `{}` is no known benchmark and has no `task`; known are {}",
                    entry.name,
                    ALL.iter().map(|one| one.name).collect::<Vec<_>>().join(", ")
                )),
                (Some(task), Some(known)) if task != known.task => faults
                    .push(format!("benchmarks[{index}]: `{}` is a benchmark for {}, not {task}", entry.name, known.task)),
                _ => {}
            }
            if entry.limit == Some(0) {
                faults.push(format!(
                    "benchmarks[{index}]: `limit` is 0; leave it out for all records"
                ));
            }
            if !entry
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
                || entry.name.is_empty()
            {
                faults.push(format!(
                    "benchmarks[{index}]: `{}` cannot name a file",
                    entry.name
                ));
            }
            if recipe.benchmarks[..index]
                .iter()
                .any(|before| before.name == entry.name)
            {
                faults.push(format!("benchmarks[{index}]: `{}` comes twice", entry.name));
            }
        }
        if faults.is_empty() {
            Ok(recipe)
        } else {
            Err(RecipeError::Entries(faults))
        }
    }
}

impl BenchmarkEntry {
    /// The entry's task. `rec` when neither the entry nor the registry has one, which [`EvalRecipe::parse`] refuses.
    #[must_use]
    pub fn task(&self) -> EvalTask {
        self.task
            .or_else(|| find(&self.name).map(|known| known.task))
            .unwrap_or(EvalTask::Rec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        let names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn published_numbers_are_of_known_metrics() {
        for benchmark in ALL {
            let metrics = crate::score::metrics(crate::Protocol::Original, benchmark.task);
            for (name, _) in benchmark.published {
                assert!(
                    *name == "METEOR" || metrics.iter().any(|metric| metric.name == *name),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let error = EvalRecipe::parse(
            "benchmarks:\n- {name: nonsense, annotations: a, media: m}\n- {name: refcoco_val, task: tvg, annotations: a, media: m, limit: 0}",
        )
        .unwrap_err()
        .to_string();
        for word in ["nonsense", "not tvg", "`limit` is 0"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
