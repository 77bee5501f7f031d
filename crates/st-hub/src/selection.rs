//! Which files of a repository are wanted.

use glob::{MatchOptions, Pattern};

/// Patterns as the command line has them.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// A text that is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("{text} is no pattern: {reason}")]
pub struct PatternError {
    text: String,
    reason: String,
}

impl Patterns {
    /// Takes what one of `include` matches (everything when there is none) and none of `exclude` does. `*` also crosses
    /// slashes, and a pattern that ends in a slash means the whole folder, as with Python's `huggingface_hub`.
    ///
    /// # Errors
    /// When a text is no pattern.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let parse = |texts: &[String]| {
            texts
                .iter()
                .map(|text| pattern(text))
                .collect::<Result<_, _>>()
        };
        Ok(Self {
            include: parse(include)?,
            exclude: parse(exclude)?,
        })
    }

    /// Whether `path` is wanted.
    #[must_use]
    pub fn take(&self, path: &str) -> bool {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: false,
            require_literal_leading_dot: false,
        };
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| pattern.matches_with(path, options))
        };
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Whether everything is wanted.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

fn pattern(text: &str) -> Result<Pattern, PatternError> {
    let whole = if text.ends_with('/') {
        format!("{text}*")
    } else {
        text.to_owned()
    };
    Pattern::new(&whole).map_err(|error| PatternError {
        text: text.to_owned(),
        reason: error.msg.to_owned(),
    })
}

/// Which file of a repository a path means that was written for another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant<'a> {
    /// This one.
    One(&'a str),
    /// No file has that name.
    None,
    /// Several fit equally well.
    Several(Vec<&'a str>),
}

/// The file whose path ends like `named`: of those with the same file name the one that shares most folders before it.
/// `/mnt/me/ST-Align/stage3/a.json` means `stage3/a.json` rather than `stage2/a.json`. Equal fits are not decided.
pub fn meant<'a>(named: &str, paths: impl IntoIterator<Item = &'a str>) -> Meant<'a> {
    let shared = |path: &str| {
        parts_backwards(named)
            .zip(parts_backwards(path))
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut best = 1;
    let mut fits = Vec::new();
    for path in paths {
        let count = shared(path);
        if count > best {
            best = count;
            fits.clear();
        }
        if count == best {
            fits.push(path);
        }
    }
    match fits.as_slice() {
        [] => Meant::None,
        [one] => Meant::One(one),
        _ => Meant::Several(fits),
    }
}

fn parts_backwards(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        Patterns::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn patterns_cross_folders_and_exclusion_wins() {
        assert!(patterns(&[], &[]).take("a/b"));
        let some = patterns(&["*.json", "media/"], &["*/secret*"]);
        assert!(some.take("stage3/a.json") && some.take("media/x/y.mp4") && some.take("b.json"));
        assert!(!some.take("a.mp4") && !some.take("stage3/secret.json"));
        assert!(Patterns::new(&["[".to_owned()], &[]).is_err());
    }

    #[test]
    fn paths_of_other_machines_are_understood_by_their_ends() {
        let paths = [
            "stage2/a.json",
            "stage3/a.json",
            "stage3/b.json",
            "x/c.json",
            "y/c.json",
        ];
        let meant = |named| super::meant(named, paths);
        assert_eq!(meant("/mnt/me/stage3/a.json"), Meant::One("stage3/a.json"));
        assert_eq!(meant("./stage2//a.json"), Meant::One("stage2/a.json"));
        assert_eq!(meant("b.json"), Meant::One("stage3/b.json"));
        assert_eq!(meant("stage3/d.json"), Meant::None);
        assert_eq!(
            meant("z/c.json"),
            Meant::Several(vec!["x/c.json", "y/c.json"])
        );
        // The end of a name is not its end of path.
        assert_eq!(meant("aa.json"), Meant::None);
    }
}
