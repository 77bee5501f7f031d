//! Which of the files that were given are a source's annotations, and which are tables beside them.

use std::path::{Path, PathBuf};

use super::{Files, Info, Side, SourceError};

/// The table of media lengths that every source takes.
pub(super) const DURATIONS: &str = "durations.csv";

/// A file of annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path under the folder that was given, or its name; what provenance names.
    pub name: String,
    /// Its shape.
    pub files: &'static Files,
}

/// A source's files, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Annotations, in the order given; those of a folder by name.
    pub main: Vec<MainFile>,
    /// Tables, with the files of each.
    pub sides: Vec<(&'static str, Vec<PathBuf>)>,
    /// Tables of media lengths.
    pub durations: Vec<PathBuf>,
    /// Files of the folders that are neither.
    pub unused: Vec<String>,
}

impl Inputs {
    /// Sorts out files and folders. `FORM:PATH` names a file's form where its name does not tell.
    ///
    /// # Errors
    /// When a path cannot be read, a named file fits no pattern, or no annotations are found.
    pub fn resolve(info: &'static Info, paths: &[PathBuf]) -> Result<Self, SourceError> {
        Self::resolve_beside(info, paths, &[])
    }

    /// The same, with folders of other sources that only tables are taken from ([`Info::with`]).
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_beside(
        info: &'static Info,
        paths: &[PathBuf],
        tables: &[PathBuf],
    ) -> Result<Self, SourceError> {
        let mut inputs = Self::default();
        for folder in tables {
            for file in files_of(folder)? {
                inputs.add_table(info, &file, &relative(&file, folder));
            }
        }
        for path in paths {
            if let Some((files, path)) = named_form(info, path) {
                let name = file_name(&path);
                inputs.main.push(MainFile { path, name, files });
                continue;
            }
            let metadata = fs_err::metadata(path).map_err(|source| open_error(path, source))?;
            if metadata.is_dir() {
                for file in files_of(path)? {
                    let name = relative(&file, path);
                    if !inputs.add(info, &file, &name) {
                        inputs.unused.push(name);
                    }
                }
            } else if !inputs.add(info, path, &whole_name(path)) {
                return Err(SourceError::NoForm {
                    path: path.clone(),
                    source_name: info.name,
                    patterns: patterns(info),
                });
            }
        }
        if inputs.main.is_empty() {
            return Err(SourceError::NoFiles {
                path: paths.first().cloned().unwrap_or_default(),
                source_name: info.name,
                patterns: patterns(info),
            });
        }
        for side in info.sides.iter().filter(|side| side.needed) {
            if !inputs.sides.iter().any(|(name, _)| *name == side.name) {
                return Err(SourceError::NoSide {
                    source_name: info.name,
                    side: side.name,
                    pattern: side.pattern,
                });
            }
        }
        Ok(inputs)
    }

    /// Adds a file where its name says; false when no pattern fits.
    fn add(&mut self, info: &'static Info, path: &Path, name: &str) -> bool {
        if matches(DURATIONS, name) {
            self.durations.push(path.to_owned());
            return true;
        }
        let used = self.add_table(info, path, name);
        if used {
            return true;
        }
        let Some(files) = info.files.iter().find(|files| matches(files.pattern, name)) else {
            return false;
        };
        self.main.push(MainFile {
            path: path.to_owned(),
            name: name.to_owned(),
            files,
        });
        true
    }

    /// Adds a file where it is a table.
    fn add_table(&mut self, info: &'static Info, path: &Path, name: &str) -> bool {
        let mut used = false;
        for side in info.sides.iter().filter(|side| matches(side.pattern, name)) {
            used = true;
            self.side(side, path);
        }
        used
    }

    fn side(&mut self, side: &'static Side, path: &Path) {
        match self.sides.iter_mut().find(|(name, _)| *name == side.name) {
            Some((_, paths)) => paths.push(path.to_owned()),
            None => self.sides.push((side.name, vec![path.to_owned()])),
        }
    }
}

/// Every file under a folder, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut found = Vec::new();
    walk(folder, 8, &mut found)?;
    found.sort();
    Ok(found)
}

fn open_error(path: &Path, source: std::io::Error) -> SourceError {
    SourceError::Read(crate::read::ReadError::Open {
        path: path.to_owned(),
        source,
    })
}

/// `FORM:PATH` where FORM is one of the source's.
fn named_form(info: &'static Info, path: &Path) -> Option<(&'static Files, PathBuf)> {
    let (form, rest) = path.to_str()?.split_once(':')?;
    let files = info.files.iter().find(|files| files.form == form)?;
    Some((files, PathBuf::from(rest)))
}

fn patterns(info: &Info) -> String {
    info.files
        .iter()
        .map(|files| format!("{} (form `{}`)", files.pattern, files.form))
        .collect::<Vec<_>>()
        .join(", ")
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    if depth == 0 {
        return Ok(());
    }
    let entries = fs_err::read_dir(folder).map_err(|source| open_error(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| open_error(folder, source))?.path();
        if path.is_dir() {
            walk(&path, depth - 1, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A path under `folder`, with `/` between its parts.
fn relative(path: &Path, folder: &Path) -> String {
    let parts = path.strip_prefix(folder).unwrap_or(path).components();
    parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// A named file: as many folders as a pattern may want.
fn whole_name(path: &Path) -> String {
    let parts: Vec<String> = path
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}

/// Whether the last parts of a path fit a pattern, in which `*` stands for any run of characters of one part. An ending
/// `.gz` or `.zst` of the file is passed over.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let path = path
        .strip_suffix(".gz")
        .or_else(|| path.strip_suffix(".zst"))
        .unwrap_or(path);
    let mut parts = path.rsplit('/');
    pattern
        .rsplit('/')
        .all(|wanted| parts.next().is_some_and(|part| part_matches(wanted, part)))
}

fn part_matches(pattern: &str, part: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == part;
    };
    let Some(mut left) = part.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else {
            return false;
        };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_the_last_parts() {
        for (pattern, path, fits) in [
            ("*.json", "a/b/c.json", true),
            ("*.json", "c.json.gz", true),
            ("Sentences/*.txt", "x/Sentences/1.txt", true),
            ("Sentences/*.txt", "1.txt", false),
            ("refs(*).p", "refs(unc).p", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("train.csv", "my_train.csv", false),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }
}
