//! How long a step of the published stage 2 takes: all parts of the model with random weights, one video record.

use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Gradients, Tensor};
use serde::Serialize;
use st_model::batch::{Batch, Padding};
use st_model::census::{RecordFlops, RecordSize};
use st_model::config::{ConfigError, ModelConfig};
use st_model::device_check::sample_record;
use st_model::lora::LoraConfig;
use st_model::loss::{LossOutput, Objective, Reduction};
use st_model::model::{ClipKind, ClipRange};
use st_model::weights::published_name;

use crate::optimizer::{NamedGradients, Optimizer};
use crate::recipe::{Group, OptimizerPlan, Part};

/// Text positions of [`sample_record`].
const TEXT: usize = 80;
/// Labelled positions of [`sample_record`].
const LABELS: usize = 40;

/// One step, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTime {
    /// Seconds of the best of the repetitions.
    pub seconds: f64,
    /// Positions in the decoder.
    pub tokens: usize,
    /// Floating-point operations that the step needs (see [`model_flops`]).
    pub model_flops: f64,
    /// Values that learn.
    pub trainable: usize,
}

impl StepTime {
    /// Model FLOPs utilisation of a device that can do so many operations a second.
    #[must_use]
    pub fn mfu(&self, peak: f64) -> f64 {
        self.model_flops / self.seconds / peak
    }
}

/// Operations that one step of stage 2 needs for a video record, without those that gradient checkpointing repeats.
///
/// The frozen tower and projector run forward once. The decoder's frozen weights need no gradient, so its backward pass costs as much
/// as its forward pass, and so does the output layer's; the packers learn, so their backward pass costs twice as much. The
/// adapters' own products are left out: under 4 % of the decoder's at rank 128.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate to a few thousandths"
)]
pub fn model_flops(config: &ModelConfig) -> f64 {
    let size = RecordSize::new(config, ClipKind::Video, TEXT, LABELS);
    let flops = RecordFlops::new(config, ClipKind::Video, size);
    let once = flops.vision_tower + flops.projector;
    let twice = flops.decoder + flops.output_layer;
    (once + 2 * twice + 3 * flops.packers) as f64
}

/// Times steps of stage 2: frozen tower over all frames, packers, decoder with adapters of rank 128 layer by layer, loss, backward
/// pass, clipping and `AdamW`. Numbers have the device's default type.
///
/// # Errors
/// Where the sizes do not fit together.
pub fn time_step(
    config: &ModelConfig,
    device: &Device,
    repetitions: usize,
) -> Result<StepTime, ConfigError> {
    let parts = [
        Part::Lora,
        Part::Packers,
        Part::Coordinates,
        Part::TokenEmbeddings,
    ];
    let lora = LoraConfig {
        r: 128,
        lora_alpha: 256.0,
        lora_dropout: 0.05,
        target_modules: [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ]
        .map(str::to_owned)
        .into(),
    };
    let plan = OptimizerPlan {
        lr: 2e-5,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.0,
        clip_norm: Some(1.0),
        muon: None,
        groups: vec![Group {
            parts: vec![Part::Lora],
            lr: 2e-4,
            weight_decay: None,
        }],
    };
    let mut model = config
        .init(&device.clone().autodiff())?
        .with_lora(&lora)
        .set_trainable(&|name| Part::any(&parts, name));
    let trainable = model
        .named_parameters()
        .iter()
        .filter(|parameter| Part::any(&parts, &parameter.name))
        .map(st_model::weights::NamedParameter::count)
        .sum();
    let frozen = model.valid();
    let frames = [
        config.video.frames,
        config.vision.tokens(),
        config.vision.patch_len(),
    ];
    let patches = Tensor::<3>::random(frames, Distribution::Uniform(-1.0, 1.0), device);
    let batch = Batch::collate_with(&[sample_record(config)], &[0], 0, Padding::Right);
    let clip = [ClipRange {
        first: 0,
        kind: ClipKind::Video,
    }];
    let reduce = |loss: &LossOutput| loss.reduce(Reduction::SumOfMeans);
    let mut optimizer = Optimizer::default();
    let mut best = f64::INFINITY;
    // The first step compiles kernels and is not counted.
    for repetition in 0..=repetitions {
        let begin = Instant::now();
        let features = frozen.encode_frames(patches.clone());
        let visual = model.visual_tokens(features, &clip, Objective::Coordinates);
        let mut gradients = NamedGradients::default();
        let mut take = |found: Gradients| {
            let found = GradientsParams::from_grads(found, &model);
            gradients.add(&model, found, published_name);
        };
        let _ = model.backward_by_layer(
            &batch,
            &visual,
            Objective::Coordinates,
            0,
            &reduce,
            &mut take,
        );
        // Reading the norm waits for the device.
        let squares = gradients.squared_norms();
        let norm = squares.iter().map(|(_, square)| square).sum::<f64>().sqrt();
        gradients.clip(norm, plan.clip_norm);
        model = optimizer.step(model, gradients, &plan, 1.0, published_name);
        let _ = device.sync();
        if repetition > 0 {
            best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    Ok(StepTime {
        seconds: best,
        tokens: batch.tokens(),
        model_flops: model_flops(config),
        trainable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use st_model::device_check::TimedShape;

    #[test]
    fn a_step_of_the_small_shape_runs_and_its_operations_follow_its_sizes() {
        let config = TimedShape::small().config;
        let time = time_step(&config, &Device::flex(), 1).unwrap();
        let (fast, slow) = config.video_tokens();
        assert_eq!(time.tokens, fast + slow + TEXT);
        assert!(time.seconds > 0.0 && time.mfu(1e12) > 0.0);
        let mut deeper = config.clone();
        deeper.text.num_hidden_layers *= 2;
        let layers = model_flops(&deeper) - model_flops(&config);
        let size = RecordSize::new(&config, ClipKind::Video, TEXT, LABELS);
        #[expect(clippy::cast_precision_loss, reason = "a small model")]
        let decoder = RecordFlops::new(&config, ClipKind::Video, size).decoder as f64;
        assert!((layers / (2.0 * decoder) - 1.0).abs() < 1e-9);
    }
}
