//! A small made-up training set: coloured squares on grey, as shards and records in the released format.

use std::path::Path;

use serde_json::{Value, json};
use st_schema::{ClipId, ClipKey, Media};
use st_shard::{
    ClipFacts, ClipKind, Outcome, Payload, Settings, ShardPlan, ShardWriter, encode_jpeg,
};

/// Names and colours.
const COLOURS: [(&str, [u8; 3]); 6] = [
    ("red", [220, 40, 40]),
    ("green", [40, 200, 60]),
    ("blue", [50, 80, 230]),
    ("yellow", [230, 220, 50]),
    ("purple", [160, 50, 190]),
    ("white", [245, 245, 245]),
];

/// How large a world is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// Images.
    pub(crate) images: usize,
    /// Videos.
    pub(crate) videos: usize,
    /// Frames of a video.
    pub(crate) frames: usize,
    /// Side of a frame in pixels.
    pub(crate) size: usize,
    /// Changes everything.
    pub(crate) seed: u64,
}

struct Square {
    colour: usize,
    at: [f64; 2],
    half: f64,
    moves: f64,
    span: [usize; 2],
}

impl Square {
    fn bounds(&self, frame: usize) -> [f64; 4] {
        #[expect(clippy::cast_precision_loss, reason = "a handful of frames")]
        let x = (self.at[0] + self.moves * frame as f64).clamp(self.half, 1.0 - self.half);
        [
            x - self.half,
            self.at[1] - self.half,
            x + self.half,
            self.at[1] + self.half,
        ]
    }
}

impl World {
    /// Writes `<root>/NAME.yaml`, `<root>/NAME/*.json` and `<root>/shards/NAME/`.
    pub(crate) fn write(&self, root: &Path, name: &str) {
        let folder = root.join(name);
        fs_err::create_dir_all(&folder).unwrap();
        let (mut clips, mut payloads) = (Vec::new(), Vec::new());
        let (mut rec, mut tvg) = (Vec::new(), Vec::new());
        for i in 0..self.images + self.videos {
            let video = i >= self.images;
            let squares = self.squares(i, video);
            let path = format!("{name}/{i:05}.{}", if video { "mp4" } else { "jpg" });
            let media = if video {
                Media::Video(path.clone())
            } else {
                Media::Image(path.clone())
            };
            let id = ClipKey { media, split: None }.id();
            payloads.push(self.payload(&id, &path, &squares, video));
            clips.push(id);
            if video {
                tvg.push(self.grounding(i, &path, &squares[0]));
            } else {
                rec.push(comprehension(i, &path, &squares[0]));
            }
        }
        let mut yaml = "datasets:\n".to_owned();
        for (task, records) in [("rec", rec), ("tvg", tvg)] {
            fs_err::write(
                folder.join(format!("{task}.json")),
                Value::Array(records).to_string(),
            )
            .unwrap();
            yaml.push_str("  - {json_path: ");
            yaml.push_str(&[name, "/", task].concat());
            yaml.push_str(".json, data_folder: ., source: toy, sampling_strategy: all}\n");
        }
        fs_err::write(root.join(format!("{name}.yaml")), yaml).unwrap();
        self.shards(&root.join("shards").join(name), clips, payloads);
    }

    fn shards(&self, folder: &Path, clips: Vec<ClipId>, payloads: Vec<Payload>) {
        let side = u32::try_from(self.size).unwrap();
        let settings = Settings {
            frames: u32::try_from(self.frames).unwrap(),
            width: side,
            height: side,
            quality: 90,
            truncated: "refuse".to_owned(),
            clips_per_shard: 1000,
        };
        let plan = ShardPlan { clips, settings };
        let shards = plan.shards();
        let writer = ShardWriter::open(folder, plan).unwrap();
        for (position, payload) in payloads.into_iter().enumerate() {
            writer.store(position, &Outcome::Stored(payload)).unwrap();
        }
        for shard in 0..shards {
            writer.close_shard(shard).unwrap();
        }
        writer.finish().unwrap();
    }

    fn squares(&self, index: usize, video: bool) -> Vec<Square> {
        let mut random = st_train::random::SplitMix::at(&[self.seed, index as u64]);
        let colours = random.clone().order(COLOURS.len());
        let count = 1 + random.below(3);
        (0..count)
            .map(|k| {
                let half = 0.1 + 0.1 * random.unit();
                let length = 1 + random.below(self.frames.div_ceil(3));
                let first = random.below(self.frames - length + 1);
                Square {
                    colour: colours[k],
                    at: [
                        half + random.unit() * (1.0 - 2.0 * half),
                        half + random.unit() * (1.0 - 2.0 * half),
                    ],
                    half,
                    moves: if video {
                        0.02 * (random.unit() - 0.5)
                    } else {
                        0.0
                    },
                    span: if video {
                        [first, first + length - 1]
                    } else {
                        [0, 0]
                    },
                }
            })
            .collect()
    }

    fn payload(&self, id: &ClipId, path: &str, squares: &[Square], video: bool) -> Payload {
        let count = if video { self.frames } else { 1 };
        let side = self.size;
        let mut rgb = vec![90_u8; count * side * side * 3];
        for (frame, pixels) in rgb.chunks_exact_mut(side * side * 3).enumerate() {
            for square in squares
                .iter()
                .filter(|s| (s.span[0]..=s.span[1]).contains(&frame))
            {
                paint(pixels, side, square.bounds(frame), COLOURS[square.colour].1);
            }
        }
        let facts = ClipFacts {
            clip: id.clone(),
            kind: if video {
                ClipKind::Video
            } else {
                ClipKind::Image
            },
            media: path.to_owned(),
            split: None,
            source_width: u32::try_from(side).unwrap(),
            source_height: u32::try_from(side).unwrap(),
            fps: 8.0,
            source_frames: count as u64,
            places: (0..u32::try_from(count).unwrap()).collect(),
            indices: (0..count as u64).collect(),
            seconds: vec![0.0; count],
            missing: 0,
        };
        let pixels = (facts.source_width, facts.source_height);
        let frames = rgb.chunks_exact(side * side * 3);
        let jpegs: Vec<Vec<u8>> = frames
            .map(|frame| encode_jpeg(frame, pixels.0, pixels.1, 90).unwrap())
            .collect();
        let shown: Vec<usize> = (0..count).collect();
        Payload::new(&facts, &jpegs, &shown, pixels).unwrap()
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of frames")]
    fn grounding(&self, index: usize, path: &str, square: &Square) -> Value {
        let last = (self.frames - 1) as f64;
        let span = square.span.map(|f| f as f64 / last);
        json!({
            "id": format!("tvg-{index}"), "task": "tvg", "video": path,
            "conversations": [
                {"from": "human", "value": format!("<video>\nWhen is the {} square visible?", COLOURS[square.colour].0)},
                {"from": "gpt", "value": "{<TEMP-OUTPUT><TEMP-OUTPUT>}"},
            ],
            "variables": {"temporal_output_locations": span},
        })
    }
}

fn comprehension(index: usize, path: &str, square: &Square) -> Value {
    let [x1, y1, x2, y2] = square.bounds(0);
    json!({
        "id": format!("rec-{index}"), "task": "rec", "image": path,
        "conversations": [
            {"from": "human", "value": format!("<image>\nWhere is the {} square?", COLOURS[square.colour].0)},
            {"from": "gpt", "value": "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"},
        ],
        "variables": {"spatial_width_output_locations": [x1, x2], "spatial_height_output_locations": [y1, y2]},
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixels"
)]
fn paint(pixels: &mut [u8], side: usize, bounds: [f64; 4], colour: [u8; 3]) {
    let [x1, y1, x2, y2] = bounds.map(|v| ((v * side as f64).round() as usize).min(side));
    for y in y1..y2 {
        for x in x1..x2 {
            pixels[(y * side + x) * 3..][..3].copy_from_slice(&colour);
        }
    }
}
