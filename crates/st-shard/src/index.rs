//! `index.parquet`: one row a clip.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::record::{Row, RowAccessor};
use parquet::schema::parser::parse_message_type;
use st_schema::ClipId;

use crate::{ClipEntry, ClipKind, ShardError};

const SCHEMA: &str = "message clips {
  REQUIRED BINARY clip (UTF8);
  REQUIRED INT32 shard;
  REQUIRED INT64 offset;
  REQUIRED INT64 length;
  REQUIRED INT32 frames;
  REQUIRED INT32 missing;
  REQUIRED INT32 width;
  REQUIRED INT32 height;
  REQUIRED INT32 source_width;
  REQUIRED INT32 source_height;
  REQUIRED DOUBLE fps;
  REQUIRED INT64 source_frames;
  REQUIRED BINARY kind (UTF8);
  REQUIRED BINARY media (UTF8);
  OPTIONAL INT64 split_first;
  OPTIONAL INT64 split_last;
  REQUIRED BINARY sha256 (UTF8);
}";

/// Rows in a group; fixed, as it decides bytes.
const GROUP: usize = 1 << 16;

/// The file's bytes, a pure function of the rows.
pub(crate) fn write(path: &Path, entries: &[ClipEntry]) -> Result<Vec<u8>, ShardError> {
    encode(entries).map_err(|error| failed(path, &error))
}

fn encode(entries: &[ClipEntry]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("llava-st stdata".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for rows in entries.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        let mut number = 0;
        while let Some(mut column) = group.next_column()? {
            write_column(number, rows, &mut column)?;
            column.close()?;
            number += 1;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn write_column(
    number: usize,
    rows: &[ClipEntry],
    column: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    match number {
        0 => text(rows, column, |row| row.clip.as_str()),
        1 => small(rows, column, |row| row.shard),
        2 => large(rows, column, |row| row.offset),
        3 => large(rows, column, |row| row.length),
        4 => small(rows, column, |row| row.frames),
        5 => small(rows, column, |row| row.missing),
        6 => small(rows, column, |row| row.width),
        7 => small(rows, column, |row| row.height),
        8 => small(rows, column, |row| row.source_width),
        9 => small(rows, column, |row| row.source_height),
        10 => {
            let values: Vec<f64> = rows.iter().map(|row| row.fps).collect();
            column
                .typed::<DoubleType>()
                .write_batch(&values, None, None)
                .map(drop)
        }
        11 => large(rows, column, |row| row.source_frames),
        12 => text(rows, column, |row| row.kind.as_str()),
        13 => text(rows, column, |row| &row.media),
        14 => optional(rows, column, |split| split[0]),
        15 => optional(rows, column, |split| split[1]),
        _ => text(rows, column, |row| &row.sha256),
    }
}

fn text<'a>(
    rows: &'a [ClipEntry],
    column: &mut SerializedColumnWriter<'_>,
    value: impl Fn(&'a ClipEntry) -> &'a str,
) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(value(row))).collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, None, None)
        .map(drop)
}

fn small(
    rows: &[ClipEntry],
    column: &mut SerializedColumnWriter<'_>,
    value: impl Fn(&ClipEntry) -> u32,
) -> Result<(), ParquetError> {
    let values: Vec<i32> = rows
        .iter()
        .map(|row| i32::try_from(value(row)))
        .collect::<Result<_, _>>()?;
    column
        .typed::<Int32Type>()
        .write_batch(&values, None, None)
        .map(drop)
}

fn large(
    rows: &[ClipEntry],
    column: &mut SerializedColumnWriter<'_>,
    value: impl Fn(&ClipEntry) -> u64,
) -> Result<(), ParquetError> {
    let values: Vec<i64> = rows
        .iter()
        .map(|row| i64::try_from(value(row)))
        .collect::<Result<_, _>>()?;
    column
        .typed::<Int64Type>()
        .write_batch(&values, None, None)
        .map(drop)
}

fn optional(
    rows: &[ClipEntry],
    column: &mut SerializedColumnWriter<'_>,
    value: impl Fn([u64; 2]) -> u64,
) -> Result<(), ParquetError> {
    let present = rows
        .iter()
        .filter_map(|row| row.split)
        .map(|split| i64::try_from(value(split)));
    let values: Vec<i64> = present.collect::<Result<_, _>>()?;
    let levels: Vec<i16> = rows
        .iter()
        .map(|row| i16::from(row.split.is_some()))
        .collect();
    column
        .typed::<Int64Type>()
        .write_batch(&values, Some(&levels), None)
        .map(drop)
}

/// Reads the rows of an index.
pub(crate) fn read(path: &Path, bytes: Vec<u8>) -> Result<Vec<ClipEntry>, ShardError> {
    let file =
        SerializedFileReader::new(Bytes::from(bytes)).map_err(|error| failed(path, &error))?;
    let expected = parse_message_type(SCHEMA).map_err(|error| failed(path, &error))?;
    if file.metadata().file_metadata().schema() != &expected {
        let reason = "its columns are not those of docs/shard-format.md".to_owned();
        return Err(ShardError::Index {
            path: path.to_owned(),
            reason,
        });
    }
    let rows = file
        .get_row_iter(None)
        .map_err(|error| failed(path, &error))?;
    rows.map(|row| entry(&row?))
        .collect::<Result<_, ParquetError>>()
        .map_err(|error| failed(path, &error))
}

fn entry(row: &Row) -> Result<ClipEntry, ParquetError> {
    let small = |at: usize| Ok::<u32, ParquetError>(u32::try_from(row.get_int(at)?)?);
    let large = |at: usize| Ok::<u64, ParquetError>(u64::try_from(row.get_long(at)?)?);
    let kind = match row.get_string(12)?.as_str() {
        "image" => ClipKind::Image,
        "video" => ClipKind::Video,
        other => {
            return Err(ParquetError::General(format!(
                "`{other}` is no kind of clip"
            )));
        }
    };
    let split = if row.is_null(14)? {
        None
    } else {
        Some([large(14)?, large(15)?])
    };
    Ok(ClipEntry {
        clip: ClipId(row.get_string(0)?.clone()),
        shard: small(1)?,
        offset: large(2)?,
        length: large(3)?,
        frames: small(4)?,
        missing: small(5)?,
        width: small(6)?,
        height: small(7)?,
        source_width: small(8)?,
        source_height: small(9)?,
        fps: row.get_double(10)?,
        source_frames: large(11)?,
        kind,
        media: row.get_string(13)?.clone(),
        split,
        sha256: row.get_string(16)?.clone(),
    })
}

fn failed(path: &Path, error: &ParquetError) -> ShardError {
    ShardError::Index {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> ClipEntry {
        ClipEntry {
            clip: ClipId(format!("{number:032x}")),
            shard: number / 3,
            offset: u64::from(number) << 33,
            length: 512,
            frames: 100,
            missing: number % 2,
            width: 384,
            height: 384,
            source_width: 640,
            source_height: 362,
            fps: 30_000.0 / 1001.0,
            source_frames: 830,
            kind: if number == 1 {
                ClipKind::Image
            } else {
                ClipKind::Video
            },
            media: format!("stvg/ü {number}.mp4"),
            split: number.is_multiple_of(2).then_some([u64::from(number), 9]),
            sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let path = Path::new("index.parquet");
        let rows: Vec<ClipEntry> = (0..7).map(row).collect();
        let bytes = write(path, &rows).unwrap();
        assert_eq!(bytes, write(path, &rows).unwrap());
        assert_eq!(read(path, bytes.clone()).unwrap(), rows);
        assert!(read(path, Vec::new()).is_err());
        assert!(read(path, bytes[..bytes.len() / 2].to_vec()).is_err());
        assert!(read(path, write(path, &[]).unwrap()).unwrap().is_empty());
    }
}
