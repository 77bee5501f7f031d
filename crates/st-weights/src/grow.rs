//! Tables that get rows for new tokens.

use std::borrow::Cow;

use safetensors::tensor::TensorView;

use crate::{WeightsError, from_f32, to_f32};

/// A table `[rows, width]` of another height, in the element type it had.
///
/// The first `known` rows stay to the bit, what lies behind them (padding) goes, and new rows are the mean of the known ones: what
/// the original does with its embedding and its output layer when it adds tokens. The mean is summed in 64 bits.
///
/// # Errors
///
/// [`WeightsError::NotFloat`] for another element type; [`WeightsError::NoTable`] where the tensor is no table of so many rows.
pub fn grow_rows<'a>(
    name: &str,
    view: &TensorView<'a>,
    known: usize,
    rows: usize,
) -> Result<Cow<'a, [u8]>, WeightsError> {
    let &[height, width] = view.shape() else {
        return Err(WeightsError::NoTable {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            rows: known,
        });
    };
    if height < known || known == 0 {
        return Err(WeightsError::NoTable {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            rows: known,
        });
    }
    let bytes = view.data();
    let row = bytes.len() / height;
    if rows <= known {
        return Ok(Cow::Borrowed(&bytes[..rows * row]));
    }
    let mut grown = bytes[..known * row].to_vec();
    let kept = TensorView::new(view.dtype(), vec![known, width], &grown).map_err(|_| {
        WeightsError::NoTable {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            rows: known,
        }
    })?;
    let mut sums = vec![0.0_f64; width];
    for values in to_f32(name, &kept)?.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += f64::from(*value);
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a table has far fewer than 2^52 rows; its entries are 32 bits at most"
    )]
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / known as f64) as f32).collect();
    let mean = from_f32(name, &mean, view.dtype())?;
    for _ in known..rows {
        grown.extend_from_slice(&mean);
    }
    Ok(Cow::Owned(grown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;

    fn table(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    #[test]
    fn new_rows_are_the_mean_of_the_known_ones_and_padding_goes() {
        let bytes = table(&[1.0, 10.0, 3.0, 30.0, 99.0, 99.0]);
        let view = TensorView::new(Dtype::F32, vec![3, 2], &bytes).unwrap();
        let grown = grow_rows("t", &view, 2, 4).unwrap();
        assert_eq!(*grown, table(&[1.0, 10.0, 3.0, 30.0, 2.0, 20.0, 2.0, 20.0]));
        assert_eq!(
            *grow_rows("t", &view, 2, 2).unwrap(),
            table(&[1.0, 10.0, 3.0, 30.0])
        );
        assert_eq!(*grow_rows("t", &view, 3, 1).unwrap(), table(&[1.0, 10.0]));
    }

    #[test]
    fn what_is_no_table_of_so_many_rows_is_refused() {
        let bytes = table(&[1.0, 2.0]);
        let view = TensorView::new(Dtype::F32, vec![2], &bytes).unwrap();
        assert!(grow_rows("t", &view, 1, 2).is_err());
        let view = TensorView::new(Dtype::F32, vec![1, 2], &bytes).unwrap();
        assert!(grow_rows("t", &view, 2, 3).is_err());
    }
}
