//! Writing a state dictionary so that `torch.load` reads it.
//!
//! The original's loader of adapters wants `non_lora_trainables.bin` and knows no other format. The file is the same kind of zip
//! archive, with a pickle that names nothing but tensors, so `torch.load(..., weights_only=True)` reads it too.

use std::borrow::Cow;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use safetensors::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{AtomicFile, TensorSpec, WeightsError};

/// Writes a `PyTorch` state dictionary, atomically; `data` is asked for the bytes of one tensor after another.
///
/// # Errors
///
/// If a type is not one of `F32`, `F16`, `BF16`, `data` fails or gives another number of bytes than the shape has, or writing
/// fails.
pub fn save_torch<'a, E: From<WeightsError>>(
    path: impl AsRef<Path>,
    specs: &[TensorSpec],
    mut data: impl FnMut(&TensorSpec) -> Result<Cow<'a, [u8]>, E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let pickle = state_dict(specs)?;
    let target = AtomicFile::create(path)?;
    let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 20, target.file()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true);
    let zip_fault = |error: zip::result::ZipError| WeightsError::Io(std::io::Error::other(error));
    let mut put = |name: String, bytes: &[u8]| -> Result<(), WeightsError> {
        archive.start_file(name, options).map_err(zip_fault)?;
        Ok(archive.write_all(bytes)?)
    };
    put("archive/data.pkl".to_owned(), &pickle)?;
    put("archive/byteorder".to_owned(), b"little")?;
    for (number, spec) in specs.iter().enumerate() {
        let bytes = data(spec)?;
        if spec.byte_size() != Some(bytes.len()) {
            let fault = format!("{} bytes for {} {:?}", bytes.len(), spec.dtype, spec.shape);
            return Err(WeightsError::Write {
                path: path.to_owned(),
                name: spec.name.clone(),
                fault,
            }
            .into());
        }
        put(format!("archive/data/{number}"), &bytes)?;
    }
    put("archive/version".to_owned(), b"3\n")?;
    let mut out = archive.finish().map_err(zip_fault)?;
    out.flush().map_err(WeightsError::from)?;
    drop(out);
    target.commit()?;
    Ok(())
}

/// The pickle of a dictionary of contiguous tensors, tensor `i` in storage `i`.
fn state_dict(specs: &[TensorSpec]) -> Result<Vec<u8>, WeightsError> {
    let mut out = vec![0x80, 2, b'}', b'('];
    for (number, spec) in specs.iter().enumerate() {
        let storage = match spec.dtype {
            Dtype::F32 => "FloatStorage",
            Dtype::F16 => "HalfStorage",
            Dtype::BF16 => "BFloat16Storage",
            dtype => {
                return Err(WeightsError::NotFloat {
                    name: spec.name.clone(),
                    dtype,
                });
            }
        };
        text(&mut out, &spec.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{storage}\n").bytes());
        text(&mut out, &number.to_string());
        text(&mut out, "cpu");
        let elements = spec.shape.iter().product();
        integer(&mut out, elements);
        // The storage; its offset; shape; stride; no gradient; no hooks.
        out.extend(b"tQ");
        integer(&mut out, 0);
        sizes(&mut out, spec.shape.iter().copied());
        sizes(&mut out, strides(&spec.shape));
        out.push(0x89);
        out.extend(b"ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    Ok(out)
}

fn strides(shape: &[usize]) -> impl Iterator<Item = usize> {
    (1..=shape.len()).map(|place| shape[place..].iter().product())
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'X');
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(value.bytes());
}

/// `LONG1` of eight bytes, which holds every size.
fn integer(out: &mut Vec<u8>, value: usize) {
    out.extend([0x8a, 8]);
    out.extend(i64::try_from(value).unwrap_or(i64::MAX).to_le_bytes());
}

fn sizes(out: &mut Vec<u8>, values: impl Iterator<Item = usize>) {
    out.push(b'(');
    for value in values {
        integer(out, value);
    }
    out.push(b't');
}
