//! One line of a result file, in the original's fields.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What was predicted for one record, as the original's inference writes it and this project's `steval predict` too.
///
/// A field that is absent is `None`, one that is `null` is `Some(None)`: the original stops on either, with different
/// exceptions. Fields that no score needs are not kept. Texts are borrowed from the line where they can be: copying them is
/// most of the work of reading a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Prediction<'a> {
    /// The model's text with coordinate tokens.
    #[serde(borrow, deserialize_with = "present")]
    pub outputs: Option<Option<Text<'a>>>,
    /// The same text with numbers for tokens.
    #[serde(borrow, deserialize_with = "present")]
    pub converted_outputs: Option<Option<Text<'a>>>,
    /// REC truth: `x1, y1, x2, y2` as fractions.
    #[serde(deserialize_with = "present")]
    pub gt_bbox: Option<Option<Vec<f64>>>,
    /// The truth of the video tasks.
    #[serde(deserialize_with = "present")]
    pub gt: Option<Option<VideoTruth>>,
    /// First and last frame of the clip, both inclusive.
    #[serde(deserialize_with = "present")]
    pub split: Option<Option<[i64; 2]>>,
    /// Pixels.
    #[serde(deserialize_with = "present")]
    pub width: Option<Option<f64>>,
    /// Pixels.
    #[serde(deserialize_with = "present")]
    pub height: Option<Option<f64>>,
    /// How many frames the model saw.
    pub frame_num: Option<u64>,
    /// `rec`: the image; the video tasks have [`Prediction::video_path`].
    #[serde(borrow)]
    pub image_path: Option<Text<'a>>,
    /// The video.
    #[serde(borrow)]
    pub video_path: Option<Text<'a>>,
    /// The question.
    #[serde(borrow)]
    pub prompt: Option<Text<'a>>,
    /// REC: what the question names.
    #[serde(borrow)]
    pub event: Option<Text<'a>>,
    /// TVG: what the question describes.
    #[serde(borrow)]
    pub caption: Option<Text<'a>>,
    /// Why there is no answer: the media could not be read, say. Ours; the original has no such field.
    #[serde(borrow)]
    pub error: Option<Text<'a>>,
    /// The record's place in the benchmark's file, from 0. Ours.
    pub index: Option<u64>,
    /// Whether the decoding allowed only well-formed coordinates. Ours.
    pub constrained: bool,
    /// The numbers in the question: ours and the original's.
    pub variables: InputNumbers,
    /// REC: the other things in the picture that could have been meant, `x1, y1, x2, y2` as fractions. Ours.
    pub other_boxes: Vec<[f64; 4]>,
}

/// A text of a line: a piece of it, or a copy where the line has escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    pub(crate) fn borrowed(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The same, without the line that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// The numbers of a question that a score or a baseline can use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct InputNumbers {
    /// Times, fractions of the clip.
    pub temporal_input_locations: Vec<f64>,
    /// Fractions of the width.
    pub spatial_width_input_locations: Vec<f64>,
    /// Fractions of the height.
    pub spatial_height_input_locations: Vec<f64>,
}

impl<'a> Prediction<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// When the line is not a JSON object of this shape.
    pub fn parse(line: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// Reads one line that may be no text.
    ///
    /// # Errors
    /// When the line is not a JSON object of this shape, or a text in it is not UTF-8.
    pub fn parse_bytes(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The same, without the line that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Prediction<'static> {
        let own = |text: Option<Text<'a>>| text.map(Text::into_owned);
        Prediction {
            outputs: self.outputs.map(own),
            converted_outputs: self.converted_outputs.map(own),
            image_path: own(self.image_path),
            video_path: own(self.video_path),
            prompt: own(self.prompt),
            event: own(self.event),
            caption: own(self.caption),
            error: own(self.error),
            gt_bbox: self.gt_bbox,
            gt: self.gt,
            split: self.split,
            width: self.width,
            height: self.height,
            frame_num: self.frame_num,
            index: self.index,
            constrained: self.constrained,
            variables: self.variables,
            other_boxes: self.other_boxes,
        }
    }

    /// The model's text, empty when there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.outputs
            .as_ref()
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }

    /// The media's path as the file gives it.
    #[must_use]
    pub fn media(&self) -> &str {
        self.video_path
            .as_deref()
            .or(self.image_path.as_deref())
            .unwrap_or_default()
    }
}

#[expect(
    clippy::option_option,
    reason = "absent and null are different things to the original"
)]
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `gt` of a video record.
#[derive(Clone, Debug, PartialEq)]
pub enum VideoTruth {
    /// Charades-STA: start and end as fractions.
    Span(Vec<f64>),
    /// ST-Align: span in frames, boxes by frame, caption.
    Tube {
        /// First and last frame, both inclusive.
        tvg: Option<Vec<f64>>,
        /// Boxes by frame number.
        svg: Option<TruthBoxes>,
        /// ELC's caption.
        caption: Option<String>,
    },
}

/// `gt.svg`: boxes in pixels, `x1, y1, x2, y2`, by frame number.
#[derive(Clone, Debug, PartialEq)]
pub enum TruthBoxes {
    /// As it should be, in file order.
    ByFrame(Vec<(i64, [f64; 4])>),
    /// A bare list, on which the original stops.
    List,
}

impl<'de> Deserialize<'de> for VideoTruth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TruthVisitor;

        impl<'de> Visitor<'de> for TruthVisitor {
            type Value = VideoTruth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span [start, end] or an object with tvg, svg, caption")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<VideoTruth, A::Error> {
                let mut ends = Vec::with_capacity(2);
                while let Some(end) = seq.next_element()? {
                    ends.push(end);
                }
                Ok(VideoTruth::Span(ends))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VideoTruth, A::Error> {
                let (mut tvg, mut svg, mut caption) = (None, None, None);
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match key.as_ref() {
                        "tvg" => tvg = Some(map.next_value()?),
                        "svg" => svg = Some(map.next_value()?),
                        "caption" => caption = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(VideoTruth::Tube { tvg, svg, caption })
            }
        }

        deserializer.deserialize_any(TruthVisitor)
    }
}

impl<'de> Deserialize<'de> for TruthBoxes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoxesVisitor;

        impl<'de> Visitor<'de> for BoxesVisitor {
            type Value = TruthBoxes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of boxes by frame number")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TruthBoxes, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TruthBoxes::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TruthBoxes, A::Error> {
                let mut boxes = Vec::new();
                // A map key of an integer type is read from its text.
                while let Some((frame, corners)) = map.next_entry::<i64, [f64; 4]>()? {
                    boxes.push((frame, corners));
                }
                Ok(TruthBoxes::ByFrame(boxes))
            }
        }

        deserializer.deserialize_any(BoxesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_null_differ() {
        let line = Prediction::parse(
            r#"{"outputs":null,"gt":{"tvg":[1,2],"svg":{"7":[1,2.5,3,4]}},"other":[]}"#,
        )
        .unwrap();
        assert_eq!(line.outputs, Some(None));
        assert_eq!(line.converted_outputs, None);
        let Some(Some(VideoTruth::Tube {
            svg: Some(TruthBoxes::ByFrame(boxes)),
            tvg,
            caption,
        })) = line.gt
        else {
            panic!("a tube")
        };
        assert_eq!(boxes, [(7, [1.0, 2.5, 3.0, 4.0])]);
        assert_eq!((tvg, caption), (Some(vec![1.0, 2.0]), None));
    }

    #[test]
    fn a_span_and_a_bare_list_are_told_apart() {
        let line = Prediction::parse(r#"{"gt":[0.1,0.2]}"#).unwrap();
        assert_eq!(line.gt, Some(Some(VideoTruth::Span(vec![0.1, 0.2]))));
        let line = Prediction::parse(r#"{"gt":{"svg":[1,2,3,4]}}"#).unwrap();
        assert!(matches!(
            line.gt,
            Some(Some(VideoTruth::Tube {
                svg: Some(TruthBoxes::List),
                ..
            }))
        ));
    }
}
