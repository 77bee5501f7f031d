//! JSON that is no plain list: objects of items, lists inside objects, whole documents.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Gone, Out};
use crate::read;
use crate::source::item::Payload;

/// A whole document.
pub(super) fn document(bytes: &[u8]) -> Result<Value, String> {
    // A byte order mark is no reason to refuse a document.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| read::fault(bytes, &error).to_string())
}

/// The items of the array or object that `at` leads to, one by one.
pub(super) fn inside(
    source: Box<dyn Read + Send>,
    at: &[&str],
    out: &mut Out,
) -> Result<(), String> {
    let mut reader = BufReader::with_capacity(1 << 18, source);
    if skip_mark(&mut reader).map_err(|error| error.to_string())? {
        return Ok(());
    }
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut found = false;
    let seed = Inside {
        at,
        out,
        found: &mut found,
    };
    let read = seed
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match read {
        Ok(()) if !found => Err(format!("no `{}` in the file", at.join("."))),
        Ok(()) => Ok(()),
        Err(_) if out.gone => Ok(()),
        Err(error) => Err(format!("not JSON as expected: {error}")),
    }
}

/// Passes over a byte order mark and white space; true when nothing else is there.
fn skip_mark(reader: &mut BufReader<Box<dyn Read + Send>>) -> std::io::Result<bool> {
    use std::io::BufRead as _;
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        let blank = buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let stop = blank < buffer.len();
        reader.consume(blank);
        if stop {
            return Ok(false);
        }
    }
}

/// Walks to the place and hands out what is there.
struct Inside<'a> {
    at: &'a [&'a str],
    out: &'a mut Out,
    found: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Inside<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn stop<E: serde::de::Error>(_: Gone) -> E {
    E::custom("stopped")
}

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of items")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, rest)) = self.at.split_first() else {
            *self.found = true;
            while let Some(key) = map.next_key::<String>()? {
                let value: Value = map.next_value()?;
                self.out
                    .push(Some(key), Payload::Value(value))
                    .map_err(stop)?;
            }
            return Ok(());
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *name && !*self.found {
                map.next_value_seed(Inside {
                    at: rest,
                    out: &mut *self.out,
                    found: &mut *self.found,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        if !self.at.is_empty() {
            return Err(serde::de::Error::custom(
                "an array where an object should be",
            ));
        }
        *self.found = true;
        while let Some(value) = sequence.next_element::<Value>()? {
            self.out.push(None, Payload::Value(value)).map_err(stop)?;
        }
        Ok(())
    }
}
