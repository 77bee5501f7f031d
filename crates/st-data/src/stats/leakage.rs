//! Training records that know a benchmark.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::Map;
use super::examine::View;
use super::report::{Evidence, KnownOverlap};
use super::sameness::Sameness;

/// A training record and the benchmark item that it knows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LeakFound {
    pub(super) record: u32,
    /// The first such item of each benchmark file.
    pub(super) item: u32,
    pub(super) evidence: Vec<Evidence>,
    pub(super) detail: String,
}

/// Every training record that shares media with a benchmark item, whatever its name and frame range, or repeats its text;
/// one finding for each record and benchmark file. `texts` are pairs of record and item with similar long texts.
pub(super) fn leaks(
    view: &View<'_>,
    sameness: &Sameness,
    texts: &[(u32, u32, f64)],
) -> Vec<LeakFound> {
    // The first item of each benchmark file about each class of media, and about each class of frames.
    let mut by_media: Map<u32, BTreeMap<u32, u32>> = Map::default();
    let mut by_frames: Map<u32, BTreeMap<u32, u32>> = Map::default();
    for item in &view.benchmark {
        let print = view.print(*item);
        let media = sameness.media[print.media as usize];
        let frames = sameness.frames[view.clips[*item as usize] as usize];
        for (map, class) in [(&mut by_media, media), (&mut by_frames, frames)] {
            let files = map.entry(class).or_default();
            files.entry(print.file).or_insert(*item);
        }
    }
    let mut by_text: Map<u32, Vec<(u32, f64)>> = Map::default();
    for (record, item, similarity) in texts {
        by_text
            .entry(*record)
            .or_default()
            .push((*item, *similarity));
    }
    let mut found = Vec::new();
    for record in &view.order {
        let print = view.print(*record);
        let clip = view.clips[*record as usize];
        let media = by_media.get(&sameness.media[print.media as usize]);
        let frames = by_frames.get(&sameness.frames[clip as usize]);
        // Ordered by file, so that findings do not depend on how they were found.
        let mut items: BTreeMap<u32, (u32, Vec<Evidence>, Vec<String>)> = BTreeMap::new();
        for (file, item) in media.into_iter().chain(frames).flatten() {
            let other = view.clips[*item as usize];
            let (evidence, detail) = sameness.evidence(view, clip, other);
            let entry = items
                .entry(*file)
                .or_insert((*item, Vec::new(), Vec::new()));
            entry.1.extend(evidence);
            entry.2.push(detail);
        }
        for (item, similarity) in by_text.get(record).into_iter().flatten() {
            let file = view.print(*item).file;
            let entry = items.entry(file).or_insert((*item, Vec::new(), Vec::new()));
            if !entry.1.contains(&Evidence::SameText) {
                entry.1.push(Evidence::SameText);
                entry.2.push(format!("texts alike by {similarity:.2}"));
            }
        }
        for (item, mut evidence, mut detail) in items.into_values() {
            evidence.sort_unstable();
            evidence.dedup();
            if evidence.is_empty() {
                // One in media through a third file.
                evidence.push(Evidence::SameId);
                detail.push("through a third name".to_owned());
            }
            detail.retain(|words| !words.is_empty());
            detail.dedup();
            found.push(LeakFound {
                record: *record,
                item,
                evidence,
                detail: detail.join("; "),
            });
        }
    }
    let rank: Map<&str, usize> = ranks(view);
    let file = |leak: &LeakFound| {
        let file = view.print(leak.item).file as usize;
        rank.get(view.audit.files[file].path.as_str()).copied()
    };
    // Records stay in their order; their findings are by benchmark path.
    for same in found.chunk_by_mut(|a, b| a.record == b.record) {
        same.sort_by_key(file);
    }
    found
}

fn ranks<'a>(view: &View<'a>) -> Map<&'a str, usize> {
    let paths: BTreeSet<&str> = view
        .audit
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    paths.into_iter().zip(0..).collect()
}

/// What was counted once on the published files: training source, what it overlaps with, and how far. Counted from the
/// id lists of the sources' own repositories.
const KNOWN: [(&[&str], &str, &str); 9] = [
    (
        &["nextqa"],
        "ST-Align benchmark (STVG, VidSTG validation)",
        "NExT-QA train holds 171 of the 361 videos of the STVG benchmark, 281 of the 602 annotated videos of VidSTG validation and 2,653 of VidSTG train",
    ),
    (
        &["nextqa"],
        "VidSTG test",
        "520 of the 570 videos of NExT-QA validation are VidSTG test; NExT-QA test overlaps with no annotated split",
    ),
    (
        &["intentqa"],
        "NExT-QA",
        "IntentQA splits NExT-QA anew: of its 524 validation videos 451 are NExT-QA train and 73 validation, of its 567 test videos 500 and 67; 276 of 2,044 validation and 249 of 2,134 test questions are literally in NExT-QA validation",
    ),
    (
        &["vidstg", "stvg", "svg", "elc", "vidor"],
        "ST-Align benchmark",
        "all 2,000 STVG items match VidSTG validation in file order; training on that split is training on the benchmark",
    ),
    (
        &["refcoco", "refcocoplus", "refcocog"],
        "RefCOCO, RefCOCO+, RefCOCOg",
        "the three share COCO train2014 images across their splits: an image of one's training is in another's validation or test",
    ),
    (
        &["muse"],
        "RefCOCO, RefCOCO+, RefCOCOg",
        "MUSE is made of COCO images (train2014 and, through LVIS, train2017 and val2017), as the benchmarks are",
    ),
    (
        &["agqa", "star"],
        "Charades-STA",
        "both are made of Charades videos, as the benchmark is; the overlap with its test videos was not counted: compare the five-letter ids",
    ),
    (
        &[
            "vcgplus112k",
            "videochatgpt100k",
            "anetrtl",
            "videoinstruct",
        ],
        "VCGBench",
        "all come from ActivityNet, as the benchmark's 500 videos do; the overlap of splits was not counted: compare the ids",
    ),
    (
        &["kinetics"],
        "Kinetics-400",
        "the validation set of Kinetics-400 is largely inside Kinetics-700 train",
    ),
];

/// A source's name without marks and case, as tables of names are compared.
pub(super) fn bare(name: &str) -> String {
    name.replace('+', "plus")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// The known overlaps of the sources that are here; `sources` are names and records.
pub(super) fn known(sources: &BTreeMap<&str, u64>) -> Vec<KnownOverlap> {
    let mut rows = Vec::new();
    for (names, with, fact) in KNOWN {
        for (source, records) in sources {
            let bare = bare(source);
            if names.iter().any(|name| bare.starts_with(name)) {
                rows.push(KnownOverlap {
                    source: (*source).to_owned(),
                    with: with.to_owned(),
                    fact: fact.to_owned(),
                    records: *records,
                });
            }
        }
    }
    rows
}
