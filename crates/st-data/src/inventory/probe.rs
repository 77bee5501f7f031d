//! Of a record only what an inventory needs: the media paths and the source; everything else is passed over unparsed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The media paths of a record, and its source.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Probe<'a> {
    #[serde(borrow)]
    pub(super) video: Paths<'a>,
    #[serde(borrow)]
    pub(super) image: Paths<'a>,
    /// The benchmark files' name for the video.
    #[serde(borrow)]
    pub(super) video_path: Paths<'a>,
    #[serde(borrow)]
    pub(super) source: Paths<'a>,
}

impl Probe<'_> {
    /// Every path that the record names.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let all = [&self.video, &self.image, &self.video_path];
        all.into_iter().flat_map(Paths::iter)
    }

    /// The source's name.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.iter().next()
    }
}

/// A string, several, or something else that is no path.
#[derive(Debug, Default)]
pub(super) enum Paths<'a> {
    #[default]
    None,
    One(Cow<'a, str>),
    Many(Vec<Paths<'a>>),
}

impl Paths<'_> {
    fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::None => Box::new(std::iter::empty()),
            Self::One(path) => Box::new(std::iter::once(path.as_ref())),
            Self::Many(paths) => Box::new(paths.iter().flat_map(Paths::iter)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Paths<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathsVisitor)
    }
}

struct PathsVisitor;

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Paths<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path or a list of paths")
    }

    fn visit_borrowed_str<E>(self, path: &'de str) -> Result<Paths<'de>, E> {
        Ok(Paths::One(Cow::Borrowed(path)))
    }

    fn visit_str<E>(self, path: &str) -> Result<Paths<'de>, E> {
        Ok(Paths::One(Cow::Owned(path.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Paths<'de>, A::Error> {
        let mut paths = Vec::new();
        while let Some(path) = list.next_element()? {
            paths.push(path);
        }
        Ok(Paths::Many(paths))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Paths<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Paths::None)
    }

    fn visit_unit<E>(self) -> Result<Paths<'de>, E> {
        Ok(Paths::None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Paths<'de>, E> {
        Ok(Paths::None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Paths<'de>, E> {
        Ok(Paths::None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Paths<'de>, E> {
        Ok(Paths::None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Paths<'de>, E> {
        Ok(Paths::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_whatever_stands_beside_them() {
        for (json, expected, source) in [
            (
                r#"{"id":1,"video":"a/b.mp4","conversations":[{"from":"human","value":"video"}]}"#,
                vec!["a/b.mp4"],
                None,
            ),
            (
                r#"{"image":["a.jpg","b\u0041.jpg"],"source":"s"}"#,
                vec!["a.jpg", "bA.jpg"],
                Some("s"),
            ),
            (
                r#"{"video":null,"image":"c.jpg","meta":{"video":"no.mp4"}}"#,
                vec!["c.jpg"],
                None,
            ),
            (r#"{"video_path":"9.mp4"}"#, vec!["9.mp4"], None),
            (
                r#"{"video":3,"image":{"a":[1]},"source":null}"#,
                vec![],
                None,
            ),
        ] {
            let probe: Probe<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(probe.paths().collect::<Vec<_>>(), expected, "{json}");
            assert_eq!(probe.source(), source, "{json}");
        }
    }
}
