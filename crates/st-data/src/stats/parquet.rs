//! One row for each record, for one's own polars, pandas or `DuckDB`.
//!
//! The columns are one constant table, [`COLUMNS`]; the file, the Croissant description and the documentation are made from it.
//! A column that does not apply to a record is null there.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use st_schema::{Record, Role, Side, Task};

use super::Listed;
use super::croissant::shown_from;
use super::features::{Features, RawBox, RawTube};
use super::text::for_each_word;
use crate::read::{Chunks, Options, Positions, ReadError, for_each_chunk, read_piece};
use crate::review::RecordDigest;
use crate::whole_file;

/// Why features cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// An annotation file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The rows cannot be put into the format.
    #[error("cannot write {path}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
}

/// What a row is made from.
#[derive(Default)]
struct Row {
    dataset: Arc<str>,
    file: Arc<str>,
    index: u64,
    line: u64,
    source: String,
    digest: String,
    words: [u64; 2],
    fits: bool,
    spans: [u64; 2],
    span: Option<[f64; 2]>,
    boxes: [u64; 2],
    area: Option<f64>,
    tubes: u64,
    tube: Option<(u64, f64, f64, f64)>,
    plain: Plain,
}

/// What a record says of itself.
#[derive(Default)]
struct Plain {
    id: String,
    task: Option<Task>,
    kind: &'static str,
    media: String,
    split: Option<[u64; 2]>,
    size: [Option<u32>; 2],
    fps: Option<f64>,
    frames: Option<u64>,
    turns: usize,
    questions: usize,
}

/// How a column's value is had.
enum Cell {
    Text(for<'a> fn(&'a Row) -> Option<&'a str>),
    Whole(fn(&Row) -> Option<u64>),
    Number(fn(&Row) -> Option<f64>),
    Truth(fn(&Row) -> bool),
}

/// A column.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it says, with unit.
    pub about: &'static str,
    cell: Cell,
}

impl Column {
    const fn text(
        name: &'static str,
        about: &'static str,
        cell: for<'a> fn(&'a Row) -> Option<&'a str>,
    ) -> Self {
        let cell = Cell::Text(cell);
        Self { name, about, cell }
    }

    const fn whole(name: &'static str, about: &'static str, cell: fn(&Row) -> Option<u64>) -> Self {
        let cell = Cell::Whole(cell);
        Self { name, about, cell }
    }

    const fn number(
        name: &'static str,
        about: &'static str,
        cell: fn(&Row) -> Option<f64>,
    ) -> Self {
        let cell = Cell::Number(cell);
        Self { name, about, cell }
    }

    /// The value's type in schema.org's words.
    #[must_use]
    pub const fn data_type(&self) -> &'static str {
        match self.cell {
            Cell::Text(_) => "sc:Text",
            Cell::Whole(_) => "sc:Integer",
            Cell::Number(_) => "sc:Float",
            Cell::Truth(_) => "sc:Boolean",
        }
    }
}

/// Every column, in order.
pub const COLUMNS: &[Column] = &[
    Column::text(
        "dataset",
        "the dataset file that lists the record, such as stage3; the first, when there are several",
        |row| Some(&row.dataset),
    ),
    Column::text("file", "the annotation file", |row| Some(&row.file)),
    Column::whole(
        "index",
        "the record's number among the file's records, from 0",
        |row| Some(row.index),
    ),
    Column::whole(
        "line",
        "the line that the record starts on, from 1, in the unpacked file",
        |row| Some(row.line),
    ),
    Column::text("id", "the record's name", |row| Some(&row.plain.id)),
    Column::text(
        "source",
        "the dataset file's word for the source, else the record's",
        |row| Some(row.source.as_str()).filter(|name| !name.is_empty()),
    ),
    Column::text("task", "the task, when it is one of the fifteen", |row| {
        row.plain.task.map(Task::as_str)
    }),
    Column::text("kind", "image or video", |row| Some(row.plain.kind)),
    Column::text("media", "the media path as the record spells it", |row| {
        Some(&row.plain.media)
    }),
    Column::whole("split_first", "the clip's first frame in the file", |row| {
        row.plain.split.map(|ends| ends[0])
    }),
    Column::whole(
        "split_last",
        "the clip's last frame in the file, inclusive",
        |row| row.plain.split.map(|ends| ends[1]),
    ),
    Column::whole(
        "width",
        "width of the picture in pixels, as the record says",
        |row| row.plain.size[0].map(u64::from),
    ),
    Column::whole(
        "height",
        "height of the picture in pixels, as the record says",
        |row| row.plain.size[1].map(u64::from),
    ),
    Column::number("fps", "frames per second, as the record says", |row| {
        row.plain.fps
    }),
    Column::whole("frames", "frames of the file, as the record says", |row| {
        row.plain.frames
    }),
    Column::text(
        "digest",
        "what the record shows and says, hashed; the key of the review file",
        |row| Some(&row.digest),
    ),
    Column::whole("turns", "turns of the conversation", |row| {
        Some(row.plain.turns as u64)
    }),
    Column::whole("questions", "the human's turns", |row| {
        Some(row.plain.questions as u64)
    }),
    Column::whole("question_words", "words of the questions", |row| {
        Some(row.words[0])
    }),
    Column::whole("answer_words", "words of the answers", |row| {
        Some(row.words[1])
    }),
    Column {
        name: "counts_fit",
        about: "whether numbers and placeholders are as many; if not, no coordinate is measured",
        cell: Cell::Truth(|row| row.fits),
    },
    Column::whole("asked_spans", "spans in the questions", |row| {
        row.fits.then_some(row.spans[0])
    }),
    Column::whole("answer_spans", "spans in the answers", |row| {
        row.fits.then_some(row.spans[1])
    }),
    Column::number(
        "span_start",
        "start of the first answered span, else of the first asked one, as a share of the clip",
        |row| row.span.map(|span| span[0]),
    ),
    Column::number("span_end", "its end", |row| row.span.map(|span| span[1])),
    Column::whole(
        "asked_boxes",
        "boxes in the questions, those of tubes included",
        |row| row.fits.then_some(row.boxes[0]),
    ),
    Column::whole(
        "answer_boxes",
        "boxes in the answers, those of tubes included",
        |row| row.fits.then_some(row.boxes[1]),
    ),
    Column::number(
        "box_area",
        "mean area of all boxes, as a share of the picture",
        |row| row.area,
    ),
    Column::whole(
        "tubes",
        "tubes: runs of at least two boxes at rising times",
        |row| row.fits.then_some(row.tubes),
    ),
    Column::whole("tube_boxes", "boxes of the longest tube", |row| {
        row.tube.map(|tube| tube.0)
    }),
    Column::number(
        "tube_start",
        "its first time, as a share of the clip",
        |row| row.tube.map(|tube| tube.1),
    ),
    Column::number("tube_end", "its last time", |row| {
        row.tube.map(|tube| tube.2)
    }),
    Column::number(
        "tube_motion",
        "the way of its middle, in widths and heights of the picture",
        |row| row.tube.map(|tube| tube.3),
    ),
];

/// Rows of a group, which are held in memory until it is written.
const GROUP: usize = 1 << 16;

/// Reads every file once and writes a row for each record to `path`, whole or not at all; how many rows there are. Pieces that
/// are no records have no row. Annotation files below `from` are named from there on. `progress` hears the bytes of each chunk.
///
/// # Errors
/// When a file cannot be read on or the result cannot be written.
pub fn write_features(
    listed: &[Listed],
    options: &Options,
    path: &Path,
    from: Option<&Path>,
    progress: impl Fn(u64) + Sync,
) -> Result<u64, FeaturesError> {
    let write_failed = |source| FeaturesError::Write {
        path: path.to_owned(),
        source,
    };
    let file = whole_file::beside(path).map_err(write_failed)?;
    let mut table = Table::start(path, file)?;
    let mut seen = HashSet::new();
    for entry in listed {
        if seen.insert(&entry.input.annotations) {
            rows_of(entry, options, from, &progress, &mut table)?;
        }
    }
    table.finish()
}

fn rows_of(
    entry: &Listed,
    options: &Options,
    from: Option<&Path>,
    progress: &(impl Fn(u64) + Sync),
    table: &mut Table<'_>,
) -> Result<(), FeaturesError> {
    let path = &entry.input.annotations;
    let name = from.map_or_else(
        || path.to_string_lossy().into_owned(),
        |folder| shown_from(path, folder),
    );
    let file: Arc<str> = name.into();
    let dataset: Arc<str> = entry.dataset.as_str().into();
    let mut index = 0;
    for_each_chunk(
        Chunks::open(path, options)?,
        options.jobs,
        |chunk| {
            let mut rows = Vec::new();
            let mut positions = Positions::new(&chunk);
            for piece in &chunk.pieces {
                let line = positions.of(piece).line;
                if let Some(Ok(record)) = read_piece(&chunk, piece) {
                    let mut row = Row::of(&record, entry.input.source.as_deref());
                    row.line = line;
                    (row.file, row.dataset) = (Arc::clone(&file), Arc::clone(&dataset));
                    rows.push(row);
                }
            }
            progress(chunk.data.len() as u64);
            rows
        },
        |rows| -> Result<(), FeaturesError> {
            for mut row in rows {
                row.index = index;
                index += 1;
                table.push(row)?;
            }
            Ok(())
        },
    )
}

impl Row {
    fn of(record: &Record, source: Option<&str>) -> Self {
        let mut row = Self {
            digest: RecordDigest::of(record).to_string(),
            source: source
                .or(record.source.as_deref())
                .unwrap_or_default()
                .to_owned(),
            ..Self::default()
        };
        let mut buffer = String::new();
        for turn in &record.conversations {
            let words = &mut row.words[usize::from(turn.from != Role::Human)];
            for_each_word(&turn.value, &mut buffer, |_| *words += 1);
        }
        if let Some(features) = Features::of(record) {
            row.measure(record, &features);
        }
        let human = |turn: &&st_schema::Turn| turn.from == Role::Human;
        row.plain = Plain {
            task: record.task,
            kind: record.media.kind(),
            media: record.media.path().to_owned(),
            split: record.meta.split,
            size: [record.meta.width, record.meta.height],
            fps: record.meta.fps,
            frames: record.meta.frames,
            turns: record.conversations.len(),
            questions: record.conversations.iter().filter(human).count(),
            id: record.id.to_string(),
        };
        row
    }

    fn measure(&mut self, record: &Record, features: &Features) {
        self.fits = true;
        let [asked, answered] = Side::ALL.map(|side| features.spans(record, side));
        self.spans = [asked.len() as u64, answered.len() as u64];
        self.span = answered.first().or(asked.first()).copied();
        let (mut area, mut boxes) = (0.0, 0.0);
        let mut tubes = Vec::new();
        for (turn, shape) in record.conversations.iter().zip(&features.turns) {
            self.boxes[usize::from(turn.from != Role::Human)] += shape.boxes.len() as u64;
            for (_, [x1, y1, x2, y2]) in &shape.boxes {
                area += (x2 - x1) * (y2 - y1);
                boxes += 1.0;
            }
            tubes.extend(shape.tubes());
        }
        self.area = (boxes > 0.0).then_some(area / boxes);
        self.tubes = tubes.len() as u64;
        let longest = tubes.iter().rev().max_by_key(|tube| tube.len());
        self.tube = longest.and_then(|tube| {
            let (first, last) = (tube.first()?, tube.last()?);
            Some((tube.len() as u64, first.0, last.0, motion(tube)))
        });
    }
}

/// The way of a tube's middle.
fn motion(tube: &RawTube) -> f64 {
    let middle = |[x1, y1, x2, y2]: RawBox| [f64::midpoint(x1, x2), f64::midpoint(y1, y2)];
    let steps = tube.windows(2).map(|pair| {
        let ([x1, y1], [x2, y2]) = (middle(pair[0].1), middle(pair[1].1));
        (x2 - x1).hypot(y2 - y1)
    });
    steps.sum()
}

/// A file that takes rows.
struct Table<'a> {
    path: &'a Path,
    writer: SerializedFileWriter<std::io::BufWriter<tempfile::NamedTempFile>>,
    rows: Vec<Row>,
    written: u64,
}

impl<'a> Table<'a> {
    fn start(path: &'a Path, file: tempfile::NamedTempFile) -> Result<Self, FeaturesError> {
        let mut columns = String::new();
        for column in COLUMNS {
            let kind = match column.cell {
                Cell::Text(_) => "OPTIONAL BINARY",
                Cell::Whole(_) => "OPTIONAL INT64",
                Cell::Number(_) => "OPTIONAL DOUBLE",
                Cell::Truth(_) => "REQUIRED BOOLEAN",
            };
            let text = if matches!(column.cell, Cell::Text(_)) {
                " (UTF8)"
            } else {
                ""
            };
            // Writing to a string cannot fail.
            let _ = write!(columns, "{kind} {}{text}; ", column.name);
        }
        let failed = |source| FeaturesError::Format {
            path: path.to_owned(),
            source,
        };
        let schema =
            parse_message_type(&format!("message records {{ {columns} }}")).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("llava-st stdata".to_owned())
            .build();
        let file = std::io::BufWriter::new(file);
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            path,
            writer: writer.map_err(failed)?,
            rows: Vec::with_capacity(GROUP),
            written: 0,
        })
    }

    fn push(&mut self, row: Row) -> Result<(), FeaturesError> {
        self.rows.push(row);
        if self.rows.len() == GROUP {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), FeaturesError> {
        let path = self.path;
        let write = |writer: &mut SerializedFileWriter<_>, rows: &[Row]| {
            let mut group = writer.next_row_group()?;
            for column in COLUMNS {
                let Some(mut open) = group.next_column()? else {
                    return Err(ParquetError::EOF("a column is missing".to_owned()));
                };
                column.write(rows, &mut open)?;
                open.close()?;
            }
            group.close().map(drop)
        };
        if !self.rows.is_empty() {
            write(&mut self.writer, &self.rows).map_err(|source| FeaturesError::Format {
                path: path.to_owned(),
                source,
            })?;
        }
        self.written += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<u64, FeaturesError> {
        self.flush()?;
        let path = self.path;
        let failed = |source| FeaturesError::Write {
            path: path.to_owned(),
            source,
        };
        let file = self
            .writer
            .into_inner()
            .map_err(|source| FeaturesError::Format {
                path: path.to_owned(),
                source,
            })?;
        let file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        whole_file::name(file, path).map_err(failed)?;
        Ok(self.written)
    }
}

impl Column {
    fn write(
        &self,
        rows: &[Row],
        column: &mut SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        /// Values that are there, and for each row whether it has one.
        fn present<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
            let (mut there, mut levels) = (Vec::new(), Vec::new());
            for value in values {
                levels.push(i16::from(value.is_some()));
                there.extend(value);
            }
            (there, levels)
        }
        match self.cell {
            Cell::Text(cell) => {
                let (values, levels) =
                    present(rows.iter().map(|row| cell(row).map(ByteArray::from)));
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            Cell::Whole(cell) => {
                let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
                let (values, levels) = present(rows.iter().map(|row| cell(row).map(whole)));
                column
                    .typed::<Int64Type>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            Cell::Number(cell) => {
                let (values, levels) = present(rows.iter().map(cell));
                column
                    .typed::<DoubleType>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            Cell::Truth(cell) => {
                let values: Vec<bool> = rows.iter().map(cell).collect();
                column
                    .typed::<BoolType>()
                    .write_batch(&values, None, None)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a number is read as it was written")]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use st_schema::SamplingStrategy;

    #[test]
    fn rows_say_what_the_records_say() {
        let folder = tempfile::tempdir().unwrap();
        let annotations = folder.path().join("a.jsonl");
        let record = r#"{"id":"a","task":"stvg","video":"v.mp4","meta":{"split":[3,90]},"conversations":[{"from":"human","value":"<video>\nWhen is it there?"},
            {"from":"gpt","value":"{<TEMP-OUTPUT><TEMP-OUTPUT>} <TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>] <TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"}],
            "variables":{"temporal_output_locations":[0.25,0.5,0.25,0.5],"spatial_width_output_locations":[0,0.5,0.3,0.8],"spatial_height_output_locations":[0,0.5,0.4,0.9]}}"#.replace('\n', " ");
        let unlike = record.replace("0.4,0.9", "0.4");
        fs_err::write(&annotations, format!("{record}\n{{\"id\":\n{unlike}\n")).unwrap();
        let listed = Listed {
            dataset: "made".into(),
            dataset_file: None,
            input: crate::dataset::Input {
                annotations,
                media: None,
                data_folder: None,
                source: Some("here".into()),
                sampling: SamplingStrategy::All,
                severities: crate::validate::Severities::default(),
            },
        };
        let out = folder.path().join("deep/features.parquet");
        let twice = [listed.clone(), listed];
        assert_eq!(
            write_features(&twice, &Options::default(), &out, None, |_| ()).unwrap(),
            2
        );

        let reader = SerializedFileReader::new(std::fs::File::open(&out).unwrap()).unwrap();
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let at = |name: &str| {
            COLUMNS
                .iter()
                .position(|column| column.name == name)
                .unwrap()
        };
        let [first, second] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(first.get_string(at("source")).unwrap(), "here");
        assert_eq!(first.get_long(at("split_last")).unwrap(), 90);
        assert_eq!(first.get_long(at("tube_boxes")).unwrap(), 2);
        assert_eq!(first.get_double(at("span_end")).unwrap(), 0.5);
        assert!((first.get_double(at("tube_motion")).unwrap() - 0.5).abs() < 1e-12);
        assert!((first.get_double(at("box_area")).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(first.get_long(at("question_words")).unwrap(), 4);
        let index = [first, second].map(|row| row.get_long(at("index")).unwrap());
        let line = [first, second].map(|row| row.get_long(at("line")).unwrap());
        assert_eq!((index, line), ([0, 1], [1, 3]));
        assert!(first.get_bool(at("counts_fit")).unwrap());
        assert!(!second.get_bool(at("counts_fit")).unwrap());
        assert!(second.get_long(at("tubes")).is_err(), "a null is there");
    }
}
