//! One training or evaluation example.

use std::fmt;
use std::ops::Deref;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::layout::{EXTRA, Extra, Key, KeySeed, Layout, Text, keep_extra, note, read_extra};
use crate::{Meta, Task, Turn, Variables};

/// A record's name; a string, or a whole number in some released files, written back as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id {
    text: String,
    number: bool,
}

impl Id {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self {
            text,
            number: false,
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (
            self.number,
            self.text.parse::<i64>(),
            self.text.parse::<u64>(),
        ) {
            (true, Ok(number), _) => serializer.serialize_i64(number),
            (true, _, Ok(number)) => serializer.serialize_u64(number),
            _ => serializer.serialize_str(&self.text),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`id` to be a string or a whole number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Id, E> {
        Ok(Id::from(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
        Ok(Id {
            text: number.to_string(),
            number: true,
        })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
        Ok(Id {
            text: number.to_string(),
            number: true,
        })
    }
}

/// The one media item of a record, by its path under the dataset's `data_folder`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Media {
    /// A picture: a clip of one frame.
    Image(String),
    /// A video file.
    Video(String),
}

impl Media {
    /// The path as the record spells it.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Image(path) | Self::Video(path) => path,
        }
    }

    /// The field's name in JSON, `image` or `video`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Video(_) => "video",
        }
    }

    /// What stands for the media in the first human turn, `<image>` or `<video>`.
    #[must_use]
    pub const fn placeholder(&self) -> &'static str {
        match self {
            Self::Image(_) => "<image>",
            Self::Video(_) => "<video>",
        }
    }
}

const ID: u8 = 1;
const SOURCE: u8 = 2;
const TASK: u8 = 3;
const TYPE: u8 = 4;
const IMAGE: u8 = 5;
const VIDEO: u8 = 6;
const META: u8 = 7;
const CONVERSATIONS: u8 = 8;
const VARIABLES: u8 = 9;
const NAMES: [&str; 9] = [
    "id",
    "source",
    "task",
    "type",
    "image",
    "video",
    "meta",
    "conversations",
    "variables",
];

/// One training or evaluation example: one media item, a conversation, its coordinates.
///
/// Reading a released ST-Align record and writing it gives the same fields, in the same order, with unknown ones kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The record's name; empty when the file gives none.
    pub id: Id,
    /// The dataset it comes from.
    pub source: Option<String>,
    /// What it teaches; `type` in the released files, `task` in ours. An unknown word stays in `extra`.
    pub task: Option<Task>,
    /// The media file.
    pub media: Media,
    /// The clip's frame range and the file's properties.
    pub meta: Meta,
    /// The turns, with placeholders.
    pub conversations: Vec<Turn>,
    /// The placeholders' numbers.
    pub variables: Variables,
    /// Fields that this crate does not know, kept for writing back.
    pub extra: Extra,
    layout: Layout,
}

impl Record {
    /// A record of the given media and conversation; the other fields are empty, and can be set.
    #[must_use]
    pub fn new(
        id: impl Into<Id>,
        media: Media,
        conversations: Vec<Turn>,
        variables: Variables,
    ) -> Self {
        Self {
            id: id.into(),
            source: None,
            task: None,
            media,
            meta: Meta::default(),
            conversations,
            variables,
            extra: Extra::new(),
            layout: Layout::of(&[ID, SOURCE, TASK, IMAGE, META, CONVERSATIONS, VARIABLES]),
        }
    }

    fn has(&self, code: u8) -> bool {
        match code {
            ID => !self.id.is_empty(),
            SOURCE => self.source.is_some(),
            TASK | TYPE => self.task.is_some(),
            META => !self.meta.is_empty(),
            VARIABLES => !self.variables.is_empty(),
            _ => true,
        }
    }

    /// Writes field `code`; a field that was read is written even when empty, except where it cannot be.
    fn write<M: SerializeMap>(&self, code: u8, map: &mut M) -> Result<(), M::Error> {
        match code {
            ID => map.serialize_entry("id", &self.id),
            SOURCE if self.source.is_some() => map.serialize_entry("source", &self.source),
            TASK if self.task.is_some() => map.serialize_entry("task", &self.task),
            TYPE if self.task.is_some() => map.serialize_entry("type", &self.task),
            IMAGE | VIDEO => map.serialize_entry(self.media.kind(), self.media.path()),
            META => map.serialize_entry("meta", &self.meta),
            CONVERSATIONS => map.serialize_entry("conversations", &self.conversations),
            VARIABLES => map.serialize_entry("variables", &self.variables),
            _ => Ok(()),
        }
    }

    /// Whether an unknown field may be written: a null that was read for a field which has been set since may not.
    fn keeps(&self, name: &str, value: &Value) -> bool {
        !value.is_null() || code_of(name).is_none_or(|code| !self.has(code))
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut extra = self
            .extra
            .iter()
            .filter(|(name, value)| self.keeps(name, value));
        for code in self.layout.iter() {
            if code != EXTRA {
                self.write(code, &mut map)?;
            } else if let Some((name, value)) = extra.next() {
                map.serialize_entry(name, value)?;
            }
        }
        for code in [ID, SOURCE, TASK, IMAGE, META, CONVERSATIONS, VARIABLES] {
            let read = match code {
                TASK => self.layout.contains(TASK) || self.layout.contains(TYPE),
                IMAGE => self.layout.contains(IMAGE) || self.layout.contains(VIDEO),
                _ => self.layout.contains(code),
            };
            if !read && self.has(code) {
                self.write(code, &mut map)?;
            }
        }
        for (name, value) in extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn code_of(name: &str) -> Option<u8> {
    match name {
        "id" => Some(ID),
        "source" => Some(SOURCE),
        "task" => Some(TASK),
        "type" => Some(TYPE),
        "image" => Some(IMAGE),
        "video" => Some(VIDEO),
        "meta" => Some(META),
        "conversations" => Some(CONVERSATIONS),
        "variables" => Some(VARIABLES),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

/// Reads a task without keeping its word; whatever is no task comes back as it is.
struct TaskSeed;

impl<'de> DeserializeSeed<'de> for TaskSeed {
    type Value = Result<Task, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TaskSeed {
    type Value = Result<Task, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok(word.parse().map_err(|_| word.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Err(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Err(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Err(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Err(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(list)).map(Err)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Err)
    }
}

/// A record while its fields arrive.
#[derive(Default)]
struct Parts {
    id: Option<Id>,
    source: Option<String>,
    task: Option<Task>,
    media: Option<Media>,
    meta: Option<Meta>,
    conversations: Option<Vec<Turn>>,
    variables: Option<Variables>,
    extra: Extra,
}

impl Parts {
    /// Reads the value of field `code`; what it does not take comes back, to be carried along.
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        code: u8,
        map: &mut A,
    ) -> Result<Option<Value>, A::Error> {
        match code {
            ID => self.id = map.next_value()?,
            SOURCE => self.source = map.next_value_seed(Text("`source` to be a string"))?,
            TASK | TYPE => {
                return Ok(match map.next_value_seed(TaskSeed)? {
                    Ok(task) if self.task.is_none() => {
                        self.task = Some(task);
                        None
                    }
                    Ok(task) => Some(task.as_str().into()),
                    Err(value) => Some(value),
                });
            }
            IMAGE => {
                let path = map.next_value_seed(Text("`image` to be one path, a string"))?;
                return Ok(self.offer(path, Media::Image));
            }
            VIDEO => {
                let path = map.next_value_seed(Text("`video` to be one path, a string"))?;
                return Ok(self.offer(path, Media::Video));
            }
            META => self.meta = map.next_value()?,
            CONVERSATIONS => self.conversations = Some(map.next_value()?),
            _ => self.variables = map.next_value()?,
        }
        let null = match code {
            ID => self.id.is_none(),
            SOURCE => self.source.is_none(),
            META => self.meta.is_none(),
            VARIABLES => self.variables.is_none(),
            _ => false,
        };
        Ok(null.then_some(Value::Null))
    }

    /// Takes the first media path and gives back any other.
    fn offer(&mut self, path: Option<String>, kind: fn(String) -> Media) -> Option<Value> {
        match path {
            None => Some(Value::Null),
            Some(path) if self.media.is_some() => Some(Value::String(path)),
            Some(path) => {
                self.media = Some(kind(path));
                None
            }
        }
    }
}

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut parts = Parts::default();
        let mut layout = Layout::of(&[]);
        while let Some(key) = map.next_key_seed(KeySeed(code_of))? {
            match key {
                Key::Other(name) => read_extra(&mut map, &mut layout, &mut parts.extra, name)?,
                Key::Known(code) => {
                    let name = NAMES[usize::from(code) - 1];
                    if layout.contains(code) || parts.extra.contains_key(name) {
                        return Err(crate::layout::duplicate(name));
                    }
                    match parts.read(code, &mut map)? {
                        Some(value) => {
                            keep_extra(&mut layout, &mut parts.extra, name.to_owned(), value)?;
                        }
                        None => note(&mut layout, code, name)?,
                    }
                }
            }
        }
        Ok(Record {
            id: parts.id.unwrap_or_default(),
            source: parts.source,
            task: parts.task,
            media: parts.media.ok_or_else(|| {
                de::Error::custom("no media: neither `image` nor `video` names a file")
            })?,
            meta: parts.meta.unwrap_or_default(),
            conversations: parts
                .conversations
                .ok_or_else(|| de::Error::missing_field("conversations"))?,
            variables: parts.variables.unwrap_or_default(),
            extra: parts.extra,
            layout,
        })
    }
}

impl schemars::JsonSchema for Record {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Record".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let task = generator.subschema_for::<Task>();
        let turn = generator.subschema_for::<Turn>();
        let meta = generator.subschema_for::<Meta>();
        let variables = generator.subschema_for::<Variables>();
        schemars::json_schema!({
            "type": "object",
            "description": "One training or evaluation example: one media item, a conversation, its coordinates. Unknown fields are kept.",
            "properties": {
                "id": { "type": ["string", "integer"], "description": "The record's name." },
                "source": { "type": ["string", "null"], "description": "The dataset it comes from." },
                "task": { "anyOf": [task, { "type": "string" }, { "type": "null" }], "description": "What it teaches; an unknown word is kept and warned about." },
                "type": { "description": "The released files' name for `task`." },
                "image": { "type": ["string", "null"], "description": "Path of the image under the dataset's data_folder." },
                "video": { "type": ["string", "null"], "description": "Path of the video under the dataset's data_folder." },
                "meta": { "anyOf": [meta, { "type": "null" }] },
                "conversations": { "type": "array", "items": turn },
                "variables": { "anyOf": [variables, { "type": "null" }] }
            },
            "required": ["conversations"],
            "anyOf": [{ "required": ["image"] }, { "required": ["video"] }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and writes; the text must not change.
    fn unchanged(json: &str) {
        let record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record);
    }

    #[test]
    fn what_is_read_is_written_back() {
        unchanged(
            r#"{"type":"stvg","id":"9_0","video":"0099/9.mp4","meta":{"split":[0,11]},"conversations":[{"from":"human","value":"<video>\nWhen? "},{"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>}"}],"variables":{"temporal_input_locations":[],"temporal_output_locations":[0.364,0.727],"spatial_height_input_locations":[],"spatial_height_output_locations":[],"spatial_width_input_locations":[],"spatial_width_output_locations":[]}}"#,
        );
    }

    #[test]
    fn odd_fields_survive_in_place() {
        unchanged(
            r#"{"x":{"a":[1,2.5,null]},"id":12,"image":"i.jpg","task":"no such task","y":1,"source":null,"meta":{"b":1,"frames":3,"a":2,"split":[0,2]},"conversations":[{"value":"v","weight":0,"from":"human"}],"z":"é\n","variables":{"spatial_width_output_locations":[0.5],"other":[]}}"#,
        );
        unchanged(
            r#"{"image":"i.jpg","video":"v.mp4","type":"rec","task":"rec","variables":null,"conversations":[]}"#,
        );
        unchanged(r#"{"conversations":[],"image":"i.jpg","meta":{},"variables":{}}"#);
        for task in ["null", "true", "-1", "7", "0.5", "[\"rec\"]", "{\"a\":1}"] {
            unchanged(&format!(
                r#"{{"task":{task},"image":"i.jpg","conversations":[]}}"#
            ));
        }
    }

    #[test]
    fn many_unknown_fields_survive() {
        let fields: Vec<String> = (0..60).map(|i| format!(r#""k{i}":{i}"#)).collect();
        let json = format!(
            r#"{{{},"id":"a","image":"i","conversations":[]}}"#,
            fields.join(",")
        );
        let record: Record = serde_json::from_str(&json).unwrap();
        let again: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(record, again);
        assert_eq!(again.extra.len(), 60);
    }

    #[test]
    fn a_field_set_later_is_written() {
        let mut record: Record = serde_json::from_str(
            r#"{"id":"a","image":"i","task":null,"source":null,"conversations":[]}"#,
        )
        .unwrap();
        record.task = Some(Task::Rec);
        record.source = Some("s".into());
        record.meta.width = Some(3);
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(
            (&json["task"], &json["source"], &json["meta"]["width"]),
            (&"rec".into(), &"s".into(), &3.into())
        );
    }

    #[test]
    fn faults_are_named() {
        for (json, expected) in [
            (r#"{"id":"a","conversations":[]}"#, "no media"),
            (
                r#"{"id":"a","image":["b"],"conversations":[]}"#,
                "`image` to be one path",
            ),
            (
                r#"{"id":"a","image":"b","id":"c","conversations":[]}"#,
                "duplicate field `id`",
            ),
            (
                r#"{"id":"a","image":"b","source":null,"source":"c","conversations":[]}"#,
                "duplicate field `source`",
            ),
            (
                r#"{"id":"a","image":"b","q":1,"q":2,"conversations":[]}"#,
                "duplicate field `q`",
            ),
            (r#"{"id":"a","image":"b"}"#, "missing field `conversations`"),
            (
                r#"{"id":"a","image":"b","conversations":[{"from":"human","value":null}]}"#,
                "`value` is missing or null",
            ),
            (
                r#"{"id":"a","image":"b","conversations":[{"from":"user","value":""}]}"#,
                "unknown variant `user`",
            ),
            (
                r#"{"id":"a","image":"b","meta":{"split":[-1,5]},"conversations":[]}"#,
                "whole number",
            ),
            (r#"{"id":[],"image":"b","conversations":[]}"#, "`id` to be"),
        ] {
            let error = serde_json::from_str::<Record>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
