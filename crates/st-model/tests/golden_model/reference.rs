//! The golden folder: its configuration, tensors, and the inputs that its README gives by formula.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use st_model::batch::{Batch, CoordinateSlot, EncodedRecord, Stream, VisualSlot};
use st_model::config::{
    CoordinateConfig, ModelConfig, PackerConfig, PackerInit, Parts, TextConfig, VideoConfig,
    VideoStreams, VisionConfig, WidthInput,
};
use st_model::model::{ClipKind, ClipRange, LlavaSt};
use st_model::weights::Loading;
use st_schema::{Axis, Frames, Side};

/// The folder, or `None` (with a note) where the goldens are absent.
pub(crate) fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("ST_GOLDEN").map(PathBuf::from);
    let root = given
        .clone()
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden").into());
    let folder = root.join("model");
    if folder.join("config.json").is_file() {
        return Some(folder);
    }
    assert!(
        given.is_none(),
        "ST_GOLDEN is set and {} has no config.json",
        folder.display()
    );
    println!("skipped: no golden tensors at {}", folder.display());
    None
}

pub(crate) struct Tensors {
    bytes: Vec<u8>,
}

impl Tensors {
    pub(crate) fn open(file: &str) -> Option<Self> {
        let path = folder()?.join(file);
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Some(Self { bytes })
    }

    pub(crate) fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .parsed()
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// Values of any number type as doubles, and the shape.
    pub(crate) fn get(&self, name: &str) -> Option<(Vec<f64>, Vec<usize>)> {
        let parsed = self.parsed();
        let view = parsed.tensor(name).ok()?;
        let values = match view.dtype() {
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
                .collect(),
            Dtype::F64 => view
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect(),
            Dtype::I32 => view
                .data()
                .chunks_exact(4)
                .map(|b| f64::from(i32::from_le_bytes(b.try_into().unwrap())))
                .collect(),
            other => panic!("{name}: {other:?}"),
        };
        Some((values, view.shape().to_vec()))
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.get(name)
            .unwrap_or_else(|| panic!("no tensor `{name}`"))
            .0
    }
}

pub(crate) fn config_json() -> Option<Value> {
    let path = folder()?.join("config.json");
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn size(value: &Value) -> usize {
    usize::try_from(
        value
            .as_u64()
            .unwrap_or_else(|| panic!("not a size: {value}")),
    )
    .unwrap()
}

/// The golden configuration with the original's behaviour.
pub(crate) fn model_config(json: &Value) -> ModelConfig {
    let (vision, packer, llm) = (&json["vision"], &json["packer"], &json["llm"]);
    ModelConfig {
        vision: VisionConfig {
            image_size: size(&vision["image_size"]),
            patch_size: size(&vision["patch_size"]),
            hidden_size: size(&vision["hidden_size"]),
            intermediate_size: size(&vision["intermediate_size"]),
            num_hidden_layers: size(&vision["layers_used"]),
            num_attention_heads: size(&vision["num_heads"]),
            layer_norm_eps: vision["layer_norm_eps"].as_f64().unwrap(),
        },
        packer: PackerConfig {
            embed_dim: size(&packer["embed_dim"]),
            num_attention_heads: size(&packer["num_heads"]),
            layer_norm_eps: packer["layer_norm_eps"].as_f64().unwrap(),
            first_grid: size(&packer["first"]["grid"][1]),
            fast_grid: size(&packer["fast"]["grid"][1]),
        },
        video: VideoConfig {
            frames: size(&packer["slow"]["frames"][0]),
            slow_frames: size(&packer["slow"]["frames"][1]),
        },
        text: TextConfig {
            vocab_size: size(&llm["vocab_size"]),
            hidden_size: size(&llm["hidden_size"]),
            intermediate_size: size(&llm["intermediate_size"]),
            num_hidden_layers: size(&llm["num_hidden_layers"]),
            num_attention_heads: size(&llm["num_attention_heads"]),
            num_key_value_heads: size(&llm["num_key_value_heads"]),
            rope_theta: llm["rope_theta"].as_f64().unwrap(),
            rms_norm_eps: llm["rms_norm_eps"].as_f64().unwrap(),
        },
        coordinates: CoordinateConfig {
            num_temporal: size(&json["coordinates"]["num_temporal"]),
            num_height: size(&json["coordinates"]["num_height"]),
            num_width: size(&json["coordinates"]["num_width"]),
        },
        video_streams: VideoStreams::SlowOnly,
        width_input: WidthInput::Template,
        packer_init: PackerInit::Keep,
        use_downsample_image: false,
        parts: Parts::default(),
    }
}

/// The golden model with its weights.
pub(crate) fn model(json: &Value, device: &Device) -> LlavaSt {
    let weights = Tensors::open("weights.safetensors").unwrap();
    model_config(json)
        .init(device)
        .unwrap()
        .load_named(&weights.parsed(), Loading::all())
        .unwrap()
}

/// `v[t,c,y,x] = (3x + 5y + 7t + 11c + seed) mod 256`.
pub(crate) fn frames(json: &Value, count: usize, seed: &str) -> Frames {
    let (side, seed) = (size(&json["pixels"]["size"]), size(&json["pixels"][seed]));
    let mut rgb = Vec::with_capacity(count * side * side * 3);
    for t in 0..count {
        for (y, x) in (0..side * side).map(|place| (place / side, place % side)) {
            rgb.extend(
                (0..3)
                    .map(|c| u8::try_from((3 * x + 5 * y + 7 * t + 11 * c + seed) % 256).unwrap()),
            );
        }
    }
    Frames::new(count, side, side, rgb).unwrap()
}

/// The hashed input of the packers, `[frames, tokens, channels]`.
pub(crate) fn packer_input(
    seed: u64,
    [frames, tokens, channels]: [usize; 3],
    device: &Device,
) -> Tensor<3> {
    const WORD: u64 = 1 << 32;
    let mut values = Vec::with_capacity(frames * tokens * channels);
    for t in 0..frames as u64 {
        for p in 0..tokens as u64 {
            for c in 0..channels as u64 {
                let hash = ((t * 73_856_093) ^ (p * 19_349_663) ^ (c * 83_492_791) ^ seed) % WORD;
                let hash = (hash * 40_503) % WORD;
                let value = i64::try_from((hash >> 8) % 2001).unwrap() - 1000;
                values.push(value as f32 / 1000.0);
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [frames, tokens, channels]), device)
}

/// A case's rows as encoded records, and the kind of each row's clip.
pub(crate) fn records(
    json: &Value,
    tensors: &Tensors,
    case: &str,
) -> (Vec<EncodedRecord>, Vec<ClipKind>) {
    let (ids, shape) = tensors.get(&format!("{case}.input_ids")).unwrap();
    let labels = tensors.values(&format!("{case}.labels"));
    let mask = tensors.values(&format!("{case}.attention_mask"));
    let special: BTreeMap<String, u32> =
        serde_json::from_value(json["token_ids"]["special"].clone()).unwrap();
    let mut kinds = Vec::new();
    let records = (0..shape[0]).map(|row| {
        let place = row * shape[1]..(row + 1) * shape[1];
        let length = mask[place.clone()]
            .iter()
            .filter(|value| **value != 0.0)
            .count();
        let ids: Vec<u32> = ids[place.clone()][..length]
            .iter()
            .map(|id| *id as u32)
            .collect();
        let labels = labels[place][..length]
            .iter()
            .map(|label| *label as i64)
            .collect();
        let find = |name: &str| ids.iter().position(|id| *id == special[name]);
        let slot = |from: &str, to: &str, stream| {
            let (start, end) = (find(from)?, find(to)?);
            Some(VisualSlot {
                start,
                len: end + 1 - start,
                stream,
            })
        };
        let visual = [
            slot("im_start", "im_end", Stream::Image),
            slot("vid_start", "vid_end", Stream::Fast),
            slot("slow_vid_start", "slow_vid_end", Stream::Slow),
        ];
        let visual: Vec<VisualSlot> = visual.into_iter().flatten().collect();
        kinds.push(if visual[0].stream == Stream::Image {
            ClipKind::Image
        } else {
            ClipKind::Video
        });
        let mut coordinates = Vec::new();
        for (axis, word) in [
            (Axis::Temporal, "temporal"),
            (Axis::Height, "height"),
            (Axis::Width, "width"),
        ] {
            for (side, end) in [(Side::Input, "input"), (Side::Output, "output")] {
                let kind = format!("{word}_{end}");
                let values = tensors
                    .get(&format!("{case}.variables.{row}.{kind}"))
                    .map_or(Vec::new(), |(values, _)| values);
                let places = ids
                    .iter()
                    .enumerate()
                    .filter(|(_, id)| **id == special[&kind])
                    .map(|(place, _)| place);
                let places: Vec<_> = places.collect();
                if !case.starts_with("s1_") {
                    assert_eq!(values.len(), places.len(), "{case} row {row}: {kind}");
                }
                let slots = places.into_iter().zip(values);
                coordinates.extend(slots.map(|(position, value)| CoordinateSlot {
                    position,
                    axis,
                    side,
                    value,
                }));
            }
        }
        EncodedRecord {
            ids,
            labels,
            visual,
            coordinates,
        }
    });
    let records = records.collect();
    (records, kinds)
}

/// The pad id and the batch of a case.
pub(crate) fn batch(json: &Value, tensors: &Tensors, case: &str) -> (Batch, Vec<ClipKind>) {
    let (records, kinds) = records(json, tensors, case);
    (
        Batch::collate(
            &records,
            u32::try_from(size(&json["token_ids"]["pad"])).unwrap(),
        ),
        kinds,
    )
}

/// Frames (the image's first, then the video's) that the clips of a case need, of features that hold both.
pub(crate) fn clips(kinds: &[ClipKind]) -> Vec<ClipRange> {
    kinds
        .iter()
        .map(|kind| ClipRange {
            first: usize::from(*kind == ClipKind::Video),
            kind: *kind,
        })
        .collect()
}

/// Largest absolute difference; panics on different lengths.
pub(crate) fn difference(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of values");
    let differences = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (f64::from(*found) - expected).abs());
    differences.fold(0.0, |worst, value| {
        if value.is_nan() {
            f64::INFINITY
        } else {
            worst.max(value)
        }
    })
}

/// Collects the worst difference of a file and fails at the end with all cases that are beyond their tolerance.
#[derive(Default)]
pub(crate) struct Judge {
    worst: BTreeMap<&'static str, (f64, String)>,
    faults: Vec<String>,
    checked: usize,
}

impl Judge {
    pub(crate) fn check(
        &mut self,
        kind: &'static str,
        what: &str,
        difference: f64,
        tolerance: f64,
    ) {
        self.checked += 1;
        let worst = self.worst.entry(kind).or_default();
        if difference >= worst.0 {
            *worst = (difference, what.to_owned());
        }
        if difference > tolerance {
            self.faults
                .push(format!("{what}: {difference:.3e} > {tolerance:.0e}"));
        }
    }

    pub(crate) fn tensor<const D: usize>(
        &mut self,
        kind: &'static str,
        what: &str,
        found: Tensor<D>,
        expected: &[f64],
        tolerance: f64,
    ) {
        let found = found.into_data().try_to_vec::<f32>().unwrap();
        self.check(kind, what, difference(&found, expected), tolerance);
    }

    pub(crate) fn finish(self, file: &str) {
        for (kind, (difference, what)) in &self.worst {
            println!("{file}: {kind} worst {difference:.2e} ({what})");
        }
        assert!(self.checked > 0, "{file}: nothing was compared");
        assert!(
            self.faults.is_empty(),
            "{file}:\n{}",
            self.faults.join("\n")
        );
    }
}
