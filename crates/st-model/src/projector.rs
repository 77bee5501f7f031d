//! From the tower's width to the decoder's.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::layers::Linear;
use crate::ops;

/// Two-layer projector of LLaVA-1.5 (arXiv:2310.03744), `mlp2x_gelu`, with exact GELU.
#[derive(Module, Debug)]
pub struct Projector {
    /// `mm_projector.0` in the checkpoints.
    pub fc1: Linear,
    /// `mm_projector.2` in the checkpoints.
    pub fc2: Linear,
}

impl Projector {
    /// Random values, created when first used.
    #[must_use]
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let (vision, text) = (config.vision.hidden_size, config.text.hidden_size);
        Self {
            fc1: Linear::new(vision, text, true, device),
            fc2: Linear::new(text, text, true, device),
        }
    }

    /// Maps vision tokens into the language model's space.
    ///
    /// # Shapes
    /// - patches: `[frames, patches, vision_dim]`
    /// - output: `[frames, patches, text_dim]`
    #[must_use]
    pub fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(ops::gelu(self.fc1.forward(patches)))
    }
}
