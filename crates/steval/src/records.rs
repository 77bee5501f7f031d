//! Per-record scores as JSON lines and as Parquet.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde::Serialize;
use st_eval::captions::CaptionScore;
use st_eval::{Measure, RecordScore};

/// One row, in the column order of both files.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// Line of the result file, from 1; 0 for a record without a line.
    line: usize,
    /// Place in the benchmark, from 0.
    index: Option<u64>,
    media: &'a str,
    /// `scored`, a kind of unparsed answer, `failed`, `unreadable`, `missing`, `crash`.
    outcome: &'static str,
    detail: Option<String>,
    counted: bool,
    #[serde(flatten)]
    values: st_eval::Values,
    /// ELC's caption.
    #[serde(flatten)]
    caption: Option<Caption>,
}

/// The metrics of one caption that stand for it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Caption {
    bleu_4: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    meteor: Option<f64>,
    rouge_l: f64,
    cider: f64,
}

/// The captions of the scores, in their order.
fn captions_of(scores: &[RecordScore], captions: &[(usize, CaptionScore)]) -> Vec<Option<Caption>> {
    let by_line: HashMap<usize, Caption> = captions
        .iter()
        .map(|(line, score)| {
            let caption = Caption {
                bleu_4: score.bleu[3],
                meteor: score.meteor,
                rouge_l: score.rouge_l,
                cider: score.cider,
            };
            (*line, caption)
        })
        .collect();
    scores
        .iter()
        .map(|score| by_line.get(&score.line).copied())
        .collect()
}

/// A JSON object a line.
pub(crate) fn to_json_lines(
    scores: &[RecordScore],
    captions: &[(usize, CaptionScore)],
) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (score, caption) in scores.iter().zip(captions_of(scores, captions)) {
        let row = Row {
            line: score.line,
            index: score.index,
            media: &score.media,
            outcome: score.outcome.kind(),
            detail: score.outcome.detail(),
            counted: score.counted,
            values: score.values,
            caption,
        };
        serde_json::to_writer(&mut bytes, &row)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

const SCHEMA: &str = "message scores {
    required int64 line;
    optional int64 index;
    required binary media (UTF8);
    required binary outcome (UTF8);
    optional binary detail (UTF8);
    required boolean counted;
    optional double iou;
    optional double tiou;
    optional double siou;
    optional double viou;
    optional double bleu_4;
    optional double meteor;
    optional double rouge_l;
    optional double cider;
}";

/// The same as one Parquet file with one row group.
pub(crate) fn to_parquet(
    scores: &[RecordScore],
    captions: &[(usize, CaptionScore)],
) -> anyhow::Result<Vec<u8>> {
    let captions = captions_of(scores, captions);
    let schema = Arc::new(parse_message_type(SCHEMA).context("the scores' Parquet schema")?);
    let properties = Arc::new(
        WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build(),
    );
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    let mut column = 0;
    while let Some(mut writer) = group.next_column()? {
        match column {
            0 => required::<Int64Type>(&mut writer, scores.iter().map(|s| int(s.line as u64)))?,
            1 => optional::<Int64Type>(&mut writer, scores.iter().map(|s| s.index.map(int)))?,
            2 => required::<ByteArrayType>(&mut writer, scores.iter().map(|s| text(&s.media)))?,
            3 => required::<ByteArrayType>(
                &mut writer,
                scores.iter().map(|s| text(s.outcome.kind())),
            )?,
            4 => {
                let details = scores
                    .iter()
                    .map(|s| s.outcome.detail().map(|detail| text(&detail)));
                optional::<ByteArrayType>(&mut writer, details)?;
            }
            5 => required::<BoolType>(&mut writer, scores.iter().map(|s| s.counted))?,
            10.. => {
                let values = captions.iter().map(|caption| {
                    let caption = caption.as_ref()?;
                    match column {
                        10 => Some(caption.bleu_4),
                        11 => caption.meteor,
                        12 => Some(caption.rouge_l),
                        _ => Some(caption.cider),
                    }
                });
                optional::<DoubleType>(&mut writer, values)?;
            }
            _ => {
                let measure =
                    [Measure::Iou, Measure::Tiou, Measure::Siou, Measure::Viou][column - 6];
                optional::<DoubleType>(&mut writer, scores.iter().map(|s| s.values.get(measure)))?;
            }
        }
        writer.close()?;
        column += 1;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn text(value: &str) -> ByteArray {
    ByteArray::from(value)
}

fn required<T: parquet::data_type::DataType>(
    writer: &mut parquet::file::writer::SerializedColumnWriter<'_>,
    values: impl Iterator<Item = T::T>,
) -> anyhow::Result<()> {
    writer
        .typed::<T>()
        .write_batch(&values.collect::<Vec<_>>(), None, None)?;
    Ok(())
}

fn optional<T: parquet::data_type::DataType>(
    writer: &mut parquet::file::writer::SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<T::T>>,
) -> anyhow::Result<()> {
    let (mut levels, mut present) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    writer
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)?;
    Ok(())
}
