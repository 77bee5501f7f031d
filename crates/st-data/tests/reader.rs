//! Reading whole, broken and hostile files.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use st_data::read::{
    Chunks, Fault, FaultKind, Note, Options, PieceKind, Position, Positions, ReadError, read_piece,
    records,
};
use st_schema::Record;
use tempfile::TempDir;

fn options(chunk: usize) -> Options {
    Options {
        chunk_bytes: chunk,
        record_bytes: 4096,
        jobs: 2,
    }
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Everything that a file holds: records by id, faults, notes, and the error that ended it.
#[derive(Debug, Default, PartialEq)]
struct Held {
    ids: Vec<(u64, String)>,
    faults: Vec<Fault>,
    notes: Vec<(u64, Note)>,
    error: Option<String>,
}

fn read(path: &Path, chunk: usize) -> Held {
    let mut held = Held::default();
    let mut chunks = Chunks::open(path, &options(chunk)).unwrap();
    loop {
        let chunk = match chunks.next_chunk() {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return held,
            Err(error) => {
                held.error = Some(error.to_string());
                return held;
            }
        };
        let mut positions = Positions::new(&chunk);
        for piece in &chunk.pieces {
            let position = positions.of(piece);
            match read_piece(&chunk, piece) {
                Some(Ok(record)) => held
                    .ids
                    .push((position.line, record.id.as_str().to_owned())),
                Some(Err(kind)) => held.faults.push(Fault { position, kind }),
                None => {
                    let PieceKind::Note(note) = piece.kind else {
                        unreachable!()
                    };
                    held.notes.push((position.byte, note));
                }
            }
        }
    }
}

fn held(name: &str, bytes: &[u8]) -> Held {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, name, bytes);
    let whole = read(&path, 1 << 20);
    // Where the chunks are cut must make no difference.
    for chunk in [16, 17, 64, 1000] {
        assert_eq!(read(&path, chunk), whole, "chunks of {chunk}");
    }
    whole
}

fn record(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","image":"a\"]}}.jpg","conversations":[{{"from":"human","value":"\\"}}]}}"#
    )
}

fn ids(held: &Held) -> Vec<&str> {
    held.ids.iter().map(|(_, id)| id.as_str()).collect()
}

#[test]
fn arrays_lines_and_streams_give_the_same_records() {
    let (a, b) = (record("a"), record("b"));
    for (name, text) in [
        ("array.json", format!("[{a},{b}]")),
        ("pretty.json", format!(" [\n  {a} ,\n  {b}\n]\n")),
        ("lines.jsonl", format!("{a}\n\n  {b}\r\n")),
        ("lines.json", format!("{a}\n{b}")),
        ("stream.json", format!("{}{}", a.replace(':', ":\n"), b)),
    ] {
        let held = held(name, text.as_bytes());
        assert_eq!(ids(&held), ["a", "b"], "{name}: {held:?}");
        assert!(
            held.faults.is_empty() && held.notes.is_empty(),
            "{name}: {held:?}"
        );
    }
}

#[test]
fn positions_are_lines_and_bytes() {
    let text = format!("[\n{},\n\n {}\n]", record("a"), record("b"));
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a.json", text.as_bytes());
    let positions: Vec<Position> = records(&path, &options(16))
        .unwrap()
        .map(|item| item.unwrap().unwrap().0)
        .collect();
    assert_eq!(
        positions
            .iter()
            .map(|position| position.line)
            .collect::<Vec<_>>(),
        [2, 4]
    );
    for position in positions {
        assert_eq!(
            text.as_bytes()[usize::try_from(position.byte).unwrap()],
            b'{'
        );
    }
}

#[test]
fn packed_files_are_read_also_when_concatenated() {
    let folder = TempDir::new().unwrap();
    let lines: Vec<String> = (0..50).map(|i| record(&i.to_string()) + "\n").collect();
    let text = lines.concat();
    let gzip = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let (first, second) = text.split_at(text.len() / 2);
    let plain = read(&write(&folder, "a.jsonl", text.as_bytes()), 100);
    assert_eq!(plain.ids.len(), 50);
    let gz = [gzip(first), gzip(second)].concat();
    assert_eq!(read(&write(&folder, "a.jsonl.gz", &gz), 100), plain);
    let zst = [
        zstd::encode_all(first.as_bytes(), 1).unwrap(),
        zstd::encode_all(second.as_bytes(), 1).unwrap(),
    ]
    .concat();
    assert_eq!(read(&write(&folder, "a.jsonl.zst", &zst), 100), plain);

    for (name, bytes) in [
        ("cut.jsonl.gz", &gz[..gz.len() / 3]),
        ("cut.jsonl.zst", &zst[..zst.len() / 3]),
    ] {
        let cut = read(&write(&folder, name, bytes), 100);
        assert!(
            cut.error
                .as_ref()
                .is_some_and(|error| error.contains("reading stopped at byte")),
            "{name}: {cut:?}"
        );
        assert!(
            cut.ids.len() < 50 && plain.ids.starts_with(&cut.ids),
            "{name}"
        );
    }
}

#[test]
fn broken_files_give_faults_with_positions() {
    let a = record("a");
    for (name, bytes, good, fault) in [
        (
            "truncated.json",
            format!("[{a},{{\"id\":\"b\",\"im").into_bytes(),
            1,
            FaultKind::Truncated,
        ),
        (
            "truncated_string.json",
            format!("[{a},{{\"id\":\"b\\").into_bytes(),
            1,
            FaultKind::Truncated,
        ),
        (
            "junk.json",
            format!("[{a}, oops, {a}]").into_bytes(),
            2,
            FaultKind::Junk,
        ),
        (
            "after.json",
            format!("[{a}] end").into_bytes(),
            1,
            FaultKind::Junk,
        ),
        (
            "open_string.json",
            format!("[\n{{\"id\":\"b\n,\n{a}\n]").into_bytes(),
            1,
            FaultKind::Truncated,
        ),
        (
            "utf8.jsonl",
            [a.as_bytes(), b"\n{\"id\":\"\xff\xfe\"}\n"].concat(),
            1,
            FaultKind::Utf8(7),
        ),
        (
            "deep.json",
            format!("[{a},{{\"x\":{}{}}}]", "[".repeat(200), "]".repeat(200)).into_bytes(),
            1,
            FaultKind::Depth,
        ),
        (
            "long.json",
            format!("[{{\"id\":\"{}\"}},{a}]", "x".repeat(9000)).into_bytes(),
            1,
            FaultKind::TooLong,
        ),
        (
            "long.jsonl",
            format!("{{\"id\":\"{}\"}}\n{a}\n", "x".repeat(9000)).into_bytes(),
            1,
            FaultKind::TooLong,
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, name, &bytes);
        for chunk in [64, 1000] {
            let held = read(&path, chunk);
            assert_eq!(held.ids.len(), good, "{name}: {held:?}");
            let kinds: Vec<_> = held
                .faults
                .iter()
                .map(|fault| mem_kind(&fault.kind))
                .collect();
            assert_eq!(kinds, [mem_kind(&fault)], "{name}: {held:?}");
            let at = usize::try_from(held.faults[0].position.byte).unwrap();
            assert!(at < bytes.len(), "{name}");
        }
    }
}

/// Blanks make no difference to what is too long, and a value that is too long is a value, wherever chunks are cut.
#[test]
fn blanks_around_long_values_make_no_difference() {
    let (blanks, a) = (" ".repeat(5000), record("a"));
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(5000));
    for (name, text, good, faults) in [
        ("alone.jsonl", format!("{long}\n"), 0, 1),
        ("blank.jsonl", format!("{blanks}\n{a}\n"), 1, 0),
        ("before.jsonl", format!("{blanks}{a}\n"), 1, 0),
        // Of the blanks behind a value nothing is known before its line ends: they count.
        ("behind.jsonl", format!("{a}{blanks}\n{a}"), 1, 1),
        ("cut.json", format!("[{a},\n{{\"id\": \"b\n{blanks}"), 1, 1),
    ] {
        let held = held(name, text.as_bytes());
        assert_eq!(
            (held.ids.len(), held.faults.len()),
            (good, faults),
            "{name}: {held:?}"
        );
        let odd = held.notes.iter().any(|(_, note)| *note != Note::Unclosed);
        assert!(!odd, "{name}: {held:?}");
    }
}

/// Lines that are passed over to find the next record are part of the refused piece, not lost.
#[test]
fn what_is_passed_over_belongs_to_the_cut_value() {
    let a = record("a");
    let cut = "{\"id\":\"b\n  a line\n, \"another\": 1},\n[3, 4]";
    let text = format!("[\n{cut}\n\n{a},\n{cut}");
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a.json", text.as_bytes());
    for chunk in [16, 33, 1 << 20] {
        let mut chunks = Chunks::open(&path, &options(chunk)).unwrap();
        let (mut refused, mut kept) = (Vec::new(), 0);
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            for piece in &chunk.pieces {
                match piece.kind {
                    PieceKind::Truncated => {
                        refused.push(String::from_utf8_lossy(chunk.bytes(piece)).into_owned());
                    }
                    PieceKind::Record => kept += 1,
                    _ => {}
                }
            }
        }
        assert_eq!((refused, kept), (vec![cut.to_owned(); 2], 1), "{chunk}");
    }
}

/// The kind without its words.
fn mem_kind(kind: &FaultKind) -> std::mem::Discriminant<FaultKind> {
    std::mem::discriminant(kind)
}

#[test]
fn faults_within_a_record_are_told_apart() {
    for (text, expected) in [
        (
            r#"{"id":"a","id":"b"}"#,
            FaultKind::DuplicateKey(String::new()),
        ),
        (r#"{"id":"a",}"#, FaultKind::Syntax(String::new())),
        (r#"{"id":"a"}"#, FaultKind::Shape(String::new())),
        (
            r#"{"id":"a","image":"i","conversations":[],"variables":{"temporal_input_locations":[0.5, NaN]}}"#,
            FaultKind::NotFinite,
        ),
        (
            r#"{"id":"a","image":"i","conversations":[],"variables":{"temporal_input_locations":[-Infinity]}}"#,
            FaultKind::NotFinite,
        ),
        (
            r#"{"id":"a","image":"i","conversations":[],"x":1e999}"#,
            FaultKind::NotFinite,
        ),
        ("17", FaultKind::Shape(String::new())),
    ] {
        let held = held("a.jsonl", text.as_bytes());
        let kinds: Vec<_> = held
            .faults
            .iter()
            .map(|fault| mem_kind(&fault.kind))
            .collect();
        assert_eq!(kinds, [mem_kind(&expected)], "{text}: {held:?}");
    }
}

#[test]
fn odd_forms_are_noted() {
    let a = record("a");
    for (text, notes) in [
        (format!("\u{feff}[{a}]"), vec![Note::ByteOrderMark]),
        (format!("[{a}][{a}]"), vec![Note::SecondArray]),
        (format!("[{a} {a}]"), vec![Note::MissingComma]),
        (format!("[{a},]"), vec![Note::ExtraComma]),
        (format!("[,{a}]"), vec![Note::ExtraComma]),
        (format!("[{a},\n"), vec![Note::Unclosed]),
        (String::new(), vec![Note::Empty]),
        (" \n \n".into(), vec![Note::Empty]),
        ("[]".into(), vec![]),
    ] {
        let held = held("a.json", text.as_bytes());
        let found: Vec<Note> = held.notes.iter().map(|(_, note)| *note).collect();
        assert_eq!(found, notes, "{text}");
        assert_eq!(held.ids.len(), text.matches("\"id\"").count(), "{text}");
        assert!(held.faults.is_empty(), "{text}: {held:?}");
    }
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let Err(ReadError::Open { path, .. }) =
        Chunks::open("no/such.json".as_ref(), &Options::default())
    else {
        panic!()
    };
    assert!(path.ends_with("no/such.json"));
}

/// One gigabyte in one string, and as many brackets: memory must stay flat, so the test's own limit is its check.
#[test]
#[ignore = "reads two gigabytes; a minute"]
fn gigabyte_values_do_not_fill_memory() {
    struct Endless(u64, u8);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer
                .len()
                .min(usize::try_from(self.0).unwrap_or(usize::MAX));
            buffer[..length].fill(self.1);
            self.0 -= length as u64;
            Ok(length)
        }
    }
    let folder = TempDir::new().unwrap();
    for byte in [b'x', b'['] {
        let path = folder.path().join("big.json");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(if byte == b'x' { b"[{\"id\":\"" } else { b"[" })
            .unwrap();
        std::io::copy(&mut Endless(1 << 30, byte), &mut file).unwrap();
        drop(file);
        let before = peak_memory();
        let held = read(&path, 1 << 20);
        assert!(
            held.faults
                .iter()
                .any(|fault| fault.kind == FaultKind::TooLong),
            "{held:?}"
        );
        assert!(
            peak_memory() - before < 100 << 10,
            "peak grew by {} KiB",
            peak_memory() - before
        );
    }
}

/// The most memory this process has held, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// JSON-like bytes: the bytes that the splitter looks at are frequent.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"[]{}\",:\\\n \t".to_vec()),
        2 => prop::sample::select(b"aeN01-.".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Any bytes give values or faults with a position inside the file, whatever the name and however the chunks are cut.
    #[test]
    fn any_bytes_are_read(bytes in hostile(), name in prop::sample::select(vec!["a.json", "a.jsonl", "a.json.gz", "a.json.zst"])) {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, name, &bytes);
        let whole = read(&path, 1 << 20);
        for fault in &whole.faults {
            prop_assert!(fault.position.byte <= bytes.len() as u64 || name.ends_with("gz") || name.ends_with("zst"));
        }
        prop_assert_eq!(&read(&path, 16), &whole);
        prop_assert_eq!(&read(&path, 37), &whole);
    }

    /// A record's numbers go into its text and come out again without loss, whatever stands around them.
    #[test]
    fn records_survive_their_text(
        parts in prop::collection::vec((0usize..3, any::<bool>(), any::<f64>(), "[a-z <>{}\\[\\],:.\u{e9}-]{0,6}"), 0..30),
        ask in "[a-z {},.]{0,12}",
    ) {
        let mut variables = st_schema::Variables::default();
        let mut turns = vec![st_schema::Turn::human(format!("<video>\n{ask}"))];
        for (axis, human, value, words) in parts {
            let axis = st_schema::Axis::ALL[axis];
            let role = if human { st_schema::Role::Human } else { st_schema::Role::Gpt };
            // Half a token in the words would swallow the next one; such text is rule `token-malformed`.
            let words = words.replace('<', "(");
            if value.is_finite() {
                variables.get_mut(axis, role.side()).push(value);
                turns.push(st_schema::Turn::new(role, format!("{words}{}{words}", axis.placeholder(role.side()))));
            }
        }
        let record = Record::new("a", st_schema::Media::Video("v.mp4".into()), turns, variables);
        let mut inlined = st_schema::text::inline(&record).unwrap();
        let variables = st_schema::text::extract(&mut inlined).unwrap();
        prop_assert_eq!(&variables, &record.variables);
        prop_assert_eq!(&inlined, &record.conversations);
        let json = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    /// Records come out as they went in, in any form.
    #[test]
    fn records_come_back(values in prop::collection::vec(("[a-z\\\\\"\u{e9}\n{}\\[\\]]{0,12}", any::<u32>()), 1..20), array: bool) {
        let lines: Vec<String> = values.iter().map(|(text, number)| {
            serde_json::json!({"id": text, "image": "i.jpg", "conversations": [], "n": number, text: [text, {"k": null}]}).to_string()
        }).filter(|line| serde_json::from_str::<Record>(line).is_ok()).collect();
        let text = if array { format!("[{}]", lines.join(",\n")) } else { lines.join("\n") };
        let folder = TempDir::new().unwrap();
        let path = write(&folder, if array { "a.json" } else { "a.jsonl" }, text.as_bytes());
        let read: Vec<Record> = records(&path, &options(50)).unwrap().map(|item| item.unwrap().unwrap().1).collect();
        let expected: Vec<Record> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&read, &expected);
        let again: Vec<String> = read.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        prop_assert_eq!(again, lines);
    }
}
