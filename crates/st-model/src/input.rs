//! From a record to what the model reads: chat template, visual slots, coordinates, labels.
//!
//! One implementation serves training and inference. Where the original's two encoders differ, an option says which of
//! them to follow:
//!
//! - training tokenizes a turn as one text, inference its header and its text apart; ids differ only where the text
//!   starts with a newline (`\n\n` is one token in the first case and two in the second): [`PromptStyle`];
//! - without slow markers inference puts two patch tokens more into a video than training: [`VideoMarkers::Slow`];
//! - inference keeps the first turn only.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use st_schema::{Axis, Media, Record, Role, Side, Turn, Variables};

use crate::batch::{CoordinateSlot, EncodedRecord, IGNORE, Stream, VisualSlot};
use crate::config::ModelConfig;
use crate::tokenizer::{
    CHAT_END, CHAT_START, END_OF_TEXT, Tokenizer, TokenizerError, VISUAL_TOKENS, numbered,
};

/// The system message that opens every conversation.
pub const SYSTEM_MESSAGE: &str = "You are a helpful assistant.";
/// A remark left in one of the original's sources; its code removes it from turns that show an image.
const NOISE: &str = "QA_GT_caption_based_noisy";
const IMAGE: &str = "<image>";
const VIDEO: &str = "<video>";

/// What is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossOn {
    /// As the original: answers with their header, and every lone newline, `<|im_start|>` and `<|im_end|>` of any turn.
    #[default]
    Original,
    /// Answers and the `<|im_end|>` behind each.
    Answer,
}

/// How a prompt's ids are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptStyle {
    /// As the original's inference: a turn's header and text are tokenized apart.
    #[default]
    Original,
    /// As in training: a prompt is always the beginning of what was trained on.
    Training,
}

/// The markers that stand for a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoMarkers {
    /// `<vid_start>` … `<vid_end>` for the fast stream, then `<slow_vid_start>` … `<slow_vid_end>` for the slow one.
    #[default]
    FastSlow,
    /// Only `<vid_start>` … `<vid_end>`, with the tokens of the slow stream (the original's `slow_token: false`). Its
    /// inference then has two patch tokens too many, which [`PromptStyle::Original`] reproduces.
    Slow,
}

/// Choices that change ids or labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct InputOptions {
    /// Which positions have a label.
    pub loss_on: LossOn,
    /// How prompts are tokenized.
    pub prompt: PromptStyle,
    /// Markers of a video.
    pub video: VideoMarkers,
}

/// Why a record cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The tokenizer lacks a token, or fails on a text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A numbered coordinate token is not where the model has its row.
    #[error(
        "the tokenizer has `{token}` at id {id}, the model at {expected}: tokenizer and `text.vocab_size` do not belong together"
    )]
    Vocabulary {
        /// The token.
        token: String,
        /// Its id in the tokenizer.
        id: u32,
        /// Its row in the extended tables.
        expected: usize,
    },
    /// A visual slot is too short for its start and end markers.
    #[error("a slot of {tokens} visual tokens has no room for its start and end markers")]
    ShortSlot {
        /// Tokens of the slot.
        tokens: usize,
    },
    /// The newline is not one token.
    #[error("a newline is {tokens} tokens in this tokenizer; the chat template needs one")]
    Newline {
        /// How many tokens it is.
        tokens: usize,
    },
    /// There is no human turn to answer, or no turn at all.
    #[error("the conversation has no human turn")]
    NoPrompt,
    /// No turn shows the media, so the original drops the record.
    #[error("no turn has the marker `{marker}` of the record's media")]
    NoMarker {
        /// The marker that should be there.
        marker: &'static str,
    },
    /// More than one marker for one media item.
    #[error("{count} markers `{marker}` for one media item")]
    ManyMarkers {
        /// The marker.
        marker: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The marker is that of the other kind of media.
    #[error("turn {turn} has the marker `{marker}`, but the record's media is the other kind")]
    OtherMarker {
        /// Turn, counted from 0.
        turn: usize,
        /// The marker found.
        marker: &'static str,
    },
    /// Placeholders and numbers do not match.
    #[error("{found} placeholders {placeholder} for {given} numbers in `{list}`")]
    Coordinates {
        /// The placeholder, such as `<TEMP-INPUT>`.
        placeholder: &'static str,
        /// Placeholders in the text.
        found: usize,
        /// Numbers beside it.
        given: usize,
        /// Name of the list of numbers.
        list: &'static str,
    },
    /// A coordinate is not a number.
    #[error("number {index} in `{list}` is {value}")]
    NotFinite {
        /// Name of the list.
        list: &'static str,
        /// Position in the list, from 0.
        index: usize,
        /// The value.
        value: f64,
    },
}

/// A turn of any role, by the role's name in the annotation (`human`, `gpt`, or another that is used as it is).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatTurn<'a> {
    /// Who speaks.
    pub from: &'a str,
    /// What is said.
    pub value: &'a str,
}

impl<'a> From<&'a Turn> for ChatTurn<'a> {
    fn from(turn: &'a Turn) -> Self {
        Self {
            from: turn.from.as_str(),
            value: &turn.value,
        }
    }
}

/// Start, patch and end token of a slot, and its length.
#[derive(Debug, Clone, Copy)]
struct SlotTokens {
    start: u32,
    patch: u32,
    end: u32,
    tokens: usize,
    stream: Stream,
}

/// Encodes records for one tokenizer and one model. Immutable, so one encoder serves all loader threads.
#[derive(Debug, Clone)]
pub struct InputEncoder {
    tokenizer: Tokenizer,
    options: InputOptions,
    image: SlotTokens,
    fast: SlotTokens,
    slow: SlotTokens,
    chat_start: u32,
    chat_end: u32,
    newline: u32,
    pad: u32,
    placeholders: HashMap<u32, (Axis, Side)>,
}

impl InputEncoder {
    /// An encoder with the default options: the original's labels and prompts.
    ///
    /// # Errors
    /// When the tokenizer lacks a token of the chat template or of the visual slots, or its numbered coordinate tokens
    /// are not where the model has their rows. A tokenizer without coordinate tokens is fine: it is that of the
    /// original's first stage.
    pub fn new(tokenizer: Tokenizer, config: &ModelConfig) -> Result<Self, InputError> {
        const HINT: &str =
            "is it the tokenizer of a Qwen2 chat model, with the tokens of LLaVA-ST added?";
        let newline = tokenizer.encode("\n")?;
        let [newline] = newline[..] else {
            return Err(InputError::Newline {
                tokens: newline.len(),
            });
        };
        let mut visual = [0; VISUAL_TOKENS.len()];
        for (id, token) in visual.iter_mut().zip(VISUAL_TOKENS) {
            *id = tokenizer.need(token, HINT)?;
        }
        let [
            im_start,
            im_end,
            im_patch,
            vid_start,
            vid_end,
            vid_patch,
            slow_start,
            slow_end,
        ] = visual;
        let (fast, slow) = config.video_tokens();
        let checked = |start, patch, end, tokens, stream| {
            if tokens < 2 {
                return Err(InputError::ShortSlot { tokens });
            }
            Ok(SlotTokens {
                start,
                patch,
                end,
                tokens,
                stream,
            })
        };
        check_numbered(&tokenizer, config)?;
        let pairs = Axis::ALL
            .into_iter()
            .flat_map(|axis| Side::ALL.map(|side| (axis, side)));
        Ok(Self {
            image: checked(
                im_start,
                im_patch,
                im_end,
                config.image_tokens(),
                Stream::Image,
            )?,
            fast: checked(vid_start, vid_patch, vid_end, fast, Stream::Fast)?,
            slow: checked(slow_start, vid_patch, slow_end, slow, Stream::Slow)?,
            chat_start: tokenizer.need(CHAT_START, HINT)?,
            chat_end: tokenizer.need(CHAT_END, HINT)?,
            pad: tokenizer.need(END_OF_TEXT, HINT)?,
            newline,
            placeholders: pairs
                .filter_map(|(axis, side)| {
                    Some((tokenizer.id(axis.placeholder(side))?, (axis, side)))
                })
                .collect(),
            options: InputOptions::default(),
            tokenizer,
        })
    }

    /// The same encoder with other options.
    #[must_use]
    pub fn with_options(mut self, options: InputOptions) -> Self {
        self.options = options;
        self
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The padding token, `<|endoftext|>`.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.pad
    }

    /// The token at which an answer ends, `<|im_end|>`.
    #[must_use]
    pub fn stop_id(&self) -> u32 {
        self.chat_end
    }

    /// Encodes a whole conversation with labels and coordinates.
    ///
    /// # Errors
    /// When the media is not shown exactly once, or placeholders and numbers do not match one to one.
    pub fn encode_train(&self, record: &Record) -> Result<EncodedRecord, InputError> {
        let turns: Vec<ChatTurn<'_>> = record.conversations.iter().map(ChatTurn::from).collect();
        check_markers(&record.media, &turns)?;
        let mut encoded = self.encode_chat(&turns)?;
        encoded.coordinates = self.coordinates(&encoded.ids, &record.variables, Numbers::All)?;
        Ok(encoded)
    }

    /// Encodes the first turn and the header of an answer; there are no labels.
    ///
    /// # Errors
    /// When the first turn is not a human one or does not show the media exactly once, or it has more placeholders than
    /// there are numbers.
    pub fn encode_prompt(&self, record: &Record) -> Result<EncodedRecord, InputError> {
        let turns: Vec<ChatTurn<'_>> = record
            .conversations
            .iter()
            .map(ChatTurn::from)
            .take(1)
            .collect();
        if record
            .conversations
            .first()
            .is_none_or(|turn| turn.from != Role::Human)
        {
            return Err(InputError::NoPrompt);
        }
        check_markers(&record.media, &turns)?;
        let mut encoded = self.encode_chat_prompt(&turns)?;
        encoded.coordinates = self.coordinates(&encoded.ids, &record.variables, Numbers::First)?;
        Ok(encoded)
    }

    /// Encodes a prompt of several turns, as in a conversation that goes on: everything up to and including the last
    /// human turn, and the header of an answer.
    ///
    /// # Errors
    /// As [`InputEncoder::encode_prompt`], over all turns.
    pub fn encode_dialogue(
        &self,
        media: &Media,
        turns: &[Turn],
        variables: &Variables,
    ) -> Result<EncodedRecord, InputError> {
        let last = turns
            .iter()
            .rposition(|turn| turn.from == Role::Human)
            .ok_or(InputError::NoPrompt)?;
        let turns: Vec<ChatTurn<'_>> = turns[..=last].iter().map(ChatTurn::from).collect();
        check_markers(media, &turns)?;
        let mut encoded = self.encode_chat_prompt(&turns)?;
        encoded.coordinates = self.coordinates(&encoded.ids, variables, Numbers::First)?;
        Ok(encoded)
    }

    /// Ids, labels and visual slots of a conversation, without coordinates and without asking how many markers it has.
    ///
    /// A first turn that is an answer is left out, as the original does.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode_chat(&self, turns: &[ChatTurn<'_>]) -> Result<EncodedRecord, InputError> {
        let mut out = EncodedRecord::default();
        self.push_turn(&mut out, "system", SYSTEM_MESSAGE, false)?;
        out.labels = vec![IGNORE; out.ids.len()];
        for turn in skip_answer(turns) {
            let role = role_name(turn.from);
            let first = out.ids.len();
            self.push_turn(&mut out, role, turn.value, false)?;
            self.push_labels(&mut out, role, first)?;
        }
        if self.options.loss_on == LossOn::Original {
            for (label, id) in out.labels.iter_mut().zip(&out.ids) {
                if [self.newline, self.chat_start, self.chat_end].contains(id) {
                    *label = i64::from(*id);
                }
            }
        }
        Ok(out)
    }

    /// Ids and visual slots of a prompt that ends with the header of an answer, without coordinates.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode_chat_prompt(&self, turns: &[ChatTurn<'_>]) -> Result<EncodedRecord, InputError> {
        let apart = self.options.prompt == PromptStyle::Original;
        let mut out = EncodedRecord::default();
        self.push_turn(&mut out, "system", SYSTEM_MESSAGE, apart)?;
        for turn in skip_answer(turns) {
            self.push_turn(&mut out, role_name(turn.from), turn.value, apart)?;
        }
        out.ids.push(self.chat_start);
        out.ids.extend(self.tokenizer.encode("assistant\n")?);
        out.labels = vec![IGNORE; out.ids.len()];
        Ok(out)
    }

    /// Appends `<|im_start|>role\n…<|im_end|>\n`. `apart` says whether header and text are tokenized apart.
    fn push_turn(
        &self,
        out: &mut EncodedRecord,
        role: &str,
        text: &str,
        apart: bool,
    ) -> Result<(), InputError> {
        out.ids.push(self.chat_start);
        let (marker, pieces) = split_turn(text);
        let mut header = format!("{role}\n");
        if apart {
            out.ids.extend(self.tokenizer.encode(&header)?);
            header.clear();
        }
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                self.push_visual(out, marker, apart);
            }
            let piece = if header.is_empty() {
                Cow::Borrowed(&**piece)
            } else {
                Cow::Owned(format!("{header}{piece}"))
            };
            header.clear();
            out.ids.extend(self.tokenizer.encode(&piece)?);
        }
        out.ids.extend([self.chat_end, self.newline]);
        Ok(())
    }

    fn push_visual(&self, out: &mut EncodedRecord, marker: Marker, prompt: bool) {
        match (marker, self.options.video) {
            (Marker::Image, _) => push_slot(out, self.image),
            (Marker::Video, VideoMarkers::FastSlow) => {
                push_slot(out, self.fast);
                push_slot(out, self.slow);
            }
            (Marker::Video, VideoMarkers::Slow) => {
                let tokens = self.slow.tokens + if prompt { 2 } else { 0 };
                push_slot(
                    out,
                    SlotTokens {
                        tokens,
                        stream: Stream::Slow,
                        ..self.fast
                    },
                );
            }
        }
    }

    /// Labels of the turn that starts at `first`, but for the ids that are labelled everywhere.
    fn push_labels(
        &self,
        out: &mut EncodedRecord,
        role: &str,
        first: usize,
    ) -> Result<(), InputError> {
        let turn = &out.ids[first..];
        let labelled = match self.options.loss_on {
            LossOn::Original if role == "user" || role == "system" => 0..0,
            LossOn::Original => 0..turn.len(),
            LossOn::Answer if role == "assistant" => {
                let header = self.tokenizer.encode("assistant\n")?;
                // A newline at the start of the answer merges with that of the header; then the merged token is answer.
                let header = 1 + header
                    .iter()
                    .zip(&turn[1..])
                    .take_while(|(a, b)| a == b)
                    .count();
                header..turn.len() - 1
            }
            LossOn::Answer => 0..0,
        };
        let labels = turn.iter().enumerate().map(|(at, id)| {
            if labelled.contains(&at) {
                i64::from(*id)
            } else {
                IGNORE
            }
        });
        out.labels.extend(labels);
        Ok(())
    }

    /// Coordinate slots of the placeholders among `ids`, with their numbers.
    fn coordinates(
        &self,
        ids: &[u32],
        variables: &Variables,
        numbers: Numbers,
    ) -> Result<Vec<CoordinateSlot>, InputError> {
        let mut used: HashMap<(Axis, Side), usize> = HashMap::new();
        let mut places = Vec::new();
        for (position, id) in ids.iter().enumerate() {
            if let Some(&(axis, side)) = self.placeholders.get(id) {
                let next = used.entry((axis, side)).or_default();
                places.push((position, axis, side, *next));
                *next += 1;
            }
        }
        for axis in Axis::ALL {
            for side in Side::ALL {
                let found = used.get(&(axis, side)).copied().unwrap_or(0);
                let given = variables.get(axis, side).len();
                if found > given || (numbers == Numbers::All && found != given) {
                    let (placeholder, list) = (axis.placeholder(side), Variables::name(axis, side));
                    return Err(InputError::Coordinates {
                        placeholder,
                        found,
                        given,
                        list,
                    });
                }
            }
        }
        places
            .into_iter()
            .map(|(position, axis, side, index)| {
                let value = variables.get(axis, side)[index];
                let list = Variables::name(axis, side);
                let slot = CoordinateSlot {
                    position,
                    axis,
                    side,
                    value,
                };
                if value.is_finite() {
                    Ok(slot)
                } else {
                    Err(InputError::NotFinite { list, index, value })
                }
            })
            .collect()
    }
}

/// How many of a record's numbers have to be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Every one.
    All,
    /// The first ones, since a prompt is the beginning of a conversation.
    First,
}

/// What a turn shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Image,
    Video,
}

impl Marker {
    const fn text(self) -> &'static str {
        match self {
            Self::Image => IMAGE,
            Self::Video => VIDEO,
        }
    }

    /// The marker of a turn: `<video>` beside `<image>` is plain text.
    fn find(text: &str) -> Option<Self> {
        [Self::Image, Self::Video]
            .into_iter()
            .find(|marker| text.contains(marker.text()))
    }
}

/// Splits a turn at its markers: between two pieces stands one marker.
///
/// One marker that is not at the very start is moved there, followed by a newline, and the rest is stripped; two or
/// more stay where they are.
fn split_turn(text: &str) -> (Marker, Vec<Cow<'_, str>>) {
    let Some(marker) = Marker::find(text) else {
        return (Marker::Image, vec![Cow::Borrowed(text)]);
    };
    let moved = text.matches(marker.text()).count() == 1 && !text.starts_with(marker.text());
    let mut pieces: Vec<Cow<'_, str>> = if moved {
        let rest = text.replace(marker.text(), "");
        let rest = strip(&rest);
        vec![
            Cow::Borrowed(""),
            Cow::Owned(if rest.is_empty() {
                String::new()
            } else {
                format!("\n{rest}")
            }),
        ]
    } else {
        text.split(marker.text()).map(Cow::Borrowed).collect()
    };
    if marker == Marker::Image {
        for piece in pieces.iter_mut().filter(|piece| piece.contains(NOISE)) {
            *piece = Cow::Owned(piece.replace(NOISE, ""));
        }
    }
    (marker, pieces)
}

/// Python's `str.strip`, which also takes the four information separators for spaces.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// What a conversation calls the one who speaks: `user` and `assistant` for the records' `human` and `gpt`.
#[must_use]
pub fn role_name(from: &str) -> &str {
    match from {
        "human" => "user",
        "gpt" => "assistant",
        other => other,
    }
}

/// All turns, but for a first one that is an answer.
fn skip_answer<'a, 'b>(turns: &'a [ChatTurn<'b>]) -> &'a [ChatTurn<'b>] {
    match turns {
        [first, rest @ ..] if first.from == "gpt" => rest,
        all => all,
    }
}

fn push_slot(out: &mut EncodedRecord, slot: SlotTokens) {
    let start = out.ids.len();
    out.visual.push(VisualSlot {
        start,
        len: slot.tokens,
        stream: slot.stream,
    });
    out.ids.push(slot.start);
    out.ids
        .extend(std::iter::repeat_n(slot.patch, slot.tokens - 2));
    out.ids.push(slot.end);
}

/// Checks that the numbered tokens stand where the model has their rows.
fn check_numbered(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<(), InputError> {
    for axis in Axis::ALL {
        let bins = config.coordinates.bins(axis);
        for bin in [0, bins.saturating_sub(1)] {
            let token = numbered(axis, bin);
            let expected = config.first_id(axis) + bin;
            match tokenizer.id(&token) {
                Some(id) if id as usize != expected => {
                    return Err(InputError::Vocabulary {
                        token,
                        id,
                        expected,
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Checks that the turns show the media exactly once.
fn check_markers(media: &Media, turns: &[ChatTurn<'_>]) -> Result<(), InputError> {
    let expected = match media {
        Media::Image(_) => Marker::Image,
        Media::Video(_) => Marker::Video,
    };
    let mut count = 0;
    for (number, turn) in turns.iter().enumerate() {
        match Marker::find(turn.value) {
            Some(marker) if marker != expected => {
                return Err(InputError::OtherMarker {
                    turn: number,
                    marker: marker.text(),
                });
            }
            Some(marker) => count += turn.value.matches(marker.text()).count(),
            None => {}
        }
    }
    let marker = expected.text();
    match count {
        0 => Err(InputError::NoMarker { marker }),
        1 => Ok(()),
        count => Err(InputError::ManyMarkers { marker, count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        split_turn(text)
            .1
            .into_iter()
            .map(Cow::into_owned)
            .collect()
    }

    #[test]
    fn a_single_marker_moves_to_the_front() {
        assert_eq!(pieces("Look at <video> now. "), ["", "\nLook at  now."]);
        assert_eq!(pieces("\u{1c}<image>\u{1c}"), ["", ""]);
        assert_eq!(pieces("<image>\n what "), ["", "\n what "]);
        assert_eq!(pieces("<video> and <video>"), ["", " and ", ""]);
        assert_eq!(pieces("<image> with <video>"), ["", " with <video>"]);
        assert_eq!(
            pieces("a QA_GT_caption_based_noisy"),
            ["a QA_GT_caption_based_noisy"]
        );
        assert_eq!(pieces("<image>a QA_GT_caption_based_noisy"), ["", "a "]);
    }

    fn encoder() -> (InputEncoder, ModelConfig) {
        let tokenizer = Tokenizer::train_bpe(std::iter::empty(), 273).unwrap();
        let mut config = ModelConfig::published_7b();
        config.text.vocab_size = tokenizer.vocabulary();
        (InputEncoder::new(tokenizer, &config).unwrap(), config)
    }

    fn record(question: &str, answer: &str) -> Record {
        let turns = vec![Turn::human(question), Turn::gpt(answer)];
        Record::new(
            "a",
            Media::Video("v.mp4".into()),
            turns,
            Variables::default(),
        )
    }

    #[test]
    fn coordinates_are_taken_in_order() {
        let (encoder, config) = encoder();
        let mut record = record(
            "<video>\nIn {<TEMP-INPUT><TEMP-INPUT>}?",
            "At <WIDTH-OUTPUT><TEMP-OUTPUT>.",
        );
        record
            .variables
            .get_mut(Axis::Temporal, Side::Input)
            .extend([0.1, 0.2]);
        record
            .variables
            .get_mut(Axis::Temporal, Side::Output)
            .push(0.3);
        record
            .variables
            .get_mut(Axis::Width, Side::Output)
            .push(0.4);
        let found = encoder.encode_train(&record).unwrap();
        let values: Vec<f64> = found.coordinates.iter().map(|slot| slot.value).collect();
        assert_eq!(values, [0.1, 0.2, 0.4, 0.3]);
        let (fast, slow) = config.video_tokens();
        assert_eq!(
            found.visual.iter().map(|slot| slot.len).collect::<Vec<_>>(),
            [fast, slow]
        );
        assert_eq!(found.visual[0].start + fast, found.visual[1].start);
        let prompt = encoder.encode_prompt(&record).unwrap();
        assert_eq!(prompt.coordinates, found.coordinates[..2]);
        assert_eq!(prompt.ids, found.ids[..prompt.ids.len()]);

        record
            .variables
            .get_mut(Axis::Width, Side::Output)
            .push(0.5);
        let error = encoder.encode_train(&record).unwrap_err();
        assert!(
            matches!(
                error,
                InputError::Coordinates {
                    found: 1,
                    given: 2,
                    ..
                }
            ),
            "{error}"
        );
        record.variables.get_mut(Axis::Temporal, Side::Input).pop();
        assert!(encoder.encode_prompt(&record).is_err());
    }

    #[test]
    fn answer_labels_are_answer_and_end() {
        let (encoder, _) = encoder();
        let encoder = encoder.with_options(InputOptions {
            loss_on: LossOn::Answer,
            ..InputOptions::default()
        });
        let found = encoder
            .encode_train(&record("<video>\nq\n", "yes"))
            .unwrap();
        let labelled: Vec<u32> = found
            .labels
            .iter()
            .filter_map(|label| u32::try_from(*label).ok())
            .collect();
        assert_eq!(
            encoder.tokenizer().decode(&labelled, false).unwrap(),
            "yes<|im_end|>"
        );
    }

    #[test]
    fn wrong_markers_are_refused() {
        let (encoder, _) = encoder();
        let refused = |question| encoder.encode_train(&record(question, "a")).unwrap_err();
        assert!(matches!(refused("no marker"), InputError::NoMarker { .. }));
        assert!(matches!(
            refused("<image>\nq"),
            InputError::OtherMarker { turn: 0, .. }
        ));
        assert!(matches!(
            refused("<video> <video>"),
            InputError::ManyMarkers { count: 2, .. }
        ));
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        let tokenizer = Tokenizer::train_bpe(std::iter::empty(), 273).unwrap();
        let error = InputEncoder::new(tokenizer, &ModelConfig::published_7b()).unwrap_err();
        assert!(
            matches!(
                error,
                InputError::Vocabulary {
                    id: 273,
                    expected: 151_660,
                    ..
                }
            ),
            "{error}"
        );
    }
}
