//! `steval predict`: a model and a benchmark to a result file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use anyhow::{Context, bail};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use st_eval::EvalTask;
use st_eval::baseline;
use st_eval::benchmark::{BenchmarkEntry, EvalRecipe, Prompt};
use st_media::ClipRequest;
use st_media::remote::Client;
use st_model::generate::{GenerateOptions, LogitFilter};
use st_schema::{ClipKey, FramePlan, Frames, Media};
use st_shard::ShardReader;

use crate::device;
use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::media;
use crate::model::{Features, Model};
use crate::progress::Progress;
use crate::question::{self, Question, Questions};
use crate::result_file::{ResultFile, RunSettings};

/// Flags of `steval predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    steval predict --model runs/tiny/model --benchmark recipes/eval/synth.yaml --out runs/tiny/eval/trained\n  \
    steval predict --model runs/tiny/model --benchmark recipes/eval/synth.yaml --out runs/tiny/eval/blind --blind 0\n  \
    steval predict --model runs/tiny/model --task rec --annotations refcoco_val.json --media coco/train2014 --out out\n\n\
    A run that was stopped goes on where it was: give the same command again.")]
pub(crate) struct Args {
    /// Model folder: config.json, *.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Recipe that names benchmarks; their paths are below --root
    #[arg(
        long,
        value_name = "RECIPE.yaml",
        required_unless_present = "annotations",
        conflicts_with = "annotations"
    )]
    pub(crate) benchmark: Option<PathBuf>,
    /// Only this benchmark of the recipe; may be given again
    #[arg(long, value_name = "NAME", requires = "benchmark")]
    pub(crate) only: Vec<String>,
    /// Instead of a recipe: an annotation file in the original's shape
    #[arg(long, value_name = "FILE", requires = "task", requires = "media")]
    pub(crate) annotations: Option<PathBuf>,
    /// Instead of a recipe: the folder of the annotation's media
    #[arg(long, value_name = "DIR")]
    pub(crate) media: Option<PathBuf>,
    /// Instead of a recipe: rec, tvg, stvg, svg or elc
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<EvalTask>,
    /// Folder for the result files, one NAME.jsonl for each benchmark
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Frame shards to read from; clips that they lack are decoded from their files
    #[arg(long, value_name = "DIR")]
    pub(crate) shards: Option<PathBuf>,
    /// Give every record another record's clip, exchanged with this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) blind: Option<u64>,
    /// Ignore the folder's weights and draw others with this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) untrained: Option<u64>,
    /// Ask the first so many records of each benchmark only
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Records that are answered together
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) batch: usize,
    /// Longest answer in tokens; the original's is 1024
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub(crate) max_new_tokens: usize,
    /// 0 takes the likeliest token; the original samples at 0.01
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    pub(crate) temperature: f64,
    /// Sample from the likeliest tokens that make up this share
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    pub(crate) top_p: f64,
    /// Answers of a record that are followed at once; more than one exclude sampling
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) beams: usize,
    /// Allow only well-formed coordinates; the result says so, and scores are reported apart
    #[arg(long)]
    pub(crate) constrained: bool,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Where the model runs
    #[arg(long, value_enum, default_value_t = device::Choice::Cpu)]
    pub(crate) device: device::Choice,
    /// Of the parts that --task-count makes of each benchmark, do this one, from 0
    #[arg(long, default_value_t = 0, value_name = "I")]
    pub(crate) task_index: usize,
    /// Split each benchmark into so many parts, for several machines
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) task_count: usize,
}

/// What was done for one benchmark.
#[derive(Debug, Serialize)]
struct Done {
    benchmark: String,
    file: PathBuf,
    records: usize,
    /// Records that were answered earlier.
    kept: usize,
    /// Records answered now that have an error for an answer.
    errors: usize,
}

/// Answers the benchmarks.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let entries = entries(args)?;
    if args.batch == 0 || args.max_new_tokens == 0 || args.task_index >= args.task_count {
        bail!(
            "--batch and --max-new-tokens are at least 1, and --task-index is below --task-count"
        );
    }
    if args.beams == 0 || (args.beams > 1 && args.temperature > 0.0) {
        bail!("--beams is at least 1, and several beams do not go with --temperature");
    }
    let model = Model::open(&args.model, device::open(args.device)?, args.untrained)?;
    let filter = args.constrained.then(|| model.grammar()).transpose()?;
    let shards = args.shards.as_deref().map(ShardReader::open).transpose()?;
    let media = media::client();
    let mut done = Vec::new();
    for entry in &entries {
        let shared = Shared {
            model: &model,
            media: &media,
            shards: shards.as_ref(),
            filter: filter.clone(),
        };
        done.push(predict(args, globals, &shared, entry)?);
    }
    let text: Vec<String> = done
        .iter()
        .map(|one| {
            let errors = if one.errors > 0 {
                format!(", {} with an error", one.errors)
            } else {
                String::new()
            };
            format!(
                "{}: {} records, {} answered before{errors}",
                one.file.display(),
                one.records,
                one.kept
            )
        })
        .collect();
    globals.emit(&done, text.join("\n"))?;
    Ok(if done.iter().any(|one| one.errors > 0) {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

fn entries(args: &Args) -> anyhow::Result<Vec<BenchmarkEntry>> {
    if let (Some(annotations), Some(media), Some(task)) =
        (&args.annotations, &args.media, args.task)
    {
        let name = annotations
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let name = if EvalTask::of_path(&format!("{name}.jsonl")) == Some(task) {
            name
        } else {
            format!("{name}_{task}")
        };
        // Absolute, so that --root, which recipes are below, does not move them.
        let absolute = |path: &Path| {
            Ok::<_, anyhow::Error>(std::path::absolute(path)?.to_string_lossy().into_owned())
        };
        return Ok(vec![BenchmarkEntry {
            name,
            task: Some(task),
            annotations: absolute(annotations)?,
            media: absolute(media)?,
            limit: None,
            prompt: Prompt::default(),
        }]);
    }
    let Some(path) = &args.benchmark else {
        bail!("--benchmark RECIPE.yaml, or --annotations with --task and --media")
    };
    let recipe = EvalRecipe::parse(&fs_err::read_to_string(path)?)
        .with_context(|| path.display().to_string())?;
    let names: Vec<String> = recipe
        .benchmarks
        .iter()
        .map(|entry| entry.name.clone())
        .collect();
    if let Some(unknown) = args.only.iter().find(|name| !names.contains(name)) {
        bail!(
            "{}: no benchmark `{unknown}` for --only; it has {}",
            path.display(),
            names.join(", ")
        );
    }
    Ok(recipe
        .benchmarks
        .into_iter()
        .filter(|entry| args.only.is_empty() || args.only.contains(&entry.name))
        .collect())
}

/// What all benchmarks share.
struct Shared<'a> {
    model: &'a Model,
    media: &'a Client,
    shards: Option<&'a ShardReader>,
    filter: Option<LogitFilter>,
}

fn predict(
    args: &Args,
    globals: &Globals,
    shared: &Shared<'_>,
    entry: &BenchmarkEntry,
) -> anyhow::Result<Done> {
    let model = shared.model;
    let mut questions = question::read(entry, &globals.root, model.plan(), args.limit)?;
    let seen = seen_clips(&questions, args.blind)?;
    let slice = questions.list.len().div_ceil(args.task_count).max(1);
    let first = (args.task_index * slice).min(questions.list.len());
    let last = (first + slice).min(questions.list.len());
    questions.list = questions.list[first..last].to_vec();
    let seen = &seen[first..last];
    let file = args.out.join(file_name(&entry.name, args));
    let settings = RunSettings {
        benchmark: entry.name.clone(),
        records: questions.list.len(),
        first,
        settings: settings(args, entry, model)
            .as_object()
            .cloned()
            .unwrap_or_default(),
    };
    let mut results = ResultFile::open(&file, &settings)?;
    let kept = results.done;
    let loader = Loader {
        model,
        media: shared.media,
        shards: shared.shards,
        filter: shared.filter.clone(),
        questions: &questions,
        folder: &entry.media,
    };
    let progress = Progress::start(globals, &entry.name, questions.list.len() as u64);
    progress.skip(kept as u64);
    let errors = answer_all(args, &loader, seen, &mut results, &progress)?;
    progress.finish();
    results.finish()?;
    Ok(Done {
        benchmark: entry.name.clone(),
        file,
        records: questions.list.len(),
        kept,
        errors,
    })
}

fn file_name(name: &str, args: &Args) -> String {
    if args.task_count == 1 {
        format!("{name}.jsonl")
    } else {
        format!(
            "{name}.part-{:05}-of-{:05}.jsonl",
            args.task_index, args.task_count
        )
    }
}

/// Everything that an answer depends on.
fn settings(args: &Args, entry: &BenchmarkEntry, model: &Model) -> Value {
    let prompt = match entry.prompt {
        Prompt::Fixed(choice) => json!({"fixed": choice}),
        Prompt::Random(seed) => json!({"random": seed}),
    };
    let mut settings = json!({
        "model": model.fingerprint,
        "task": entry.task(),
        "annotations": entry.annotations,
        "prompt": prompt,
        "blind": args.blind,
        "shards": args.shards,
        "batch": args.batch,
        "max_new_tokens": args.max_new_tokens,
        "temperature": args.temperature,
        "top_p": args.top_p,
        "seed": if args.temperature > 0.0 { Some(args.seed) } else { None },
    });
    // Only where they are not as usual, so that runs of before these flags go on.
    if args.beams > 1 {
        settings["beams"] = args.beams.into();
    }
    if args.constrained {
        settings["constrained"] = true.into();
    }
    settings
}

/// The clip that each record is shown: its own, or another record's.
fn seen_clips(questions: &Questions, blind: Option<u64>) -> anyhow::Result<Vec<Option<ClipKey>>> {
    let own: Vec<Option<ClipKey>> = questions
        .list
        .iter()
        .map(|question| question.item.as_ref().ok().map(|item| item.clip.clone()))
        .collect();
    let Some(seed) = blind else { return Ok(own) };
    let readable: Vec<&ClipKey> = own.iter().flatten().collect();
    let Some(given) = baseline::exchange(&readable, seed) else {
        bail!("--blind exchanges clips among records, and this benchmark has fewer than two clips");
    };
    let mut given = given.into_iter();
    Ok(own
        .iter()
        .map(|clip| {
            clip.as_ref()
                .and_then(|_| given.next())
                .map(|other| readable[other].clone())
        })
        .collect())
}

/// Batches have fixed borders, so that an answer does not depend on where a run was stopped. The next batch is decoded
/// while this one is answered.
fn answer_all(
    args: &Args,
    loader: &Loader<'_>,
    seen: &[Option<ClipKey>],
    results: &mut ResultFile,
    progress: &Progress<'_>,
) -> anyhow::Result<usize> {
    let list = &loader.questions.list;
    let (done, total) = (results.done, list.len());
    let starts: Vec<usize> = (0..total)
        .step_by(args.batch)
        .filter(|start| (start + args.batch).min(total) > done)
        .collect();
    let mut errors = 0;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(1);
        scope.spawn(move || {
            let mut before: Vec<ClipKey> = Vec::new();
            for start in starts {
                let clips = &seen[start..(start + args.batch).min(seen.len())];
                let decoded = loader.decode(clips, &before);
                before = distinct(clips);
                // The other side hangs up after an error.
                if sender.send((start, decoded)).is_err() {
                    break;
                }
            }
        });
        let mut features: HashMap<ClipKey, Result<Features, String>> = HashMap::new();
        for (start, decoded) in receiver {
            let end = (start + args.batch).min(list.len());
            let wanted = distinct(&seen[start..end]);
            features.retain(|clip, _| wanted.contains(clip));
            for (clip, frames) in decoded? {
                let looked = frames.and_then(|frames| {
                    loader
                        .model
                        .look(&clip.media, &frames)
                        .map_err(|e| format!("{e:#}"))
                });
                features.insert(clip, looked);
            }
            let lines = answer_batch(
                args,
                loader,
                &list[start..end],
                &seen[start..end],
                &features,
            )?;
            let fresh = &lines[results.done.saturating_sub(start)..];
            errors += fresh
                .iter()
                .filter(|line| line.get("error").is_some())
                .count();
            results.append(fresh)?;
            progress.add(fresh.len() as u64);
        }
        Ok(errors)
    })
}

fn answer_batch(
    args: &Args,
    loader: &Loader<'_>,
    questions: &[Question],
    seen: &[Option<ClipKey>],
    features: &HashMap<ClipKey, Result<Features, String>>,
) -> anyhow::Result<Vec<Value>> {
    let (mut prompts, mut of, mut clips, mut names): (
        Vec<_>,
        Vec<usize>,
        Vec<&Features>,
        Vec<&ClipKey>,
    ) = Default::default();
    let mut outcomes: Vec<Result<usize, String>> = Vec::new();
    for (question, clip) in questions.iter().zip(seen) {
        outcomes.push((|| {
            let item = question.item.as_ref().map_err(Clone::clone)?;
            let clip = clip.as_ref().ok_or("no clip")?;
            let looked = match features.get(clip) {
                Some(Ok(features)) => features,
                Some(Err(why)) => return Err(why.clone()),
                None => return Err("the clip was not loaded".to_owned()),
            };
            let prompt = loader
                .model
                .encode(&Questions::record(item))
                .map_err(|error| format!("{error:#}"))?;
            let place = names
                .iter()
                .position(|name| *name == clip)
                .unwrap_or_else(|| {
                    names.push(clip);
                    clips.push(looked);
                    names.len() - 1
                });
            prompts.push(prompt);
            of.push(place);
            Ok(prompts.len() - 1)
        })());
    }
    let options = GenerateOptions {
        max_new_tokens: args.max_new_tokens,
        temperature: args.temperature,
        top_p: args.top_p,
        beams: args.beams,
        filter: loader.filter.clone(),
        // Rows of different batches draw differently.
        seed: args.seed.wrapping_add(
            questions
                .first()
                .map_or(0, |question| question.index as u64),
        ),
        ..GenerateOptions::default()
    };
    let texts = loader.model.answer(&prompts, &of, &clips, &options)?;
    Ok(questions
        .iter()
        .zip(outcomes)
        .map(|(question, outcome)| {
            loader.questions.line(
                question,
                &outcome.map(|row| texts[row].clone()),
                args.constrained,
            )
        })
        .collect())
}

fn distinct(clips: &[Option<ClipKey>]) -> Vec<ClipKey> {
    let mut found: Vec<ClipKey> = Vec::new();
    for clip in clips.iter().flatten() {
        if !found.contains(clip) {
            found.push(clip.clone());
        }
    }
    found
}

/// Where frames come from.
struct Loader<'a> {
    model: &'a Model,
    media: &'a Client,
    shards: Option<&'a ShardReader>,
    filter: Option<LogitFilter>,
    questions: &'a Questions,
    /// The media folder as the recipe spells it: part of a clip's name in shards.
    folder: &'a str,
}

type Decoded = Vec<(ClipKey, Result<Frames, String>)>;

impl Loader<'_> {
    /// The frames of the distinct clips that were not in the batch before, in the model's size.
    ///
    /// # Errors
    /// When no video can be read; what is wrong with one clip stands in its place.
    fn decode(&self, clips: &[Option<ClipKey>], before: &[ClipKey]) -> anyhow::Result<Decoded> {
        let new: Vec<ClipKey> = distinct(clips)
            .into_iter()
            .filter(|clip| !before.contains(clip))
            .collect();
        let (plan, side) = (self.model.plan(), self.model.side());
        new.into_par_iter()
            .map(|clip| match self.frames(&clip, plan, side) {
                Err(error) if media::is_fatal(&error) => Err(error),
                frames => Ok((clip, frames.map_err(|error| format!("{error:#}")))),
            })
            .collect()
    }

    fn frames(&self, clip: &ClipKey, plan: FramePlan, side: u32) -> anyhow::Result<Frames> {
        if let Some(shards) = self.shards
            && let Some(number) = shards.find(&self.shard_key(clip).id())
        {
            let frames = shards.frames(number)?;
            let wanted = if matches!(clip.media, Media::Image(_)) {
                1
            } else {
                plan.frames
            };
            if frames.count != wanted {
                bail!(
                    "the shards have {} frames of this clip, the model takes {wanted}; shard again with --frames {wanted}",
                    frames.count
                );
            }
            return Ok(
                if frames.width == side as usize && frames.height == side as usize {
                    frames
                } else {
                    st_media::resize(&frames, side, side)
                },
            );
        }
        let path = self.questions.path(clip);
        Ok(match clip.media {
            Media::Image(_) => st_media::load_image(&path, Some((side, side)))?,
            Media::Video(_) => {
                let request = ClipRequest {
                    plan,
                    split: clip.split,
                    size: Some((side, side)),
                    ..ClipRequest::default()
                };
                self.media.decode(&path, &request)?.into_frames()
            }
        })
    }

    fn shard_key(&self, clip: &ClipKey) -> ClipKey {
        let mut record = st_schema::Record::new(
            "clip",
            clip.media.clone(),
            Vec::new(),
            st_schema::Variables::default(),
        );
        record.meta.split = clip.split;
        ClipKey::within(self.folder, &record)
    }
}
