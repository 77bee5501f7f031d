//! `stdata stats` finds what was planted, and nothing else: repetitions, contradictions, wrong counts, leaks.
//!
//! The ground is a synthetic dataset; its own findings are none (asserted), so every finding must be a planted one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::stdata;

/// A file and a record's number in it.
type Spot = (String, u64);

/// Annotation files in memory, and what was planted into them.
struct Field {
    folder: PathBuf,
    files: BTreeMap<String, Vec<Value>>,
    planted: BTreeMap<&'static str, BTreeSet<Spot>>,
    benchmark: Vec<Value>,
    state: u64,
}

impl Field {
    /// A synthetic dataset of about `records` records.
    fn new(folder: &Path, records: usize) -> Self {
        let made = stdata()
            .args([
                "synth",
                "--annotations-only",
                "--turns",
                "1",
                "--seed",
                "5",
                "--records",
            ])
            .arg(records.to_string())
            .arg("--out")
            .arg(folder)
            .output()
            .unwrap();
        assert!(made.status.success());
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder.join("annotations/train")).unwrap() {
            let path = entry.unwrap().path();
            let list: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), list);
        }
        Self {
            folder: folder.to_owned(),
            files,
            planted: BTreeMap::new(),
            benchmark: Vec::new(),
            state: 1,
        }
    }

    /// A number below `limit` (`SplitMix64`).
    fn draw(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    /// A record of one of the tasks that nothing was planted on yet; its clip is used up.
    fn pick(&mut self, tasks: &[&str], used: &mut BTreeSet<String>) -> Value {
        loop {
            let task = tasks[self.draw(tasks.len())];
            let length = self.files[&format!("{task}.json")].len();
            let place = self.draw(length);
            let record = self.files[&format!("{task}.json")][place].clone();
            if used.insert(clip(&record)) {
                return record;
            }
        }
    }

    /// Adds a changed copy.
    fn plant(&mut self, kind: &'static str, record: Value) {
        let spot = self.add(record);
        self.planted.entry(kind).or_default().insert(spot);
    }

    /// Puts a record at the end of its task's file under another id.
    fn add(&mut self, mut record: Value) -> Spot {
        record["id"] = json!(format!("added-{}", self.draw(1 << 40)));
        let file = format!("{}.json", record["task"].as_str().unwrap());
        let list = self.files.get_mut(&file).unwrap();
        list.push(record);
        (file, list.len() as u64 - 1)
    }

    /// Writes the files; gives the dataset file and the benchmark.
    fn write(&self) -> [PathBuf; 2] {
        for (name, list) in &self.files {
            let path = self.folder.join("annotations/train").join(name);
            fs::write(path, serde_json::to_vec(list).unwrap()).unwrap();
        }
        let benchmark = self.folder.join("benchmark.json");
        fs::write(&benchmark, serde_json::to_vec(&self.benchmark).unwrap()).unwrap();
        [self.folder.join("train.yaml"), benchmark]
    }
}

fn clip(record: &Value) -> String {
    let media = record.get("video").or_else(|| record.get("image"));
    media.unwrap().as_str().unwrap().to_owned()
}

/// The records of each kind of finding, those that others repeat left out.
fn found(lines: &str) -> BTreeMap<String, BTreeSet<Spot>> {
    let mut found: BTreeMap<String, BTreeSet<Spot>> = BTreeMap::new();
    for line in lines.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let kind = finding["kind"].as_str().unwrap().to_owned();
        let repeats = !["wrong_count", "leak"].contains(&kind.as_str());
        if repeats && finding["first"] == true {
            continue;
        }
        let file = Path::new(finding["file"].as_str().unwrap());
        let file = file.file_name().unwrap().to_str().unwrap().to_owned();
        let spot = (file, finding["index"].as_u64().unwrap());
        found.entry(kind).or_default().insert(spot);
    }
    found
}

fn run(dataset: &Path, more: &[&str]) -> (Value, BTreeMap<String, BTreeSet<Spot>>) {
    let findings = dataset.with_file_name("findings.jsonl");
    let output = stdata()
        .args(["stats", "--json", "-q", "--findings"])
        .arg(&findings)
        .arg(dataset)
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{error}"));
    (report, found(&fs::read_to_string(findings).unwrap()))
}

/// Changes the numbers of answers; `change` gets a number's place in its list and the number.
fn shift(record: &mut Value, change: impl Fn(usize, f64) -> f64) {
    let lists = record["variables"].as_object_mut().unwrap();
    for (name, list) in lists {
        if name.contains("output") {
            for (at, number) in list.as_array_mut().unwrap().iter_mut().enumerate() {
                let moved = change(at, number.as_f64().unwrap()).clamp(0.0, 1.0);
                *number = json!((moved * 1000.0).round() / 1000.0);
            }
        }
    }
}

fn reword(record: &mut Value, change: impl Fn(&str) -> String) {
    for turn in record["conversations"].as_array_mut().unwrap() {
        let changed = change(turn["value"].as_str().unwrap());
        turn["value"] = json!(changed);
    }
}

/// Changes of wording that leave the meaning.
fn paraphrase(kind: usize, text: &str) -> String {
    let replaced = |from: &str, to: &str| text.replacen(from, to, 1);
    match kind % 4 {
        0 => format!("{text} Thanks"),
        1 => replaced(" the ", " the very "),
        2 => replaced(" image", " picture").replacen(" video", " clip", 1),
        _ => replaced(" this ", " the "),
    }
}

const ALL: [&str; 15] = [
    "rec",
    "reg",
    "dgc",
    "igc",
    "conversation",
    "classification",
    "tvg",
    "stvg",
    "svg",
    "elc",
    "video_caption",
    "dvc",
    "tr",
    "tgc",
    "video_qa",
];

fn precision_and_recall(kind: &str, planted: &BTreeSet<Spot>, found: &BTreeSet<Spot>) {
    let hits = planted.intersection(found).count();
    assert!(
        hits * 100 >= planted.len() * 99,
        "{kind}: {hits} of {} planted were found; missing {:?}",
        planted.len(),
        planted.difference(found).take(25).collect::<Vec<_>>()
    );
    assert!(
        hits * 100 >= found.len() * 99,
        "{kind}: of {} found {hits} were planted; beyond them {:?}",
        found.len(),
        found.difference(planted).take(5).collect::<Vec<_>>()
    );
}

#[test]
fn repetitions_contradictions_and_wrong_counts_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut field = Field::new(folder.path(), 4000);
    let [dataset, _] = field.write();
    let (report, ground) = run(&dataset, &[]);
    assert_eq!(
        ground,
        BTreeMap::new(),
        "the ground has findings of its own"
    );
    assert_eq!(report["totals"]["records"], 4000);

    let mut used = BTreeSet::new();
    for number in 0..120 {
        let exact = field.pick(&ALL, &mut used);
        field.plant("exact", exact);

        let mut same = field.pick(&ALL, &mut used);
        reword(&mut same, |text| {
            // The placeholders' letters must stay.
            let plain = text
                .replace(". ", " . ")
                .replace("What", "what")
                .replace("Where", "where");
            format!("{plain} !")
        });
        field.plant("same_text", same);

        let mut near = field.pick(&ALL, &mut used);
        let before = near["conversations"].clone();
        // Another class in other words would be a contradiction.
        let kind = if near["task"] == "classification" {
            0
        } else {
            number
        };
        reword(&mut near, |text| paraphrase(kind, text));
        if near["conversations"] == before {
            reword(&mut near, |text| paraphrase(0, text));
        }
        shift(&mut near, |at, value| value + [0.008, -0.006][at % 2]);
        field.plant("near", near);

        // Another description of the same box is no repetition.
        let mut other = field.pick(&["rec"], &mut used);
        reword(&mut other, |text| {
            if text.contains("<image>") {
                format!("<image>\nPoint out number {number}, round or edged and rather vivid.")
            } else {
                text.to_owned()
            }
        });
        field.add(other);

        let mut wrong = field.pick(&["rec", "tvg", "stvg", "svg", "tgc", "dgc"], &mut used);
        let lists = wrong["variables"].as_object_mut().unwrap();
        let longest = lists
            .values_mut()
            .max_by_key(|list| list.as_array().unwrap().len());
        let list = longest.unwrap().as_array_mut().unwrap();
        if number % 2 == 0 {
            list.pop();
        } else {
            list.push(json!(0.5));
        }
        field.plant("wrong_count", wrong);

        let mut other = field.pick(&["rec", "tvg", "svg", "stvg"], &mut used);
        shift(&mut other, |_, value| {
            value + if value < 0.5 { 0.3 } else { -0.3 }
        });
        field.plant("contradiction", other);
    }
    let [dataset, _] = field.write();
    let (report, found) = run(&dataset, &[]);
    let none = BTreeSet::new();
    for (kind, planted) in &field.planted {
        precision_and_recall(kind, planted, found.get(*kind).unwrap_or(&none));
    }
    let known: BTreeSet<&str> = field.planted.keys().copied().collect();
    let others: Vec<&String> = found
        .keys()
        .filter(|kind| !known.contains(kind.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(report["totals"]["wrong_counts"], 120);
    assert_eq!(
        report["duplicates"]["exact"].as_u64(),
        Some(field.planted["exact"].len() as u64)
    );
}

/// One thing of a benchmark in the naming of the benchmark, and in those of training sources.
fn namings(number: usize) -> (String, Vec<(&'static str, String)>) {
    let flickr = 9_900_000_000 + number;
    let coco = 900_000 + number;
    let letters = |at: usize| {
        char::from(b'A' + u8::try_from((number / 26_usize.pow(at as u32)) % 26).unwrap())
    };
    let youtube = format!("zq{}{}x{number:05}k", letters(0), letters(1));
    let charades = format!("{}{}{:03}", letters(0), letters(1), number % 1000);
    match number % 4 {
        0 => (
            format!("{flickr}.mp4"),
            vec![
                ("vidstg", format!("vidor/{:04}/{flickr}.mp4", number % 1000)),
                ("next_qa", format!("NExTVideo/{flickr}.mp4")),
                ("didemo", format!("00000001@N01_{flickr}_aaaaaaaaaa.mov")),
            ],
        ),
        1 => (
            format!("COCO_train2014_{coco:012}.jpg"),
            vec![
                ("muse", format!("train2017/{coco:012}.jpg")),
                (
                    "refcocog",
                    format!("images/COCO_train2014_{coco:012}_3.jpg"),
                ),
            ],
        ),
        2 => (
            format!("v_{youtube}.mp4"),
            vec![
                ("internvid_10m_flt", format!("clips/{youtube}.mp4")),
                ("vtg_it", format!("yttemporal/videos/video-{youtube}")),
                ("hirest", format!("{youtube}_12_40.mp4")),
            ],
        ),
        _ => (
            format!("{charades}.mp4"),
            vec![
                ("agqa", format!("Charades_v1_480/{charades}.mp4")),
                ("star", format!("videos/{charades}.mp4")),
            ],
        ),
    }
}

/// A sentence that nobody says twice.
fn sentence(number: usize) -> String {
    let words = [
        "harbour", "lantern", "orchard", "granite", "violin", "meadow", "copper", "feather",
        "window", "saddle", "thunder", "biscuit", "ladder", "velvet", "compass", "kettle",
    ];
    let pick = |at: usize| words[(number * 7 + at * 5 + number * number * at) % words.len()];
    let text: Vec<String> = (0..14)
        .map(|at| format!("{}{}", pick(at), (number * 31 + at * 17) % 211))
        .collect();
    format!("Somebody carries the {}", text.join(" beside a "))
}

/// Training records by source, and the ids of those that leak.
type Leaks = (BTreeMap<&'static str, Vec<Value>>, BTreeSet<String>);

/// Fills the benchmark, and gives training records that know it and others that only look so.
fn plant_leaks(field: &mut Field) -> Leaks {
    let mut sources: BTreeMap<&'static str, Vec<Value>> = BTreeMap::new();
    let mut leaks: BTreeSet<String> = BTreeSet::new();
    for number in 0..240 {
        let (name, others) = namings(number);
        let image = number % 4 == 1;
        field
            .benchmark
            .push(json!({"video_path": name, "meta": {"split": [0, 38]},
            "conversations": [{"from": "human", "value": format!("<video>\n{}?", sentence(number))},
                              {"from": "gpt", "value": "From <s> to <e>."}]}));
        // The same file; another caption on it; another id in another source's naming; unrelated names beside them.
        let mut add = |source: &'static str, media: &str, leak: bool, question: &str| {
            let id = format!(
                "{source}-{number}-{leak}-{}",
                sources.values().map(Vec::len).sum::<usize>()
            );
            let kind = if image { "image" } else { "video" };
            let mut record = json!({"id": id, "source": source, "task": "conversation",
                "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": format!("Number {number}.")}]});
            record[kind] = json!(media);
            if leak {
                leaks.insert(id);
            }
            sources.entry(source).or_default().push(record);
        };
        let (source, media) = &others[number / 4 % others.len()];
        add(
            source,
            media,
            true,
            &format!("<{}>\nWhat happens?", if image { "image" } else { "video" }),
        );
        let (_, neighbours) = namings(number + 1000);
        let (source, media) = &neighbours[number / 4 % neighbours.len()];
        add(source, media, false, "<video>\nWhat happens?");
        if number % 3 == 0 {
            let unlike = format!("other/{number:06}.mp4");
            let text = sentence(number).replacen("carries", "is carrying", 1);
            add("webvid_qa", &unlike, true, &format!("<video>\n{text}?"));
        }
        if number % 5 == 0 {
            add(
                "mine",
                &format!("bench/{name}"),
                true,
                "<video>\nAnything new?",
            );
        }
    }
    (sources, leaks)
}

#[test]
fn leaks_are_found_under_every_name_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut field = Field::new(folder.path(), 2000);
    let mut used = BTreeSet::new();
    let (sources, leaks) = plant_leaks(&mut field);
    // The benchmark's own clips are called 000000.mp4 and so on, as many of training's are.
    for number in 0..50 {
        field
            .benchmark
            .push(json!({"video_path": format!("{number:06}.mp4"), "conversations": []}));
    }
    let exact = field.pick(&["tvg"], &mut used);
    field.plant("exact", exact);
    let [dataset, benchmark] = field.write();
    let mut yaml = fs::read_to_string(&dataset).unwrap();
    for (source, records) in &sources {
        let name = format!("annotations/train/{source}.jsonl");
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        fs::write(folder.path().join(&name), lines.join("\n")).unwrap();
        for line in [
            "  - json_path: ",
            &name,
            "\n    data_folder: media\n    source: ",
            source,
            "\n",
        ] {
            yaml.push_str(line);
        }
    }
    fs::write(&dataset, yaml).unwrap();

    let media = folder.path().join("media/bench");
    let against = format!("{}={}", benchmark.display(), media.display());
    let clean = folder.path().join("clean");
    let more = [
        "--against",
        &against,
        "--write-clean",
        clean.to_str().unwrap(),
        "--drop",
        "leak,exact",
    ];
    let (report, found) = run(&dataset, &more);
    let planted: BTreeSet<Spot> = sources
        .iter()
        .flat_map(|(source, records)| {
            let leaks = &leaks;
            let leak = move |record: &Value| leaks.contains(record["id"].as_str().unwrap());
            (0..)
                .zip(records)
                .filter(move |(_, record)| leak(record))
                .map(move |(at, _)| (format!("{source}.jsonl"), at))
        })
        .collect();
    precision_and_recall("leak", &planted, &found["leak"]);
    assert_eq!(
        report["leakage"]["records"].as_u64(),
        Some(found["leak"].len() as u64)
    );
    let row = &report["leakage"]["benchmarks"][0];
    assert_eq!(row["items"], 290);
    assert_eq!(row["leaked_media"], 240);
    let known = report["leakage"]["known"].to_string();
    assert!(known.contains("171 of the 361"), "{known}");

    // What was written holds everything else and leaks no more.
    let (after, found) = run(&clean.join("train.yaml"), &["--against", &against]);
    let before = report["totals"]["records"].as_u64().unwrap();
    let left = before - planted.len() as u64 - 1;
    assert_eq!(after["totals"]["records"].as_u64(), Some(left));
    assert!(
        !found.contains_key("leak") && !found.contains_key("exact"),
        "{found:?}"
    );
    assert_eq!(after["totals"]["no_records"], 0);
}
