//! Where the time of a clip goes: indexing, decoding, colour, resizing. Runs on `$ST_MEDIA` (100 frames of each of its
//! videos), or on nothing, saying so, where that is absent.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_collect,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::many_single_char_names,
    clippy::float_cmp,
    reason = "a bench may panic on its own input"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use st_media::{ClipRequest, Limits, Resizer, Video};
use st_schema::FramePlan;

fn videos() -> Vec<PathBuf> {
    let named = std::env::var_os("ST_MEDIA").map(PathBuf::from);
    let media = named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media"));
    let folders = ["stvg", "svg", "elc", "tvg", "tr"].map(|name| media.join(name));
    let files = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten();
    let files = files.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| path.extension().is_some_and(|e| e == "mp4"))
        .collect()
}

fn stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100 frames");
    group.sample_size(10);
    for path in videos() {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let open = || Video::open(&path, &Limits::default()).expect("the video opens");
        let plan = FramePlan::REFERENCE.indices(0, open().probe().frames - 1);
        let mut wanted = plan.clone();
        wanted.dedup();
        group.bench_function(BenchmarkId::new("index", &name), |b| b.iter(open));
        group.bench_function(BenchmarkId::new("index+decode", &name), |b| {
            b.iter(|| open().visit(&wanted, |_, _, _| Ok(())));
        });
        group.bench_function(BenchmarkId::new("index+decode+rgb", &name), |b| {
            b.iter(|| {
                open().visit(&wanted, |_, _, picture| {
                    picture.rgb().map(|rgb| drop(black_box(rgb)))
                })
            });
        });
        let request = ClipRequest {
            size: Some((384, 384)),
            ..ClipRequest::default()
        };
        group.bench_function(BenchmarkId::new("clip 384x384", &name), |b| {
            b.iter(|| request.decode(&path));
        });
    }
    group.finish();
}

/// Pillow needs 3.0 ms for 640x360 to 384x384 on one core of the machine that the numbers of docs/media.md are from.
fn resize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resize to 384x384");
    for (width, height) in [(640, 360), (320, 480), (1920, 1080)] {
        let rgb: Vec<u8> = (0..3 * width * height)
            .map(|i| ((i * 7919) >> 5) as u8)
            .collect();
        let mut resizer = Resizer::new((width, height), (384, 384));
        let mut out = Vec::new();
        group.bench_function(format!("{width}x{height}"), |b| {
            b.iter(|| {
                out.clear();
                resizer.rgb(&rgb, &mut out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stages, resize);
criterion_main!(benches);
