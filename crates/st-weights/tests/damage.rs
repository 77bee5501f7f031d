//! A folder in the shape of the published model, and every way in which it can be damaged.
//!
//! Names and shapes are those of LLaVA-ST-Qwen2-7B with fewer layers and a narrower feed-forward part, so that the files stay small.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use st_weights::{
    Dtype, INDEX_FILE, ModelFolder, SINGLE_FILE, SafetensorsFile, TensorSpec, WeightsError,
    save_file, save_folder, save_json, to_f32,
};

type Shapes = BTreeMap<String, Vec<usize>>;

/// A few published names; sizes are cut.
fn shapes() -> Shapes {
    let mut shapes = Shapes::from([
        ("model.embed_tokens.weight".to_owned(), vec![500, 64]),
        ("model.norm.weight".to_owned(), vec![64]),
        ("lm_head.weight".to_owned(), vec![500, 64]),
        ("model.mm_projector.0.weight".to_owned(), vec![64, 32]),
        ("temporal_input_embeddings.weight".to_owned(), vec![100, 64]),
    ]);
    for layer in 0..3 {
        let name = format!("model.layers.{layer}");
        shapes.insert(format!("{name}.self_attn.q_proj.weight"), vec![64, 64]);
        shapes.insert(format!("{name}.self_attn.q_proj.bias"), vec![64]);
        shapes.insert(format!("{name}.mlp.down_proj.weight"), vec![64, 128]);
    }
    shapes
}

fn specs(shapes: &Shapes, dtype: Dtype) -> Vec<TensorSpec> {
    shapes
        .iter()
        .map(|(name, shape)| TensorSpec::new(name.as_str(), dtype, shape.clone()))
        .collect()
}

/// The bytes of a tensor: a function of its name, in a value that every float type holds exactly.
fn bytes(spec: &TensorSpec) -> Vec<u8> {
    let count: usize = spec.shape.iter().product();
    let seed = spec.name.len();
    let values: Vec<f32> = (0..count)
        .map(|i| f32::from(u8::try_from((i * 7 + seed) % 200).unwrap()))
        .collect();
    st_weights::from_f32(&spec.name, &values, spec.dtype).unwrap()
}

fn write(dir: &Path, dtype: Dtype, max_shard: usize) {
    let config = json!({"architectures": ["LlavaQwenForCausalLM"]});
    let specs = specs(&shapes(), dtype);
    save_folder::<WeightsError>(dir, &config, None, &specs, max_shard, |spec| {
        Ok(Cow::Owned(bytes(spec)))
    })
    .unwrap();
}

/// A sharded folder under a fresh temporary one, which is removed with the returned handle.
fn sharded() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    write(&dir, Dtype::BF16, 40_000);
    (root, dir)
}

fn shard_names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "safetensors")
        })
        .collect();
    names.sort();
    names
}

fn edit_index(dir: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join(INDEX_FILE);
    let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(index["weight_map"].as_object_mut().unwrap());
    save_json(&path, &index).unwrap();
}

/// Replaces the header of a file, keeping its data.
fn edit_header(path: &Path, edit: impl FnOnce(&mut Value)) {
    let file = std::fs::read(path).unwrap();
    let length = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    edit(&mut header);
    let text = serde_json::to_vec(&header).unwrap();
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(&text);
    out.extend(&file[8 + length..]);
    std::fs::write(path, out).unwrap();
}

fn first_tensor(header: &Value) -> String {
    let tensors = header.as_object().unwrap();
    tensors
        .keys()
        .find(|name| *name != "__metadata__" && tensors[*name]["data_offsets"][0] == 0)
        .unwrap()
        .clone()
}

fn refused(dir: &Path) -> WeightsError {
    ModelFolder::open(dir).expect_err("the folder is damaged")
}

#[test]
fn what_is_saved_is_read_in_every_float_type() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        for max_shard in [usize::MAX, 40_000, 1] {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("model");
            write(&dir, dtype, max_shard);
            assert_eq!(dir.join(SINGLE_FILE).exists(), max_shard == usize::MAX);
            let folder = ModelFolder::open(&dir).unwrap();
            folder.check(&shapes()).unwrap();
            for spec in specs(&shapes(), dtype) {
                let view = folder.view(&spec.name).unwrap();
                assert_eq!(
                    (view.dtype(), view.shape(), view.data()),
                    (dtype, &spec.shape[..], &bytes(&spec)[..])
                );
                let wide = to_f32(&spec.name, &view).unwrap();
                assert_eq!(
                    st_weights::from_f32(&spec.name, &wide, dtype).unwrap(),
                    bytes(&spec)
                );
            }
        }
    }
}

#[test]
fn bytes_do_not_depend_on_the_order_given() {
    let root = tempfile::tempdir().unwrap();
    let mut list = specs(&shapes(), Dtype::F32);
    let (a, b) = (
        root.path().join("a.safetensors"),
        root.path().join("b.safetensors"),
    );
    let write = |path: &Path, list: &[TensorSpec]| {
        save_file::<WeightsError>(path, list, &BTreeMap::new(), |spec| {
            Ok(Cow::Owned(bytes(spec)))
        })
        .unwrap();
    };
    write(&a, &list);
    list.reverse();
    write(&b, &list);
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
}

#[test]
fn missing_unexpected_misshapen_and_wrong_dtype_are_named_together() {
    let (_root, dir) = sharded();
    let mut needed = shapes();
    needed.insert("model.layers.3.mlp.up_proj.weight".to_owned(), vec![2]);
    needed.remove("model.norm.weight");
    needed.insert("lm_head.weight".to_owned(), vec![501, 64]);
    let message = ModelFolder::open(&dir)
        .unwrap()
        .check(&needed)
        .unwrap_err()
        .to_string();
    for part in [
        "1 missing: `model.layers.3.mlp.up_proj.weight`",
        "1 unexpected: `model.norm.weight`",
        "`lm_head.weight` is [500, 64] where the model has [501, 64]",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let (_root, dir) = sharded();
    let integers = TensorSpec::new("model.norm.weight", Dtype::I32, [64]);
    let single = dir.join("model-00009-of-00009.safetensors");
    save_file::<WeightsError>(&single, &[integers], &BTreeMap::new(), |_| {
        Ok(Cow::Owned(vec![0; 256]))
    })
    .unwrap();
    edit_index(&dir, |map| {
        map["model.norm.weight"] = "model-00009-of-00009.safetensors".into();
    });
    // The shard that held the tensor before still does, which the index no longer says.
    assert!(matches!(refused(&dir), WeightsError::IndexUnlisted { .. }));
}

#[test]
fn integers_are_a_wrong_dtype() {
    let root = tempfile::tempdir().unwrap();
    let list = [TensorSpec::new("model.norm.weight", Dtype::I32, [64])];
    let dir = root.path().join("model");
    save_folder::<WeightsError>(&dir, &json!({}), None, &list, usize::MAX, |_| {
        Ok(Cow::Owned(vec![0; 256]))
    })
    .unwrap();
    let needed = Shapes::from([("model.norm.weight".to_owned(), vec![64])]);
    let folder = ModelFolder::open(&dir).unwrap();
    let message = folder.check(&needed).unwrap_err().to_string();
    assert!(message.contains("`model.norm.weight` (I32)"), "{message}");
    assert!(to_f32("x", &folder.view("model.norm.weight").unwrap()).is_err());
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let (_root, dir) = sharded();
    let path = shard_names(&dir).remove(0);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, 7, 8, 9, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refused(&dir);
        let good = matches!(
            error,
            WeightsError::Header { .. }
                | WeightsError::DataLength { .. }
                | WeightsError::HeaderJson { .. }
        );
        assert!(good, "{length}: {error}");
        assert!(
            error
                .to_string()
                .contains(path.file_name().unwrap().to_str().unwrap()),
            "{error}"
        );
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&path, longer).unwrap();
    assert!(matches!(refused(&dir), WeightsError::DataLength { .. }));
}

#[test]
fn a_header_length_that_lies_is_refused_without_allocating() {
    let (_root, dir) = sharded();
    let path = shard_names(&dir).remove(0);
    let whole = std::fs::read(&path).unwrap();
    for lie in [
        u64::MAX,
        u64::MAX - 8,
        1 << 40,
        200_000_000,
        whole.len() as u64,
    ] {
        let mut file = whole.clone();
        file[..8].copy_from_slice(&lie.to_le_bytes());
        std::fs::write(&path, file).unwrap();
        assert!(matches!(refused(&dir), WeightsError::Header { header, .. } if header == lie));
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    for (edit, expected) in [
        (json!({"shape": [64, 64, 64]}), "cannot lie in bytes"),
        (
            json!({"shape": [u64::MAX, u64::MAX]}),
            "cannot lie in bytes",
        ),
        (json!({"dtype": "F32"}), "cannot lie in bytes"),
        (json!({"dtype": "COMPLEX"}), "unknown dtype `COMPLEX`"),
        (
            json!({"data_offsets": [0, u64::MAX]}),
            "cannot lie in bytes",
        ),
        (json!({"data_offsets": [8, 0]}), "overlap or leave a hole"),
        (json!({"data_offsets": [4, 8]}), "overlap or leave a hole"),
        (json!({"shape": [-1]}), "not valid JSON"),
        (json!({"surprise": 1}), "not valid JSON"),
    ] {
        let (_root, dir) = sharded();
        let path = shard_names(&dir).remove(0);
        edit_header(&path, |header| {
            let name = first_tensor(header);
            for (key, value) in edit.as_object().unwrap() {
                header[&name][key] = value.clone();
            }
        });
        let message = refused(&dir).to_string();
        assert!(message.contains(expected), "{edit}: {message}");
    }
}

#[test]
fn overlapping_tensors_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.safetensors");
    let header = br#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0; 6]);
    std::fs::write(&path, &file).unwrap();
    let error = SafetensorsFile::open(&path).unwrap_err();
    assert!(
        matches!(error, WeightsError::Offset { ref name, start: 2, expected: 4, .. } if name == "b"),
        "{error}"
    );
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.safetensors");
    let header = br#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0; 4]);
    std::fs::write(&path, &file).unwrap();
    assert!(matches!(
        SafetensorsFile::open(&path).unwrap_err(),
        WeightsError::HeaderJson { .. }
    ));
}

#[test]
fn an_index_cannot_leave_the_folder() {
    for path in [
        "../model.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "..",
        ".",
        "",
        "a\\b.safetensors",
        "x.bin",
    ] {
        let (_root, dir) = sharded();
        edit_index(&dir, |map| {
            map["lm_head.weight"] = path.into();
        });
        let error = refused(&dir);
        assert!(
            matches!(error, WeightsError::IndexPath { ref file, .. } if file == path),
            "{path}: {error}"
        );
    }
}

#[test]
fn an_index_that_disagrees_with_its_shards_is_refused() {
    let (_root, dir) = sharded();
    edit_index(&dir, |map| {
        map.remove("model.norm.weight");
    });
    assert!(
        matches!(refused(&dir), WeightsError::IndexUnlisted { ref name, .. } if name == "model.norm.weight")
    );

    let (_root, dir) = sharded();
    let shard = shard_names(&dir)
        .remove(0)
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    edit_index(&dir, |map| {
        map.insert("model.extra.weight".to_owned(), shard.into());
    });
    assert!(
        matches!(refused(&dir), WeightsError::IndexAbsent { ref name, .. } if name == "model.extra.weight")
    );

    let (_root, dir) = sharded();
    std::fs::remove_file(shard_names(&dir).remove(1)).unwrap();
    let message = refused(&dir).to_string();
    assert!(message.contains("model-00002-of-"), "{message}");
}

#[test]
fn an_empty_folder_says_what_it_lacks() {
    let root = tempfile::tempdir().unwrap();
    assert!(refused(root.path()).to_string().contains("config.json"));
    std::fs::write(root.path().join("config.json"), "{").unwrap();
    assert!(matches!(refused(root.path()), WeightsError::Json { .. }));
    std::fs::write(root.path().join("config.json"), "{}").unwrap();
    assert!(matches!(
        refused(root.path()),
        WeightsError::NoWeights { .. }
    ));
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    let list = specs(&shapes(), Dtype::F32);
    let mut count = 0;
    let result = save_folder::<WeightsError>(&dir, &json!({}), None, &list, 40_000, |spec| {
        count += 1;
        Ok(Cow::Owned(if count == 5 { vec![0] } else { bytes(spec) }))
    });
    assert!(matches!(result, Err(WeightsError::Write { .. })));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);

    write(&dir, Dtype::F32, usize::MAX);
    let again = save_folder::<WeightsError>(&dir, &json!({}), None, &list, 1, |spec| {
        Ok(Cow::Owned(bytes(spec)))
    });
    assert!(matches!(again, Err(WeightsError::Exists { .. })));
    ModelFolder::open(&dir).unwrap().check(&shapes()).unwrap();
}
