//! The tokenizer: Qwen2's byte-level BPE and the tokens that LLaVA-ST adds behind it.

use std::fmt;

use serde_json::{Map, Value, json};
use st_schema::{Axis, Side};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::config::CoordinateConfig;

/// End of a document; also the padding token.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Start of a turn.
pub const CHAT_START: &str = "<|im_start|>";
/// End of a turn, where generation stops.
pub const CHAT_END: &str = "<|im_end|>";

/// Qwen2's chat template, for `transformers`; this crate's own is in [`crate::input`].
const CHAT_TEMPLATE: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Tokens of the visual slots, in the order in which the original adds them.
pub const VISUAL_TOKENS: [&str; 8] = [
    "<im_start>",
    "<im_end>",
    "<im_patch>",
    "<vid_start>",
    "<vid_end>",
    "<vid_patch>",
    "<slow_vid_start>",
    "<slow_vid_end>",
];

/// Which of its own tokens a LLaVA-ST tokenizer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraTokens<'a> {
    /// The eight of the visual slots: the original's first training stage.
    Visual,
    /// These, the six coordinate placeholders, and the numbered tokens of each axis: all later stages.
    Coordinates(&'a CoordinateConfig),
}

/// Why a tokenizer cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The text is not a `tokenizer.json`.
    #[error("not a tokenizer.json that can be read: {0}")]
    Format(String),
    /// A token that the chat template needs does not exist.
    #[error("the tokenizer has no token `{token}`: {hint}")]
    MissingToken {
        /// The token.
        token: String,
        /// What to do.
        hint: &'static str,
    },
    /// The tokenizer failed on a text.
    #[error("cannot tokenize: {0}")]
    Encode(String),
    /// Token ids cannot be turned into text.
    #[error("cannot decode: {0}")]
    Decode(String),
    /// The vocabulary that was asked for is too small for bytes and extra tokens.
    #[error("a vocabulary of {asked} is too small: bytes and special tokens alone are {least}")]
    SmallVocabulary {
        /// What was asked for.
        asked: usize,
        /// The least that is possible.
        least: usize,
    },
}

/// A tokenizer with the special tokens of the chat template.
///
/// Cheap to share between threads; cloning copies the vocabulary.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Inner,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError::Format`] when it is none.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        let inner =
            Inner::from_bytes(json).map_err(|error| TokenizerError::Format(error.to_string()))?;
        Ok(Self { inner })
    }

    /// Writes a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError::Format`] when a part of the tokenizer cannot be written.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        self.inner
            .to_string(false)
            .map_err(|error| TokenizerError::Format(error.to_string()))
    }

    /// All files by which `transformers` knows a Qwen2 tokenizer, by name: `tokenizer.json` for its fast class, `vocab.json` and
    /// `merges.txt` for the slow one that the original uses, and what names the special tokens for both.
    ///
    /// # Errors
    /// [`TokenizerError::Format`] when the tokenizer is not a byte-pair encoder.
    pub fn published_files(&self) -> Result<Vec<(&'static str, String)>, TokenizerError> {
        let fault = |what: &str| TokenizerError::Format(format!("no {what} in the tokenizer"));
        let whole = self.to_json()?;
        let mut json: Value = serde_json::from_str(&whole)
            .map_err(|error| TokenizerError::Format(error.to_string()))?;
        let mut merges = String::from("#version: 0.2\n");
        for merge in json["model"]["merges"]
            .as_array_mut()
            .ok_or_else(|| fault("merges"))?
        {
            if let Some(pair) = merge.as_array() {
                // `tokenizers` before 0.20, which the original uses, knows pairs in one text only. No byte-level token has a space.
                let part =
                    |place: usize| pair.get(place).and_then(Value::as_str).unwrap_or_default();
                *merge = format!("{} {}", part(0), part(1)).into();
            }
            merges.push_str(merge.as_str().unwrap_or_default());
            merges.push('\n');
        }
        let (mut ids, mut decoder) = (Map::new(), Map::new());
        for token in json["added_tokens"]
            .as_array()
            .ok_or_else(|| fault("added tokens"))?
        {
            let mut entry = token.as_object().cloned().unwrap_or_default();
            let id = entry.remove("id").unwrap_or_default();
            ids.insert(
                token["content"].as_str().unwrap_or_default().to_owned(),
                id.clone(),
            );
            decoder.insert(id.to_string(), Value::Object(entry));
        }
        let special = json!({
            "additional_special_tokens": [CHAT_START, CHAT_END],
            "eos_token": CHAT_END,
            "pad_token": END_OF_TEXT,
        });
        let mut config = special.clone();
        config["add_prefix_space"] = json!(false);
        config["added_tokens_decoder"] = Value::Object(decoder);
        config["bos_token"] = Value::Null;
        config["chat_template"] = json!(CHAT_TEMPLATE);
        config["clean_up_tokenization_spaces"] = json!(false);
        config["errors"] = json!("replace");
        config["model_max_length"] = json!(32_768);
        config["split_special_tokens"] = json!(false);
        config["tokenizer_class"] = json!("Qwen2Tokenizer");
        config["unk_token"] = Value::Null;
        Ok(vec![
            ("vocab.json", json["model"]["vocab"].to_string()),
            ("merges.txt", merges),
            ("added_tokens.json", Value::Object(ids).to_string()),
            ("special_tokens_map.json", special.to_string()),
            ("tokenizer_config.json", config.to_string()),
            ("tokenizer.json", json.to_string()),
        ])
    }

    /// Adds the tokens of LLaVA-ST that are not there yet, behind the last one.
    ///
    /// The order is that of the original's `initialize_image_tokenizer`, `initialize_video_tokenizer` and
    /// `initialize_spatial_temporal_tokens`. They are ordinary tokens in decoding: skipping special tokens keeps them.
    #[must_use]
    pub fn with_extra_tokens(mut self, extra: ExtraTokens<'_>) -> Self {
        let tokens: Vec<AddedToken> = extra_tokens(extra)
            .into_iter()
            .map(|token| AddedToken::from(token, false).normalized(false))
            .collect();
        self.inner.add_tokens(&tokens);
        self
    }

    /// Trains a small byte-level BPE tokenizer with Qwen2's splitting rules and all extra tokens of LLaVA-ST.
    ///
    /// `vocabulary` is the number of ids before the first numbered coordinate token, that is the `text.vocab_size` of a
    /// model; the result has fewer where the texts hold too few repetitions (see [`Tokenizer::vocabulary`]). The same
    /// texts in the same order always give the same tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError::SmallVocabulary`] when the 256 bytes and the special tokens alone are more.
    pub fn train_bpe<'a>(
        texts: impl Iterator<Item = &'a str>,
        vocabulary: usize,
    ) -> Result<Self, TokenizerError> {
        let special = [END_OF_TEXT, CHAT_START, CHAT_END];
        let reserved = special.len() + VISUAL_TOKENS.len() + placeholders().len();
        let least = ByteLevel::alphabet().len() + reserved;
        if vocabulary < least {
            return Err(TokenizerError::SmallVocabulary {
                asked: vocabulary,
                least,
            });
        }
        let mut tokenizer = Self::from_json(UNTRAINED.as_bytes())?;
        let trainer = BpeTrainer::builder()
            .vocab_size(vocabulary - reserved)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let texts: Vec<&str> = texts.collect();
        tokenizer
            .inner
            .train(&mut TrainerWrapper::from(trainer), texts.into_iter())
            .map_err(|error| TokenizerError::Format(error.to_string()))?;
        tokenizer
            .inner
            .add_special_tokens(&special.map(|token| AddedToken::from(token, true)));
        Ok(tokenizer.with_extra_tokens(ExtraTokens::Coordinates(&CoordinateConfig::default())))
    }

    /// Number of token ids, added tokens included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether there is no token at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the word embedding that this tokenizer needs: all ids before the first numbered coordinate token. These
    /// live in tables of their own, behind the vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.id(&numbered(Axis::Temporal, 0))
            .map_or_else(|| self.len(), |id| id as usize)
    }

    /// Id of a token.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Id of a token that must be there.
    pub(crate) fn need(&self, token: &str, hint: &'static str) -> Result<u32, TokenizerError> {
        self.id(token).ok_or_else(|| TokenizerError::MissingToken {
            token: token.to_owned(),
            hint,
        })
    }

    /// Token ids of a text; tokens such as `<|im_start|>` or `<TEMP-012>` in it become their ids.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`] when the tokenizer's regular expression gives up on the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| TokenizerError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of token ids. Bytes that are no UTF-8 become U+FFFD. `skip_special` leaves out the three special tokens
    /// of the chat template.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`] when the decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|error| TokenizerError::Decode(error.to_string()))
    }
}

/// The numbered token of a bin, such as `<TEMP-012>`.
#[must_use]
pub fn numbered(axis: Axis, bin: usize) -> String {
    format!("<{}-{bin:03}>", axis.token_word())
}

/// The six placeholders in the order of their ids.
fn placeholders() -> [&'static str; 6] {
    let [temporal, height, width] = Axis::ALL;
    [
        temporal.placeholder(Side::Input),
        temporal.placeholder(Side::Output),
        height.placeholder(Side::Input),
        height.placeholder(Side::Output),
        width.placeholder(Side::Input),
        width.placeholder(Side::Output),
    ]
}

/// All extra tokens in the order of their ids.
fn extra_tokens(extra: ExtraTokens<'_>) -> Vec<String> {
    let mut tokens: Vec<String> = VISUAL_TOKENS.map(str::to_owned).into();
    if let ExtraTokens::Coordinates(config) = extra {
        tokens.extend(placeholders().map(str::to_owned));
        for axis in Axis::ALL {
            tokens.extend((0..config.bins(axis)).map(|bin| numbered(axis, bin)));
        }
    }
    tokens
}

/// Qwen2's `tokenizer.json` without vocabulary, merges and added tokens.
const UNTRAINED: &str = r#"{
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
    "vocab": {}, "merges": []}
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<String> {
        let shapes = ["red square", "blue circle", "green triangle", "yellow star"];
        (0..400)
            .map(|i| {
                format!(
                    "<video>\nWhen does the {} move past the {}? It's {i}.",
                    shapes[i % 4],
                    shapes[i / 4 % 4]
                )
            })
            .collect()
    }

    #[test]
    fn small_tokenizer_is_deterministic_and_complete() {
        let texts = texts();
        let train = || Tokenizer::train_bpe(texts.iter().map(String::as_str), 400).unwrap();
        let tokenizer = train();
        for _ in 0..5 {
            assert_eq!(train().to_json().unwrap(), tokenizer.to_json().unwrap());
        }
        assert!(tokenizer.vocabulary() <= 400);
        assert_eq!(tokenizer.len(), tokenizer.vocabulary() + 300);
        assert_eq!(
            tokenizer.id("<TEMP-INPUT>").unwrap() + 6,
            tokenizer.id("<TEMP-000>").unwrap()
        );
        assert_eq!(
            tokenizer.id("<WIDTH-099>").map(|id| id as usize),
            Some(tokenizer.len() - 1)
        );
        let text = "The red square\n moves: <TEMP-012> é 看";
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
        assert!(ids.len() < text.len());
        let again = Tokenizer::from_json(tokenizer.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(again.encode(text).unwrap(), ids);
    }

    #[test]
    fn published_files_agree() {
        let tokenizer = Tokenizer::train_bpe(texts().iter().map(String::as_str), 400).unwrap();
        let files: std::collections::BTreeMap<_, _> =
            tokenizer.published_files().unwrap().into_iter().collect();
        let vocabulary: Map<String, Value> = serde_json::from_str(&files["vocab.json"]).unwrap();
        let added: Map<String, Value> = serde_json::from_str(&files["added_tokens.json"]).unwrap();
        assert_eq!(vocabulary.len() + added.len(), tokenizer.len());
        // Each merge makes one token of two; the 256 bytes are there without.
        assert_eq!(
            files["merges.txt"].lines().count() - 1,
            vocabulary.len() - 256
        );
        let again = Tokenizer::from_json(files["tokenizer.json"].as_bytes()).unwrap();
        let text = "<video>\nWhen does the red circle move? <TEMP-012>";
        assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        assert!(files["tokenizer.json"].contains(files["merges.txt"].lines().nth(1).unwrap()));
        let config: Value = serde_json::from_str(&files["tokenizer_config.json"]).unwrap();
        let id = added["<TEMP-000>"].to_string();
        assert_eq!(config["added_tokens_decoder"][id]["content"], "<TEMP-000>");
    }

    #[test]
    fn too_small_a_vocabulary_is_refused() {
        let error = Tokenizer::train_bpe(std::iter::once("x"), 272).unwrap_err();
        assert!(matches!(
            error,
            TokenizerError::SmallVocabulary { least: 273, .. }
        ));
    }

    #[test]
    fn extra_tokens_are_added_once() {
        let tokenizer = Tokenizer::train_bpe(std::iter::empty(), 273).unwrap();
        let len = tokenizer.len();
        let again =
            tokenizer.with_extra_tokens(ExtraTokens::Coordinates(&CoordinateConfig::default()));
        assert_eq!(again.len(), len);
    }
}
