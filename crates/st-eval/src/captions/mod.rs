//! Caption metrics of the COCO caption evaluation: PTB tokens, BLEU, ROUGE-L, CIDEr.

mod bleu;
mod cider;
mod ptb;
mod rouge;

pub use bleu::bleu;
pub use cider::cider;
pub use ptb::{raw_tokens, tokenize};
pub use rouge::rouge_l;

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

/// Caption scores of a file. METEOR is not among them yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CaptionTable {
    /// Captions judged.
    pub records: usize,
    /// BLEU-1 to BLEU-4.
    pub bleu: [f64; 4],
    /// ROUGE-L.
    pub rouge_l: f64,
    /// CIDEr.
    pub cider: f64,
}

impl CaptionTable {
    /// Judges the captions of ELC lines.
    ///
    /// The original takes the last comma's part of the answer's first sentence for the caption; the strict protocol takes
    /// all between `Ends in …,` and `Object bounding box:`, and an empty caption where there is no answer.
    ///
    /// # Errors
    /// When no reference caption holds a word: CIDEr is not defined, and the original stops.
    pub fn of(protocol: Protocol, lines: &[(usize, Line)]) -> Result<Self, OriginalError> {
        let records = lines.iter().filter_map(|(_, line)| line.as_ref().ok());
        let pairs: Vec<Pair> = records.map(|record| pair(protocol, record)).collect();
        let (cider, _) = cider(&pairs).ok_or(OriginalError::EmptyCaption)?;
        Ok(Self {
            records: pairs.len(),
            bleu: bleu(&pairs).0,
            rouge_l: rouge_l(&pairs).0,
            cider,
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

impl std::fmt::Display for CaptionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [one, two, three, four] = self.bleu;
        write!(
            f,
            "captions: BLEU-1 {one:.4}  BLEU-2 {two:.4}  BLEU-3 {three:.4}  BLEU-4 {four:.4}  ROUGE-L {:.4}  CIDEr {:.4}",
            self.rouge_l, self.cider
        )
    }
}
