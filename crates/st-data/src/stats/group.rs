//! Counts and measures of records that belong together.

use std::ops::AddAssign;

use serde::{Serialize, Serializer};
use st_schema::{Axis, Media, Record, Role, Side};

use super::features::{Features, RawBox, RawTube};
use super::quantization::{AxisCounts, BoundSums};
use super::report::AxisRow;
use super::{Distribution, Grid, Tally};

/// Counts and measures of the records that belong together. All of them merge exactly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Records in the files.
    pub records: u64,
    /// Records about an image; the rest is about a video.
    pub images: u64,
    /// The human's turns.
    pub questions: u64,
    /// Records of two questions and more.
    pub with_several_questions: u64,
    /// Records whose numbers do not match their placeholders; their spans and boxes are not measured.
    pub wrong_counts: u64,
    /// Turns of a record, questions and answers.
    pub turns: Tally,
    /// Words of a record's questions.
    pub question_words: Tally,
    /// Words of a record's answers.
    pub answer_words: Tally,
    /// Lengths of spans, asked for and given, as fractions of the clip.
    pub span_length: Distribution,
    /// Where spans are: their middles.
    pub span_middle: Distribution,
    /// Where spans start.
    pub span_start: Distribution,
    /// Areas of boxes as fractions of the picture.
    pub box_area: Distribution,
    /// Width over height of boxes, in powers of two: -1 is twice as high as wide. In pixels where the record has the
    /// picture's size, else in fractions.
    pub box_aspect: Distribution,
    /// Where the middles of boxes are.
    pub box_centres: Grid,
    /// Boxes of a tube.
    pub tube_boxes: Tally,
    /// From the first to the last box of a tube, as a fraction of the clip.
    pub tube_length: Distribution,
    /// How far a tube's middle travels, in widths and heights of the picture.
    pub tube_motion: Distribution,
    /// Spans of an answer.
    pub answer_spans: Tally,
    /// Boxes of an answer, those of tubes included.
    pub answer_boxes: Tally,
    /// Tubes of an answer.
    pub answer_tubes: Tally,
    /// The numbers on each axis, questions and answers.
    #[serde(serialize_with = "axes")]
    pub(super) axes: [AxisCounts; 3],
    #[serde(skip)]
    pub(super) span_bounds: BoundSums,
    #[serde(skip)]
    pub(super) box_bounds: BoundSums,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            records: 0,
            images: 0,
            questions: 0,
            with_several_questions: 0,
            wrong_counts: 0,
            turns: Tally::default(),
            question_words: Tally::default(),
            answer_words: Tally::default(),
            span_length: Distribution::default(),
            span_middle: Distribution::default(),
            span_start: Distribution::default(),
            box_area: Distribution::default(),
            box_aspect: Distribution::over(-5.0, 5.0),
            box_centres: Grid::default(),
            tube_boxes: Tally::default(),
            tube_length: Distribution::default(),
            tube_motion: Distribution::over(0.0, 2.0),
            answer_spans: Tally::default(),
            answer_boxes: Tally::default(),
            answer_tubes: Tally::default(),
            axes: Default::default(),
            span_bounds: BoundSums::default(),
            box_bounds: BoundSums::default(),
        }
    }
}

impl AddAssign<&Self> for Group {
    fn add_assign(&mut self, other: &Self) {
        self.records += other.records;
        self.images += other.images;
        self.questions += other.questions;
        self.with_several_questions += other.with_several_questions;
        self.wrong_counts += other.wrong_counts;
        self.turns += &other.turns;
        self.question_words += &other.question_words;
        self.answer_words += &other.answer_words;
        self.span_length += &other.span_length;
        self.span_middle += &other.span_middle;
        self.span_start += &other.span_start;
        self.box_area += &other.box_area;
        self.box_aspect += &other.box_aspect;
        self.box_centres += &other.box_centres;
        self.tube_boxes += &other.tube_boxes;
        self.tube_length += &other.tube_length;
        self.tube_motion += &other.tube_motion;
        self.answer_spans += &other.answer_spans;
        self.answer_boxes += &other.answer_boxes;
        self.answer_tubes += &other.answer_tubes;
        for (axis, more) in self.axes.iter_mut().zip(&other.axes) {
            *axis += more;
        }
        self.span_bounds += &other.span_bounds;
        self.box_bounds += &other.box_bounds;
    }
}

impl Group {
    /// Takes in one record, whose coordinates are `features`.
    pub(super) fn add(&mut self, record: &Record, features: Option<&Features>) {
        let human = |turn: &&st_schema::Turn| turn.from == Role::Human;
        let questions = record.conversations.iter().filter(human).count() as u64;
        self.records += 1;
        self.images += u64::from(matches!(record.media, Media::Image(_)));
        self.questions += questions;
        self.with_several_questions += u64::from(questions > 1);
        self.turns.add(record.conversations.len() as u64);
        for (axis, _, numbers) in record.variables.iter() {
            for number in numbers {
                self.axes[axis as usize].add(*number);
            }
        }
        match features {
            Some(features) => self.measure(record, features),
            None => self.wrong_counts += 1,
        }
    }

    fn measure(&mut self, record: &Record, features: &Features) {
        for side in Side::ALL {
            for span in features.spans(record, side) {
                self.span_length.add(span[1] - span[0]);
                self.span_middle.add(f64::midpoint(span[0], span[1]));
                self.span_start.add(span[0]);
                if side == Side::Output {
                    self.span_bounds.add_span(span);
                }
            }
        }
        let size = record.meta.width.zip(record.meta.height);
        let pixels = size
            .filter(|(width, height)| *width > 0 && *height > 0)
            .map_or(1.0, |(width, height)| f64::from(width) / f64::from(height));
        for (turn, shape) in record.conversations.iter().zip(&features.turns) {
            let tubes = shape.tubes();
            for (_, corners) in &shape.boxes {
                self.measure_box(*corners, pixels);
                if turn.from == Role::Gpt {
                    self.box_bounds.add_box(*corners);
                }
            }
            for tube in &tubes {
                self.measure_tube(tube);
            }
            if turn.from == Role::Gpt {
                self.answer_spans.add(shape.spans.len() as u64);
                self.answer_boxes.add(shape.boxes.len() as u64);
                self.answer_tubes.add(tubes.len() as u64);
            }
        }
    }

    fn measure_box(&mut self, [x1, y1, x2, y2]: RawBox, pixels: f64) {
        let (width, height) = (x2 - x1, y2 - y1);
        self.box_area.add(width * height);
        if width > 0.0 && height > 0.0 {
            self.box_aspect.add((width / height * pixels).log2());
        }
        self.box_centres
            .add(f64::midpoint(x1, x2), f64::midpoint(y1, y2));
    }

    fn measure_tube(&mut self, tube: &RawTube) {
        let (Some(first), Some(last)) = (tube.first(), tube.last()) else {
            return;
        };
        let middle = |[x1, y1, x2, y2]: RawBox| (f64::midpoint(x1, x2), f64::midpoint(y1, y2));
        let motion: f64 = tube
            .windows(2)
            .map(|pair| {
                let (from, to) = (middle(pair[0].1), middle(pair[1].1));
                (to.0 - from.0).hypot(to.1 - from.1)
            })
            .sum();
        self.tube_boxes.add(tube.len() as u64);
        self.tube_length.add(last.0 - first.0);
        self.tube_motion.add(motion);
    }

    /// The numbers on each axis.
    #[must_use]
    pub fn axis_rows(&self) -> Vec<AxisRow> {
        axis_rows(&self.axes)
    }
}

pub(super) fn axis_rows(axes: &[AxisCounts; 3]) -> Vec<AxisRow> {
    let names = Axis::ALL.map(|axis| match axis {
        Axis::Temporal => "temporal",
        Axis::Height => "height",
        Axis::Width => "width",
    });
    let row = |(name, counts): (&str, &AxisCounts)| AxisRow {
        axis: name.to_owned(),
        count: counts.count,
        distinct: counts.distinct(),
        finer: counts.finer,
        zeros: counts.zeros(),
        ones: counts.ones(),
        outside: counts.outside,
        bins: counts.bins().to_vec(),
    };
    names.into_iter().zip(axes).map(row).collect()
}

fn axes<S: Serializer>(axes: &[AxisCounts; 3], serializer: S) -> Result<S::Ok, S::Error> {
    axis_rows(axes).serialize(serializer)
}
