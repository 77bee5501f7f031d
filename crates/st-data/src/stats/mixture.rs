//! What an epoch holds: records and tokens by task, and what would be if a file were sampled otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use st_schema::{SamplingStrategy, Task};

use super::audit::Map;
use super::examine::{SEED, View};
use super::report::{Mixture, MixtureRow};
use super::{Listed, StatsError};

/// How fast one GPU trains, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// Records a second.
    Records(f64),
    /// Text tokens a second.
    Tokens(f64),
}

/// Why a text is no speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no speed: write records or tokens a second of one GPU, such as 1.9rec or 2400tok"
)]
pub struct SpeedError(String);

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let error = || SpeedError(text.to_owned());
        let (number, unit): (&str, fn(f64) -> Self) = if let Some(number) = text.strip_suffix("rec")
        {
            (number, Self::Records)
        } else {
            (text.strip_suffix("tok").ok_or_else(error)?, Self::Tokens)
        };
        let number: f64 = number.trim().parse().map_err(|_| error())?;
        if number.is_finite() && number > 0.0 {
            Ok(unit(number))
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(number) => write!(f, "{number} records a second"),
            Self::Tokens(number) => write!(f, "{number} text tokens a second"),
        }
    }
}

/// A sampling strategy for the entries of a dataset file that a name fits: a source, an annotation file's name with or
/// without its ending, or a dataset; the last two also as `dataset/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: String,
    /// The strategy instead of the dataset file's.
    pub sampling: SamplingStrategy,
}

impl Change {
    fn fits(&self, listed: &Listed) -> bool {
        let file = listed.input.annotations.file_name();
        let file = file.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let stem = file.split('.').next().unwrap_or_default();
        let source = listed.input.source.as_deref().unwrap_or_default();
        let names = [source, &file, stem];
        match self.name.split_once('/') {
            Some((dataset, name)) => dataset == listed.dataset && names.contains(&name),
            None => names.contains(&self.name.as_str()) || listed.dataset == self.name,
        }
    }
}

type Key<'a> = (&'a str, Option<Task>, &'a str);

#[derive(Default)]
struct Sums {
    listed: u64,
    taken: u64,
    words: u64,
    tokens: u64,
}

/// What the sampling strategies take, with `changes`; the last that fits an entry counts.
pub(super) fn mixture(
    view: &View<'_>,
    changes: &[Change],
    speed: Option<Speed>,
) -> Result<Mixture, StatsError> {
    let audit = view.audit;
    let mut used = BTreeSet::new();
    let mut by_file: Map<u32, Vec<u32>> = Map::default();
    for number in &view.order {
        let file = by_file.entry(view.print(*number).file).or_default();
        file.push(*number);
    }
    let mut sums: BTreeMap<Key<'_>, Sums> = BTreeMap::new();
    for at in &view.listed {
        let (listed, file) = &audit.listed[*at];
        let mut sampling = listed.input.sampling;
        for (place, change) in changes.iter().enumerate() {
            if change.fits(listed) {
                sampling = change.sampling;
                used.insert(place);
            }
        }
        let numbers = by_file.get(file).map_or(&[][..], Vec::as_slice);
        let mut taken = sampling.select(numbers.len(), SEED).into_iter().peekable();
        for (index, number) in numbers.iter().enumerate() {
            let print = view.print(*number);
            let own = &audit.sources.list[print.source as usize];
            let source = listed.input.source.as_ref().unwrap_or(own);
            let row = sums
                .entry((&listed.dataset, print.task, source))
                .or_default();
            row.listed += 1;
            if taken.next_if_eq(&index).is_some() {
                row.taken += 1;
                row.words += u64::from(print.words);
                row.tokens += u64::from(print.tokens);
            }
        }
    }
    if let Some(place) = (0..changes.len()).find(|place| !used.contains(place)) {
        return Err(StatsError::Change {
            name: changes[place].name.clone(),
        });
    }
    Ok(Mixture {
        rows: rows(view, &sums, speed),
        changed: changes
            .iter()
            .map(|change| (change.name.clone(), change.sampling.to_string()))
            .collect(),
        speed: speed.map(|speed| speed.to_string()),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shares and hours need no more than 53 bits"
)]
fn rows(view: &View<'_>, sums: &BTreeMap<Key<'_>, Sums>, speed: Option<Speed>) -> Vec<MixtureRow> {
    let has_tokens = view.audit.tokenizer.is_some();
    let mut epochs: BTreeMap<&str, u64> = BTreeMap::new();
    for ((dataset, ..), row) in sums {
        *epochs.entry(dataset).or_default() += row.taken;
    }
    sums.iter()
        .map(|((dataset, task, source), row)| {
            let seconds = match speed {
                Some(Speed::Records(rate)) => Some(row.taken as f64 / rate),
                Some(Speed::Tokens(rate)) if has_tokens => Some(row.tokens as f64 / rate),
                _ => None,
            };
            MixtureRow {
                dataset: (*dataset).to_owned(),
                task: *task,
                source: (*source).to_owned(),
                listed: row.listed,
                taken: row.taken,
                share: row.taken as f64 / epochs[dataset].max(1) as f64,
                words: row.words,
                tokens: has_tokens.then_some(row.tokens),
                gpu_hours: seconds.map(|seconds| seconds / 3600.0),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_have_a_unit() {
        assert_eq!("1.9rec".parse(), Ok(Speed::Records(1.9)));
        assert_eq!("2400 tok".parse(), Ok(Speed::Tokens(2400.0)));
        for bad in ["", "3", "rec", "-1rec", "nantok", "0rec"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
