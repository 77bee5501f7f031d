//! Which file of a pool a wanted path means.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use foldhash::fast::RandomState;

use super::pool::{Pool, PoolFile, stem_of};
use super::{Doubt, How};
use crate::registry::{Collection, Identifier, Identity};

/// What was found for a wanted path; files by their number in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    One(usize, How),
    Several(Vec<usize>),
    Doubtful(usize, Doubt),
    Nothing,
}

/// Finds files in a pool for the wanted paths of one folder and one media collection.
pub(super) struct Finder<'a> {
    pool: &'a Pool,
    identifier: Identifier,
    /// `ID_start_end` is what `ID` means.
    cuts: bool,
    /// The parts of the folder that wanted paths start from.
    folder: Vec<String>,
    by_name: Numbers<&'a str>,
    by_stem: Numbers<&'a str>,
    by_id: HashMap<String, Vec<(usize, Identity)>, RandomState>,
    /// Stems that are wanted in more than one folder, where stems are all that there is.
    repeated: HashSet<&'a str, RandomState>,
}

type Numbers<K> = HashMap<K, Vec<usize>, RandomState>;

impl<'a> Finder<'a> {
    pub(super) fn new(
        pool: &'a Pool,
        media: Option<&Collection>,
        folder: &Path,
        wanted: &[&'a str],
    ) -> Self {
        let identifier = media.map_or(Identifier::Stem, |media| media.identifier);
        let mut by_name = Numbers::default();
        let mut by_stem = Numbers::default();
        let mut by_id: HashMap<String, Vec<(usize, Identity)>, RandomState> = HashMap::default();
        let fits = |file: &PoolFile| media.is_none_or(|media| file.may_be(media.kind));
        for (number, file) in pool.files.iter().enumerate().filter(|(_, file)| fits(file)) {
            by_name
                .entry(name_of(&file.path))
                .or_insert_with(Vec::new)
                .push(number);
            let stem = stem_of(&file.path);
            by_stem.entry(stem).or_insert_with(Vec::new).push(number);
            if identifier != Identifier::Stem
                && let Some(identity) = identifier.of(stem)
            {
                by_id
                    .entry(identity.id.clone())
                    .or_default()
                    .push((number, identity));
            }
        }
        let parts = folder
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned());
        Self {
            pool,
            identifier,
            cuts: media.is_some_and(|media| media.cuts),
            folder: parts.collect(),
            by_name,
            by_stem,
            by_id,
            repeated: repeated(wanted, identifier),
        }
    }

    /// What a wanted path means; the first way that finds anything decides.
    pub(super) fn find(&self, wanted: &str) -> Found {
        let stem = stem_of(wanted);
        for (how, numbers) in [
            (How::Name, self.by_name.get(name_of(wanted))),
            (How::Stem, self.by_stem.get(stem)),
        ] {
            if let Some(numbers) = numbers {
                return self.choose(wanted, how, numbers);
            }
        }
        self.find_by_id(wanted, stem)
    }

    fn find_by_id(&self, wanted: &str, stem: &str) -> Found {
        let identity = match self.identifier {
            Identifier::Stem => None,
            identifier => identifier.of(stem),
        };
        let Some(identity) = identity else {
            return Found::Nothing;
        };
        let Some(files) = self.by_id.get(&identity.id) else {
            return Found::Nothing;
        };
        let numbers = |fits: &dyn Fn(&Identity) -> bool| -> Vec<usize> {
            files
                .iter()
                .filter(|(_, file)| fits(file))
                .map(|(number, _)| *number)
                .collect()
        };
        let same = numbers(&|file| file.cut == identity.cut);
        if !same.is_empty() {
            return self.choose(wanted, How::Id, &same);
        }
        let parts = numbers(&|file| file.cut.is_some() && identity.cut.is_none());
        if self.cuts && !parts.is_empty() {
            return self.choose(wanted, How::Id, &parts);
        }
        let whole = numbers(&|file| file.cut.is_none());
        match (parts.first(), whole.first()) {
            (Some(&number), _) => Found::Doubtful(number, Doubt::PartOfVideo),
            (None, Some(&number)) => Found::Doubtful(number, Doubt::WholeVideo),
            (None, None) => Found::Nothing,
        }
    }

    /// The file among `numbers` whose folders are most like the wanted ones, if there is one.
    fn choose(&self, wanted: &str, how: How, numbers: &[usize]) -> Found {
        let close: Vec<usize> = numbers
            .iter()
            .map(|&number| self.closeness(wanted, &self.pool.files[number].path))
            .collect();
        let best = close.iter().copied().max().unwrap_or(0);
        if best == 0 && wanted.contains('/') && self.repeated.contains(stem_of(wanted)) {
            return Found::Doubtful(numbers[0], Doubt::OtherFolder);
        }
        let closest: Vec<usize> = numbers
            .iter()
            .zip(close)
            .filter(|(_, close)| *close == best)
            .map(|(&number, _)| number)
            .collect();
        if closest.len() > 1 && !self.same_file(&closest) {
            return Found::Several(closest);
        }
        let folders = wanted.matches('/').count();
        Found::One(
            closest[0],
            if how == How::Name && best >= folders {
                How::Path
            } else {
                how
            },
        )
    }

    /// How many folders just above the two files have the same names.
    fn closeness(&self, wanted: &str, file: &str) -> usize {
        let above = |path: &'_ str| {
            path.rsplit('/')
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let wanted = above(wanted)
            .into_iter()
            .chain(self.folder.iter().rev().cloned());
        wanted
            .zip(above(file))
            .take_while(|(one, other)| one == other)
            .count()
    }

    /// Whether all of these are one file under several names.
    fn same_file(&self, numbers: &[usize]) -> bool {
        let place = |&number: &usize| {
            let metadata = std::fs::metadata(self.pool.root.join(&*self.pool.files[number].path));
            metadata
                .ok()
                .map(|metadata| (metadata.dev(), metadata.ino()))
        };
        let mut places = numbers.iter().map(place);
        let first = places.next().flatten();
        first.is_some() && places.all(|place| place == first)
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Stems that occur in more than one folder, where they are the only thing that tells files apart.
fn repeated<'a>(wanted: &[&'a str], identifier: Identifier) -> HashSet<&'a str, RandomState> {
    let mut folders: HashMap<&str, &str, RandomState> = HashMap::default();
    let mut repeated = HashSet::default();
    for path in wanted.iter().filter(|_| identifier == Identifier::Stem) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let stem = stem_of(path);
        if folders
            .insert(stem, folder)
            .is_some_and(|other| other != folder)
        {
            repeated.insert(stem);
        }
    }
    repeated
}
