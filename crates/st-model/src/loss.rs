//! Targets and the cross entropy against them.
//!
//! A target is one token, or a coordinate's two neighbouring bins weighted by the distance (soft label).

use burn::tensor::{DType, Tensor, TensorData};
use st_schema::Side;

use crate::batch::{Batch, IGNORE};
use crate::config::ModelConfig;
use crate::coordinates::{Location, index};

/// What a training stage learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Objective {
    /// Stage 1: no coordinates at all; no positional embedding from them, logits over the vocabulary only.
    Alignment,
    /// Stages 2 and 3: soft labels, logits over the vocabulary and all bins.
    Coordinates,
}

/// One supervised token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Row of the batch.
    pub row: usize,
    /// Column whose logits predict it: the one before the label's.
    pub column: usize,
    /// Id of the token, or of the lower bin.
    pub floor: usize,
    /// Id of the upper bin; `floor` for an ordinary token.
    pub ceil: usize,
    /// Weight of `ceil`; `floor` gets the rest.
    pub ceil_weight: f64,
}

/// All supervised tokens of a batch, row by row.
///
/// # Panics
/// When a label is neither [`IGNORE`] nor a token of the vocabulary.
#[must_use]
pub fn targets(batch: &Batch, config: &ModelConfig, objective: Objective) -> Vec<Target> {
    let mut soft = std::collections::HashMap::new();
    if objective == Objective::Coordinates {
        for coordinate in batch
            .coordinates
            .iter()
            .filter(|coordinate| coordinate.slot.side == Side::Output)
        {
            let slot = &coordinate.slot;
            let place = Location::new(slot.value, config.coordinates.bins(slot.axis));
            soft.insert(
                (coordinate.row, slot.position),
                (config.first_id(slot.axis), place),
            );
        }
    }
    let mut targets = Vec::new();
    for row in 0..batch.rows {
        for column in 1..batch.columns {
            let label = batch.labels[batch.flat(row, column)];
            if label == IGNORE {
                continue;
            }
            let id = usize::try_from(label)
                .ok()
                .filter(|id| *id < config.total_ids());
            let id = id.unwrap_or_else(|| {
                panic!("label {label} is not one of {} tokens", config.total_ids())
            });
            let (floor, ceil, ceil_weight) = match soft.get(&(row, column)) {
                Some((first, place)) => (first + place.floor, first + place.ceil, place.ratio),
                None => (id, id, 0.0),
            };
            targets.push(Target {
                row,
                column: column - 1,
                floor,
                ceil,
                ceil_weight,
            });
        }
    }
    targets
}

/// Cross entropy of each target.
///
/// # Shapes
/// - logits: `[targets, ids]`
/// - output: `[targets]`
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, targets: &[Target]) -> Tensor<1> {
    // The exponentials of 16-bit logits are summed in 32 bits, as in the original.
    let logits = logits.cast(DType::F32);
    let (count, device) = (targets.len(), logits.device());
    let ids = index(
        targets
            .iter()
            .flat_map(|target| [target.floor, target.ceil]),
        &device,
    )
    .reshape([count, 2]);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "doubles are rounded where they meet a tensor, as in the original"
    )]
    let weights = targets
        .iter()
        .flat_map(|target| [(1.0 - target.ceil_weight) as f32, target.ceil_weight as f32])
        .collect();
    let weights = Tensor::<2>::from_data(
        TensorData::new::<f32, _>(weights, [count, 2]),
        (&device, logits.dtype()),
    );

    let largest = logits.clone().detach().max_dim(1);
    let shifted = logits - largest;
    let hit = (shifted.clone().gather(1, ids) * weights).sum_dim(1);
    let normaliser = shifted.exp().sum_dim(1).log();
    (normaliser - hit).reshape([count])
}

/// How the records of a batch become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The original's stages 2 and 3: sum of the records' means.
    SumOfMeans,
    /// Mean of the records' means.
    MeanOfMeans,
    /// The original's stage 1: one mean over all tokens.
    TokenMean,
}

/// Loss of a batch by record.
#[derive(Debug, Clone)]
pub struct LossOutput {
    /// Mean over the supervised tokens of each record, `[rows]`; 0 for a record without any.
    pub per_record: Tensor<1>,
    /// Supervised tokens of each record.
    pub counts: Vec<usize>,
}

impl LossOutput {
    /// Means of token losses by record.
    ///
    /// # Shapes
    /// - losses: `[targets]`, in the targets' order
    #[must_use]
    pub fn new(losses: Tensor<1>, targets: &[Target], rows: usize) -> Self {
        let mut counts = vec![0usize; rows];
        for target in targets {
            counts[target.row] += 1;
        }
        let mut shares = vec![0.0f32; rows * targets.len()];
        for (place, target) in targets.iter().enumerate() {
            shares[target.row * targets.len() + place] = 1.0 / ratio(counts[target.row]);
        }
        let options = (&losses.device(), losses.dtype());
        let shares =
            Tensor::<2>::from_data(TensorData::new(shares, [rows, targets.len()]), options);
        let per_record = shares.matmul(losses.unsqueeze_dim(1)).reshape([rows]);
        Self { per_record, counts }
    }

    /// One number, `[1]`.
    #[must_use]
    pub fn reduce(&self, reduction: Reduction) -> Tensor<1> {
        let losses = self.per_record.clone();
        match reduction {
            Reduction::SumOfMeans => losses.sum(),
            Reduction::MeanOfMeans => losses.mean(),
            Reduction::TokenMean => {
                let total = ratio(self.counts.iter().sum());
                let shares: Vec<f32> = self
                    .counts
                    .iter()
                    .map(|count| ratio(*count) / total.max(1.0))
                    .collect();
                let shares = TensorData::new(shares, [self.counts.len()]);
                (losses.clone() * Tensor::from_data(shares, (&losses.device(), losses.dtype())))
                    .sum()
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are below 2^24")]
fn ratio(count: usize) -> f32 {
    count as f32
}
