//! The paper's table beside what is on disk.

use std::collections::BTreeMap;

use st_schema::Task;

use super::leakage::bare;
use super::report::{CompositionRow, Counted};

/// A row of the table of ST-Align (arXiv:2501.08282, figure "data"): stage, task, thousands of samples, sources by the
/// names that they go by, the paper's first.
type Row = (u8, Task, u64, &'static [&'static [&'static str]]);

const WEBVID: &[&str] = &[
    "WebVid-10M",
    "webvid",
    "webvid2m",
    "webvid703k",
    "webvidcaption",
];
const VTIMELLM: &[&str] = &["VTimeLLM-Stage2", "vtimellm", "vtime"];
const MOMENT: &[&str] = &["Moment-10M", "momentor", "gesm"];
const INTERNVID_G: &[&str] = &["InternVid-G", "hawkeye"];
const GRAND: &[&str] = &["GranD"];
const VTG_IT: &[&str] = &["VTG-IT", "timeit", "yttemporal"];
const YOUCOOK: &[&str] = &["YouCook2", "youcookii", "youcookdvc", "youcook2caption"];
const FLICKR: &[&str] = &["Flickr30k Entities", "flickr30k", "flickr"];
const REFCOCO: &[&[&str]] = &[&["RefCOCO"], &["RefCOCO+", "refcocop"], &["RefCOCOg"]];
const VIDSTG: &[&[&str]] = &[&["self collected", "vidstg", "vidor", "stvg", "svg", "elc"]];

/// The figures are rounded to thousands in the paper, to ten thousands in stage 1.
const TABLE: [Row; 21] = [
    (
        1,
        Task::VideoCaption,
        1280,
        &[
            WEBVID,
            &["Panda-70M", "panda2m", "panda"],
            &["InternVid-10M", "internvid10mflt", "internvid"],
        ],
    ),
    (2, Task::Tvg, 149, &[VTIMELLM]),
    (2, Task::Dvc, 92, &[VTIMELLM, MOMENT, INTERNVID_G]),
    (2, Task::Tr, 95, &[VTIMELLM, INTERNVID_G]),
    (2, Task::Rec, 101, &[GRAND]),
    (2, Task::Dgc, 150, &[GRAND]),
    (2, Task::Reg, 100, &[GRAND]),
    (
        3,
        Task::Tgc,
        459,
        &[
            &["ANet-RTL", "activitynetrtl"],
            MOMENT,
            &["Grounded-VideoLLM", "gvideoqa", "groundedqa"],
        ],
    ),
    (
        3,
        Task::Tvg,
        84,
        &[&["DiDeMo"], &["HiREST"], &["QuerYD"], VTG_IT],
    ),
    (3, Task::Dvc, 41, &[&["COIN"], &["ViTT"], YOUCOOK, VTG_IT]),
    (3, Task::Igc, 190, &[&["MUSE"], FLICKR]),
    (3, Task::Rec, 288, REFCOCO),
    (3, Task::Reg, 288, REFCOCO),
    (3, Task::Dgc, 22, &[FLICKR]),
    (3, Task::Stvg, 81, VIDSTG),
    (3, Task::Elc, 36, VIDSTG),
    (3, Task::Svg, 81, VIDSTG),
    (
        3,
        Task::Conversation,
        222,
        &[
            &["VCG-Plus-112K", "vcgplus"],
            &[
                "VideoChatGPT-100K",
                "videoinstruct100k",
                "videochatgpt",
                "videochatinstruct",
            ],
            &["VideoChat2-Conv", "videochat2", "videochat2conversations"],
        ],
    ),
    (
        3,
        Task::VideoQa,
        338,
        &[
            &["EgoQA", "videochat2egoqa"],
            &["NExT-QA"],
            &["Intent-QA"],
            &["AGQA"],
            &["STAR"],
            &["CLEVRER", "clevrerqa", "clevrermc"],
            &["WebVid-QA"],
        ],
    ),
    (
        3,
        Task::Classification,
        66,
        &[
            &["SthSthV2", "ssv2", "somethingsomethingv2"],
            &["Kinetics", "k710", "kinetics710"],
        ],
    ),
    (
        3,
        Task::VideoCaption,
        168,
        &[&["TextVR"], YOUCOOK, WEBVID, &["ShareGPT4Video"]],
    ),
];

/// Sources on disk and their records.
type Here = Vec<(String, u64)>;

/// The stage that a dataset's name says, such as `stage3_data`.
pub(super) fn stage(dataset: &str) -> Option<u8> {
    let rest = dataset.to_ascii_lowercase();
    let (_, after) = rest.split_once("stage")?;
    let digit = after.trim_start_matches(['_', '-', ' ']).bytes().next()?;
    (b'1'..=b'3').contains(&digit).then(|| digit - b'0')
}

/// The paper's table beside `taken`: records by stage, task and source. Empty when nothing names a stage; rows of stages
/// that nothing names are left out.
pub(super) fn compare(taken: &BTreeMap<(u8, Option<Task>, String), u64>) -> Vec<CompositionRow> {
    let mut left = taken.clone();
    let mut rows = Vec::new();
    let has_stage = |stage: u8| taken.keys().any(|(found, ..)| *found == stage);
    for (stage, task, thousands, sources) in &TABLE {
        if !has_stage(*stage) {
            continue;
        }
        let here: Vec<(String, u64)> = left
            .iter()
            .filter(|((s, t, _), _)| s == stage && *t == Some(*task))
            .map(|((.., source), count)| (source.clone(), *count))
            .collect();
        left.retain(|(s, t, _), _| s != stage || *t != Some(*task));
        rows.push(row(*stage, *task, *thousands, sources, &here));
    }
    // Tasks that the paper's stage does not have.
    let mut others: BTreeMap<(u8, Option<Task>), Here> = BTreeMap::new();
    for ((stage, task, source), count) in left {
        others
            .entry((stage, task))
            .or_default()
            .push((source, count));
    }
    for ((stage, task), here) in others {
        rows.push(CompositionRow {
            stage,
            task,
            paper: None,
            taken: here.iter().map(|(_, count)| count).sum(),
            found: Vec::new(),
            missing: Vec::new(),
            surplus: counted(&here),
        });
    }
    rows.sort_by_key(|row| row.stage);
    rows
}

fn row(
    stage: u8,
    task: Task,
    thousands: u64,
    sources: &[&[&str]],
    here: &[(String, u64)],
) -> CompositionRow {
    let is = |names: &[&str], source: &str| names.iter().any(|name| bare(name) == bare(source));
    let (found, missing): (Vec<&&[&str]>, Vec<&&[&str]>) = sources
        .iter()
        .partition(|names| here.iter().any(|(source, _)| is(names, source)));
    let first = |all: Vec<&&[&str]>| all.iter().map(|names| names[0].to_owned()).collect();
    let surplus: Vec<(String, u64)> = here
        .iter()
        .filter(|(source, _)| !sources.iter().any(|names| is(names, source)))
        .cloned()
        .collect();
    CompositionRow {
        stage,
        task: Some(task),
        paper: Some(thousands * 1000),
        taken: here.iter().map(|(_, count)| count).sum(),
        found: first(found),
        missing: first(missing),
        surplus: counted(&surplus),
    }
}

fn counted(rows: &[(String, u64)]) -> Vec<Counted> {
    rows.iter()
        .map(|(source, count)| Counted {
            text: source.clone(),
            count: *count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up_to_the_papers_total() {
        let total: u64 = TABLE.iter().map(|row| row.2).sum();
        // Rounded rows; the paper says 4.3 M.
        assert!((4_200..4_400).contains(&total), "{total}");
    }

    #[test]
    fn what_is_missing_and_what_is_surplus_is_named() {
        let mut taken = BTreeMap::new();
        let mut put = |task, source: &str, count| {
            taken.insert((3, Some(task), source.to_owned()), count);
        };
        put(Task::Rec, "refcoco", 100);
        put(Task::Rec, "refcoco_plus", 200);
        put(Task::Rec, "mine", 7);
        put(Task::Tr, "vtimellm_stage2", 5);
        let rows = compare(&taken);
        let of = |task| rows.iter().find(|row| row.task == Some(task)).unwrap();
        let rec = of(Task::Rec);
        assert_eq!((rec.paper, rec.taken), (Some(288_000), 307));
        assert_eq!(rec.found, ["RefCOCO", "RefCOCO+"]);
        assert_eq!(rec.missing, ["RefCOCOg"]);
        assert_eq!(rec.surplus[0].text, "mine");
        assert_eq!((of(Task::Tr).paper, of(Task::Tr).taken), (None, 5));
        assert_eq!(of(Task::Stvg).taken, 0);
        assert!(rows.iter().all(|row| row.stage == 3));
        assert!(compare(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn stages_are_read_from_names() {
        for (name, expected) in [
            ("stage3", Some(3)),
            ("stage1_data", Some(1)),
            ("my-Stage-2", Some(2)),
            ("stage9", None),
            ("train", None),
        ] {
            assert_eq!(stage(name), expected, "{name}");
        }
    }
}
