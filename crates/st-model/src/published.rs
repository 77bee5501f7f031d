//! `config.json` of a model folder, as `transformers` and the original code read it.
//!
//! The original's file has the decoder's sizes and little else: those of the vision tower, the packers and the frame plan are
//! constants in its code. What we write therefore has one more key, `llava_st`, with the whole [`ModelConfig`]; `transformers`
//! keeps keys that it does not know. A folder with that key is read exactly, one without it as the released model.

use serde_json::{Map, Value, json};

use crate::config::{ModelConfig, TextConfig};

/// Our key in `config.json`.
pub const KEY: &str = "llava_st";
/// The vision tower of all released models.
pub const TOWER: &str = "google/siglip-so400m-patch14-384";

/// Why a `config.json` is not that of a model that can be built.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// A field is missing or has another type.
    #[error("`{field}` is missing or is not {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The file describes another architecture.
    #[error("`{field}` is {found:?}; only {expected:?} is known here")]
    Unknown {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The known value.
        expected: &'static str,
    },
    /// Our own part of the file is damaged.
    #[error("`{KEY}`: {0}")]
    Own(#[from] serde_json::Error),
    /// The sizes do not fit together.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Our own part and the rest of the file contradict each other.
    #[error(
        "`{field}` is {outside}, but `{KEY}.text.{field}` is {inside}: the file was edited in one place only"
    )]
    Contradiction {
        /// The field.
        field: &'static str,
        /// Value in the file.
        outside: usize,
        /// Value in our part.
        inside: usize,
    },
}

/// Reads a `config.json`: ours, a released one, or a bare [`ModelConfig`].
///
/// A released one gets the switches under which the released weights were trained ([`ModelConfig::as_released`]).
///
/// # Errors
/// When a field is missing, describes another architecture, or the sizes do not fit together.
pub fn config_from_json(json: &Value) -> Result<ModelConfig, PublishedError> {
    let config = if let Some(own) = json.get(KEY) {
        let config: ModelConfig = serde_json::from_value(own.clone())?;
        for (field, inside) in own_sizes(&config.text) {
            match json.get(field).and_then(Value::as_u64) {
                Some(outside) if outside != inside as u64 => {
                    let outside = usize::try_from(outside).unwrap_or(usize::MAX);
                    return Err(PublishedError::Contradiction {
                        field,
                        outside,
                        inside,
                    });
                }
                _ => {}
            }
        }
        config
    } else if json.get("vision").is_some() && json.get("text").is_some() {
        serde_json::from_value(json.clone())?
    } else {
        released(json)?
    };
    config.validate()?;
    Ok(config)
}

fn own_sizes(text: &TextConfig) -> [(&'static str, usize); 6] {
    [
        ("vocab_size", text.vocab_size),
        ("hidden_size", text.hidden_size),
        ("intermediate_size", text.intermediate_size),
        ("num_hidden_layers", text.num_hidden_layers),
        ("num_attention_heads", text.num_attention_heads),
        ("num_key_value_heads", text.num_key_value_heads),
    ]
}

/// A file of the original: sizes of the decoder from the file, everything else as released.
fn released(json: &Value) -> Result<ModelConfig, PublishedError> {
    let size = |field: &'static str| {
        let value = json
            .get(field)
            .and_then(Value::as_u64)
            .and_then(|value| usize::try_from(value).ok());
        value.ok_or(PublishedError::Field {
            field,
            expected: "a whole number",
        })
    };
    let number = |field: &'static str| {
        json.get(field)
            .and_then(Value::as_f64)
            .ok_or(PublishedError::Field {
                field,
                expected: "a number",
            })
    };
    for (field, expected) in [
        ("mm_vision_tower", TOWER),
        ("mm_projector_type", "mlp2x_gelu"),
    ] {
        let found = json.get(field).and_then(Value::as_str);
        let found = found.ok_or(PublishedError::Field {
            field,
            expected: "a text",
        })?;
        // The tower is often a local copy of the published one.
        let last = expected.rsplit('/').next().unwrap_or(expected);
        if !found.trim_end_matches('/').ends_with(last) {
            return Err(PublishedError::Unknown {
                field,
                found: found.to_owned(),
                expected,
            });
        }
    }
    if json.get("tie_word_embeddings").and_then(Value::as_bool) == Some(true) {
        let (field, expected) = ("tie_word_embeddings", "false");
        return Err(PublishedError::Unknown {
            field,
            found: "true".to_owned(),
            expected,
        });
    }
    let mut config = ModelConfig::published_7b().as_released();
    config.text = TextConfig {
        vocab_size: size("vocab_size")?,
        hidden_size: size("hidden_size")?,
        intermediate_size: size("intermediate_size")?,
        num_hidden_layers: size("num_hidden_layers")?,
        num_attention_heads: size("num_attention_heads")?,
        num_key_value_heads: size("num_key_value_heads")?,
        rope_theta: number("rope_theta")?,
        rms_norm_eps: number("rms_norm_eps")?,
    };
    config.use_downsample_image = json
        .get("use_downsample_image")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Ok(config)
}

/// The `config.json` of a model: what `transformers` and the original read, and the whole configuration under [`KEY`].
#[must_use]
pub fn config_to_json(config: &ModelConfig) -> Value {
    let text = &config.text;
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
    put("architectures", json!(["LlavaQwenForCausalLM"]));
    put("model_type", json!("llava_qwen"));
    for (field, value) in own_sizes(text) {
        put(field, json!(value));
    }
    put("hidden_act", json!("silu"));
    put("rope_theta", json!(text.rope_theta));
    put("rms_norm_eps", json!(text.rms_norm_eps));
    put("max_position_embeddings", json!(32_768));
    put("use_sliding_window", json!(false));
    put("attention_dropout", json!(0.0));
    put("tie_word_embeddings", json!(false));
    put("mm_vision_tower", json!(TOWER));
    put("mm_hidden_size", json!(config.vision.hidden_size));
    put("mm_projector_type", json!("mlp2x_gelu"));
    put("mm_resampler_type", json!("fast_slow_resampler"));
    put(
        "mm_perceiver_latents",
        json!(config.packer.first_grid * config.packer.first_grid),
    );
    put(
        "mm_perceiver_latents_fast",
        json!(config.packer.fast_grid * config.packer.fast_grid),
    );
    put("mm_patch_merge_type", json!("flat"));
    put("mm_vision_select_feature", json!("patch"));
    put("mm_vision_select_layer", json!(-2));
    put("use_mm_proj", json!(true));
    put("use_downsample_image", json!(config.use_downsample_image));
    put(
        "num_temporal_tokens",
        json!(config.coordinates.num_temporal),
    );
    put("num_spatial_tokens", json!(config.coordinates.num_height));
    put("max_frame", json!(config.video.frames));
    put(KEY, json!(config));
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for config in [
            ModelConfig::published_7b(),
            ModelConfig::published_7b().as_released(),
        ] {
            assert_eq!(config_from_json(&config_to_json(&config)).unwrap(), config);
            assert_eq!(config_from_json(&json!(config)).unwrap(), config);
        }
    }

    #[test]
    fn a_released_file_gets_the_released_switches() {
        let mut json = config_to_json(&ModelConfig::published_7b());
        json.as_object_mut().unwrap().remove(KEY);
        assert_eq!(
            config_from_json(&json).unwrap(),
            ModelConfig::published_7b().as_released()
        );
        json["mm_vision_tower"] = json!("/models/siglip-so400m-patch14-384/");
        assert!(config_from_json(&json).is_ok());
        json["mm_vision_tower"] = json!("openai/clip-vit-large-patch14-336");
        assert!(matches!(
            config_from_json(&json),
            Err(PublishedError::Unknown {
                field: "mm_vision_tower",
                ..
            })
        ));
        json.as_object_mut().unwrap().remove("mm_vision_tower");
        assert!(matches!(
            config_from_json(&json),
            Err(PublishedError::Field {
                field: "mm_vision_tower",
                ..
            })
        ));
    }

    #[test]
    fn contradictions_are_named() {
        let mut json = config_to_json(&ModelConfig::published_7b());
        json["vocab_size"] = json!(152_064);
        let error = config_from_json(&json).unwrap_err().to_string();
        assert!(
            error.contains("`vocab_size` is 152064, but `llava_st.text.vocab_size` is 151660"),
            "{error}"
        );
    }
}
