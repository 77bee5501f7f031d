//! Forward and backward pass of a tiny model from scratch on the CPU, in records a second.
//!
//! Sizes are those of the tiny recipe (126 pixels, 9x9 patches, about 0.6 million parameters); the rival is `training_step.py`.
//! Run with `cargo bench -p st-model --bench training_step -- [steps]`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints timings"
)]

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use st_model::batch::{Batch, CoordinateSlot, EncodedRecord, IGNORE, Padding, Stream, VisualSlot};
use st_model::config::{
    CoordinateConfig, ModelConfig, PackerConfig, PackerInit, Parts, TextConfig, VideoConfig,
    VideoStreams, VisionConfig, WidthInput,
};
use st_model::init::InitConfig;
use st_model::loss::{Objective, Reduction};
use st_model::model::{ClipKind, ClipRange, LlavaSt};
use st_model::siglip::patches;
use st_schema::{Axis, Frames, Side};

fn tiny() -> ModelConfig {
    ModelConfig {
        vision: VisionConfig {
            image_size: 126,
            patch_size: 14,
            hidden_size: 64,
            intermediate_size: 256,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            layer_norm_eps: 1e-6,
        },
        packer: PackerConfig {
            embed_dim: 48,
            num_attention_heads: 4,
            layer_norm_eps: 1e-5,
            first_grid: 3,
            fast_grid: 1,
        },
        video: VideoConfig {
            frames: 20,
            slow_frames: 4,
        },
        text: TextConfig {
            vocab_size: 400,
            hidden_size: 96,
            intermediate_size: 256,
            num_hidden_layers: 3,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            rope_theta: 1e4,
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

/// Some words, the visual tokens, a question of 20 words and an answer of 12 tokens with a box.
fn record(config: &ModelConfig, kind: ClipKind, seed: u32) -> EncodedRecord {
    let mut ids: Vec<u32> = vec![1, 2, 3];
    let mut visual = Vec::new();
    let (fast, slow) = config.video_tokens();
    let streams = match kind {
        ClipKind::Image => vec![(Stream::Image, config.image_tokens())],
        ClipKind::Video => vec![(Stream::Fast, fast), (Stream::Slow, slow)],
    };
    for (stream, len) in streams {
        visual.push(VisualSlot {
            start: ids.len(),
            len,
            stream,
        });
        ids.extend(std::iter::repeat_n(4, len));
    }
    ids.extend((0..20).map(|word| 5 + (word * 7 + seed) % 300));
    let answer = ids.len();
    ids.extend((0..12).map(|word| 5 + (word * 11 + seed) % 300));
    let mut labels = vec![IGNORE; answer];
    labels.extend(ids[answer..].iter().map(|id| i64::from(*id)));
    let axes = [Axis::Width, Axis::Height, Axis::Width, Axis::Height];
    let coordinates = axes
        .into_iter()
        .enumerate()
        .map(|(place, axis)| CoordinateSlot {
            position: answer + 4 + place,
            axis,
            side: Side::Output,
            value: f64::from((seed * 37 + u32::try_from(place).unwrap() * 211) % 1000) / 999.0,
        });
    let coordinates = coordinates.collect();
    EncodedRecord {
        ids,
        labels,
        visual,
        coordinates,
    }
}

fn noise(frames: usize, side: usize, seed: usize) -> Frames {
    let rgb = (0..frames * side * side * 3)
        .map(|place| u8::try_from((place * 31 + seed * 101 + place / 7) % 251).unwrap());
    Frames::new(frames, side, side, rgb.collect()).unwrap()
}

struct Step {
    batch: Batch,
    frames: Vec<Frames>,
    clips: Vec<ClipRange>,
}

fn step(config: &ModelConfig, kind: ClipKind, count: usize) -> Step {
    let length = if kind == ClipKind::Video {
        config.video.frames
    } else {
        1
    };
    let records: Vec<_> = (0..count)
        .map(|seed| record(config, kind, u32::try_from(seed).unwrap()))
        .collect();
    let clips: Vec<usize> = (0..count).collect();
    Step {
        batch: Batch::collate_with(&records, &clips, 0, Padding::Right),
        frames: (0..count)
            .map(|seed| noise(length, config.vision.image_size, seed))
            .collect(),
        clips: (0..count)
            .map(|clip| ClipRange {
                first: clip * length,
                kind,
            })
            .collect(),
    }
}

fn run(model: &LlavaSt, step: &Step, device: &Device, timings: &mut [f64; 5]) -> f32 {
    let mut last = Instant::now();
    let mut lap = |place: usize| {
        timings[place] += last.elapsed().as_secs_f64();
        last = Instant::now();
    };
    let frames: Vec<_> = step.frames.iter().collect();
    let pixels = patches(&frames, &model.config.vision, device).unwrap();
    lap(0);
    let features = model.encode_frames(pixels);
    lap(1);
    let visual = model.visual_tokens(features, &step.clips, Objective::Coordinates);
    lap(2);
    let loss = model
        .loss(&step.batch, &visual, Objective::Coordinates)
        .reduce(Reduction::MeanOfMeans);
    lap(3);
    let gradients = model.named_gradients(&loss.backward());
    assert!(!gradients.is_empty());
    lap(4);
    loss.into_scalar::<f32>()
}

/// Processor time of all threads so far, in seconds; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    // User and system time in hundredths of a second, fields 14 and 15 of proc(5).
    fields.get(11..13).map_or(0.0, |times| {
        times
            .iter()
            .filter_map(|time| time.parse::<f64>().ok())
            .sum::<f64>()
            / 100.0
    })
}

fn main() {
    let steps = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse::<usize>().ok())
        .unwrap_or(10);
    let config = tiny();
    let device = Device::flex().autodiff();
    let model = config
        .init(&device)
        .unwrap()
        .initialize(&InitConfig::default(), 1);
    println!("{} parameters, {steps} steps", model.num_params());
    for (name, kind, count) in [
        ("images", ClipKind::Image, 32),
        ("videos", ClipKind::Video, 16),
    ] {
        let step = step(&config, kind, count);
        run(&model, &step, &device, &mut [0.0; 5]);
        let mut timings = [0.0; 5];
        let (start, processor) = (Instant::now(), processor_seconds());
        let mut loss = 0.0;
        for _ in 0..steps {
            loss = run(&model, &step, &device, &mut timings);
        }
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let milliseconds = (processor_seconds() - processor) / steps as f64 * 1e3;
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let (seconds, done) = (start.elapsed().as_secs_f64(), (steps * count) as f64);
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let [pixels, encode, pack, decode, backward] =
            timings.map(|time| time / steps as f64 * 1e3);
        println!(
            "{count} {name}: {:.1} a second; {milliseconds:.1} ms of processor time a step; of the clock's: pixels {pixels:.1}, tower {encode:.1}, packers {pack:.1}, decoder and loss {decode:.1}, backward {backward:.1}; loss {loss:.4}",
            done / seconds
        );
    }
}
