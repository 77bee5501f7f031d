//! What can be had without looking: the best constant answer, and clips exchanged among records.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use st_schema::Bin;

use crate::bootstrap::{Bootstrap, Interval};
use crate::score::{Measure, MetricDef, Protocol, Values, metrics};
use crate::strict::{Truth, TubeTruth, box_iou, span_iou};
use crate::task::EvalTask;

/// The constant answer that scores best on a benchmark, one for each metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constant {
    /// The metric that it was chosen for.
    pub metric: &'static str,
    /// Its score: a mean in `[0, 1]`, or a percentage.
    pub value: f64,
    /// 95 % bootstrap interval over records.
    pub interval: Option<Interval>,
    /// The answer in words.
    pub answer: String,
}

/// A constant answer in bins. What a task does not ask for is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Guess {
    /// Start and end; for ELC the end, or the length after the start that the question gives.
    span: [u8; 2],
    /// `x1, y1, x2, y2`.
    corners: [u8; 4],
    /// ELC: `span[1]` is a length.
    relative: bool,
}

const LAST: u8 = Bin::LAST;

/// Finds the best constant answer for every metric of the strict protocol.
///
/// Every pair of bins is tried as a span. Boxes, and spans together with boxes, start from a grid and from the best span
/// and are moved by 16, 8, 4, 2, 1 bins while that helps, so they are a lower bound of the best; it is the stronger the
/// more it may use of the question: SVG's box stands in the span that was asked for, ELC's span begins where the question
/// says. Records without a readable truth must be left out.
#[must_use]
pub fn constants(task: EvalTask, truths: &[Truth], bootstrap: Option<&Bootstrap>) -> Vec<Constant> {
    if truths.is_empty() {
        return Vec::new();
    }
    metrics(Protocol::Strict, task)
        .iter()
        .map(|metric| {
            let guess = search(task, metric, truths);
            let column: Vec<f64> = truths
                .par_iter()
                .map(|truth| contribution(metric, truth, guess))
                .collect();
            let interval = bootstrap.and_then(|bootstrap| {
                bootstrap
                    .means(std::slice::from_ref(&column))
                    .first()
                    .copied()
            });
            Constant {
                metric: metric.name,
                value: metric.finish(column.iter().sum::<f64>(), length(column.len())),
                interval: interval.map(|interval| interval.map(|mean| metric.finish(mean, 1.0))),
                answer: describe(task, metric.measure, guess),
            }
        })
        .collect()
}

fn search(task: EvalTask, metric: &MetricDef, truths: &[Truth]) -> Guess {
    let whole = Guess {
        span: [0, LAST],
        corners: [0, 0, LAST, LAST],
        relative: false,
    };
    let total = |guess: Guess| -> f64 {
        truths
            .iter()
            .map(|truth| contribution(metric, truth, guess))
            .sum()
    };
    match task {
        EvalTask::Tvg => best(all_spans(), total).unwrap_or(whole),
        EvalTask::Rec | EvalTask::Svg => climb(lattice(whole), total),
        EvalTask::Stvg | EvalTask::Elc => {
            let mut starts = Vec::new();
            for relative in [false, true] {
                if relative && task == EvalTask::Stvg {
                    break;
                }
                let spans = all_spans()
                    .into_iter()
                    .filter(|guess| task == EvalTask::Stvg || guess.span[0] == 0);
                let tiou = metrics(Protocol::Strict, task)[0];
                let by_time = |guess: Guess| -> f64 {
                    truths
                        .iter()
                        .map(|truth| contribution(&tiou, truth, guess))
                        .sum()
                };
                let timed = best(
                    spans.map(|guess| Guess { relative, ..guess }).collect(),
                    by_time,
                );
                starts.extend(
                    [timed, Some(Guess { relative, ..whole })]
                        .into_iter()
                        .flatten(),
                );
            }
            let lattices = starts.into_iter().flat_map(lattice).collect();
            climb(lattices, total)
        }
    }
}

/// The sum that one record adds to the metric.
fn contribution(metric: &MetricDef, truth: &Truth, guess: Guess) -> f64 {
    let span = guess.span.map(fraction);
    let corners = guess.corners.map(fraction);
    let values = match truth {
        Truth::Box(truth) => Values {
            iou: Some(box_iou(*truth, corners)),
            ..Values::default()
        },
        Truth::Span(truth) => Values {
            tiou: Some(span_iou(*truth, span)),
            ..Values::default()
        },
        Truth::Tube(truth) => tube_values(truth, span, corners, guess.relative),
    };
    metric.of(&values).unwrap_or(0.0)
}

fn tube_values(truth: &TubeTruth, guessed: [f64; 2], corners: [f64; 4], relative: bool) -> Values {
    // What the question gives away may be used: SVG's whole span, ELC's start.
    let span = match (truth.asked[..].try_into(), truth.asked.first()) {
        (Ok(asked), _) => asked,
        (Err(_), Some(start)) if relative => [*start, (start + guessed[1]).min(1.0)],
        (Err(_), Some(start)) => [*start, guessed[1].max(*start)],
        (Err(_), None) => guessed,
    };
    let frames = truth.frames.of_span(span);
    let (mut sum, mut shared) = (0.0, 0);
    for (_, other) in truth.boxes.range(frames.clone()) {
        sum += box_iou(*other, corners);
        shared += 1;
    }
    let union = truth.boxes.len() + (frames.end() + 1 - frames.start()) - shared;
    Values {
        iou: None,
        tiou: truth.span.map(|truth| span_iou(truth, span)),
        siou: Some(sum / length(truth.boxes.len().max(1))),
        viou: Some(sum / length(union.max(1))),
    }
}

fn all_spans() -> Vec<Guess> {
    let corners = [0, 0, LAST, LAST];
    (0..=LAST)
        .flat_map(|start| {
            (start..=LAST).map(move |end| Guess {
                span: [start, end],
                corners,
                relative: false,
            })
        })
        .collect()
}

/// The same span with boxes whose corners lie on a grid of 11 bins.
fn lattice(guess: Guess) -> Vec<Guess> {
    let sides: Vec<[u8; 2]> = (0..=9)
        .flat_map(|a| (a + 1..=9).map(move |b| [a * 11, b * 11]))
        .collect();
    sides
        .iter()
        .flat_map(|x| {
            sides.iter().map(move |y| Guess {
                corners: [x[0], y[0], x[1], y[1]],
                ..guess
            })
        })
        .collect()
}

fn best(guesses: Vec<Guess>, total: impl Fn(Guess) -> f64 + Sync) -> Option<Guess> {
    let totals: Vec<f64> = guesses.par_iter().map(|guess| total(*guess)).collect();
    // The first of equals, so that the answer does not depend on the number of threads.
    let mut winner: Option<(f64, Guess)> = None;
    for (total, guess) in totals.into_iter().zip(guesses) {
        if winner.is_none_or(|(highest, _)| total > highest) {
            winner = Some((total, guess));
        }
    }
    winner.map(|(_, guess)| guess)
}

/// The best of the starts, moved while that helps.
fn climb(starts: Vec<Guess>, total: impl Fn(Guess) -> f64 + Sync) -> Guess {
    let whole = Guess {
        span: [0, LAST],
        corners: [0, 0, LAST, LAST],
        relative: false,
    };
    let mut here = best(starts, &total).unwrap_or(whole);
    let mut highest = total(here);
    for step in [16, 8, 4, 2, 1] {
        while let Some(next) = best(neighbours(here, step), &total) {
            let reached = total(next);
            if reached <= highest {
                break;
            }
            (here, highest) = (next, reached);
        }
    }
    here
}

fn neighbours(guess: Guess, step: i16) -> Vec<Guess> {
    let moved = |bin: u8, by: i16| {
        u8::try_from((i16::from(bin) + by).clamp(0, i16::from(LAST))).unwrap_or(LAST)
    };
    let mut found = Vec::new();
    for by in [-step, step] {
        for end in 0..2 {
            let mut next = guess;
            next.span[end] = moved(next.span[end], by);
            found.push(next);
        }
        for corner in 0..4 {
            let mut next = guess;
            next.corners[corner] = moved(next.corners[corner], by);
            found.push(next);
        }
        // The whole box, and the whole span, by a step.
        let mut shifted = guess;
        shifted.span = shifted.span.map(|bin| moved(bin, by));
        found.push(shifted);
        for axis in 0..2 {
            let mut shifted = guess;
            for corner in [axis, axis + 2] {
                shifted.corners[corner] = moved(shifted.corners[corner], by);
            }
            found.push(shifted);
        }
    }
    found.retain(|next| {
        let [x1, y1, x2, y2] = next.corners;
        next.span[0] <= next.span[1] && x1 <= x2 && y1 <= y2
    });
    found
}

/// The parts of a guess that the metric looks at, in words.
fn describe(task: EvalTask, measure: Measure, guess: Guess) -> String {
    let [x1, y1, x2, y2] = guess.corners.map(fraction);
    let [start, end] = guess.span.map(fraction);
    let bbox = format!("box [{x1:.2}, {y1:.2}, {x2:.2}, {y2:.2}]");
    let span = match task {
        EvalTask::Rec => None,
        EvalTask::Svg => Some("the span asked for".to_owned()),
        EvalTask::Elc if guess.relative => Some(format!("ends {end:.2} after the start")),
        EvalTask::Elc => Some(format!("ends in {end:.2}")),
        EvalTask::Tvg | EvalTask::Stvg => Some(format!("span {{{start:.2}, {end:.2}}}")),
    };
    match (span, measure) {
        (Some(span), Measure::Tiou) => span,
        (Some(span), _) => format!("{span}, {bbox}"),
        (None, _) => bbox,
    }
}

fn fraction(bin: u8) -> f64 {
    f64::from(bin) / f64::from(LAST)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "benchmarks have far fewer than 2^53 records"
)]
fn length(records: usize) -> f64 {
    records as f64
}

/// Gives every record another record's clip: the distinct clips are put into one random ring, and each record gets the
/// clip that follows its own. Returns, for each record, a record whose clip it is to see; `None` with fewer than two
/// distinct clips.
#[must_use]
pub fn exchange<K: Eq + std::hash::Hash>(clips: &[K], seed: u64) -> Option<Vec<usize>> {
    let mut first_with = std::collections::HashMap::new();
    let mut ring = Vec::new();
    for (index, clip) in clips.iter().enumerate() {
        first_with.entry(clip).or_insert_with(|| {
            ring.push(index);
            index
        });
    }
    if ring.len() < 2 {
        return None;
    }
    ring.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let next: std::collections::HashMap<usize, usize> = ring
        .iter()
        .copied()
        .zip(ring.iter().copied().cycle().skip(1))
        .collect();
    Some(clips.iter().map(|clip| next[&first_with[clip]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_constant_of_equal_truths_is_the_truth() {
        let truths = vec![Truth::Box([20.0 / 99.0, 33.0 / 99.0, 47.0 / 99.0, 81.0 / 99.0]); 3];
        let found = constants(EvalTask::Rec, &truths, None);
        assert!((found[0].value - 1.0).abs() < 1e-12, "{found:?}");
        let truths = vec![
            Truth::Span([10.0 / 99.0, 30.0 / 99.0]),
            Truth::Span([10.0 / 99.0, 30.0 / 99.0]),
        ];
        let found = constants(EvalTask::Tvg, &truths, None);
        assert_eq!(found[0].answer, "span {0.10, 0.30}");
        assert!((found[3].value - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_best_span_beats_every_other() {
        let truths: Vec<Truth> = [[0.1, 0.4], [0.3, 0.9], [0.5, 0.6], [0.2, 0.8]]
            .into_iter()
            .map(Truth::Span)
            .collect();
        let found = constants(EvalTask::Tvg, &truths, None)[0].value;
        for start in 0..=99_u8 {
            for end in start..=99 {
                let guess = [fraction(start), fraction(end)];
                let mean: f64 = truths
                    .iter()
                    .map(|truth| {
                        if let Truth::Span(truth) = truth {
                            span_iou(*truth, guess)
                        } else {
                            0.0
                        }
                    })
                    .sum::<f64>()
                    / 4.0;
                assert!(mean <= found + 1e-12);
            }
        }
    }

    #[test]
    fn nobody_keeps_its_clip() {
        let clips = ["a", "a", "b", "c", "c", "c"];
        let given = exchange(&clips, 3).unwrap();
        for (own, other) in clips.iter().zip(&given) {
            assert_ne!(*own, clips[*other]);
        }
        assert_eq!(exchange(&clips, 3), Some(given));
        assert_eq!(exchange(&["a", "a"], 3), None);
    }
}
