//! `TensorBoard` event files: `TFRecord` frames around the few protobuf fields that a scalar needs.
//!
//! The crates that write them bring a protobuf runtime, an image stack and their own file names; four fields and a checksum are
//! less than their glue.

use std::io::Write;
use std::path::Path;

use fs_err as fs;

/// One event file.
#[derive(Debug)]
pub struct Events {
    file: fs::File,
}

impl Events {
    /// A new event file in `folder`; `TensorBoard` reads several in time order, later steps replacing earlier ones.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(folder: &Path) -> std::io::Result<Self> {
        let now = seconds();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a date"
        )]
        let name = format!(
            "events.out.tfevents.{:010}.{}",
            now as u64,
            std::process::id()
        );
        let mut file = fs::File::create(folder.join(name))?;
        let mut event = Vec::new();
        double(&mut event, 1, now);
        bytes(&mut event, 3, b"brain.Event:2");
        file.write_all(&framed(&event))?;
        Ok(Self { file })
    }

    /// Writes scalars of one step.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> std::io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, tag.as_bytes());
            #[expect(clippy::cast_possible_truncation, reason = "the format holds f32")]
            float(&mut entry, 2, *value as f32);
            bytes(&mut summary, 1, &entry);
        }
        let mut event = Vec::new();
        double(&mut event, 1, seconds());
        key(&mut event, 2, 0);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.file.write_all(&framed(&event))
    }
}

fn seconds() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// Length, its masked CRC-32C, the data, its masked CRC-32C.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
    out
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 with the Castagnoli polynomial, reflected.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn float(out: &mut Vec<u8>, field: u64, value: f32) {
    key(out, field, 5);
    out.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_castagnoli() {
        // The check value of CRC-32C in RFC 3720, and the RFC's 32 zero bytes.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_scalar_event_has_the_protobuf_fields() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create(dir.path()).unwrap();
        events.scalars(300, &[("loss".to_owned(), 0.5)]).unwrap();
        let path = fs::read_dir(dir.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let data = fs::read(path).unwrap();
        let first = usize::from(data[0]) + 16;
        let event = &data[first + 12..data.len() - 4];
        assert_eq!(&event[9..12], [0x10, 0xac, 0x02]);
        assert_eq!(
            &event[12..],
            [
                b"\x2a\x0d\x0a\x0b\x0a\x04loss\x15".as_slice(),
                &0.5_f32.to_le_bytes()
            ]
            .concat()
        );
    }
}
