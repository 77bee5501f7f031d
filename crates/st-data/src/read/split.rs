//! Cuts a stream of JSON into records without parsing them.
//!
//! A JSON array is cut where brackets balance outside strings; JSON lines are cut at line ends. What lies between records and
//! belongs to none is a piece too, so that every byte of a file is accounted for.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr3};

/// How the records of a file stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON array of records.
    Array,
    /// One record a line.
    Lines,
    /// Records one after another, each over several lines.
    Stream,
}

/// What a piece of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// One value, to be parsed.
    Record,
    /// A value that the file's end, or a line end inside a string, cuts off.
    Truncated,
    /// A value of more bytes than the limit; the piece holds its beginning only.
    TooLong,
    /// Something that is no value and no separator.
    Junk,
    /// An observation about the file at this place, of no length.
    Note(Note),
}

/// An observation about a file's form that costs no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Note {
    /// A byte order mark, which Python's `json.load` refuses.
    ByteOrderMark,
    /// A second array after the first.
    SecondArray,
    /// Two records without a comma between them.
    MissingComma,
    /// A comma without a record.
    ExtraComma,
    /// The array is never closed.
    Unclosed,
    /// The file holds no value at all.
    Empty,
}

/// A piece, by its bytes in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte, in the chunk.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: PieceKind,
}

/// A stretch of a file that holds whole pieces.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes.
    pub data: Vec<u8>,
    /// Where the bytes stand in the (unpacked) file.
    pub first_byte: u64,
    /// The line that the first byte stands in, from 1.
    pub first_line: u64,
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// How the file's records stand together.
    pub form: Form,
}

impl Chunk {
    /// The bytes of a piece.
    #[must_use]
    pub fn bytes(&self, piece: &Piece) -> &[u8] {
        &self.data[piece.start..piece.end]
    }
}

/// Finds the positions of a chunk's pieces, asked in order; counts each line end once.
#[derive(Debug)]
pub struct Positions<'a> {
    chunk: &'a Chunk,
    counted: usize,
    line: u64,
}

impl<'a> Positions<'a> {
    /// Starts at the chunk's first byte.
    #[must_use]
    pub fn new(chunk: &'a Chunk) -> Self {
        Self {
            chunk,
            counted: 0,
            line: chunk.first_line,
        }
    }

    /// Line and byte of a piece in the (unpacked) file; pieces before the last one asked get that one's line.
    pub fn of(&mut self, piece: &Piece) -> super::Position {
        let start = piece.start.min(self.chunk.data.len());
        if let Some(passed) = self.chunk.data.get(self.counted..start) {
            self.line += memchr_iter(b'\n', passed).count() as u64;
            self.counted = start;
        }
        super::Position {
            line: self.line,
            byte: self.chunk.first_byte + piece.start as u64,
        }
    }
}

/// Where the scan stands between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of all.
    Start,
    /// Between values.
    Between(Last),
    /// Inside a value with brackets or a string, so many brackets deep.
    Inside {
        depth: u32,
        string: bool,
        escaped: bool,
    },
    /// Inside a number, word or other run without brackets.
    Word,
    /// After the closing bracket of an array.
    After,
    /// Inside a value that a line end cut off, still open: looking for the next line that begins with an object.
    Resync { line_start: bool },
}

/// What stands before a place between values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// The opening bracket, or nothing.
    Opening,
    Comma,
    Value,
}

/// Bytes that are looked at to tell JSON lines from records over several lines.
const FORM_BYTES: usize = 1 << 16;

/// Bytes of a too long value that are kept for the report.
const EXCERPT: usize = 256;

/// Cuts a byte stream into chunks of whole pieces.
pub(super) struct Splitter<R> {
    source: R,
    form: Form,
    state: State,
    /// Bytes read but not given out, and how far they are scanned.
    buffer: Vec<u8>,
    scanned: usize,
    /// Where in the buffer the open value starts; none while a too long one is passed over.
    open: Option<usize>,
    skipping: bool,
    first_byte: u64,
    first_line: u64,
    pieces: Vec<Piece>,
    seen_value: bool,
    ended: bool,
    /// Why reading stopped, until it has been told.
    failure: Option<io::Error>,
    chunk_bytes: usize,
    record_bytes: usize,
}

impl<R: Read> Splitter<R> {
    pub(super) fn new(source: R, lines: bool, chunk_bytes: usize, record_bytes: usize) -> Self {
        Self {
            source,
            form: if lines { Form::Lines } else { Form::Array },
            state: State::Start,
            buffer: Vec::new(),
            scanned: 0,
            open: None,
            skipping: false,
            first_byte: 0,
            first_line: 1,
            pieces: Vec::new(),
            seen_value: false,
            ended: false,
            failure: None,
            chunk_bytes,
            record_bytes,
        }
    }

    /// The byte of the unpacked file up to which everything has been given out or is in hand.
    pub(super) fn read_bytes(&self) -> u64 {
        self.first_byte + self.buffer.len() as u64
    }

    /// The next chunk; `None` after the last.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if self.ended {
            return Ok(None);
        }
        self.buffer.reserve(self.chunk_bytes);
        let last = match (&mut self.source)
            .take(self.chunk_bytes as u64)
            .read_to_end(&mut self.buffer)
        {
            Ok(read) => read < self.chunk_bytes,
            // What was read before an error is given out first.
            Err(error) => {
                self.failure = Some(error);
                true
            }
        };
        if self.state == State::Start {
            self.begin(last);
        }
        self.scan();
        if last {
            self.finish();
        }
        Ok(Some(self.give_out()))
    }

    fn note(&mut self, at: usize, note: Note) {
        self.pieces.push(Piece {
            start: at,
            end: at,
            kind: PieceKind::Note(note),
        });
    }

    /// A value up to `end`, without the blanks that it ends with. What is too long with them is so however the chunks are cut.
    fn value(&mut self, start: usize, end: usize, kind: PieceKind) {
        if end - start > self.record_bytes {
            self.too_long(start);
        } else {
            let end = start + self.buffer[start..end].trim_ascii_end().len();
            self.pieces.push(Piece { start, end, kind });
        }
    }

    fn too_long(&mut self, start: usize) {
        self.seen_value = true;
        self.pieces.push(Piece {
            start,
            end: start + EXCERPT.min(self.record_bytes),
            kind: PieceKind::TooLong,
        });
    }

    /// Looks at the file's first bytes to learn its form.
    fn begin(&mut self, last: bool) {
        if self.first_byte == 0 && self.scanned == 0 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.note(0, Note::ByteOrderMark);
            self.scanned = 3;
        }
        let blank = self.buffer[self.scanned..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        self.scanned += blank;
        let rest = &self.buffer[self.scanned..];
        if rest.is_empty() && !last {
            return;
        }
        self.state = State::Between(Last::Opening);
        match rest.first() {
            Some(b'[') if self.form != Form::Lines => self.scanned += 1,
            _ if self.form == Form::Lines => {}
            Some(b'{') => {
                // The form must not depend on where chunks are cut.
                let window = &rest[..rest.len().min(FORM_BYTES)];
                let line = memchr(b'\n', window);
                if line.is_none() && window.len() < FORM_BYTES && !last {
                    self.state = State::Start;
                    return;
                }
                let one_line = ends_balanced(line.map_or(window, |end| &window[..end]));
                self.form = if one_line { Form::Lines } else { Form::Stream };
            }
            _ => self.form = Form::Lines,
        }
    }

    fn scan(&mut self) {
        if self.form == Form::Lines {
            self.scan_lines();
            return;
        }
        while self.scanned < self.buffer.len() {
            match self.state {
                State::Start => return,
                State::Between(last) => self.between(last),
                State::Inside {
                    depth,
                    string,
                    escaped,
                } => self.inside(depth, string, escaped),
                State::Word => self.word(),
                State::After => self.after(),
                State::Resync { line_start } => self.resync(line_start),
            }
        }
    }

    fn scan_lines(&mut self) {
        if self.state == State::Start {
            return;
        }
        while let Some(length) = memchr(b'\n', &self.buffer[self.scanned..]) {
            let start = self.open.unwrap_or(self.scanned);
            let end = self.scanned + length;
            self.line(start, end);
            self.scanned = end + 1;
        }
        let rest = &self.buffer[self.scanned..];
        if self.open.is_none() && !rest.is_empty() {
            // Blanks before a value are no part of it, however many chunks they fill.
            let value = rest.iter().position(|byte| !byte.is_ascii_whitespace());
            self.open = value.map(|blanks| self.scanned + blanks);
        }
        self.scanned = self.buffer.len();
    }

    fn line(&mut self, start: usize, end: usize) {
        self.open = None;
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let length = self.buffer[start..end].trim_ascii_start().len();
        if length > 0 {
            self.seen_value = true;
            self.value(end - length, end, PieceKind::Record);
        }
    }

    fn start_value(&mut self, last: Last, state: State) {
        if last == Last::Value && self.form == Form::Array {
            self.note(self.scanned, Note::MissingComma);
        }
        self.seen_value = true;
        self.open = Some(self.scanned);
        self.state = state;
        self.scanned += 1;
    }

    fn between(&mut self, last: Last) {
        let inside = |depth, string| State::Inside {
            depth,
            string,
            escaped: false,
        };
        match self.buffer[self.scanned] {
            b' ' | b'\n' | b'\r' | b'\t' => self.scanned += 1,
            b'{' | b'[' => self.start_value(last, inside(1, false)),
            b'"' => self.start_value(last, inside(0, true)),
            b',' => {
                if last != Last::Value {
                    self.note(self.scanned, Note::ExtraComma);
                }
                self.state = State::Between(Last::Comma);
                self.scanned += 1;
            }
            b']' if self.form == Form::Array => {
                if last == Last::Comma {
                    self.note(self.scanned, Note::ExtraComma);
                }
                self.state = State::After;
                self.scanned += 1;
            }
            _ => self.start_value(last, State::Word),
        }
    }

    fn end_value(&mut self, kind: PieceKind) {
        let skipped = std::mem::take(&mut self.skipping);
        if let Some(start) = self.open.take()
            && !skipped
        {
            self.value(start, self.scanned, kind);
        }
        self.state = State::Between(Last::Value);
    }

    fn inside(&mut self, mut depth: u32, mut string: bool, escaped: bool) {
        let bytes = &self.buffer;
        let mut at = self.scanned + usize::from(escaped);
        while at < bytes.len() {
            if string {
                let Some(skip) = memchr3(b'"', b'\\', b'\n', &bytes[at..]) else {
                    at = bytes.len();
                    break;
                };
                at += skip + 1;
                match bytes[at - 1] {
                    b'\\' if at == bytes.len() => {
                        self.scanned = at;
                        self.state = State::Inside {
                            depth,
                            string,
                            escaped: true,
                        };
                        return;
                    }
                    b'\\' => at += 1,
                    b'\n' => {
                        // JSON strings hold no line ends: this one was never closed.
                        self.scanned = at;
                        self.state = State::Resync { line_start: true };
                        return;
                    }
                    _ => string = false,
                }
            } else {
                match CLASS[usize::from(bytes[at])] {
                    Class::Other => {}
                    Class::Quote => string = true,
                    Class::Open => depth = depth.saturating_add(1),
                    Class::Close => depth = depth.saturating_sub(1),
                }
                at += 1;
                if string || depth > 0 {
                    continue;
                }
            }
            if depth == 0 && !string {
                self.scanned = at;
                return self.end_value(PieceKind::Record);
            }
        }
        self.scanned = at;
        self.state = State::Inside {
            depth,
            string,
            escaped: false,
        };
    }

    fn word(&mut self) {
        let rest = &self.buffer[self.scanned..];
        match rest.iter().position(|byte| {
            matches!(
                byte,
                b',' | b']' | b'{' | b'[' | b' ' | b'\n' | b'\r' | b'\t'
            )
        }) {
            None => self.scanned = self.buffer.len(),
            Some(length) => {
                self.scanned += length;
                self.end_value(PieceKind::Junk);
            }
        }
    }

    fn after(&mut self) {
        match self.buffer[self.scanned] {
            b' ' | b'\n' | b'\r' | b'\t' => self.scanned += 1,
            b'[' => {
                self.note(self.scanned, Note::SecondArray);
                self.state = State::Between(Last::Opening);
                self.scanned += 1;
            }
            _ => {
                self.open = Some(self.scanned);
                self.state = State::Word;
                self.scanned += 1;
            }
        }
    }

    /// Goes to the next line that begins with an object or ends the array; what comes before it belongs to the cut value.
    fn resync(&mut self, line_start: bool) {
        let rest = &self.buffer[self.scanned..];
        if !line_start {
            let line = memchr(b'\n', rest);
            self.scanned += line.map_or(rest.len(), |end| end + 1);
            self.state = State::Resync {
                line_start: line.is_some(),
            };
            return;
        }
        match rest[0] {
            b' ' | b'\n' | b'\r' | b'\t' => self.scanned += 1,
            b'{' | b']' => {
                self.end_value(PieceKind::Truncated);
                self.state = State::Between(Last::Opening);
            }
            _ => self.state = State::Resync { line_start: false },
        }
    }

    fn finish(&mut self) {
        self.ended = true;
        if self.form == Form::Lines {
            if let Some(start) = self.open.take() {
                self.line(start, self.buffer.len());
            }
        } else {
            self.scanned = self.buffer.len();
            match self.state {
                State::Inside { .. } | State::Resync { .. } => {
                    self.end_value(PieceKind::Truncated);
                }
                State::Word => self.end_value(PieceKind::Junk),
                _ => {}
            }
            if self.form == Form::Array && self.state != State::After && self.state != State::Start
            {
                self.note(self.buffer.len(), Note::Unclosed);
            }
        }
        if !self.seen_value && (self.form != Form::Array || self.state == State::Start) {
            self.note(self.buffer.len(), Note::Empty);
        }
    }

    /// Gives out the scanned pieces and keeps the open value.
    fn give_out(&mut self) -> Chunk {
        let mut keep = if self.skipping {
            self.scanned
        } else {
            self.open.unwrap_or(self.scanned)
        };
        if !self.ended
            && !self.skipping
            && self.open.is_some()
            && self.buffer.len() - keep > self.record_bytes
        {
            self.too_long(keep);
            self.skipping = true;
            keep = self.scanned;
        }
        let tail = self.buffer.split_off(keep);
        let data = std::mem::replace(&mut self.buffer, tail);
        self.open = self.open.map(|_| 0);
        self.scanned -= keep;
        let chunk = Chunk {
            first_byte: self.first_byte,
            first_line: self.first_line,
            pieces: std::mem::take(&mut self.pieces),
            form: self.form,
            data,
        };
        self.first_byte += chunk.data.len() as u64;
        self.first_line += memchr_iter(b'\n', &chunk.data).count() as u64;
        chunk
    }
}

/// Whether the brackets of a line balance at its end, outside strings.
fn ends_balanced(line: &[u8]) -> bool {
    let (mut depth, mut string, mut escaped) = (0i64, false, false);
    for &byte in line {
        if string {
            (string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match CLASS[usize::from(byte)] {
            Class::Quote => string = true,
            Class::Open => depth += 1,
            Class::Close => depth -= 1,
            Class::Other => {}
        }
    }
    depth == 0 && !string
}

#[derive(Clone, Copy)]
enum Class {
    Other,
    Quote,
    Open,
    Close,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    table[b'"' as usize] = Class::Quote;
    table[b'{' as usize] = Class::Open;
    table[b'[' as usize] = Class::Open;
    table[b'}' as usize] = Class::Close;
    table[b']' as usize] = Class::Close;
    table
};
