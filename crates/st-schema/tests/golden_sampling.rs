//! Parity with the reference's frame and record sampling and its evaluation items: `$ST_GOLDEN/sampling`.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "a failing test may panic; the goldens' small numbers must be met to the bit"
)]

mod golden;

use golden::{Case, cases};
use serde_json::{Value, json};
use st_schema::compat::dataset::{Taken, sample};
use st_schema::compat::frames::{self, Asked, ReadError, TrainingOptions};
use st_schema::{FramePlan, SamplingStrategy, Task, Variables, benchmark};

fn floats(value: &Value) -> Option<Vec<f64>> {
    value
        .as_array()
        .map(|list| list.iter().map(|number| number.as_f64().unwrap()).collect())
}

fn size(case: &Case, name: &str) -> usize {
    usize::try_from(case.0[name].as_u64().unwrap()).unwrap()
}

fn check_asked(case: &Case, asked: &Asked) {
    assert_eq!(
        Some(&asked.indices),
        floats(&case.0["indices"]).as_ref(),
        "case {}",
        case.id()
    );
    match &asked.read {
        Ok(read) => {
            assert_eq!(
                case.0["ok"],
                true,
                "case {}: the reference fails",
                case.id()
            );
            let read: Vec<f64> = read.iter().map(|&index| index as f64).collect();
            let expected = floats(&case.0["resolved"]).unwrap_or_else(|| asked.indices.clone());
            assert_eq!(read, expected, "case {}", case.id());
        }
        Err(error) => assert_eq!(error.to_string(), case.text("error"), "case {}", case.id()),
    }
}

fn check_refused(case: &Case, error: ReadError) {
    assert_eq!(
        error.to_string(),
        case.0["error"].as_str().unwrap_or("ok"),
        "case {}",
        case.id()
    );
    assert!(case.0["indices"].is_null(), "case {}", case.id());
}

#[test]
fn golden_sampling_frame_index() {
    for case in cases("sampling/frame_index.jsonl") {
        let n_frames = case.0["n_frames"].as_u64().unwrap();
        let split: Option<[f64; 2]> = floats(&case.0["split"]).map(|ends| ends.try_into().unwrap());
        let num_frames = size(&case, "num_frames");
        if case.0["fn"] == "load_video" {
            match frames::load_video(n_frames, split, num_frames) {
                Ok(asked) => check_asked(&case, &asked),
                Err(error) => check_refused(&case, error),
            }
            continue;
        }
        let options = TrainingOptions {
            num_frames,
            frames_upbound: size(&case, "frames_upbound"),
            force_sample: case.0["force_sample"].as_bool().unwrap(),
            video_fps: case.0["video_fps"].as_f64().unwrap(),
        };
        match frames::process_video(
            n_frames,
            case.0["avg_fps"].as_f64().unwrap(),
            split,
            options,
        ) {
            Ok(training) => {
                check_asked(&case, &training.asked);
                if training.asked.read.is_ok() {
                    assert_eq!(
                        Some(training.video_time),
                        case.0["video_time"].as_f64(),
                        "case {}",
                        case.id()
                    );
                    assert_eq!(
                        training.asked.indices.len(),
                        size(&case, "sampled"),
                        "case {}",
                        case.id()
                    );
                    if let Some(words) = case.0["frame_time"].as_str() {
                        assert_eq!(training.frame_time, words, "case {}", case.id());
                    }
                }
            }
            Err(error) => check_refused(&case, error),
        }
    }
}

/// Our plan takes the reference's frames wherever the reference reads a sane clip.
#[test]
fn golden_sampling_frame_plan() {
    let mut compared = 0;
    for case in cases("sampling/frame_index.jsonl") {
        if case.0["ok"] == false || case.0["frames_upbound"].as_u64().unwrap_or(0) > 0 {
            continue;
        }
        let split: Option<Vec<u64>> = case.0["split"]
            .as_array()
            .map(|ends| ends.iter().filter_map(Value::as_u64).collect());
        let [first, last] = match split.as_deref() {
            None => [0, case.0["n_frames"].as_u64().unwrap() - 1],
            Some(&[first, last]) => [first, last],
            // Negative or fractional: such records are refused when read.
            Some(_) => continue,
        };
        let ours: Vec<f64> = FramePlan {
            frames: size(&case, "num_frames"),
        }
        .indices(first, last)
        .iter()
        .map(|&index| index as f64)
        .collect();
        assert_eq!(Some(ours), floats(&case.0["indices"]), "case {}", case.id());
        compared += 1;
    }
    assert!(compared > 0 || !golden::present());
}

#[test]
fn golden_sampling_frame_dir() {
    for case in cases("sampling/frame_dir.jsonl") {
        let pattern = case.text("names");
        let mut names: Vec<String> = (0..size(&case, "n_files"))
            .map(|i| {
                pattern
                    .replace("%05d", &format!("{i:05}"))
                    .replace("%d", &i.to_string())
            })
            .collect();
        names.sort();
        let force = case.0["force_sample"].as_bool().unwrap();
        let taken = frames::frame_folder(names.len(), size(&case, "frames_upbound"), force);
        let files: Vec<&str> = taken.iter().map(|&index| names[index].as_str()).collect();
        assert_eq!(json!(files), case.0["files"], "case {}", case.id());
    }
}

/// How many samples a golden data file holds, by its name (`d23.json`); none for the broken ones.
fn length(path: &str) -> Option<usize> {
    let stem = path
        .strip_suffix(".jsonl")
        .or_else(|| path.strip_suffix(".json"))?;
    stem.strip_prefix('d')?.parse().ok()
}

#[test]
fn golden_sampling_data_yaml() {
    let mut compared = 0;
    for case in cases("sampling/data_yaml.jsonl") {
        let Some(datasets) = case.0["datasets"].as_array() else {
            continue;
        };
        let lengths: Option<Vec<usize>> = datasets
            .iter()
            .map(|one| one["json_path"].as_str().and_then(length))
            .collect();
        let (Some(lengths), true) = (
            lengths,
            datasets.iter().all(|one| one["data_folder"].is_string()),
        ) else {
            // A missing folder, path or file stops the reference; here the YAML is refused, or the file when it is opened.
            assert_eq!(case.0["ok"], false, "case {}", case.id());
            continue;
        };
        compared += 1;
        let strategies = datasets
            .iter()
            .map(|one| one["sampling_strategy"].as_str().unwrap_or("all"));
        let taken: Result<Vec<Taken>, _> = strategies
            .zip(&lengths)
            .map(|(strategy, &length)| sample(strategy, length))
            .collect();
        match taken {
            Err(error) => assert_eq!(error.to_string(), case.text("error"), "case {}", case.id()),
            Ok(taken) => {
                let count: usize = taken
                    .iter()
                    .map(|one| match one {
                        Taken::Range(range) => range.len(),
                        Taken::Random(n) => *n,
                    })
                    .sum();
                assert_eq!(json!(count), case.0["count"], "case {}", case.id());
                if let Some(ids) = case.0["ids"].as_array() {
                    let ours: Vec<String> = taken
                        .iter()
                        .flat_map(|one| match one {
                            Taken::Range(range) => range.clone(),
                            Taken::Random(_) => 0..0,
                        })
                        .map(|i| format!("s{i}"))
                        .collect();
                    let drawn = taken.iter().any(|one| matches!(one, Taken::Random(_)));
                    assert!(drawn || json!(ours) == json!(ids), "case {}", case.id());
                }
                check_strict(&case, datasets, &lengths, &taken);
            }
        }
    }
    assert!(compared > 0 || !golden::present());
}

/// Our strategies take the same records, except where docs/coordinates.md says that they refuse or differ.
fn check_strict(case: &Case, datasets: &[Value], lengths: &[usize], taken: &[Taken]) {
    for ((one, &length), theirs) in datasets.iter().zip(lengths).zip(taken) {
        let strategy = one["sampling_strategy"].as_str().unwrap_or("all");
        let Ok(ours) = strategy.parse::<SamplingStrategy>() else {
            let known = ["all", "first:", "end:", "random:"]
                .iter()
                .any(|word| strategy.starts_with(word));
            assert!(
                !known || strategy.contains('-'),
                "case {}: {strategy} should be known",
                case.id()
            );
            continue;
        };
        let selected = ours.select(length, 0);
        match theirs {
            _ if strategy == "end:0" || strategy == "end:0%" => assert!(selected.is_empty()),
            Taken::Range(range) => assert_eq!(
                selected,
                range.clone().collect::<Vec<_>>(),
                "case {}",
                case.id()
            ),
            Taken::Random(count) => assert_eq!(selected.len(), *count, "case {}", case.id()),
        }
    }
}

fn variables_json(variables: &Variables) -> Value {
    variables
        .iter()
        .map(|(axis, side, numbers)| (Variables::name(axis, side).to_owned(), json!(numbers)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Equal in value: Python's 1 and 1.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((name, a), (other, b))| name == other && same(a, b))
        }
        _ => a == b,
    }
}

fn truth_json(item: &benchmark::Item) -> Value {
    let tube = item.truth.tube.as_ref().map(|tube| {
        Value::from(
            tube.iter()
                .map(|(frame, bbox)| (frame.to_string(), json!(bbox)))
                .collect::<serde_json::Map<_, _>>(),
        )
    });
    match item.task {
        Task::Stvg => json!({"tvg": item.truth.span, "svg": tube}),
        Task::Svg => json!({"svg": tube}),
        Task::Elc => json!({"tvg": item.truth.span, "svg": tube, "caption": item.truth.caption}),
        _ => json!(item.truth.span),
    }
}

#[test]
fn golden_sampling_eval_items() {
    for case in cases("sampling/eval_items.jsonl") {
        let annotation = &case.0["annotation"];
        let choice = case.0["choice"]
            .as_u64()
            .map_or(0, |choice| usize::try_from(choice).unwrap());
        let expected = &case.0["item"];
        let plan = FramePlan {
            frames: expected["frame_num"]
                .as_u64()
                .map_or(100, |n| usize::try_from(n).unwrap()),
        };
        let item = match case.text("dataset") {
            "VidSTGChatDataset" => {
                let task = [Task::Stvg, Task::Svg, Task::Elc][size(&case, "task_id")];
                benchmark::video_item(annotation, task, plan, case.0["n_frames"].as_u64(), choice)
            }
            "RefCOCOEvalDataset" => benchmark::items(annotation, Task::Rec, plan, |_| choice)
                .unwrap()
                .remove(0),
            "CharadesSTGDataset" => benchmark::sentence_item(annotation, plan),
            other => panic!("no reader for {other}"),
        };
        let item = item.unwrap_or_else(|error| panic!("case {}: {error}", case.id()));
        let check = |what: &str, ours: Value| {
            assert!(
                same(&ours, &expected[what]),
                "case {}, {what}:\nours   {ours}\ntheirs {}",
                case.id(),
                expected[what]
            );
        };
        check("prompt", json!(item.prompt));
        check(
            "conversations",
            json!([{"from": "human", "value": item.question}, {"from": "gpt", "value": null}]),
        );
        check("variables", variables_json(&item.variables));
        let path = item.clip.media.path();
        if item.task == Task::Rec {
            check("image_path", json!(path));
            check("gt_bbox", json!(item.truth.bbox));
            check("event", json!(item.truth.caption));
        } else {
            check("video_path", json!(format!("root/{path}")));
            check("gt", truth_json(&item));
        }
        if item.task != Task::Tvg {
            check("width", json!(item.width));
            check("height", json!(item.height));
        }
        if !expected["split"].is_null() {
            check("split", json!(item.clip.split));
        }
    }
}
