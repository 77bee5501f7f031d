//! What a record says about its media file.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::layout::{EXTRA, Extra, Key, KeySeed, Layout, Whole, note, read_extra};

const SPLIT: u8 = 1;
const WIDTH: u8 = 2;
const HEIGHT: u8 = 3;
const FPS: u8 = 4;
const FRAMES: u8 = 5;
const NAMES: [&str; 5] = ["split", "width", "height", "fps", "frames"];

/// The `meta` object of a record: the clip's frame range and the file's properties, all optional.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// First and last frame of the clip, both inclusive, in presentation order.
    pub split: Option<[u64; 2]>,
    /// Width of the original picture in pixels.
    pub width: Option<u32>,
    /// Height of the original picture in pixels.
    pub height: Option<u32>,
    /// Average frames per second of the file.
    pub fps: Option<f64>,
    /// Frames in the file.
    pub frames: Option<u64>,
    /// Fields that this crate does not know, kept for writing back.
    pub extra: Extra,
    layout: Layout,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            split: None,
            width: None,
            height: None,
            fps: None,
            frames: None,
            extra: Extra::new(),
            layout: Layout::of(&[SPLIT, WIDTH, HEIGHT, FPS, FRAMES]),
        }
    }
}

impl Meta {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (1..=FRAMES).all(|code| !self.has(code)) && self.extra.is_empty()
    }

    fn has(&self, code: u8) -> bool {
        match code {
            SPLIT => self.split.is_some(),
            WIDTH => self.width.is_some(),
            HEIGHT => self.height.is_some(),
            FPS => self.fps.is_some(),
            FRAMES => self.frames.is_some(),
            _ => false,
        }
    }

    fn write<M: SerializeMap>(&self, code: u8, map: &mut M) -> Result<(), M::Error> {
        let name = NAMES[usize::from(code) - 1];
        match code {
            SPLIT => map.serialize_entry(name, &self.split),
            WIDTH => map.serialize_entry(name, &self.width),
            HEIGHT => map.serialize_entry(name, &self.height),
            FPS => map.serialize_entry(name, &self.fps),
            _ => map.serialize_entry(name, &self.frames),
        }
    }
}

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut extra = self.extra.iter();
        for code in self.layout.iter() {
            if code == EXTRA {
                if let Some((name, value)) = extra.next() {
                    map.serialize_entry(name, value)?;
                }
            } else if self.has(code) {
                self.write(code, &mut map)?;
            }
        }
        for code in (1..=FRAMES).filter(|&code| self.has(code) && !self.layout.contains(code)) {
            self.write(code, &mut map)?;
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

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetaVisitor)
    }
}

struct MetaVisitor;

impl<'de> Visitor<'de> for MetaVisitor {
    type Value = Meta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`meta` to be an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Meta, A::Error> {
        let mut meta = Meta {
            layout: Layout::of(&[]),
            ..Meta::default()
        };
        while let Some(key) = map.next_key_seed(KeySeed(code_of))? {
            let code = match key {
                Key::Known(code) => code,
                Key::Other(name) => {
                    read_extra(&mut map, &mut meta.layout, &mut meta.extra, name)?;
                    continue;
                }
            };
            note(&mut meta.layout, code, NAMES[usize::from(code) - 1])?;
            let known = match code {
                SPLIT => {
                    let split: Option<[Whole; 2]> = map.next_value()?;
                    meta.split = split.map(|ends| ends.map(|end| end.0));
                    meta.split.is_some()
                }
                WIDTH => read_size(&mut map, &mut meta.width)?,
                HEIGHT => read_size(&mut map, &mut meta.height)?,
                FPS => {
                    meta.fps = map.next_value()?;
                    meta.fps.is_some()
                }
                _ => {
                    meta.frames = map.next_value::<Option<Whole>>()?.map(|frames| frames.0);
                    meta.frames.is_some()
                }
            };
            if !known {
                // A null says nothing but must be written back; it keeps its place at the end.
                meta.extra
                    .insert(NAMES[usize::from(code) - 1].to_owned(), Value::Null);
            }
        }
        Ok(meta)
    }
}

fn read_size<'de, A: MapAccess<'de>>(
    map: &mut A,
    size: &mut Option<u32>,
) -> Result<bool, A::Error> {
    let Some(Whole(value)) = map.next_value()? else {
        return Ok(false);
    };
    *size = Some(
        u32::try_from(value)
            .map_err(|_| de::Error::custom(format_args!("{value} pixels are no picture size")))?,
    );
    Ok(true)
}

impl schemars::JsonSchema for Meta {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Meta".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "The clip's frame range and the file's properties, all optional.",
            "properties": {
                "split": { "type": ["array", "null"], "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2,
                    "description": "First and last frame of the clip, both inclusive, in presentation order." },
                "width": { "type": ["integer", "null"], "minimum": 0, "description": "Width of the original picture in pixels." },
                "height": { "type": ["integer", "null"], "minimum": 0, "description": "Height of the original picture in pixels." },
                "fps": { "type": ["number", "null"], "description": "Average frames per second." },
                "frames": { "type": ["integer", "null"], "minimum": 0, "description": "Frames in the file." }
            }
        })
    }
}
