//! How many records each choice of a filter would list.

use std::collections::BTreeMap;

use serde::Serialize;
use st_schema::Task;

use super::catalogue::NONE;
use super::query::{TESTS, Tests};
use super::{Catalogue, Filter, Kind};
use crate::review::Mark;
use crate::validate::Rule;

/// A choice, and how many records it would list beside the other choices made; words of the text are not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facet {
    /// The choice, as the address has it.
    pub value: String,
    /// What a person reads beside it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// How many records.
    pub records: u64,
}

/// All choices, most records first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facets {
    /// Records that the filter lists, words of the text aside.
    pub records: u64,
    /// By task; `-` for none of ours.
    pub task: Vec<Facet>,
    /// By source; `-` where none is named.
    pub source: Vec<Facet>,
    /// By annotation file.
    pub file: Vec<Facet>,
    /// By rule that found something.
    pub rule: Vec<Facet>,
    /// By mark; `-` for none.
    pub mark: Vec<Facet>,
    /// By kind of media.
    pub kind: Vec<Facet>,
    /// By whether shards hold the clip: `yes` or `no`.
    pub clip: Vec<Facet>,
}

/// The word for what has no name.
pub(super) const NAMELESS: &str = "-";

#[derive(Default)]
struct Counts {
    records: u64,
    task: BTreeMap<Option<Task>, u64>,
    source: BTreeMap<u16, u64>,
    file: BTreeMap<u16, u64>,
    rule: BTreeMap<Rule, u64>,
    mark: BTreeMap<Option<Mark>, u64>,
    kind: [u64; 3],
    clip: [u64; 2],
}

impl Catalogue {
    /// The choices beside those that a filter makes.
    #[must_use]
    pub fn facets(&self, filter: &Filter) -> Facets {
        let tests = Tests::new(self, filter);
        let kept = self.kept();
        let mut counts = Counts::default();
        for (number, entry) in self.entries.iter().enumerate() {
            let passed = tests.passed(self, &kept, number, entry);
            let failed = passed.iter().filter(|passed| !**passed).count();
            if failed > 1 {
                continue;
            }
            counts.records += u64::from(failed == 0);
            // A choice replaces its own test only.
            let free: [bool; TESTS] = std::array::from_fn(|at| failed == 0 || !passed[at]);
            let [task, source, file, rule, mark, kind, clip] = free.map(u64::from);
            *counts.task.entry(entry.task).or_default() += task;
            *counts.source.entry(entry.source).or_default() += source;
            *counts.file.entry(entry.file).or_default() += file;
            for found in &self.rule_sets[entry.rules as usize] {
                *counts.rule.entry(*found).or_default() += rule;
            }
            let at = u32::try_from(number).unwrap_or(u32::MAX);
            *counts.mark.entry(kept.marks.get(&at).copied()).or_default() += mark;
            counts.kind[Kind::from(entry.shape) as usize] += kind;
            counts.clip[usize::from(entry.clip == NONE)] += clip;
        }
        self.named(counts)
    }

    fn named(&self, counts: Counts) -> Facets {
        let or_nameless = |name: &str| if name.is_empty() { NAMELESS } else { name }.to_owned();
        let task = |task: Option<Task>| task.map_or(NAMELESS, Task::as_str).to_owned();
        let mark = |mark: Option<Mark>| mark.map_or(NAMELESS, Mark::as_str).to_owned();
        let plain = |value: String, records| facet(value, "", records);
        let (sources, files) = (&self.source_names, &self.sources);
        Facets {
            records: counts.records,
            task: sorted(counts.task.into_iter().map(|(key, n)| plain(task(key), n))),
            source: sorted(
                counts
                    .source
                    .into_iter()
                    .map(|(key, n)| plain(or_nameless(&sources[usize::from(key)]), n)),
            ),
            file: sorted(
                counts
                    .file
                    .into_iter()
                    .map(|(key, n)| plain(files[usize::from(key)].name.clone(), n)),
            ),
            rule: sorted(
                counts
                    .rule
                    .into_iter()
                    .map(|(rule, n)| facet(rule.id().to_owned(), rule.info().summary, n)),
            ),
            mark: sorted(counts.mark.into_iter().map(|(key, n)| plain(mark(key), n))),
            kind: sorted(
                Kind::ALL
                    .into_iter()
                    .zip(counts.kind)
                    .map(|(kind, n)| plain(kind.as_str().to_owned(), n)),
            ),
            clip: sorted(
                ["yes", "no"]
                    .into_iter()
                    .zip(counts.clip)
                    .map(|(word, n)| plain(word.to_owned(), n)),
            ),
        }
    }
}

fn facet(value: String, title: &str, records: u64) -> Facet {
    Facet {
        value,
        title: title.to_owned(),
        records,
    }
}

/// Most records first, those without left out.
fn sorted(facets: impl Iterator<Item = Facet>) -> Vec<Facet> {
    let mut facets: Vec<Facet> = facets.filter(|facet| facet.records > 0).collect();
    facets.sort_by(|a, b| {
        b.records
            .cmp(&a.records)
            .then_with(|| a.value.cmp(&b.value))
    });
    facets
}
