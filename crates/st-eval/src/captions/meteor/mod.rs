//! METEOR 1.5 (Denkowski and Lavie, 2014) as the COCO caption evaluation runs it: English, ranking parameters, its own
//! normalization after the PTB tokens, matches by exact word, stem, synonym and paraphrase.
//!
//! Its resources are not part of this project: a folder is named that holds them, in any of the forms in which they are
//! published; see [`Meteor::load`].

mod align;
mod normalize;
mod paraphrases;
mod resources;
mod statistics;
mod synonyms;

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;
use rust_stemmers::{Algorithm, Stemmer};

use super::Pair;
use align::Sentence;
use normalize::Normalizer;
use paraphrases::Paraphrases;
use statistics::Statistics;
use synonyms::Synonyms;

pub use resources::MeteorError;

/// The metric with its resources, cut down to the words of certain captions.
pub struct Meteor {
    normalizer: Normalizer,
    function_words: HashSet<String>,
    stemmer: Stemmer,
    synonyms: Synonyms,
    paraphrases: Paraphrases,
}

impl Meteor {
    /// Reads the resources from `folder`, the paraphrases only as far as the words of `pairs` make them up: the whole table
    /// has five million.
    ///
    /// The folder holds `function/english.words`, `nonbreaking/english.prefixes`, `synonym/english.synsets` and
    /// `synonym/english.exceptions`, as files, below `resources/`, or packed in `meteor-1.5.jar`, and `paraphrase-en.gz`,
    /// there or below `data/`: METEOR's release, its source tree, or the folder `meteor` of the Python package
    /// `pycocoevalcap`.
    ///
    /// # Errors
    /// When a resource is missing, cannot be read or has another form, with its name.
    pub fn load<'a>(
        folder: &Path,
        pairs: impl IntoIterator<Item = &'a Pair>,
    ) -> Result<Self, MeteorError> {
        let source = resources::Source::open(folder)?;
        let normalizer = Normalizer::new(&source.text("nonbreaking/english.prefixes")?);
        let mut words = HashSet::new();
        for pair in pairs {
            let texts = pair
                .references
                .iter()
                .map(String::as_str)
                .chain([pair.hypothesis.as_str()]);
            for text in texts {
                words.extend(normalizer.words(text));
            }
        }
        Ok(Self {
            function_words: source
                .text("function/english.words")?
                .lines()
                .map(str::to_owned)
                .collect(),
            synonyms: Synonyms::parse(
                &source.text("synonym/english.synsets")?,
                &source.text("synonym/english.exceptions")?,
            )
            .map_err(|place| source.malformed(&place))?,
            paraphrases: Paraphrases::read(source.paraphrases()?, &words)
                .map_err(|error| source.unreadable(resources::PARAPHRASES, error))?,
            stemmer: Stemmer::create(Algorithm::English),
            normalizer,
        })
    }

    /// The corpus score and each item's: the best over its references.
    ///
    /// An item's paraphrases are found when its words were among those that [`Meteor::load`] was given.
    #[must_use]
    pub fn score(&self, pairs: &[Pair]) -> (f64, Vec<f64>) {
        let items: Vec<Statistics> = pairs.par_iter().map(|pair| self.best(pair)).collect();
        let mut corpus = Statistics::default();
        for item in &items {
            corpus.add(item);
        }
        (
            corpus.score(),
            items.iter().map(Statistics::score).collect(),
        )
    }

    /// The statistics against the first of the references that score best.
    fn best(&self, pair: &Pair) -> Statistics {
        // The evaluation takes its own separator out of the text that it sends to METEOR.
        let hypothesis = pair.hypothesis.replace("|||", "").replace("  ", " ");
        let hypothesis = self.sentence(&hypothesis);
        let mut best: Option<(f64, Statistics)> = None;
        for reference in &pair.references {
            let statistics = self.align(&hypothesis, &self.sentence(reference));
            let score = statistics.score();
            if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
                best = Some((score, statistics));
            }
        }
        best.map(|(_, statistics)| statistics).unwrap_or_default()
    }

    fn sentence(&self, text: &str) -> Sentence {
        let words = self.normalizer.words(text);
        Sentence {
            stems: words
                .iter()
                .map(|word| self.stemmer.stem(word).into_owned())
                .collect(),
            synsets: words.iter().map(|word| self.synonyms.of(word)).collect(),
            numbers: words
                .iter()
                .map(|word| self.paraphrases.number(word))
                .collect(),
            is_function: words
                .iter()
                .map(|word| self.function_words.contains(word))
                .collect(),
            words,
        }
    }
}
