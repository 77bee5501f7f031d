//! The numbers beside a conversation's placeholders.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::layout::{EXTRA, Extra, Key, KeySeed, Layout, note, read_extra};
use crate::{Axis, Side};

/// Six lists of fractions, one for each axis and side, in order of the placeholders' appearance over all turns.
///
/// In JSON the lists are `temporal_input_locations`, `temporal_output_locations`, `spatial_height_input_locations` and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct Variables {
    lists: [Vec<f64>; 6],
    /// Fields that this crate does not know, kept for writing back.
    pub extra: Extra,
    layout: Layout,
}

const fn slot(axis: Axis, side: Side) -> usize {
    axis as usize * 2 + side as usize
}

const NAMES: [&str; 6] = [
    "temporal_input_locations",
    "temporal_output_locations",
    "spatial_height_input_locations",
    "spatial_height_output_locations",
    "spatial_width_input_locations",
    "spatial_width_output_locations",
];

impl Default for Variables {
    fn default() -> Self {
        Self {
            lists: Default::default(),
            extra: Extra::new(),
            layout: Layout::of(&[1, 2, 3, 4, 5, 6]),
        }
    }
}

impl Variables {
    /// The numbers of one axis and side, in order of appearance.
    #[must_use]
    pub fn get(&self, axis: Axis, side: Side) -> &[f64] {
        &self.lists[slot(axis, side)]
    }

    /// The same, to change.
    pub fn get_mut(&mut self, axis: Axis, side: Side) -> &mut Vec<f64> {
        &mut self.lists[slot(axis, side)]
    }

    /// Every axis and side with its numbers, in the order of the released JSON.
    pub fn iter(&self) -> impl Iterator<Item = (Axis, Side, &[f64])> {
        Axis::ALL.into_iter().flat_map(move |axis| {
            Side::ALL
                .into_iter()
                .map(move |side| (axis, side, self.get(axis, side)))
        })
    }

    /// The name that a list has in JSON.
    #[must_use]
    pub const fn name(axis: Axis, side: Side) -> &'static str {
        NAMES[slot(axis, side)]
    }

    /// The lists that the JSON lacked; the reference's loader needs all six.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        NAMES
            .into_iter()
            .zip(1..)
            .filter_map(move |(name, code)| (!self.layout.contains(code)).then_some(name))
    }

    /// Writes every list from now on, also those that the JSON lacked.
    pub fn complete(&mut self) {
        for code in 1..=6 {
            if !self.layout.contains(code) {
                self.layout.push(code);
            }
        }
    }

    /// Whether there is no number at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }
}

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut extra = self.extra.iter();
        for code in self.layout.iter() {
            if code == EXTRA {
                if let Some((name, value)) = extra.next() {
                    map.serialize_entry(name, value)?;
                }
            } else {
                let slot = usize::from(code) - 1;
                map.serialize_entry(NAMES[slot], &self.lists[slot])?;
            }
        }
        for (slot, list) in self.lists.iter().enumerate() {
            let present = self.layout.iter().any(|code| usize::from(code) == slot + 1);
            if !present && !list.is_empty() {
                map.serialize_entry(NAMES[slot], list)?;
            }
        }
        for (name, value) in extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn code_of(name: &str) -> Option<u8> {
    NAMES
        .iter()
        .zip(1..)
        .find_map(|(known, code)| (*known == name).then_some(code))
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(VariablesVisitor)
    }
}

struct VariablesVisitor;

impl<'de> Visitor<'de> for VariablesVisitor {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`variables` to be an object of number lists")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
        let mut variables = Variables {
            layout: Layout::of(&[]),
            ..Variables::default()
        };
        let mut numbers = Vec::with_capacity(USUAL_NUMBERS);
        while let Some(key) = map.next_key_seed(KeySeed(code_of))? {
            match key {
                Key::Known(code) => {
                    let slot = usize::from(code) - 1;
                    note(&mut variables.layout, code, NAMES[slot])?;
                    numbers.clear();
                    map.next_value_seed(Numbers(&mut numbers))?;
                    variables.lists[slot] = numbers.as_slice().to_vec();
                }
                Key::Other(name) => {
                    read_extra(&mut map, &mut variables.layout, &mut variables.extra, name)?;
                }
            }
        }
        Ok(variables)
    }
}

/// Numbers that most lists do not exceed.
const USUAL_NUMBERS: usize = 32;

/// Appends a list's numbers to a buffer, so that one record's lists share its growth.
struct Numbers<'a>(&'a mut Vec<f64>);

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Numbers<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(number) = list.next_element()? {
            self.0.push(number);
        }
        Ok(())
    }
}

impl schemars::JsonSchema for Variables {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let list = serde_json::json!({ "type": "array", "items": { "type": "number" } });
        let lists: Extra = NAMES
            .iter()
            .map(|name| ((*name).to_owned(), list.clone()))
            .collect();
        schemars::json_schema!({
            "type": "object",
            "description": "The placeholders' numbers, a list for each axis and side, in order of appearance.",
            "properties": lists
        })
    }
}
