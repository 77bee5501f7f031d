//! `stdata media`: what is there and what is not, files linked from folders as their hosts lay them, lists for downloaders.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::stdata;

/// A dataset file with one source, whose records name the given paths, in a folder of its own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Adds files, each holding its own path, so that it can be told from others.
    fn files(&self, under: &str, paths: &[&str]) -> PathBuf {
        let root = self.path(under);
        for path in paths {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, path).unwrap();
        }
        root
    }

    /// Writes `<source>.json` of records that name the paths, and lists it in `data.yaml` with the folder `media/<source>`.
    fn source(&self, source: &str, field: &str, paths: &[&str]) {
        let turns = r#"[{"from":"human","value":"<video>\nWhat?"},{"from":"gpt","value":"This."}]"#
            .replace("video", field);
        let record = |path: &&str| {
            let name = Value::from(*path);
            format!("{{\"id\":{name},\"{field}\":{name},\"conversations\":{turns}}}")
        };
        let records: Vec<String> = paths.iter().map(record).collect();
        fs::write(
            self.path(&format!("{source}.json")),
            format!("[{}]", records.join(",")),
        )
        .unwrap();
        let yaml = self.path("data.yaml");
        let before = fs::read_to_string(&yaml).unwrap_or_else(|_| "datasets:\n".to_owned());
        let entry = format!(
            "  - json_path: {source}.json\n    source: {source}\n    data_folder: media/{source}\n"
        );
        fs::write(yaml, before + &entry).unwrap();
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = stdata()
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let (code, out, error) = self.run(args);
        (
            code,
            serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}{out}")),
        )
    }

    /// What a link leads to, or what a copy holds: the path that the file was made with.
    fn holds(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }
}

fn link(world: &World, source: &str, from: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let from = from.to_str().unwrap();
    let args = ["media", "link", source, from, "data.yaml", "--json", "-q"];
    world.json(&[&args, more].concat())
}

fn count(value: &Value, list: &str) -> usize {
    value[list].as_array().unwrap().len()
}

#[test]
fn files_are_counted_by_source() {
    let world = World::new();
    world.source(
        "vidstg",
        "video",
        &["0001/1.mp4", "0001/2.mp4", "0002/3.mp4", "../4.mp4"],
    );
    world.source("refcoco", "image", &["COCO_train2014_000000000001.jpg"]);
    world.files("media/vidstg", &["0001/1.mp4"]);
    fs::write(world.path("media/vidstg/0001/2.mp4"), "").unwrap();
    world.files("media/refcoco", &["COCO_train2014_000000000001.jpg"]);
    let (code, json) = world.json(&["media", "data.yaml", "--json", "-q"]);
    assert_eq!(code, Some(1));
    let of = |name: &str| {
        let sources = json["sources"].as_array().unwrap();
        sources
            .iter()
            .find(|source| source["source"] == name)
            .unwrap()
            .clone()
    };
    let numbers = |value: &Value| {
        [
            "referenced",
            "present",
            "missing",
            "empty",
            "unusable",
            "bytes",
        ]
        .map(|name| value[name].as_u64().unwrap())
    };
    assert_eq!(numbers(&of("vidstg")), [4, 1, 1, 1, 1, 10]);
    assert_eq!(numbers(&of("refcoco")), [1, 1, 0, 0, 0, 31]);
    assert_eq!(numbers(&json["total"]), [5, 2, 1, 1, 1, 41]);
    assert_eq!(of("vidstg")["records"], 4);
    assert_eq!(of("vidstg")["collection"], "vidor");
    // The text says the same, and where the missing files can be had.
    let (_, text, _) = world.run(&["media", "data.yaml", "-q"]);
    for part in [
        "vidstg",
        "shangxd/vidor",
        "cc-by-sa-4.0",
        "0001/2.mp4, 0002/3.mp4",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // When everything is there, it says so.
    fs::write(world.path("media/vidstg/0001/2.mp4"), "x").unwrap();
    world.files("media/vidstg", &["0002/3.mp4"]);
    world.source("vidstg", "video", &["0001/1.mp4"]);
    assert_eq!(world.run(&["media", "data.yaml", "-q"]).0, Some(0));
}

#[test]
fn a_missing_annotation_file_is_told_and_the_rest_is_counted() {
    let world = World::new();
    world.source("didemo", "video", &["a.mov"]);
    world.source("coin", "video", &["b.mp4"]);
    fs::remove_file(world.path("didemo.json")).unwrap();
    let (code, json) = world.json(&["media", "data.yaml", "--json", "-q"]);
    assert_eq!(
        (code, json["total"]["referenced"].as_u64()),
        (Some(1), Some(1))
    );
    assert!(
        json["files"][1]["error"]
            .as_str()
            .unwrap()
            .contains("didemo.json")
    );
    // An annotation file by itself does not say where its media are.
    let (code, _, error) = world.run(&["media", "coin.json"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("coin.json") && error.contains("folder"),
        "{error}"
    );
    assert_eq!(
        world
            .run(&["media", "coin.json", "--folder", "media/coin", "-q"])
            .0,
        Some(1)
    );
}

/// A collection as its host or its downloader lays it, what the dataset calls the same files, and which is which.
struct Layout {
    source: &'static str,
    field: &'static str,
    /// Files as the user has them.
    has: &'static [&'static str],
    /// Wanted paths, and the user's file for each.
    wants: &'static [(&'static str, &'static str)],
}

const LAYOUTS: [Layout; 8] = [
    // VidOR: as its zips unpack, beside its annotations; wanted with the four digits, and flat as the benchmark has it.
    Layout {
        source: "vidstg",
        field: "video",
        has: &[
            "training/0001/2401075277.mp4",
            "training/0099/9900000011.mp4",
            "validation/0001/5.mp4",
            "training-annotation/0001/2401075277.json",
        ],
        wants: &[
            ("0001/2401075277.mp4", "training/0001/2401075277.mp4"),
            ("0099/9900000011.mp4", "training/0099/9900000011.mp4"),
            ("5.mp4", "validation/0001/5.mp4"),
        ],
    },
    // Charades: one folder, next to the annotations.
    Layout {
        source: "charades_sta",
        field: "video",
        has: &[
            "Charades_v1_480/QQ0A1.mp4",
            "Charades_v1_480/0WBCD.mp4",
            "Charades/Charades_v1_train.csv",
        ],
        wants: &[
            ("QQ0A1.mp4", "Charades_v1_480/QQ0A1.mp4"),
            ("videos/0WBCD.mp4", "Charades_v1_480/0WBCD.mp4"),
        ],
    },
    // COCO: 2014 and 2017 side by side; by name in the one, by number in the other.
    Layout {
        source: "refcoco",
        field: "image",
        has: &[
            "train2014/COCO_train2014_000000900101.jpg",
            "train2017/000000900101.jpg",
            "train2017/000000900102.jpg",
            "val2017/000000000139.jpg",
            "annotations/instances_train2014.json",
        ],
        wants: &[
            (
                "COCO_train2014_000000900101.jpg",
                "train2014/COCO_train2014_000000900101.jpg",
            ),
            (
                "train2014/COCO_train2014_000000900102.jpg",
                "train2017/000000900102.jpg",
            ),
            ("val2017/000000000139.jpg", "val2017/000000000139.jpg"),
        ],
    },
    // WebVid: the official downloader's page folders, and a mirror's four digits.
    Layout {
        source: "webvid",
        field: "video",
        has: &[
            "videos/000001_000050/990000101.mp4",
            "data/train/videos/0007/990000102.mp4",
        ],
        wants: &[
            (
                "000001_000050/990000101.mp4",
                "videos/000001_000050/990000101.mp4",
            ),
            ("990000102.mp4", "data/train/videos/0007/990000102.mp4"),
        ],
    },
    // YouCook2: split and recipe type, and any ending that YouTube gave.
    Layout {
        source: "youcook2",
        field: "video",
        has: &[
            "raw_videos/training/101/inVycook001.mp4",
            "raw_videos/training/905/-_Vycook002.mkv",
            "raw_videos/validation/226/inVycook003.webm",
            "raw_videos/validation/226/inVycook003.info.json",
            "raw_videos/validation/226/inVycook004.mp4.part",
        ],
        wants: &[
            ("inVycook001.mp4", "raw_videos/training/101/inVycook001.mp4"),
            ("-_Vycook002.mp4", "raw_videos/training/905/-_Vycook002.mkv"),
            (
                "videos/v_inVycook003.mp4",
                "raw_videos/validation/226/inVycook003.webm",
            ),
        ],
    },
    // Kinetics: a folder for each label, names with the cut, with and without zeros; the dataset may leave the cut out.
    Layout {
        source: "kinetics",
        field: "video",
        has: &[
            "train/whittling wood/inVkinet001_000012_000022.mp4",
            "val/dancing/inVkinet002_000001_000011.mp4",
            "val/dancing/inVkinet002_000101_000111.mp4",
            "train/abseiling/-inVkinet_3_000030_000040.mp4",
            "train/abseiling/-inVkinet_3_000050_000060.mp4",
        ],
        wants: &[
            (
                "k700/train/inVkinet001_000012_000022.mp4",
                "train/whittling wood/inVkinet001_000012_000022.mp4",
            ),
            (
                "inVkinet002_1_11.mp4",
                "val/dancing/inVkinet002_000001_000011.mp4",
            ),
            (
                "inVkinet001.mp4",
                "train/whittling wood/inVkinet001_000012_000022.mp4",
            ),
        ],
    },
    // ActivityNet: with and without v_, three endings.
    Layout {
        source: "vcg_plus_112k",
        field: "video",
        has: &["v1-2/train/v_inVenTanet1.mp4", "v1-3/inVenTanet2.mkv"],
        wants: &[
            ("v_inVenTanet1.mp4", "v1-2/train/v_inVenTanet1.mp4"),
            ("v_inVenTanet2.mp4", "v1-3/inVenTanet2.mkv"),
        ],
    },
    // QuerYD: its downloader writes no ending.
    Layout {
        source: "queryd",
        field: "video",
        has: &["videos/video-inVquery001", "videos/video--inVquery02"],
        wants: &[
            ("inVquery001.mp4", "videos/video-inVquery001"),
            ("video--inVquery02.mp4", "videos/video--inVquery02"),
        ],
    },
];

#[test]
fn every_file_of_a_known_layout_gets_where_the_dataset_wants_it() {
    for layout in &LAYOUTS {
        let world = World::new();
        let wanted: Vec<&str> = layout.wants.iter().map(|(wanted, _)| *wanted).collect();
        world.source(layout.source, layout.field, &wanted);
        let from = world.files("mine", layout.has);
        // First the plan, which changes nothing.
        let (code, plan) = link(&world, layout.source, &from, &[]);
        assert_eq!(code, Some(0), "{}: {plan:#}", layout.source);
        assert!(
            !world.path("media").exists(),
            "{}: a plan writes nothing",
            layout.source
        );
        let (code, made) = link(&world, layout.source, &from, &["--yes"]);
        assert_eq!(
            (code, made["made"]["made"].as_u64()),
            (Some(0), Some(wanted.len() as u64)),
            "{made:#}"
        );
        assert_eq!(plan["links"], made["links"]);
        for (wanted, has) in layout.wants {
            let place = format!("media/{}/{wanted}", layout.source);
            assert_eq!(world.holds(&place).as_deref(), Some(*has), "{place}");
        }
        // All there now; the same again has nothing to do; the dataset's rules accept the links.
        assert_eq!(world.run(&["media", "data.yaml", "-q"]).0, Some(0));
        let (code, again) = link(&world, layout.source, &from, &["--yes"]);
        assert_eq!(
            (code, again["present"].as_u64(), count(&again, "links")),
            (Some(0), Some(wanted.len() as u64), 0)
        );
        let (_, judged) =
            world.json(&["validate", "data.yaml", "--json", "-q", "--root", "reports"]);
        assert_eq!(judged["total"]["rejected"], 0, "{judged:#}");
    }
}

#[test]
fn what_is_not_certain_is_listed_and_not_linked() {
    let world = World::new();
    world.source("vidstg", "video", &["7.mp4", "0002/8.mp4"]);
    world.source(
        "kinetics",
        "video",
        &["inVkinet002.mp4", "inVkinet003_000000_000010.mp4"],
    );
    world.source("coin", "video", &["inVcoin0001.mp4"]);
    world.source(
        "textvr",
        "video",
        &["Cooking/1.mp4", "Sports/1.mp4", "Travel/2.mp4"],
    );
    let from = world.files(
        "mine",
        &[
            "a/7.mp4",
            "b/7.mp4",
            "0001/8.mp4",
            "0002/8.mp4",
            "inVkinet002_000001_000011.mp4",
            "inVkinet002_000101_000111.mp4",
            "inVkinet003.mp4",
            "inVcoin0001_10_20.mp4",
            "Games/1.mp4",
            "Else/2.mp4",
        ],
    );
    let (code, plan) = link(&world, "all", &from, &["--yes"]);
    assert_eq!(code, Some(1));
    let places = |list: &str, more: &str| -> BTreeSet<String> {
        let items = plan[list].as_array().unwrap().iter();
        items
            .map(|item| {
                let place = item["to"]
                    .as_str()
                    .or(item.as_str())
                    .unwrap()
                    .replace("media/", "");
                if more.is_empty() {
                    place
                } else {
                    format!("{place} {}", item[more].as_str().unwrap())
                }
            })
            .collect()
    };
    let set = |items: &[&str]| {
        items
            .iter()
            .map(|item| (*item).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        places("ambiguous", ""),
        set(&["vidstg/7.mp4", "kinetics/inVkinet002.mp4"])
    );
    assert_eq!(
        places("doubtful", "doubt"),
        set(&[
            "kinetics/inVkinet003_000000_000010.mp4 whole_video",
            "coin/inVcoin0001.mp4 part_of_video",
            "textvr/Cooking/1.mp4 other_folder",
            "textvr/Sports/1.mp4 other_folder",
        ])
    );
    assert_eq!(
        places("links", "how"),
        set(&["vidstg/0002/8.mp4 path", "textvr/Travel/2.mp4 name"])
    );
    for place in [
        "media/vidstg/7.mp4",
        "media/coin/inVcoin0001.mp4",
        "media/textvr/Cooking/1.mp4",
    ] {
        assert_eq!(world.holds(place), None, "{place}");
    }
    let (_, text, _) = world.run(&["media", "link", "all", "mine", "data.yaml", "-q"]);
    assert!(text.contains("a/7.mp4 or b/7.mp4"), "{text}");
}

#[test]
fn each_mode_makes_what_it_says_and_touches_nothing_that_is_there() {
    for mode in ["symlink", "hardlink", "copy"] {
        let world = World::new();
        world.source("vidstg", "video", &["1.mp4", "2.mp4", "3.mp4", "4.mp4"]);
        let from = world.files("mine", &["x/1.mp4", "x/2.mp4", "x/3.mp4", "x/4.mp4"]);
        world.files("media/vidstg", &["1.mp4"]);
        // Without bytes, and a link to nowhere: both count as missing and are replaced.
        fs::write(world.path("media/vidstg/2.mp4"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere/3.mp4", world.path("media/vidstg/3.mp4")).unwrap();
        let (code, json) = link(&world, "vidor", &from, &["--yes", "--mode", mode]);
        assert_eq!(
            (code, json["made"]["made"].as_u64()),
            (Some(0), Some(3)),
            "{mode} {json:#}"
        );
        assert_eq!(
            world.holds("media/vidstg/1.mp4").as_deref(),
            Some("1.mp4"),
            "what was there stays"
        );
        for name in ["2", "3", "4"] {
            let place = world.path(&format!("media/vidstg/{name}.mp4"));
            assert_eq!(fs::read_to_string(&place).unwrap(), format!("x/{name}.mp4"));
            let link = fs::symlink_metadata(&place).unwrap();
            assert_eq!(link.is_symlink(), mode == "symlink", "{mode}");
            let names = if mode == "hardlink" { 2 } else { 1 };
            assert_eq!(link.nlink(), names, "{mode}");
        }
        let left: Vec<_> = fs::read_dir(world.path("media/vidstg")).unwrap().collect();
        assert_eq!(
            left.len(),
            4 + usize::from(mode == "symlink"),
            "no temporary file stays: {left:?}"
        );
    }
}

/// A link out of the folder that no one declared is refused still.
#[test]
fn links_that_no_one_declared_are_refused() {
    let world = World::new();
    world.source("vidstg", "video", &["1.mp4", "2.mp4"]);
    let from = world.files("mine", &["1.mp4"]);
    world.files("elsewhere", &["2.mp4"]);
    link(&world, "vidstg", &from, &["--yes"]);
    std::os::unix::fs::symlink(
        world.path("elsewhere/2.mp4"),
        world.path("media/vidstg/2.mp4"),
    )
    .unwrap();
    let (_, judged) = world.json(&["validate", "data.yaml", "--json", "-q", "--root", "reports"]);
    assert_eq!(judged["total"]["rejected"], 1, "{judged:#}");
    assert_eq!(judged["rules"][0]["rule"], "media-link");
}

#[test]
fn lists_are_what_downloaders_take() {
    let world = World::new();
    world.source(
        "coin",
        "video",
        &[
            "181/-nVcoin0001.mp4",
            "v_-nVcoin0001.mp4",
            "inVcoin0002.mp4",
        ],
    );
    world.source("muse", "image", &["COCO_train2014_000000900001.jpg"]);
    world.source("vidstg", "video", &["0001/5.mp4", "0001/a,\"b.mp4"]);
    world.files("media/coin", &["inVcoin0002.mp4"]);
    let list = |more: &[&str]| {
        let (code, out, error) = world.run(&[&["media", "missing", "data.yaml"], more].concat());
        (code, out, error)
    };
    let (code, urls, error) = list(&["--format", "urls"]);
    assert_eq!(
        urls,
        "http://images.cocodataset.org/train2014/COCO_train2014_000000900001.jpg\nhttps://www.youtube.com/watch?v=-nVcoin0001\n"
    );
    assert_eq!(code, Some(1));
    assert!(error.contains("2 are left out"), "{error}");
    let (code, ids, _) = list(&["--format", "ids", "--source", "coin"]);
    assert_eq!((code, ids.as_str()), (Some(0), "-nVcoin0001\n"));
    let (_, ids, _) = list(&["--format", "ids", "--source", "vidor"]);
    assert_eq!(ids, "5\na,\"b\n");
    let (code, csv, _) = list(&["--format", "csv", "--source", "vidor"]);
    let folder = "media/vidstg";
    assert_eq!(
        csv,
        format!(
            "source,folder,path,state,id,url\nvidstg,{folder},0001/5.mp4,missing,5,\nvidstg,{folder},\"0001/a,\"\"b.mp4\",missing,\"a,\"\"b\",\n"
        )
    );
    assert_eq!(code, Some(0));
    assert_eq!(list(&["--format", "csv", "--out", "list.csv"]).1, "");
    assert_eq!(world.holds("list.csv").unwrap().lines().count(), 6);
    let (code, _, error) = list(&["--format", "ids", "--source", "nothing"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("coin, muse, vidstg"), "{error}");
}

/// The shape that the speed figure is for, small: the same numbers on any number of threads.
#[test]
fn numbers_do_not_depend_on_threads() {
    let world = World::new();
    let names: Vec<String> = (0..300)
        .map(|number| format!("{:04}/{number}.mp4", number / 100))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.source("vidstg", "video", &names);
    let half: Vec<&str> = names.iter().copied().step_by(2).collect();
    world.files("media/vidstg", &half);
    let of = |jobs: &str| {
        world
            .json(&["media", "data.yaml", "--json", "-q", "--jobs", jobs])
            .1
    };
    let one = of("1");
    assert_eq!(one["total"]["present"], half.len());
    assert_eq!(one["total"]["missing"], names.len() - half.len());
    assert_eq!(one, of("3"));
}
