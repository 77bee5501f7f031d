//! A short way through the lines of STVG and SVG result files: what a score needs, read without building the rest.
//!
//! Most of a scorer's time goes into the numbers of `gt.svg`. [`read`] takes lines of the usual layout only and gives up on
//! anything else (escapes in the answer, exponents, repeated fields, other types), which then goes the long way through
//! [`Prediction::parse_bytes`]. Where it does not give up, the scores are the same; tests hold the two against each other.

use crate::prediction::{InputNumbers, Prediction, Text, TruthBoxes, VideoTruth};

/// A line's fields as far as the scores of tubes need them; `None` to go the long way.
pub(crate) fn read(line: &[u8]) -> Option<Prediction<'_>> {
    let mut cursor = Cursor { line, at: 0 };
    let mut record = Prediction::default();
    let mut seen: Vec<&[u8]> = Vec::with_capacity(16);
    cursor.object(|cursor, key| {
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        match key {
            b"outputs" => record.outputs = Some(Some(Text::borrowed(cursor.text()?))),
            b"converted_outputs" => {
                record.converted_outputs = Some(Some(Text::borrowed(cursor.text()?)));
            }
            b"video_path" => record.video_path = Some(Text::borrowed(cursor.text()?)),
            b"gt" => record.gt = Some(Some(cursor.truth()?)),
            b"split" => record.split = Some(Some(cursor.frames()?)),
            b"width" => record.width = Some(Some(cursor.number()?)),
            b"height" => record.height = Some(Some(cursor.number()?)),
            b"frame_num" => record.frame_num = u64::try_from(cursor.integer()?).ok(),
            b"index" => record.index = u64::try_from(cursor.integer()?).ok(),
            b"variables" => {
                let start = cursor.at;
                cursor.skip(0)?;
                record.variables =
                    serde_json::from_slice::<InputNumbers>(&cursor.line[start..cursor.at]).ok()?;
            }
            // Texts of the question, which no score needs.
            b"prompt" | b"event" | b"caption" => cursor.skip_text()?,
            // Fields that a usual line of these tasks lacks.
            b"image_path" | b"error" | b"constrained" | b"gt_bbox" | b"other_boxes" => {
                return None;
            }
            _ => cursor.skip(0)?,
        }
        Some(())
    })?;
    cursor.blanks();
    (cursor.at == line.len()).then_some(record)
}

/// Deepest nesting of a value that is skipped.
const DEEPEST: usize = 32;

/// 10 to the power of 0 to 14.
const POWERS: [u64; 15] = {
    let mut powers = [1; 15];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = powers[place - 1] * 10;
        place += 1;
    }
    powers
};

/// Whether a text has a byte that JSON wants escaped. Looks at all of them, many at once.
fn has_control(text: &[u8]) -> bool {
    let controls = text.iter().map(|byte| u8::from(*byte < b' '));
    controls.fold(0, |found, one| found | one) != 0
}

/// A place in a line.
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// A byte with blanks around it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek()? == byte).then(|| self.at += 1)?;
        self.blanks();
        Some(())
    }

    /// Whether the next byte is this one, which is then taken with the blanks after it.
    fn takes(&mut self, byte: u8) -> bool {
        self.take(byte).is_some()
    }

    /// An object; `field` reads the value of each key.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            let key = self.text()?.as_bytes();
            self.take(b':')?;
            field(self, key)?;
            if !self.takes(b',') {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.takes(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.takes(b',') {
                return self.take(b']');
            }
        }
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        if self.peek()? != b'"' {
            return None;
        }
        let rest = &self.line[self.at + 1..];
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        let text = &rest[..end];
        if rest[end] == b'\\' || has_control(text) {
            return None;
        }
        self.at += end + 2;
        std::str::from_utf8(text).ok()
    }

    /// A text with simple escapes, passed over.
    fn skip_text(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            let rest = &self.line[self.at..];
            let end = memchr::memchr2(b'"', b'\\', rest)?;
            std::str::from_utf8(&rest[..end]).ok()?;
            if has_control(&rest[..end]) {
                return None;
            }
            self.at += end + 1;
            if rest[end] == b'"' {
                return Some(());
            }
            if !matches!(
                self.peek()?,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'
            ) {
                return None;
            }
            self.at += 1;
        }
    }

    /// Any value, passed over.
    fn skip(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match self.peek()? {
            b'"' => self.skip_text(),
            b'{' => self.object(|cursor, _| cursor.skip(depth + 1)),
            b'[' => self.array(|cursor| cursor.skip(depth + 1)),
            b'0'..=b'9' | b'-' => self.number().map(|_| ()),
            _ => {
                let word = [&b"null"[..], b"true", b"false"]
                    .into_iter()
                    .find(|word| self.line[self.at..].starts_with(word))?;
                self.at += word.len();
                Some(())
            }
        }
    }

    /// Digits: their value and how many there are; at most fifteen.
    #[inline]
    fn digits(&mut self) -> Option<(u64, usize)> {
        let mut value = 0;
        let mut count = 0;
        for byte in &self.line[self.at..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            if count == 15 {
                return None;
            }
            value = value * 10 + u64::from(digit);
            count += 1;
        }
        self.at += count;
        (count > 0).then_some((value, count))
    }

    fn whole(&mut self) -> Option<(u64, usize)> {
        let leading_zero = self.peek()? == b'0';
        let (value, count) = self.digits()?;
        (!leading_zero || count == 1).then_some((value, count))
    }

    /// A number of at most fifteen digits and no exponent: its value is the quotient of two exact numbers, so it is the
    /// nearest to the decimal.
    fn number(&mut self) -> Option<f64> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let (whole, count) = self.whole()?;
        #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
        let mut value = whole as f64;
        if self.peek() == Some(b'.') {
            self.at += 1;
            let (part, places) = self.digits()?;
            if count + places > 15 {
                return None;
            }
            let power = POWERS[places];
            #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
            let joined = (whole * power + part) as f64;
            #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
            let power = power as f64;
            value = joined / power;
        }
        if matches!(self.peek(), Some(b'e' | b'E' | b'0'..=b'9' | b'.')) {
            return None;
        }
        Some(if negative { -value } else { value })
    }

    /// A whole number that is not negative.
    fn integer(&mut self) -> Option<i64> {
        let (value, _) = self.whole()?;
        if matches!(self.peek(), Some(b'e' | b'E' | b'.')) {
            return None;
        }
        i64::try_from(value).ok()
    }

    fn frames(&mut self) -> Option<[i64; 2]> {
        self.take(b'[')?;
        let first = self.integer()?;
        self.take(b',')?;
        let last = self.integer()?;
        self.take(b']')?;
        Some([first, last])
    }

    fn truth(&mut self) -> Option<VideoTruth> {
        let (mut tvg, mut svg, mut caption) = (None, None, None);
        self.object(|cursor, key| {
            match key {
                b"tvg" if tvg.is_none() => {
                    let mut ends = Vec::with_capacity(2);
                    cursor.array(|cursor| {
                        ends.push(cursor.number()?);
                        Some(())
                    })?;
                    tvg = Some(ends);
                }
                b"svg" if svg.is_none() => svg = Some(cursor.boxes()?),
                b"caption" if caption.is_none() => caption = Some(cursor.text()?.to_owned()),
                b"tvg" | b"svg" | b"caption" => return None,
                _ => cursor.skip(0)?,
            }
            Some(())
        })?;
        Some(VideoTruth::Tube { tvg, svg, caption })
    }

    fn boxes(&mut self) -> Option<TruthBoxes> {
        let mut boxes = Vec::with_capacity(64);
        self.object(|cursor, key| {
            let mut key = Cursor { line: key, at: 0 };
            let frame = key.integer()?;
            if key.at != key.line.len() {
                return None;
            }
            let mut corners = [0.0; 4];
            cursor.take(b'[')?;
            for (place, corner) in corners.iter_mut().enumerate() {
                if place > 0 {
                    cursor.take(b',')?;
                }
                *corner = cursor.number()?;
            }
            cursor.take(b']')?;
            boxes.push((frame, corners));
            Some(())
        })?;
        Some(TruthBoxes::ByFrame(boxes))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::score::{Protocol, score_line};
    use crate::task::EvalTask;

    const LINE: &str = concat!(
        r#"{"data_type": "video", "video_path": "v/é.mp4", "prompt": "<video>\nWhen \"x\"?", "#,
        r#""conversations": [{"from": "human", "value": "a\nb"}, {"from": "gpt", "value": null}], "#,
        r#""gt": {"tvg": [0, 40.5], "svg": {"0": [20, 18.42, 49, 32], "10": [2.5, 0.125, 50, -3], "40": [1,2,3,4]}}, "#,
        r#""width": 641, "height": 479.0, "frame_num": 100, "split": [0, 99], "index": 3, "#,
        r#""variables": {"temporal_input_locations": [0.25], "other": [1.5]}, "#,
        r#""outputs": "At {<TEMP-000><TEMP-040>}. <TEMP-000>:[<WIDTH-003><HEIGHT-004><WIDTH-009><HEIGHT-009>] <TEMP-010>:[<WIDTH-003><HEIGHT-004><WIDTH-009><HEIGHT-009>]", "#,
        r#""converted_outputs": "At {0.00000,0.40404}. 0.00000,:[0.1,0.1,0.2,0.2]"}"#,
    );

    fn same(line: &[u8]) -> bool {
        let Some(short) = read(line) else {
            return false;
        };
        let long = Prediction::parse_bytes(line).map_err(|error| error.to_string());
        let short = Ok(short);
        for task in [EvalTask::Stvg, EvalTask::Svg] {
            for protocol in Protocol::ALL {
                assert_eq!(
                    score_line(protocol, task, 1, &short),
                    score_line(protocol, task, 1, &long),
                    "{}",
                    String::from_utf8_lossy(line)
                );
            }
        }
        true
    }

    #[test]
    fn the_usual_line_goes_the_short_way() {
        assert!(same(LINE.as_bytes()));
        let record = read(LINE.as_bytes()).unwrap();
        assert_eq!(record.variables.temporal_input_locations, [0.25]);
        let Some(Some(VideoTruth::Tube {
            svg: Some(TruthBoxes::ByFrame(boxes)),
            ..
        })) = record.gt
        else {
            panic!("a tube")
        };
        assert_eq!(boxes[1], (10, [2.5, 0.125, 50.0, -3.0]));
    }

    #[test]
    fn a_damaged_line_is_never_read_differently() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let bytes = b"\"\\{}[],:0123456789.-eE tvgn\x00\xFF";
        let mut short = 0;
        for _ in 0..60_000 {
            let mut line = LINE.as_bytes().to_vec();
            for _ in 0..random.random_range(1..3) {
                let place = random.random_range(0..line.len());
                let byte = bytes[random.random_range(0..bytes.len())];
                match random.random_range(0..3) {
                    0 => line[place] = byte,
                    1 => line.insert(place, byte),
                    _ => {
                        line.remove(place);
                    }
                }
            }
            short += u32::from(same(&line));
        }
        assert!(
            short > 5_000,
            "only {short} damaged lines went the short way"
        );
    }

    #[test]
    fn numbers_are_the_nearest() {
        let mut random = ChaCha8Rng::seed_from_u64(12);
        for _ in 0..20_000 {
            let places = random.random_range(0..10_usize);
            let text = format!("{:.places$}", random.random_range(-3000.0..3000.0_f64));
            let mut cursor = Cursor {
                line: text.as_bytes(),
                at: 0,
            };
            assert_eq!(
                cursor.number().map(f64::to_bits),
                Some(text.parse::<f64>().unwrap().to_bits()),
                "{text}"
            );
        }
        for text in ["01", "1.", ".5", "-", "1e5", "1234567890123456", "1.2.3"] {
            let mut cursor = Cursor {
                line: text.as_bytes(),
                at: 0,
            };
            assert!(
                cursor.number().is_none() || cursor.at < text.len(),
                "{text}"
            );
        }
    }
}
