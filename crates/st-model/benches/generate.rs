//! Prefill of 512 tokens and 64 greedy tokens after them, on the CPU, in 32 bits.
//!
//! ```text
//! cargo bench -p st-model --bench generate -- tiny|0.5b WEIGHTS.safetensors
//! python crates/st-model/benches/generate.py tiny|0.5b WEIGHTS.safetensors THREADS
//! ```
//!
//! The first writes its weights to the file, in the published names, and prints times and a checksum of the ids; the second is the rival: the
//! same decoder in `transformers`, eager, on the same weights. `RAYON_NUM_THREADS` sets our threads.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints timings"
)]

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use st_model::config::{ModelConfig, TextConfig};
use st_model::device_check::small_config;
use st_model::init::InitConfig;
use st_model::loss::Objective;
use st_model::model::LlavaSt;
use st_model::qwen2::KvCache;

const PROMPT: u32 = 512;
const NEW: usize = 64;
const REPETITIONS: usize = 3;

fn config(shape: &str) -> ModelConfig {
    let mut config = small_config();
    config.text = match shape {
        "tiny" => TextConfig {
            vocab_size: 1000,
            hidden_size: 96,
            intermediate_size: 256,
            num_hidden_layers: 3,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            rope_theta: 1e4,
            rms_norm_eps: 1e-6,
        },
        // Qwen/Qwen2-0.5B, but untied: https://huggingface.co/Qwen/Qwen2-0.5B/blob/main/config.json
        "0.5b" => TextConfig {
            vocab_size: 151_936,
            hidden_size: 896,
            intermediate_size: 4864,
            num_hidden_layers: 24,
            num_attention_heads: 14,
            num_key_value_heads: 2,
            rope_theta: 1e6,
            rms_norm_eps: 1e-6,
        },
        other => panic!("no shape {other}: tiny or 0.5b"),
    };
    config
}

fn write(model: &LlavaSt, path: &Path) {
    let decoder = |name: &str| {
        name.starts_with("model.layers.")
            || [
                "model.embed_tokens.weight",
                "model.norm.weight",
                "lm_head.weight",
            ]
            .contains(&name)
    };
    let tensors: Vec<_> = model
        .named_tensors()
        .filter(|(name, _)| decoder(name))
        .collect();
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
        (name.clone(), view.unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [shape, weights] = &arguments[..] else {
        println!("usage: generate tiny|0.5b WEIGHTS.safetensors");
        return;
    };
    let device = Device::flex();
    let init = InitConfig {
        embedding_std: 1.0,
        head_std: 1.0,
        ..InitConfig::default()
    };
    let model = config(shape).init(&device).unwrap().initialize(&init, 3);
    write(&model, Path::new(weights));
    let vocabulary = u32::try_from(model.config.text.vocab_size).unwrap();
    let prompt: Vec<u32> = (0..PROMPT).map(|i| (i * 37 + 11) % vocabulary).collect();
    let embeds = model.embed_ids(&prompt);
    let embeds = embeds.reshape([1, prompt.len(), model.config.text.hidden_size]);
    let mut cache = KvCache::new(&model.config.text, vec![0], prompt.len() + NEW, &embeds);
    let (mut prefill, mut decode, mut ids) = (f64::INFINITY, f64::INFINITY, Vec::new());
    for _ in 0..=REPETITIONS {
        cache.truncate(0);
        let begin = Instant::now();
        let hidden = model.decode_cached(embeds.clone(), &mut cache);
        let mut next = greedy(&model, hidden);
        prefill = begin.elapsed().as_secs_f64().min(prefill);
        ids.clear();
        let begin = Instant::now();
        for _ in 0..NEW {
            ids.push(next);
            let embeds = model.embed_ids(&[next]).unsqueeze::<3>();
            next = greedy(&model, model.decode_cached(embeds, &mut cache));
        }
        decode = begin.elapsed().as_secs_f64().min(decode);
    }
    println!(
        "ours {shape}: prefill {prefill:.4} s, {NEW} tokens {decode:.4} s, ids {:?} ... {:?}",
        &ids[..4],
        &ids[NEW - 4..]
    );
}

/// The likeliest word after one position's hidden state, `[1, 1, hidden]`.
fn greedy(model: &LlavaSt, hidden: burn::tensor::Tensor<2>) -> u32 {
    let logits = model.logits(hidden, Objective::Alignment);
    let id = logits.argmax(1).into_data().iter::<i64>().next().unwrap();
    u32::try_from(id).unwrap()
}
