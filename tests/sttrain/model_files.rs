//! `info`, `export` and `gpu-check`: model folders in, tables and folders out.

use std::borrow::Cow;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::Device;
use serde_json::Value;
use st_model::config::ModelConfig;
use st_model::device_check::small_config;
use st_model::model::LlavaSt;
use st_model::published::{KEY, config_from_json, config_to_json};
use st_model::tokenizer::Tokenizer;
use st_model::weights::{Loading, Views, WeightFault, WeightsError};
use st_weights::{Dtype, ModelFolder, TensorSpec, save_folder, save_json};

fn sttrain(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sttrain"))
        .args(args)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(
        output.status.code() != Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn tokenizer() -> Tokenizer {
    Tokenizer::train_bpe(
        ["<video>\nWhen does the red circle move?"; 8].into_iter(),
        300,
    )
    .unwrap()
}

/// The small model with the vocabulary of the small tokenizer.
fn config() -> ModelConfig {
    let mut config = small_config();
    config.text.vocab_size = tokenizer().vocabulary();
    config
}

/// Writes a folder of the model's names and shapes with values that depend on name and place, without making the model.
fn write(dir: &Path, config: &ModelConfig, dtype: Dtype, max_shard: usize) {
    let model = config.init(&Device::flex()).unwrap();
    let specs: Vec<TensorSpec> = model
        .named_parameters()
        .into_iter()
        .map(|one| TensorSpec::new(one.name, dtype, one.shape))
        .collect();
    let text = tokenizer().to_json().unwrap();
    let json = config_to_json(config);
    save_folder::<st_weights::WeightsError>(
        dir,
        &json,
        Some(text.as_bytes()),
        &specs,
        max_shard,
        |spec| {
            let count: usize = spec.shape.iter().product();
            let seed = spec.name.len();
            // Small multiples of 1/64, which every float type holds.
            let value =
                |place: usize| f32::from(u8::try_from((place * 7 + seed) % 61).unwrap()) / 64.0;
            let values: Vec<f32> = (0..count).map(value).collect();
            Ok(Cow::Owned(st_weights::from_f32(
                &spec.name, &values, spec.dtype,
            )?))
        },
    )
    .unwrap();
}

fn load(folder: &ModelFolder, config: &ModelConfig) -> Result<LlavaSt, WeightsError> {
    let names = folder.names().map(str::to_owned).collect();
    let source = Views::new(names, |name| folder.view(name));
    config
        .init(&Device::flex())
        .unwrap()
        .load_named(&source, Loading::all())
}

/// Every tensor of the model equals that of the folder.
fn check_values(model: &LlavaSt, folder: &ModelFolder) {
    let mut compared = 0;
    for (name, data) in model.named_tensors() {
        let view = folder.view(&name).unwrap();
        assert_eq!(&data.shape()[..], view.shape(), "{name}");
        let expected = st_weights::to_f32(&name, &view).unwrap();
        assert!(data.iter::<f32>().eq(expected), "{name}");
        compared += 1;
    }
    assert_eq!(compared, folder.len());
}

#[test]
fn a_folder_of_any_float_type_and_sharding_is_loaded() {
    for (dtype, max_shard) in [
        (Dtype::F32, usize::MAX),
        (Dtype::F16, 100_000),
        (Dtype::BF16, 300_000),
    ] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        write(&dir, &config(), dtype, max_shard);
        let folder = ModelFolder::open(&dir).unwrap();
        assert_eq!(config_from_json(folder.config()).unwrap(), config());
        check_values(&load(&folder, &config()).unwrap(), &folder);
    }
}

#[test]
fn a_folder_of_another_model_is_refused_name_by_name() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    write(&dir, &config(), Dtype::BF16, 200_000);
    let folder = ModelFolder::open(&dir).unwrap();
    let faults = |change: &dyn Fn(&mut ModelConfig)| {
        let mut config = config();
        change(&mut config);
        load(&folder, &config).err().unwrap().faults
    };
    let deeper = faults(&|config| config.text.num_hidden_layers += 1);
    assert!(
        deeper.iter().all(
            |fault| matches!(fault, WeightFault::Missing { name } if name.contains("layers.2."))
        )
    );
    assert_eq!(deeper.len(), 12);
    let shallower = faults(&|config| config.text.num_hidden_layers -= 1);
    assert!(shallower.iter().all(
        |fault| matches!(fault, WeightFault::Unexpected { name } if name.contains("layers.1."))
    ));
    let wider = faults(&|config| config.text.vocab_size += 6);
    assert_eq!(wider.len(), 2, "{wider:?}");
    assert!(
        wider
            .iter()
            .all(|fault| matches!(fault, WeightFault::Shape { .. }))
    );
}

#[test]
fn info_counts_the_published_model() {
    let output = sttrain(&["info", "7b", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let report = json(&output);
    assert_eq!(report["parameters_total"], 8_095_709_216_u64);
    let video = &report["records"][1];
    assert_eq!(video["tokens"]["visual_tokens"], 2520);
    let text = sttrain(&["info", "7b"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("397747744"));
}

/// Of the 7B in stage 2: adapters of rank 128 are `28 * 128 * (in + out)` over seven layers, then packers, tables and words.
const STAGE_2_LEARNS: u64 = 322_961_408 + 66_109_440 + 2_150_400 + 543_549_440;

#[test]
fn info_of_a_recipe_says_what_learns() {
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/stage2.yaml");
    let root = tempfile::tempdir().unwrap();
    let report = json(&sttrain(&[
        "info",
        recipe,
        "--json",
        "--root",
        root.path().to_str().unwrap(),
    ]));
    let parts = report["parameters"].as_array().unwrap();
    let learns: u64 = parts
        .iter()
        .map(|part| part["trainable"].as_u64().unwrap())
        .sum();
    assert_eq!(learns, STAGE_2_LEARNS);
    assert_eq!(report["parameters_total"], 8_095_709_216_u64 + 322_961_408);
}

#[test]
fn check_of_stage_2_names_all_that_is_missing_and_counts_a_stand_in_to_the_unit() {
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/stage2.yaml");
    let root = tempfile::tempdir().unwrap();
    let place = root.path().to_str().unwrap();
    let output = sttrain(&["check", recipe, "--root", place, "--runs", place]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "stdata fetch --stage 2",
        "stdata shard annotations",
        "sttrain recipes/stage1.yaml",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A folder in the true format: the published configuration, weights of one number.
    let folder = root.path().join("stand-in");
    let spec = TensorSpec::new("lm_head.weight", Dtype::F32, [1, 1]);
    let config = config_to_json(&ModelConfig::published_7b());
    let bytes = |_: &TensorSpec| Ok::<_, st_weights::WeightsError>(Cow::Borrowed(&[0; 4][..]));
    save_folder(&folder, &config, None, &[spec], 1 << 20, bytes).unwrap();
    let path = format!("model.path={}", folder.display());
    let output = sttrain(&["check", recipe, "--root", place, "--set", &path, "--json"]);
    let report = json(&output);
    let parameters = report["parameters"].as_object().unwrap();
    let all: u64 = parameters
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(all, 8_095_709_216 + 322_961_408);
    assert_eq!(report["trainable"]["all"], STAGE_2_LEARNS);
}

#[test]
fn info_compares_a_folder_with_its_configuration() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    write(&dir, &config(), Dtype::BF16, 100_000);
    let path = dir.to_str().unwrap();
    let output = sttrain(&["info", path, "--json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report = json(&output);
    let stored = report["stored"]["parameters"].as_array().unwrap();
    for (stored, counted) in stored.iter().zip(report["parameters"].as_array().unwrap()) {
        assert_eq!(
            (&stored["part"], &stored["parameters"]),
            (&counted["part"], &counted["parameters"])
        );
    }

    let mut edited = config_to_json(&config());
    edited[KEY]["text"]["num_hidden_layers"] = 1.into();
    edited["num_hidden_layers"] = 1.into();
    save_json(dir.join("config.json"), &edited).unwrap();
    let output = sttrain(&["info", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("unexpected"));

    let output = sttrain(&["info", "no/such/folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("neither a model folder nor a recipe")
    );
}

#[test]
fn export_writes_what_transformers_looks_for() {
    let root = tempfile::tempdir().unwrap();
    let (from, out) = (root.path().join("model"), root.path().join("out"));
    write(&from, &config(), Dtype::F32, 100_000);
    let args = [
        "export",
        from.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--dtype",
        "bf16",
    ];
    let output = sttrain(&args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let (before, after) = (
        ModelFolder::open(&from).unwrap(),
        ModelFolder::open(&out).unwrap(),
    );
    assert_eq!(after.config()["architectures"][0], "LlavaQwenForCausalLM");
    assert_eq!(after.config()["torch_dtype"], "bfloat16");
    // The values are exact in every type, so nothing may have changed.
    check_values(&load(&after, &config()).unwrap(), &before);
    // A person with Python's safetensors can look at the same folder.
    if let Some(copy) = std::env::var_os("ST_KEEP") {
        std::fs::rename(&out, copy).unwrap();
        return;
    }
    let again = sttrain(&args);
    assert_eq!(
        again.status.code(),
        Some(2),
        "a folder that is there is not overwritten"
    );
}

#[test]
fn gpu_check_says_what_it_needs() {
    let output = sttrain(&["gpu-check"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("NVIDIA"), "{message}");
}

/// Memory of this process that is no page of a file, in bytes.
fn anonymous_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Real names and shapes of LLaVA-ST-Qwen2-7B with two decoder and two tower layers: 1.7 billion values. Pages of the mapped files
/// are not counted: the system takes them back when it likes.
#[test]
#[ignore = "writes and loads 3.4 GB"]
#[expect(
    clippy::print_stdout,
    reason = "the measured numbers are what a person runs it for"
)]
fn the_published_shapes_load_within_their_own_size() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    let mut config = ModelConfig::published_7b().as_released();
    config.text.num_hidden_layers = 2;
    config.vision.num_hidden_layers = 2;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    write(&dir, &config, Dtype::BF16, 1 << 30);
    let folder = ModelFolder::open(&dir).unwrap();
    let names = folder.names().map(str::to_owned).collect();
    let source = Views::new(names, |name| folder.view(name));
    let loading = Loading {
        dtype: Some(burn::tensor::FloatDType::BF16),
        ..Loading::all()
    };
    let (before, peak, done) = (
        anonymous_memory(),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let begin = std::time::Instant::now();
    let model = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_memory(), Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let model = config
            .init(&Device::flex())
            .unwrap()
            .load_named(&source, loading);
        done.store(true, Ordering::Relaxed);
        model.unwrap()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (peak, size) = (peak.into_inner() - before, folder.byte_size());
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = peak as f64 / size as f64;
    println!(
        "{size} bytes of weights in {seconds:.1} s; peak memory {peak}, {ratio:.3} times the weights"
    );
    assert_eq!(model.named_parameters().len(), folder.len());
    assert!(ratio < 1.15, "peak memory is {ratio} times the weights");
}
