//! Element types: bytes of a tensor to numbers and back.

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::WeightsError;

/// The values of a floating-point tensor as `f32`, exactly (`F16` and `BF16` widen without loss).
///
/// # Errors
///
/// [`WeightsError::NotFloat`] for any other element type; `name` is for the message.
pub fn to_f32(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()),
        Dtype::F16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
            .collect()),
        Dtype::BF16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| bf16::from_le_bytes(*bytes).to_f32())
            .collect()),
        dtype => Err(WeightsError::NotFloat {
            name: name.to_owned(),
            dtype,
        }),
    }
}

/// Little-endian bytes of `f32` values in a floating-point element type, rounded to nearest even.
///
/// # Errors
///
/// [`WeightsError::NotFloat`] when `dtype` is not `F32`, `F16` or `BF16`; `name` is for the message.
pub fn from_f32(name: &str, values: &[f32], dtype: Dtype) -> Result<Vec<u8>, WeightsError> {
    match dtype {
        Dtype::F32 => Ok(values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()),
        Dtype::F16 => Ok(values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes())
            .collect()),
        Dtype::BF16 => Ok(values
            .iter()
            .flat_map(|value| bf16::from_f32(*value).to_le_bytes())
            .collect()),
        dtype => Err(WeightsError::NotFloat {
            name: name.to_owned(),
            dtype,
        }),
    }
}
