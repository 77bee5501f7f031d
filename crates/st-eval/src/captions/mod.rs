//! Caption metrics of the COCO caption evaluation: PTB tokens, BLEU, METEOR, ROUGE-L, CIDEr.

mod bleu;
mod cider;
mod meteor;
mod ptb;
mod rouge;

pub use bleu::bleu;
pub use cider::cider;
pub use meteor::{Meteor, MeteorError};
pub use ptb::{raw_tokens, tokenize};
pub use rouge::rouge_l;

use std::path::Path;

use serde::Serialize;

use crate::answer;
use crate::original::OriginalError;
use crate::prediction::{Prediction, VideoTruth};
use crate::score::{Line, Protocol};
use crate::task::EvalTask;

/// One caption to judge: words separated by single spaces, as [`tokenize`] gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// What is right, in several wordings.
    pub references: Vec<String>,
    /// What the model says.
    pub hypothesis: String,
}

impl Pair {
    /// Tokenizes both sides.
    #[must_use]
    pub fn of_texts(references: &[&str], hypothesis: &str) -> Self {
        Self {
            references: references.iter().map(|text| tokenize(text)).collect(),
            hypothesis: tokenize(hypothesis),
        }
    }
}

/// The metrics of one caption, or of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CaptionScore {
    /// BLEU-1 to BLEU-4.
    pub bleu: [f64; 4],
    /// METEOR, where its resources are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meteor: Option<f64>,
    /// ROUGE-L.
    pub rouge_l: f64,
    /// CIDEr.
    pub cider: f64,
}

/// Caption scores of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaptionTable {
    /// Captions judged.
    pub records: usize,
    /// Over all of them. Those of BLEU and METEOR are no means: they add up counts.
    #[serde(flatten)]
    pub corpus: CaptionScore,
    /// Each caption's own, with its line in the file.
    #[serde(skip)]
    pub items: Vec<(usize, CaptionScore)>,
}

/// Why captions cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum CaptionError {
    /// No reference caption holds a word: CIDEr is not defined, and the original stops.
    #[error("no reference has a word; the original stops with {0}")]
    Undefined(OriginalError),
    /// METEOR's resources.
    #[error("METEOR's resources in {0}")]
    Meteor(#[from] MeteorError),
}

impl CaptionTable {
    /// Judges the captions of ELC lines; with METEOR when a folder with its resources is named ([`Meteor::load`]).
    ///
    /// The original takes the last comma's part of the answer's first sentence for the caption; the strict protocol takes
    /// all between `Ends in …,` and `Object bounding box:`, and an empty caption where there is no answer.
    ///
    /// # Errors
    /// When no reference caption holds a word, or METEOR's resources cannot be used.
    pub fn of(
        protocol: Protocol,
        lines: &[(usize, Line)],
        meteor: Option<&Path>,
    ) -> Result<Self, CaptionError> {
        let (numbers, pairs): (Vec<usize>, Vec<Pair>) = lines
            .iter()
            .filter_map(|(number, line)| Some((*number, pair(protocol, line.as_ref().ok()?))))
            .unzip();
        let undefined = CaptionError::Undefined(OriginalError::EmptyCaption);
        let (cider, ciders) = cider(&pairs).ok_or(undefined)?;
        let (bleu, bleus) = bleu(&pairs);
        let (rouge_l, rouges) = rouge_l(&pairs);
        let meteor = meteor
            .map(|folder| Ok::<_, MeteorError>(Meteor::load(folder, &pairs)?.score(&pairs)))
            .transpose()?;
        let items = numbers.iter().enumerate().map(|(index, number)| {
            let score = CaptionScore {
                bleu: bleus[index],
                meteor: meteor.as_ref().map(|(_, items)| items[index]),
                rouge_l: rouges[index],
                cider: ciders[index],
            };
            (*number, score)
        });
        Ok(Self {
            records: pairs.len(),
            items: items.collect(),
            corpus: CaptionScore {
                bleu,
                meteor: meteor.as_ref().map(|(corpus, _)| *corpus),
                rouge_l,
                cider,
            },
        })
    }
}

fn pair(protocol: Protocol, record: &Prediction) -> Pair {
    let truth = match &record.gt {
        Some(Some(VideoTruth::Tube { caption, .. })) => caption.as_deref().unwrap_or_default(),
        _ => "",
    };
    match protocol {
        Protocol::Original => {
            let sentence = record.text().split('.').next().unwrap_or_default();
            Pair::of_texts(&[truth], sentence.rsplit(',').next().unwrap_or_default())
        }
        Protocol::Strict => {
            let caption = answer::read(EvalTask::Elc, record.text())
                .ok()
                .and_then(|answer| answer.caption);
            Pair::of_texts(&[truth], caption.as_deref().unwrap_or_default())
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "files have far fewer than 2^53 lines"
)]
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / values.len() as f64
    }
}

impl CaptionScore {
    /// The numbers with their names, in the order of tables.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        let [one, two, three, four] = self.bleu;
        let mut named = vec![
            ("BLEU-1", one),
            ("BLEU-2", two),
            ("BLEU-3", three),
            ("BLEU-4", four),
        ];
        named.extend(self.meteor.map(|meteor| ("METEOR", meteor)));
        named.extend([("ROUGE-L", self.rouge_l), ("CIDEr", self.cider)]);
        named
    }
}

impl std::fmt::Display for CaptionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("captions:")?;
        for (name, value) in self.corpus.named() {
            write!(f, " {name} {value:.4} ")?;
        }
        Ok(())
    }
}
