//! Where every record stands, and what is known of it.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use st_schema::{ClipKey, Media, Record, Task};
use st_shard::ShardReader;

use super::BrowseError;
use crate::dataset::{Input, inputs, is_dataset_file};
use crate::read::{
    Chunk, Chunks, FaultKind, Options, PieceKind, Positions, ReadError, for_each_chunk, parse,
    read_piece,
};
use crate::review::{Mark, Remark, Review};
use crate::shard::{ShardInput, read_inputs};
use crate::validate::{Duplicates, Fingerprint, Judge, Rule};

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data root; media files are shown only from inside.
    pub root: PathBuf,
    /// Dataset files and annotation files.
    pub inputs: Vec<PathBuf>,
    /// Folders of shards; those of the data root where none are named.
    pub shards: Vec<PathBuf>,
    /// The review file.
    pub review: PathBuf,
    /// How annotation files are read.
    pub options: Options,
}

/// An annotation file, held open: what is shown is what was read.
pub(super) struct Source {
    /// As it is shown.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The unpacked text.
    text: Mutex<fs_err::File>,
    /// The folder that media paths start from.
    pub(super) media: PathBuf,
    pub(super) judge: Judge,
}

/// No clip of the shards; no task.
pub(super) const NONE: u32 = u32::MAX;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Image,
    Video,
    /// No record: bytes that cannot be read as one.
    Fault,
}

/// One record, or a piece that is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) byte: u64,
    pub(super) length: u32,
    pub(super) line: u32,
    pub(super) clip: u32,
    pub(super) rules: u32,
    pub(super) file: u16,
    pub(super) source: u16,
    pub(super) task: Option<Task>,
    pub(super) shape: Shape,
}

/// Shards, open for reading.
pub(super) struct Shards {
    pub(super) name: String,
    pub(super) reader: ShardReader,
    /// The number of the first clip among those of all shards.
    first: u32,
}

/// The review and the marks of the records met.
pub(super) struct Kept {
    pub(super) review: Review,
    pub(super) marks: HashMap<u32, Mark>,
}

/// Every record's place, task, source, findings and clip.
pub struct Catalogue {
    pub(super) root: PathBuf,
    pub(super) sources: Vec<Source>,
    pub(super) source_names: Vec<String>,
    pub(super) rule_sets: Vec<Vec<Rule>>,
    pub(super) entries: Vec<Entry>,
    pub(super) shards: Vec<Shards>,
    review: PathBuf,
    kept: Mutex<Kept>,
    notes: Vec<String>,
}

/// What a worker finds out about a piece.
struct Draft {
    byte: u64,
    line: u64,
    length: usize,
    task: Option<Task>,
    shape: Shape,
    source: Option<String>,
    clip: u32,
    rules: Vec<Rule>,
    print: Option<Fingerprint>,
    mark: Option<Mark>,
}

impl Catalogue {
    /// Reads every annotation file once. `progress` is told the packed bytes read since the last call.
    ///
    /// # Errors
    /// When a file or folder of shards cannot be read, or an annotation file that a dataset file lists lies neither in the data
    /// root nor in the dataset file's own folder.
    pub fn open(settings: &Settings, mut progress: impl FnMut(u64)) -> Result<Self, BrowseError> {
        let real = |path: &Path| {
            fs_err::canonicalize(path).map_err(|source| BrowseError::Io {
                path: path.to_owned(),
                source,
            })
        };
        let review = Review::load(&settings.review)?;
        let mut catalogue = Self {
            root: real(&settings.root)?,
            sources: Vec::new(),
            source_names: Vec::new(),
            rule_sets: Vec::new(),
            entries: Vec::new(),
            shards: Vec::new(),
            review: settings.review.clone(),
            kept: Mutex::new(Kept {
                review,
                marks: HashMap::new(),
            }),
            notes: Vec::new(),
        };
        catalogue.open_shards(&settings.shards)?;
        let mut duplicates = Duplicates::default();
        for named in &settings.inputs {
            let named = std::slice::from_ref(named);
            for (input, place) in inputs(named)?.into_iter().zip(read_inputs(named)?) {
                let path = real(&input.annotations)?;
                let folder = real(
                    named[0]
                        .parent()
                        .filter(|folder| *folder != Path::new(""))
                        .unwrap_or(Path::new(".")),
                )?;
                let listed = is_dataset_file(&named[0]);
                if listed && !path.starts_with(&catalogue.root) && !path.starts_with(&folder) {
                    return Err(BrowseError::Outside {
                        path: input.annotations,
                        root: catalogue.root,
                    });
                }
                catalogue.read(&input, &place, settings, &mut duplicates, &mut progress)?;
            }
        }
        Ok(catalogue)
    }

    /// How many records there are, pieces that are none included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many clips the shards hold.
    #[must_use]
    pub fn clips(&self) -> usize {
        self.shards.iter().map(|shards| shards.reader.len()).sum()
    }

    /// What was passed over, and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Opens the named folders of shards, or those under the data root's `shards`.
    fn open_shards(&mut self, named: &[PathBuf]) -> Result<(), BrowseError> {
        let mut found = named.to_vec();
        let scan = self.root.join("shards");
        if named.is_empty() && scan.is_dir() {
            let failed = |source| BrowseError::Io {
                path: scan.clone(),
                source,
            };
            for folder in fs_err::read_dir(&scan).map_err(failed)? {
                let path = folder.map_err(failed)?.path();
                let inside = fs_err::canonicalize(&path)
                    .is_ok_and(|path| path.is_dir() && path.starts_with(&self.root));
                if inside {
                    found.push(path);
                } else if path.is_dir() {
                    self.notes.push(format!(
                        "{} leads out of the data root and is passed over; name it with --shards",
                        path.display()
                    ));
                }
            }
            found.sort();
        }
        let mut first = 0_u32;
        for folder in found {
            let reader = match ShardReader::open(&folder) {
                Ok(reader) => reader,
                Err(error) if named.is_empty() => {
                    self.notes
                        .push(format!("{} is passed over: {error}", folder.display()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let clips = u32::try_from(reader.len()).ok();
            let next = clips.and_then(|clips| first.checked_add(clips));
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            self.shards.push(Shards {
                name: name.into_owned(),
                reader,
                first,
            });
            first = next.ok_or(BrowseError::TooMany { what: "clips" })?;
        }
        Ok(())
    }

    /// Which shards hold a clip, and its number there.
    pub(super) fn clip(&self, clip: u32) -> Option<(&Shards, usize)> {
        let at = self
            .shards
            .partition_point(|shards| shards.first <= clip)
            .checked_sub(1)?;
        let shards = &self.shards[at];
        let number = (clip - shards.first) as usize;
        (number < shards.reader.len()).then_some((shards, number))
    }

    /// The clip of a record among those of all shards.
    fn find_clip(&self, data_folder: &str, record: &Record) -> u32 {
        if self.shards.is_empty() {
            return NONE;
        }
        let id = ClipKey::within(data_folder, record).id();
        let found = self.shards.iter().find_map(|shards| {
            let number = shards.reader.find(&id)?;
            Some(shards.first + u32::try_from(number).ok()?)
        });
        found.unwrap_or(NONE)
    }

    fn read(
        &mut self,
        input: &Input,
        place: &ShardInput,
        settings: &Settings,
        duplicates: &mut Duplicates,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), BrowseError> {
        let file = u16::try_from(self.sources.len())
            .map_err(|_| BrowseError::TooMany { what: "files" })?;
        let review = self.kept().review.clone();
        let judge = Judge {
            severities: input.severities.clone(),
            ..Judge::default()
        };
        let mut spool = Spool::of(&input.annotations)?;
        let chunks = Chunks::open(&input.annotations, &settings.options)?;
        let consumed = chunks.consumed();
        let (mut told, mut drafts) = (0, Vec::new());
        let this = &*self;
        let work = |chunk: Chunk| {
            let draft = this.draft(&chunk, &judge, &place.data_folder, &review);
            (chunk, draft)
        };
        let read = for_each_chunk(
            chunks,
            settings.options.jobs,
            work,
            |(chunk, found)| -> Result<(), BrowseError> {
                let now = consumed.load(std::sync::atomic::Ordering::Relaxed);
                progress(now - std::mem::replace(&mut told, now));
                spool.take(&chunk)?;
                drafts.extend(found);
                Ok(())
            },
        );
        match read {
            // What was read before the damage is shown; `stdata validate` says more.
            Err(BrowseError::Read(error @ ReadError::Read { .. })) => {
                self.notes.push(error.to_string());
            }
            other => other?,
        }
        for mut draft in drafts {
            if let Some(print) = &draft.print
                && let Some(rule) = duplicates.add(print)?
            {
                draft.rules.push(rule);
            }
            self.push(file, &draft, input)?;
        }
        let path = fs_err::canonicalize(&input.annotations).map_err(|source| BrowseError::Io {
            path: input.annotations.clone(),
            source,
        })?;
        let name = path.strip_prefix(&self.root).unwrap_or(&path);
        self.sources.push(Source {
            name: name.display().to_string(),
            path: input.annotations.clone(),
            text: Mutex::new(spool.finish()),
            media: place.folder.clone(),
            judge,
        });
        Ok(())
    }

    fn push(&mut self, file: u16, draft: &Draft, input: &Input) -> Result<(), BrowseError> {
        let number = u32::try_from(self.entries.len())
            .map_err(|_| BrowseError::TooMany { what: "records" })?;
        if let Some(mark) = draft.mark {
            self.kept().marks.insert(number, mark);
        }
        let name = input.source.as_ref().or(draft.source.as_ref());
        let name = name.map_or("", String::as_str);
        let source = position_or_push(
            &mut self.source_names,
            |known| known == name,
            || name.to_owned(),
        );
        let rules = &draft.rules;
        let rules = position_or_push(
            &mut self.rule_sets,
            |known| known == rules,
            || rules.clone(),
        );
        self.entries.push(Entry {
            byte: draft.byte,
            length: u32::try_from(draft.length).map_err(|_| BrowseError::TooMany {
                what: "bytes of a record",
            })?,
            line: u32::try_from(draft.line).unwrap_or(u32::MAX),
            clip: draft.clip,
            rules: u32::try_from(rules).map_err(|_| BrowseError::TooMany { what: "findings" })?,
            file,
            source: u16::try_from(source).map_err(|_| BrowseError::TooMany { what: "sources" })?,
            task: draft.task,
            shape: draft.shape,
        });
        Ok(())
    }

    fn draft(&self, chunk: &Chunk, judge: &Judge, folder: &str, review: &Review) -> Vec<Draft> {
        let mut positions = Positions::new(chunk);
        let mut drafts = Vec::new();
        for piece in &chunk.pieces {
            if matches!(piece.kind, PieceKind::Note(_)) {
                continue;
            }
            let position = positions.of(piece);
            let mut draft = Draft {
                byte: position.byte,
                line: position.line,
                length: piece.end - piece.start,
                task: None,
                shape: Shape::Fault,
                source: None,
                clip: NONE,
                rules: Vec::new(),
                print: None,
                mark: None,
            };
            match read_piece(chunk, piece) {
                Some(Ok(record)) => {
                    draft.task = record.task;
                    draft.shape = match record.media {
                        Media::Image(_) => Shape::Image,
                        Media::Video(_) => Shape::Video,
                    };
                    draft.source.clone_from(&record.source);
                    draft.clip = self.find_clip(folder, &record);
                    draft.mark = review.mark(&record);
                    let judged = judge.record(record);
                    draft.print = judged.fingerprint;
                    draft.rules = rules_of(judged.findings.iter().map(|one| one.rule));
                }
                _ => draft.rules = judge.faults(chunk, piece),
            }
            drafts.push(draft);
        }
        drafts
    }

    /// The bytes of an entry.
    pub(super) fn bytes(&self, entry: &Entry) -> Result<Vec<u8>, BrowseError> {
        let mut bytes = vec![0; entry.length as usize];
        self.read_at(entry.file, entry.byte, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` from a file's unpacked text.
    pub(super) fn read_at(
        &self,
        file: u16,
        byte: u64,
        bytes: &mut [u8],
    ) -> Result<(), BrowseError> {
        let source = &self.sources[usize::from(file)];
        let mut text = source.text.lock().unwrap_or_else(PoisonError::into_inner);
        let read = text
            .seek(SeekFrom::Start(byte))
            .and_then(|_| text.read_exact(bytes));
        read.map_err(|_| BrowseError::Changed {
            path: source.path.clone(),
        })
    }

    /// An entry's record, or why it is none.
    pub(super) fn record(&self, entry: &Entry) -> Result<Result<Record, FaultKind>, BrowseError> {
        let parsed = parse(&self.bytes(entry)?);
        if parsed.is_err() && entry.shape != Shape::Fault {
            let path = self.sources[usize::from(entry.file)].path.clone();
            return Err(BrowseError::Changed { path });
        }
        Ok(parsed)
    }

    /// The entry of a number.
    pub(super) fn entry(&self, number: usize) -> Result<&Entry, BrowseError> {
        self.entries
            .get(number)
            .ok_or(BrowseError::NoRecord(number))
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        // A thread that panicked has not left the review half changed: it is set whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a record, or takes its mark back, and keeps the review file. The file is read again first, so that what another
    /// program wrote since stays.
    ///
    /// # Errors
    /// When there is no such record or the file cannot be read or written.
    pub fn mark(&self, number: usize, mark: Option<Mark>, note: &str) -> Result<(), BrowseError> {
        let entry = self.entry(number)?;
        let Ok(record) = self.record(entry)? else {
            return Err(BrowseError::NoRecord(number));
        };
        let digest = crate::review::RecordDigest::of(&record);
        let mut kept = self.kept();
        let mut review = Review::load(&self.review)?;
        match mark {
            None => review.clear(&digest),
            Some(mark) => review.set(Remark {
                record: digest,
                mark,
                note: note.to_owned(),
                id: record.id.to_string(),
                file: self.sources[usize::from(entry.file)].name.clone(),
            }),
        }
        review.save(&self.review)?;
        kept.review = review;
        let number = u32::try_from(number).map_err(|_| BrowseError::NoRecord(number))?;
        match mark {
            None => kept.marks.remove(&number),
            Some(mark) => kept.marks.insert(number, mark),
        };
        Ok(())
    }
}

/// Each rule once, in the order of the documentation.
fn rules_of(rules: impl Iterator<Item = Rule>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = rules.collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Where a value stands in a short list; it is put there when it is new. The last ones are looked at first.
fn position_or_push<T>(
    list: &mut Vec<T>,
    is: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> usize {
    list.iter().rposition(is).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    })
}

/// The unpacked text of a file: itself, or a temporary copy that has no name.
enum Spool {
    Itself(fs_err::File),
    Copy(PathBuf, std::fs::File),
}

impl Spool {
    fn of(path: &Path) -> Result<Self, BrowseError> {
        let failed = |source| BrowseError::Io {
            path: path.to_owned(),
            source,
        };
        let packed = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("gz") || end.eq_ignore_ascii_case("zst"));
        if packed {
            let file = tempfile::tempfile().map_err(failed)?;
            Ok(Self::Copy(path.to_owned(), file))
        } else {
            Ok(Self::Itself(fs_err::File::open(path).map_err(failed)?))
        }
    }

    /// Keeps a chunk of a packed file, at its place in the unpacked text.
    fn take(&mut self, chunk: &Chunk) -> Result<(), BrowseError> {
        let Self::Copy(path, file) = self else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(chunk.first_byte))
            .and_then(|_| file.write_all(&chunk.data))
            .map_err(|source| BrowseError::Io {
                path: path.clone(),
                source,
            })
    }

    fn finish(self) -> fs_err::File {
        match self {
            Self::Itself(file) => file,
            Self::Copy(path, file) => fs_err::File::from_parts(file, path),
        }
    }
}
