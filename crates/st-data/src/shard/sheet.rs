//! A contact sheet: a clip's frames side by side, with its records' spans and boxes drawn in.

use st_schema::{Axis, Frames, Record, Side, text};

/// What a record says about times and places, as fractions of clip and picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// Start and end of each span.
    pub spans: Vec<[f64; 2]>,
    /// `x1, y1, x2, y2` of each box, with its time where it has one.
    pub boxes: Vec<(Option<f64>, [f64; 4])>,
}

impl Marks {
    /// Reads the placeholders of all turns with their numbers; what makes neither span nor box is passed over.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut marks = Self::default();
        let mut taken = [[0_usize; 2]; 3];
        for turn in &record.conversations {
            let mut numbers = Vec::new();
            for (start, axis, side) in text::placeholders(&turn.value) {
                let next = &mut taken[axis as usize][usize::from(side == Side::Output)];
                if let Some(value) = record.variables.get(axis, side).get(*next) {
                    let end = start + axis.placeholder(side).len();
                    numbers.push((axis, *value, start, end));
                }
                *next += 1;
            }
            marks.read(&turn.value, &numbers);
        }
        marks
    }

    /// `numbers`: axis, value, and where the placeholder starts and ends in `text`.
    fn read(&mut self, text: &str, numbers: &[(Axis, f64, usize, usize)]) {
        use Axis::{Height, Temporal, Width};
        let mut at = 0;
        let mut time = None;
        while at < numbers.len() {
            match &numbers[at..] {
                [
                    (Width, x1, start, _),
                    (Height, y1, ..),
                    (Width, x2, ..),
                    (Height, y2, ..),
                    ..,
                ] => {
                    let has_time = time.filter(|(_, end)| text.get(*end..*start) == Some(":["));
                    let when = has_time.map(|(value, _)| value);
                    self.boxes.push((when, [*x1, *y1, *x2, *y2]));
                    time = None;
                    at += 4;
                }
                [(Temporal, a, _, end), (Temporal, b, start, _), ..] if end == start => {
                    self.spans.push([*a, *b]);
                    time = None;
                    at += 2;
                }
                [(Temporal, value, _, end), ..] => {
                    time = Some((*value, *end));
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

/// Lays frames out in rows of `columns`, each `tile` pixels wide and high: boxes in green (those with a time on the
/// frame nearest to it), a green bar under frames within a span. `times` are the frames' fractions of the clip.
///
/// # Panics
/// When there is not one time for each frame, or `columns` or `tile` is 0.
#[must_use]
pub fn contact_sheet(
    frames: &Frames,
    times: &[f64],
    marks: &[Marks],
    columns: usize,
    tile: u32,
) -> Frames {
    assert_eq!(times.len(), frames.count, "one time for each frame");
    let small = st_media::resize(frames, tile, tile);
    let side = tile as usize;
    let rows = frames.count.div_ceil(columns);
    let columns = columns.min(frames.count.max(1));
    let (width, height) = (
        columns * (side + GAP) + GAP,
        rows * (side + BAR + GAP) + GAP,
    );
    let mut sheet = Sheet {
        width,
        rgb: vec![32; 3 * width * height],
    };
    for (at, time) in times.iter().enumerate() {
        let left = GAP + at % columns * (side + GAP);
        let top = GAP + at / columns * (side + BAR + GAP);
        sheet.paste(small.frame(at), side, left, top);
        for mark in marks {
            if mark.spans.iter().any(|[a, b]| a <= time && time <= b) {
                sheet.fill(left, top + side + 1, side, BAR - 2);
            }
            for (when, bbox) in &mark.boxes {
                if when.is_none_or(|when| nearest(times, when) == at) {
                    sheet.outline(*bbox, side, left, top);
                }
            }
        }
    }
    Frames {
        count: 1,
        height,
        width,
        rgb: sheet.rgb,
    }
}

/// Pixels between tiles.
const GAP: usize = 4;
/// Height of the strip under a tile in which spans are shown.
const BAR: usize = 6;
const GREEN: [u8; 3] = [0, 230, 60];

fn nearest(times: &[f64], when: f64) -> usize {
    let distance = |at: &usize| (times[*at] - when).abs();
    let closer = |a: &usize, b: &usize| distance(a).total_cmp(&distance(b));
    (0..times.len()).min_by(closer).unwrap_or(0)
}

struct Sheet {
    width: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn paste(&mut self, picture: &[u8], side: usize, left: usize, top: usize) {
        for (y, row) in picture.chunks_exact(3 * side).enumerate() {
            let at = 3 * ((top + y) * self.width + left);
            self.rgb[at..at + row.len()].copy_from_slice(row);
        }
    }

    fn fill(&mut self, left: usize, top: usize, width: usize, height: usize) {
        for y in top..top + height {
            let at = 3 * (y * self.width + left);
            let row = &mut self.rgb[at..at + 3 * width];
            row.chunks_exact_mut(3)
                .for_each(|pixel| pixel.copy_from_slice(&GREEN));
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "fractions are clamped to the tile"
    )]
    fn outline(&mut self, bbox: [f64; 4], side: usize, left: usize, top: usize) {
        let pixel = |fraction: f64| (fraction.clamp(0.0, 1.0) * (side - 1) as f64).round() as usize;
        let [x1, y1, x2, y2] = bbox.map(pixel);
        if x2 < x1 || y2 < y1 {
            return;
        }
        let (width, height) = (x2 - x1 + 1, y2 - y1 + 1);
        let thin = |length: usize| length.min(2);
        self.fill(left + x1, top + y1, width, thin(height));
        self.fill(left + x1, top + y2 + 1 - thin(height), width, thin(height));
        self.fill(left + x1, top + y1, thin(width), height);
        self.fill(left + x2 + 1 - thin(width), top + y1, thin(width), height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let json = r#"{"id":"a","type":"stvg","video":"a.mp4","conversations":[
            {"from":"human","value":"<video>\nWhen?"},
            {"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>} <TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"}],
            "variables":{"temporal_output_locations":[0.2,0.6,0.5],
            "spatial_width_output_locations":[0.0,0.5],"spatial_height_output_locations":[0.25,1.0]}}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn spans_and_timed_boxes_are_read_from_a_record() {
        let marks = Marks::of(&record());
        assert_eq!(marks.spans, [[0.2, 0.6]]);
        assert_eq!(marks.boxes, [(Some(0.5), [0.0, 0.25, 0.5, 1.0])]);
    }

    #[test]
    fn marks_are_drawn_on_their_frames_only() {
        let frames = Frames::new(3, 8, 8, vec![100; 3 * 3 * 64]).unwrap();
        let sheet = contact_sheet(&frames, &[0.0, 0.5, 1.0], &[Marks::of(&record())], 3, 8);
        assert_eq!((sheet.width, sheet.height), (3 * 12 + 4, 4 + 8 + 6 + 4));
        let pixel = |x: usize, y: usize| &sheet.rgb[3 * (y * sheet.width + x)..][..3];
        for (tile, marked) in [(0, false), (1, true), (2, false)] {
            let left = 4 + tile * 12;
            assert_eq!(pixel(left, 4 + 7) == GREEN, marked, "box of tile {tile}");
            assert_eq!(
                pixel(left + 3, 4 + 8 + 2) == GREEN,
                marked,
                "span of tile {tile}"
            );
        }
    }
}
