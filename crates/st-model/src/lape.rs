//! Language-aligned positional embedding (section 3.2 of arXiv:2501.08282): a visual feature of frame `t`, row `y`, column `x` gets
//! `T[t] + H[y] + W[x]`, where each table is the mean of the coordinate tokens' input and output embeddings.

use burn::tensor::{Tensor, TensorData};
use st_schema::Axis;

use crate::config::ModelConfig;
use crate::coordinates::{CoordinateTables, Location, interpolate};

/// The three tables at the sizes of the visual features.
#[derive(Debug, Clone)]
pub struct Lape {
    /// One row for each frame of a video, `[frames, hidden]`; row 0 serves images.
    pub temporal: Tensor<2>,
    /// One row for each row of the grid, `[grid, hidden]`.
    pub height: Tensor<2>,
    /// One row for each column of the grid, `[grid, hidden]`.
    pub width: Tensor<2>,
}

impl Lape {
    /// Resizes the tables: height and width linearly with half-pixel centres, time to the frames' fractions `i / (frames - 1)`, which
    /// for as many frames as bins is the table itself.
    #[must_use]
    pub fn new(tables: &CoordinateTables, config: &ModelConfig) -> Self {
        let grid = config.vision.grid();
        Self {
            temporal: at_frames(tables.mean(Axis::Temporal), config.video.frames),
            height: resize(tables.mean(Axis::Height), grid),
            width: resize(tables.mean(Axis::Width), grid),
        }
    }

    /// What is added to the patches of each frame of a video, `[frames, grid * grid, hidden]`.
    #[must_use]
    pub fn video(&self) -> Tensor<3> {
        self.temporal.clone().unsqueeze_dim::<3>(1) + self.frame().unsqueeze()
    }

    /// What is added to the patches of an image, `[grid * grid, hidden]`.
    #[must_use]
    pub fn image(&self) -> Tensor<2> {
        self.frame() + self.temporal.clone().narrow(0, 0, 1)
    }

    fn frame(&self) -> Tensor<2> {
        let [grid, hidden] = self.height.dims();
        let plane =
            self.height.clone().unsqueeze_dim::<3>(1) + self.width.clone().unsqueeze_dim::<3>(0);
        plane.reshape([grid * grid, hidden])
    }
}

fn at_frames(table: Tensor<2>, frames: usize) -> Tensor<2> {
    let bins = table.dims()[0];
    if frames == bins {
        return table;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "frame numbers are far below 2^52"
    )]
    let fraction = |frame: usize| frame as f64 / (frames.max(2) - 1) as f64;
    let locations: Vec<_> = (0..frames)
        .map(|frame| (0, Location::new(fraction(frame), bins)))
        .collect();
    interpolate(table, &locations)
}

/// Linear interpolation of the rows of `[rows, hidden]` to `size` rows with half-pixel centres (`PyTorch`'s `linear`,
/// `align_corners=False`; source positions in 32 bits).
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "32-bit positions on purpose, of small tables"
)]
pub fn resize(table: Tensor<2>, size: usize) -> Tensor<2> {
    let rows = table.dims()[0];
    let scale = rows as f32 / size as f32;
    let mut weights = vec![0.0f32; size * rows];
    for (target, line) in weights.chunks_exact_mut(rows).enumerate() {
        let source = (scale * (target as f32 + 0.5) - 0.5).max(0.0);
        let floor = (source as usize).min(rows - 1);
        let ratio = source - floor as f32;
        line[floor] += 1.0 - ratio;
        line[(floor + 1).min(rows - 1)] += ratio;
    }
    let weights = Tensor::<2>::from_data(
        TensorData::new(weights, [size, rows]),
        (&table.device(), table.dtype()),
    );
    weights.matmul(table)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn resizing_reads_half_pixel_centres() {
        let table = Tensor::<2>::from_data([[0.0], [1.0], [2.0], [3.0]], &Device::flex());
        resize(table.clone(), 2)
            .into_data()
            .assert_eq(&TensorData::from([[0.5f32], [2.5]]), true);
        let larger = resize(table, 8).into_data();
        larger.assert_eq(
            &TensorData::from([
                [0.0f32],
                [0.25],
                [0.75],
                [1.25],
                [1.75],
                [2.25],
                [2.75],
                [3.0],
            ]),
            true,
        );
    }

    #[test]
    fn frames_span_all_bins() {
        let table = Tensor::<2>::from_data([[0.0], [1.0], [2.0], [3.0]], &Device::flex());
        at_frames(table, 3)
            .into_data()
            .assert_eq(&TensorData::from([[0.0f32], [1.5], [3.0]]), true);
    }
}
