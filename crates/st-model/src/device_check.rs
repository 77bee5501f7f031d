//! Does a device compute what the CPU computes, and how fast?
//!
//! [`compare`] builds the same small model, in the published geometry, on two devices and compares every stage. [`time`] measures
//! prefill and decoding with random weights. Neither needs a file, so that the program alone can be taken to another
//! machine.

use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Gradients, Tensor, TensorData};
use serde::Serialize;
use st_schema::{Axis, Frames, Side};

use crate::batch::{Batch, CoordinateSlot, EncodedRecord, IGNORE, Stream, VisualSlot};
use crate::config::{
    ConfigError, CoordinateConfig, ModelConfig, PackerConfig, PackerInit, Parts, TextConfig,
    VideoConfig, VideoStreams, VisionConfig, WidthInput,
};
use crate::generate::{GenerateOptions, generate};
use crate::init::InitConfig;
use crate::loss::{Objective, Reduction};
use crate::model::{ClipKind, ClipRange, LlavaSt};
use crate::qwen2::KvCache;
use crate::siglip::{FrameSizeError, patches};

/// Largest difference that passes, relative to the largest entry of the CPU's tensor. Devices may multiply 32-bit numbers with 10-bit
/// fractions (TF32), whose rounding is 5e-4 for each product.
pub const TOLERANCE: f64 = 5e-3;

/// Why a check cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceCheckError {
    /// The sizes do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The frames do not fit the tower.
    #[error(transparent)]
    Frames(#[from] FrameSizeError),
    /// The generated frames are damaged, which is a fault of this program.
    #[error(transparent)]
    Made(#[from] st_schema::FramesError),
}

/// One stage on two devices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The stage.
    pub stage: &'static str,
    /// Numbers compared.
    pub count: usize,
    /// Largest difference over the largest entry.
    pub relative: f64,
    /// Whether this is within [`TOLERANCE`].
    pub passed: bool,
}

impl Difference {
    fn new(stage: &'static str, found: &[f32], expected: &[f32]) -> Self {
        let largest = expected.iter().fold(0.0_f64, |largest, value| {
            largest.max(f64::from(value.abs()))
        });
        let differences = found
            .iter()
            .zip(expected)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        // A number that is none fails, whatever the others are.
        let worst = differences.fold(0.0, |worst: f64, value| {
            if worst.is_nan() || value.is_nan() {
                f64::NAN
            } else {
                worst.max(value)
            }
        });
        let relative = if largest > 0.0 {
            worst / largest
        } else {
            worst
        };
        let passed = found.len() == expected.len() && relative <= TOLERANCE;
        Self {
            stage,
            count: expected.len(),
            relative,
            passed,
        }
    }
}

/// The published geometry (384 pixels, 100 frames, packers 27 to 9 to 3 and 100 to 20) with narrow layers.
#[must_use]
pub fn small_config() -> ModelConfig {
    ModelConfig {
        vision: VisionConfig {
            image_size: 384,
            patch_size: 14,
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            layer_norm_eps: 1e-6,
        },
        packer: PackerConfig {
            embed_dim: 32,
            num_attention_heads: 4,
            layer_norm_eps: 1e-5,
            first_grid: 9,
            fast_grid: 3,
        },
        video: VideoConfig {
            frames: 100,
            slow_frames: 20,
        },
        text: TextConfig {
            vocab_size: 300,
            hidden_size: 64,
            intermediate_size: 128,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            rope_theta: 1e6,
            rms_norm_eps: 1e-6,
        },
        coordinates: CoordinateConfig::default(),
        video_streams: VideoStreams::Both,
        width_input: WidthInput::Interpolated,
        packer_init: PackerInit::Keep,
        use_downsample_image: false,
        parts: Parts::default(),
    }
}

/// Frames by the formula of the reference data: `(3x + 5y + 7t + 11c + seed) mod 256`.
fn frames(count: usize, side: usize, seed: usize) -> Result<Frames, st_schema::FramesError> {
    let mut rgb = Vec::with_capacity(count * side * side * 3);
    for t in 0..count {
        for place in 0..side * side {
            let (y, x) = (place / side, place % side);
            rgb.extend(
                (0..3).map(|c| {
                    u8::try_from((3 * x + 5 * y + 7 * t + 11 * c + seed) % 256).unwrap_or(0)
                }),
            );
        }
    }
    Frames::new(count, side, side, rgb)
}

/// A record about a video with coordinates in question and answer. All ids are words, but for the slots and placeholders.
#[must_use]
pub fn sample_record(config: &ModelConfig) -> EncodedRecord {
    let (fast, slow) = config.video_tokens();
    let vocabulary = u32::try_from(config.text.vocab_size).unwrap_or(u32::MAX);
    let word = |place: usize| u32::try_from(place * 37 + 11).unwrap_or(0) % vocabulary;
    let length = fast + slow + 80;
    let visual = vec![
        VisualSlot {
            start: 14,
            len: fast,
            stream: Stream::Fast,
        },
        VisualSlot {
            start: 14 + fast,
            len: slow,
            stream: Stream::Slow,
        },
    ];
    let ids: Vec<u32> = (0..length).map(word).collect();
    let answer = length - 40;
    let labels = ids.iter().enumerate().map(|(place, id)| {
        if place < answer {
            IGNORE
        } else {
            i64::from(*id)
        }
    });
    let place = |position, axis, side, value| CoordinateSlot {
        position,
        axis,
        side,
        value,
    };
    let coordinates = Axis::ALL
        .into_iter()
        .zip([0.1, 0.333, 0.999])
        .flat_map(|(axis, value)| {
            let offset = 3 * axis as usize;
            [
                place(answer - 20 + offset, axis, Side::Input, value),
                place(answer + 5 + offset, axis, Side::Output, value),
            ]
        });
    EncodedRecord {
        labels: labels.collect(),
        visual,
        coordinates: coordinates.collect(),
        ids,
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Everything that is compared, from one device.
struct Outcome {
    stages: Vec<(&'static str, Vec<f32>)>,
    answer: Vec<u32>,
}

fn small_model(device: &Device) -> Result<LlavaSt, ConfigError> {
    let init = InitConfig {
        embedding_std: 1.0,
        head_std: 0.5,
        ..InitConfig::default()
    };
    let init = InitConfig {
        coordinate_input_std: 1.0,
        coordinate_output_std: 0.5,
        ..init
    };
    Ok(small_config().init(device)?.initialize(&init, 7))
}

fn run(device: &Device) -> Result<Outcome, DeviceCheckError> {
    let model = small_model(device)?;
    let config = model.config.clone();
    let video = frames(config.video.frames, config.vision.image_size, 3)?;
    let features = model.encode_frames(patches(&[&video], &config.vision, device)?);
    let clip = [ClipRange {
        first: 0,
        kind: ClipKind::Video,
    }];
    let visual = model.visual_tokens(features.clone(), &clip, Objective::Coordinates);
    let record = sample_record(&config);
    let batch = Batch::collate(std::slice::from_ref(&record), 0);
    let hidden = model.decode(model.inputs_embeds(&batch, &visual, Objective::Coordinates));
    let [_, columns, width] = hidden.dims();
    let last = hidden
        .clone()
        .narrow(1, columns - 40, 40)
        .reshape([40, width]);
    let losses = model.loss_of_hidden(hidden.clone(), 0, &batch, Objective::Coordinates);
    let mut stages = vec![
        (
            "vision tower and projector",
            values(features.clone().narrow(0, 0, 2)),
        ),
        (
            "fast stream",
            visual.fast.clone().map(values).unwrap_or_default(),
        ),
        (
            "slow stream",
            visual.slow.clone().map(values).unwrap_or_default(),
        ),
        ("decoder", values(hidden)),
        ("logits", values(model.logits(last, Objective::Coordinates))),
        ("loss", values(losses.per_record)),
    ];
    let mut prompt = record.clone();
    let length = prompt.ids.len() - 40;
    prompt.ids.truncate(length);
    prompt.labels.truncate(length);
    prompt.coordinates.retain(|slot| slot.position < length);
    let options = GenerateOptions {
        max_new_tokens: 24,
        ..GenerateOptions::default()
    };
    let answer = generate(&model, &[prompt], &[0], &visual, &options, |_, _| {})
        .remove(0)
        .ids;
    stages.push(("gradients", gradients(device, &features, &batch)?));
    Ok(Outcome { stages, answer })
}

/// Gradients of all parameters behind the vision tower and the projector, one after another.
fn gradients(
    device: &Device,
    features: &Tensor<3>,
    batch: &Batch,
) -> Result<Vec<f32>, DeviceCheckError> {
    let tracked = device.clone().autodiff();
    let model = small_model(&tracked)?
        .set_trainable(&|name| !name.contains("vision_tower") && !name.contains("mm_projector"));
    let clip = [ClipRange {
        first: 0,
        kind: ClipKind::Video,
    }];
    let visual = model.visual_tokens(features.clone().autodiff(), &clip, Objective::Coordinates);
    let loss = model
        .loss(batch, &visual, Objective::Coordinates)
        .reduce(Reduction::SumOfMeans);
    let gradients = loss.backward();
    let mut reader = GradientReader {
        gradients: &gradients,
        values: Vec::new(),
    };
    model.visit(&mut reader);
    Ok(reader.values)
}

/// Gradients of all parameters that have one, in module order.
struct GradientReader<'a> {
    gradients: &'a Gradients,
    values: Vec<f32>,
}

impl ModuleVisitor for GradientReader<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = parameter.val().grad(self.gradients) {
            self.values.extend(values(gradient));
        }
    }
}

/// Compares a device with another one, stage by stage, with the same weights and inputs in 32 bits.
///
/// # Errors
/// [`DeviceCheckError`] when the model cannot be built, which no device can cause.
pub fn compare(device: &Device, reference: &Device) -> Result<Vec<Difference>, DeviceCheckError> {
    let (expected, found) = (run(reference)?, run(device)?);
    let mut differences: Vec<Difference> = expected
        .stages
        .iter()
        .zip(&found.stages)
        .map(|((stage, expected), (_, found))| Difference::new(stage, found, expected))
        .collect();
    let equal = expected
        .answer
        .iter()
        .zip(&found.answer)
        .filter(|(a, b)| a == b)
        .count();
    let count = expected.answer.len();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let relative = (count - equal) as f64 / count.max(1) as f64;
    let passed = equal == count && found.answer.len() == count;
    differences.push(Difference {
        stage: "greedy ids (share that differs)",
        count,
        relative,
        passed,
    });
    Ok(differences)
}

/// A shape to time.
#[derive(Debug, Clone)]
pub struct TimedShape {
    /// Name for the table.
    pub name: &'static str,
    /// The model.
    pub config: ModelConfig,
}

impl TimedShape {
    /// The small model of [`compare`].
    #[must_use]
    pub fn small() -> Self {
        Self {
            name: "tiny",
            config: small_config(),
        }
    }

    /// The published model.
    #[must_use]
    pub fn published() -> Self {
        Self {
            name: "7B",
            config: ModelConfig::published_7b(),
        }
    }
}

/// A measured time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// Name of the shape.
    pub shape: &'static str,
    /// What was timed.
    pub what: String,
    /// Seconds, the best of the repetitions.
    pub seconds: f64,
    /// Tokens in this time.
    pub tokens: usize,
}

impl Timing {
    /// Tokens per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let tokens = self.tokens as f64;
        tokens / self.seconds
    }
}

/// Times prefill of a video prompt and 64 decoded tokens, with random weights in the device's default type.
///
/// `report` hears of each result at once. Nothing new is started once `budget` is used up.
///
/// # Errors
/// [`ConfigError`] when the sizes do not fit together.
pub fn time(
    shape: &TimedShape,
    device: &Device,
    budget: Duration,
    mut report: impl FnMut(Timing),
) -> Result<(), ConfigError> {
    let begin = Instant::now();
    let (fast, slow) = shape.config.video_tokens();
    let prompt = fast + slow + 80;
    let result = |what: &str, seconds, tokens| Timing {
        shape: shape.name,
        what: what.to_owned(),
        seconds,
        tokens,
    };
    {
        let model = shape.config.init(device)?;
        let embeds = Tensor::<3>::random(
            [1, prompt, shape.config.text.hidden_size],
            Distribution::Normal(0.0, 1.0),
            device,
        );
        let mut cache = KvCache::new(&shape.config.text, vec![0], prompt + 64, &embeds);
        let seconds = best(device, 3, || {
            cache.truncate(0);
            let _ = model.decode_cached(embeds.clone(), &mut cache);
        });
        report(result("prefill", seconds, prompt));
        if begin.elapsed() > budget {
            return Ok(());
        }
        let seconds = best(device, 2, || {
            cache.truncate(prompt);
            for step in 0..64_u32 {
                let embeds = model.embed_ids(&[step % 200]);
                let [rows, width] = embeds.dims();
                let hidden = model.decode_cached(embeds.reshape([rows, 1, width]), &mut cache);
                // Reading the logits waits for the device, as choosing a token does.
                let _: TensorData = model.logits(hidden, Objective::Coordinates).into_data();
            }
        });
        report(result("decode", seconds, 64));
    }
    Ok(())
}

/// Best time of some repetitions after one that warms up.
fn best(device: &Device, repetitions: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for number in 0..=repetitions {
        let begin = Instant::now();
        work();
        // What cannot be waited for shows up in the next reading.
        let _ = device.sync();
        if number > 0 {
            best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_fail_on_size_value_and_nan() {
        assert!(Difference::new("x", &[1.0, 2.0], &[1.0, 2.001]).passed);
        assert!(!Difference::new("x", &[1.0, 2.0], &[1.0, 2.1]).passed);
        assert!(!Difference::new("x", &[1.0], &[1.0, 2.0]).passed);
        assert!(!Difference::new("x", &[f32::NAN, 2.0], &[1.0, 2.0]).passed);
    }

    #[test]
    fn a_device_equals_itself() {
        let device = Device::flex();
        let differences = compare(&device, &device).unwrap();
        assert!(
            differences
                .iter()
                .all(|one| one.passed && one.relative < 1e-9 && one.count > 0),
            "{differences:?}"
        );
        assert_eq!(differences.len(), 8);
    }
}
