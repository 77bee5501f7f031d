//! ROUGE-L (Lin, 2004) as the COCO caption evaluation computes it: beta 1.2, best precision and best recall over the
//! references, words split at single spaces.

use super::Pair;

const BETA: f64 = 1.2;

/// The mean over items and each item's score.
#[must_use]
pub fn rouge_l(pairs: &[Pair]) -> (f64, Vec<f64>) {
    let items: Vec<f64> = pairs.iter().map(score).collect();
    (super::mean(&items), items)
}

#[expect(clippy::cast_precision_loss, reason = "captions are short")]
fn score(pair: &Pair) -> f64 {
    let hypothesis: Vec<&str> = pair.hypothesis.split(' ').collect();
    let (mut precision, mut recall) = (0.0, 0.0);
    for reference in &pair.references {
        let reference: Vec<&str> = reference.split(' ').collect();
        let common = common_subsequence(&reference, &hypothesis) as f64;
        precision = f64::max(precision, common / hypothesis.len() as f64);
        recall = f64::max(recall, common / reference.len() as f64);
    }
    if precision > 0.0 && recall > 0.0 {
        (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
    } else {
        0.0
    }
}

/// Length of the longest common subsequence.
fn common_subsequence(a: &[&str], b: &[&str]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for left in a {
        let mut diagonal = 0;
        for (index, right) in b.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if left == right {
                diagonal + 1
            } else {
                above.max(row[index])
            };
            diagonal = above;
        }
    }
    row[b.len()]
}
