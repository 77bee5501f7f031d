//! Decoding: from prompts to token ids.
//!
//! [`generate`] answers a batch of prompts of different lengths, [`Session`] one prompt after another about the same clip, with
//! what they have in common computed once. Coordinates are ordinary ids behind the vocabulary: a numbered token that is
//! generated goes back in through the extended input table.

mod beams;
mod grammar;

pub use grammar::CoordinateGrammar;

use std::fmt;
use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::batch::{Batch, CoordinateSlot, EncodedRecord, Padding, VisualSlot};
use crate::loss::Objective;
use crate::model::{LlavaSt, VisualTokens};
use crate::qwen2::KvCache;

/// Changes the logits of a row before a token is chosen: row, ids that the row has generated so far, logits of all ids
/// (vocabulary, then temporal, height and width bins). Negative infinity forbids an id.
pub type LogitFilter = Arc<dyn Fn(usize, &[u32], &mut [f32]) + Send + Sync>;

/// How to decode.
#[derive(Clone)]
pub struct GenerateOptions {
    /// Most tokens of an answer.
    pub max_new_tokens: usize,
    /// Divides the logits before sampling; 0 takes the most likely token (the first of equals).
    pub temperature: f64,
    /// Sample from the smallest set of most likely tokens whose probabilities sum up to at least this; 1 takes all.
    pub top_p: f64,
    /// How many answers of a prompt are followed at once; 1 goes from token to token. More than one take no notice of the
    /// temperature, and only [`generate`] follows them.
    pub beams: usize,
    /// Seed of the sampling. Each row draws from a stream of its own, so that rows do not depend on each other.
    pub seed: u64,
    /// Ids that end an answer; they are not part of it.
    pub stop: Vec<u32>,
    /// Columns of a prompt that go through the decoder at once; bounds the memory of the attention scores.
    pub prefill_chunk: usize,
    /// Constrained decoding.
    pub filter: Option<LogitFilter>,
}

impl Default for GenerateOptions {
    /// Greedy, up to 1024 tokens (the original's limit), no stop token.
    fn default() -> Self {
        Self {
            max_new_tokens: 1024,
            temperature: 0.0,
            top_p: 1.0,
            beams: 1,
            seed: 0,
            stop: Vec::new(),
            prefill_chunk: 1024,
            filter: None,
        }
    }
}

impl fmt::Debug for GenerateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateOptions")
            .field("max_new_tokens", &self.max_new_tokens)
            .field("temperature", &self.temperature)
            .field("top_p", &self.top_p)
            .field("beams", &self.beams)
            .field("seed", &self.seed)
            .field("stop", &self.stop)
            .field("prefill_chunk", &self.prefill_chunk)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generated {
    /// Token ids, without the stop token.
    pub ids: Vec<u32>,
    /// Whether a stop token ended it; otherwise it reached `max_new_tokens`.
    pub stopped: bool,
}

/// Answers prompts of any lengths together.
///
/// Prompt `i` looks at clip `clips[i]` of `visual`. Rows are padded at the left, so that all share the column of the next token;
/// once half of the rows have ended, the cache is cut down to the others. `on_token` hears of each token as it is chosen; with
/// several beams that is at the end.
///
/// The model should not track gradients.
///
/// # Panics
/// When `clips` and `prompts` differ in length, a prompt is empty, or a slot does not fit its clip.
pub fn generate(
    model: &LlavaSt,
    prompts: &[EncodedRecord],
    clips: &[usize],
    visual: &VisualTokens,
    options: &GenerateOptions,
    mut on_token: impl FnMut(usize, u32),
) -> Vec<Generated> {
    let mut rows: Vec<Row> = (0..prompts.len())
        .map(|row| Row::new(row, options))
        .collect();
    if prompts.is_empty() || options.max_new_tokens == 0 {
        return rows.into_iter().map(|row| row.answer).collect();
    }
    assert!(
        prompts.iter().all(|prompt| !prompt.ids.is_empty()),
        "every prompt has tokens"
    );
    let batch = Batch::collate_with(prompts, clips, 0, Padding::Left);
    let embeds = model.inputs_embeds(&batch, visual, Objective::Coordinates);
    let starts = batch.valid.iter().map(|valid| valid.start).collect();
    let capacity = batch.columns + options.max_new_tokens - 1;
    let mut cache = KvCache::new(&model.config.text, starts, capacity, &embeds);
    let hidden = prefill(model, &embeds, &mut cache, options.prefill_chunk);
    if options.beams > 1 {
        let answers = beams::search(model, hidden, cache, prompts.len(), options);
        for (row, answer) in answers.iter().enumerate() {
            answer.ids.iter().for_each(|id| on_token(row, *id));
        }
        return answers;
    }
    decode_rows(model, hidden, cache, &mut rows, options, &mut on_token);
    rows.into_iter().map(|row| row.answer).collect()
}

/// Questions about one clip, one after another: what a prompt shares with the one before (and its answer) is not computed again.
///
/// The visual tokens of a video are some 2,500 positions at the front of every prompt, so a second question costs only its own
/// words. The same holds for a conversation that goes on.
#[derive(Debug)]
pub struct Session<'a> {
    model: &'a LlavaSt,
    visual: &'a VisualTokens,
    clip: usize,
    cache: Option<KvCache>,
    /// What the cache holds.
    seen: EncodedRecord,
    reused: usize,
}

impl<'a> Session<'a> {
    /// A session about clip `clip` of `visual`.
    #[must_use]
    pub fn new(model: &'a LlavaSt, visual: &'a VisualTokens, clip: usize) -> Self {
        Self {
            model,
            visual,
            clip,
            cache: None,
            seen: EncodedRecord::default(),
            reused: 0,
        }
    }

    /// Positions of the last prompt that did not have to be computed.
    #[must_use]
    pub fn reused(&self) -> usize {
        self.reused
    }

    /// Answers one prompt.
    ///
    /// # Panics
    /// When the prompt is empty or a slot does not fit the clip.
    pub fn generate(
        &mut self,
        prompt: &EncodedRecord,
        options: &GenerateOptions,
        mut on_token: impl FnMut(u32),
    ) -> Generated {
        let length = prompt.ids.len();
        assert!(length > 0, "the prompt has tokens");
        let batch =
            Batch::collate_with(std::slice::from_ref(prompt), &[self.clip], 0, Padding::Left);
        let embeds = self
            .model
            .inputs_embeds(&batch, self.visual, Objective::Coordinates);
        let capacity = length + options.max_new_tokens;
        // At least one column has to go through the decoder, to give the logits of the next token.
        let shared = common_prefix(&self.seen, prompt).min(length - 1);
        let mut cache = match self.cache.take() {
            Some(mut cache) if cache.capacity() >= capacity => {
                cache.truncate(shared);
                cache
            }
            _ => KvCache::new(
                &self.model.config.text,
                vec![0],
                capacity.next_multiple_of(1024),
                &embeds,
            ),
        };
        self.reused = cache.offset();
        let rest = embeds.narrow(1, self.reused, length - self.reused);
        let mut hidden = prefill(self.model, &rest, &mut cache, options.prefill_chunk);
        let mut row = Row::new(0, options);
        self.seen = prompt.clone();
        while row.answer.ids.len() < options.max_new_tokens {
            let Some(id) = row.choose(&mut logits(self.model, hidden)[0], options) else {
                break;
            };
            on_token(id);
            hidden = step(self.model, &[id], &mut cache);
            self.seen.ids.push(id);
        }
        self.cache = Some(cache);
        row.answer
    }
}

/// Positions at the front of both that give the same embeddings.
fn common_prefix(seen: &EncodedRecord, prompt: &EncodedRecord) -> usize {
    let ids = seen
        .ids
        .iter()
        .zip(&prompt.ids)
        .take_while(|(a, b)| a == b)
        .count();
    let visual = |record: &EncodedRecord, end| -> Vec<VisualSlot> {
        record
            .visual
            .iter()
            .filter(|slot| slot.start < end)
            .copied()
            .collect()
    };
    let coordinates = |record: &EncodedRecord, end| -> Vec<CoordinateSlot> {
        record
            .coordinates
            .iter()
            .filter(|slot| slot.position < end)
            .copied()
            .collect()
    };
    let mut end = ids;
    if visual(seen, end) != visual(prompt, end) {
        return 0;
    }
    let differs = coordinates(seen, end)
        .into_iter()
        .chain(coordinates(prompt, end))
        .filter(|slot| !(seen.coordinates.contains(slot) && prompt.coordinates.contains(slot)));
    for slot in differs {
        end = end.min(slot.position);
    }
    end
}

/// One row while it is decoded.
struct Row {
    number: usize,
    answer: Generated,
    random: ChaCha8Rng,
}

impl Row {
    fn new(number: usize, options: &GenerateOptions) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        random.set_stream(number as u64);
        Self {
            number,
            answer: Generated::default(),
            random,
        }
    }

    /// Takes the next token, or `None` when the answer has ended.
    fn choose(&mut self, logits: &mut [f32], options: &GenerateOptions) -> Option<u32> {
        if let Some(filter) = &options.filter {
            filter(self.number, &self.answer.ids, logits);
        }
        let id = if options.temperature > 0.0 {
            sample(logits, options.temperature, options.top_p, &mut self.random)
        } else {
            argmax(logits)
        };
        if options.stop.contains(&id) {
            self.answer.stopped = true;
            return None;
        }
        self.answer.ids.push(id);
        Some(id)
    }
}

/// Decodes until every row has ended. `hidden` is that of the last column, `[rows, hidden]`.
fn decode_rows(
    model: &LlavaSt,
    mut hidden: Tensor<2>,
    mut cache: KvCache,
    rows: &mut [Row],
    options: &GenerateOptions,
    on_token: &mut impl FnMut(usize, u32),
) {
    // Row of `rows` for each row of the cache; `None` once it has ended and only fills the rectangle.
    let mut places: Vec<Option<usize>> = (0..rows.len()).map(Some).collect();
    for step_number in 1..=options.max_new_tokens {
        let mut all = logits(model, hidden);
        let mut ids = vec![0; places.len()];
        for ((place, logits), id) in places.iter_mut().zip(&mut all).zip(&mut ids) {
            let Some(row) = *place else { continue };
            match rows[row].choose(logits, options) {
                Some(chosen) => {
                    on_token(row, chosen);
                    *id = chosen;
                }
                None => *place = None,
            }
        }
        let alive: Vec<usize> = (0..places.len())
            .filter(|row| places[*row].is_some())
            .collect();
        if alive.is_empty() || step_number == options.max_new_tokens {
            return;
        }
        if alive.len() * 2 <= places.len() {
            cache = cache.select(&alive);
            ids = alive.iter().map(|row| ids[*row]).collect();
            places = alive.iter().map(|row| places[*row]).collect();
        }
        hidden = step(model, &ids, &mut cache);
    }
}

/// Runs a prompt through the decoder in chunks; the hidden states of its last column, `[rows, hidden]`.
fn prefill(model: &LlavaSt, embeds: &Tensor<3>, cache: &mut KvCache, chunk: usize) -> Tensor<2> {
    let [rows, columns, width] = embeds.dims();
    let chunk = chunk.max(1);
    let mut last = None;
    for start in (0..columns).step_by(chunk) {
        let length = chunk.min(columns - start);
        last = Some(model.decode_cached(embeds.clone().narrow(1, start, length), cache));
    }
    last.unwrap_or_else(|| Tensor::zeros([rows, width], &embeds.device()))
}

/// Runs one token of each row through the decoder; hidden states, `[rows, hidden]`.
fn step(model: &LlavaSt, ids: &[u32], cache: &mut KvCache) -> Tensor<2> {
    let embeds = model.embed_ids(ids);
    let [rows, width] = embeds.dims();
    model.decode_cached(embeds.reshape([rows, 1, width]), cache)
}

/// Logits of each row as 32-bit numbers.
fn logits(model: &LlavaSt, hidden: Tensor<2>) -> Vec<Vec<f32>> {
    let logits = model.logits(hidden, Objective::Coordinates);
    let width = logits.dims()[1];
    let data = logits.into_data().convert_dtype(DType::F32);
    let values: Vec<f32> = data.iter().collect();
    values.chunks(width.max(1)).map(<[f32]>::to_vec).collect()
}

fn id_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The first of the largest entries; entries that are not numbers never win.
fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in logits.iter().enumerate() {
        if *value > logits[best] || logits[best].is_nan() {
            best = index;
        }
    }
    id_of(best)
}

/// Draws an id from the softmax of `logits / temperature`, cut to the nucleus of `top_p` (arXiv:1904.09751).
fn sample(logits: &[f32], temperature: f64, top_p: f64, random: &mut impl Rng) -> u32 {
    let largest = f64::from(logits[argmax(logits) as usize]);
    let weight = |value: f32| ((f64::from(value) - largest) / temperature).exp();
    let mut candidates: Vec<(usize, f64)> = logits
        .iter()
        .enumerate()
        .map(|(index, value)| (index, weight(*value)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    if top_p < 1.0 {
        // Most likely first; equals in order of their ids.
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let limit = top_p * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum = 0.0;
        let kept = candidates.iter().take_while(|(_, weight)| {
            let before = sum;
            sum += weight;
            before < limit
        });
        let kept = kept.count().max(1);
        candidates.truncate(kept);
    }
    let mut point =
        random.random::<f64>() * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
    for (index, weight) in &candidates {
        if point < *weight {
            return id_of(*index);
        }
        point -= weight;
    }
    candidates
        .last()
        .map_or_else(|| argmax(logits), |(index, _)| id_of(*index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_takes_the_first_of_equals_and_no_nan() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, 1.0, f32::NAN]), 1);
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), 0);
    }

    #[test]
    fn sampling_follows_the_probabilities() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln(), f32::NEG_INFINITY];
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0u32; 4];
        for _ in 0..20_000 {
            counts[sample(&logits, 1.0, 1.0, &mut random) as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([10_000, 6_000, 4_000, 0]) {
            assert!(count.abs_diff(expected) < 300, "{counts:?}");
        }
        for _ in 0..1000 {
            assert!(sample(&logits, 1.0, 0.75, &mut random) < 2);
            assert_eq!(sample(&logits, 1.0, 0.4, &mut random), 0);
            assert_eq!(sample(&logits, 1e-3, 1.0, &mut random), 0);
        }
    }
}
