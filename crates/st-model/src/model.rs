//! The whole model: frames and token ids to hidden states, logits and loss.

use std::collections::BTreeSet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use st_schema::{Axis, Side};

use crate::batch::{Batch, Stream};
use crate::config::{ConfigError, ModelConfig, VideoStreams, WidthInput};
use crate::coordinates::{CoordinateTables, Location, index, interpolate};
use crate::lape::Lape;
use crate::layers::{Embedding, Linear, RmsNorm};
use crate::lora::LoraConfig;
use crate::loss::{LossOutput, Objective, cross_entropy, targets};
use crate::ops;
use crate::packer::VisionResampler;
use crate::projector::Projector;
use crate::qwen2::{DecoderLayer, KvCache, Rotary, first_column, forward_cached};
use crate::siglip::SiglipTower;

/// What a clip is to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClipKind {
    /// One frame; all its patches, or the downsampled ones.
    Image,
    /// `video.frames` frames; fast and slow stream.
    Video,
}

/// One clip among frames that lie one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipRange {
    /// First frame.
    pub first: usize,
    /// Image or video.
    pub kind: ClipKind,
}

/// Visual tokens of some clips, in the decoder's width.
#[derive(Debug, Clone)]
pub struct VisualTokens {
    /// `[images, tokens, hidden]`.
    pub images: Option<Tensor<3>>,
    /// `[videos, frames * fast_grid^2, hidden]`; `None` where the fast stream is not used.
    pub fast: Option<Tensor<3>>,
    /// `[videos, slow_frames * first_grid^2, hidden]`.
    pub slow: Option<Tensor<3>>,
    /// For each clip its kind and its place among the clips of that kind.
    pub clips: Vec<(ClipKind, usize)>,
}

impl VisualTokens {
    fn stream(&self, stream: Stream) -> Option<&Tensor<3>> {
        match stream {
            Stream::Image => self.images.as_ref(),
            Stream::Fast => self.fast.as_ref(),
            Stream::Slow => self.slow.as_ref(),
        }
    }
}

/// Everything but the output layer, nested as the checkpoints are.
#[derive(Module, Debug)]
pub struct LlavaModel {
    /// Word embeddings.
    pub embed_tokens: Embedding,
    /// Decoder layers.
    pub layers: Vec<DecoderLayer>,
    /// Final norm.
    pub norm: RmsNorm,
    /// Vision tower.
    pub vision_tower: SiglipTower,
    /// Projector.
    pub mm_projector: Projector,
    /// Packers.
    pub vision_resampler: VisionResampler,
    /// Coordinate tables.
    pub coordinates: CoordinateTables,
}

/// LLaVA-ST (arXiv:2501.08282).
#[derive(Module, Debug)]
pub struct LlavaSt {
    /// Everything but the output layer.
    pub model: LlavaModel,
    /// Output layer over the vocabulary; the coordinates' output tables follow it.
    pub lm_head: Linear,
    /// Sizes and switches.
    #[module(skip)]
    pub config: ModelConfig,
    /// Published names of parameters whose gradient is not tracked.
    #[module(skip)]
    pub(crate) frozen: BTreeSet<String>,
}

impl ModelConfig {
    /// A model of these sizes. Values are random and created when first used, so that loading weights allocates nothing twice.
    ///
    /// # Errors
    /// [`ConfigError`] when the sizes do not fit together.
    pub fn init(&self, device: &Device) -> Result<LlavaSt, ConfigError> {
        self.validate()?;
        let text = &self.text;
        Ok(LlavaSt {
            model: LlavaModel {
                embed_tokens: Embedding::new(text.vocab_size, text.hidden_size, device),
                layers: (0..text.num_hidden_layers)
                    .map(|_| DecoderLayer::new(text, device))
                    .collect(),
                norm: RmsNorm::new(text.hidden_size, text.rms_norm_eps, device),
                vision_tower: SiglipTower::new(&self.vision, device),
                mm_projector: Projector::new(self, device),
                vision_resampler: VisionResampler::new(self, device),
                coordinates: CoordinateTables::new(self, device),
            },
            lm_head: Linear::new(text.hidden_size, text.vocab_size, false, device),
            config: self.clone(),
            frozen: BTreeSet::new(),
        })
    }
}

impl LlavaSt {
    /// Tower and projector. While neither is trained, the result depends on the frames alone and can be kept.
    ///
    /// # Shapes
    /// - patches: `[frames, patches, 3 * patch_size^2]`, see [`crate::siglip::patches`]
    /// - output: `[frames, patches, hidden]`
    #[must_use]
    pub fn encode_frames(&self, patches: Tensor<3>) -> Tensor<3> {
        self.model
            .mm_projector
            .forward(self.model.vision_tower.forward(patches))
    }

    /// Positional embedding and packers, once for each clip, however many records look at it.
    ///
    /// # Shapes
    /// - features: `[frames, patches, hidden]` of all clips, see [`LlavaSt::encode_frames`]
    ///
    /// # Panics
    /// When a clip reaches beyond the frames.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a tensor is a handle, passed on as everywhere in Burn"
    )]
    #[must_use]
    pub fn visual_tokens(
        &self,
        features: Tensor<3>,
        clips: &[ClipRange],
        objective: Objective,
    ) -> VisualTokens {
        let lape = self.lape(objective);
        let of_kind = |kind: ClipKind| {
            clips
                .iter()
                .filter(move |clip| clip.kind == kind)
                .map(|clip| clip.first)
        };
        let (images, videos) = (
            of_kind(ClipKind::Image).collect::<Vec<_>>(),
            of_kind(ClipKind::Video).collect::<Vec<_>>(),
        );
        let images = (!images.is_empty())
            .then(|| self.image_tokens(take_runs(&features, &images, 1), lape.as_ref()));
        let (fast, slow) = if videos.is_empty() {
            (None, None)
        } else {
            let (fast, slow) = self.video_tokens(
                take_runs(&features, &videos, self.config.video.frames),
                lape.as_ref(),
            );
            (fast, Some(slow))
        };
        let mut counts = [0; 2];
        let place = |clip: &ClipRange| {
            let count = &mut counts[usize::from(clip.kind == ClipKind::Video)];
            *count += 1;
            (clip.kind, *count - 1)
        };
        VisualTokens {
            images,
            fast,
            slow,
            clips: clips.iter().map(place).collect(),
        }
    }

    fn lape(&self, objective: Objective) -> Option<Lape> {
        let wanted = self.config.parts.lape && objective == Objective::Coordinates;
        wanted.then(|| Lape::new(&self.model.coordinates, &self.config))
    }

    /// `[images, patches, hidden]` to `[images, tokens, hidden]`.
    fn image_tokens(&self, features: Tensor<3>, lape: Option<&Lape>) -> Tensor<3> {
        let features = match lape {
            Some(lape) => features + lape.image().unsqueeze(),
            None => features,
        };
        if !self.config.use_downsample_image {
            return features;
        }
        let packers = &self.model.vision_resampler;
        packers.slow_image(packers.first(features))
    }

    /// `[videos * frames, patches, hidden]` to the fast and the slow stream, `[videos, tokens, hidden]`.
    fn video_tokens(
        &self,
        features: Tensor<3>,
        lape: Option<&Lape>,
    ) -> (Option<Tensor<3>>, Tensor<3>) {
        let [all, patches, hidden] = features.dims();
        let videos = all / self.config.video.frames;
        let features = match lape {
            Some(lape) => {
                let clips: Tensor<4> =
                    features.reshape([videos, self.config.video.frames, patches, hidden]);
                (clips + lape.video().unsqueeze()).reshape([all, patches, hidden])
            }
            None => features,
        };
        let packers = &self.model.vision_resampler;
        let (fast_tokens, slow_tokens) = self.config.video_tokens();
        let first = packers.first(features);
        let both = self.config.video_streams == VideoStreams::Both;
        let fast = both.then(|| {
            packers
                .fast(first.clone())
                .reshape([videos, fast_tokens, hidden])
        });
        (
            fast,
            packers.slow(first).reshape([videos, slow_tokens, hidden]),
        )
    }

    /// Embeddings of plain tokens, `[ids, hidden]`; ids behind the vocabulary take the coordinates' input tables.
    ///
    /// # Panics
    /// When an id is behind the last coordinate.
    #[must_use]
    pub fn embed_ids(&self, ids: &[u32]) -> Tensor<2> {
        let batch = Batch {
            rows: 1,
            columns: ids.len(),
            ids: ids.to_vec(),
            labels: vec![crate::batch::IGNORE; ids.len()],
            valid: std::iter::once(0..ids.len()).collect(),
            visual: Vec::new(),
            coordinates: Vec::new(),
        };
        let none = VisualTokens {
            images: None,
            fast: None,
            slow: None,
            clips: Vec::new(),
        };
        self.inputs_embeds(&batch, &none, Objective::Coordinates)
            .reshape([ids.len(), self.config.text.hidden_size])
    }

    /// Token embeddings with visual features and coordinates in their places, `[rows, columns, hidden]`.
    ///
    /// # Panics
    /// When a slot's length is not the number of tokens of its stream, or an id is behind the last coordinate.
    #[must_use]
    pub fn inputs_embeds(
        &self,
        batch: &Batch,
        visual: &VisualTokens,
        objective: Objective,
    ) -> Tensor<3> {
        let hidden = self.config.text.hidden_size;
        let plan = EmbedPlan::new(batch, visual, &self.config, objective);
        let device = self.model.embed_tokens.weight.lazy_device();
        let mut parts = Vec::new();
        if !plan.words.is_empty() {
            parts.push(
                self.model
                    .embed_tokens
                    .forward(index(plan.words.iter().copied(), &device)),
            );
        }
        for stream in [Stream::Image, Stream::Fast, Stream::Slow] {
            parts.extend(visual.stream(stream).map(|tokens| {
                let [clips, count, _] = tokens.dims();
                tokens.clone().reshape([clips * count, hidden])
            }));
        }
        if !plan.coordinates.is_empty() {
            parts.push(interpolate(
                self.model.coordinates.side(Side::Input),
                &plan.coordinates,
            ));
        }
        let rows = if parts.len() == 1 {
            parts.remove(0)
        } else {
            Tensor::cat(parts, 0).select(0, index(plan.order.into_iter(), &device))
        };
        rows.reshape([batch.rows, batch.columns, hidden])
    }

    /// Decoder over whole sequences, causal; `[rows, columns, hidden]` in and out, the final norm applied.
    #[must_use]
    pub fn decode(&self, embeds: Tensor<3>) -> Tensor<3> {
        self.decode_from(embeds, 0)
    }

    /// [`LlavaSt::decode`], of which only the columns from `from` on are wanted: `[rows, columns - from, hidden]`.
    #[must_use]
    pub fn decode_from(&self, embeds: Tensor<3>, from: usize) -> Tensor<3> {
        let rotary = Rotary::sequence(&self.config.text, embeds.dims()[1], &embeds.device());
        let layers = &self.model.layers;
        let states = layers
            .iter()
            .enumerate()
            .fold(embeds, |states, (number, layer)| {
                let from = first_column(number, layers.len(), from);
                layer.forward_from(states, from, &rotary, None)
            });
        self.model.norm.forward(states)
    }

    /// Decoder over the next columns after those in the cache, which are appended to it.
    ///
    /// # Shapes
    /// - embeds: `[rows, columns, hidden]`, at least one column
    /// - output: `[rows, hidden]`, of the last column, the final norm applied
    ///
    /// # Panics
    /// When the columns do not fit into the cache.
    pub fn decode_cached(&self, embeds: Tensor<3>, cache: &mut KvCache) -> Tensor<2> {
        let [rows, _, width] = embeds.dims();
        let states = forward_cached(&self.model.layers, &self.config.text, embeds, cache);
        self.model.norm.forward(states).reshape([rows, width])
    }

    /// Logits of hidden states.
    ///
    /// # Shapes
    /// - hidden: `[positions, hidden]`
    /// - output: `[positions, vocabulary]`, and behind it the temporal, height and width bins unless in [`Objective::Alignment`]
    #[must_use]
    pub fn logits(&self, hidden: Tensor<2>, objective: Objective) -> Tensor<2> {
        let words = self.lm_head.forward(hidden.clone());
        match objective {
            Objective::Alignment => words,
            Objective::Coordinates => {
                let bins = ops::linear(hidden, self.model.coordinates.side(Side::Output), None);
                Tensor::cat(vec![words, bins], 1)
            }
        }
    }

    /// Loss by record. Logits are computed at supervised positions only.
    ///
    /// A batch without a single label gives zeros that carry no gradient.
    ///
    /// # Panics
    /// As [`LlavaSt::inputs_embeds`], and when a label is not a token.
    #[must_use]
    pub fn loss(&self, batch: &Batch, visual: &VisualTokens, objective: Objective) -> LossOutput {
        let from = batch.first_target();
        let hidden = self.decode_from(self.inputs_embeds(batch, visual, objective), from);
        self.loss_of_hidden(hidden, from, batch, objective)
    }

    /// Loss by record of the decoder's output from column `from` on, `[rows, columns - from, hidden]`.
    ///
    /// # Panics
    /// When a label is not a token, or is predicted before column `from`.
    #[must_use]
    pub fn loss_of_hidden(
        &self,
        hidden: Tensor<3>,
        from: usize,
        batch: &Batch,
        objective: Objective,
    ) -> LossOutput {
        let targets = targets(batch, &self.config, objective);
        let [rows, columns, width] = hidden.dims();
        if targets.is_empty() {
            return LossOutput {
                per_record: Tensor::zeros([rows], &hidden.device()),
                counts: vec![0; rows],
            };
        }
        let places = index(
            targets
                .iter()
                .map(|target| target.row * columns + (target.column - from)),
            &hidden.device(),
        );
        let supervised = hidden.reshape([rows * columns, width]).select(0, places);
        let losses = cross_entropy(self.logits(supervised, objective), &targets);
        LossOutput::new(losses, &targets, rows)
    }

    /// Adds adapters to the decoder's linear layers that the configuration names, and freezes these layers' own weights.
    #[must_use]
    pub fn with_lora(mut self, lora: &LoraConfig) -> Self {
        let device = self.model.embed_tokens.weight.lazy_device();
        let mut frozen = std::mem::take(&mut self.frozen);
        self.each_decoder_linear(&mut |layer, name, linear| {
            if !lora.targets(name.rsplit('.').next().unwrap_or(name)) || linear.lora.is_some() {
                return linear;
            }
            frozen.insert(format!("model.layers.{layer}.{name}.weight"));
            if linear.bias.is_some() {
                frozen.insert(format!("model.layers.{layer}.{name}.bias"));
            }
            linear.with_lora(lora, &device)
        });
        self.frozen = frozen;
        self
    }

    /// Adds all adapters' changes to the weights; see [`Linear::merge`].
    #[must_use]
    pub fn merge_lora(mut self) -> Self {
        self.each_decoder_linear(&mut |_, _, linear| linear.merge());
        self
    }

    /// Restores the weights exactly; see [`Linear::unmerge`].
    #[must_use]
    pub fn unmerge_lora(mut self) -> Self {
        self.each_decoder_linear(&mut |_, _, linear| linear.unmerge());
        self
    }

    /// Merges and drops all adapters, for export.
    #[must_use]
    pub fn into_merged_lora(mut self) -> Self {
        self.each_decoder_linear(&mut |_, _, linear| linear.into_merged());
        self
    }

    fn each_decoder_linear(&mut self, change: &mut dyn FnMut(usize, &str, Linear) -> Linear) {
        let layers = std::mem::take(&mut self.model.layers);
        let changed = layers.into_iter().enumerate().map(|(number, mut layer)| {
            let (attention, mlp) = (layer.self_attn, layer.mlp);
            layer.self_attn = crate::qwen2::Qwen2Attention {
                q_proj: change(number, "self_attn.q_proj", attention.q_proj),
                k_proj: change(number, "self_attn.k_proj", attention.k_proj),
                v_proj: change(number, "self_attn.v_proj", attention.v_proj),
                o_proj: change(number, "self_attn.o_proj", attention.o_proj),
                ..attention
            };
            layer.mlp = crate::qwen2::Qwen2Mlp {
                gate_proj: change(number, "mlp.gate_proj", mlp.gate_proj),
                up_proj: change(number, "mlp.up_proj", mlp.up_proj),
                down_proj: change(number, "mlp.down_proj", mlp.down_proj),
            };
            layer
        });
        self.model.layers = changed.collect();
    }
}

/// Frames `first..first + length` of each run, one after another; no copy when they already lie so.
fn take_runs(features: &Tensor<3>, firsts: &[usize], length: usize) -> Tensor<3> {
    let total = firsts.len() * length;
    let joined = firsts
        .iter()
        .enumerate()
        .all(|(place, first)| *first == firsts[0] + place * length);
    if joined {
        if total == features.dims()[0] {
            return features.clone();
        }
        return features.clone().narrow(0, firsts[0], total);
    }
    let frames = firsts.iter().flat_map(|first| *first..first + length);
    features
        .clone()
        .select(0, index(frames, &features.device()))
}

/// Where each position's embedding comes from: one pool of rows (words, image, fast, slow, coordinates) and an order over it.
struct EmbedPlan {
    /// Ids looked up in the word embeddings.
    words: Vec<usize>,
    /// Rows of the coordinates' input tables, all axes below each other: first row of the axis and place on it.
    coordinates: Vec<(usize, Location)>,
    /// For each position a row of the pool.
    order: Vec<usize>,
}

impl EmbedPlan {
    fn new(
        batch: &Batch,
        visual: &VisualTokens,
        config: &ModelConfig,
        objective: Objective,
    ) -> Self {
        const WORD: usize = usize::MAX;
        // Runs of the pool behind the words, which are counted last.
        let mut order = vec![WORD; batch.rows * batch.columns];
        let mut next = 0;
        for stream in [Stream::Image, Stream::Fast, Stream::Slow] {
            let Some([clips, tokens, _]) = visual.stream(stream).map(Tensor::dims) else {
                continue;
            };
            for slot in batch
                .visual
                .iter()
                .filter(|slot| slot.slot.stream == stream)
            {
                let (_, place) = visual.clips[slot.clip];
                assert_eq!(
                    slot.slot.len, tokens,
                    "positions for a stream of {tokens} visual tokens"
                );
                let start = batch.flat(slot.row, slot.slot.start);
                for offset in 0..tokens {
                    order[start + offset] = next + place * tokens + offset;
                }
            }
            next += clips * tokens;
        }
        let mut coordinates = Vec::new();
        if objective == Objective::Coordinates {
            for coordinate in &batch.coordinates {
                let slot = &coordinate.slot;
                let template = config.width_input == WidthInput::Template;
                if template && (slot.axis, slot.side) == (Axis::Width, Side::Input) {
                    continue;
                }
                order[batch.flat(coordinate.row, slot.position)] = next + coordinates.len();
                let place = Location::new(slot.value, config.coordinates.bins(slot.axis));
                coordinates.push((config.coordinates.offset(slot.axis), place));
            }
        }
        let mut words = Vec::new();
        let vocabulary = config.text.vocab_size;
        let mut is_word = vec![false; order.len()];
        for (position, id) in batch.ids.iter().map(|id| *id as usize).enumerate() {
            if order[position] != WORD {
                continue;
            }
            assert!(
                id < config.total_ids(),
                "id {id} is not one of {} tokens",
                config.total_ids()
            );
            if id < vocabulary {
                is_word[position] = true;
                order[position] = words.len();
                words.push(id);
            } else {
                order[position] = next + coordinates.len();
                coordinates.push((
                    id - vocabulary,
                    Location {
                        floor: 0,
                        ceil: 0,
                        ratio: 0.0,
                    },
                ));
            }
        }
        for (row, _) in order
            .iter_mut()
            .zip(is_word)
            .filter(|(_, is_word)| !is_word)
        {
            *row += words.len();
        }
        Self {
            words,
            coordinates,
            order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{CoordinateSlot, EncodedRecord, IGNORE, Padding, VisualSlot};
    use crate::init::InitConfig;
    use crate::loss::Reduction;

    fn tiny(device: &Device) -> LlavaSt {
        let mut config = ModelConfig::published_7b();
        (
            config.vision.image_size,
            config.vision.hidden_size,
            config.vision.intermediate_size,
        ) = (126, 16, 32);
        (
            config.vision.num_hidden_layers,
            config.vision.num_attention_heads,
        ) = (1, 2);
        (config.packer.embed_dim, config.packer.num_attention_heads) = (8, 2);
        (config.packer.first_grid, config.packer.fast_grid) = (3, 1);
        (config.video.frames, config.video.slow_frames) = (4, 2);
        (
            config.text.vocab_size,
            config.text.hidden_size,
            config.text.intermediate_size,
        ) = (50, 16, 32);
        (
            config.text.num_hidden_layers,
            config.text.num_attention_heads,
            config.text.num_key_value_heads,
        ) = (1, 4, 2);
        config
            .init(device)
            .unwrap()
            .initialize(&InitConfig::default(), 7)
    }

    fn question(config: &ModelConfig, word: u32) -> EncodedRecord {
        let (fast, slow) = config.video_tokens();
        let visual = vec![
            VisualSlot {
                start: 1,
                len: fast,
                stream: Stream::Fast,
            },
            VisualSlot {
                start: 1 + fast,
                len: slow,
                stream: Stream::Slow,
            },
        ];
        let mut ids = vec![3; 1 + fast + slow];
        ids.extend([word, 5, 6, 7]);
        let mut labels = vec![IGNORE; ids.len() - 2];
        labels.extend([6, 7]);
        let position = ids.len() - 2;
        let coordinates = vec![CoordinateSlot {
            position,
            axis: Axis::Temporal,
            side: Side::Output,
            value: 0.4,
        }];
        EncodedRecord {
            ids,
            labels,
            visual,
            coordinates,
        }
    }

    fn features(model: &LlavaSt, clips: usize) -> Tensor<3> {
        let config = &model.config;
        let (frames, tokens, length) = (
            config.video.frames,
            config.vision.tokens(),
            config.vision.patch_len(),
        );
        let pixels = Tensor::<1, burn::tensor::Int>::arange(
            0..i64::try_from(frames * tokens * length).unwrap(),
            &Device::flex(),
        );
        let clip: Tensor<3> = (pixels.float() * 0.37)
            .sin()
            .reshape([frames, tokens, length]);
        model.encode_frames(clip.repeat_dim(0, clips))
    }

    #[test]
    fn records_of_one_clip_share_its_tokens() {
        let model = tiny(&Device::flex());
        let records = [question(&model.config, 8), question(&model.config, 9)];
        let clip = |number: usize| ClipRange {
            first: number * model.config.video.frames,
            kind: ClipKind::Video,
        };
        let shared = model.visual_tokens(features(&model, 1), &[clip(0)], Objective::Coordinates);
        let shared = model.loss(
            &Batch::collate_with(&records, &[0, 0], 0, Padding::Right),
            &shared,
            Objective::Coordinates,
        );
        let apart = model.visual_tokens(
            features(&model, 2),
            &[clip(0), clip(1)],
            Objective::Coordinates,
        );
        let apart = model.loss(&Batch::collate(&records, 0), &apart, Objective::Coordinates);
        let read = |loss: &LossOutput| loss.reduce(Reduction::SumOfMeans).into_scalar::<f32>();
        assert!((read(&shared) - read(&apart)).abs() < 1e-5);
        assert_eq!(shared.counts, [2, 2]);
    }

    #[test]
    fn a_batch_without_labels_has_a_loss_of_nothing() {
        let model = tiny(&Device::flex());
        let mut record = question(&model.config, 8);
        record.labels.fill(crate::batch::IGNORE);
        let clip = ClipRange {
            first: 0,
            kind: ClipKind::Video,
        };
        let visual = model.visual_tokens(features(&model, 1), &[clip], Objective::Coordinates);
        let batch = Batch::collate(&[record], 0);
        let loss = model.loss(&batch, &visual, Objective::Coordinates);
        assert_eq!(loss.counts, [0]);
        assert!(loss.per_record.into_scalar::<f32>().abs() < f32::MIN_POSITIVE);
    }

    #[test]
    fn a_frozen_part_gets_no_gradient_and_the_ablations_still_run() {
        let mut model =
            tiny(&Device::flex().autodiff()).set_trainable(&|name| !name.contains("vision_tower"));
        for stp in [true, false] {
            (model.config.parts.lape, model.model.vision_resampler.attend) = (stp, stp);
            let clip = ClipRange {
                first: 0,
                kind: ClipKind::Video,
            };
            let visual = model.visual_tokens(features(&model, 1), &[clip], Objective::Coordinates);
            let loss = model.loss(
                &Batch::collate(&[question(&model.config, 8)], 0),
                &visual,
                Objective::Coordinates,
            );
            let gradients = model.named_gradients(&loss.reduce(Reduction::SumOfMeans).backward());
            let has = |part: &str| gradients.iter().any(|(name, _)| name.contains(part));
            assert!(
                !has("vision_tower") && has("mm_projector") && has("temporal_output_embeddings")
            );
            assert_eq!(has("vision_resampler"), stp);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_model() {
        let device = Device::flex();
        let values = |model: LlavaSt| model.named_tensors().collect::<Vec<_>>();
        let (first, second) = (values(tiny(&device)), values(tiny(&device)));
        for ((name, first), (_, second)) in first.iter().zip(&second) {
            assert_eq!(first, second, "{name}");
        }
    }
}
