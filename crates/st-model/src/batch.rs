//! Encoded records and the padded batches that the model reads.
//!
//! Everything here is plain memory: no tensor, no device. The input encoder writes [`EncodedRecord`]s, [`Batch::collate`] pads them, and
//! the model turns a batch into tensors at the last moment.

use st_schema::{Axis, Side};

/// Label of a position that is not trained on.
pub const IGNORE: i64 = -100;

/// Which features of a clip belong at a run of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// All patches of an image, or the downsampled ones.
    Image,
    /// The fast stream of a video: all frames, few tokens each.
    Fast,
    /// The slow stream of a video: few frames, many tokens each.
    Slow,
}

/// A run of positions that visual features replace, start and end markers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisualSlot {
    /// First position.
    pub start: usize,
    /// Number of positions; equals the number of tokens of the stream.
    pub len: usize,
    /// What goes there.
    pub stream: Stream,
}

/// A position that holds a coordinate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoordinateSlot {
    /// Position in the sequence.
    pub position: usize,
    /// Axis of the coordinate.
    pub axis: Axis,
    /// Whether the coordinate stands in a prompt or in an answer.
    pub side: Side,
    /// Fraction of the clip, of the height or of the width. Values outside `0..=1` are clipped where they are used.
    pub value: f64,
}

/// One record as token ids, labels and slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodedRecord {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Labels aligned with `ids` (not shifted); [`IGNORE`] where there is none.
    pub labels: Vec<i64>,
    /// Positions of visual features.
    pub visual: Vec<VisualSlot>,
    /// Positions of coordinates.
    pub coordinates: Vec<CoordinateSlot>,
}

/// Where the rows of a [`Batch`] are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Rows start together; for training.
    Right,
    /// Rows end together; for decoding, so that all rows share the column of the next token.
    Left,
}

/// A [`VisualSlot`] of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowVisual {
    /// Row of the batch.
    pub row: usize,
    /// Index of the clip among the clips that are given to the model with the batch.
    pub clip: usize,
    /// Column and stream.
    pub slot: VisualSlot,
}

/// A [`CoordinateSlot`] of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowCoordinate {
    /// Row of the batch.
    pub row: usize,
    /// Column, axis, side and value.
    pub slot: CoordinateSlot,
}

/// Records of one step, padded to a rectangle.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of records.
    pub rows: usize,
    /// Columns, the length of the longest record.
    pub columns: usize,
    /// Token ids, row by row; the padding id where `valid` says so.
    pub ids: Vec<u32>,
    /// Labels, row by row; [`IGNORE`] in the padding.
    pub labels: Vec<i64>,
    /// First and one past the last real column of each row.
    pub valid: Vec<std::ops::Range<usize>>,
    /// Visual slots of all rows.
    pub visual: Vec<RowVisual>,
    /// Coordinate slots of all rows, in order of row and column.
    pub coordinates: Vec<RowCoordinate>,
}

impl Batch {
    /// Pads records at the right; record `i` looks at clip `i`.
    #[must_use]
    pub fn collate(records: &[EncodedRecord], pad: u32) -> Self {
        let clips: Vec<usize> = (0..records.len()).collect();
        Self::collate_with(records, &clips, pad, Padding::Right)
    }

    /// Pads records; record `i` looks at clip `clips[i]`, so that several questions can share one clip's features.
    ///
    /// # Panics
    /// When `clips` and `records` differ in length, or a record's labels differ in length from its ids.
    #[must_use]
    pub fn collate_with(
        records: &[EncodedRecord],
        clips: &[usize],
        pad: u32,
        padding: Padding,
    ) -> Self {
        assert_eq!(records.len(), clips.len(), "one clip index per record");
        let columns = records
            .iter()
            .map(|record| record.ids.len())
            .max()
            .unwrap_or(0);
        let mut batch = Self {
            rows: records.len(),
            columns,
            ids: Vec::with_capacity(columns * records.len()),
            labels: Vec::with_capacity(columns * records.len()),
            valid: Vec::with_capacity(records.len()),
            visual: Vec::new(),
            coordinates: Vec::new(),
        };
        for (record, &clip) in records.iter().zip(clips) {
            batch.push(record, clip, pad, padding);
        }
        batch
    }

    fn push(&mut self, record: &EncodedRecord, clip: usize, pad: u32, padding: Padding) {
        assert_eq!(record.ids.len(), record.labels.len(), "one label per id");
        let (row, length) = (self.valid.len(), record.ids.len());
        let first = match padding {
            Padding::Right => 0,
            Padding::Left => self.columns - length,
        };
        let behind = self.columns - length - first;
        self.ids.extend(std::iter::repeat_n(pad, first));
        self.ids.extend_from_slice(&record.ids);
        self.ids.extend(std::iter::repeat_n(pad, behind));
        self.labels.extend(std::iter::repeat_n(IGNORE, first));
        self.labels.extend_from_slice(&record.labels);
        self.labels.extend(std::iter::repeat_n(IGNORE, behind));
        self.valid.push(first..first + length);
        self.visual
            .extend(record.visual.iter().map(|slot| RowVisual {
                row,
                clip,
                slot: VisualSlot {
                    start: slot.start + first,
                    ..*slot
                },
            }));
        let mut coordinates = record.coordinates.clone();
        coordinates.sort_by_key(|slot| slot.position);
        self.coordinates
            .extend(coordinates.iter().map(|slot| RowCoordinate {
                row,
                slot: CoordinateSlot {
                    position: slot.position + first,
                    ..*slot
                },
            }));
    }

    /// Flat index of a position in `ids` and `labels`.
    #[must_use]
    pub fn flat(&self, row: usize, column: usize) -> usize {
        row * self.columns + column
    }

    /// Real (not padded) tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.valid.iter().map(ExactSizeIterator::len).sum()
    }

    /// Positions that predict a label: a label at column `c > 0` is predicted at column `c - 1`.
    #[must_use]
    pub fn supervised(&self) -> usize {
        self.labels
            .chunks_exact(self.columns.max(1))
            .map(|row| row.iter().skip(1).filter(|label| **label != IGNORE).count())
            .sum()
    }

    /// The first column that predicts a label in any row; the last column where there is no label.
    #[must_use]
    pub fn first_target(&self) -> usize {
        self.labels
            .chunks_exact(self.columns.max(1))
            .filter_map(|row| row.iter().skip(1).position(|label| *label != IGNORE))
            .min()
            .unwrap_or(self.columns.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u32) -> EncodedRecord {
        EncodedRecord {
            ids: (0..length).collect(),
            labels: (0..i64::from(length))
                .map(|id| if id % 2 == 0 { id } else { IGNORE })
                .collect(),
            visual: vec![VisualSlot {
                start: 1,
                len: 2,
                stream: Stream::Image,
            }],
            coordinates: vec![CoordinateSlot {
                position: 3,
                axis: Axis::Width,
                side: Side::Input,
                value: 0.5,
            }],
        }
    }

    #[test]
    fn right_padding_keeps_columns() {
        let batch = Batch::collate(&[record(4), record(6)], 99);
        assert_eq!(batch.ids, [0, 1, 2, 3, 99, 99, 0, 1, 2, 3, 4, 5]);
        assert_eq!(batch.valid, [0..4, 0..6]);
        assert_eq!(batch.coordinates[1].slot.position, 3);
        assert_eq!(batch.supervised(), 1 + 2);
        // The label at column 0 is predicted nowhere, that at column 2 at column 1.
        assert_eq!(batch.first_target(), 1);
    }

    #[test]
    fn first_target_of_no_labels_is_the_last_column() {
        let mut silent = record(4);
        silent.labels.fill(IGNORE);
        assert_eq!(Batch::collate(&[silent], 99).first_target(), 3);
    }

    #[test]
    fn left_padding_shifts_slots() {
        let batch = Batch::collate_with(&[record(4), record(6)], &[0, 0], 99, Padding::Left);
        assert_eq!(batch.ids[..6], [99, 99, 0, 1, 2, 3]);
        assert_eq!(batch.valid, [2..6, 0..6]);
        assert_eq!(
            (
                batch.visual[0].slot.start,
                batch.coordinates[0].slot.position
            ),
            (3, 5)
        );
        assert_eq!(batch.visual[1].clip, 0);
    }
}
