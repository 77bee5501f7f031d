//! Boxes, time lines and words drawn over frames.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use st_schema::Frames;

/// A colour.
pub(crate) type Rgb = [u8; 3];

/// Truth.
pub(crate) const GREEN: Rgb = [33, 192, 100];
/// Answer.
pub(crate) const RED: Rgb = [255, 59, 48];
/// What the question names.
pub(crate) const BLUE: Rgb = [64, 156, 255];
/// Words.
pub(crate) const WHITE: Rgb = [245, 246, 248];
/// Behind words.
pub(crate) const INK: Rgb = [18, 22, 29];
/// Quiet parts.
pub(crate) const GREY: Rgb = [92, 102, 118];

/// Pixels of a letter at scale 1, each side.
const LETTER: usize = 8;

/// A picture that is drawn on.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    /// Pixels.
    pub(crate) width: usize,
    /// Pixels.
    pub(crate) height: usize,
    /// `[height, width, 3]`.
    pub(crate) rgb: Vec<u8>,
}

impl Canvas {
    /// One colour all over.
    pub(crate) fn new(width: usize, height: usize, color: Rgb) -> Self {
        Self {
            width,
            height,
            rgb: color.repeat(width * height),
        }
    }

    /// Frame `index` of `frames`.
    pub(crate) fn of_frame(frames: &Frames, index: usize) -> Self {
        Self {
            width: frames.width,
            height: frames.height,
            rgb: frames.frame(index).to_vec(),
        }
    }

    fn put(&mut self, x: usize, y: usize, color: Rgb) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.rgb[at..at + 3].copy_from_slice(&color);
        }
    }

    /// A filled rectangle; what lies outside is cut off.
    pub(crate) fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, color: Rgb) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.put(column, row, color);
            }
        }
    }

    /// A box given by fractions, its border `line` pixels wide and wholly inside the picture, with a dark rim that keeps
    /// it visible on any ground.
    pub(crate) fn bounding_box(&mut self, corners: [f64; 4], line: usize, color: Rgb) {
        let [x1, y1, x2, y2] = [
            pixel(corners[0], self.width),
            pixel(corners[1], self.height),
            pixel(corners[2], self.width),
            pixel(corners[3], self.height),
        ];
        self.border(
            [x1.saturating_sub(1), y1.saturating_sub(1), x2 + 1, y2 + 1],
            line + 2,
            INK,
        );
        self.border([x1, y1, x2, y2], line, color);
    }

    fn border(&mut self, [x1, y1, x2, y2]: [usize; 4], line: usize, color: Rgb) {
        let (width, height) = (x2.saturating_sub(x1) + 1, y2.saturating_sub(y1) + 1);
        let (across, down) = (line.min(width), line.min(height));
        self.fill(x1, y1, width, down, color);
        self.fill(x1, (y2 + 1).saturating_sub(down), width, down, color);
        self.fill(x1, y1, across, height, color);
        self.fill((x2 + 1).saturating_sub(across), y1, across, height, color);
    }

    /// Words with their upper left corner at `x, y`; letters that the font lacks are a `?`.
    pub(crate) fn text(&mut self, x: usize, y: usize, scale: usize, color: Rgb, words: &str) {
        for (index, letter) in words.chars().enumerate() {
            let glyph = BASIC_FONTS
                .get(letter)
                .or_else(|| LATIN_FONTS.get(letter))
                .or_else(|| BASIC_FONTS.get('?'));
            let left = x + index * LETTER * scale;
            for (row, bits) in glyph.unwrap_or_default().into_iter().enumerate() {
                for column in (0..LETTER).filter(|column| (bits >> column) & 1 == 1) {
                    self.fill(left + column * scale, y + row * scale, scale, scale, color);
                }
            }
        }
    }

    /// Words on a plate of the given colour.
    pub(crate) fn label(&mut self, x: usize, y: usize, scale: usize, plate: Rgb, words: &str) {
        let (width, height) = text_size(words, scale);
        self.fill(x, y, width + 4 * scale, height + 4 * scale, plate);
        let color = if plate == INK || plate == GREY {
            WHITE
        } else {
            INK
        };
        self.text(x + 2 * scale, y + 2 * scale, scale, color, words);
    }

    /// Another picture with its upper left corner at `x, y`.
    pub(crate) fn paste(&mut self, other: &Self, x: usize, y: usize) {
        let width = other.width.min(self.width.saturating_sub(x));
        for row in 0..other.height.min(self.height.saturating_sub(y)) {
            let (from, to) = (3 * row * other.width, 3 * ((y + row) * self.width + x));
            self.rgb[to..to + 3 * width].copy_from_slice(&other.rgb[from..from + 3 * width]);
        }
    }

    /// A time line: a bar for each span given by fractions, and a mark where `now` is.
    pub(crate) fn time_line(
        &mut self,
        area: [usize; 4],
        spans: &[([f64; 2], Rgb)],
        now: Option<f64>,
    ) {
        let [x, y, width, height] = area;
        self.fill(x, y, width, height, INK);
        self.fill(x, y + height / 2, width, 1, GREY);
        let lane = (height.saturating_sub(2) / spans.len().max(1)).max(2);
        for (index, (span, color)) in spans.iter().enumerate() {
            let (start, end) = (
                pixel(span[0].min(span[1]), width),
                pixel(span[0].max(span[1]), width),
            );
            self.fill(
                x + start,
                y + 1 + index * lane,
                (end - start).max(2),
                lane.saturating_sub(1).max(2),
                *color,
            );
        }
        if let Some(now) = now {
            self.fill(
                x + pixel(now, width).min(width.saturating_sub(2)),
                y,
                2,
                height,
                WHITE,
            );
        }
    }

    /// The picture in another size, so that it fits into `width` x `height` with its proportions kept.
    pub(crate) fn fitted(&self, width: usize, height: usize) -> Self {
        let scale = (ratio(width, self.width)).min(ratio(height, self.height));
        let (width, height) = (scaled(self.width, scale), scaled(self.height, scale));
        let frames = Frames {
            count: 1,
            height: self.height,
            width: self.width,
            rgb: self.rgb.clone(),
        };
        let small = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let resized = st_media::resize(&frames, small(width), small(height));
        Self {
            width,
            height,
            rgb: resized.rgb,
        }
    }

    /// The picture as JPEG.
    pub(crate) fn to_jpeg(&self, quality: u8) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let side = |side: usize| u16::try_from(side);
        jpeg_encoder::Encoder::new(&mut bytes, quality).encode(
            &self.rgb,
            side(self.width)?,
            side(self.height)?,
            jpeg_encoder::ColorType::Rgb,
        )?;
        Ok(bytes)
    }

    /// The picture as PNG.
    pub(crate) fn to_png(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        image::write_buffer_with_format(
            &mut bytes,
            &self.rgb,
            width,
            height,
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )?;
        Ok(bytes.into_inner())
    }
}

/// Width and height in pixels of words at a scale.
pub(crate) fn text_size(words: &str, scale: usize) -> (usize, usize) {
    (words.chars().count() * LETTER * scale, LETTER * scale)
}

/// Words broken into lines of at most `letters` letters; a longer word is cut.
pub(crate) fn wrapped(words: &str, letters: usize) -> Vec<String> {
    let letters = letters.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + rest.len() <= letters => {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            _ => {}
        }
        while rest.len() > letters {
            let after = rest.split_off(letters);
            lines.push(rest.into_iter().collect());
            rest = after;
        }
        lines.push(rest.into_iter().collect());
    }
    lines
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a picture"
)]
fn pixel(fraction: f64, extent: usize) -> usize {
    (fraction.clamp(0.0, 1.0) * extent.saturating_sub(1) as f64).round() as usize
}

#[expect(clippy::cast_precision_loss, reason = "sides of pictures are small")]
fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b.max(1) as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of pictures are small"
)]
fn scaled(side: usize, scale: f64) -> usize {
    ((side as f64 * scale).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_stays_inside_and_has_its_width() {
        let mut canvas = Canvas::new(40, 30, [0; 3]);
        canvas.bounding_box([0.0, 0.0, 1.0, 1.0], 2, RED);
        let at = |x: usize, y: usize| &canvas.rgb[3 * (y * 40 + x)..3 * (y * 40 + x) + 3];
        for (x, y) in [
            (0, 0),
            (1, 1),
            (39, 29),
            (38, 28),
            (20, 0),
            (20, 1),
            (0, 15),
        ] {
            assert_eq!(at(x, y), RED, "{x},{y}");
        }
        assert_ne!(at(20, 15), RED);
        assert_ne!(at(20, 3), RED);
    }

    #[test]
    fn words_are_wrapped_and_long_ones_cut() {
        assert_eq!(wrapped("a red circle", 6), ["a red", "circle"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert!(wrapped("", 4).is_empty());
    }

    #[test]
    fn letters_are_drawn() {
        let mut canvas = Canvas::new(32, 16, INK);
        canvas.text(0, 0, 2, WHITE, "Aé");
        let lit = |from: usize, to: usize| {
            (0..16)
                .flat_map(|y| (from..to).map(move |x| (x, y)))
                .filter(|(x, y)| canvas.rgb[3 * (y * 32 + x)] > 200)
                .count()
        };
        assert!(lit(0, 16) > 40 && lit(16, 32) > 40);
    }
}
