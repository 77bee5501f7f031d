//! The whole examination: compare, look at shards, read what is shown again, put the report together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use st_schema::{Role, Task};

use super::audit::{Audit, Map};
use super::examine::{MOST, View, measured};
use super::findings::{Finding, Findings, Kind};
use super::leakage::{LeakFound, known, leaks};
use super::mixture::{Change, Speed, mixture};
use super::repeats::{Conflict, Repeat, across_clips, conflicts, within_clips};
use super::report::{
    BenchmarkRow, Contradiction, Contradictions, Counted, DuplicateSet, Duplicates, EXAMPLES,
    Evidence, Leak, Leakage, Likeness, Report, Sample, SharedFile, SharedMedia, SourcePair,
};
use super::sameness::Sameness;
use super::texts::{Texts, Want};
use super::{StatsError, disk};
use crate::read::Options;

/// What to look at beside the audit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Folders of shards, whose frames are compared.
    pub shards: Vec<PathBuf>,
    /// Whether to read media files, for equal bytes and, where no shard has them, for their frames.
    pub media: bool,
    /// Sampling strategies other than the dataset files'.
    pub changes: Vec<Change>,
    /// How fast one GPU trains.
    pub speed: Option<Speed>,
    /// How files are read again.
    pub options: Options,
}

/// The report and every single finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// The report.
    pub report: Report,
    /// Everything that was found.
    pub findings: Findings,
}

/// Samples of a report, about; and the least of each group.
const SAMPLES: usize = 240;
const SAMPLES_LEAST: usize = 4;
/// Records with findings that are samples too.
const FLAGGED: usize = 60;
/// Records of a set that the report shows.
const SET: usize = 12;

/// What was found, by numbers of prints.
struct Found {
    wrong: Vec<u32>,
    repeats: Vec<Repeat>,
    conflicts: Vec<Conflict>,
    repeated_answers: u64,
    leaks: Vec<LeakFound>,
}

/// Examines an audit. `progress` hears of each clip whose frames were looked at.
///
/// # Errors
/// When shards cannot be opened, a change names nothing, or a file cannot be read again.
pub fn examine(
    audit: &Audit,
    look: &Look,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Examination, StatsError> {
    let view = View::of(audit);
    let looked = disk::look(&view, &look.shards, look.media, progress)?;
    let sameness = Sameness::of(&view, &looked.seen);
    let (copies, text_leaks) = across_clips(&view, &sameness);
    let mut repeats = within_clips(&view, &sameness);
    repeats.extend(copies);
    let ranks = ranks(&view);
    repeats.sort_by_key(|set| (set.likeness, ranks[set.records[0] as usize]));
    let (conflicts, repeated_answers) = conflicts(&view, &sameness);
    let wrong = |number: &&u32| view.print(**number).wrong_counts;
    let found = Found {
        wrong: view.order.iter().filter(wrong).copied().collect(),
        repeats,
        conflicts,
        repeated_answers,
        leaks: leaks(&view, &sameness, &text_leaks),
    };
    let answers = frequent_answers(&view);
    let chosen = choose_samples(&view, &found);
    let texts = Texts::read(audit, &wanted(&found, &answers, &chosen), &look.options)?;

    let mut report = measured(&view);
    report.totals.clips_in_shards = looked.in_shards;
    report.totals.wrong_count_examples = found
        .wrong
        .iter()
        .take(EXAMPLES)
        .map(|number| texts.place(audit, *number))
        .collect();
    report.text.answers = answers.different;
    report.text.frequent_answers = answers
        .most
        .iter()
        .map(|(number, turn, count)| Counted {
            text: texts.answer_words(*number, *turn),
            count: *count,
        })
        .collect();
    report.duplicates = duplicates(audit, &found, &texts);
    report.contradictions = contradictions(audit, &found, &texts);
    report.shared_media = shared_media(&view, &sameness);
    report.leakage = leakage(&view, &sameness, &found, &texts);
    report.mixture = mixture(&view, &look.changes, look.speed)?;
    report.samples = samples(&view, &found, &chosen, &texts);
    let findings = findings(audit, &found, &texts);
    Ok(Examination { report, findings })
}

/// The place of each print in file order.
fn ranks(view: &View<'_>) -> Vec<u32> {
    let mut ranks = vec![u32::MAX; view.audit.prints.len()];
    for (number, rank) in view.order.iter().zip(0..) {
        ranks[*number as usize] = rank;
    }
    ranks
}

/// Answers of at least two words by how often they occur.
struct Answers {
    different: u64,
    /// Record, turn of its question, count.
    most: Vec<(u32, usize, u64)>,
}

fn frequent_answers(view: &View<'_>) -> Answers {
    let mut counts: Map<u64, (u64, usize)> = Map::default();
    for (at, pair) in view.audit.pairs.iter().enumerate() {
        let print = view.print(pair.print);
        if pair.words >= 2 && !view.audit.files[print.file as usize].benchmark {
            counts.entry(pair.answer).or_insert((0, at)).0 += 1;
        }
    }
    let mut most: Vec<(u64, u64, usize)> = counts
        .iter()
        .map(|(answer, (count, at))| (*count, *answer, *at))
        .collect();
    // Equally frequent ones by hash: an order that does not depend on how the audit came about.
    most.sort_unstable_by_key(|(count, answer, _)| (std::cmp::Reverse(*count), *answer));
    most.truncate(MOST);
    let row = |(count, _, at): (u64, u64, usize)| {
        let pair = &view.audit.pairs[at];
        (pair.print, usize::from(pair.turn), count)
    };
    Answers {
        different: counts.len() as u64,
        most: most.into_iter().map(row).collect(),
    }
}

/// File by rank, task, and the source that records name.
type GroupKey<'a> = (usize, Option<Task>, &'a str);

/// Some records of each listed group, with the smallest hashes, and the first with findings.
fn choose_samples(view: &View<'_>, found: &Found) -> BTreeSet<u32> {
    let mut by_group: BTreeMap<GroupKey<'_>, Vec<(u64, u32)>> = BTreeMap::new();
    for number in &view.order {
        let print = view.print(*number);
        let group = by_group
            .entry((
                view.file_ranks[print.file as usize],
                print.task,
                &view.audit.sources.list[print.source as usize],
            ))
            .or_default();
        group.push((print.exact, *number));
        if group.len() >= 2 * SAMPLES {
            group.sort_unstable();
            group.truncate(SAMPLES);
        }
    }
    let each = (SAMPLES / by_group.len().max(1)).max(SAMPLES_LEAST);
    let mut chosen = BTreeSet::new();
    for mut group in by_group.into_values() {
        group.sort_unstable();
        chosen.extend(group.iter().take(each).map(|(_, number)| *number));
        if chosen.len() >= 2 * SAMPLES {
            break;
        }
    }
    let flagged = found
        .wrong
        .iter()
        .take(FLAGGED / 4)
        .copied()
        .chain(
            found
                .repeats
                .iter()
                .take(FLAGGED / 4)
                .flat_map(|set| set.records.iter().take(2).copied()),
        )
        .chain(
            found
                .conflicts
                .iter()
                .take(FLAGGED / 4)
                .map(|conflict| conflict.pairs[0].print),
        )
        .chain(found.leaks.iter().take(FLAGGED / 4).map(|leak| leak.record));
    chosen.extend(flagged);
    chosen
}

/// Which records must be read again, and how much of them.
fn wanted(found: &Found, answers: &Answers, chosen: &BTreeSet<u32>) -> BTreeMap<u32, Want> {
    let mut wanted: BTreeMap<u32, Want> = BTreeMap::new();
    let mut want = |number: u32, much: Want| {
        let known = wanted.entry(number).or_insert(much);
        *known = (*known).max(much);
    };
    for number in &found.wrong {
        want(*number, Want::Id);
    }
    for set in &found.repeats {
        for number in &set.records {
            want(*number, Want::Id);
        }
    }
    let mut shown: Map<Likeness, usize> = Map::default();
    for set in &found.repeats {
        let shown = shown.entry(set.likeness).or_default();
        *shown += 1;
        if *shown <= EXAMPLES {
            want(set.records[0], Want::All);
        }
    }
    for (place, conflict) in found.conflicts.iter().enumerate() {
        for (at, pair) in conflict.pairs.iter().enumerate() {
            let shown = place < EXAMPLES && at < SET;
            want(pair.print, if shown { Want::All } else { Want::Id });
        }
    }
    for leak in &found.leaks {
        want(leak.record, Want::Id);
        want(leak.item, Want::Id);
    }
    for (number, ..) in &answers.most {
        want(*number, Want::All);
    }
    for number in chosen {
        want(*number, Want::All);
    }
    wanted
}

fn duplicates(audit: &Audit, found: &Found, texts: &Texts) -> Duplicates {
    let mut section = Duplicates {
        repeated_answers: found.repeated_answers,
        ..Duplicates::default()
    };
    let mut shown: Map<Likeness, usize> = Map::default();
    for set in &found.repeats {
        let beyond = set.records.len() as u64 - 1;
        match set.likeness {
            Likeness::Exact => section.exact += beyond,
            Likeness::SameText => section.same_text += beyond,
            Likeness::Near => section.near += beyond,
            Likeness::CopiedText => section.copied_text += beyond,
        }
        let shown = shown.entry(set.likeness).or_default();
        *shown += 1;
        if *shown <= EXAMPLES {
            let records = set.records.iter().take(SET);
            section.sets.push(DuplicateSet {
                likeness: set.likeness,
                similarity: set.similarity,
                records: records.map(|number| texts.place(audit, *number)).collect(),
                size: set.records.len() as u64,
                question: texts.first(set.records[0], Role::Human),
                answer: texts.first(set.records[0], Role::Gpt),
            });
        }
    }
    section
}

fn contradictions(audit: &Audit, found: &Found, texts: &Texts) -> Contradictions {
    let records: BTreeSet<u32> = found
        .conflicts
        .iter()
        .flat_map(|conflict| conflict.pairs.iter().map(|pair| pair.print))
        .collect();
    let examples = found.conflicts.iter().take(EXAMPLES).map(|conflict| {
        let first = &conflict.pairs[0];
        let pairs = || conflict.pairs.iter().take(SET);
        Contradiction {
            records: pairs().map(|pair| texts.place(audit, pair.print)).collect(),
            question: texts.turn(first.print, usize::from(first.turn)),
            answers: pairs()
                .map(|pair| texts.turn(pair.print, usize::from(pair.turn) + 1))
                .collect(),
        }
    });
    Contradictions {
        questions: found.conflicts.len() as u64,
        records: records.len() as u64,
        examples: examples.collect(),
    }
}

fn shared_media(view: &View<'_>, sameness: &Sameness) -> SharedMedia {
    // Frames join clips, the rest joins media; a whole file's clip stands for the file.
    struct Shared<'a> {
        media: BTreeSet<u32>,
        clips: BTreeSet<u32>,
        sources: BTreeSet<&'a str>,
        records: u64,
    }
    let mut by_class: BTreeMap<u32, Shared<'_>> = BTreeMap::new();
    for number in &view.order {
        let print = view.print(*number);
        let clip = view.clips[*number as usize];
        let class = sameness.clips[clip as usize];
        // The lowest clip of the class names the class of media, so that ranges of one file stay together.
        let class = sameness.media[view.clip_keys[class as usize].0 as usize];
        let shared = by_class.entry(class).or_insert_with(|| Shared {
            media: BTreeSet::new(),
            clips: BTreeSet::new(),
            sources: BTreeSet::new(),
            records: 0,
        });
        shared.media.insert(print.media);
        shared.clips.insert(clip);
        shared.sources.insert(view.source(print));
        shared.records += 1;
    }
    let mut section = SharedMedia::default();
    let mut pairs: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    let mut files = Vec::new();
    for shared in by_class.values() {
        let sources: Vec<&str> = shared.sources.iter().copied().collect();
        section.between_sources += u64::from(sources.len() > 1);
        for (at, one) in sources.iter().enumerate() {
            for other in &sources[at + 1..] {
                *pairs.entry([*one, *other]).or_default() += 1;
            }
        }
        if shared.media.len() > 1 {
            section.media += 1;
            let mut evidence = BTreeSet::new();
            let clips: Vec<u32> = shared.clips.iter().copied().take(64).collect();
            for (at, one) in clips.iter().enumerate() {
                for other in &clips[at + 1..] {
                    if view.clip_keys[*one as usize].0 != view.clip_keys[*other as usize].0 {
                        evidence.extend(sameness.evidence(view, *one, *other).0);
                    }
                }
            }
            let name = |media: &u32| view.audit.media.list[*media as usize].clone();
            let mut paths: Vec<String> = shared.media.iter().map(name).collect();
            paths.sort();
            let identities = shared.media.iter();
            let mut identities: Vec<&String> = identities
                .filter_map(|media| sameness.identities[*media as usize].as_ref())
                .collect();
            identities.sort();
            files.push(SharedFile {
                identity: identities
                    .first()
                    .map_or_else(String::new, |id| (*id).clone()),
                evidence: evidence.into_iter().collect(),
                paths,
                sources: sources.iter().map(|source| (*source).to_owned()).collect(),
                records: shared.records,
            });
        }
    }
    files.sort_by(|a, b| a.paths.cmp(&b.paths));
    files.truncate(EXAMPLES);
    section.examples = files;
    section.sources = pairs
        .into_iter()
        .map(|(sources, media)| SourcePair {
            sources: sources.map(str::to_owned),
            media,
        })
        .collect();
    section
        .sources
        .sort_by_key(|pair| std::cmp::Reverse(pair.media));
    section
}

fn leakage(view: &View<'_>, sameness: &Sameness, found: &Found, texts: &Texts) -> Leakage {
    let audit = view.audit;
    let mut rows: Vec<BenchmarkRow> = Vec::new();
    for (number, file) in (0_u32..).zip(&audit.files) {
        if !file.benchmark {
            continue;
        }
        let mine = |leak: &&LeakFound| view.print(leak.item).file == number;
        let of_file = |item: &&u32| view.print(**item).file == number;
        let media = |item: &u32| sameness.media[view.print(*item).media as usize];
        let all: BTreeSet<u32> = view.benchmark.iter().filter(of_file).map(media).collect();
        let mut leaked = BTreeSet::new();
        let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
        let mut evidence: BTreeMap<Evidence, u64> = BTreeMap::new();
        let mut records = BTreeSet::new();
        for leak in found.leaks.iter().filter(mine) {
            records.insert(leak.record);
            if leak.evidence != [Evidence::SameText] {
                leaked.insert(media(&leak.item));
            }
            *sources
                .entry(view.source(view.print(leak.record)))
                .or_default() += 1;
            for kind in &leak.evidence {
                *evidence.entry(*kind).or_default() += 1;
            }
        }
        let mut sources: Vec<Counted> = sources
            .into_iter()
            .map(|(text, count)| Counted {
                text: text.to_owned(),
                count,
            })
            .collect();
        sources.sort_by_key(|row| std::cmp::Reverse(row.count));
        rows.push(BenchmarkRow {
            file: file.path.clone(),
            items: file.records,
            media: all.len() as u64,
            leaked_media: leaked.len() as u64,
            records: records.len() as u64,
            sources,
            evidence: evidence.into_iter().collect(),
        });
    }
    rows.sort_by(|a, b| a.file.cmp(&b.file));
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for number in &view.order {
        *sources.entry(view.source(view.print(*number))).or_default() += 1;
    }
    let records: BTreeSet<u32> = found.leaks.iter().map(|leak| leak.record).collect();
    let media = |number: u32| audit.media.list[view.print(number).media as usize].clone();
    let examples = found.leaks.iter().take(EXAMPLES).map(|leak| Leak {
        record: texts.place(audit, leak.record),
        media: media(leak.record),
        item: texts.place(audit, leak.item),
        item_media: media(leak.item),
        evidence: leak.evidence.clone(),
        detail: leak.detail.clone(),
    });
    Leakage {
        examples: examples.collect(),
        benchmarks: rows,
        records: records.len() as u64,
        known: known(&sources),
    }
}

fn samples(view: &View<'_>, found: &Found, chosen: &BTreeSet<u32>, texts: &Texts) -> Vec<Sample> {
    let mut flags: Map<u32, BTreeSet<&'static str>> = Map::default();
    let mut flag = |number: u32, kind: Kind| {
        flags.entry(number).or_default().insert(kind.as_str());
    };
    for number in &found.wrong {
        flag(*number, Kind::WrongCount);
    }
    for set in &found.repeats {
        for number in &set.records {
            flag(*number, kind_of(set.likeness));
        }
    }
    for pair in found.conflicts.iter().flat_map(|conflict| &conflict.pairs) {
        flag(pair.print, Kind::Contradiction);
    }
    for leak in &found.leaks {
        flag(leak.record, Kind::Leak);
    }
    let names = disk::shard_names(view);
    let dataset = |file: u32| {
        let mut listed = view.listed.iter().map(|at| &view.audit.listed[*at]);
        let first = listed.find(|(_, number)| *number == file);
        first.map_or_else(String::new, |(listed, _)| listed.dataset.clone())
    };
    let chosen: Vec<u32> = {
        let ranks = ranks(view);
        let mut chosen: Vec<u32> = chosen.iter().copied().collect();
        chosen.sort_by_key(|number| ranks[*number as usize]);
        chosen
    };
    chosen
        .into_iter()
        .filter_map(|number| {
            let record = texts.records.get(&number)?;
            let print = view.print(number);
            let flags = flags.get(&number);
            Some(Sample {
                place: texts.place(view.audit, number),
                dataset: dataset(print.file),
                source: view.source(print).to_owned(),
                media: view.audit.media.list[print.media as usize].clone(),
                clip: names[view.clips[number as usize] as usize].id().to_string(),
                flags: flags
                    .map(|flags| flags.iter().map(|flag| (*flag).to_owned()).collect())
                    .unwrap_or_default(),
                record: record.clone(),
            })
        })
        .collect()
}

const fn kind_of(likeness: Likeness) -> Kind {
    match likeness {
        Likeness::Exact => Kind::Exact,
        Likeness::SameText => Kind::SameText,
        Likeness::Near => Kind::Near,
        Likeness::CopiedText => Kind::CopiedText,
    }
}

fn findings(audit: &Audit, found: &Found, texts: &Texts) -> Findings {
    let finding = |kind, set: usize, first, number| Finding {
        kind,
        set: set as u64,
        first,
        place: texts.place(audit, number),
        item: None,
        evidence: Vec::new(),
        detail: String::new(),
    };
    let mut list = Vec::new();
    for (set, number) in found.wrong.iter().enumerate() {
        list.push(finding(Kind::WrongCount, set, true, *number));
    }
    for (set, repeat) in found.repeats.iter().enumerate() {
        for (at, number) in repeat.records.iter().enumerate() {
            list.push(Finding {
                detail: format!("alike by {:.2}", repeat.similarity),
                ..finding(kind_of(repeat.likeness), set, at == 0, *number)
            });
        }
    }
    for (set, conflict) in found.conflicts.iter().enumerate() {
        let mut seen = BTreeSet::new();
        for (at, pair) in conflict.pairs.iter().enumerate() {
            if seen.insert(pair.print) {
                list.push(finding(Kind::Contradiction, set, at == 0, pair.print));
            }
        }
    }
    for (set, leak) in found.leaks.iter().enumerate() {
        list.push(Finding {
            item: Some(texts.place(audit, leak.item)),
            evidence: leak.evidence.clone(),
            detail: leak.detail.clone(),
            ..finding(Kind::Leak, set, true, leak.record)
        });
    }
    Findings { list }
}
