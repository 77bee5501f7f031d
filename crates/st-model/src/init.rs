//! Start values for training from scratch.
//!
//! Every parameter has its own random stream, named by seed and parameter, drawn on the host: the same seed gives the same model on every
//! device, whatever else is in it.

use burn::tensor::TensorData;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::model::LlavaSt;

/// How the vision tower's position table starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PositionStart {
    /// Normal values.
    Random {
        /// Standard deviation.
        std: f64,
    },
    /// Two-dimensional sines and cosines: one half of the width tells the row, the other the column.
    SineCosine {
        /// Largest value.
        amplitude: f64,
    },
}

/// Start of a model that learns from nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// Standard deviation of the word embeddings.
    pub embedding_std: f64,
    /// Standard deviation of the output layer over the vocabulary.
    pub head_std: f64,
    /// Standard deviation of the input tables of the coordinates.
    pub coordinate_input_std: f64,
    /// Standard deviation of the output tables of the coordinates.
    pub coordinate_output_std: f64,
    /// Width in bins of the Gaussian that smooths the coordinate tables, so that near bins start alike; 0 for none. The standard
    /// deviation stays.
    pub coordinate_smoothing: f64,
    /// Factor on the projector's last layer: how loud what is seen is beside where and when it is.
    pub projector_gain: f64,
    /// Positions of the vision tower.
    pub position: PositionStart,
}

impl Default for InitConfig {
    fn default() -> Self {
        Self {
            embedding_std: 0.02,
            head_std: 0.02,
            coordinate_input_std: 0.02,
            coordinate_output_std: 0.02,
            coordinate_smoothing: 0.0,
            projector_gain: 1.0,
            position: PositionStart::Random { std: 0.02 },
        }
    }
}

impl LlavaSt {
    /// Sets all parameters to start values; linear layers are uniform in `±1/sqrt(inputs)`, norms one and zero, `B` of adapters zero.
    #[must_use]
    pub fn initialize(self, init: &InitConfig, seed: u64) -> Self {
        let grid = self.config.vision.grid();
        self.map_values(&mut |name, shape| Some(start_value(name, shape, init, seed, grid)))
    }
}

fn start_value(
    name: &str,
    shape: &[usize],
    init: &InitConfig,
    seed: u64,
    grid: usize,
) -> TensorData {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ fnv1a(name));
    let count = shape.iter().product::<usize>();
    let is_norm = ["norm", ".ln_"].iter().any(|part| name.contains(part));
    let values = if is_norm {
        vec![if name.ends_with(".weight") { 1.0 } else { 0.0 }; count]
    } else if name.ends_with("position_embedding.weight") {
        match init.position {
            PositionStart::Random { std } => normal(&mut random, count, std),
            PositionStart::SineCosine { amplitude } => sine_cosine(grid, shape[1], amplitude),
        }
    } else if name.contains("_input_embeddings") {
        smooth(
            normal(&mut random, count, init.coordinate_input_std),
            shape,
            init,
        )
    } else if name.contains("_output_embeddings") {
        smooth(
            normal(&mut random, count, init.coordinate_output_std),
            shape,
            init,
        )
    } else if name.ends_with("embed_tokens.weight") {
        normal(&mut random, count, init.embedding_std)
    } else if name.starts_with("lm_head") {
        normal(&mut random, count, init.head_std)
    } else if name.ends_with("lora_B.weight") || name.ends_with("in_proj_bias") {
        vec![0.0; count]
    } else if name.rsplit('.').next() == Some("bias") {
        // Small and centred; PyTorch draws from the layer's input width, which a bias does not know.
        vec![0.0; count]
    } else {
        let gain = if name.ends_with("mm_projector.2.weight") {
            init.projector_gain
        } else {
            1.0
        };
        uniform(&mut random, count, gain / root(shape[1..].iter().product()))
    };
    TensorData::new(values, shape.to_vec())
}

/// 64-bit FNV-1a, to name a random stream.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn root(size: usize) -> f64 {
    (size as f64).sqrt()
}

#[expect(clippy::cast_possible_truncation, reason = "start values are 32-bit")]
fn uniform(random: &mut ChaCha8Rng, count: usize, bound: f64) -> Vec<f32> {
    (0..count)
        .map(|_| random.random_range(-bound..=bound) as f32)
        .collect()
}

/// Normal values by Box and Muller.
#[expect(clippy::cast_possible_truncation, reason = "start values are 32-bit")]
fn normal(random: &mut ChaCha8Rng, count: usize, std: f64) -> Vec<f32> {
    let draw = |random: &mut ChaCha8Rng| {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.random::<f64>()).cos() * std
    };
    (0..count).map(|_| draw(random) as f32).collect()
}

/// Smooths the rows of `[bins, hidden]` by a Gaussian over bins and scales back to the same mean square.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small tables of 32-bit values"
)]
fn smooth(values: Vec<f32>, shape: &[usize], init: &InitConfig) -> Vec<f32> {
    let (bins, hidden) = (shape[0], shape[1]);
    let sigma = init.coordinate_smoothing;
    if sigma <= 0.0 {
        return values;
    }
    let mean_square = |values: &[f32]| {
        values
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            / values.len() as f64
    };
    let before = mean_square(&values);
    let mut smoothed = vec![0.0f32; values.len()];
    for (bin, row) in smoothed.chunks_exact_mut(hidden).enumerate() {
        for (other, source) in values.chunks_exact(hidden).enumerate() {
            let distance = bin.abs_diff(other) as f64 / sigma;
            let weight = (-0.5 * distance * distance).exp() as f32;
            for (value, source) in row.iter_mut().zip(source) {
                *value += weight * source;
            }
        }
    }
    debug_assert_eq!(smoothed.len(), bins * hidden);
    let factor = (before / mean_square(&smoothed)).sqrt() as f32;
    for value in &mut smoothed {
        *value *= factor;
    }
    smoothed
}

/// `[grid * grid, width]`: sines and cosines of the row in the first half of the width, of the column in the second, with wave lengths
/// from a quarter of the grid's side up to twice it and more.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small tables of 32-bit values"
)]
fn sine_cosine(grid: usize, width: usize, amplitude: f64) -> Vec<f32> {
    let quarter = (width / 4).max(1);
    let value = |place: usize, feature: usize| {
        let wave = feature % (2 * quarter);
        let frequency = 100f64.powf(-((wave / 2) as f64) / quarter as f64);
        let angle = place as f64 * frequency;
        (amplitude
            * if wave.is_multiple_of(2) {
                angle.sin()
            } else {
                angle.cos()
            }) as f32
    };
    let cell = |index: usize| {
        let (place, feature) = (index / width, index % width);
        value(
            if feature < width / 2 {
                place / grid
            } else {
                place % grid
            },
            feature % (width / 2).max(1),
        )
    };
    (0..grid * grid * width).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_the_spread_and_brings_neighbours_together() {
        let init = InitConfig {
            coordinate_smoothing: 3.0,
            ..InitConfig::default()
        };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let values = smooth(normal(&mut random, 100 * 16, 0.5), &[100, 16], &init);
        let mean_square = values.iter().map(|value| value * value).sum::<f32>() / 1600.0;
        assert!((mean_square - 0.25).abs() < 0.03, "{mean_square}");
        let product = |a: usize, b: usize| {
            (0..16)
                .map(|i| values[a * 16 + i] * values[b * 16 + i])
                .sum::<f32>()
        };
        let ratio = (0..99).map(|bin| product(bin, bin + 1)).sum::<f32>()
            / (0..99).map(|bin| product(bin, bin)).sum::<f32>();
        assert!(ratio > 0.9, "{ratio}");
    }

    #[test]
    fn cells_of_the_position_table_differ() {
        let table = sine_cosine(9, 64, 0.5);
        let row = |index: usize| &table[index * 64..(index + 1) * 64];
        for first in 0..81 {
            for second in 0..first {
                let distance: f32 = row(first)
                    .iter()
                    .zip(row(second))
                    .map(|(a, b)| (a - b).abs())
                    .sum();
                assert!(distance > 0.5, "{first} {second} {distance}");
            }
        }
    }
}
