//! Frames against what decord, `PyAV` and the reference pipeline gave for the same files (`golden/frames`).

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::many_single_char_names,
    clippy::float_cmp,
    reason = "a failing test may panic and says what it skips"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use safetensors::SafeTensors;
use serde_json::Value;
use st_media::{Limits, Video};
use st_schema::FramePlan;

/// A folder of reference data: from the variable, or beside the checkout. `None` (with a note) where it is absent.
fn reference(variable: &str, default: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let is_named = named.is_some();
    let folder = named.unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared")
            .join(default)
    });
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        !is_named,
        "{variable} names no folder: {}",
        folder.display()
    );
    println!("skipped: {} is absent", folder.display());
    None
}

fn folders() -> Option<(PathBuf, PathBuf)> {
    Some((
        reference("ST_GOLDEN", "golden")?.join("frames"),
        reference("ST_MEDIA", "media")?,
    ))
}

struct Tensors(Vec<u8>);

impl Tensors {
    fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        tensors.tensor(name).unwrap().data().to_vec()
    }

    fn names(&self) -> Vec<String> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        tensors
            .names()
            .into_iter()
            .map(ToString::to_string)
            .collect()
    }

    fn frame_numbers(&self, name: &str) -> Vec<u64> {
        let bytes = self.bytes(name);
        let number = |b: &[u8]| u64::from_le_bytes(b.try_into().unwrap());
        bytes.chunks_exact(8).map(number).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        let number = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
        bytes.chunks_exact(4).map(number).collect()
    }

    fn doubles(&self, name: &str) -> Vec<f64> {
        let bytes = self.bytes(name);
        let number = |b: &[u8]| f64::from_le_bytes(b.try_into().unwrap());
        bytes.chunks_exact(8).map(number).collect()
    }
}

const SIDE: usize = 24;

/// The area average that the reference made, `[24, 24, 3]`.
fn thumbnail(rgb: &[u8], width: usize, height: usize) -> Vec<u8> {
    let weights = |length: usize| -> Vec<Vec<(usize, f64)>> {
        (0..SIDE)
            .map(|i| {
                let (from, to) = (
                    (i * length) as f64 / SIDE as f64,
                    ((i + 1) * length) as f64 / SIDE as f64,
                );
                (0..length)
                    .filter_map(|y| {
                        let overlap = to.min((y + 1) as f64) - from.max(y as f64);
                        (overlap > 0.0).then_some((y, overlap * SIDE as f64 / length as f64))
                    })
                    .collect()
            })
            .collect()
    };
    let (rows, columns) = (weights(height), weights(width));
    let mut out = Vec::with_capacity(SIDE * SIDE * 3);
    for row in &rows {
        for column in &columns {
            for color in 0..3 {
                let mut sum = 0.0;
                for (y, wy) in row {
                    for (x, wx) in column {
                        sum += wy * wx * f64::from(rgb[3 * (y * width + x) + color]);
                    }
                }
                out.push((0.5 + sum).floor() as u8);
            }
        }
    }
    out
}

fn distance(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / a.len() as f64
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

struct Seen {
    seconds: f64,
    planes_md5: String,
    rgb_md5: String,
    thumbnail: Vec<u8>,
}

fn look(path: &Path, wanted: &[u64]) -> (BTreeMap<u64, Seen>, BTreeMap<u64, String>) {
    let mut distinct = wanted.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut video = Video::open(path, &Limits::default()).unwrap();
    let mut seen = BTreeMap::new();
    let lost = video
        .visit(&distinct, |frame, seconds, picture| {
            let (width, height) = picture.size();
            let rgb = picture.rgb()?;
            let entry = Seen {
                seconds,
                planes_md5: hex(&Md5::digest(picture.planes())),
                rgb_md5: hex(&Md5::digest(&rgb)),
                thumbnail: thumbnail(&rgb, width as usize, height as usize),
            };
            assert!(
                seen.insert(frame, entry).is_none(),
                "frame {frame} came twice"
            );
            Ok(())
        })
        .unwrap();
    (seen, lost)
}

#[test]
fn golden_frames_of_every_clip_are_the_reference_s() {
    let Some((golden, media)) = folders() else {
        return;
    };
    let mut cases = 0;
    for entry in std::fs::read_dir(&golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            check_clip(&path, &media);
            cases += 1;
        }
    }
    assert!(cases > 0, "{} holds no case", golden.display());
    println!("{cases} clips");
}

fn check_clip(path: &Path, media: &Path) {
    let facts: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tensors = Tensors::read(&path.with_extension("safetensors"));
    let name = facts["media"].as_str().unwrap();
    let file = media.join(name);
    let probe = st_media::probe(&file).unwrap();
    assert_eq!(
        probe.frames,
        facts["decord"]["frames"].as_u64().unwrap(),
        "{name}"
    );
    for (set, case) in facts["sets"].as_object().unwrap() {
        let split: Option<[u64; 2]> = serde_json::from_value(case["split"].clone()).unwrap();
        let [first, last] = split.unwrap_or([0, probe.frames - 1]);
        let index = FramePlan::REFERENCE.indices(first, last);
        assert_eq!(
            index,
            tensors.frame_numbers(&format!("{set}.index")),
            "{name} {set}"
        );
        check_set(&file, set, &index, case, &tensors);
    }
}

fn check_set(file: &Path, set: &str, index: &[u64], case: &Value, tensors: &Tensors) {
    let name = file.display();
    let (seen, lost) = look(file, index);
    assert!(lost.is_empty(), "{name} {set}: {lost:?}");
    let times = tensors.doubles(&format!("{set}.time"));
    let thumbs = tensors.bytes(&format!("{set}.thumb"));
    let margins = tensors.floats(&format!("{set}.margin"));
    let (mut same_rgb, mut worst) = (0, 0.0_f64);
    for (at, frame) in index.iter().enumerate() {
        let ours = &seen[frame];
        assert_eq!(
            ours.planes_md5, case["yuv_md5"][at],
            "{name} {set} sample {at}, frame {frame}"
        );
        assert!(
            (ours.seconds - times[at]).abs() < 1e-5,
            "{name} {set} {at}: {}",
            ours.seconds
        );
        let size = SIDE * SIDE * 3;
        let away = distance(&ours.thumbnail, &thumbs[size * at..size * (at + 1)]);
        worst = worst.max(away);
        assert!(
            away <= 2.0,
            "{name} {set} sample {at}: thumbnail is {away} away"
        );
        let margin = f64::from(margins[at]);
        assert!(
            margin == 0.0 || away < margin / 2.0,
            "{name} {set} {at}: {away} of {margin}"
        );
        same_rgb += usize::from(case["rgb24_md5"][at] == *ours.rgb_md5);
    }
    println!(
        "{name} {set}: {} planes equal, RGB equal in {same_rgb}, thumbnails at most {worst:.3} away",
        index.len()
    );
    assert_eq!(
        same_rgb,
        index.len(),
        "{name} {set}: RGB differs from decord's"
    );
}

#[test]
fn golden_frames_of_nasty_files_are_right_or_refused() {
    let Some((golden, media)) = folders() else {
        return;
    };
    let golden = golden.join("nasty");
    let records: Vec<Value> =
        serde_json::from_slice(&std::fs::read(golden.join("nasty.json")).unwrap()).unwrap();
    let tensors = Tensors::read(&golden.join("nasty.safetensors"));
    let names = tensors.names();
    assert!(!records.is_empty(), "{} holds no case", golden.display());
    for record in &records {
        let name = record["file"].as_str().unwrap();
        let key = name.replace('.', "_");
        let decord = names.contains(&format!("{key}.index")).then(|| {
            (
                tensors.frame_numbers(&format!("{key}.index")),
                tensors.bytes(&format!("{key}.thumb")),
            )
        });
        println!(
            "{name}: {}",
            nasty_case(&media.join("nasty").join(name), record, decord)
        );
    }
}

/// Checks one file against `PyAV`'s count and, where decord's frames are the right ones, decord's pictures.
fn nasty_case(file: &Path, record: &Value, decord: Option<(Vec<u64>, Vec<u8>)>) -> String {
    let name = file.display();
    let pyav = &record["pyav"];
    let video = match Video::open(file, &Limits::default()) {
        Ok(video) => video,
        Err(error) => {
            assert!(
                pyav["decoded"].as_u64().is_none_or(|n| n == 0),
                "{name}: {error}"
            );
            return format!("refused, {}: {error}", error.kind());
        }
    };
    let probe = video.probe().clone();
    let all: Vec<u64> = (0..probe.frames).collect();
    let (seen, lost) = look(file, &all);
    assert_eq!(seen.len() + lost.len(), all.len(), "{name}");
    if pyav["decode_error"].is_null() {
        assert_eq!(Some(probe.frames), pyav["decoded"].as_u64(), "{name}");
        assert!(
            lost.is_empty() && probe.truncation.is_none(),
            "{name}: {lost:?} {:?}",
            probe.truncation
        );
    } else {
        assert!(
            !lost.is_empty() || probe.truncation.is_some(),
            "{name}: damage went unseen"
        );
    }
    let mut note = format!(
        "{} frames, {} lost, {}x{}",
        probe.frames,
        lost.len(),
        probe.width,
        probe.height
    );
    let Some((index, thumbs)) = decord else {
        return note;
    };
    // Where decord's own number lies, PyAV's says which frame decord handed out.
    let truth = record["decord_index_vs_pyav_index_and_distance"]
        .as_array()
        .unwrap();
    let (mut worst, mut same, mut moved) = (0.0_f64, 0, 0);
    for (at, frame) in index.iter().enumerate() {
        let right = truth[at][1].as_u64().unwrap();
        let ours = &seen[&right];
        moved += usize::from(right != *frame);
        let size = SIDE * SIDE * 3;
        worst = worst.max(distance(
            &ours.thumbnail,
            &thumbs[size * at..size * (at + 1)],
        ));
        same += usize::from(record["decord"]["rgb24_md5"][at] == *ours.rgb_md5);
    }
    note += &format!(
        "; thumbnails at most {worst:.3} from decord's, RGB equal in {same} of {}",
        index.len()
    );
    if moved > 0 {
        note += &format!(", decord gave {moved} wrong frames");
    }
    assert!(worst <= 4.0, "{note}");
    check_neighbours(&seen, &index, truth, &thumbs, &name.to_string());
    note
}

/// Our frame must be nearer to the reference's picture than the frames before and after it.
fn check_neighbours(
    seen: &BTreeMap<u64, Seen>,
    index: &[u64],
    truth: &[Value],
    thumbs: &[u8],
    name: &str,
) {
    let size = SIDE * SIDE * 3;
    for at in 0..index.len() {
        let right = truth[at][1].as_u64().unwrap();
        let wanted = &thumbs[size * at..size * (at + 1)];
        let ours = distance(&seen[&right].thumbnail, wanted);
        for near in [right.wrapping_sub(1), right + 1] {
            let Some(other) = seen.get(&near) else {
                continue;
            };
            if distance(&other.thumbnail, &seen[&right].thumbnail) > 1.0 {
                let away = distance(&other.thumbnail, wanted);
                assert!(
                    ours < away,
                    "{name} frame {right}: {ours}, frame {near}: {away}"
                );
            }
        }
    }
}
