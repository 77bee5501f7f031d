//! Tables and lines.

use std::io::{BufRead as _, BufReader, Read};

use serde_json::{Map, Value};

use super::Out;
use crate::source::item::Payload;

/// Rows of a table with a header, as objects of strings.
pub(super) fn separated(
    source: Box<dyn Read + Send>,
    delimiter: u8,
    out: &mut Out,
) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(BufReader::with_capacity(1 << 18, source));
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| error.to_string())?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    let mut record = csv::StringRecord::new();
    loop {
        let sent = match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) if record.len() != names.len() => out.push_broken(format!(
                "the row has {} fields, the header {}",
                record.len(),
                names.len()
            )),
            Ok(true) => {
                let row: Map<String, Value> = names
                    .iter()
                    .cloned()
                    .zip(record.iter().map(Value::from))
                    .collect();
                out.push(None, Payload::Value(Value::Object(row)))
            }
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                out.push_broken(error.to_string())
            }
            Err(error) => return Err(error.to_string()),
        };
        if sent.is_err() {
            return Ok(());
        }
    }
}

/// Lines of text without their ends; empty ones and comments are none.
pub(super) fn lines(
    source: Box<dyn Read + Send>,
    limit: usize,
    out: &mut Out,
) -> Result<(), String> {
    let mut reader = BufReader::with_capacity(1 << 18, source);
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = (&mut reader)
            .take(most)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| format!("reading stopped: {error}"))?;
        if read == 0 {
            return Ok(());
        }
        let sent = match std::str::from_utf8(&bytes) {
            Err(error) => out.push_broken(format!("not UTF-8: {error}")),
            Ok(line) => {
                let line = line
                    .trim_start_matches('\u{feff}')
                    .trim_end_matches(['\r', '\n']);
                if line.trim().is_empty() || line.starts_with('#') {
                    continue;
                }
                out.push(None, Payload::Text(line.to_owned()))
            }
        };
        if sent.is_err() {
            return Ok(());
        }
    }
}
