//! Frames to JPEG and back.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{FrameEncoder, ShardError};

/// Encodes one RGB frame (`[height, width, 3]`) as a baseline JPEG with 4:2:0 chroma and fixed Huffman tables.
///
/// `quality` is 1 to 100 on libjpeg's scale. The same input gives the same bytes. For many frames of one size use
/// [`FrameEncoder`].
///
/// # Errors
/// When the buffer does not fit the size, or a side is 0 or above 65535.
pub fn encode(rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, ShardError> {
    FrameEncoder::new(width, height, quality)?.encode(rgb)
}

/// Longest side of any JPEG.
const LONGEST: usize = 65_535;

/// Decodes a JPEG into `rgb`, which must be of `width` x `height` x 3 bytes.
///
/// # Errors
/// When the bytes are no JPEG or one of another size.
pub fn decode(jpeg: &[u8], width: usize, height: usize, rgb: &mut [u8]) -> Result<(), ShardError> {
    let failed = |error: &dyn std::fmt::Display| ShardError::Jpeg(error.to_string());
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(LONGEST)
        .set_max_height(LONGEST);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(|error| failed(&error))?;
    let found = decoder
        .info()
        .map(|info| (usize::from(info.width), usize::from(info.height)));
    if found != Some((width, height)) {
        let (wide, high) = found.unwrap_or_default();
        return Err(ShardError::Jpeg(format!(
            "the picture is {wide}x{high}, not {width}x{height}"
        )));
    }
    decoder.decode_into(rgb).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Vec<u8> {
        let pixel = |x: u32, y: u32| [(x * 2).to_le_bytes()[0], (y * 2).to_le_bytes()[0], 128];
        (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
            .collect()
    }

    #[test]
    fn a_smooth_picture_survives() {
        let (width, height) = (126, 98);
        let rgb = gradient(width, height);
        let jpeg = encode(&rgb, width, height, 95).unwrap();
        assert_eq!(jpeg, encode(&rgb, width, height, 95).unwrap());
        let mut back = vec![0; rgb.len()];
        decode(&jpeg, width as usize, height as usize, &mut back).unwrap();
        let worst = rgb
            .iter()
            .zip(&back)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(worst <= 6, "{worst}");
    }

    #[test]
    fn damage_and_wrong_sizes_are_errors() {
        let jpeg = encode(&gradient(32, 16), 32, 16, 90).unwrap();
        let mut rgb = vec![0; 32 * 16 * 3];
        assert!(decode(&jpeg, 16, 32, &mut rgb).is_err());
        assert!(decode(&jpeg[..40], 32, 16, &mut rgb).is_err());
        assert!(decode(b"no picture", 32, 16, &mut rgb).is_err());
    }
}
