//! Runs: neighbours in a JSON list that agree in one field, such as the captions of one video.

use serde_json::Value;

use super::{Out, is_item, json};
use crate::read::{Chunks, FaultKind, PieceKind};
use crate::source::item::Payload;

/// A longer run is handed out in parts, so that memory stays flat.
const LONGEST: usize = 4096;

/// Hands out the runs of a list, each an array under the row of its first value.
pub(super) fn runs(mut chunks: Chunks, field: &str, out: &mut Out) -> Result<(), String> {
    let mut run = Run::default();
    let mut row = 0;
    loop {
        let chunk = match chunks.next_chunk() {
            Ok(Some(chunk)) => chunk,
            Ok(None) => {
                run.hand_out(out);
                return Ok(());
            }
            Err(error) => {
                run.hand_out(out);
                out.row = row;
                return Err(format!("reading stopped: {error}"));
            }
        };
        for piece in chunk.pieces.iter().filter(|piece| is_item(piece.kind)) {
            let value = match piece.kind {
                PieceKind::Record => json::document(chunk.bytes(piece)),
                PieceKind::Truncated => Err(FaultKind::Truncated.to_string()),
                PieceKind::TooLong => Err(FaultKind::TooLong.to_string()),
                _ => Err(FaultKind::Junk.to_string()),
            };
            match value {
                Ok(value) => {
                    if !run.goes_on_with(&value, field) {
                        run.hand_out(out);
                        run.first = row;
                    }
                    run.values.push(value);
                }
                Err(message) => {
                    run.hand_out(out);
                    out.row = row;
                    // Whoever stopped listening is noticed below.
                    let _ = out.push_broken(message);
                }
            }
            row += 1;
            if out.gone {
                return Ok(());
            }
        }
    }
}

/// A run while it grows.
#[derive(Default)]
struct Run {
    first: u64,
    values: Vec<Value>,
}

impl Run {
    /// Whether a value belongs to the run: it has the field, and the same in it.
    fn goes_on_with(&self, value: &Value, field: &str) -> bool {
        let last = self.values.last().and_then(|last| last.get(field));
        self.values.len() < LONGEST && last.is_some() && last == value.get(field)
    }

    fn hand_out(&mut self, out: &mut Out) {
        let values = std::mem::take(&mut self.values);
        if !values.is_empty() {
            out.row = self.first;
            // As above.
            let _ = out.push(None, Payload::Value(Value::Array(values)));
        }
    }
}
