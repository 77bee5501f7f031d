//! Lists of what is missing, in forms that downloaders take.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::survey::{State, Survey};
use crate::registry::{Collection, Identifier, Registry};

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One identifier a line, each once: what `yt-dlp --batch-file` takes for `YouTube`.
    Ids,
    /// One address a line, each once: what `wget -i`, `aria2c -i` and `yt-dlp --batch-file` take.
    Urls,
    /// A table with a head: source, folder, path, state, id, url.
    Csv,
}

/// A file that is not there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MissingFile {
    /// The source that wants it; the first by name, where several do.
    pub source: String,
    /// The folder that its path starts from.
    pub folder: String,
    /// Its path.
    pub path: String,
    /// `missing` or `empty`.
    pub state: &'static str,
    /// What its name says it is, where the source's media have identifiers, else the name without its ending.
    pub id: String,
    /// Where it can be downloaded, if its name tells.
    pub url: Option<String>,
}

/// The files that are missing or empty, by source, folder and path; of all sources, or of those that `wanted` says.
#[must_use]
pub fn missing(
    survey: &Survey,
    registry: &Registry,
    wanted: impl Fn(&str) -> bool,
) -> Vec<MissingFile> {
    let media: Vec<Option<&Collection>> = survey
        .sources
        .iter()
        .map(|source| registry.media_of(&source.name))
        .collect();
    let mut files = Vec::new();
    for folder in &survey.folders {
        for file in &folder.files {
            let state = match file.state {
                State::Missing => "missing",
                State::Empty => "empty",
                State::Present(_) | State::Unusable => continue,
            };
            let by = survey.wanted_by(file).iter().map(|&number| number as usize);
            let Some(source) = by.min_by_key(|&number| {
                (
                    !wanted(&survey.sources[number].name),
                    &survey.sources[number].name,
                )
            }) else {
                continue;
            };
            if !wanted(&survey.sources[source].name) {
                continue;
            }
            let identifier = media[source].map_or(Identifier::Stem, |media| media.identifier);
            let stem = super::link::stem_of(&file.path);
            let id = identifier
                .of(stem)
                .map_or_else(|| stem.to_owned(), |identity| identity.id);
            files.push(MissingFile {
                source: survey.sources[source].name.clone(),
                folder: folder.path.display().to_string(),
                path: file.path.to_string(),
                state,
                url: identifier.address(&file.path),
                id,
            });
        }
    }
    files.sort_by(|one, other| {
        (&one.source, &one.folder, &one.path).cmp(&(&other.source, &other.folder, &other.path))
    });
    files
}

/// Writes a list; gives how many files it leaves out, because their names tell no address.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(files: &[MissingFile], format: Format, out: &mut impl Write) -> io::Result<u64> {
    match format {
        Format::Ids => {
            let ids: BTreeSet<&str> = files.iter().map(|file| file.id.as_str()).collect();
            for id in ids {
                writeln!(out, "{id}")?;
            }
            Ok(0)
        }
        Format::Urls => {
            let urls: BTreeSet<&str> = files
                .iter()
                .filter_map(|file| file.url.as_deref())
                .collect();
            for url in urls {
                writeln!(out, "{url}")?;
            }
            Ok(files.iter().filter(|file| file.url.is_none()).count() as u64)
        }
        Format::Csv => {
            let mut table = csv::Writer::from_writer(out);
            table.write_record(["source", "folder", "path", "state", "id", "url"])?;
            for file in files {
                let url = file.url.as_deref().unwrap_or_default();
                table.write_record([
                    &file.source,
                    &file.folder,
                    &file.path,
                    file.state,
                    &file.id,
                    url,
                ])?;
            }
            table.flush()?;
            Ok(0)
        }
    }
}
