//! The order of an object's fields, so that what is read can be written back unchanged.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Fields that a type does not know, in the order they were read.
pub(crate) type Extra = serde_json::Map<String, Value>;

/// The code of a field that the type does not know; codes 1 to 14 belong to the type.
pub(crate) const EXTRA: u8 = 15;

/// Up to 32 field codes of four bits each. Fields beyond the 32nd are written last.
///
/// The order of a JSON object carries no meaning, so layouts never make two values differ.
#[derive(Clone, Copy)]
pub(crate) struct Layout(u128);

impl Layout {
    pub(crate) const fn of(codes: &[u8]) -> Self {
        let mut bits = 0;
        let mut index = codes.len();
        while index > 0 {
            index -= 1;
            bits = (bits << 4) | codes[index] as u128;
        }
        Self(bits)
    }

    pub(crate) fn push(&mut self, code: u8) {
        let used = (128 - self.0.leading_zeros()).div_ceil(4);
        if used < 32 {
            self.0 |= u128::from(code) << (used * 4);
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let code = (bits & 15) as u8;
            bits >>= 4;
            (code != 0).then_some(code)
        })
    }

    pub(crate) fn contains(self, code: u8) -> bool {
        self.iter().any(|present| present == code)
    }
}

impl PartialEq for Layout {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A field's name: one of the type's own, or something to carry along.
pub(crate) enum Key {
    Known(u8),
    Other(String),
}

/// Reads a field's name without allocating for the type's own ones.
pub(crate) struct KeySeed(pub(crate) fn(&str) -> Option<u8>);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok((self.0)(name).map_or_else(|| Key::Other(name.to_owned()), Key::Known))
    }
}

/// Records that a field was seen.
///
/// # Errors
/// When it was seen before: two values for one name cannot both be kept.
pub(crate) fn note<E: de::Error>(layout: &mut Layout, code: u8, name: &str) -> Result<(), E> {
    if layout.contains(code) {
        return Err(duplicate(name));
    }
    layout.push(code);
    Ok(())
}

/// Reads an unknown field into `extra`.
///
/// # Errors
/// When the value is not JSON or the name was seen before.
pub(crate) fn read_extra<'de, A: MapAccess<'de>>(
    map: &mut A,
    layout: &mut Layout,
    extra: &mut Extra,
    name: String,
) -> Result<(), A::Error> {
    let value = map.next_value()?;
    keep_extra(layout, extra, name, value)
}

/// Puts a field that the type does not take into `extra`.
///
/// # Errors
/// When the name was seen before.
pub(crate) fn keep_extra<E: de::Error>(
    layout: &mut Layout,
    extra: &mut Extra,
    name: String,
    value: Value,
) -> Result<(), E> {
    if extra.contains_key(&name) {
        return Err(duplicate(&name));
    }
    layout.push(EXTRA);
    extra.insert(name, value);
    Ok(())
}

pub(crate) fn duplicate<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("duplicate field `{name}`"))
}

/// A string, or null; the text says in errors what the field should hold.
pub(crate) struct Text(pub(crate) &'static str);

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Text {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Option<String>, E> {
        Ok(Some(text))
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }
}

/// A whole number of at least zero, also when written as `12.0`.
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of at least 0")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Whole, E> {
        Ok(Whole(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Whole, E> {
        u64::try_from(value)
            .map(Whole)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Whole, E> {
        if (0.0..9e15).contains(&value) && value.fract() == 0.0 {
            Ok(Whole(value as u64))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }
}
