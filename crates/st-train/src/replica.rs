//! Data parallel: the passes of a step shared out over replicas of the model, their gradients summed.
//!
//! A step's passes follow from seed and step alone, so any number of replicas sees the same global batch; the sum of the gradients
//! differs by rounding. Replicas on one device (CPU cores) share weights and the optimizer's state; on several devices each device
//! keeps its own and steps it alike, after an all-reduce through Burn's collectives (NCCL on CUDA).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::distributed::{
    DistributedConfig, DistributedContext, ReduceOperation, all_reduce,
};
use burn::tensor::{Device, Gradients, Tensor};
use st_model::config::ModelConfig;
use st_model::loss::{LossOutput, Objective};
use st_model::model::{ClipKind, ClipRange, LlavaSt, VisualTokens};
use st_model::siglip;
use st_model::weights::published_name;
use st_schema::Frames;

use crate::dataset::Dataset;
use crate::optimizer::{NamedGradients, Optimizer};
use crate::pass::Pass;
use crate::random::SplitMix;
use crate::recipe::{OptimizerPlan, Part, Recipe, Reduction};
use crate::train::TrainError;

/// What all replicas know.
#[derive(Debug)]
pub(crate) struct Facts {
    pub recipe: Recipe,
    pub config: ModelConfig,
    pub objective: Objective,
    pub dataset: Arc<Dataset>,
}

/// What the passes of a step gave.
#[derive(Debug, Default)]
pub(crate) struct StepResult {
    /// Losses of each pass's records, in the order of the passes.
    pub losses: Vec<Vec<f64>>,
    /// The step's loss.
    pub loss: f64,
}

/// Weights of a step's losses.
#[derive(Debug, Clone, Copy)]
struct Share {
    step: u64,
    /// Sum of weights over all records.
    total: f64,
    /// Passes of the step.
    count: f64,
}

/// One model that computes gradients.
struct Replica {
    device: Device,
    model: LlavaSt,
    /// The model without autodiff, while tower and projector rest.
    frozen: Option<LlavaSt>,
    /// Shared by the replicas of a device.
    features: Arc<Mutex<FeatureCache>>,
    /// Its own threads where there are several replicas. A GPU's stream belongs to a thread, so the thread must last.
    pool: Option<rayon::ThreadPool>,
}

/// Features of clips, kept while the tower rests.
#[derive(Debug, Default)]
struct FeatureCache {
    kept: HashMap<usize, Tensor<3>>,
    bytes: usize,
    limit: usize,
}

/// All replicas of a run, and the optimizers.
pub(crate) struct Replicas {
    facts: Arc<Facts>,
    members: Vec<Replica>,
    /// One for each device, in the order of [`Replicas::leaders`].
    optimizers: Vec<Optimizer>,
    /// Ends the communication when the run ends.
    context: Option<DistributedContext>,
}

impl Replicas {
    /// A replica for each device; a device may stand there several times.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub(crate) fn new(
        facts: Facts,
        model: &LlavaSt,
        optimizers: impl Fn(&Device) -> Result<Optimizer, TrainError>,
        devices: &[Device],
    ) -> Result<Self, TrainError> {
        let limit = facts.recipe.data.feature_cache_mb << 20;
        let dropout = facts
            .recipe
            .lora
            .as_ref()
            .is_some_and(|lora| lora.dropout > 0.0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut replicas: Vec<Replica> = Vec::new();
        for device in devices {
            let first = replicas.iter().find(|replica| replica.device == *device);
            let model = if replicas.is_empty() {
                model.clone()
            } else {
                own_leaves(model, device)
            };
            let sharing = devices.iter().filter(|other| *other == device).count();
            if sharing > 1 && dropout {
                return Err(TrainError::SharedGenerator);
            }
            let features = match first {
                Some(same) => Arc::clone(&same.features),
                None => Arc::new(Mutex::new(FeatureCache {
                    limit,
                    ..FeatureCache::default()
                })),
            };
            let pool = (devices.len() > 1)
                .then(|| {
                    let threads = (cores / sharing).max(1);
                    let threads = if sharing > 1 { threads } else { 1 };
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build()
                })
                .transpose()
                .map_err(TrainError::Threads)?;
            replicas.push(Replica {
                device: device.clone(),
                model,
                frozen: None,
                features,
                pool,
            });
        }
        let mut all = Self {
            facts: Arc::new(facts),
            members: replicas,
            optimizers: Vec::new(),
            context: None,
        };
        let leaders = all.leaders();
        for &leader in &leaders {
            all.optimizers
                .push(optimizers(&all.members[leader].device)?);
        }
        if leaders.len() > 1 {
            let devices = all.devices(&leaders);
            let config = DistributedConfig {
                all_reduce_op: ReduceOperation::Sum,
            };
            all.context = Some(DistributedContext::init(devices, config));
        }
        Ok(all)
    }

    /// The model, as after the last step.
    pub(crate) fn model(&self) -> &LlavaSt {
        &self.members[0].model
    }

    /// The optimizer's state, as after the last step.
    pub(crate) fn optimizer(&self) -> &Optimizer {
        &self.optimizers[0]
    }

    /// The first replica on each device.
    fn leaders(&self) -> Vec<usize> {
        let first = |i: &usize| {
            let device = &self.members[*i].device;
            !self.members[..*i]
                .iter()
                .any(|other| other.device == *device)
        };
        (0..self.members.len()).filter(first).collect()
    }

    fn devices(&self, leaders: &[usize]) -> Vec<Device> {
        leaders
            .iter()
            .map(|&i| self.members[i].device.clone())
            .collect()
    }

    /// Sets which parameters learn.
    pub(crate) fn set_parts(&mut self, parts: &[Part]) {
        let lora = self.facts.recipe.lora.is_some();
        let rests = |part: Part| !parts.contains(&Part::All) && !parts.contains(&part);
        let tower_rests = rests(Part::VisionTower) && rests(Part::Projector);
        for replica in &mut self.members {
            // With adapters, the layers below them rest.
            replica.model = replica.model.clone().set_trainable(&|name| {
                Part::any(parts, name) && !(lora && Part::of(name) == Part::Decoder)
            });
            // A tower that goes on resting says of a clip what it said before.
            if !tower_rests || replica.frozen.is_none() {
                replica.features().clear();
                replica.frozen = tower_rests.then(|| replica.model.valid());
            }
        }
    }

    /// The summed gradients of a step's passes, on the device of each leader.
    ///
    /// # Errors
    /// See [`TrainError`].
    pub(crate) fn gradients(
        &mut self,
        step: u64,
        passes: &[Pass],
    ) -> Result<(StepResult, Vec<NamedGradients>), TrainError> {
        let weight = |pass: &Pass| pass.weight * real(pass.records.len());
        let share = Share {
            step,
            total: passes.iter().map(weight).sum(),
            count: real(passes.len()),
        };
        let costs: Vec<usize> = passes.iter().map(|p| p.batch.tokens()).collect();
        let plan = shares(&costs, self.members.len());
        let facts = &*self.facts;
        let done: Vec<Result<Done, TrainError>> = if let [only] = &mut self.members[..] {
            vec![only.passes(facts, passes, &plan[0], share)]
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = self
                    .members
                    .iter_mut()
                    .zip(&plan)
                    .map(|(replica, mine)| {
                        scope.spawn(move || {
                            let pool = replica.pool.take();
                            let done = match &pool {
                                Some(pool) => {
                                    pool.install(|| replica.passes(facts, passes, mine, share))
                                }
                                None => replica.passes(facts, passes, mine, share),
                            };
                            replica.pool = pool;
                            done
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| {
                        thread
                            .join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    })
                    .collect()
            })
        };
        let mut result = StepResult {
            losses: vec![Vec::new(); passes.len()],
            loss: 0.0,
        };
        let mut sums = Vec::new();
        for done in done {
            let done = done?;
            for (pass, losses) in done.losses {
                result.losses[pass] = losses;
            }
            result.loss += done.loss;
            sums.push(done.gradients);
        }
        Ok((result, self.reduce(sums)))
    }

    /// Sums by device, then over devices.
    fn reduce(&self, sums: Vec<NamedGradients>) -> Vec<NamedGradients> {
        let leaders = self.leaders();
        let mut by_device: Vec<NamedGradients> = Vec::new();
        for (sum, replica) in sums.into_iter().zip(&self.members) {
            let place = leaders
                .iter()
                .position(|&l| self.members[l].device == replica.device);
            match place.and_then(|place| by_device.get_mut(place)) {
                Some(first) => first.merge(sum),
                None => by_device.push(sum),
            }
        }
        if by_device.len() == 1 {
            return by_device;
        }
        // A pass of images has no gradient for the video packers: all devices must reduce the same tensors in the same order.
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for sum in &by_device {
            names.extend(sum.entries());
        }
        let devices = self.devices(&leaders);
        std::thread::scope(|scope| {
            let threads: Vec<_> = by_device
                .into_iter()
                .zip(&leaders)
                .map(|(mut sum, &leader)| {
                    let (names, devices) = (&names, &devices);
                    let (device, pool) = (&self.members[leader].device, &self.members[leader].pool);
                    let work = move || {
                        sum.fill(names, device);
                        sum.map(|one| {
                            all_reduce(one, ReduceOperation::Sum, devices.clone()).resolve()
                        })
                    };
                    scope.spawn(move || match pool {
                        Some(pool) => pool.install(work),
                        None => work(),
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    }

    /// Steps every device's weights with its gradients, which are the same on all.
    pub(crate) fn step(
        &mut self,
        gradients: Vec<NamedGradients>,
        plan: &OptimizerPlan,
        factor: f64,
    ) {
        let leaders = self.leaders();
        for ((gradients, &leader), optimizer) in gradients
            .into_iter()
            .zip(&leaders)
            .zip(&mut self.optimizers)
        {
            let model = self.members[leader].model.clone();
            self.members[leader].model =
                optimizer.step(model, gradients, plan, factor, published_name);
        }
        for i in 0..self.members.len() {
            let leader = leaders
                .iter()
                .find(|&&l| l != i && self.members[l].device == self.members[i].device);
            if let Some(&leader) = leader {
                self.members[i].model =
                    own_leaves(&self.members[leader].model, &self.members[i].device);
            }
        }
    }
}

/// The same weights with leaves of their own in the graph of autodiff. Two threads whose graphs share a leaf wait for each other in
/// Burn 0.22's graph locks for ever; on one device the numbers themselves are shared. Autodiff is left and entered anew, because what
/// is derived within it (as `fork` does) stays in the graph of the first model's leaf as long as that leaf lives, and every later
/// backward pass looks at all of it.
fn own_leaves(model: &LlavaSt, device: &Device) -> LlavaSt {
    model.valid().to_device(device).train()
}

/// What a replica's passes gave.
struct Done {
    losses: Vec<(usize, Vec<f64>)>,
    loss: f64,
    gradients: NamedGradients,
}

/// Which passes each of `replicas` takes, as places in the step: the costliest first, each to the replica with the least to do.
fn shares(costs: &[usize], replicas: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(costs[i]), i));
    let mut plan = vec![(0, Vec::new()); replicas];
    for i in order {
        let least = (0..replicas).min_by_key(|&r| (plan[r].0, r)).unwrap_or(0);
        plan[least].0 += costs[i];
        plan[least].1.push(i);
    }
    plan.into_iter()
        .map(|(_, mut passes)| {
            passes.sort_unstable();
            passes
        })
        .collect()
}

impl Replica {
    fn passes(
        &self,
        facts: &Facts,
        passes: &[Pass],
        mine: &[usize],
        share: Share,
    ) -> Result<Done, TrainError> {
        let mut done = Done {
            losses: Vec::new(),
            loss: 0.0,
            gradients: NamedGradients::default(),
        };
        for &index in mine {
            let (losses, loss) =
                self.pass(facts, &passes[index], index, share, &mut done.gradients)?;
            done.losses.push((index, losses));
            done.loss += loss;
        }
        Ok(done)
    }

    fn pass(
        &self,
        facts: &Facts,
        pass: &Pass,
        index: usize,
        share: Share,
        gradients: &mut NamedGradients,
    ) -> Result<(Vec<f64>, f64), TrainError> {
        let seed = SplitMix::at(&[facts.recipe.seed, share.step, index as u64]).next_u64();
        self.device.seed(seed);
        let visual = self.visual_tokens(facts, pass)?;
        let reduce = |output: &LossOutput| match facts.recipe.loss {
            Reduction::MeanOfRecords => {
                output.per_record.clone().sum() * (pass.weight / share.total)
            }
            Reduction::SumOfRecords => {
                output.per_record.clone().sum() * (pass.weight / share.count)
            }
            Reduction::MeanOfTokens => {
                output.reduce(st_model::loss::Reduction::TokenMean) * (pass.weight / share.count)
            }
        };
        let model = &self.model;
        let mut take = |found: Gradients| {
            let found = GradientsParams::from_grads(found, model);
            gradients.add(model, found, published_name);
        };
        let objective = facts.objective;
        let (output, reduced) = if facts.recipe.gradient_checkpointing {
            model.backward_by_layer(&pass.batch, &visual, objective, seed, &reduce, &mut take)
        } else {
            let output = model.loss(&pass.batch, &visual, objective);
            let reduced = reduce(&output);
            // Where nothing that learns had a part in the loss, there is no graph to go back through.
            if reduced.is_tracked() {
                take(reduced.backward());
            }
            (output, reduced)
        };
        let losses = output.per_record.into_data().iter::<f64>().collect();
        Ok((losses, reduced.into_data().iter::<f64>().sum()))
    }

    /// Frames to visual tokens. While tower and projector rest, they run without autodiff and once per clip.
    fn visual_tokens(&self, facts: &Facts, pass: &Pass) -> Result<VisualTokens, TrainError> {
        let kinds = clip_kinds(facts, pass);
        let features = match self.frozen.clone() {
            None => {
                let frames: Vec<&Frames> = pass.frames.iter().collect();
                self.encode(facts, &self.model, &frames, &pass.clips)?
            }
            Some(frozen) => self.cached_features(facts, &frozen, pass)?,
        };
        Ok(self.model.visual_tokens(features, &kinds, facts.objective))
    }

    fn encode(
        &self,
        facts: &Facts,
        model: &LlavaSt,
        frames: &[&Frames],
        clips: &[usize],
    ) -> Result<Tensor<3>, TrainError> {
        let vision = &facts.config.vision;
        let patches =
            siglip::patches(frames, vision, &self.device).map_err(|e| TrainError::Frames {
                clip: clips
                    .first()
                    .map(|c| facts.dataset.clip_id(*c).to_string())
                    .unwrap_or_default(),
                reason: e.to_string(),
                size: vision.image_size,
            })?;
        Ok(model.encode_frames(patches))
    }

    fn cached_features(
        &self,
        facts: &Facts,
        frozen: &LlavaSt,
        pass: &Pass,
    ) -> Result<Tensor<3>, TrainError> {
        let mut known: HashMap<usize, Tensor<3>> = {
            let kept = self.features();
            let found = |clip: &usize| kept.kept.get(clip).map(|one| (*clip, one.clone()));
            pass.clips.iter().filter_map(found).collect()
        };
        let missing: Vec<usize> = (0..pass.clips.len())
            .filter(|&i| !known.contains_key(&pass.clips[i]))
            .collect();
        if !missing.is_empty() {
            let frames: Vec<&Frames> = missing.iter().map(|&i| &pass.frames[i]).collect();
            let clips: Vec<usize> = missing.iter().map(|&i| pass.clips[i]).collect();
            let all = self.encode(facts, frozen, &frames, &clips)?;
            let mut first = 0;
            for (clip, frames) in clips.iter().zip(&frames) {
                let one = all.clone().narrow(0, first, frames.count);
                first += frames.count;
                self.features().keep(*clip, &one);
                known.insert(*clip, one);
            }
        }
        let parts = pass
            .clips
            .iter()
            .filter_map(|clip| known.get(clip).cloned());
        Ok(Tensor::cat(parts.collect(), 0))
    }

    fn features(&self) -> std::sync::MutexGuard<'_, FeatureCache> {
        self.features.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clips of a pass are, and where their frames begin.
fn clip_kinds(facts: &Facts, pass: &Pass) -> Vec<ClipRange> {
    let mut first = 0;
    let mut kinds = Vec::with_capacity(pass.clips.len());
    for (clip, frames) in pass.clips.iter().zip(&pass.frames) {
        let video = facts.dataset.catalog().is_video[*clip];
        let kind = if video {
            ClipKind::Video
        } else {
            ClipKind::Image
        };
        kinds.push(ClipRange { first, kind });
        first += frames.count;
    }
    kinds
}

impl FeatureCache {
    fn keep(&mut self, clip: usize, features: &Tensor<3>) {
        let bytes = features.shape().num_elements() * 4;
        if self.bytes + bytes <= self.limit {
            self.bytes += bytes;
            self.kept.insert(clip, features.clone());
        }
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_has_one_replica_and_none_has_much_more_to_do() {
        assert_eq!(shares(&[5, 9, 4, 4], 1), [vec![0, 1, 2, 3]]);
        assert_eq!(shares(&[5, 9, 4, 4], 2), [vec![1, 3], vec![0, 2]]);
        assert_eq!(shares(&[7], 3), [vec![0], vec![], vec![]]);
        assert_eq!(shares(&[], 2), [Vec::<usize>::new(), vec![]]);
    }
}
