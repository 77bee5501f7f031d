//! Media files that contradict their records, or cannot be read.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use st_data::ledger::{Settings, fixed_path, validate};
use st_data::read::Form;
use st_data::validate::{MediaDepth, Rule};
use st_media::encode::{EncodeOptions, VideoWriter};
use tempfile::TempDir;

use crate::clean::{Dice, clean, swap};
use crate::faults::Fault;
use crate::fix::same;
use crate::{Broken, compare, input, settings};

const RECORDS: usize = 2000;
/// Size, frame rate and frame count that clean records speak of.
const WIDTH: u16 = 64;
const HEIGHT: u16 = 48;
const FPS: u32 = 8;
const FRAMES: u32 = 200;

/// A clip, an image, and files that only seem to be clips.
fn media_folder(folder: &TempDir) -> std::path::PathBuf {
    let media = folder.path().join("media");
    std::fs::create_dir_all(&media).unwrap();
    let options = EncodeOptions::new(WIDTH.into(), HEIGHT.into(), (FPS, 1));
    let mut video = VideoWriter::create(&media.join("clip.mp4"), &options).unwrap();
    let mut frame = vec![90; usize::from(WIDTH) * usize::from(HEIGHT) * 3];
    for number in 0..FRAMES {
        frame.fill(u8::try_from(number).unwrap());
        video.write(&frame).unwrap();
    }
    video.finish().unwrap();
    let image = jpeg_encoder::Encoder::new_file(media.join("image.jpg"), 90).unwrap();
    image
        .encode(&frame, WIDTH, HEIGHT, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    std::fs::write(media.join("text.mp4"), "no clip").unwrap();
    let clip = std::fs::read(media.join("clip.mp4")).unwrap();
    std::fs::write(media.join("cut.mp4"), &clip[..clip.len() / 2]).unwrap();
    media
}

/// A clean record about the clip or the image, with everything said about the file.
fn record(number: usize, dice: &mut Dice) -> String {
    let text = clean(number, dice);
    if number.is_multiple_of(3) {
        let meta = format!("image.jpg\",\"meta\":{{\"width\":{WIDTH},\"height\":{HEIGHT}}}");
        text.replace(&format!("images/{number}.bin\""), &meta)
    } else {
        text.replace(&format!("videos/{number}.bin"), "clip.mp4")
    }
}

fn faults() -> Vec<(Rule, Fault)> {
    vec![
        (Rule::MetaSize, |text, dice| {
            swap(
                "\"width\":64",
                &format!("\"width\":{}", 65 + dice.roll(500)),
            )(text)
        }),
        (Rule::MetaSize, |text, dice| {
            swap(
                "\"height\":48",
                &format!("\"height\":{}", 1 + dice.roll(47)),
            )(text)
        }),
        (Rule::MetaFps, |text, dice| {
            swap(
                "\"fps\":8.0",
                &format!("\"fps\":{}", dice.between(8100, 60_000)),
            )(text)
        }),
        (Rule::MetaFps, |text, dice| {
            swap("\"fps\":8.0", &format!("\"fps\":{}", dice.between(1, 7900)))(text)
        }),
        // More frames than the split's last, or it is another fault.
        (Rule::MetaFrames, |text, dice| {
            swap(
                "\"frames\":200",
                &format!("\"frames\":{}", 110 + dice.roll(90)),
            )(text)
        }),
        (Rule::MetaFrames, |text, dice| {
            swap(
                "\"frames\":200",
                &format!("\"frames\":{}", 201 + dice.roll(90)),
            )(text)
        }),
        (Rule::MediaUnreadable, |text, _| {
            swap("clip.mp4", "text.mp4")(text)
        }),
    ]
}

/// What records say of their files is held against the files, and put right by `--fix`.
pub(crate) fn faults_of_media() -> BTreeSet<Rule> {
    let folder = TempDir::new().unwrap();
    let media = media_folder(&folder);
    let (mut dice, kinds) = (Dice(10), faults());
    let mut broken = Broken::new();
    let (mut lines, mut sound) = (Vec::new(), Vec::new());
    for number in 0..RECORDS {
        let mut text = record(number, &mut dice);
        let (rule, fault) = &kinds[dice.roll(kinds.len())];
        let faulty = (dice.roll(4) == 0)
            .then(|| fault(&text, &mut dice))
            .flatten();
        if *rule != Rule::MediaUnreadable || faulty.is_none() {
            sound.push(text.clone());
        }
        if let Some(faulty) = faulty {
            broken.insert(number as u64 + 1, *rule);
            text = faulty;
        }
        lines.push(text);
    }
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let facts = Settings {
        media: MediaDepth::Facts,
        fix: true,
        ..settings(&folder)
    };
    let ledger = validate(&[input(&path, Some(&media))], &facts, |_| ()).unwrap();
    let shown = compare(&ledger, &broken, &lines);
    for (rule, _) in kinds {
        assert!(shown.contains(&rule), "{} was never injected", rule.id());
    }
    repaired_is_sound(&fixed_path(&path, Form::Lines), &sound);
    shown
}

fn repaired_is_sound(fixed: &Path, sound: &[String]) {
    let text = std::fs::read_to_string(fixed).unwrap();
    assert_eq!(text.lines().count(), sound.len());
    for (line, sound) in text.lines().zip(sound) {
        let value = |text| serde_json::from_str::<Value>(text).unwrap();
        assert!(same(&value(line), &value(sound)), "{line}\nis not\n{sound}");
    }
}

/// The rest of a clip that was cut off plays, but has fewer frames than its record says.
#[test]
fn a_clip_that_was_cut_off_is_refused() {
    let folder = TempDir::new().unwrap();
    let media = media_folder(&folder);
    let sound = record(1, &mut Dice(11));
    let cut = sound.replace("clip.mp4", "cut.mp4");
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, [sound, cut].join("\n")).unwrap();
    let decode = Settings {
        media: MediaDepth::Decode,
        ..settings(&folder)
    };
    let ledger = validate(&[input(&path, Some(&media))], &decode, |_| ()).unwrap();
    assert_eq!((ledger.total.kept, ledger.total.rejected), (1, 1));
    let found: Vec<Rule> = ledger.rules.iter().map(|count| count.rule).collect();
    assert_eq!(found, [Rule::SplitRange, Rule::MetaFrames]);
}
