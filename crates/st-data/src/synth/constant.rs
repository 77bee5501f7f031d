//! The best answer without looking: how well one span for all items would score.

use serde::Serialize;

/// The constant span with the most hits, and what it scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConstantSpan {
    /// Start and end as fractions of the clip.
    pub span: [f64; 2],
    /// Share of items with an intersection over union of more than 0.5.
    pub recall: f64,
    /// Best mean intersection over union of any constant span (not necessarily this one's).
    pub mean_iou: f64,
}

/// Tries every pair of ends on a grid of 100 steps. `None` without spans.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "there are far fewer than 2^53 items"
)]
pub fn best_constant_span(spans: &[[f64; 2]]) -> Option<ConstantSpan> {
    const STEPS: u32 = 100;
    if spans.is_empty() {
        return None;
    }
    let mut best = ConstantSpan {
        span: [0.0, 1.0],
        recall: -1.0,
        mean_iou: 0.0,
    };
    for start in 0..STEPS {
        for end in start + 1..=STEPS {
            let guess = [start, end].map(|step| f64::from(step) / f64::from(STEPS));
            let ious = spans.iter().map(|span| iou(guess, *span));
            let (hits, sum) = ious.fold((0_usize, 0.0), |(hits, sum), iou| {
                (hits + usize::from(iou > 0.5), sum + iou)
            });
            let recall = hits as f64 / spans.len() as f64;
            best.mean_iou = best.mean_iou.max(sum / spans.len() as f64);
            if recall > best.recall {
                (best.recall, best.span) = (recall, guess);
            }
        }
    }
    Some(best)
}

fn iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let both = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
    let either = (a[1] - a[0]) + (b[1] - b[0]) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_spans_are_all_hit() {
        let best = best_constant_span(&[[0.2, 0.5]; 3]).unwrap();
        assert!((best.recall - 1.0).abs() < 1e-12 && best.mean_iou > 0.999);
        assert_eq!(best_constant_span(&[]), None);
    }
}
