//! Gradients with one decoder layer's activations in memory at a time (gradient checkpointing, arXiv:1604.06174).
//!
//! The forward pass keeps the input of each layer and nothing else; the backward pass runs each layer again, from the last to the
//! first. A 7B decoder over 2,600 tokens then holds 28 inputs of `[2600, 3584]` and the inside of one layer, in place of the inside of
//! all of them, for one more forward pass of the decoder.

use burn::tensor::{Gradients, Tensor};

use crate::batch::Batch;
use crate::loss::{LossOutput, Objective};
use crate::model::{LlavaSt, VisualTokens};
use crate::qwen2::{Rotary, first_column};

impl LlavaSt {
    /// What [`LlavaSt::loss`], `reduce` and `backward` give together, layer by layer.
    ///
    /// `take` gets the gradients of one part after another: output layer, decoder layers from the last to the first, then all that
    /// the decoder's input was made of. A parameter can be in several of them (the coordinate tables are); its gradient is their sum.
    /// Dropout inside a layer is drawn from `seed` and the layer's number, so that both runs of a layer drop the same inputs.
    ///
    /// Returns the loss by record and what `reduce` made of it, neither of them tracked.
    ///
    /// # Panics
    /// As [`LlavaSt::loss`].
    pub fn backward_by_layer(
        &self,
        batch: &Batch,
        visual: &VisualTokens,
        objective: Objective,
        seed: u64,
        reduce: &dyn Fn(&LossOutput) -> Tensor<1>,
        take: &mut dyn FnMut(Gradients),
    ) -> (LossOutput, Tensor<1>) {
        let embeds = self.inputs_embeds(batch, visual, objective);
        let device = embeds.device();
        let rotary = Rotary::sequence(&self.config.text, embeds.dims()[1], &device);
        let (from, layers) = (batch.first_target(), self.model.layers.len());
        let run = |number: usize, states: Tensor<3>| {
            device.seed(seed.wrapping_add(number as u64));
            let from = first_column(number, layers, from);
            self.model.layers[number].forward_from(states, from, &rotary, None)
        };

        let mut inputs = vec![embeds.clone().detach()];
        for number in 0..layers {
            let states = inputs[number].clone();
            // Detaching drops the layer's graph, and with it its activations.
            inputs.push(run(number, states).detach());
        }

        let last = inputs
            .pop()
            .unwrap_or_else(|| embeds.clone().detach())
            .require_grad();
        let hidden = self.model.norm.forward(last.clone());
        let loss = self.loss_of_hidden(hidden, from, batch, objective);
        let reduced = reduce(&loss);
        let untracked = (
            LossOutput {
                per_record: loss.per_record.clone().detach(),
                counts: loss.counts.clone(),
            },
            reduced.clone().detach(),
        );
        if !reduced.is_tracked() {
            return untracked;
        }
        let gradients = reduced.backward();
        let mut upstream = last.grad(&gradients);
        take(gradients);

        for number in (0..layers).rev() {
            let (Some(above), Some(states)) = (upstream.take(), inputs.pop()) else {
                return untracked;
            };
            let states = states.require_grad();
            let gradients = pull(run(number, states.clone()), above);
            upstream = states.grad(&gradients);
            take(gradients);
        }
        if let Some(above) = upstream
            && embeds.is_tracked()
        {
            take(pull(embeds, above));
        }
        untracked
    }
}

/// Gradients of everything `output` was made of, where `above` (without autodiff) is the gradient of `output`.
fn pull(output: Tensor<3>, above: Tensor<3>) -> Gradients {
    (output * Tensor::from_inner(above)).sum().backward()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::{Device, Int};

    use super::*;
    use crate::batch::{CoordinateSlot, EncodedRecord, IGNORE, VisualSlot};
    use crate::config::ModelConfig;
    use crate::init::InitConfig;
    use crate::lora::LoraConfig;
    use crate::loss::Reduction;
    use crate::model::{ClipKind, ClipRange};

    fn model(device: &Device, dropout: f64) -> LlavaSt {
        let mut config = ModelConfig::published_7b();
        config.vision.image_size = 126;
        config.vision.hidden_size = 16;
        config.vision.intermediate_size = 32;
        config.vision.num_hidden_layers = 1;
        config.vision.num_attention_heads = 2;
        config.packer.embed_dim = 8;
        config.packer.num_attention_heads = 2;
        config.packer.first_grid = 3;
        config.packer.fast_grid = 1;
        config.video.frames = 4;
        config.video.slow_frames = 2;
        config.text.vocab_size = 50;
        config.text.hidden_size = 16;
        config.text.intermediate_size = 32;
        config.text.num_hidden_layers = 3;
        config.text.num_attention_heads = 4;
        config.text.num_key_value_heads = 2;
        let lora = LoraConfig {
            r: 2,
            lora_alpha: 4.0,
            lora_dropout: dropout,
            target_modules: vec!["q_proj".to_owned(), "down_proj".to_owned()],
        };
        let model = config.init(device).unwrap();
        model.with_lora(&lora).initialize(&InitConfig::default(), 7)
    }

    fn batch(config: &ModelConfig) -> Batch {
        let (fast, slow) = config.video_tokens();
        let mut ids = vec![3; fast + slow];
        ids.extend([8, 5, 6, 7]);
        let mut labels = vec![IGNORE; ids.len() - 2];
        labels.extend([6, 7]);
        let coordinates = vec![CoordinateSlot {
            position: ids.len() - 2,
            axis: st_schema::Axis::Temporal,
            side: st_schema::Side::Output,
            value: 0.4,
        }];
        let stream = |start, len, stream| VisualSlot { start, len, stream };
        let visual = vec![
            stream(0, fast, crate::batch::Stream::Fast),
            stream(fast, slow, crate::batch::Stream::Slow),
        ];
        let record = EncodedRecord {
            ids,
            labels,
            visual,
            coordinates,
        };
        Batch::collate(&[record], 0)
    }

    fn visual(model: &LlavaSt) -> VisualTokens {
        let config = &model.config;
        let (tokens, length) = (config.vision.tokens(), config.vision.patch_len());
        let count = i64::try_from(config.video.frames * tokens * length).unwrap();
        let pixels = Tensor::<1, Int>::arange(0..count, &Device::flex()).float() * 0.37;
        let patches = pixels.sin().reshape([config.video.frames, tokens, length]);
        let clip = ClipRange {
            first: 0,
            kind: ClipKind::Video,
        };
        model.visual_tokens(
            model.encode_frames(patches),
            &[clip],
            Objective::Coordinates,
        )
    }

    fn layerwise(model: &LlavaSt, batch: &Batch) -> (f32, BTreeMap<String, Vec<f32>>) {
        let mut sums: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        let visual = visual(model);
        let (_, reduced) = model.backward_by_layer(
            batch,
            &visual,
            Objective::Coordinates,
            9,
            &|loss| loss.reduce(Reduction::SumOfMeans),
            &mut |gradients| {
                for (name, data) in model.named_gradients(&gradients) {
                    let values: Vec<f32> = data.iter().collect();
                    let sum = sums.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                    sum.iter_mut()
                        .zip(values)
                        .for_each(|(sum, value)| *sum += value);
                }
            },
        );
        (reduced.into_scalar::<f32>(), sums)
    }

    /// The same in one piece: one graph over all layers, each seeded as [`LlavaSt::backward_by_layer`] seeds it.
    fn whole(model: &LlavaSt, batch: &Batch) -> (f32, Vec<(String, Vec<f32>)>) {
        let embeds = model.inputs_embeds(batch, &visual(model), Objective::Coordinates);
        let device = embeds.device();
        let rotary = Rotary::sequence(&model.config.text, embeds.dims()[1], &device);
        let mut states = embeds;
        for (number, layer) in model.model.layers.iter().enumerate() {
            device.seed(9 + number as u64);
            // The same draws of dropout: the last layer runs where tokens are predicted.
            let from = first_column(number, model.model.layers.len(), batch.first_target());
            states = layer.forward_from(states, from, &rotary, None);
        }
        let hidden = model.model.norm.forward(states);
        let loss =
            model.loss_of_hidden(hidden, batch.first_target(), batch, Objective::Coordinates);
        let loss = loss.reduce(Reduction::SumOfMeans);
        let gradients = model.named_gradients(&loss.backward());
        let values = gradients
            .iter()
            .map(|(name, data)| (name.clone(), data.iter().collect()));
        (loss.into_scalar::<f32>(), values.collect())
    }

    #[test]
    fn layer_by_layer_gives_the_loss_and_the_gradients_of_the_whole() {
        for dropout in [0.0, 0.5] {
            let model = model(&Device::flex().autodiff(), dropout);
            let batch = batch(&model.config);
            let (loss, by_layer) = layerwise(&model, &batch);
            let (expected_loss, expected) = whole(&model, &batch);
            assert!(
                (expected_loss - loss).abs() < 1e-6,
                "{expected_loss} {loss}"
            );
            assert_eq!(expected.len(), by_layer.len(), "{:?}", by_layer.keys());
            assert!(by_layer.keys().any(|name| name.contains("vision_tower")));
            for (name, values) in expected {
                let largest = values
                    .iter()
                    .fold(1e-6f32, |most, value| most.max(value.abs()));
                for (value, other) in values.iter().zip(&by_layer[&name]) {
                    assert!(
                        (value - other).abs() <= 1e-5 * largest,
                        "{name}: {value} {other}"
                    );
                }
            }
        }
    }
}
