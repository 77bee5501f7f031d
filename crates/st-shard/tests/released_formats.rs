//! Folders written by released versions stay readable.

use std::path::{Path, PathBuf};

use st_shard::{ClipKind, ShardReader, verify};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/fixtures/{name}"))
}

/// Mean red, green and blue of each stored frame, as Pillow 13 decodes it, rounded to tenths.
const MEANS: [&[[f64; 3]]; 3] = [
    &[
        [94.9, 120.6, 98.6],
        [97.8, 121.3, 102.5],
        [96.2, 121.0, 110.5],
        [92.6, 125.9, 104.7],
    ],
    &[
        [80.0, 84.2, 101.8],
        [68.6, 88.5, 92.3],
        [73.7, 84.2, 94.6],
        [70.9, 86.6, 95.9],
    ],
    &[[108.8, 87.7, 112.9]],
];

#[test]
fn version_1_is_read() {
    let folder = fixture("shards-v1");
    let reader = ShardReader::open(&folder).unwrap();
    assert_eq!(reader.manifest().version, 1);
    assert_eq!((reader.len(), reader.manifest().frames), (3, 9));
    let media: Vec<(&str, ClipKind, Option<[u64; 2]>)> = reader
        .entries()
        .iter()
        .map(|entry| (entry.media.as_str(), entry.kind, entry.split))
        .collect();
    assert_eq!(
        media,
        [
            (
                "media/train/videos/000000.mp4",
                ClipKind::Video,
                Some([0, 8])
            ),
            (
                "media/train/videos/000001.mp4",
                ClipKind::Video,
                Some([0, 8])
            ),
            ("media/train/images/000000.jpg", ClipKind::Image, None),
        ]
    );
    let facts = reader.facts(1).unwrap();
    assert_eq!(facts.clip.as_str(), "02766c5d06fe15ad754783c2dd6f79df");
    assert_eq!(
        (facts.places, facts.indices),
        (vec![0, 1, 2, 3], vec![0, 3, 5, 8])
    );
    assert_eq!(facts.seconds, [0.0, 0.375, 0.625, 1.0]);
    assert_eq!(reader.find(&facts.clip), Some(1));

    for (clip, means) in MEANS.iter().enumerate() {
        let frames = reader.frames(clip).unwrap();
        assert_eq!(
            (frames.count, frames.height, frames.width),
            (means.len(), 16, 16)
        );
        for (at, mean) in means.iter().enumerate() {
            for (color, mean) in mean.iter().enumerate() {
                let values = frames.frame(at).iter().skip(color).step_by(3);
                let found = values.map(|value| f64::from(*value)).sum::<f64>() / 256.0;
                assert!(
                    (found - mean).abs() < 1.0,
                    "clip {clip}, frame {at}: {found}, {mean}"
                );
            }
        }
    }
    assert!(verify(&folder, true, &|_| ()).unwrap().faults.is_empty());
}
