//! `stdata benchmark`: evaluation files from raw samples, held against the samples of those very files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use st_schema::{FramePlan, Task, benchmark, round3};

use crate::stdata;

fn raw(source: &str) -> PathBuf {
    let fixtures = "../../tests/fixtures/normalize";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(fixtures)
        .join(source)
        .join("raw")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The file that the program writes, its account and its exit code.
fn write(args: &[&str], inputs: &[PathBuf]) -> (Value, Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/out.json");
    let mut command = stdata();
    command.args(["benchmark", "-q", "--json"]).args(args);
    let output = command
        .arg("--out")
        .arg(&out)
        .args(inputs)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(out.exists(), "{error}");
    let account = serde_json::from_slice(&output.stdout).unwrap();
    (read(&out), account, output.status.code())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// `VidSTG`'s sentences and `VidOR`'s boxes give the frames and boxes of the benchmark samples, to the number and the type.
#[test]
fn st_align_files_are_those_of_the_samples() {
    for name in ["stvg", "svg", "elc"] {
        let (written, account, code) = write(&[name, "--declarative"], &[raw("vidstg")]);
        let sample = read(&raw("st_align_benchmark").join(format!("{name}.json")));
        let (written, sample) = (list(&written), list(&sample));
        // The third event's object has boxes without width: stvg asks for the time all the same, the others cannot be answered.
        let refused = match name {
            "stvg" => json!({}),
            "svg" => json!({"nothing-in-it": 1}),
            _ => json!({"no-box-at-start": 1}),
        };
        assert_eq!(account["reasons"], refused, "{name}");
        let lost = usize::from(name != "stvg");
        assert_eq!(code, Some(i32::from(name != "stvg")), "{name}");
        assert_eq!(written.len(), sample.len() - lost);
        for (ours, theirs) in written.iter().zip(sample) {
            assert_eq!(ours["video_path"], theirs["video_path"]);
            // As text: 4 is not 4.0, and the order of fields is that of the file.
            assert_eq!(
                ours["meta"].to_string(),
                theirs["meta"].to_string(),
                "{name}"
            );
        }
        let says = |record: &Value| record["conversations"][1]["value"].clone();
        assert_eq!(says(&written[0]), says(&sample[0]), "{name}");
    }
}

/// Sentences and questions: every one is written, refused or left out, and `--limit` takes the first.
#[test]
fn every_sentence_of_vidstg_has_an_end() {
    let counts = |args: &[&str]| {
        let (written, account, _) = write(args, &[raw("vidstg")]);
        let count = |name: &str| account[name].as_u64().unwrap();
        assert_eq!(list(&written).len() as u64, count("kept"));
        [
            count("read"),
            count("kept"),
            count("rejected"),
            count("left_out"),
        ]
    };
    assert_eq!(counts(&["stvg"]), [6, 6, 0, 0]);
    assert_eq!(counts(&["stvg", "--declarative"]), [6, 3, 0, 3]);
    assert_eq!(counts(&["stvg", "--limit", "4"]), [6, 4, 0, 2]);
    assert_eq!(counts(&["svg"]), [6, 5, 1, 0]);
    assert_eq!(counts(&["elc"]), [6, 2, 1, 3]);
    let (some, _, _) = write(&["stvg", "--limit", "4"], &[raw("vidstg")]);
    let (all, _, _) = write(&["stvg"], &[raw("vidstg")]);
    assert_eq!(list(&some), &list(&all)[..4]);
    // A split that is not there is a failure, not an empty file.
    let mut command = stdata();
    command.args([
        "benchmark",
        "stvg",
        "--split",
        "test",
        "--out",
        "never.json",
    ]);
    let output = command.arg(raw("vidstg")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!Path::new("never.json").exists());
}

/// The whole chain: the evaluation file, as the scorer reads it, and the training records of the same sentences agree with
/// each other and with the released training sample in frames, boxes and rounding.
#[test]
fn evaluation_file_and_training_records_agree() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("train.json");
    let mut command = stdata();
    command.args([
        "normalize",
        "--source",
        "vidstg",
        "--split",
        "val",
        "--tasks",
        "stvg",
        "-q",
    ]);
    command
        .arg("--out")
        .arg(&out)
        .arg("--root")
        .arg(folder.path());
    // 1: the third event is refused for svg and elc.
    command.arg(raw("vidstg")).assert().code(1);
    let training = read(&out);
    let (file, _, _) = write(&["stvg"], &[raw("vidstg")]);
    let plan = FramePlan::default();
    let items = benchmark::items(&file, Task::Stvg, plan, |_| 0).unwrap();
    assert_eq!(items.len(), list(&training).len());
    for (item, record) in items.iter().zip(list(&training)) {
        let item = item.as_ref().unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            let values = record["variables"][name].as_array();
            values
                .into_iter()
                .flatten()
                .map(|value| value.as_f64().unwrap())
                .collect()
        };
        let [first, last] = item.clip.split.unwrap();
        let share = |frame: f64| round3((frame - first as f64) / (last - first) as f64);
        let tube = item.truth.tube.as_ref().unwrap();
        let times = item.truth.span.unwrap().into_iter().map(share);
        let frames = tube.iter().map(|(frame, _)| share(*frame as f64));
        let expected: Vec<f64> = times.chain(frames).collect();
        assert_eq!(numbers("temporal_output_locations"), expected);
        let [width, height] = [item.width.unwrap(), item.height.unwrap()];
        let wide: Vec<f64> = tube
            .iter()
            .flat_map(|(_, b)| [b[0], b[2]].map(|x| round3(x / width)))
            .collect();
        let high: Vec<f64> = tube
            .iter()
            .flat_map(|(_, b)| [b[1], b[3]].map(|y| round3(y / height)))
            .collect();
        assert_eq!(numbers("spatial_width_output_locations"), wide);
        assert_eq!(numbers("spatial_height_output_locations"), high);
    }
    // The released sample keeps some of the tube's boxes: those it keeps are ours.
    let sample = read(&raw("st_align_dataset").join("stage3/stvg.json"));
    for theirs in list(&sample) {
        let ours = list(&training).iter().find(|ours| {
            ours["video"] == theirs["video"] && ours["meta"]["split"] == theirs["meta"]["split"]
        });
        let ours = ours.unwrap();
        let boxes = |record: &Value| -> Vec<[Value; 5]> {
            let of = |name: &str| list(&record["variables"][name]).to_vec();
            let times = of("temporal_output_locations");
            let wide = of("spatial_width_output_locations");
            let high = of("spatial_height_output_locations");
            let pairs = wide.chunks(2).zip(high.chunks(2));
            let boxes = times[2..].iter().zip(pairs);
            boxes
                .map(|(time, (x, y))| [time, &x[0], &y[0], &x[1], &y[1]].map(Clone::clone))
                .collect()
        };
        let span =
            |record: &Value| list(&record["variables"]["temporal_output_locations"])[..2].to_vec();
        assert_eq!(span(ours), span(theirs), "the event, both ends inclusive");
        let known = boxes(ours);
        for one in boxes(theirs) {
            assert!(known.contains(&one), "{one:?} is not among {known:?}");
        }
    }
}

/// refer's pickles and COCO's instances give the pairs of MDETR's file, but for the words that a parser marks there.
#[test]
fn refcoco_files_are_those_of_the_samples() {
    let sample = read(&raw("refcoco_mdetr_eval").join("refcoco_val.json"));
    // The sample puts one sentence of each evaluation split into one file.
    let mut found = 0;
    for split in ["val", "testA", "testB"] {
        let (written, account, code) = write(&["refcoco", "--split", split], &[raw("refcoco")]);
        assert_eq!(code, Some(0), "{account:#}");
        let images = list(&written["images"]);
        assert_eq!(images.len(), list(&written["annotations"]).len());
        let pairs = images.iter().zip(list(&written["annotations"]));
        for (number, (image, annotation)) in pairs.enumerate() {
            let ids = [&image["id"], &annotation["id"], &annotation["image_id"]];
            assert_eq!(ids, [number; 3].map(Value::from).each_ref());
            let same = list(&sample["images"])
                .iter()
                .position(|one| one["caption"] == image["caption"]);
            let Some(at) = same else { continue };
            found += 1;
            let of = |value: &Value, names: &[&str]| -> Vec<Value> {
                names.iter().map(|name| value[*name].clone()).collect()
            };
            let names = [
                "file_name",
                "height",
                "width",
                "original_id",
                "dataset_name",
                "tokens_negative",
            ];
            assert_eq!(of(image, &names), of(&sample["images"][at], &names));
            let names = ["area", "iscrowd", "category_id", "bbox", "original_id"];
            assert_eq!(
                of(annotation, &names),
                of(&sample["annotations"][at], &names)
            );
        }
        let read = benchmark::items(&written, Task::Rec, FramePlan::default(), |_| 0).unwrap();
        assert!(!read.is_empty() && read.iter().all(Result::is_ok));
    }
    assert_eq!(found, list(&sample["images"]).len());
    // The box without width of the train split is refused by name.
    let (_, account, code) = write(&["refcoco", "--split", "train"], &[raw("refcoco")]);
    assert_eq!(
        (code, &account["reasons"]),
        (Some(1), &json!({"box-empty": 1}))
    );
    for (name, source) in [("refcoco-plus", "refcoco_plus"), ("refcocog", "refcocog")] {
        let (written, _, _) = write(&[name, "--split", "all"], &[raw(source)]);
        let dataset = written["images"][0]["dataset_name"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(dataset, source.replace("_plus", "+"));
    }
}

/// Seconds and lengths give the shares of the sample that LLaVA-ST evaluates, to the last decimal.
#[test]
fn charades_file_is_that_of_the_sample() {
    let folder = raw("charades_sta");
    let files = [
        "test.caption_coco_format.json",
        "Charades_v1_train_durations.csv",
    ];
    let (written, account, code) = write(&["charades-sta"], &files.map(|file| folder.join(file)));
    assert_eq!(
        written.to_string(),
        read(&folder.join("llava_st_test.json")).to_string()
    );
    assert_eq!(code, Some(0));
    assert_eq!(
        account["notes"],
        json!({"a span ends beyond its video and is cut to it": 1})
    );
    // The authors' lines: the span without length stays, and is told.
    let files = ["charades_sta_train.txt", "Charades_v1_train_durations.csv"];
    let args = ["charades-sta", "--split", "train"];
    let (written, account, _) = write(&args, &files.map(|file| folder.join(file)));
    let times: Vec<&Value> = list(&written).iter().map(|one| &one["timestamp"]).collect();
    assert_eq!(
        times,
        [
            &json!([0.15, 0.366]),
            &json!([0.366, 0.576]),
            &json!([0.0, 1.0]),
            &json!([0.696, 0.696])
        ]
    );
    assert_eq!(
        account["notes"]["a span has no length; no answer can hit it"],
        1
    );
}
