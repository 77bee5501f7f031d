//! Reading annotation files for the media paths they name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use st_schema::SamplingStrategy;

use super::probe::Probe;
use super::sources::{SetId, Sources};
use super::survey::{AnnotationFile, SourceUse};
use crate::dataset::Input;
use crate::read::{Chunk, Chunks, Options, PieceKind, ReadError, for_each_chunk};

/// Paths of one folder and the sources that want them.
pub(super) type Paths = HashMap<Box<str>, SetId, RandomState>;

/// What annotation files want.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) sources: Sources,
    /// What each source reads, by its number.
    pub(super) uses: Vec<SourceUse>,
    /// Paths by the folder that they start from.
    pub(super) folders: BTreeMap<PathBuf, Paths>,
    pub(super) files: Vec<AnnotationFile>,
    /// Sources that an annotation file has been counted for.
    counted: HashSet<(PathBuf, u32)>,
}

/// Records that name a path, by their number in the file, and the sources those records name.
#[derive(Clone, Copy, Debug)]
struct Use {
    first: u64,
    last: u64,
    set: SetId,
}

/// An annotation file, read.
#[derive(Debug, Default)]
struct FileUses {
    records: u64,
    without_media: u64,
    faults: u64,
    paths: HashMap<Box<str>, Use, RandomState>,
    /// Records and records without media, by the source that they name.
    by_source: HashMap<Option<u32>, (u64, u64)>,
}

/// What a chunk of a file says.
#[derive(Debug, Default)]
struct Part {
    /// Paths and sources, one after another.
    text: String,
    items: Vec<Item>,
    records: u64,
    faults: u64,
}

/// A path that a record names, by its end in the text, or that the record names none.
#[derive(Clone, Copy, Debug)]
struct Item {
    record: u64,
    path_end: Option<usize>,
    source_end: usize,
    first_of_record: bool,
}

impl Wanted {
    /// Reads every annotation file once, however many inputs list it. A file that cannot be read is noted and passed over.
    pub(super) fn collect(
        inputs: &[Input],
        options: &Options,
        progress: impl Fn(u64) + Sync,
    ) -> Self {
        let mut wanted = Self::default();
        let mut files: BTreeMap<&Path, Vec<&Input>> = BTreeMap::new();
        for input in inputs {
            files.entry(&input.annotations).or_default().push(input);
        }
        for (path, listings) in files {
            wanted.add_file(path, &listings, options, &progress);
        }
        for (at, name) in wanted.uses.iter_mut().zip(wanted.sources.names()) {
            at.name.clone_from(name);
        }
        wanted
    }

    fn add_file(
        &mut self,
        path: &Path,
        listings: &[&Input],
        options: &Options,
        progress: &(impl Fn(u64) + Sync),
    ) {
        let by_record = listings.iter().any(|input| input.source.is_none());
        let (mut file, error) = read_file(path, by_record, &mut self.sources, options, progress);
        let error = error.map(|error| chain(&error));
        self.files.push(AnnotationFile {
            path: path.to_owned(),
            records: file.records,
            without_media: file.without_media,
            faults: file.faults,
            error,
        });
        for (number, input) in listings.iter().enumerate() {
            let paths = if number + 1 == listings.len() {
                std::mem::take(&mut file.paths)
            } else {
                file.paths.clone()
            };
            self.count_records(path, input, &file);
            self.add_paths(path, input, paths, file.records);
        }
    }

    /// Adds a file's records to those of its sources, once for each source.
    fn count_records(&mut self, path: &Path, input: &Input, file: &FileUses) {
        let counts: Vec<(u32, (u64, u64))> = if let Some(name) = &input.source {
            vec![(
                self.sources.number(name),
                (file.records, file.without_media),
            )]
        } else {
            let own = self.sources.number(&stem(path));
            let named =
                |(source, counts): (&Option<u32>, &(u64, u64))| (source.unwrap_or(own), *counts);
            file.by_source.iter().map(named).collect()
        };
        self.uses
            .resize_with(self.sources.names().len(), SourceUse::default);
        for (source, (records, without_media)) in counts {
            let at = &mut self.uses[source as usize];
            if self.counted.insert((path.to_owned(), source)) {
                at.records += records;
                at.without_media += without_media;
            }
        }
    }

    /// Adds the paths that the records taken by the input's sampling name.
    fn add_paths(
        &mut self,
        file: &Path,
        input: &Input,
        paths: HashMap<Box<str>, Use, RandomState>,
        records: u64,
    ) {
        let reach = reach(input.sampling, records);
        let taken = |one: &Use| one.first < reach.end && one.last >= reach.start;
        let folder = input.media.clone().unwrap_or_default();
        let own = match &input.source {
            Some(name) => self.sources.number(name),
            None => self.sources.number(&stem(file)),
        };
        let only = self.sources.with(Sources::NOBODY, own);
        let table = self.folders.entry(folder).or_default();
        for (path, one) in paths.into_iter().filter(|(_, one)| taken(one)) {
            let set = match &input.source {
                None if one.set != Sources::NOBODY => one.set,
                _ => only,
            };
            match table.entry(path) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(set);
                }
                std::collections::hash_map::Entry::Occupied(mut place) => {
                    let joined = self.sources.union(*place.get(), set);
                    place.insert(joined);
                }
            }
        }
    }
}

/// The records that a sampling strategy can take. What `random` takes depends on the run's seed: any.
fn reach(strategy: SamplingStrategy, records: u64) -> Range<u64> {
    let length = usize::try_from(records).unwrap_or(usize::MAX);
    let amount = || strategy.select(length, 0).len() as u64;
    match strategy {
        SamplingStrategy::Random(_) if amount() == 0 => 0..0,
        SamplingStrategy::All | SamplingStrategy::Random(_) => 0..records,
        SamplingStrategy::First(_) => 0..amount(),
        SamplingStrategy::End(_) => records - amount()..records,
    }
}

/// The name of an annotation file without its endings, for records that no one gives a source.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Reads a file; an error comes beside what was read before it.
fn read_file(
    path: &Path,
    by_record: bool,
    sources: &mut Sources,
    options: &Options,
    progress: &(impl Fn(u64) + Sync),
) -> (FileUses, Option<ReadError>) {
    let mut file = FileUses::default();
    let chunks = match Chunks::open(path, options) {
        Ok(chunks) => chunks,
        Err(error) => return (file, Some(error)),
    };
    let read = for_each_chunk(
        chunks,
        options.jobs,
        |chunk| {
            let part = Part::of(&chunk, by_record);
            progress(chunk.data.len() as u64);
            part
        },
        |part| -> Result<(), ReadError> {
            file.add(&part, sources);
            Ok(())
        },
    );
    (file, read.err())
}

impl Part {
    fn of(chunk: &Chunk, by_record: bool) -> Self {
        let mut part = Self::default();
        for piece in &chunk.pieces {
            match piece.kind {
                PieceKind::Record => part.record(chunk.bytes(piece), by_record),
                PieceKind::Truncated | PieceKind::TooLong | PieceKind::Junk => part.faults += 1,
                PieceKind::Note(_) => {}
            }
        }
        part
    }

    fn record(&mut self, bytes: &[u8], by_record: bool) {
        let Ok(probe) = serde_json::from_slice::<Probe<'_>>(bytes) else {
            self.faults += 1;
            return;
        };
        let record = self.records;
        self.records += 1;
        let source = if by_record { probe.source() } else { None };
        let mut first_of_record = true;
        let paths = probe.paths().map(Some);
        for path in paths.chain(std::iter::once(None)) {
            if path.is_none() && !first_of_record {
                break;
            }
            self.text.push_str(path.unwrap_or_default());
            let path_end = path.map(|_| self.text.len());
            self.text.push_str(source.unwrap_or_default());
            let source_end = self.text.len();
            self.items.push(Item {
                record,
                path_end,
                source_end,
                first_of_record,
            });
            first_of_record = false;
        }
    }
}

impl FileUses {
    fn add(&mut self, part: &Part, sources: &mut Sources) {
        let mut start = 0;
        for item in &part.items {
            let path_end = item.path_end.unwrap_or(start);
            let path = item.path_end.map(|end| &part.text[start..end]);
            let source = &part.text[path_end..item.source_end];
            start = item.source_end;
            let source = (!source.is_empty()).then(|| sources.number(source));
            if item.first_of_record {
                let counts = self.by_source.entry(source).or_default();
                counts.0 += 1;
                counts.1 += u64::from(path.is_none());
                self.without_media += u64::from(path.is_none());
            }
            if let Some(path) = path {
                self.add_path(path, self.records + item.record, source, sources);
            }
        }
        self.records += part.records;
        self.faults += part.faults;
    }

    fn add_path(&mut self, path: &str, record: u64, source: Option<u32>, sources: &mut Sources) {
        let mut joined = |set| source.map_or(set, |source| sources.with(set, source));
        if let Some(one) = self.paths.get_mut(path) {
            one.last = record;
            one.set = joined(one.set);
        } else {
            let set = joined(Sources::NOBODY);
            self.paths.insert(
                path.into(),
                Use {
                    first: record,
                    last: record,
                    set,
                },
            );
        }
    }
}
