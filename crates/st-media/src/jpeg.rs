//! JPEG files to RGB with libjpeg, bit for bit as Pillow sees them.
//!
//! The pure Rust decoders are up to 7 grey levels away from libjpeg (other chroma interpolation and inverse transform),
//! more than the goldens allow.

use mozjpeg::{ColorSpace, Decompress};

use crate::MediaError;

/// Why a JPEG was refused.
pub(crate) enum Failure {
    /// Its size was.
    Size(MediaError),
    /// Its data are damaged.
    Data(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Data(error.to_string())
    }
}

/// Decodes to (width, height, `[height, width, 3]`); `fits` may refuse the size before anything is allocated.
pub(crate) fn decode(
    bytes: &[u8],
    fits: impl Fn(u32, u32) -> Result<(), MediaError>,
) -> Result<(u32, u32, Vec<u8>), Failure> {
    if !has_end(bytes) {
        return Err(Failure::Data("the JPEG is cut off".to_owned()));
    }
    // libjpeg reports fatal errors by unwinding out of C code compiled for that.
    let decoded =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode_whole(bytes, &fits)));
    decoded.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::Data(
            text.unwrap_or_else(|| "libjpeg gave up".to_owned()),
        ))
    })
}

fn decode_whole(
    bytes: &[u8],
    fits: &impl Fn(u32, u32) -> Result<(), MediaError>,
) -> Result<(u32, u32, Vec<u8>), Failure> {
    let decoder = Decompress::new_mem(bytes)?;
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let (width, height) = (side(decoder.width()), side(decoder.height()));
    fits(width, height).map_err(Failure::Size)?;
    if matches!(
        decoder.color_space(),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK
    ) {
        let mut started = decoder.to_colorspace(ColorSpace::JCS_CMYK)?;
        let inks: Vec<[u8; 4]> = started.read_scanlines()?;
        started.finish()?;
        return Ok((
            width,
            height,
            inks.into_iter().flat_map(rgb_of_inverted_cmyk).collect(),
        ));
    }
    let mut started = decoder.rgb()?;
    let pixels: Vec<[u8; 3]> = started.read_scanlines()?;
    started.finish()?;
    Ok((width, height, pixels.into_flattened()))
}

/// Pillow takes the inks of every CMYK JPEG as inverted (Adobe's way) and mixes them without a colour profile.
fn rgb_of_inverted_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| {
        let (ink, light) = (u32::from(255 - ink), u32::from(k));
        let product = ink * light + 128;
        let product = ((product >> 8) + product) >> 8;
        u8::try_from(light.saturating_sub(product)).unwrap_or(0)
    })
}

/// Whether an end-of-image marker follows the last start-of-scan marker; libjpeg would fill the rest with grey.
fn has_end(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    match (last([0xff, 0xda]), last([0xff, 0xd9])) {
        (Some(scan), Some(end)) => end > scan,
        _ => false,
    }
}
