//! `LoRA` folders: PEFT's, and those that the original's trainer leaves behind.

use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::folder::read_json;
use crate::{SafetensorsFile, TorchFile, WeightsError, save_json};

/// What `adapter_config.json` of PEFT says, as far as it changes numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// Rank.
    pub r: usize,
    /// Numerator of the scale: the update is `lora_alpha / r * B A`.
    pub lora_alpha: f64,
    /// Dropout in training.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Names of the layers that have an adapter: the last parts of their names.
    pub target_modules: Vec<String>,
    /// Where the base model came from.
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    /// `none`: no bias is trained.
    #[serde(default = "none")]
    pub bias: String,
    /// Whether the weights are stored transposed; never so for a linear layer.
    #[serde(default)]
    pub fan_in_fan_out: bool,
    /// Whether the scale is `lora_alpha / sqrt(r)`.
    #[serde(default)]
    pub use_rslora: bool,
}

fn none() -> String {
    "none".to_owned()
}

impl AdapterConfig {
    /// Factor of the update `B A`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rank is far below 2^52")]
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Writes `adapter_config.json` with the fields that PEFT expects.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), WeightsError> {
        let value = json!({
            "auto_mapping": null,
            "base_model_name_or_path": self.base_model_name_or_path,
            "bias": self.bias,
            "fan_in_fan_out": self.fan_in_fan_out,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": self.lora_alpha,
            "lora_dropout": self.lora_dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.r,
            "target_modules": self.target_modules,
            "task_type": "CAUSAL_LM",
            "use_rslora": self.use_rslora,
        });
        save_json(dir.as_ref().join(ADAPTER_CONFIG), &value)
    }
}

/// Name of PEFT's configuration.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// Name of PEFT's weights.
pub const ADAPTER_FILE: &str = "adapter_model.safetensors";

/// A file of named tensors in either format.
#[derive(Debug)]
pub enum TensorFile {
    /// `.safetensors`.
    Safetensors(SafetensorsFile),
    /// `.bin` or `.pt` of `PyTorch`.
    Torch(TorchFile),
}

impl TensorFile {
    /// Opens a file by its extension: `.safetensors`, or `PyTorch`'s `.bin`, `.pt`, `.pth`.
    ///
    /// # Errors
    ///
    /// If the file is damaged or its extension is another.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => SafetensorsFile::open(path).map(Self::Safetensors),
            Some("bin" | "pt" | "pth") => TorchFile::open(path).map(Self::Torch),
            _ => {
                let fault = "weights are read from .safetensors, .bin, .pt or .pth".to_owned();
                Err(WeightsError::Config {
                    path: path.to_owned(),
                    fault,
                })
            }
        }
    }

    /// Names of all tensors, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Safetensors(file) => file.names().collect(),
            Self::Torch(file) => file.names().collect(),
        }
    }

    /// A tensor's bytes, or `None` when there is no tensor of that name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<TensorView<'_>> {
        match self {
            Self::Safetensors(file) => file.view(name),
            Self::Torch(file) => file.view(name),
        }
    }
}

/// A `LoRA` folder: PEFT's (`adapter_config.json`, `adapter_model.safetensors` or `.bin`), with what the original's
/// trainer stores beside it (`non_lora_trainables.bin`), if anything.
#[derive(Debug)]
pub struct AdapterFolder {
    dir: PathBuf,
    config: AdapterConfig,
    adapter: TensorFile,
    others: Option<TensorFile>,
}

impl AdapterFolder {
    /// Opens and checks a folder.
    ///
    /// # Errors
    ///
    /// If a file is missing or damaged, or the configuration asks for something that is not supported.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let dir = dir.as_ref().to_owned();
        let path = dir.join(ADAPTER_CONFIG);
        let config: AdapterConfig = read_json(&path)?;
        if let Some(fault) = unsupported(&config) {
            return Err(WeightsError::Config { path, fault });
        }
        let adapter = open_first(&dir, &[ADAPTER_FILE, "adapter_model.bin"])?.ok_or_else(|| {
            WeightsError::NoWeights {
                dir: dir.clone(),
                expected: &[ADAPTER_FILE, "adapter_model.bin"],
            }
        })?;
        let others = open_first(
            &dir,
            &["non_lora_trainables.safetensors", "non_lora_trainables.bin"],
        )?;
        Ok(Self {
            dir,
            config,
            adapter,
            others,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Rank, scale and targets.
    #[must_use]
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// The adapters' tensors, under PEFT's names
    /// (`base_model.model.<layer>.lora_A.weight`, `….lora_B.weight`).
    #[must_use]
    pub fn adapter(&self) -> &TensorFile {
        &self.adapter
    }

    /// Tensors that were trained whole, under the names of the base model, in the order of [`plain_name`].
    pub fn others(&self) -> impl Iterator<Item = (String, TensorView<'_>)> {
        self.others.iter().flat_map(|file| {
            file.names()
                .into_iter()
                .filter_map(|name| Some((plain_name(name).to_owned(), file.view(name)?)))
        })
    }
}

/// Removes what PEFT puts in front of a base model's names: `base_model.model.model.x` is `model.x`.
#[must_use]
pub fn plain_name(name: &str) -> &str {
    name.strip_prefix("base_model.model.").unwrap_or(name)
}

fn unsupported(config: &AdapterConfig) -> Option<String> {
    if config.r == 0 {
        return Some("the rank `r` is 0".to_owned());
    }
    if config.bias != "none" {
        return Some(format!(
            "`bias` is {:?}; only \"none\" is supported",
            config.bias
        ));
    }
    config
        .fan_in_fan_out
        .then(|| "`fan_in_fan_out` is set; only linear layers are supported".to_owned())
}

fn open_first(dir: &Path, names: &[&str]) -> Result<Option<TensorFile>, WeightsError> {
    names
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
        .map(TensorFile::open)
        .transpose()
}
