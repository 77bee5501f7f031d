//! One raw item as an adapter meets it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Reject;
use crate::read;

/// What an item holds.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// JSON, not parsed yet.
    Json(&'a [u8]),
    /// A parsed value: an entry of a map, a row of a table, a pickled object, an XML element.
    Value(Value),
    /// Text: a line, or a whole text file.
    Text(String),
}

/// One item of a raw file: an element of a list, an entry of a map, a row, a line, or a whole document.
#[derive(Clone, Debug)]
pub struct RawItem<'a> {
    /// Which of the source's shapes the file has, as [`super::Files::form`] names it.
    pub form: &'static str,
    /// The file's path under the folder that was given, or its name.
    pub file: &'a str,
    /// Which item of the file, from 0.
    pub row: u64,
    /// The entry's name, where the container is a map.
    pub key: Option<String>,
    /// The item itself.
    pub payload: Payload<'a>,
}

impl RawItem<'_> {
    /// The item as the adapter's own type.
    ///
    /// # Errors
    /// When a field is missing or of the wrong type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Reject> {
        match &self.payload {
            Payload::Json(bytes) => serde_json::from_slice(bytes).map_err(|error| {
                // The words for broken JSON are the reader's; here only the type can be wrong.
                match error.classify() {
                    serde_json::error::Category::Data => Reject::Shape(error.to_string()),
                    _ => Reject::Broken(read::fault(bytes, &error)),
                }
            }),
            Payload::Value(value) => {
                T::deserialize(value).map_err(|error| Reject::Shape(error.to_string()))
            }
            Payload::Text(_) => Err(Reject::shape("text where a JSON value should be")),
        }
    }

    /// The item as text.
    ///
    /// # Errors
    /// When it is a JSON value other than a string.
    pub fn text(&self) -> Result<String, Reject> {
        match &self.payload {
            Payload::Text(text) => Ok(text.clone()),
            _ => self.parse(),
        }
    }

    /// The entry's name in its map.
    ///
    /// # Errors
    /// When the container is no map.
    pub fn key(&self) -> Result<&str, Reject> {
        self.key
            .as_deref()
            .ok_or_else(|| Reject::shape("an item without a name, where a map's entry is expected"))
    }

    /// The name of a record whose source gives none: file and row.
    #[must_use]
    pub fn default_id(&self) -> String {
        format!("{}_{}", self.file_stem(), self.row)
    }

    /// The file's name without folders and last ending.
    #[must_use]
    pub fn file_stem(&self) -> &str {
        stem(self.file)
    }
}

/// A path's last part without its last ending; a leading dot begins no ending.
#[must_use]
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}
