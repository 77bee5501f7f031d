//! Sound records, and the means to break them.

use std::fmt::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

/// A generator that needs no crate (`SplitMix64`).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    /// A number with three decimals between two, given in thousandths.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> f64 {
        (low + self.roll(high - low + 1)) as f64 / 1000.0
    }
}

/// A clean record as its JSON text; every kind has a box, a span, or both.
pub(crate) fn clean(number: usize, dice: &mut Dice) -> String {
    let boxed = |dice: &mut Dice| {
        [
            dice.between(0, 400),
            dice.between(0, 400),
            dice.between(500, 1000),
            dice.between(500, 1000),
        ]
    };
    let (mut times, mut widths, mut heights) = (Vec::new(), Vec::new(), Vec::new());
    let corners = "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]";
    let mut answer = String::new();
    let mut push = |[x1, y1, x2, y2]: [f64; 4]| {
        widths.extend([x1, x2]);
        heights.extend([y1, y2]);
    };
    let image = number.is_multiple_of(3);
    if image {
        write!(answer, "It is at {corners}.").unwrap();
        push(boxed(dice));
    } else {
        // Frames of a clip of 100: every thousandth of 99 is on the grid.
        let first = dice.roll(80);
        let frames: Vec<usize> = (first..first + 4 + dice.roll(10)).collect();
        let time = |frame: usize| (frame as f64 / 99.0 * 1000.0).round() / 1000.0;
        times.extend([time(first), time(*frames.last().unwrap())]);
        write!(
            answer,
            "During the span of {{<TEMP-OUTPUT><TEMP-OUTPUT>}}. Object bounding box:"
        )
        .unwrap();
        for frame in frames {
            times.push(time(frame));
            push(boxed(dice));
            write!(answer, " <TEMP-OUTPUT>:{corners}").unwrap();
        }
        answer.push('.');
    }
    let (kind, task) = if image {
        ("image", "rec")
    } else {
        ("video", "stvg")
    };
    let meta = if image {
        String::new()
    } else {
        r#""meta":{"split":[10,109],"width":64,"height":48,"fps":8.0,"frames":200},"#.into()
    };
    let value = serde_json::json!({
        "temporal_input_locations": [], "temporal_output_locations": times,
        "spatial_height_input_locations": [], "spatial_height_output_locations": heights,
        "spatial_width_input_locations": [], "spatial_width_output_locations": widths,
    });
    format!(
        r#"{{"id":"r{number}","task":"{task}","{kind}":"{kind}s/{number}.bin",{meta}"conversations":[{{"from":"human","value":"<{kind}>\nWhere is thing {number}?"}},{{"from":"gpt","value":"{answer}"}}],"variables":{value}}}"#
    )
}

pub(crate) fn swap(from: &str, to: &str) -> impl Fn(&str) -> Option<String> {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |text| text.contains(&from).then(|| text.replacen(&from, &to, 1))
}

/// Changes the numbers of one list.
pub(crate) fn numbers(text: &str, list: &str, change: impl Fn(&mut Vec<f64>)) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    let place = &mut value["variables"][list];
    let mut numbers: Vec<f64> = place
        .as_array()?
        .iter()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    if numbers.len() < 2 {
        return None;
    }
    change(&mut numbers);
    *place = numbers.into();
    Some(value.to_string())
}

pub(crate) const TIMES: &str = "temporal_output_locations";
pub(crate) const WIDTHS: &str = "spatial_width_output_locations";
pub(crate) const HEIGHTS: &str = "spatial_height_output_locations";

/// Media files for every record: one byte each is enough where nothing is decoded.
pub(crate) fn media(folder: &TempDir, records: usize) -> PathBuf {
    let media = folder.path().join("media");
    let outside = folder.path().join("outside");
    for name in ["images", "videos", "empty"] {
        std::fs::create_dir_all(media.join(name)).unwrap();
    }
    std::fs::create_dir_all(&outside).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, media.join("outside")).unwrap();
    for number in 0..records {
        let kind = if number.is_multiple_of(3) {
            "images"
        } else {
            "videos"
        };
        std::fs::write(media.join(kind).join(format!("{number}.bin")), b"x").unwrap();
        std::fs::write(outside.join(format!("{number}.bin")), b"x").unwrap();
        std::fs::write(media.join("empty").join(format!("{number}.bin")), b"").unwrap();
    }
    media
}
