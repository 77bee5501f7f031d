//! Qwen2 decoder (arXiv:2407.10671): grouped-query attention with rotary positions, gated feed-forward, RMS norms before each part.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::TextConfig;
use crate::layers::{Linear, RmsNorm};
use crate::ops::{self, Mask};

/// Cosines and sines of rotary positions.
#[derive(Debug, Clone)]
pub struct Rotary {
    /// `[rows or 1, positions, 1, head_dim]`.
    pub cos: Tensor<4>,
    /// `[rows or 1, positions, 1, head_dim]`.
    pub sin: Tensor<4>,
}

impl Rotary {
    /// Tables for the given positions of each row, all rows of one length. One row serves a batch whose rows stand at the same positions.
    ///
    /// Angles are products of 32-bit numbers, as the published model was trained with.
    #[must_use]
    pub fn new(config: &TextConfig, rows: &[Vec<usize>], device: &Device) -> Self {
        let head = config.head_dim();
        let frequencies = inverse_frequencies(head, config.rope_theta);
        let columns = rows.first().map_or(0, Vec::len);
        let mut cos = Vec::with_capacity(rows.len() * columns * head);
        let mut sin = Vec::with_capacity(rows.len() * columns * head);
        for position in rows.iter().flatten() {
            #[expect(clippy::cast_precision_loss, reason = "positions are far below 2^24")]
            let angles = frequencies
                .iter()
                .map(|frequency| *position as f32 * frequency);
            let angles: Vec<f32> = angles.collect();
            // Both halves of a head turn by the same angles.
            for _ in 0..2 {
                cos.extend(angles.iter().map(|angle| angle.cos()));
                sin.extend(angles.iter().map(|angle| angle.sin()));
            }
        }
        let shape = [rows.len(), columns, 1, head];
        Self {
            cos: Tensor::from_data(TensorData::new(cos, shape), device),
            sin: Tensor::from_data(TensorData::new(sin, shape), device),
        }
    }

    /// Positions `0..columns` for all rows.
    #[must_use]
    pub fn sequence(config: &TextConfig, columns: usize, device: &Device) -> Self {
        Self::new(config, &[(0..columns).collect()], device)
    }

    /// The tables of the columns from `from` on.
    fn tail(&self, from: usize) -> Self {
        let tail = |table: &Tensor<4>| {
            let columns = table.dims()[1];
            table.clone().narrow(1, from, columns - from)
        };
        Self {
            cos: tail(&self.cos),
            sin: tail(&self.sin),
        }
    }

    fn apply(&self, states: Tensor<4>) -> Tensor<4> {
        let dtype = states.dtype();
        ops::rotate(
            states,
            self.cos.clone().cast(dtype),
            self.sin.clone().cast(dtype),
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "32-bit on purpose, as the published model"
)]
fn inverse_frequencies(head: usize, theta: f64) -> Vec<f32> {
    let theta = theta as f32;
    (0..head / 2)
        .map(|index| 1.0 / theta.powf((2 * index) as f32 / head as f32))
        .collect()
}

/// Keys and values of what was decoded so far, allocated once.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Option<[Tensor<4>; 2]>>,
    starts: Vec<usize>,
    offset: usize,
    capacity: usize,
}

impl KvCache {
    /// Room for `capacity` columns of `starts.len()` rows; row `i` is empty (padding) before column `starts[i]`.
    #[must_use]
    pub fn new(config: &TextConfig, starts: Vec<usize>, capacity: usize, like: &Tensor<3>) -> Self {
        let shape = [
            starts.len(),
            capacity,
            config.num_key_value_heads,
            config.head_dim(),
        ];
        let empty = || Tensor::zeros(shape, (&like.device(), like.dtype()));
        Self {
            layers: (0..config.num_hidden_layers)
                .map(|_| Some([empty(), empty()]))
                .collect(),
            starts,
            offset: 0,
            capacity,
        }
    }

    /// Columns that are filled.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Columns that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets the columns from `offset` on, so that another question can follow the same prefix.
    ///
    /// # Panics
    /// When fewer columns are filled.
    pub fn truncate(&mut self, offset: usize) {
        assert!(
            offset <= self.offset,
            "cannot keep {offset} of {} columns",
            self.offset
        );
        self.offset = offset;
    }

    /// A copy of the rows at `rows`, which may repeat; for several continuations of one prefix.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let index = rows
            .iter()
            .map(|row| i64::try_from(*row).unwrap_or(i64::MAX))
            .collect::<Vec<_>>();
        let pick = |tensor: &Tensor<4>| {
            let index = TensorData::new(index.clone(), [rows.len()]);
            tensor
                .clone()
                .select(0, Tensor::from_data(index, &tensor.device()))
        };
        Self {
            layers: self
                .layers
                .iter()
                .map(|pair| pair.as_ref().map(|[key, value]| [pick(key), pick(value)]))
                .collect(),
            starts: rows.iter().map(|row| self.starts[*row]).collect(),
            offset: self.offset,
            capacity: self.capacity,
        }
    }

    /// Positions (columns counted from each row's start) of the next `columns` columns.
    fn positions(&self, columns: usize) -> Vec<Vec<usize>> {
        let row = |start: usize| {
            (self.offset..self.offset + columns)
                .map(|column| column.saturating_sub(start))
                .collect()
        };
        if self.starts.iter().all(|start| *start == 0) {
            vec![row(0)]
        } else {
            self.starts.iter().map(|start| row(*start)).collect()
        }
    }

    /// Writes the next columns of one layer and gives back all columns so far.
    fn extend(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> [Tensor<4>; 2] {
        let [rows, columns, heads, width] = key.dims();
        let (start, end) = (self.offset, self.offset + columns);
        let full = self.layers[layer].take().map(|[keys, values]| {
            // Taken out, so that nobody else holds them and they are written in place.
            let place = [0..rows, start..end, 0..heads, 0..width];
            [
                keys.slice_assign(place.clone(), key),
                values.slice_assign(place, value),
            ]
        });
        let Some([keys, values]) = full else {
            unreachable!("a layer's cache is always put back")
        };
        let seen = [
            keys.clone().narrow(1, 0, end),
            values.clone().narrow(1, 0, end),
        ];
        self.layers[layer] = Some([keys, values]);
        seen
    }
}

/// Attention of one layer.
#[derive(Module, Debug)]
pub struct Qwen2Attention {
    /// Queries, with bias.
    pub q_proj: Linear,
    /// Keys, with bias.
    pub k_proj: Linear,
    /// Values, with bias.
    pub v_proj: Linear,
    /// Output, without bias.
    pub o_proj: Linear,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub key_value_heads: usize,
}

impl Qwen2Attention {
    fn new(config: &TextConfig, device: &Device) -> Self {
        let (width, small) = (
            config.hidden_size,
            config.num_key_value_heads * config.head_dim(),
        );
        Self {
            q_proj: Linear::new(width, width, true, device),
            k_proj: Linear::new(width, small, true, device),
            v_proj: Linear::new(width, small, true, device),
            o_proj: Linear::new(width, width, false, device),
            heads: config.num_attention_heads,
            key_value_heads: config.num_key_value_heads,
        }
    }

    /// Keys and values of all columns, queries of those from `from` on.
    fn forward(
        &self,
        input: Tensor<3>,
        from: usize,
        rotary: &Rotary,
        cache: Option<(usize, &mut KvCache)>,
    ) -> Tensor<3> {
        let [rows, columns, width] = input.dims();
        let (head, asked) = (width / self.heads, columns - from);
        let query = self
            .q_proj
            .forward(tail(input.clone(), from))
            .reshape([rows, asked, self.heads, head]);
        let key =
            self.k_proj
                .forward(input.clone())
                .reshape([rows, columns, self.key_value_heads, head]);
        let value = self
            .v_proj
            .forward(input)
            .reshape([rows, columns, self.key_value_heads, head]);
        let query = match from {
            0 => rotary.apply(query),
            _ => rotary.tail(from).apply(query),
        };
        let key = rotary.apply(key);
        let mixed = match cache {
            None => ops::attention(
                query,
                key,
                value,
                Mask::Causal {
                    offset: from,
                    starts: None,
                },
            ),
            Some((layer, cache)) => {
                let [keys, values] = cache.extend(layer, key, value);
                let starts = cache
                    .starts
                    .iter()
                    .any(|start| *start > 0)
                    .then_some(cache.starts.as_slice());
                ops::attention(
                    query,
                    keys,
                    values,
                    Mask::Causal {
                        offset: cache.offset + from,
                        starts,
                    },
                )
            }
        };
        self.o_proj.forward(mixed.reshape([rows, asked, width]))
    }
}

/// The columns from `from` on.
fn tail(states: Tensor<3>, from: usize) -> Tensor<3> {
    match (from, states.dims()[1]) {
        (0, _) => states,
        (_, columns) => states.narrow(1, from, columns - from),
    }
}

/// Gated feed-forward.
#[derive(Module, Debug)]
pub struct Qwen2Mlp {
    /// Gate.
    pub gate_proj: Linear,
    /// Up.
    pub up_proj: Linear,
    /// Down.
    pub down_proj: Linear,
}

impl Qwen2Mlp {
    fn new(config: &TextConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Self {
            gate_proj: Linear::new(width, inner, false, device),
            up_proj: Linear::new(width, inner, false, device),
            down_proj: Linear::new(inner, width, false, device),
        }
    }

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let gate = self.gate_proj.forward(input.clone());
        self.down_proj
            .forward(ops::swiglu(gate, self.up_proj.forward(input)))
    }
}

/// One decoder layer.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Attention.
    pub self_attn: Qwen2Attention,
    /// Feed-forward.
    pub mlp: Qwen2Mlp,
    /// Norm before attention.
    pub input_layernorm: RmsNorm,
    /// Norm before the feed-forward.
    pub post_attention_layernorm: RmsNorm,
}

impl DecoderLayer {
    /// Random values, created when first used.
    #[must_use]
    pub fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            self_attn: Qwen2Attention::new(config, device),
            mlp: Qwen2Mlp::new(config, device),
            input_layernorm: RmsNorm::new(config.hidden_size, config.rms_norm_eps, device),
            post_attention_layernorm: RmsNorm::new(config.hidden_size, config.rms_norm_eps, device),
        }
    }

    /// `[rows, columns, hidden]`, causal. With a cache, its columns come before these; the number is the layer's place in the cache.
    #[must_use]
    pub fn forward(
        &self,
        input: Tensor<3>,
        rotary: &Rotary,
        cache: Option<(usize, &mut KvCache)>,
    ) -> Tensor<3> {
        self.forward_from(input, 0, rotary, cache)
    }

    /// [`DecoderLayer::forward`], of which only the columns from `from` on are wanted: `[rows, columns - from, hidden]`.
    ///
    /// Nothing looks at the last layer's output where no token is predicted, so it need not be made there: of a conversation that is
    /// all but its answers, for one of three layers a sixth of a training step.
    #[must_use]
    pub fn forward_from(
        &self,
        input: Tensor<3>,
        from: usize,
        rotary: &Rotary,
        cache: Option<(usize, &mut KvCache)>,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(input.clone());
        let states = tail(input, from) + self.self_attn.forward(normed, from, rotary, cache);
        let normed = self.post_attention_layernorm.forward(states.clone());
        states + self.mlp.forward(normed)
    }
}

/// The column from which on layer `number` of `layers` must run where only the columns from `from` on are looked at: those below the last
/// feed the later columns through their keys and values.
pub(crate) const fn first_column(number: usize, layers: usize, from: usize) -> usize {
    if number + 1 == layers { from } else { 0 }
}

/// Runs layers over new columns and appends them to the cache.
///
/// # Shapes
/// - embeds: `[rows, columns, hidden]`
/// - output: `[rows, 1, hidden]`, the last column before the final norm
///
/// # Panics
/// When the columns do not fit into the cache.
pub fn forward_cached(
    layers: &[DecoderLayer],
    config: &TextConfig,
    embeds: Tensor<3>,
    cache: &mut KvCache,
) -> Tensor<3> {
    let columns = embeds.dims()[1];
    let (offset, capacity) = (cache.offset, cache.capacity);
    assert!(
        offset + columns <= capacity,
        "{columns} columns after {offset} do not fit into a cache of {capacity}"
    );
    let rotary = Rotary::new(config, &cache.positions(columns), &embeds.device());
    let mut states = embeds;
    for (index, layer) in layers.iter().enumerate() {
        let from = first_column(index, layers.len(), columns.saturating_sub(1));
        states = layer.forward_from(states, from, &rotary, Some((index, cache)));
    }
    cache.offset += columns;
    states
}
