//! `stdata sheet`: a clip's frames on one picture, with its records' spans and boxes.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use st_data::shard::{Marks, Tile, contact_sheet, read_inputs};
use st_schema::{ClipKey, FramePlan};
use st_shard::{ClipEntry, ShardReader, encode_jpeg};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;

/// Flags of `stdata sheet`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stdata sheet videos/000012.mp4 --shards data/shards/train --dataset data/synth/train.yaml"
)]
pub(crate) struct Args {
    /// A clip's id, or the end of its media path
    clip: String,
    /// Folder of shards
    #[arg(long, value_name = "DIR")]
    shards: PathBuf,
    /// Dataset YAML or annotation files whose records' spans and boxes are drawn
    #[arg(long, value_name = "FILE")]
    dataset: Vec<PathBuf>,
    /// The picture, a JPEG
    #[arg(long, default_value = "sheet.jpg", value_name = "FILE")]
    out: PathBuf,
    /// Frames in a row
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    columns: u16,
    /// Length of each frame's longer side in pixels; the sides keep the original's ratio
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u32).range(8..=1024))]
    tile: u32,
}

#[derive(Debug, Serialize)]
struct Report {
    picture: PathBuf,
    clip: String,
    media: String,
    frames: usize,
    records: Vec<String>,
}

/// Draws the picture.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let reader = ShardReader::open(&args.shards)?;
    let number = find(&reader, &args.clip, &args.shards)?;
    let entry = &reader.entries()[number];
    let (frames, facts) = (reader.frames(number)?, reader.facts(number)?);
    let plan = FramePlan {
        frames: reader.manifest().settings.frames as usize,
    };
    let shown = facts.places.iter().zip(&facts.seconds);
    let tiles: Vec<Tile> = shown
        .map(|(place, seconds)| Tile {
            time: plan.fraction(*place as usize),
            words: format!("{place:>3} {seconds:>7.2} s"),
        })
        .collect();
    let (records, marks) = marks(args, entry)?;
    let sheet = contact_sheet(
        &frames,
        &tiles,
        &marks,
        usize::from(args.columns),
        tile_size(args.tile, entry),
    );
    let (width, height) = (u32::try_from(sheet.width)?, u32::try_from(sheet.height)?);
    let jpeg = encode_jpeg(&sheet.rgb, width, height, 90)?;
    std::fs::write(&args.out, jpeg)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    let report = Report {
        picture: args.out.clone(),
        clip: entry.clip.to_string(),
        media: entry.media.clone(),
        frames: frames.count,
        records,
    };
    let (picture, named) = (args.out.display(), report.records.len());
    globals.emit(
        &report,
        format!(
            "{picture}: {} frames of {}, {named} records",
            frames.count, entry.media
        ),
    )?;
    Ok(ExitStatus::Done)
}

/// Width and height of a tile, in the ratio of the original.
fn tile_size(longer: u32, entry: &ClipEntry) -> (u32, u32) {
    let (width, height) = (entry.source_width.max(1), entry.source_height.max(1));
    let shorter = |short: u32, long: u32| {
        let side = u64::from(longer) * u64::from(short) / u64::from(long);
        u32::try_from(side).unwrap_or(longer).max(1)
    };
    if width >= height {
        (longer, shorter(height, width))
    } else {
        (shorter(width, height), longer)
    }
}

fn find(reader: &ShardReader, wanted: &str, folder: &Path) -> anyhow::Result<usize> {
    let is_named = |entry: &ClipEntry| {
        entry.clip.as_str() == wanted || Path::new(&entry.media).ends_with(wanted)
    };
    let entries = reader.entries().iter().enumerate();
    let found: Vec<(usize, &ClipEntry)> = entries.filter(|(_, entry)| is_named(entry)).collect();
    match found.as_slice() {
        [(number, _)] => Ok(*number),
        [] => bail!(
            "{} holds no clip {wanted}: give a clip's id or the end of its media path",
            folder.display()
        ),
        several => {
            let name = |(_, entry): &(usize, &ClipEntry)| {
                format!("{} ({} {:?})", entry.clip, entry.media, entry.split)
            };
            let names: Vec<String> = several.iter().take(5).map(name).collect();
            bail!(
                "{} clips are called {wanted}; give an id: {}",
                several.len(),
                names.join(", ")
            )
        }
    }
}

fn marks(args: &Args, entry: &ClipEntry) -> anyhow::Result<(Vec<String>, Vec<Marks>)> {
    let (mut ids, mut marks) = (Vec::new(), Vec::new());
    for input in read_inputs(&args.dataset)? {
        input.for_each(|located| {
            if let Ok((_, record)) = located
                && ClipKey::within(&input.data_folder, &record).id() == entry.clip
            {
                ids.push(record.id.to_string());
                marks.push(Marks::of(&record));
            }
            Ok(())
        })?;
    }
    ensure!(
        args.dataset.is_empty() || !ids.is_empty(),
        "no record of the dataset looks at clip {}",
        entry.clip
    );
    Ok((ids, marks))
}
