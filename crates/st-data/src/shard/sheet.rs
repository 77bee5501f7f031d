//! A contact sheet: a clip's frames side by side, with its records' spans and boxes drawn in.

use font8x8::{BASIC_FONTS, UnicodeFonts};
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

/// One frame of a sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Its time as a fraction of the clip.
    pub time: f64,
    /// What is written below it.
    pub words: String,
}

/// Lays frames out in rows of `columns`, each `size` (width, height) pixels large, with its words below. Every record has a
/// colour of its own: its boxes (those with a time on the frame nearest to it), and a bar below the frames within its spans.
///
/// # Panics
/// When there is not one tile for each frame, or `columns` or a side of `size` is 0.
#[must_use]
pub fn contact_sheet(
    frames: &Frames,
    tiles: &[Tile],
    marks: &[Marks],
    columns: usize,
    size: (u32, u32),
) -> Frames {
    assert_eq!(tiles.len(), frames.count, "one tile for each frame");
    let small = st_media::resize(frames, size.0, size.1);
    let (wide, high) = (small.width, small.height);
    let lanes = marks
        .iter()
        .filter(|mark| !mark.spans.is_empty())
        .count()
        .min(LANES);
    let strip = LETTER + 4 + lanes * LANE;
    let rows = frames.count.div_ceil(columns);
    let columns = columns.min(frames.count.max(1));
    let (width, height) = (
        columns * (wide + GAP) + GAP,
        rows * (high + strip + GAP) + GAP,
    );
    let mut sheet = Sheet {
        width,
        rgb: GROUND.repeat(width * height),
    };
    let moments: Vec<f64> = tiles.iter().map(|tile| tile.time).collect();
    for (at, tile) in tiles.iter().enumerate() {
        let left = GAP + at % columns * (wide + GAP);
        let top = GAP + at / columns * (high + strip + GAP);
        sheet.paste(small.frame(at), wide, left, top);
        let fitting = tile.words.chars().take(wide / LETTER);
        sheet.text(left, top + high + 3, fitting);
        let mut lane = 0;
        for (mark, color) in marks.iter().zip(COLORS.iter().cycle()) {
            if !mark.spans.is_empty() && lane < LANES {
                let y = top + high + LETTER + 4 + lane * LANE;
                let is_inside = |[a, b]: &[f64; 2]| *a <= tile.time && tile.time <= *b;
                if mark.spans.iter().any(is_inside) {
                    // Up to the next frame, so that a span is one bar.
                    let joined = wide + if at % columns + 1 < columns { GAP } else { 0 };
                    sheet.fill(left, y, joined, LANE - 1, *color);
                }
                lane += 1;
            }
            for (when, bbox) in &mark.boxes {
                if when.is_none_or(|when| nearest(&moments, when) == at) {
                    sheet.outline(*bbox, (wide, high), (left, top), *color);
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
/// Pixels of a letter, each side.
const LETTER: usize = 8;
/// Height of a record's bar, one empty row included.
const LANE: usize = 4;
/// Most bars below a frame.
const LANES: usize = 8;
const GROUND: [u8; 3] = [24, 27, 33];
const WORDS: [u8; 3] = [214, 218, 226];
/// Distinct for the common kinds of colour blindness, too (after Okabe and Ito, "Color Universal Design", 2008).
const COLORS: [[u8; 3]; 6] = [
    [0, 214, 90],
    [255, 176, 0],
    [86, 180, 233],
    [240, 100, 60],
    [230, 150, 200],
    [240, 228, 66],
];

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
    fn paste(&mut self, picture: &[u8], wide: usize, left: usize, top: usize) {
        for (y, row) in picture.chunks_exact(3 * wide).enumerate() {
            let at = 3 * ((top + y) * self.width + left);
            self.rgb[at..at + row.len()].copy_from_slice(row);
        }
    }

    fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, color: [u8; 3]) {
        for y in top..top + height {
            let at = 3 * (y * self.width + left);
            let row = &mut self.rgb[at..at + 3 * width];
            row.chunks_exact_mut(3)
                .for_each(|pixel| pixel.copy_from_slice(&color));
        }
    }

    fn text(&mut self, left: usize, top: usize, words: impl Iterator<Item = char>) {
        for (at, letter) in words.enumerate() {
            let glyph = BASIC_FONTS.get(letter).or_else(|| BASIC_FONTS.get('?'));
            for (row, bits) in glyph.unwrap_or_default().into_iter().enumerate() {
                for column in (0..LETTER).filter(|column| (bits >> column) & 1 == 1) {
                    self.fill(left + at * LETTER + column, top + row, 1, 1, WORDS);
                }
            }
        }
    }

    /// A border of two pixels with a dark rim inside, which shows on any ground.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "fractions are clamped to the tile"
    )]
    fn outline(
        &mut self,
        bbox: [f64; 4],
        (wide, high): (usize, usize),
        (left, top): (usize, usize),
        color: [u8; 3],
    ) {
        let pixel = |fraction: f64, side: usize| {
            (fraction.clamp(0.0, 1.0) * (side - 1) as f64).round() as usize
        };
        let [x1, y1, x2, y2] = [
            pixel(bbox[0], wide),
            pixel(bbox[1], high),
            pixel(bbox[2], wide),
            pixel(bbox[3], high),
        ];
        for (inset, color) in [(0, color), (1, color), (2, GROUND)] {
            let (x1, y1) = (x1 + inset, y1 + inset);
            let (Some(across), Some(down)) = (
                (x2 + 1).checked_sub(x1 + inset),
                (y2 + 1).checked_sub(y1 + inset),
            ) else {
                return;
            };
            if across == 0 || down == 0 {
                return;
            }
            self.fill(left + x1, top + y1, across, 1, color);
            self.fill(left + x1, top + y1 + down - 1, across, 1, color);
            self.fill(left + x1, top + y1, 1, down, color);
            self.fill(left + x1 + across - 1, top + y1, 1, down, color);
        }
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
        let tiles = [0.0, 0.5, 1.0].map(|time| Tile {
            time,
            words: "i".to_owned(),
        });
        let sheet = contact_sheet(&frames, &tiles, &[Marks::of(&record())], 3, (8, 8));
        assert_eq!((sheet.width, sheet.height), (3 * 12 + 4, 4 + 8 + 16 + 4));
        let pixel = |x: usize, y: usize| &sheet.rgb[3 * (y * sheet.width + x)..][..3];
        for (tile, marked) in [(0, false), (1, true), (2, false)] {
            let left = 4 + tile * 12;
            assert_eq!(
                pixel(left, 4 + 7) == COLORS[0],
                marked,
                "box of tile {tile}"
            );
            assert_eq!(
                pixel(left + 3, 4 + 8 + 13) == COLORS[0],
                marked,
                "span of tile {tile}"
            );
            let strip = (left..left + 8).flat_map(|x| (4 + 8..4 + 8 + 12).map(move |y| (x, y)));
            assert!(
                strip.clone().any(|(x, y)| pixel(x, y) == WORDS),
                "words of tile {tile}"
            );
        }
    }
}
