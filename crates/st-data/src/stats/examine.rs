//! From an audit to those sections of a report that counting alone gives.

use std::collections::BTreeMap;

use st_schema::Task;

use super::audit::{Audit, Map};
use super::fingerprint::Print;
use super::group::{Group, axis_rows};
use super::quantization::{AxisCounts, BoundSums};
use super::report::{
    Contradictions, Counted, DatasetRow, Duplicates, FileRow, GroupRow, Leakage, Mixture,
    Quantization, Report, SharedMedia, TaskBound, TextSection, Totals, VERSION,
};
use super::{Tally, composition, language, mixture};

/// Words, answers and objects that a report lists.
pub(super) const MOST: usize = 50;
/// Seed of the choice that `random:N` makes, as the trainer's default.
pub(super) const SEED: u64 = 0;

/// An audit in an order that does not depend on how it came about.
pub(super) struct View<'a> {
    pub(super) audit: &'a Audit,
    /// Prints of records that are no benchmark's, by file path and number.
    pub(super) order: Vec<u32>,
    /// Prints of benchmark items, likewise.
    pub(super) benchmark: Vec<u32>,
    /// The clip of each print.
    pub(super) clips: Vec<u32>,
    /// Media path and frame range of each clip.
    pub(super) clip_keys: Vec<(u32, Option<[u32; 2]>)>,
    /// Whether each clip is an image.
    pub(super) images: Vec<bool>,
    /// Listings by dataset and path, as numbers into `audit.listed`.
    pub(super) listed: Vec<usize>,
    /// The place of each file by path.
    pub(super) file_ranks: Vec<usize>,
}

impl<'a> View<'a> {
    pub(super) fn of(audit: &'a Audit) -> Self {
        let mut by_path: Vec<usize> = (0..audit.files.len()).collect();
        by_path.sort_by(|a, b| audit.files[*a].path.cmp(&audit.files[*b].path));
        let mut ranks = vec![0_usize; by_path.len()];
        for (rank, file) in by_path.into_iter().enumerate() {
            ranks[file] = rank;
        }
        let key = |number: &u32| {
            let print = &audit.prints[*number as usize];
            (ranks[print.file as usize], print.index)
        };
        let numbers = 0..u32::try_from(audit.prints.len()).unwrap_or(u32::MAX);
        let (mut benchmark, mut order): (Vec<u32>, Vec<u32>) = numbers.partition(|number| {
            audit.files[audit.prints[*number as usize].file as usize].benchmark
        });
        order.sort_by_key(key);
        benchmark.sort_by_key(key);
        let mut known: Map<(u32, Option<[u32; 2]>), u32> = Map::default();
        let (mut clip_keys, mut images) = (Vec::new(), Vec::new());
        let mut clips = Vec::with_capacity(audit.prints.len());
        for print in &audit.prints {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let clip = *known.entry((print.media, print.split)).or_insert(next);
            if clip == next {
                clip_keys.push((print.media, print.split));
                images.push(print.image);
            }
            clips.push(clip);
        }
        let mut listed: Vec<usize> = (0..audit.listed.len()).collect();
        listed.sort_by_key(|at| {
            let (listed, file) = &audit.listed[*at];
            (&listed.dataset, ranks[*file as usize])
        });
        Self {
            audit,
            order,
            benchmark,
            clips,
            clip_keys,
            images,
            listed,
            file_ranks: ranks,
        }
    }

    pub(super) fn print(&self, number: u32) -> &'a Print {
        &self.audit.prints[number as usize]
    }

    /// The source of a record: its dataset file's word, else its own.
    pub(super) fn source(&self, print: &Print) -> &'a str {
        let listed = self.listed.iter().map(|at| &self.audit.listed[*at]);
        let named = listed
            .filter(|(_, file)| *file == print.file)
            .find_map(|(listed, _)| listed.input.source.as_deref());
        named.unwrap_or(&self.audit.sources.list[print.source as usize])
    }
}

/// The sections that need no second look at the files.
pub(super) fn measured(view: &View<'_>) -> Report {
    Report {
        version: VERSION,
        totals: totals(view),
        datasets: datasets(view),
        files: files(view.audit),
        groups: groups(view),
        quantization: quantization(view.audit),
        text: text(view.audit),
        duplicates: Duplicates::default(),
        contradictions: Contradictions::default(),
        shared_media: SharedMedia::default(),
        composition: composition::compare(&taken_by_stage(view)),
        leakage: Leakage::default(),
        mixture: Mixture::default(),
        samples: Vec::new(),
    }
}

/// Records that the dataset files of each stage take, by task and source.
fn taken_by_stage(view: &View<'_>) -> BTreeMap<(u8, Option<Task>, String), u64> {
    let mut taken = BTreeMap::new();
    // Without changes nothing can be wrong with them.
    let rows = mixture::mixture(view, &[], None).map_or_else(|_| Vec::new(), |mix| mix.rows);
    for row in rows {
        if let Some(stage) = composition::stage(&row.dataset) {
            *taken.entry((stage, row.task, row.source)).or_default() += row.taken;
        }
    }
    taken
}

fn totals(view: &View<'_>) -> Totals {
    let audit = view.audit;
    let mut totals = Totals {
        records: view.order.len() as u64,
        tokenizer: audit.tokenizer.clone(),
        ..Totals::default()
    };
    for file in audit.files.iter().filter(|file| !file.benchmark) {
        totals.no_records += file.no_records;
    }
    for ((file, ..), group) in &audit.groups {
        if !audit.files[*file as usize].benchmark {
            totals.questions += group.questions;
        }
    }
    let mut tokens = 0;
    let mut ids: Vec<u64> = Vec::with_capacity(view.order.len());
    let mut media: Vec<u32> = Vec::with_capacity(view.order.len());
    let mut clips: Map<u32, u32> = Map::default();
    for number in &view.order {
        let print = view.print(*number);
        totals.words += u64::from(print.words);
        totals.wrong_counts += u64::from(print.wrong_counts);
        tokens += u64::from(print.tokens);
        ids.push(print.id);
        media.push(print.media);
        let length = clips.entry(view.clips[*number as usize]).or_default();
        *length = (*length).max(print.milliseconds);
    }
    totals.tokens = audit.tokenizer.is_some().then_some(tokens);
    totals.repeated_ids = (ids.len() - count_distinct(&mut ids)) as u64;
    totals.media = count_distinct(&mut media) as u64;
    totals.clips = clips.len() as u64;
    totals.clips_with_length = clips.values().filter(|length| **length > 0).count() as u64;
    totals.seconds = clips.values().map(|length| u64::from(*length)).sum::<u64>() / 1000;
    totals
}

fn count_distinct<T: Ord>(values: &mut Vec<T>) -> usize {
    values.sort_unstable();
    values.dedup();
    values.len()
}

fn datasets(view: &View<'_>) -> Vec<DatasetRow> {
    let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (listed, file) in &view.audit.listed {
        let records = view.audit.files[*file as usize].records;
        let length = usize::try_from(records).unwrap_or(usize::MAX);
        let row = rows.entry(&listed.dataset).or_default();
        row.0 += records;
        row.1 += listed.input.sampling.select(length, SEED).len() as u64;
    }
    rows.into_iter()
        .map(|(name, (listed, taken))| DatasetRow {
            name: name.to_owned(),
            listed,
            taken,
        })
        .collect()
}

fn files(audit: &Audit) -> Vec<FileRow> {
    let mut rows: Vec<FileRow> = audit
        .files
        .iter()
        .map(|file| FileRow {
            path: file.path.clone(),
            records: file.records,
            no_records: file.no_records,
            benchmark: file.benchmark,
        })
        .collect();
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}

/// Dataset, task and source.
type RowKey<'a> = (&'a str, Option<Task>, &'a str);

fn groups(view: &View<'_>) -> Vec<GroupRow> {
    let audit = view.audit;
    let mut rows: BTreeMap<RowKey<'_>, GroupRow> = BTreeMap::new();
    // Groups of files, by the rows of every dataset that lists the file.
    let mut rows_of: Map<(u32, Option<Task>, u32), Vec<RowKey<'_>>> = Map::default();
    for at in &view.listed {
        let (listed, file) = &audit.listed[*at];
        let range = (*file, None, 0)..=(*file, Some(Task::Classification), u32::MAX);
        for ((_, task, source), group) in audit.groups.range(range) {
            let own = &audit.sources.list[*source as usize];
            let name = listed.input.source.as_ref().unwrap_or(own);
            let key = (listed.dataset.as_str(), *task, name.as_str());
            rows_of
                .entry((*file, *task, *source))
                .or_default()
                .push(key);
            rows.entry(key).or_insert_with(|| empty_row(key)).group += group;
        }
    }
    let mut members: BTreeMap<RowKey<'_>, Vec<u32>> = BTreeMap::new();
    for number in &view.order {
        let print = view.print(*number);
        for key in rows_of
            .get(&(print.file, print.task, print.source))
            .into_iter()
            .flatten()
        {
            members.entry(*key).or_default().push(*number);
        }
    }
    for (key, numbers) in members {
        if let Some(row) = rows.get_mut(&key) {
            count_clips(view, row, &numbers);
        }
    }
    rows.into_values().collect()
}

fn empty_row(key: RowKey<'_>) -> GroupRow {
    GroupRow {
        dataset: key.0.to_owned(),
        task: key.1,
        source: key.2.to_owned(),
        clips: 0,
        media: 0,
        seconds: 0,
        tokens: None,
        records_per_clip: Tally::default(),
        group: Group::default(),
    }
}

fn count_clips(view: &View<'_>, row: &mut GroupRow, numbers: &[u32]) {
    let mut clips: Vec<(u32, u32)> = Vec::with_capacity(numbers.len());
    let mut media: Vec<u32> = Vec::with_capacity(numbers.len());
    let mut tokens = 0;
    for number in numbers {
        let print = view.print(*number);
        clips.push((view.clips[*number as usize], print.milliseconds));
        media.push(print.media);
        tokens += u64::from(print.tokens);
    }
    clips.sort_unstable();
    let mut milliseconds = 0;
    for same in clips.chunk_by(|a, b| a.0 == b.0) {
        row.clips += 1;
        row.records_per_clip.add(same.len() as u64);
        milliseconds += same.last().map_or(0, |(_, length)| u64::from(*length));
    }
    row.seconds = milliseconds / 1000;
    row.media = count_distinct(&mut media) as u64;
    row.tokens = view.audit.tokenizer.is_some().then_some(tokens);
}

fn quantization(audit: &Audit) -> Quantization {
    let mut tasks: BTreeMap<Option<Task>, (BoundSums, BoundSums)> = BTreeMap::new();
    let (mut spans, mut boxes) = (BoundSums::default(), BoundSums::default());
    let mut axes: [AxisCounts; 3] = Default::default();
    for ((file, task, _), group) in &audit.groups {
        if audit.files[*file as usize].benchmark {
            continue;
        }
        let of_task = tasks.entry(*task).or_default();
        of_task.0 += &group.span_bounds;
        of_task.1 += &group.box_bounds;
        spans += &group.span_bounds;
        boxes += &group.box_bounds;
        for (axis, more) in axes.iter_mut().zip(&group.axes) {
            *axis += more;
        }
    }
    let tasks = tasks.into_iter().map(|(task, (spans, boxes))| TaskBound {
        task,
        spans: spans.bound(),
        boxes: boxes.bound(),
    });
    Quantization {
        bins: st_schema::Bin::COUNT,
        spans: spans.bound(),
        boxes: boxes.bound(),
        tasks: tasks
            .filter(|row| row.spans.count + row.boxes.count > 0)
            .collect(),
        axes: axis_rows(&axes),
    }
}

fn text(audit: &Audit) -> TextSection {
    let languages = audit.languages.iter().map(|(name, count)| (*name, *count));
    let languages = most(languages);
    TextSection {
        vocabulary: audit.words.len() as u64,
        words: most(audit.words.iter().map(|(word, count)| (&**word, *count))),
        answers: 0,
        frequent_answers: Vec::new(),
        objects: audit.objects.len() as u64,
        frequent_objects: most(audit.objects.iter().map(|(word, count)| (&**word, *count))),
        language_sample: languages.iter().map(|language| language.count).sum(),
        language_share: 1.0 / f64::from(language::SAMPLE),
        languages,
    }
}

/// The most frequent texts; of equally frequent ones, the first by letter.
fn most<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<Counted> {
    let mut all: Vec<(u64, &str)> = counts.map(|(text, count)| (count, text)).collect();
    let by_count = |a: &(u64, &str), b: &(u64, &str)| (b.0, a.1).cmp(&(a.0, b.1));
    if all.len() > MOST {
        all.select_nth_unstable_by(MOST, by_count);
        all.truncate(MOST);
    }
    all.sort_by(by_count);
    all.into_iter()
        .map(|(count, text)| Counted {
            text: text.to_owned(),
            count,
        })
        .collect()
}
