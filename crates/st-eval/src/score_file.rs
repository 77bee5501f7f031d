//! A result file to scores without keeping its lines: pieces of the file are read, parsed and scored side by side, each in
//! a buffer that is used again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;

use crate::prediction::Prediction;
use crate::score::{Protocol, RecordScore, score_line};
use crate::task::EvalTask;
use crate::tube_line;

/// Bytes that are read at once: little enough to stay in a core's cache.
const PIECE: u64 = 1 << 19;

/// Scores every line of a file, in its order; blank lines are left out. The same as [`crate::score::score_lines`] on
/// [`crate::score::read_lines`], except that a line that is no UTF-8 is an unreadable line.
///
/// # Errors
/// When the file cannot be read.
pub fn score_file(protocol: Protocol, task: EvalTask, path: &Path) -> io::Result<Vec<RecordScore>> {
    score_pieces(protocol, task, path, PIECE)
}

/// The scores of one piece's lines, numbered from 0 within it, and how many lines it has, blank ones too.
struct Piece {
    scores: Vec<RecordScore>,
    lines: usize,
}

fn score_pieces(
    protocol: Protocol,
    task: EvalTask,
    path: &Path,
    size: u64,
) -> io::Result<Vec<RecordScore>> {
    let length = std::fs::metadata(path)?.len();
    let pieces: Vec<Piece> = (0..length.div_ceil(size))
        .into_par_iter()
        .map_init(Vec::new, |buffer, number| {
            let start = number * size;
            let lines = read_piece(path, start, (start + size).min(length), buffer)?;
            Ok(score_piece(protocol, task, lines))
        })
        .collect::<io::Result<_>>()?;
    let mut all = Vec::with_capacity(pieces.iter().map(|piece| piece.scores.len()).sum());
    let mut before = 0;
    for piece in pieces {
        all.extend(piece.scores.into_iter().map(|mut score| {
            score.line += before + 1;
            score
        }));
        before += piece.lines;
    }
    Ok(all)
}

fn score_piece(protocol: Protocol, task: EvalTask, text: &[u8]) -> Piece {
    let mut piece = Piece {
        scores: Vec::new(),
        lines: 0,
    };
    if text.is_empty() {
        return piece;
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let is_tube = matches!(task, EvalTask::Stvg | EvalTask::Svg);
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    let mut start = 0;
    for end in ends {
        let line = &text[start..end];
        start = end + 1;
        if !line.trim_ascii().is_empty() {
            let usual = if is_tube { tube_line::read(line) } else { None };
            let record = match usual {
                Some(record) => Ok(record),
                None => Prediction::parse_bytes(line).map_err(|error| error.to_string()),
            };
            let score = score_line(protocol, task, piece.lines, &record);
            piece.scores.push(score);
        }
        piece.lines += 1;
    }
    piece
}

/// The lines that begin in `start..end`, whole.
fn read_piece<'a>(
    path: &Path,
    start: u64,
    end: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    let mut file = File::open(path)?;
    // The byte before tells whether a line begins at the start.
    let from = start.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    buffer.clear();
    (&mut file).take(end - from).read_to_end(buffer)?;
    let first = if start == 0 {
        0
    } else {
        match memchr::memchr(b'\n', buffer) {
            // The line that begins before goes beyond the end.
            None => return Ok(&[]),
            Some(place) => place + 1,
        }
    };
    if first == buffer.len() {
        return Ok(&[]);
    }
    // The last line may end further on.
    while buffer.last() != Some(&b'\n') {
        let searched = buffer.len();
        if (&mut file).take(1 << 13).read_to_end(buffer)? == 0 {
            break;
        }
        if let Some(place) = memchr::memchr(b'\n', &buffer[searched..]) {
            buffer.truncate(searched + place + 1);
        }
    }
    Ok(&buffer[first..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{read_lines, score_lines};

    const TEXT: &str = concat!(
        r#"{"index":0,"gt":[0.0,0.5],"outputs":"{0.1,0.2}"}"#,
        "\n\n",
        r#"{"index":1,"gt":[0.0,0.5],"outputs":"{0.1,0.9}"}"#,
        "\nnonsense\n  \n",
        r#"{"index":2,"gt":[0.2,0.5],"outputs":""}"#,
    );

    #[test]
    fn pieces_of_any_size_are_the_whole() {
        let folder = std::env::temp_dir().join(format!("st-eval-pieces-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for text in [
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("\n{TEXT}\n\n"),
            String::new(),
        ] {
            let path = folder.join("tvg.jsonl");
            std::fs::write(&path, &text).unwrap();
            for protocol in Protocol::ALL {
                let whole = score_lines(protocol, EvalTask::Tvg, &read_lines(&text));
                for size in (1..=text.len() as u64 + 2).chain([PIECE]) {
                    let pieces = score_pieces(protocol, EvalTask::Tvg, &path, size).unwrap();
                    assert_eq!(pieces, whole, "pieces of {size}");
                }
            }
        }
        // A line that is no text is unreadable, as any other line without a record.
        let path = folder.join("broken.jsonl");
        std::fs::write(&path, b"{\"outputs\":\"\xFF\"}\n{}\n").unwrap();
        let scores = score_file(Protocol::Strict, EvalTask::Tvg, &path).unwrap();
        assert_eq!(scores.len(), 2);
        assert_eq!(scores[0].outcome.kind(), "unreadable");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
