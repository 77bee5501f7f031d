//! One turn of a conversation.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Side;
use crate::layout::{EXTRA, Extra, Key, KeySeed, Layout, Text, note, read_extra};

/// Who speaks.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user.
    Human,
    /// The model.
    Gpt,
    /// Instructions before the conversation.
    System,
}

impl Role {
    /// The side that this turn's placeholders must name: input for a human turn, output for any other.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Human => Side::Input,
            Self::Gpt | Self::System => Side::Output,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Gpt => "gpt",
            Self::System => "system",
        }
    }
}

const FROM: u8 = 1;
const VALUE: u8 = 2;
const NAMES: [&str; 2] = ["from", "value"];

/// One turn: who speaks and what is said, with bare placeholders such as `<TEMP-OUTPUT>` for coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub from: Role,
    /// What is said.
    pub value: String,
    /// Fields that this crate does not know, kept for writing back.
    pub extra: Extra,
    layout: Layout,
}

impl Turn {
    /// A turn without further fields.
    #[must_use]
    pub fn new(from: Role, value: impl Into<String>) -> Self {
        Self {
            from,
            value: value.into(),
            extra: Extra::new(),
            layout: Layout::of(&[FROM, VALUE]),
        }
    }

    /// The same turn with other words.
    #[must_use]
    pub fn with_value(&self, value: String) -> Self {
        Self {
            from: self.from,
            value,
            extra: self.extra.clone(),
            layout: self.layout,
        }
    }

    /// A human turn.
    #[must_use]
    pub fn human(value: impl Into<String>) -> Self {
        Self::new(Role::Human, value)
    }

    /// A model turn.
    #[must_use]
    pub fn gpt(value: impl Into<String>) -> Self {
        Self::new(Role::Gpt, value)
    }
}

impl Serialize for Turn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.extra.len()))?;
        let mut extra = self.extra.iter();
        for code in self.layout.iter() {
            match code {
                FROM => map.serialize_entry("from", &self.from)?,
                VALUE => map.serialize_entry("value", &self.value)?,
                EXTRA => {
                    if let Some((name, value)) = extra.next() {
                        map.serialize_entry(name, value)?;
                    }
                }
                _ => {}
            }
        }
        if !self.layout.contains(FROM) {
            map.serialize_entry("from", &self.from)?;
        }
        if !self.layout.contains(VALUE) {
            map.serialize_entry("value", &self.value)?;
        }
        for (name, value) in extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn code_of(name: &str) -> Option<u8> {
    match name {
        "from" => Some(FROM),
        "value" => Some(VALUE),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Turn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TurnVisitor)
    }
}

struct TurnVisitor;

impl<'de> Visitor<'de> for TurnVisitor {
    type Value = Turn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a turn with `from` and `value`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Turn, A::Error> {
        let mut layout = Layout::of(&[]);
        let (mut from, mut value, mut extra) = (None, None, Extra::new());
        while let Some(key) = map.next_key_seed(KeySeed(code_of))? {
            match key {
                Key::Known(code) => {
                    note(&mut layout, code, NAMES[usize::from(code) - 1])?;
                    if code == FROM {
                        from = Some(map.next_value()?);
                    } else {
                        value = map.next_value_seed(Text("`value` to be a string"))?;
                    }
                }
                Key::Other(name) => read_extra(&mut map, &mut layout, &mut extra, name)?,
            }
        }
        let from = from.ok_or_else(|| de::Error::missing_field("from"))?;
        let value =
            value.ok_or_else(|| de::Error::custom("a turn's `value` is missing or null"))?;
        Ok(Turn {
            from,
            value,
            extra,
            layout,
        })
    }
}

impl schemars::JsonSchema for Turn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Turn".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let role = generator.subschema_for::<Role>();
        schemars::json_schema!({
            "type": "object",
            "description": "Who speaks, and what, with bare placeholders such as <TEMP-OUTPUT> for coordinates.",
            "properties": { "from": role, "value": { "type": "string" } },
            "required": ["from", "value"]
        })
    }
}
