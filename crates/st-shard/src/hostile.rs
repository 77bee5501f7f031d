//! What the reader makes of folders that are broken or made up: one clear error each, never a panic, never a wrong frame.

#![expect(
    clippy::semicolon_if_nothing_returned,
    clippy::cast_possible_truncation,
    reason = "tables of one-line breakages; the numbers are small"
)]

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use st_schema::{ClipId, Frames};

use crate::plan::sha256;
use crate::{
    ClipEntry, ClipFacts, ClipKind, FrameEncoder, Manifest, Outcome, Payload, Settings, ShardPlan,
    ShardReader, ShardWriter, disk, index, payload, verify,
};

const SIDE: u32 = 24;

fn clip(number: u32) -> Payload {
    let shade = |at: u32| (40 * number + at * 7).to_le_bytes()[0];
    let frame: Vec<u8> = (0..3 * SIDE * SIDE).map(shade).collect();
    let mut encoder = FrameEncoder::new(SIDE, SIDE, 90).unwrap();
    let facts = ClipFacts {
        clip: ClipId(format!("{number:032x}")),
        kind: ClipKind::Video,
        media: format!("{number}.mp4"),
        split: None,
        source_width: 64,
        source_height: 48,
        fps: 10.0,
        source_frames: 9,
        places: vec![0, 1, 2],
        indices: vec![0, 4, 8],
        seconds: vec![0.0, 0.4, 0.8],
        missing: 0,
    };
    let jpeg = encoder.encode(&frame).unwrap();
    Payload::new(&facts, &[jpeg], &[0, 0, 0], (SIDE, SIDE)).unwrap()
}

/// Three clips in two shards.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let payloads: Vec<Payload> = (0..3).map(clip).collect();
    let plan = ShardPlan {
        clips: payloads.iter().map(|one| one.entry.clip.clone()).collect(),
        settings: Settings {
            frames: 3,
            width: SIDE,
            height: SIDE,
            clips_per_shard: 2,
            ..Settings::default()
        },
    };
    let writer = ShardWriter::open(folder.path(), plan).unwrap();
    for (position, payload) in payloads.into_iter().enumerate() {
        writer.store(position, &Outcome::Stored(payload)).unwrap();
    }
    writer.close_shard(0).unwrap();
    writer.close_shard(1).unwrap();
    writer.finish().unwrap();
    folder
}

fn manifest(folder: &Path) -> Manifest {
    disk::read_json(&folder.join("manifest.json")).unwrap()
}

/// Puts `bytes` in the index's place, with the checksum that belongs to them.
fn set_index(folder: &Path, bytes: &[u8]) {
    let mut manifest = manifest(folder);
    manifest.index_sha256 = sha256(bytes);
    disk::write_file(&folder.join("index.parquet"), bytes, false).unwrap();
    disk::write_json(&folder.join("manifest.json"), &manifest, false).unwrap();
}

fn set_rows(folder: &Path, change: impl FnOnce(&mut Vec<ClipEntry>)) {
    let path = folder.join("index.parquet");
    let mut rows = index::read(&path, fs_err::read(&path).unwrap()).unwrap();
    change(&mut rows);
    set_index(folder, &index::write(&path, &rows).unwrap());
}

fn set_manifest(folder: &Path, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = manifest(folder);
    change(&mut manifest);
    disk::write_json(&folder.join("manifest.json"), &manifest, false).unwrap();
}

fn set_sides(folder: &Path, width: u32, height: u32) {
    set_manifest(folder, |manifest| {
        (manifest.settings.width, manifest.settings.height) = (width, height);
    });
    set_rows(folder, |rows| {
        for row in rows {
            (row.width, row.height) = (width, height);
        }
    });
}

/// Changes bytes of shard 0 and puts all checksums right.
fn set_shard(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join("000000.tar");
    let mut bytes = fs_err::read(&path).unwrap();
    change(&mut bytes);
    fs_err::write(&path, &bytes).unwrap();
    set_manifest(folder, |manifest| {
        manifest.shards[0].bytes = bytes.len() as u64;
        manifest.shards[0].sha256 = sha256(&bytes);
    });
    set_rows(folder, |rows| {
        for row in rows.iter_mut().filter(|row| row.shard == 0) {
            let range = row.offset as usize..(row.offset + row.length) as usize;
            row.sha256 = bytes.get(range).map(sha256).unwrap_or_default();
        }
    });
}

/// A Parquet file that is none of ours.
fn foreign() -> Vec<u8> {
    use parquet::data_type::Int32Type;
    use parquet::file::writer::SerializedFileWriter;
    let schema = parquet::schema::parser::parse_message_type("message a { REQUIRED INT32 b; }");
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema.unwrap().into(), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = column.typed::<Int32Type>().write_batch(&[1, 2], None, None);
    values.unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

type Breakage = (&'static str, fn(&Path));

/// What is broken, by a word of the error that must come when the folder is opened.
const AT_OPENING: &[Breakage] = &[
    ("no manifest.json", |f| remove(f, "manifest.json")),
    ("manifest.json: EOF", |f| write(f, "manifest.json", b"")),
    ("manifest.json: expected", |f| {
        write(f, "manifest.json", b"no")
    }),
    ("manifest.json: missing field", |f| {
        write(f, "manifest.json", b"{}")
    }),
    ("format version 2", |f| set_manifest(f, |m| m.version = 2)),
    ("its format is `tar`", |f| {
        set_manifest(f, |m| m.format = "tar".into())
    }),
    ("its SHA-256 is", |f| write(f, "index.parquet", b"")),
    ("index.parquet: ", |f| set_index(f, b"")),
    ("index.parquet: ", |f| {
        set_index(f, b"no Parquet file at all, only text")
    }),
    ("its columns are not", |f| set_index(f, &foreign())),
    ("index.parquet", |f| remove(f, "index.parquet")),
    ("000001.tar", |f| remove(f, "000001.tar")),
    ("000001.tar has 0 bytes", |f| write(f, "000001.tar", b"")),
    ("000000.tar has 512 bytes", |f| cut(f, 512)),
    ("`../x.tar`", |f| {
        set_manifest(f, |m| m.shards[0].name = "../x.tar".into())
    }),
    ("out of place", |f| {
        set_manifest(f, |m| drop(m.shards.pop()))
    }),
    ("it lists 2 clips, the manifest 3", |f| {
        set_rows(f, |rows| drop(rows.pop()))
    }),
    ("out of place", |f| set_rows(f, |rows| rows[2].shard = 7)),
    ("out of place", |f| set_rows(f, |rows| rows.swap(1, 2))),
    ("begins at byte", |f| {
        set_rows(f, |rows| rows[1].offset = 1 << 40)
    }),
    ("begins at byte", |f| {
        set_rows(f, |rows| rows[1].offset -= 512)
    }),
    ("begins at byte", |f| set_rows(f, |rows| rows.swap(0, 1))),
    ("begins at byte", |f| {
        set_rows(f, |rows| rows[0].length += 512)
    }),
    ("say otherwise", |f| {
        set_rows(f, |rows| rows[2].length = i64::MAX as u64)
    }),
    ("listed twice", |f| {
        set_rows(f, |rows| rows[1].clip = rows[0].clip.clone())
    }),
    ("it is 0x24", |f| set_rows(f, |rows| rows[0].width = 0)),
    ("it is 24x2147483647", |f| {
        set_rows(f, |rows| rows[0].height = i32::MAX as u32)
    }),
    ("it has 0 frames", |f| {
        set_rows(f, |rows| rows[0].frames = 0)
    }),
    ("it has 2147483647 frames", |f| {
        set_rows(f, |rows| rows[0].frames = i32::MAX as u32)
    }),
    ("no number of frames a second", |f| {
        set_rows(f, |rows| rows[0].fps = f64::NAN)
    }),
    ("no number of frames a second", |f| {
        set_rows(f, |rows| rows[0].fps = f64::INFINITY)
    }),
    ("no picture is 0x0", |f| {
        set_sides(f, 0, 0);
    }),
];

/// What is broken, by a word of the error that must come when the first clip is read.
const AT_READING: &[Breakage] = &[
    ("member header at byte 0 is damaged", |f| {
        set_shard(f, |b| b[0] ^= 1)
    }),
    ("member header at byte 0 is damaged", |f| {
        set_shard(f, |b| b[..512].fill(0))
    }),
    ("has no valid size", |f| {
        set_shard(f, |b| header(b, 124, b"99999999999 "))
    }),
    ("reaches beyond the clip", |f| {
        set_shard(f, |b| header(b, 124, b"77777777777\0"))
    }),
    ("the index says 2", |f| {
        set_rows(f, |rows| rows[0].frames = 2)
    }),
    ("JPEG", |f| set_shard(f, |b| spoil_picture(b))),
    ("too few for 65535x65535", |f| {
        set_sides(f, 65_535, 65_535);
    }),
    ("not 23x25", |f| {
        set_sides(f, 23, 25);
    }),
];

fn remove(folder: &Path, name: &str) {
    fs_err::remove_file(folder.join(name)).unwrap();
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs_err::write(folder.join(name), bytes).unwrap();
}

fn cut(folder: &Path, length: usize) {
    let path = folder.join("000000.tar");
    let bytes = fs_err::read(&path).unwrap();
    fs_err::write(&path, &bytes[..length]).unwrap();
}

/// Writes a field of the first tar header and its checksum.
fn header(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Takes away the mark with which the first picture begins.
fn spoil_picture(bytes: &mut [u8]) {
    let marks = bytes
        .windows(4)
        .position(|four| four == [0xff, 0xd8, 0xff, 0xe0]);
    bytes[marks.unwrap()..][..2].fill(0);
}

fn is_one_line_about(error: &crate::ShardError, folder: &Path, words: &str) {
    let text = error.to_string();
    assert!(
        text.contains(words) && text.contains(&*folder.to_string_lossy()) && !text.contains('\n'),
        "`{words}` is wanted: {text}"
    );
}

#[test]
fn the_folder_is_good_before_it_is_broken() {
    let folder = folder();
    let reader = ShardReader::open(folder.path()).unwrap();
    assert_eq!(reader.len(), 3);
    assert!((0..3).all(|number| reader.frames(number).unwrap().count == 3));
    assert!(
        verify(folder.path(), true, &|_| ())
            .unwrap()
            .faults
            .is_empty()
    );
}

#[test]
fn a_folder_that_does_not_fit_itself_is_one_error() {
    for (words, break_it) in AT_OPENING {
        let folder = folder();
        break_it(folder.path());
        let Err(error) = ShardReader::open(folder.path()) else {
            panic!("`{words}`: it was opened");
        };
        is_one_line_about(&error, folder.path(), words);
    }
}

#[test]
fn a_clip_that_is_no_clip_is_one_error_and_costs_no_other() {
    for (words, break_it) in AT_READING {
        let folder = folder();
        break_it(folder.path());
        let reader = ShardReader::open(folder.path()).unwrap();
        let Err(error) = reader.frames(0) else {
            panic!("`{words}`: it was read");
        };
        is_one_line_about(&error, folder.path(), words);
        assert!(
            !verify(folder.path(), true, &|_| ())
                .unwrap()
                .faults
                .is_empty(),
            "{words}"
        );
        if words.contains("member") || words.contains("JPEG") || words.contains("size") {
            assert_eq!(reader.frames(1).unwrap().count, 3, "{words}");
        }
    }
}

/// `/dev/full` in the place of each file on its way to the disk stands for a disk without room.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_error_and_the_same_call_goes_on_later() {
    use std::os::unix::fs::symlink;

    let (good, full) = (folder(), tempfile::tempdir().unwrap());
    let at = |name: &str| {
        let name = format!("{name}.{}.tmp", std::process::id());
        symlink("/dev/full", full.path().join(name)).unwrap();
    };
    let is_full = |outcome: Result<(), crate::ShardError>| {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, crate::ShardError::DiskFull { .. }),
            "{error}"
        );
        is_one_line_about(&error, full.path(), "run the same command again");
    };
    let payloads: Vec<Payload> = (0..3).map(clip).collect();
    let plan = ShardPlan {
        clips: payloads.iter().map(|one| one.entry.clip.clone()).collect(),
        settings: manifest(good.path()).settings,
    };
    let writer = ShardWriter::open(full.path(), plan).unwrap();
    for (position, payload) in payloads.into_iter().enumerate() {
        let name = format!("work/{:06}/{}.clip", position / 2, payload.entry.clip);
        let outcome = Outcome::Stored(payload);
        let room = full.path().join(format!("work/{:06}", position / 2));
        fs_err::create_dir_all(room).unwrap();
        at(&name);
        is_full(writer.store(position, &outcome));
        writer.store(position, &outcome).unwrap();
    }
    for (shard, name) in ["000000.tar", "work/000001.json"].into_iter().enumerate() {
        at(name);
        is_full(writer.close_shard(shard));
        writer.close_shard(shard).unwrap();
    }
    // The ledger of this folder is empty, and nothing can be written to a full disk as well.
    for name in ["index.parquet", "manifest.json"] {
        at(name);
        is_full(writer.finish().map(drop));
    }
    writer.finish().unwrap();
    for name in [
        "000000.tar",
        "000001.tar",
        "rejects.jsonl",
        "index.parquet",
        "manifest.json",
    ] {
        let [one, other] = [&good, &full].map(|f| fs_err::read(f.path().join(name)).unwrap());
        assert!(one == other, "{name}");
    }
}

/// A good file with some of its bytes changed and its end cut off or repeated.
fn spoilt(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..6);
    (changes, 0..2 * length).prop_map(move |(changes, end)| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.into_iter().cycle().take(end).collect()
    })
}

fn good_index() -> Vec<u8> {
    let rows: Vec<ClipEntry> = (0..3).map(|number| clip(number).entry).collect();
    index::write(Path::new("index.parquet"), &rows).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_as_index_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = index::read(Path::new("index.parquet"), bytes);
    }

    #[test]
    fn a_spoilt_index_is_rows_or_an_error(bytes in spoilt(good_index())) {
        let _ = index::read(Path::new("index.parquet"), bytes);
    }

    #[test]
    fn any_bytes_as_clip_are_members_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = payload::members(&bytes);
    }

    #[test]
    fn a_spoilt_clip_is_members_or_an_error(bytes in spoilt(clip(1).bytes)) {
        if let Ok(members) = payload::members(&bytes) {
            let total: usize = members.iter().map(|(_, content)| content.len()).sum();
            prop_assert!(total <= bytes.len());
        }
    }

    #[test]
    fn any_manifest_is_a_folder_or_an_error(text in "[{}\\[\\]\":,a-z0-9 ]{0,80}") {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "manifest.json", text.as_bytes());
        prop_assert!(ShardReader::open(folder.path()).is_err());
    }
}

proptest! {
    // Each case writes a folder.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_spoilt_shard_is_frames_or_an_error(bytes in spoilt(clip(1).bytes)) {
        let folder = folder();
        set_shard(folder.path(), |shard| {
            let length = shard.len();
            shard.iter_mut().zip(&bytes).for_each(|(old, new)| *old = *new);
            shard.truncate(length);
        });
        let reader = ShardReader::open(folder.path()).unwrap();
        let mut frames = Frames::new(0, 0, 0, Vec::new()).unwrap();
        for number in 0..reader.len() {
            if reader.frames_into(number, &mut frames).is_ok() {
                prop_assert_eq!(frames.rgb.len(), 3 * 3 * (SIDE * SIDE) as usize);
            }
            let _ = reader.facts(number);
        }
    }
}
