//! A model with random weights, small enough to answer in milliseconds, and a benchmark of generated pictures.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Everything lies below one temporary folder.
pub(crate) struct Fixture {
    /// Removed at the end.
    pub(crate) folder: tempfile::TempDir,
}

impl Fixture {
    /// A model folder and a REC benchmark of `records` questions about half as many pictures.
    pub(crate) fn new(records: usize) -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fixture.write_model();
        fixture.write_benchmark(records);
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_model(&self) {
        let texts = [
            "<image>\nWhere can I find red circle in this image?",
            " a blue square is visible",
        ];
        let tokenizer = st_model::tokenizer::Tokenizer::train_bpe(texts.into_iter(), 300).unwrap();
        let config: Value = json!({
            "vision": {"image_size": 27, "patch_size": 3, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
            "packer": {"embed_dim": 16, "num_attention_heads": 2, "first_grid": 3, "fast_grid": 1},
            "video": {"frames": 4, "slow_frames": 2},
            "text": {"vocab_size": tokenizer.vocabulary(), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "num_key_value_heads": 1, "rope_theta": 10000.0},
        });
        let sizes: st_model::config::ModelConfig = serde_json::from_value(config.clone()).unwrap();
        let model = sizes
            .init(&burn::tensor::Device::default())
            .unwrap()
            .initialize(&st_model::init::InitConfig::default(), 7);
        let tensors: std::collections::BTreeMap<String, burn::tensor::TensorData> =
            model.named_tensors().collect();
        let specs: Vec<st_weights::TensorSpec> = tensors
            .iter()
            .map(|(name, data)| {
                st_weights::TensorSpec::new(
                    name.as_str(),
                    st_weights::Dtype::F32,
                    data.shape().to_vec(),
                )
            })
            .collect();
        let json = tokenizer.to_json().unwrap();
        st_weights::save_folder::<st_weights::WeightsError>(
            self.path("model"),
            &config,
            Some(json.as_bytes()),
            &specs,
            usize::MAX,
            |spec| Ok(std::borrow::Cow::Borrowed(tensors[&spec.name].as_bytes())),
        )
        .unwrap();
    }

    fn write_benchmark(&self, records: usize) {
        std::fs::create_dir_all(self.path("media")).unwrap();
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for id in 0..records {
            let name = format!("{:03}.png", id / 2);
            let shade = u8::try_from(id * 37 % 256).unwrap();
            image::RgbImage::from_pixel(48, 36, image::Rgb([shade, 255 - shade, 90]))
                .save(self.path("media").join(&name))
                .unwrap();
            images.push(json!({"id": id, "file_name": name, "width": 48, "height": 36, "caption": "red circle"}));
            annotations
                .push(json!({"id": id, "bbox": [4, 6, 20, 15], "other_boxes": [[24, 18, 12, 12]]}));
        }
        let text = json!({"images": images, "annotations": annotations}).to_string();
        std::fs::write(self.path("rec.json"), text).unwrap();
    }

    /// The command that answers the benchmark into `out`, three records at a time.
    pub(crate) fn predict(&self, out: &Path) -> std::process::Command {
        self.predict_batches(out, "3")
    }

    /// The same with batches of another size.
    pub(crate) fn predict_batches(&self, out: &Path, batch: &str) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steval"));
        command.args([
            "predict",
            "--task",
            "rec",
            "--batch",
            batch,
            "--max-new-tokens",
            "24",
            "--model",
        ]);
        command
            .arg(self.path("model"))
            .arg("--annotations")
            .arg(self.path("rec.json"));
        command
            .arg("--media")
            .arg(self.path("media"))
            .arg("--out")
            .arg(out);
        command
    }
}
