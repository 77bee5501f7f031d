//! One line of a result file as `steval predict` writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Number, Value};
use st_schema::Variables;

/// One record's question, truth and answer, in the original's fields and order, with ours behind them. What a task does not have
/// is left out, and so is the whole question where the annotation cannot be read.
///
/// [`Prediction`](crate::Prediction) is what is read back, from either program.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResultLine {
    /// What kind of file it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// REC: the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_path: Option<String>,
    /// The other tasks: the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_path: Option<String>,
    /// REC: what the question names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// TVG: what the question describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The question's words, coordinates as placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The question as a conversation whose answer is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversations: Option<[ResultTurn; 2]>,
    /// REC: the image's name in the benchmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// TVG: the video's name in the benchmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// REC's truth: `x1, y1, x2, y2` as fractions; `null` where the benchmark has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt_bbox: Option<Option<[Number; 4]>>,
    /// The truth of the video tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<ResultTruth>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<Number>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<Number>,
    /// How many frames the model sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_num: Option<usize>,
    /// First and last frame of the clip, both inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<[u64; 2]>,
    /// The numbers of the question's placeholders, by axis and side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Variables>,
    /// The model's text with coordinate tokens; empty where there is an `error`.
    pub outputs: String,
    /// The same text with numbers for tokens.
    pub converted_outputs: String,
    /// The record's place in the benchmark's file, from 0.
    pub index: usize,
    /// REC: the other things in the picture that could have been meant, `x1, y1, x2, y2` as fractions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub other_boxes: Vec<[f64; 4]>,
    /// Whether the decoding allowed only well-formed coordinates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub constrained: bool,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Kind of a record's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// One picture.
    Image,
    /// Frames of a video.
    Video,
}

/// One turn of the question.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResultTurn {
    /// `human` or `gpt`.
    pub from: String,
    /// Its text; `null` for the answer that is asked for.
    pub value: Option<String>,
}

/// The truth of a video record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ResultTruth {
    /// TVG: start and end as fractions of the video; `null` where the benchmark has none.
    Span(Option<[f64; 2]>),
    /// STVG, SVG, ELC.
    Tube {
        /// First and last frame, both inclusive.
        #[serde(skip_serializing_if = "Option::is_none")]
        tvg: Option<[Number; 2]>,
        /// Boxes in pixels, `x1, y1, x2, y2`, by frame number.
        #[schemars(with = "BTreeMap<String, [f64; 4]>")]
        svg: Map<String, Value>,
        /// ELC's caption.
        #[serde(skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
}
