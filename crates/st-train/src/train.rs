//! The loop: passes, gradients, steps, and what is written along the way.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::Device;
use st_model::model::LlavaSt;

use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints, FORMAT, State, write_atomic};
use crate::loader::Loader;
use crate::metrics::{Line, Metrics, TrainLine, ValidationLine};
use crate::optimizer::Optimizer;
use crate::parameters;
use crate::pass::{Pass, PassError, PassMaker};
use crate::prepare::{PrepareError, Prepared};
use crate::recipe::{Part, Recipe};
use crate::replica::Replicas;
use crate::schedule;

/// Steps in a row without finite gradients after which a run gives up.
const MAX_SKIPPED: u64 = 10;

/// Why a run ended without being done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Before the first step.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A record or clip.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// A file of the run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The folder belongs to another recipe.
    #[error("{}: holds a run of another recipe (it differs in {differs}); give this run a name with --set name=NAME, or delete the old one with --fresh", path.display())]
    OtherRecipe {
        /// The folder of the run.
        path: PathBuf,
        /// Keys that differ.
        differs: String,
    },
    /// `--resume` without a checkpoint.
    #[error("{}: has no checkpoint to go on from; leave out --resume to begin", path.display())]
    NothingToResume {
        /// The folder of the run.
        path: PathBuf,
    },
    /// The loss or its gradients are no numbers.
    #[error("steps {first} to {last} had no finite gradients; their records are in {}; lower optimizer.lr", path.display())]
    NonFinite {
        /// First such step.
        first: u64,
        /// Last one.
        last: u64,
        /// The newest list.
        path: PathBuf,
    },
    /// A loader thread died.
    #[error(
        "a loader thread ended early at step {step}; this is a fault of sttrain, please report it with the log"
    )]
    Loader {
        /// The step.
        step: u64,
    },
    /// A frame has another size than the model.
    #[error("clip {clip}: {reason}; make the shards with `stdata shard --size {size}`")]
    Frames {
        /// Id of the clip.
        clip: String,
        /// What does not fit.
        reason: String,
        /// What the model takes.
        size: usize,
    },
    /// The scores of validation.
    #[error("validation: {0}")]
    Validation(String),
    /// Threads of the replicas.
    #[error("cannot start threads: {0}")]
    Threads(rayon::ThreadPoolBuildError),
    /// Several replicas on one device, and dropout.
    #[error(
        "lora.dropout: replicas on one device would draw from one generator, in no fixed order; set it to 0, or train with --devices 1"
    )]
    SharedGenerator,
}

/// Where a run begins or goes on.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Steps done before.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Parameters.
    pub parameters: usize,
    /// Parameters that learn in the first phase.
    pub trainable: usize,
    /// Records of the training set.
    pub records: usize,
    /// Records left out.
    pub rejected: usize,
}

impl fmt::Display for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.step == 0 {
            "begins".to_owned()
        } else {
            format!("goes on after step {}", self.step)
        };
        write!(
            f,
            "{} {verb}: {} steps, {} parameters ({} learn), {} records ({} left out)",
            self.folder.display(),
            self.steps,
            self.parameters,
            self.trainable,
            self.records,
            self.rejected
        )
    }
}

/// Is told how a run goes. All methods are called from the loop's thread.
pub trait Reporter {
    /// The run begins or goes on.
    fn begin(&mut self, begin: &Begin);
    /// A line of metrics was written.
    fn line(&mut self, line: &Line);
    /// Something needs a look.
    fn warn(&mut self, text: &str);
    /// Something worth saying.
    fn note(&mut self, text: &str);
    /// The run ends.
    fn end(&mut self);
}

/// Scores a model on held-out records.
pub trait Validate {
    /// Mean loss and scores by name, of a model without autodiff.
    ///
    /// # Errors
    /// A text for the user.
    fn validate(&mut self, model: &LlavaSt, step: u64) -> Result<ValidationLine, String>;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Whether all steps are done, or the minutes of the recipe.
    pub finished: bool,
    /// Whether it had been finished before.
    pub already: bool,
    /// The model folder, once finished.
    pub model: Option<PathBuf>,
    /// Mean loss of the last line of metrics.
    pub loss: Option<f64>,
    /// Seconds of training, over all starts.
    pub seconds: f64,
    /// Steps skipped for want of finite gradients, in this start.
    pub skipped: u64,
}

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to compute, without autodiff: a replica for each; at least one. A device may stand there several times.
    pub devices: Vec<Device>,
    /// Loader threads.
    pub workers: usize,
    /// Set from outside to stop after the step at hand, with a checkpoint.
    pub stop: Arc<AtomicBool>,
    /// Fail where there is no checkpoint.
    pub resume: bool,
}

/// Trains until done, stopped or out of minutes.
///
/// # Errors
/// See [`TrainError`]; a checkpoint that was written stays valid whatever happens after it.
pub fn run(
    prepared: Prepared,
    options: &Options,
    reporter: &mut dyn Reporter,
    validator: Option<&mut dyn Validate>,
) -> Result<Outcome, TrainError> {
    let folder = prepared.folder.clone();
    fs_err::create_dir_all(&folder).map_err(CheckpointError::from)?;
    prepared.claim_folder()?;
    let checkpoints = Checkpoints::new(folder.join("checkpoints"), prepared.recipe.checkpoint.keep);
    let found = checkpoints.newest()?;
    if found.is_none() && options.resume {
        return Err(TrainError::NothingToResume { path: folder });
    }
    let mut run = Run::start(prepared, options, checkpoints, found)?;
    if run.is_finished() {
        let model = run.prepared.write_model(run.replicas.model())?;
        return Ok(run.outcome(Some(model), true));
    }
    reporter.begin(&run.begin());
    let result = run.steps(reporter, validator);
    reporter.end();
    result?;
    let model = if run.is_finished() {
        Some(run.prepared.write_model(run.replicas.model())?)
    } else {
        None
    };
    Ok(run.outcome(model, false))
}

/// A run in flight.
struct Run<'a> {
    prepared: Prepared,
    options: &'a Options,
    checkpoints: Checkpoints,
    replicas: Replicas,
    metrics: Metrics,
    /// Steps done.
    step: u64,
    saved: Option<u64>,
    seconds: f64,
    records: u64,
    best: Option<(f64, u64)>,
    phase: Option<usize>,
    window: Window,
    skipped: Vec<u64>,
}

/// Sums since the last line of metrics.
#[derive(Debug, Default)]
struct Window {
    loss: f64,
    steps: u32,
    tasks: BTreeMap<String, (f64, u32)>,
    records: u64,
    tokens: u64,
    grad_norm: f64,
    grad_norms: BTreeMap<String, f64>,
    begun: Option<Instant>,
    waited: Duration,
}

impl<'a> Run<'a> {
    fn start(
        prepared: Prepared,
        options: &'a Options,
        checkpoints: Checkpoints,
        found: Option<Checkpoint>,
    ) -> Result<Self, TrainError> {
        let mut model = prepared.model.clone();
        let bytes = found.as_ref().map_or(0, |c| c.state.metrics_bytes);
        let metrics = Metrics::open(&prepared.folder, bytes)?;
        let (mut step, mut seconds, mut records, mut best) = (0, 0.0, 0, None);
        let mut moments = BTreeMap::new();
        let damaged = |step: u64, reason: String| CheckpointError::Damaged {
            path: checkpoints.path(step),
            reason,
        };
        if let Some(Checkpoint {
            trainable,
            optimizer,
            state,
        }) = found
        {
            model =
                parameters::load(model, trainable).map_err(|reason| damaged(state.step, reason))?;
            moments = optimizer;
            (step, seconds, records, best) = (state.step, state.seconds, state.records, state.best);
        }
        let optimizer = |device: &Device| {
            Optimizer::from_tensors(moments.clone(), device).map_err(|name| {
                damaged(step, format!("optimizer tensor {name} has no place")).into()
            })
        };
        let replicas = Replicas::new(prepared.facts(), &model, optimizer, &options.devices)?;
        Ok(Self {
            prepared,
            options,
            checkpoints,
            replicas,
            metrics,
            step,
            saved: (step > 0).then_some(step),
            seconds,
            records,
            best,
            phase: None,
            window: Window::default(),
            skipped: Vec::new(),
        })
    }

    fn recipe(&self) -> &Recipe {
        &self.prepared.recipe
    }

    fn is_finished(&self) -> bool {
        self.step >= self.prepared.order.steps() || self.out_of_time()
    }

    fn out_of_time(&self) -> bool {
        self.recipe()
            .minutes
            .is_some_and(|m| self.seconds >= 60.0 * m)
    }

    fn begin(&self) -> Begin {
        let parts = self.parts(self.prepared.order.phase(self.step));
        let counts: BTreeMap<String, usize> = self
            .replicas
            .model()
            .named_parameters()
            .into_iter()
            .map(|p| (p.name.clone(), p.count()))
            .collect();
        let learns = |name: &str| Part::any(&parts, name);
        Begin {
            folder: self.prepared.folder.clone(),
            step: self.step,
            steps: self.prepared.order.steps(),
            parameters: counts.values().sum(),
            trainable: counts
                .iter()
                .filter(|(n, _)| learns(n))
                .map(|(_, c)| c)
                .sum(),
            records: self.prepared.dataset.len(),
            rejected: self.prepared.dataset.rejects().len(),
        }
    }

    fn outcome(&self, model: Option<PathBuf>, already: bool) -> Outcome {
        let last = self.metrics.lines().iter().rev().find_map(|l| match l {
            Line::Train(line) => Some(line.loss),
            Line::Validation(_) => None,
        });
        Outcome {
            folder: self.prepared.folder.clone(),
            step: self.step,
            steps: self.prepared.order.steps(),
            finished: self.is_finished(),
            already,
            model,
            loss: last,
            seconds: self.seconds,
            skipped: self.skipped.len() as u64,
        }
    }

    fn parts(&self, phase: usize) -> Vec<Part> {
        let own = self
            .recipe()
            .phases
            .get(phase)
            .and_then(|p| p.train.clone());
        own.unwrap_or_else(|| self.recipe().train.clone())
    }

    fn steps(
        &mut self,
        reporter: &mut dyn Reporter,
        mut validator: Option<&mut (dyn Validate + '_)>,
    ) -> Result<(), TrainError> {
        let mut loader = self.loader();
        let mut last_save = Instant::now();
        while !self.is_finished() {
            let start = Instant::now();
            self.enter_phase();
            let passes = loader
                .next()
                .ok_or(TrainError::Loader { step: self.step })??;
            self.window.waited += loader.take_waited();
            self.one_step(&passes, reporter)?;
            self.step += 1;
            self.seconds += start.elapsed().as_secs_f64();
            let stop = self.options.stop.load(Ordering::Relaxed);
            let last = self.is_finished() || stop;
            if self.step.is_multiple_of(self.recipe().log_every) || last {
                self.write_line(reporter)?;
            }
            self.maybe_validate(last && !stop, reporter, &mut validator)?;
            let plan = &self.recipe().checkpoint;
            let minutes = plan
                .every_minutes
                .is_some_and(|m| last_save.elapsed().as_secs_f64() >= 60.0 * m);
            if last
                || minutes
                || (plan.every_steps > 0 && self.step.is_multiple_of(plan.every_steps))
            {
                self.save()?;
                last_save = Instant::now();
            }
            if stop {
                reporter.note(&format!(
                    "stopped after step {}; the same command goes on from here",
                    self.step
                ));
                break;
            }
        }
        Ok(())
    }

    fn loader(&self) -> Loader<Result<Vec<Pass>, PassError>> {
        let maker = PassMaker::new(
            Arc::clone(&self.prepared.dataset),
            Arc::clone(&self.prepared.encoder),
            self.prepared.pad,
        );
        let order = Arc::clone(&self.prepared.order);
        let first = self.step;
        Loader::start(self.options.workers, 2, move |i| {
            let step = first + i as u64;
            (step < order.steps()).then(|| order.step(step).iter().map(|m| maker.make(m)).collect())
        })
    }

    /// Sets which parameters learn, at the start and where the phase changes.
    fn enter_phase(&mut self) {
        let phase = self.prepared.order.phase(self.step);
        if self.phase == Some(phase) {
            return;
        }
        self.phase = Some(phase);
        let parts = self.parts(phase);
        self.replicas.set_parts(&parts);
    }

    fn one_step(&mut self, passes: &[Pass], reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        self.window.begun.get_or_insert_with(Instant::now);
        let (result, mut gradients) = self.replicas.gradients(self.step, passes)?;
        for (pass, losses) in passes.iter().zip(&result.losses) {
            self.window.note(pass, losses);
        }
        let squared = gradients[0].squared_norms();
        if squared.is_empty() {
            reporter.warn(&format!(
                "step {}: none of its records teaches a part that learns (`train`: {})",
                self.step,
                self.parts(self.prepared.order.phase(self.step))
                    .iter()
                    .map(|part| part.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        let norm = squared.iter().map(|(_, s)| s).sum::<f64>().sqrt();
        self.window.loss += result.loss;
        self.window.steps += 1;
        let finite = result.losses.iter().flatten().all(|loss| loss.is_finite());
        if !(finite && norm.is_finite()) {
            return self.skip(passes, result.loss, norm, reporter);
        }
        let optimizer = self.recipe().optimizer.clone();
        for gradients in &mut gradients {
            gradients.clip(norm, optimizer.clip_norm);
        }
        let factor = self.lr_factor();
        self.replicas.step(gradients, &optimizer, factor);
        self.records += passes.iter().map(|p| p.records.len() as u64).sum::<u64>();
        self.window.norms(&squared, norm);
        Ok(())
    }
}

impl Run<'_> {
    fn lr_factor(&self) -> f64 {
        let phase = self
            .recipe()
            .phases
            .get(self.prepared.order.phase(self.step));
        let own = phase.map_or(1.0, |p| p.lr_scale);
        own * schedule::factor(
            &self.recipe().schedule,
            self.step,
            self.prepared.order.steps(),
        )
    }

    /// Leaves the parameters as they are and writes down what the step was made of.
    fn skip(
        &mut self,
        passes: &[Pass],
        loss: f64,
        norm: f64,
        reporter: &mut dyn Reporter,
    ) -> Result<(), TrainError> {
        let mut records = Vec::new();
        for &index in passes.iter().flat_map(|p| &p.records) {
            let record = self
                .prepared
                .dataset
                .record(index)
                .map_err(PassError::from)?;
            records.push(record.id.to_string());
        }
        let path = self
            .prepared
            .folder
            .join(format!("nonfinite-step-{:06}.json", self.step));
        let report = serde_json::json!({
            "step": self.step, "loss": loss.to_string(), "grad_norm": norm.to_string(), "records": records,
        });
        write_atomic(
            &path,
            &serde_json::to_vec_pretty(&report)
                .map_err(|e| CheckpointError::from(std::io::Error::other(e)))?,
        )?;
        reporter.warn(&format!("step {}: loss {loss} or gradient norm {norm} is not finite; the step is skipped, its records are in {}", self.step, path.display()));
        self.skipped.push(self.step);
        let recent = self
            .skipped
            .iter()
            .rev()
            .zip((0..=self.step).rev())
            .take_while(|(a, b)| **a == *b)
            .count() as u64;
        if recent >= MAX_SKIPPED {
            return Err(TrainError::NonFinite {
                first: self.step + 1 - recent,
                last: self.step,
                path,
            });
        }
        Ok(())
    }

    fn write_line(&mut self, reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        let window = std::mem::take(&mut self.window);
        let done = self.step - 1;
        let phase = self.prepared.order.phase(done);
        let seconds = window
            .begun
            .map_or(0.0, |b| b.elapsed().as_secs_f64())
            .max(1e-9);
        let recipe = &self.prepared.recipe;
        let factor = recipe.phases.get(phase).map_or(1.0, |p| p.lr_scale)
            * schedule::factor(&recipe.schedule, done, self.prepared.order.steps());
        let top = recipe
            .optimizer
            .groups
            .iter()
            .map(|g| g.lr)
            .fold(recipe.optimizer.lr, f64::max);
        let line = Line::Train(TrainLine {
            step: self.step,
            phase: recipe
                .phases
                .get(phase)
                .map_or_else(|| "all".to_owned(), |p| p.name.clone()),
            loss: window.loss / f64::from(window.steps.max(1)),
            tasks: window
                .tasks
                .iter()
                .map(|(t, (sum, n))| (t.clone(), sum / f64::from(*n)))
                .collect(),
            lr_factor: factor,
            lr: top * factor,
            grad_norm: window.grad_norm,
            grad_norms: window.grad_norms,
            records: self.records,
            records_per_second: real(window.records) / seconds,
            tokens_per_second: real(window.tokens) / seconds,
            data_wait: window.waited.as_secs_f64() / seconds,
            seconds: self.seconds,
        });
        reporter.line(&line);
        self.metrics.write(line)?;
        Ok(())
    }

    fn maybe_validate(
        &mut self,
        last: bool,
        reporter: &mut dyn Reporter,
        validator: &mut Option<&mut (dyn Validate + '_)>,
    ) -> Result<(), TrainError> {
        let (Some(plan), Some(validator)) = (&self.prepared.recipe.validation, validator.as_mut())
        else {
            return Ok(());
        };
        if !(last || (plan.every_steps > 0 && self.step.is_multiple_of(plan.every_steps))) {
            return Ok(());
        }
        let line = validator
            .validate(&self.replicas.model().valid(), self.step)
            .map_err(TrainError::Validation)?;
        if self.best.is_none_or(|(loss, _)| line.loss < loss) {
            self.best = Some((line.loss, self.step));
        }
        let line = Line::Validation(line);
        reporter.line(&line);
        self.metrics.write(line)?;
        Ok(())
    }

    fn save(&mut self) -> Result<(), TrainError> {
        if self.saved == Some(self.step) {
            return Ok(());
        }
        let state = State {
            format: FORMAT,
            step: self.step,
            recipe: self.prepared.fingerprint.clone(),
            seconds: self.seconds,
            metrics_bytes: self.metrics.flushed_bytes()?,
            records: self.records,
            best: self.best,
            files: BTreeMap::new(),
        };
        let trainable =
            parameters::tensors(self.replicas.model(), &|name| self.prepared.is_saved(name));
        self.checkpoints
            .save(&trainable, &self.replicas.optimizer().tensors(), state)?;
        self.metrics.draw(&self.prepared.recipe.name)?;
        self.saved = Some(self.step);
        Ok(())
    }
}

impl Window {
    fn note(&mut self, pass: &Pass, losses: &[f64]) {
        for (task, loss) in pass.tasks.iter().zip(losses) {
            let entry = self.tasks.entry(task.as_str().to_owned()).or_default();
            entry.0 += loss;
            entry.1 += 1;
        }
        self.records += pass.records.len() as u64;
        self.tokens += pass.batch.tokens() as u64;
    }

    fn norms(&mut self, squared: &[(String, f64)], norm: f64) {
        let mut parts: BTreeMap<String, f64> = BTreeMap::new();
        for (name, square) in squared {
            *parts.entry(Part::of(name).as_str().to_owned()).or_default() += square;
        }
        self.grad_norm = norm;
        self.grad_norms = parts.into_iter().map(|(p, s)| (p, s.sqrt())).collect();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn real(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
