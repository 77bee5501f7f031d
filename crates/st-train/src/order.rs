//! Which records form which step: a pure function of the seed, the recipe and the step.
//!
//! Nothing here is state, so resuming at step `n` is the same call with `n`, on any number of loader threads.

use std::collections::BTreeMap;

use st_schema::Task;

use crate::random::SplitMix;
use crate::recipe::{BatchPlan, MediaKind, Phase, Recipe, Stream};

/// What the order needs to know of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its task.
    pub task: Task,
    /// Its clip, as an index into the catalog's clips.
    pub clip: usize,
}

/// The records of a training set by clip.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Per record.
    pub entries: Vec<Entry>,
    /// Per clip: whether it is a video.
    pub is_video: Vec<bool>,
}

impl Catalog {
    /// Records of each clip, in record order.
    fn by_clip(&self) -> Vec<Vec<usize>> {
        let mut clips = vec![Vec::new(); self.is_video.len()];
        for (i, entry) in self.entries.iter().enumerate() {
            clips[entry.clip].push(i);
        }
        clips
    }
}

/// One forward pass: records, those of a clip beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct MicroBatch {
    /// Indices of records.
    pub records: Vec<usize>,
    /// Weight of each of these records in the loss.
    pub weight: f64,
}

/// The plan of a whole run.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    batch: BatchPlan,
    phases: Vec<PhaseOrder>,
    steps: u64,
}

#[derive(Debug, Clone)]
struct PhaseOrder {
    first: u64,
    streams: Vec<StreamOrder>,
    epoch: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct StreamOrder {
    plan: Stream,
    clips: Vec<Vec<(usize, f64)>>,
}

/// A stream or a run for which no record is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: no record of the training set fits (tasks {wanted}); the set has {present}")]
pub struct NoRecords {
    /// The key of the recipe.
    pub place: String,
    /// The tasks that were asked for.
    pub wanted: String,
    /// The tasks that there are, with their counts.
    pub present: String,
}

impl Order {
    /// Plans a run over these records.
    ///
    /// # Errors
    /// Where a stream finds no record.
    pub fn new(recipe: &Recipe, catalog: &Catalog) -> Result<Self, NoRecords> {
        let groups = catalog.by_clip();
        let epoch = epoch_groups(&groups, recipe.batch.group_by_clip);
        let records = catalog.entries.len();
        if records == 0 {
            return Err(no_records("data.records", "any", catalog));
        }
        let steps = recipe.steps.unwrap_or_else(|| epoch_steps(recipe, records));
        let whole = [whole_run()];
        let plans = if recipe.phases.is_empty() {
            &whole[..]
        } else {
            &recipe.phases
        };
        let mut phases = Vec::new();
        for (i, (plan, first)) in plans.iter().zip(first_steps(plans, steps)).enumerate() {
            let mut streams = Vec::new();
            for (j, stream) in plan.mix.iter().enumerate() {
                let clips = stream_clips(stream, catalog, &groups);
                if clips.is_empty() {
                    let wanted: Vec<&str> = stream.tasks.keys().map(String::as_str).collect();
                    let place = format!("phases[{i}].mix[{j}]");
                    return Err(no_records(&place, &wanted.join(", "), catalog));
                }
                streams.push(StreamOrder {
                    plan: stream.clone(),
                    clips,
                });
            }
            let epoch = if streams.is_empty() {
                epoch.clone()
            } else {
                Vec::new()
            };
            phases.push(PhaseOrder {
                first,
                streams,
                epoch,
            });
        }
        Ok(Self {
            seed: recipe.seed,
            batch: recipe.batch.clone(),
            phases,
            steps,
        })
    }

    /// Optimizer steps of the run.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The phase of a step, as an index into the recipe's phases (0 where it has none).
    #[must_use]
    pub fn phase(&self, step: u64) -> usize {
        self.phases
            .iter()
            .rposition(|p| p.first <= step)
            .unwrap_or(0)
    }

    /// The forward passes of a step.
    #[must_use]
    pub fn step(&self, step: u64) -> Vec<MicroBatch> {
        let index = self.phase(step);
        let phase = &self.phases[index];
        let at = step - phase.first;
        if phase.streams.is_empty() {
            return self.epoch_step(phase, at);
        }
        let mut batches = Vec::new();
        for (j, stream) in phase.streams.iter().enumerate() {
            let place = [self.seed, 1 + index as u64, j as u64];
            let clips = stream.step(&place, at);
            for records in share_out(&clips, self.batch.records, self.batch.accumulate) {
                batches.push(MicroBatch {
                    records,
                    weight: stream.plan.weight,
                });
            }
        }
        batches
    }

    /// The next `records x accumulate` records of the shuffled clips; the last step of an epoch may reach into the next.
    fn epoch_step(&self, phase: &PhaseOrder, at: u64) -> Vec<MicroBatch> {
        let total: usize = phase.epoch.iter().map(Vec::len).sum();
        let size = self.batch.records * self.batch.accumulate;
        let first = usize::try_from(at)
            .unwrap_or(usize::MAX)
            .saturating_mul(size);
        let mut records = Vec::with_capacity(size);
        let (mut epoch, mut skip) = (first / total, first % total);
        while records.len() < size {
            let order = SplitMix::at(&[self.seed, 0, epoch as u64]).order(phase.epoch.len());
            let all = order.iter().flat_map(|&g| phase.epoch[g].iter().copied());
            records.extend(all.skip(skip).take(size - records.len()));
            (epoch, skip) = (epoch + 1, 0);
        }
        let parts = records.chunks(self.batch.records);
        parts
            .map(|part| MicroBatch {
                records: part.to_vec(),
                weight: 1.0,
            })
            .collect()
    }
}

impl StreamOrder {
    /// The stream's records at a step, clip by clip: the next clips of its own shuffled epochs, with questions drawn by weight.
    fn step(&self, place: &[u64; 3], at: u64) -> Vec<Vec<usize>> {
        let wanted = self.plan.clips;
        let first = usize::try_from(at)
            .unwrap_or(usize::MAX)
            .saturating_mul(wanted);
        let mut clips = Vec::with_capacity(wanted);
        let mut shuffled: Option<(usize, Vec<usize>)> = None;
        for k in first..first + wanted {
            let epoch = k / self.clips.len();
            if shuffled.as_ref().is_none_or(|(e, _)| *e != epoch) {
                let random = SplitMix::at(&[place[0], place[1], place[2], epoch as u64]);
                shuffled = Some((epoch, random.order(self.clips.len())));
            }
            let Some((_, order)) = &shuffled else {
                continue;
            };
            let clip = &self.clips[order[k % self.clips.len()]];
            let random = SplitMix::at(&[place[0], place[1], place[2], !0, k as u64]);
            let mut records = Vec::new();
            draw(clip, self.plan.questions, random, &mut records);
            clips.push(records);
        }
        clips
    }
}

/// Shares clips out over as many passes as `limit` records a pass need, and at least `passes`: near to equal in records, so that replicas end
/// together, and a clip's records in one pass where it fits.
fn share_out(clips: &[Vec<usize>], limit: usize, passes: usize) -> Vec<Vec<usize>> {
    let pieces: Vec<&[usize]> = clips.iter().flat_map(|clip| clip.chunks(limit)).collect();
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut count = total.div_ceil(limit).max(passes);
    loop {
        let mut parts = vec![Vec::new(); count];
        let mut before = 0;
        for piece in &pieces {
            // By the piece's middle.
            parts[(2 * before + piece.len()) * count / (2 * total)].extend_from_slice(piece);
            before += piece.len();
        }
        if parts.iter().all(|part| part.len() <= limit) {
            parts.retain(|part| !part.is_empty());
            return parts;
        }
        count += 1;
    }
}

/// Draws up to `n` records by weight, without putting back.
fn draw(clip: &[(usize, f64)], n: usize, mut random: SplitMix, records: &mut Vec<usize>) {
    let mut left = clip.to_vec();
    for _ in 0..n.min(clip.len()) {
        let total: f64 = left.iter().map(|(_, w)| w).sum();
        let mut at = random.unit() * total;
        let mut pick = left.len() - 1;
        for (i, (_, weight)) in left.iter().enumerate() {
            if at < *weight {
                pick = i;
                break;
            }
            at -= weight;
        }
        records.push(left.remove(pick).0);
    }
}

/// Clips with the stream's tasks: the weight of a task is shared by the clip's records of that task.
fn stream_clips(
    stream: &Stream,
    catalog: &Catalog,
    groups: &[Vec<usize>],
) -> Vec<Vec<(usize, f64)>> {
    let fits = |clip: usize| match stream.media {
        MediaKind::Any => true,
        MediaKind::Image => !catalog.is_video[clip],
        MediaKind::Video => catalog.is_video[clip],
    };
    let mut clips = Vec::new();
    for (clip, records) in groups.iter().enumerate().filter(|(c, _)| fits(*c)) {
        debug_assert!(clip < catalog.is_video.len());
        let mut count: BTreeMap<&str, f64> = BTreeMap::new();
        for &r in records {
            *count.entry(catalog.entries[r].task.as_str()).or_default() += 1.0;
        }
        let weighted: Vec<(usize, f64)> = records
            .iter()
            .filter_map(|&r| {
                let task = catalog.entries[r].task.as_str();
                stream.tasks.get(task).map(|w| (r, w / count[task]))
            })
            .collect();
        if !weighted.is_empty() {
            clips.push(weighted);
        }
    }
    clips
}

fn no_records(place: &str, wanted: &str, catalog: &Catalog) -> NoRecords {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &catalog.entries {
        *count.entry(entry.task.as_str()).or_default() += 1;
    }
    let present: Vec<String> = count.iter().map(|(t, n)| format!("{n} {t}")).collect();
    NoRecords {
        place: place.to_owned(),
        wanted: wanted.to_owned(),
        present: if present.is_empty() {
            "no record at all".to_owned()
        } else {
            present.join(", ")
        },
    }
}

fn whole_run() -> Phase {
    Phase {
        name: "all".to_owned(),
        share: 1.0,
        train: None,
        lr_scale: 1.0,
        mix: Vec::new(),
    }
}

fn epoch_groups(groups: &[Vec<usize>], by_clip: bool) -> Vec<Vec<usize>> {
    let filled = groups.iter().filter(|g| !g.is_empty());
    if by_clip {
        filled.cloned().collect()
    } else {
        filled.flatten().map(|&r| vec![r]).collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of steps, far below 2^52"
)]
fn epoch_steps(recipe: &Recipe, records: usize) -> u64 {
    let size = recipe.batch.records * recipe.batch.accumulate;
    let seen = recipe.epochs.unwrap_or(1.0) * records as f64;
    ((seen / size as f64).ceil() as u64).max(1)
}

/// The first step of each phase: shares rounded to steps, so that the last phase ends with the run.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of steps, far below 2^52"
)]
fn first_steps(phases: &[Phase], steps: u64) -> Vec<u64> {
    let mut sum = 0.0;
    let mut first = Vec::new();
    for phase in phases {
        first.push((sum * steps as f64).round() as u64);
        sum += phase.share;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe;

    fn catalog(clips: usize) -> Catalog {
        let entries = (0..clips * 3)
            .map(|i| Entry {
                task: if i % 3 == 0 { Task::Reg } else { Task::Rec },
                clip: i / 3,
            })
            .collect();
        Catalog {
            entries,
            is_video: (0..clips).map(|c| c % 4 == 0).collect(),
        }
    }

    fn recipe(extra: &str) -> Recipe {
        let text = format!(
            "name: t\nmodel: {{kind: folder, path: m}}\ndata: d.yaml\noptimizer: {{lr: 1e-3}}\n{extra}"
        );
        recipe::parse(&text, &[]).unwrap()
    }

    #[test]
    fn an_epoch_sees_each_record_once_and_keeps_clips_together() {
        let recipe = recipe("epochs: 2\nbatch: {records: 6, accumulate: 2}");
        let order = Order::new(&recipe, &catalog(20)).unwrap();
        assert_eq!(order.steps(), 10);
        let seen: Vec<usize> = (0..5)
            .flat_map(|s| order.step(s))
            .flat_map(|m| m.records)
            .collect();
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..60).collect::<Vec<_>>());
        assert!(seen.chunks(3).all(|c| c[0] / 3 == c[2] / 3), "{seen:?}");
        let second: Vec<usize> = (5..10)
            .flat_map(|s| order.step(s))
            .flat_map(|m| m.records)
            .collect();
        assert_ne!(seen, second);
    }

    #[test]
    fn a_mix_draws_its_tasks_media_and_counts() {
        let recipe = recipe(
            "steps: 10\nbatch: {records: 8}\nphases:\n- {name: a, share: 0.5, mix: [{tasks: {rec: 1}, clips: 6, questions: 2, media: image}]}\n- {name: b, share: 0.5, mix: [{tasks: {reg: 1}, clips: 2, media: video}]}",
        );
        let catalog = catalog(20);
        let order = Order::new(&recipe, &catalog).unwrap();
        let first = order.step(0);
        assert_eq!(
            first.iter().map(|m| m.records.len()).collect::<Vec<_>>(),
            [6, 6]
        );
        for &r in first.iter().flat_map(|m| &m.records) {
            assert_eq!(catalog.entries[r].task, Task::Rec);
            assert!(!catalog.is_video[catalog.entries[r].clip]);
        }
        assert_eq!((order.phase(4), order.phase(5)), (0, 1));
        assert_eq!(order.step(5)[0].records.len(), 2);
        assert_eq!(
            order.step(7),
            Order::new(&recipe, &catalog).unwrap().step(7)
        );
    }

    #[test]
    fn passes_are_even_and_keep_clips_whole() {
        let clips: Vec<Vec<usize>> = [3, 1, 2, 3, 3, 1, 2, 1]
            .iter()
            .scan(0, |at, &n| {
                *at += n;
                Some((*at - n..*at).collect())
            })
            .collect();
        for (limit, passes, expected) in [
            (16, 1, vec![16]),
            (16, 2, vec![9, 7]),
            (15, 1, vec![9, 7]),
            (6, 1, vec![6, 6, 4]),
            (2, 1, vec![2, 1, 1, 2, 2, 1, 2, 2, 2, 1]),
        ] {
            let parts = share_out(&clips, limit, passes);
            let sizes: Vec<_> = parts.iter().map(Vec::len).collect();
            assert_eq!(parts.concat(), (0..16).collect::<Vec<_>>());
            assert_eq!(sizes, expected, "{limit} {passes}");
        }
        assert!(share_out(&[], 4, 2).is_empty());
    }

    #[test]
    fn a_stream_without_records_is_refused_with_what_there_is() {
        let recipe =
            recipe("steps: 1\nphases: [{name: a, share: 1.0, mix: [{tasks: {tvg: 1}, clips: 1}]}]");
        let error = Order::new(&recipe, &catalog(2)).unwrap_err().to_string();
        assert!(
            error.contains("phases[0].mix[0]") && error.contains("4 rec, 2 reg"),
            "{error}"
        );
    }
}
