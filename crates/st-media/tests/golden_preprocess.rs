//! Images against the reference's image processor (`golden/preprocess`).

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_collect,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::many_single_char_names,
    clippy::float_cmp,
    reason = "a failing test may panic and says what it skips"
)]

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::Value;
use st_media::{load_image, resize};

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

/// (largest difference, share of equal bytes).
fn compare(ours: &[u8], theirs: &[u8]) -> (u8, f64) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0);
    let equal = ours.iter().zip(theirs).filter(|(a, b)| a == b).count();
    (worst, equal as f64 / ours.len() as f64)
}

#[test]
fn golden_preprocess_images_are_within_one_of_pillow() {
    let Some(golden) = reference("ST_GOLDEN", "golden").map(|g| g.join("preprocess")) else {
        return;
    };
    let Some(media) = reference("ST_MEDIA", "media") else {
        return;
    };
    let lines = std::fs::read_to_string(golden.join("preprocess.jsonl")).unwrap();
    let cases: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!cases.is_empty(), "{} holds no case", golden.display());
    let mut faults = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let input = case["input"].as_str().map(|file| golden.join(file));
        let input = input.unwrap_or_else(|| media.join(case["input_media"].as_str().unwrap()));
        let frames = load_image(&input, None).unwrap();
        let decoded_equal =
            hex(&Md5::digest(&frames.rgb)) == case["decoded_rgb_md5"].as_str().unwrap();
        if !decoded_equal && let Some(file) = case["decoded_rgb"].as_str() {
            let (worst, equal) = compare(
                &frames.rgb,
                &load_image(&golden.join(file), None).unwrap().rgb,
            );
            println!(
                "{name}: decoding at most {worst} away, {:.3} % equal",
                100.0 * equal
            );
        }
        let Some(output) = case["output"].as_str() else {
            // The reference fails on these; ours must give a picture all the same.
            assert_eq!(resize(&frames, 384, 384).rgb.len(), 3 * 384 * 384);
            continue;
        };
        // The processor takes pictures of height 1 or 3 for channels-first; there the plain resize is the truth.
        let theirs = load_image(&golden.join(output), None).unwrap();
        let ours = resize(&frames, theirs.width as u32, theirs.height as u32);
        let (worst, equal) = compare(&ours.rgb, &theirs.rgb);
        println!(
            "{name}: decoded equal {decoded_equal}; at most {worst} away, {:.3} % equal",
            100.0 * equal
        );
        let scrambled = case["equals_plain_pil_resize"] == Value::Bool(false);
        if !scrambled && (worst > 1 || equal < 0.999) {
            faults.push(name.to_owned());
        }
    }
    assert!(faults.is_empty(), "too far from Pillow: {faults:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
