//! Looking up on disk what annotation files want.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use foldhash::fast::RandomState;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collect::Wanted;
use super::sources::{SetId, Sources};
use crate::dataset::Input;
use crate::read::Options;

/// Why a survey cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// An annotation file that no dataset file lists: nobody says where its media are.
    #[error(
        "{path}: no dataset file says which folder its media are in; name the folder, or a dataset file that lists it"
    )]
    NoFolder {
        /// The annotation file.
        path: PathBuf,
    },
}

/// An annotation file, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnnotationFile {
    /// The file.
    pub path: PathBuf,
    /// Records in it, whatever is sampled.
    pub records: u64,
    /// Records that name no media file.
    pub without_media: u64,
    /// Pieces that are no records.
    pub faults: u64,
    /// Why it could not be read, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a source reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceUse {
    /// The name that the dataset file gives it, else the record, else the annotation file.
    pub name: String,
    /// Its records, whatever is sampled; those of a file that is listed twice count once.
    pub records: u64,
    /// Records that name no media file.
    pub without_media: u64,
}

/// How a wanted file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There, with so many bytes; a folder of frames counts as 0.
    Present(u64),
    /// There, without bytes, or a folder without files.
    Empty,
    /// Not there, or a link to nowhere.
    Missing,
    /// The path is empty, absolute, an address, or leads out of the folder: it is not looked up.
    Unusable,
}

/// A path that records name.
#[derive(Clone, Debug)]
pub struct WantedFile {
    /// The path, from its folder.
    pub path: Box<str>,
    /// How it was found.
    pub state: State,
    set: SetId,
}

/// A folder that media paths start from.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// The paths that records name, each once, in no order.
    pub files: Vec<WantedFile>,
}

/// What a dataset wants and what of it is there.
#[derive(Debug)]
pub struct Survey {
    /// Folders that media paths start from, by name.
    pub folders: Vec<Folder>,
    /// Sources, by number.
    pub sources: Vec<SourceUse>,
    /// The annotation files, by name.
    pub files: Vec<AnnotationFile>,
    sets: Sources,
}

impl Survey {
    /// The sources that want a file, by number, rising.
    #[must_use]
    pub fn wanted_by(&self, file: &WantedFile) -> &[u32] {
        self.sets.members(file.set)
    }
}

/// Reads the inputs' annotation files and looks up what they name.
///
/// A file of a sampled input counts when its sampling strategy can take a record that names it. Annotation files that cannot
/// be read are noted in [`Survey::files`]. `progress` hears the bytes of each chunk.
///
/// # Errors
/// When an input has no media folder.
pub fn survey(
    inputs: &[Input],
    options: &Options,
    progress: impl Fn(u64) + Sync,
) -> Result<Survey, SurveyError> {
    if let Some(input) = inputs.iter().find(|input| input.media.is_none()) {
        let path = input.annotations.clone();
        return Err(SurveyError::NoFolder { path });
    }
    let wanted = Wanted::collect(inputs, options, progress);
    let folders = wanted.folders.into_iter().map(|(path, table)| {
        let entries = table.into_iter();
        let mut files: Vec<WantedFile> = entries
            .map(|(path, set)| {
                let state = if usable(&path) {
                    State::Missing
                } else {
                    State::Unusable
                };
                WantedFile { path, state, set }
            })
            .collect();
        let exists = path.is_dir();
        if exists {
            look_up(&path, &mut files);
        }
        Folder {
            path,
            exists,
            files,
        }
    });
    Ok(Survey {
        folders: folders.collect(),
        sources: wanted.uses,
        files: wanted.files,
        sets: wanted.sources,
    })
}

/// Whether a path stays inside its folder.
fn usable(path: &str) -> bool {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !path.is_empty()
        && !path.contains("://")
        && !path.contains('\0')
        && Path::new(path).components().all(inside)
}

/// A folder is listed when so many of its files are wanted, else each file is asked for.
const LISTED: usize = 32;

/// Finds the state of each usable file. Each folder in use is listed once; only files that are there are asked for their size.
fn look_up(folder: &Path, files: &mut [WantedFile]) {
    let mut parents: HashMap<&str, Vec<usize>, RandomState> = HashMap::default();
    for (number, file) in files.iter().enumerate() {
        if file.state != State::Unusable {
            let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            parents.entry(parent).or_default().push(number);
        }
    }
    let parents: Vec<(&str, Vec<usize>)> = parents.into_iter().collect();
    let states: Vec<(usize, State)> = parents
        .par_iter()
        .flat_map(|(parent, numbers)| look_in(&folder.join(parent), numbers, files))
        .collect();
    for (number, state) in states {
        files[number].state = state;
    }
}

/// States of files that lie in one folder; those left out are missing.
fn look_in(folder: &Path, numbers: &[usize], files: &[WantedFile]) -> Vec<(usize, State)> {
    let name = |number: usize| {
        let path = &files[number].path;
        path.rsplit_once('/').map_or(&**path, |(_, name)| name)
    };
    let mut there: Vec<usize> = numbers.to_vec();
    if numbers.len() >= LISTED {
        match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            // A folder that may be entered but not listed.
            Err(_) => {}
            Ok(entries) => {
                let by_name: HashMap<OsString, Vec<usize>, RandomState> =
                    numbers.iter().fold(HashMap::default(), |mut map, &number| {
                        // Two spellings of one path, such as `a.mp4` and `./a.mp4`, are two wanted files.
                        map.entry(name(number).into())
                            .or_insert_with(Vec::new)
                            .push(number);
                        map
                    });
                let names = entries.flatten().map(|entry| entry.file_name());
                there = names
                    .filter_map(|name| by_name.get(&name))
                    .flatten()
                    .copied()
                    .collect();
            }
        }
    }
    let state = |&number: &usize| Some((number, state_of(&folder.join(name(number)))?));
    there.par_iter().filter_map(state).collect()
}

/// The state of a path; `None` when nothing is there.
fn state_of(path: &Path) -> Option<State> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(if metadata.is_dir() {
        let filled = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if filled {
            State::Present(0)
        } else {
            State::Empty
        }
    } else if metadata.len() == 0 {
        State::Empty
    } else {
        State::Present(metadata.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey_of(json: &str, sampling: &str, present: &[(&str, &str)]) -> Survey {
        let folder = tempfile::tempdir().unwrap();
        let annotations = folder.path().join("a.jsonl");
        std::fs::write(&annotations, json).unwrap();
        let media = folder.path().join("media");
        for (path, bytes) in present {
            let path = media.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let input = Input {
            annotations,
            media: Some(media),
            data_folder: None,
            source: None,
            sampling: sampling.parse().unwrap(),
            severities: crate::validate::Severities::default(),
        };
        survey(&[input], &Options::default(), |_| ()).unwrap()
    }

    fn states(survey: &Survey) -> Vec<(String, State)> {
        let files = survey.folders.iter().flat_map(|folder| &folder.files);
        let mut states: Vec<_> = files
            .map(|file| (file.path.to_string(), file.state))
            .collect();
        states.sort_by(|one, other| one.0.cmp(&other.0));
        states
    }

    #[test]
    fn each_file_is_found_as_it_is() {
        let json = [
            "d/a.mp4",
            "d/b.mp4",
            "../out.mp4",
            "/etc/passwd",
            "c.mp4",
            "http://x/y.mp4",
            "",
            "c.mp4",
        ]
        .map(|path| format!("{{\"video\":\"{path}\",\"conversations\":[]}}"))
        .join("\n");
        let survey = survey_of(
            &(json + "\n{\"conversations\":[]}\nrubbish\n"),
            "all",
            &[("d/a.mp4", "xyz"), ("d/b.mp4", "")],
        );
        let expected = [
            ("", State::Unusable),
            ("../out.mp4", State::Unusable),
            ("/etc/passwd", State::Unusable),
            ("c.mp4", State::Missing),
            ("d/a.mp4", State::Present(3)),
            ("d/b.mp4", State::Empty),
            ("http://x/y.mp4", State::Unusable),
        ];
        assert_eq!(
            states(&survey),
            expected.map(|(path, state)| (path.to_owned(), state))
        );
        let file = &survey.files[0];
        assert_eq!((file.records, file.without_media, file.faults), (9, 1, 1));
        assert_eq!(survey.sources[0].name, "a");
        assert_eq!(survey.sources[0].records, 9);
    }

    /// As many files in one folder as make it be listed, against asking for each.
    #[test]
    fn listing_a_folder_and_asking_for_each_file_agree() {
        let names: Vec<String> = (0..3 * LISTED)
            .map(|number| format!("d/{number}.mp4"))
            .collect();
        let json: Vec<String> = names
            .iter()
            .map(|name| format!("{{\"image\":\"{name}\"}}"))
            .collect();
        let present: Vec<(&str, &str)> = names
            .iter()
            .step_by(2)
            .map(|name| (name.as_str(), "1"))
            .collect();
        let survey = survey_of(&json.join("\n"), "all", &present);
        let files = &survey.folders[0].files;
        assert_eq!(files.len(), names.len());
        for file in files {
            let there = present.iter().any(|(name, _)| *name == &*file.path);
            let expected = if there {
                State::Present(1)
            } else {
                State::Missing
            };
            assert_eq!(file.state, expected, "{}", file.path);
        }
    }

    #[test]
    fn only_what_can_be_sampled_is_wanted() {
        let json: Vec<String> = ["a", "b", "c", "a"]
            .map(|name| format!("{{\"image\":\"{name}\"}}"))
            .to_vec();
        let wanted = |sampling: &str| {
            let survey = survey_of(&json.join("\n"), sampling, &[]);
            states(&survey)
                .into_iter()
                .map(|(path, _)| path)
                .collect::<String>()
        };
        assert_eq!(wanted("all"), "abc");
        assert_eq!(wanted("first:50%"), "ab");
        assert_eq!(wanted("end:1"), "a");
        assert_eq!(wanted("end:2"), "ac");
        assert_eq!(wanted("random:1"), "abc");
        assert_eq!(wanted("random:0"), "");
    }

    #[test]
    fn records_name_their_source_where_the_dataset_does_not() {
        let json = r#"{"image":"a","source":"x"}
{"image":"b","source":"y"}
{"image":"a","source":"y"}
{"image":"c"}"#;
        let survey = survey_of(json, "all", &[]);
        let by = |path: &str| {
            let file = survey.folders[0]
                .files
                .iter()
                .find(|file| &*file.path == path)
                .unwrap();
            let names = survey
                .wanted_by(file)
                .iter()
                .map(|&number| survey.sources[number as usize].name.as_str());
            names.collect::<Vec<_>>().join("+")
        };
        assert_eq!([by("a"), by("b"), by("c")], ["x+y", "y", "a"]);
        let records: Vec<u64> = survey.sources.iter().map(|one| one.records).collect();
        assert_eq!(records, [1, 2, 1]);
    }
}
