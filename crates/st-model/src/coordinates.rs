//! Coordinate tokens: six tables, where a fraction lies between two bins, and neighbouring token propagation.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use st_schema::{Axis, Side};

use crate::config::ModelConfig;
use crate::layers::Embedding;

/// A fraction between two bins of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Lower bin.
    pub floor: usize,
    /// Upper bin; the lower one where the fraction lies on a bin.
    pub ceil: usize,
    /// Weight of the upper bin, in `0..1`.
    pub ratio: f64,
}

impl Location {
    /// Places a fraction, clipped to `0..=1`, on `bins` bins whose first and last stand for 0 and 1.
    ///
    /// A value that is not a number counts as 0.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a clipped fraction times a small number of bins"
    )]
    pub fn new(value: f64, bins: usize) -> Self {
        let place = value.clamp(0.0, 1.0).max(0.0) * bins.saturating_sub(1) as f64;
        let floor = place.floor();
        Self {
            floor: floor as usize,
            ceil: place.ceil() as usize,
            ratio: place - floor,
        }
    }
}

/// Embeddings of the bins, for each axis one table for the input and one for the output side of the decoder.
#[derive(Module, Debug)]
pub struct CoordinateTables {
    /// `[temporal bins, hidden]`.
    pub temporal_input_embeddings: Embedding,
    /// `[temporal bins, hidden]`.
    pub temporal_output_embeddings: Embedding,
    /// `[height bins, hidden]`.
    pub spatial_height_input_embeddings: Embedding,
    /// `[height bins, hidden]`.
    pub spatial_height_output_embeddings: Embedding,
    /// `[width bins, hidden]`.
    pub spatial_width_input_embeddings: Embedding,
    /// `[width bins, hidden]`.
    pub spatial_width_output_embeddings: Embedding,
    /// Neighbouring token propagation; off for the ablation.
    pub ntp: bool,
}

impl CoordinateTables {
    /// Random values, created when first used.
    #[must_use]
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let table = |axis| {
            Embedding::new(
                config.coordinates.bins(axis),
                config.text.hidden_size,
                device,
            )
        };
        Self {
            temporal_input_embeddings: table(Axis::Temporal),
            temporal_output_embeddings: table(Axis::Temporal),
            spatial_height_input_embeddings: table(Axis::Height),
            spatial_height_output_embeddings: table(Axis::Height),
            spatial_width_input_embeddings: table(Axis::Width),
            spatial_width_output_embeddings: table(Axis::Width),
            ntp: config.parts.ntp,
        }
    }

    /// One of the tables.
    #[must_use]
    pub fn table(&self, axis: Axis, side: Side) -> &Embedding {
        match (axis, side) {
            (Axis::Temporal, Side::Input) => &self.temporal_input_embeddings,
            (Axis::Temporal, Side::Output) => &self.temporal_output_embeddings,
            (Axis::Height, Side::Input) => &self.spatial_height_input_embeddings,
            (Axis::Height, Side::Output) => &self.spatial_height_output_embeddings,
            (Axis::Width, Side::Input) => &self.spatial_width_input_embeddings,
            (Axis::Width, Side::Output) => &self.spatial_width_output_embeddings,
        }
    }

    /// Values of one table, `[bins, hidden]`; while its gradient is tracked, with propagation.
    #[must_use]
    pub fn values(&self, axis: Axis, side: Side) -> Tensor<2> {
        let values = self.table(axis, side).weight.val();
        if self.ntp && values.is_tracked() {
            propagate(values)
        } else {
            values
        }
    }

    /// All tables of a side one below the other, as their rows follow the vocabulary: `[all bins, hidden]`.
    #[must_use]
    pub fn side(&self, side: Side) -> Tensor<2> {
        Tensor::cat(Axis::ALL.map(|axis| self.values(axis, side)).to_vec(), 0)
    }

    /// Mean of the input and the output table of an axis, `[bins, hidden]`.
    #[must_use]
    pub fn mean(&self, axis: Axis) -> Tensor<2> {
        (self.values(axis, Side::Input) + self.values(axis, Side::Output)).mul_scalar(0.5)
    }
}

/// Neighbouring token propagation (arXiv:2501.08282): the value stays, the gradient `G` becomes `G + R^T G` with `R[i,j] = 2^-|i-j|`, so
/// that a bin's neighbours learn with it.
#[must_use]
pub fn propagate(table: Tensor<2>) -> Tensor<2> {
    let spread = neighbourhood(table.dims()[0], &table).matmul(table.clone());
    // R W - stop(R W) is zero and carries the gradient; added to itself first, it leaves the value exact.
    table + (spread.clone() - spread.detach())
}

fn neighbourhood(bins: usize, like: &Tensor<2>) -> Tensor<2> {
    let weight = |index: usize| {
        let distance = (index / bins).abs_diff(index % bins);
        i32::try_from(distance).map_or(0.0, |distance| 0.5f32.powi(distance))
    };
    let values: Vec<f32> = (0..bins * bins).map(weight).collect();
    Tensor::from_data(
        TensorData::new(values, [bins, bins]),
        (&like.device(), like.dtype()),
    )
}

/// Rows of a table between its bins: `(1 - ratio) * table[floor] + ratio * table[ceil]`.
///
/// # Shapes
/// - table: `[rows, hidden]`
/// - output: `[locations, hidden]`
///
/// `first` is added to both bins of each location, for tables that hold several axes.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a tensor is a handle, passed on as everywhere in Burn"
)]
#[must_use]
pub fn interpolate(table: Tensor<2>, locations: &[(usize, Location)]) -> Tensor<2> {
    let device = table.device();
    let rows = |pick: fn(&Location) -> usize| {
        index(
            locations
                .iter()
                .map(|(first, location)| first + pick(location)),
            &device,
        )
    };
    let weights = |pick: fn(&Location) -> f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "doubles are rounded where they meet a tensor, as in the original"
        )]
        let values: Vec<f32> = locations
            .iter()
            .map(|(_, location)| pick(location) as f32)
            .collect();
        Tensor::<2>::from_data(
            TensorData::new(values, [locations.len(), 1]),
            (&device, table.dtype()),
        )
    };
    let floor = table.clone().select(0, rows(|location| location.floor))
        * weights(|location| 1.0 - location.ratio);
    floor
        + table.clone().select(0, rows(|location| location.ceil))
            * weights(|location| location.ratio)
}

/// A list of row numbers as a tensor.
#[must_use]
pub fn index(rows: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    #[expect(clippy::cast_possible_wrap, reason = "row numbers are far below 2^63")]
    let rows: Vec<i64> = rows.map(|row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_meet_bins() {
        assert_eq!(
            Location::new(1.25, 100),
            Location {
                floor: 99,
                ceil: 99,
                ratio: 0.0
            }
        );
        assert_eq!(
            Location::new(-0.1, 100),
            Location {
                floor: 0,
                ceil: 0,
                ratio: 0.0
            }
        );
        assert_eq!(
            Location::new(0.5, 100),
            Location {
                floor: 49,
                ceil: 50,
                ratio: 0.5
            }
        );
        assert_eq!(
            Location::new(f64::NAN, 100),
            Location {
                floor: 0,
                ceil: 0,
                ratio: 0.0
            }
        );
        let third = Location::new(0.333, 100);
        assert_eq!((third.floor, third.ceil), (32, 33));
        assert!((third.ratio - 0.967).abs() < 1e-12);
    }

    #[test]
    fn propagation_keeps_values_and_spreads_gradients() {
        let device = Device::flex().autodiff();
        let table =
            Tensor::<2>::from_data([[0.3, -1.0], [2.5, 0.1], [0.7, 0.2]], &device).require_grad();
        let moved = propagate(table.clone());
        moved
            .clone()
            .into_data()
            .assert_eq(&table.clone().into_data(), true);
        let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 0.0], [0.0, 4.0]], &device);
        let gradient = table.grad(&(moved * weights).sum().backward()).unwrap();
        gradient.into_data().assert_eq(
            &TensorData::from([[2.0f32, 1.0], [0.5, 2.0], [0.25, 8.0]]),
            true,
        );
    }
}
