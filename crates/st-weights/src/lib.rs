//! Model folders: safetensors, indexes, adapters; strict and memory mapped.
//!
//! This crate knows files and bytes, and neither Burn nor what a tensor means. A folder as published on the Hugging
//! Face hub is opened with [`ModelFolder`]; a `LoRA` folder with [`AdapterFolder`]; a single file with
//! [`SafetensorsFile`] or, for what `torch.save` wrote, [`TorchFile`]. All of them give tensors by name as
//! [`TensorView`]s that point into a memory map. Writing goes through [`AtomicFile`] and [`AtomicDir`], so that a
//! reader never sees half a file.
//!
//! ```
//! use std::borrow::Cow;
//! use st_weights::{Dtype, ModelFolder, TensorSpec, WeightsError, save_json, save_sharded};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let spec = TensorSpec::new("lm_head.weight", Dtype::F32, [2, 1]);
//! save_json(dir.join("config.json"), &serde_json::json!({"hidden_size": 1}))?;
//! save_sharded::<WeightsError>(dir, &[spec], 5 << 30, |_| Ok(Cow::Borrowed(&[0; 8])))?;
//!
//! let folder = ModelFolder::open(dir)?;
//! assert_eq!(folder.view("lm_head.weight").map(|view| view.shape().to_vec()), Some(vec![2, 1]));
//! # Ok(())
//! # }
//! ```
//!
//! Strictness has a price: a folder whose index and shards disagree in one name is refused as a whole, where
//! `transformers` would warn. Silently wrong weights cost more.

mod adapter;
mod atomic;
mod convert;
mod error;
mod file;
mod folder;
mod grow;
mod pickle;
mod save;
mod strict;
mod torch;
mod torch_save;

pub use adapter::{
    ADAPTER_CONFIG, ADAPTER_FILE, AdapterConfig, AdapterFolder, TensorFile, plain_name,
};
pub use atomic::{AtomicDir, AtomicFile};
pub use convert::{from_f32, to_f32};
pub use error::WeightsError;
pub use file::SafetensorsFile;
pub use folder::{INDEX_FILE, ModelFolder, SINGLE_FILE};
pub use grow::grow_rows;
pub use pickle::PickleError;
pub use safetensors::Dtype;
pub use safetensors::tensor::TensorView;
pub use save::{
    TensorSpec, save_bytes, save_file, save_folder, save_folder_with, save_json, save_sharded,
};
pub use strict::StrictReport;
pub use torch::TorchFile;
pub use torch_save::save_torch;
