//! Loss and answers on held-out records.
//!
//! The answers are greedy and come from the first question of each record; what they are measured by is what its coordinates say:
//! overlap of the first box, overlap of the first span, and how often the box lies on the object that was named rather than on
//! another one of the same record. The benchmarks' protocols are `steval`'s business.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;
use st_model::batch::EncodedRecord;
use st_model::config::ModelConfig;
use st_model::generate::{GenerateOptions, generate};
use st_model::input::InputEncoder;
use st_model::loss::Objective;
use st_model::model::{ClipKind, ClipRange, LlavaSt, VisualTokens};
use st_model::siglip;
use st_schema::{Axis, Frames, Record, Side, Task};

use crate::dataset::{Dataset, Roots};
use crate::metrics::ValidationLine;
use crate::order::MicroBatch;
use crate::pass::{Pass, PassMaker};
use crate::prepare::{PrepareError, Prepared};
use crate::recipe::ValidationPlan;
use crate::train::Validate;

/// Tokens of a greedy answer at most.
const MAX_ANSWER: usize = 24;

/// Held-out records, and how they are asked.
#[derive(Debug)]
pub struct Validator {
    dataset: Arc<Dataset>,
    maker: PassMaker,
    encoder: Arc<InputEncoder>,
    config: ModelConfig,
    objective: Objective,
    device: Device,
    chosen: Vec<usize>,
    batch: usize,
    answer: bool,
}

impl Validator {
    /// Opens the held-out records of a plan; the first `limit` of each task are used.
    ///
    /// # Errors
    /// Where records or shards are missing.
    pub fn new(
        plan: &ValidationPlan,
        prepared: &Prepared,
        roots: &Roots,
        device: &Device,
    ) -> Result<Self, PrepareError> {
        let recipe = &prepared.recipe;
        let rejects = recipe.data.max_rejects;
        let dataset = Dataset::open(
            "validation",
            &plan.records,
            &plan.shards,
            roots,
            recipe.seed,
            rejects,
        )?;
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        let mut chosen = Vec::new();
        for (index, entry) in dataset.catalog().entries.iter().enumerate() {
            let seen = count.entry(entry.task.as_str()).or_default();
            if *seen < plan.limit {
                chosen.push(index);
            }
            *seen += 1;
        }
        let dataset = Arc::new(dataset);
        Ok(Self {
            maker: PassMaker::new(
                Arc::clone(&dataset),
                Arc::clone(&prepared.encoder),
                prepared.pad,
            ),
            dataset,
            encoder: Arc::clone(&prepared.encoder),
            config: prepared.config.clone(),
            objective: prepared.objective,
            device: device.clone(),
            chosen,
            batch: recipe.batch.records,
            answer: plan.answer,
        })
    }

    fn visual(&self, model: &LlavaSt, pass: &Pass) -> Result<VisualTokens, String> {
        let frames: Vec<&Frames> = pass.frames.iter().collect();
        let patches = siglip::patches(&frames, &self.config.vision, &self.device)
            .map_err(|e| e.to_string())?;
        let mut first = 0;
        let mut kinds = Vec::new();
        for (clip, frames) in pass.clips.iter().zip(&pass.frames) {
            let kind = if self.dataset.catalog().is_video[*clip] {
                ClipKind::Video
            } else {
                ClipKind::Image
            };
            kinds.push(ClipRange { first, kind });
            first += frames.count;
        }
        Ok(model.visual_tokens(model.encode_frames(patches), &kinds, self.objective))
    }

    fn answers(
        &self,
        model: &LlavaSt,
        visual: &VisualTokens,
        pass: &Pass,
        scores: &mut Scores,
    ) -> Result<(), String> {
        let (mut prompts, mut clips, mut asked): (
            Vec<EncodedRecord>,
            Vec<usize>,
            Vec<(Record, Task)>,
        ) = Default::default();
        for (index, task) in pass.records.iter().zip(&pass.tasks) {
            if !matches!(task, Task::Rec | Task::Tvg | Task::Stvg) {
                continue;
            }
            let record = self.dataset.record(*index).map_err(|e| e.to_string())?;
            prompts.push(
                self.encoder
                    .encode_prompt(&record)
                    .map_err(|e| e.to_string())?,
            );
            let clip = self.dataset.catalog().entries[*index].clip;
            clips.push(
                pass.clips
                    .iter()
                    .position(|c| *c == clip)
                    .unwrap_or_default(),
            );
            asked.push((record, *task));
        }
        let options = GenerateOptions {
            max_new_tokens: MAX_ANSWER,
            stop: vec![self.encoder.stop_id()],
            ..GenerateOptions::default()
        };
        let answers = generate(model, &prompts, &clips, visual, &options, |_, _| {});
        for (answer, (record, task)) in answers.iter().zip(&asked) {
            let places = coordinates(&answer.ids, &self.config);
            match task {
                Task::Rec => scores.box_of(&record.variables, &places),
                _ => scores.span_of(task.as_str(), &record.variables, &places),
            }
        }
        Ok(())
    }
}

impl Validate for Validator {
    fn validate(&mut self, model: &LlavaSt, step: u64) -> Result<ValidationLine, String> {
        let mut tasks: BTreeMap<String, (f64, u32)> = BTreeMap::new();
        let mut scores = Scores::default();
        // Images and videos apart, so that short records are not padded to long ones.
        let is_video = |index: &usize| {
            self.dataset.catalog().is_video[self.dataset.catalog().entries[*index].clip]
        };
        let (videos, images): (Vec<usize>, Vec<usize>) =
            self.chosen.iter().partition(|i| is_video(i));
        for records in images.chunks(self.batch).chain(videos.chunks(self.batch)) {
            let micro = MicroBatch {
                records: records.to_vec(),
                weight: 1.0,
            };
            let pass = self.maker.make(&micro).map_err(|e| e.to_string())?;
            let visual = self.visual(model, &pass)?;
            let output = model.loss(&pass.batch, &visual, self.objective);
            let losses: Vec<f64> = output.per_record.into_data().iter::<f64>().collect();
            for (task, loss) in pass.tasks.iter().zip(losses) {
                let entry = tasks.entry(task.as_str().to_owned()).or_default();
                entry.0 += loss;
                entry.1 += 1;
            }
            if self.answer {
                self.answers(model, &visual, &pass, &mut scores)?;
            }
        }
        let (sum, count) = tasks
            .values()
            .fold((0.0, 0), |(s, n), (a, b)| (s + a, n + b));
        let mut all = scores.means();
        all.extend(
            tasks
                .iter()
                .map(|(t, (s, n))| (format!("{t}/loss"), s / f64::from(*n))),
        );
        Ok(ValidationLine {
            step,
            loss: sum / f64::from(count.max(1)),
            scores: all,
        })
    }
}

/// Sums of scores by name.
#[derive(Debug, Default)]
struct Scores(BTreeMap<String, (f64, u32)>);

impl Scores {
    fn add(&mut self, name: String, value: f64) {
        let entry = self.0.entry(name).or_default();
        entry.0 += value;
        entry.1 += 1;
    }

    fn means(&self) -> BTreeMap<String, f64> {
        self.0
            .iter()
            .map(|(name, (sum, count))| (name.clone(), sum / f64::from(*count)))
            .collect()
    }

    /// The first box of the answer against the record's boxes; an answer without one counts as 0.
    fn box_of(&mut self, truth: &st_schema::Variables, places: &[(Axis, f64)]) {
        let axis = |axis: Axis| {
            places
                .iter()
                .filter(move |p| p.0 == axis)
                .map(|p| p.1)
                .take(2)
        };
        let (x, y): (Vec<f64>, Vec<f64>) =
            (axis(Axis::Width).collect(), axis(Axis::Height).collect());
        let (xs, ys) = (
            truth.get(Axis::Width, Side::Output),
            truth.get(Axis::Height, Side::Output),
        );
        let boxes: Vec<[f64; 4]> = xs
            .chunks_exact(2)
            .zip(ys.chunks_exact(2))
            .map(|(x, y)| [x[0], y[0], x[1], y[1]])
            .collect();
        let mut overlaps = vec![0.0; boxes.len()];
        if let (&[x1, x2], &[y1, y2]) = (&x[..], &y[..]) {
            overlaps = boxes
                .iter()
                .map(|b| box_iou(*b, [x1, y1, x2, y2]))
                .collect();
        }
        let Some(&named) = overlaps.first() else {
            return;
        };
        self.add("rec/iou".to_owned(), named);
        self.add("rec/iou_0.5".to_owned(), f64::from(u8::from(named >= 0.5)));
        if overlaps.len() > 1 {
            let best = overlaps.iter().copied().fold(0.0, f64::max);
            self.add(
                "rec/named".to_owned(),
                f64::from(u8::from(named > 0.0 && named >= best)),
            );
            #[expect(clippy::cast_precision_loss, reason = "a handful of objects")]
            self.add("rec/named_chance".to_owned(), 1.0 / overlaps.len() as f64);
            self.add("rec/any_iou".to_owned(), best);
        }
    }

    /// The first span of the answer against the record's; an answer without one counts as 0.
    fn span_of(&mut self, task: &str, truth: &st_schema::Variables, places: &[(Axis, f64)]) {
        let times: Vec<f64> = places
            .iter()
            .filter(|p| p.0 == Axis::Temporal)
            .map(|p| p.1)
            .take(2)
            .collect();
        let truth = truth.get(Axis::Temporal, Side::Output);
        let (Some(&[a, b]), found) = (truth.first_chunk::<2>(), times.first_chunk::<2>()) else {
            return;
        };
        let overlap = found.map_or(0.0, |&[c, d]| {
            let shared = (b.min(d) - a.max(c)).max(0.0);
            let all = (b - a).max(0.0) + (d - c).max(0.0) - shared;
            if all > 0.0 {
                shared / all
            } else {
                f64::from(u8::from((a - c).abs() < 1e-9))
            }
        });
        self.add(format!("{task}/tiou"), overlap);
        self.add(
            format!("{task}/tiou_0.5"),
            f64::from(u8::from(overlap >= 0.5)),
        );
    }
}

fn box_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let area = |c: [f64; 4]| (c[2] - c[0]).max(0.0) * (c[3] - c[1]).max(0.0);
    let shared = side(0) * side(1);
    let all = area(a) + area(b) - shared;
    if all > 0.0 { shared / all } else { 0.0 }
}

/// The coordinates among generated ids, as fractions of their axis.
#[expect(clippy::cast_precision_loss, reason = "bins")]
fn coordinates(ids: &[u32], config: &ModelConfig) -> Vec<(Axis, f64)> {
    let mut places = Vec::new();
    for &id in ids {
        for axis in Axis::ALL {
            let (first, bins) = (config.first_id(axis), config.coordinates.bins(axis));
            let id = id as usize;
            if (first..first + bins).contains(&id) {
                places.push((axis, (id - first) as f64 / (bins - 1).max(1) as f64));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_and_spans_are_scored_by_their_overlap() {
        let mut truth = st_schema::Variables::default();
        truth
            .get_mut(Axis::Width, Side::Output)
            .extend([0.0, 0.5, 0.6, 1.0]);
        truth
            .get_mut(Axis::Height, Side::Output)
            .extend([0.0, 0.5, 0.6, 1.0]);
        truth
            .get_mut(Axis::Temporal, Side::Output)
            .extend([0.2, 0.6]);
        let mut scores = Scores::default();
        let places = [0.0, 0.0, 0.5, 0.25]
            .into_iter()
            .zip([Axis::Width, Axis::Height].into_iter().cycle());
        let places: Vec<(Axis, f64)> = places.map(|(v, a)| (a, v)).collect();
        scores.box_of(&truth, &places);
        scores.box_of(&truth, &[]);
        scores.span_of(
            "tvg",
            &truth,
            &[(Axis::Temporal, 0.4), (Axis::Temporal, 0.8)],
        );
        let means = scores.means();
        assert!((means["rec/iou"] - 0.25).abs() < 1e-9, "{means:?}");
        assert!((means["rec/named"] - 0.5).abs() < 1e-9);
        assert!((means["rec/named_chance"] - 0.5).abs() < 1e-9);
        assert!((means["tvg/tiou"] - 1.0 / 3.0).abs() < 1e-9);
    }
}
