//! Any bytes given to the annotation reader are records or faults with a place, the same wherever its chunks are cut; nothing
//! panics, no byte is passed over unseen, and every record comes back from its own text.
//!
//! The first byte of an input chooses the file's name (and so its packing) and the second chunk size; the rest is the file.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use st_data::read::{Chunk, Chunks, Options, PieceKind, Position, Positions, read_piece};
use st_data::validate::Judge;
use st_schema::Record;

const NAMES: [&str; 4] = ["a.json", "a.jsonl", "a.json.gz", "a.json.zst"];

/// Small, so that short inputs exceed it.
const RECORD_BYTES: usize = 512;

/// What a file holds: where, what, and the record's id or the fault's words.
type Held = Vec<(Position, PieceKind, String)>;

/// `None` when the source stops with an error: how much an unpacker gives out before it depends on how much it is asked for.
fn read(name: &str, bytes: &[u8], chunk_bytes: usize) -> Option<Held> {
    let options = Options {
        chunk_bytes,
        record_bytes: RECORD_BYTES,
        jobs: 1,
    };
    let (mut held, mut passing) = (Held::new(), false);
    let source = Cursor::new(bytes.to_vec());
    let mut chunks = Chunks::from_source(Path::new(name), source, &options).ok()?;
    while let Some(chunk) = chunks.next_chunk().ok()? {
        passing = hold(&chunk, &mut held, passing);
    }
    Some(held)
}

/// Notes the pieces of a chunk. `passing` says, before and after, whether a value that is too long goes on.
fn hold(chunk: &Chunk, held: &mut Held, mut passing: bool) -> bool {
    let mut positions = Positions::new(chunk);
    let mut seen = 0;
    for piece in &chunk.pieces {
        let between = &chunk.data[seen..piece.start];
        assert!(
            passing || between.iter().all(|byte| is_separator(*byte)),
            "{:?} was passed over",
            String::from_utf8_lossy(between)
        );
        seen = piece.end;
        passing = piece.kind == PieceKind::TooLong;
        let words = match read_piece(chunk, piece) {
            None => String::new(),
            Some(Err(fault)) => fault.to_string(),
            Some(Ok(record)) => {
                let text = serde_json::to_string(&record).expect("a record is JSON");
                let again: Record = serde_json::from_str(&text).expect("what is written is read");
                assert_eq!(again, record, "{text}");
                record.id.to_string()
            }
        };
        held.push((positions.of(piece), piece.kind, words));
    }
    assert!(passing || chunk.data[seen..].iter().all(|byte| is_separator(*byte)));
    passing
}

/// What may stand between values: blanks, commas, the array's brackets, a byte order mark.
fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",[]\xEF\xBB\xBF".contains(&byte)
}

fuzz_target!(|data: &[u8]| {
    let Some((head, bytes)) = data.split_first() else {
        return;
    };
    let name = NAMES[usize::from(head & 3)];
    let whole = read(name, bytes, 1 << 16);
    let cut = read(name, bytes, 16 + usize::from(head >> 2));
    if let (Some(whole), Some(cut)) = (whole, cut) {
        assert_eq!(whole, cut);
    }

    let options = Options::default();
    let source = Cursor::new(bytes.to_vec());
    let Ok(mut chunks) = Chunks::from_source(Path::new(name), source, &options) else {
        return;
    };
    let judge = Judge::default();
    while let Ok(Some(chunk)) = chunks.next_chunk() {
        assert_eq!(judge.chunk(&chunk).len(), chunk.pieces.len());
    }
});
