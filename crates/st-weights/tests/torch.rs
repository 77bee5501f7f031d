//! Files that `PyTorch` wrote, and files that would harm an ordinary unpickler. `fixtures/make.py` made them.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use st_weights::{
    ADAPTER_CONFIG, ADAPTER_FILE, AdapterConfig, AdapterFolder, Dtype, PickleError, TensorSpec,
    TorchFile, WeightsError, save_file, save_json, save_torch, to_f32,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

fn refused(path: &Path) -> (PickleError, String) {
    let error = TorchFile::open(path).unwrap_err();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    match error {
        WeightsError::Torch { fault, .. } => {
            let message = fault.to_string();
            (fault, message)
        }
        other => panic!("{other}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small integers")]
fn values(name: &str, view: &st_weights::TensorView<'_>) -> Vec<f64> {
    let data = view.data();
    match view.dtype() {
        Dtype::F64 => data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect(),
        Dtype::I64 => data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| i64::from_le_bytes(*bytes) as f64)
            .collect(),
        Dtype::BOOL => data.iter().map(|byte| f64::from(*byte)).collect(),
        _ => to_f32(name, view)
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect(),
    }
}

#[test]
fn every_tensor_of_a_state_dictionary_is_read() {
    let file = TorchFile::open(fixture("state.bin")).unwrap();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    let mut names: Vec<&str> = expected.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(file.names().collect::<Vec<_>>(), names);
    for (name, tensor) in expected {
        let view = file.view(name).unwrap();
        assert_eq!(json!(view.shape()), tensor["shape"], "{name}");
        let wanted: Vec<f64> = serde_json::from_value(tensor["values"].clone()).unwrap();
        assert_eq!(values(name, &view), wanted, "{name}");
    }
    assert_eq!(file.view("brain").unwrap().dtype(), Dtype::BF16);
}

#[test]
fn code_is_refused_by_name() {
    let (fault, message) = refused(&fixture("evil.bin"));
    assert!(matches!(fault, PickleError::Forbidden { .. }), "{message}");
    assert!(message.contains("posix.system"), "{message}");
    assert!(!Path::new("/tmp/should-not-exist").exists());
}

#[test]
fn other_formats_and_contents_are_refused() {
    assert!(matches!(
        refused(&fixture("legacy.bin")).0,
        PickleError::NotZip(_)
    ));
    assert!(
        matches!(refused(&fixture("nested.bin")).0, PickleError::NotTensor { name } if name == "epoch")
    );
    let root = tempfile::tempdir().unwrap();
    let empty = root.path().join("empty.bin");
    std::fs::write(&empty, []).unwrap();
    assert!(matches!(refused(&empty).0, PickleError::NotZip(_)));
}

/// Whatever byte is changed or cut off, reading ends with a value or an error, and never outside the file.
#[test]
fn damaged_files_do_not_panic() {
    let whole = std::fs::read(fixture("state.bin")).unwrap();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("damaged.bin");
    let read_all = || {
        if let Ok(file) = TorchFile::open(&path) {
            for name in file.names() {
                assert!(file.view(name).is_some());
            }
        }
    };
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..length]).unwrap();
        read_all();
    }
    let pickle = whole
        .windows(8)
        .position(|bytes| bytes == b"data.pkl")
        .unwrap();
    for at in (pickle..pickle + 2000).step_by(3) {
        let mut file = whole.clone();
        file[at] ^= [0x01, 0x80, 0xff][at / 3 % 3];
        std::fs::write(&path, file).unwrap();
        read_all();
    }
}

fn adapter_config() -> Value {
    json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 0.05, "target_modules": ["q_proj"], "bias": "none"})
}

#[test]
fn folders_of_the_original_are_read() {
    let root = tempfile::tempdir().unwrap();
    save_json(root.path().join(ADAPTER_CONFIG), &adapter_config()).unwrap();
    let error = AdapterFolder::open(root.path()).unwrap_err();
    assert!(matches!(error, WeightsError::NoWeights { .. }));
    std::fs::copy(fixture("state.bin"), root.path().join("adapter_model.bin")).unwrap();
    std::fs::copy(
        fixture("state.bin"),
        root.path().join("non_lora_trainables.bin"),
    )
    .unwrap();
    let folder = AdapterFolder::open(root.path()).unwrap();
    assert!((folder.config().scale() - 2.0).abs() < 1e-12);
    assert_eq!(folder.adapter().names().len(), folder.others().count());
    let plain: Vec<String> = folder.others().map(|(name, _)| name).collect();
    assert!(
        plain.contains(&"model.layers.0.self_attn.q_proj.lora_A.weight".to_owned()),
        "{plain:?}"
    );
}

#[test]
fn what_peft_needs_is_written() {
    let root = tempfile::tempdir().unwrap();
    let config: AdapterConfig = serde_json::from_value(adapter_config()).unwrap();
    config.save(root.path()).unwrap();
    let spec = TensorSpec::new(
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        Dtype::F32,
        [4, 2],
    );
    let path = root.path().join(ADAPTER_FILE);
    save_file::<WeightsError>(&path, &[spec], &std::collections::BTreeMap::new(), |_| {
        Ok(vec![0; 32].into())
    })
    .unwrap();
    let folder = AdapterFolder::open(root.path()).unwrap();
    assert_eq!(*folder.config(), config);
    let written: Value =
        serde_json::from_slice(&std::fs::read(root.path().join(ADAPTER_CONFIG)).unwrap()).unwrap();
    assert_eq!(
        (&written["peft_type"], &written["r"]),
        (&json!("LORA"), &json!(4))
    );
    for (key, value) in [
        ("bias", json!("all")),
        ("r", json!(0)),
        ("fan_in_fan_out", json!(true)),
    ] {
        let mut config = adapter_config();
        config[key] = value;
        save_json(root.path().join(ADAPTER_CONFIG), &config).unwrap();
        assert!(
            matches!(
                AdapterFolder::open(root.path()).unwrap_err(),
                WeightsError::Config { .. }
            ),
            "{key}"
        );
    }
}

#[test]
fn what_is_written_for_torch_is_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("non_lora_trainables.bin");
    let specs = [
        TensorSpec::new("base_model.model.model.norm.weight", Dtype::BF16, [6]),
        TensorSpec::new("matrix", Dtype::F32, [2, 3]),
        TensorSpec::new("scalar", Dtype::F16, []),
        TensorSpec::new("empty", Dtype::F32, [0, 4]),
    ];
    let bytes = |spec: &TensorSpec| -> Vec<u8> {
        (0..spec.byte_size().unwrap())
            .map(|i| u8::try_from(i % 7 * 9).unwrap())
            .collect()
    };
    save_torch::<WeightsError>(&path, &specs, |spec| Ok(bytes(spec).into())).unwrap();
    // A person with PyTorch can check the same file: `ST_KEEP=/tmp/x.bin cargo test -p st-weights`.
    if let Some(copy) = std::env::var_os("ST_KEEP") {
        std::fs::copy(&path, copy).unwrap();
    }
    let file = TorchFile::open(&path).unwrap();
    for spec in &specs {
        let view = file.view(&spec.name).unwrap();
        assert_eq!(
            (view.dtype(), view.shape(), view.data()),
            (spec.dtype, &spec.shape[..], &bytes(spec)[..])
        );
    }
    assert_eq!(file.names().count(), specs.len());
}
