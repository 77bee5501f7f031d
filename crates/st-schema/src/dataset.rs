//! The YAML that lists a stage's annotation files.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Severity;

/// A list of annotation files, as the released `stage1_data.yaml` … `stage3_data.yaml` have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetFile {
    /// The annotation files, in order.
    pub datasets: Vec<DatasetEntry>,
    /// Severities of `stdata validate`'s rules, by rule name, where they differ from `docs/rules.md`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Severity>,
}

/// One annotation file of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetEntry {
    /// The records: a JSON array or JSON lines, plain, `.gz` or `.zst`.
    pub json_path: String,
    /// The folder that media paths start from.
    pub data_folder: String,
    /// The source's name, written into every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which records are taken.
    #[serde(default)]
    #[schemars(with = "String")]
    pub sampling_strategy: SamplingStrategy,
    /// Severities for this file, over those of the whole dataset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Severity>,
}

/// Why a text is not a dataset file.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The YAML is malformed, a field is missing, unknown or has the wrong type.
    #[error("not a dataset file: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

impl FromStr for DatasetFile {
    type Err = DatasetError;

    fn from_str(yaml: &str) -> Result<Self, DatasetError> {
        Ok(serde_yaml::from_str(yaml)?)
    }
}

/// How many records: a count or a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many records, or all when there are fewer.
    Count(u64),
    /// So many hundredths of the records, rounded up.
    Percent(u64),
}

impl Amount {
    fn of(self, length: usize) -> usize {
        let whole = u64::try_from(length).unwrap_or(u64::MAX);
        let amount = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                u64::try_from((u128::from(percent) * u128::from(whole)).div_ceil(100))
                    .unwrap_or(u64::MAX)
            }
        };
        usize::try_from(amount.min(whole)).unwrap_or(length)
    }
}

/// Which records of a file are taken: `all`, `first:N`, `end:N`, `random:N`, where N may be a percentage such as `10%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SamplingStrategy {
    /// Every record.
    #[default]
    All,
    /// The first ones.
    First(Amount),
    /// The last ones.
    End(Amount),
    /// Ones drawn by a seed, in file order.
    Random(Amount),
}

/// Why a text is no sampling strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// The word before the colon is unknown, or there is no colon.
    #[error(
        "`{0}` is no sampling strategy: write all, first:N, end:N or random:N, where N may be a percentage such as 10%"
    )]
    Unknown(String),
    /// What follows the colon is no whole number or percentage.
    #[error("`{text}`: `{amount}` is neither a whole number nor a whole percentage")]
    Amount {
        /// The whole strategy.
        text: String,
        /// The part after the colon.
        amount: String,
    },
}

impl SamplingStrategy {
    /// The positions taken from a file of `length` records, rising. Only `random` looks at the seed.
    #[must_use]
    pub fn select(self, length: usize, seed: u64) -> Vec<usize> {
        match self {
            Self::All => (0..length).collect(),
            Self::First(amount) => (0..amount.of(length)).collect(),
            Self::End(amount) => (length - amount.of(length)..length).collect(),
            Self::Random(amount) => {
                let mut keyed: Vec<(u64, usize)> = (0..length)
                    .map(|index| (scatter(seed, index), index))
                    .collect();
                keyed.sort_unstable();
                keyed.truncate(amount.of(length));
                let mut taken: Vec<usize> = keyed.into_iter().map(|(_, index)| index).collect();
                taken.sort_unstable();
                taken
            }
        }
    }
}

/// A number that depends on the seed and the index and on nothing else (`SplitMix64`, Steele et al. 2014).
fn scatter(seed: u64, index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let mut z = seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl FromStr for SamplingStrategy {
    type Err = SamplingError;

    fn from_str(text: &str) -> Result<Self, SamplingError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let unknown = || SamplingError::Unknown(text.to_owned());
        let (word, amount) = text.split_once(':').ok_or_else(unknown)?;
        let kind = match word {
            "first" => Self::First,
            "end" => Self::End,
            "random" => Self::Random,
            _ => return Err(unknown()),
        };
        let number = amount.trim();
        let parsed = match number.strip_suffix('%') {
            Some(percent) => percent.parse().map(Amount::Percent),
            None => number.parse().map(Amount::Count),
        };
        parsed.map(kind).map_err(|_| SamplingError::Amount {
            text: text.to_owned(),
            amount: amount.to_owned(),
        })
    }
}

impl fmt::Display for SamplingStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, amount) = match self {
            Self::All => return f.write_str("all"),
            Self::First(amount) => ("first", amount),
            Self::End(amount) => ("end", amount),
            Self::Random(amount) => ("random", amount),
        };
        match amount {
            Amount::Count(count) => write!(f, "{word}:{count}"),
            Amount::Percent(percent) => write!(f, "{word}:{percent}%"),
        }
    }
}

impl Serialize for SamplingStrategy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SamplingStrategy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_select() {
        let select =
            |text: &str, length| text.parse::<SamplingStrategy>().unwrap().select(length, 7);
        assert_eq!(select("all", 3), [0, 1, 2]);
        assert_eq!(select("first:2", 3), [0, 1]);
        assert_eq!(select("end:2", 3), [1, 2]);
        assert_eq!(select("end:0", 3), [0usize; 0]);
        assert_eq!(select("first:10%", 23), [0, 1, 2]);
        assert_eq!(select("first:1000", 3), [0, 1, 2]);
        let random = select("random:50%", 100);
        assert_eq!(random.len(), 50);
        assert_ne!(
            random,
            "random:50%"
                .parse::<SamplingStrategy>()
                .unwrap()
                .select(100, 8)
        );
        assert_eq!(random, select("random:50", 100));
        for bad in [
            "first",
            "nonsense",
            "nonsense:3",
            "first:",
            "first:-2",
            "first:1.5%",
            "FIRST:3",
            "first:2:3",
        ] {
            assert!(bad.parse::<SamplingStrategy>().is_err(), "{bad}");
        }
    }

    #[test]
    fn yaml_is_read_and_faults_are_named() {
        let yaml = "datasets:\n  - json_path: a.json\n    source: s\n    sampling_strategy: \"random:50%\"\n    data_folder: d\n";
        let file: DatasetFile = yaml.parse().unwrap();
        assert_eq!(
            file.datasets[0].sampling_strategy,
            SamplingStrategy::Random(Amount::Percent(50))
        );
        let error = "datasets:\n  - json_path: a\n    data_folder: d\n    sampling_stategy: all\n"
            .parse::<DatasetFile>()
            .unwrap_err();
        assert!(error.to_string().contains("sampling_stategy"), "{error}");
    }
}
