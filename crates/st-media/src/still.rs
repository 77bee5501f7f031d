//! Single images, as Pillow's `convert("RGB")` sees them.

use std::path::Path;

use image::{ColorType, DynamicImage, ImageReader};
use st_schema::Frames;

use crate::{Limits, MediaError, Resizer, jpeg};

/// Start of image, start of the next marker.
const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// One frame.
    pub frames: Frames,
    /// Width in pixels before resizing.
    pub width: u32,
    /// Height in pixels before resizing.
    pub height: u32,
}

/// Loads the image at `path` as one frame, resized to `size` (width, height) when given.
///
/// As in the reference: EXIF orientation is not applied, alpha is dropped without blending, 16-bit gray is clipped to
/// 255, palettes are expanded.
///
/// # Errors
/// When the file cannot be read or is no image.
pub fn load_image(path: &Path, size: Option<(u32, u32)>) -> Result<Frames, MediaError> {
    Ok(load_still(path, size, &Limits::default())?.frames)
}

/// As [`load_image`], with limits and the image's own size.
///
/// # Errors
/// When the file cannot be read, is no image or exceeds the limit on pixels.
pub fn load_still(
    path: &Path,
    size: Option<(u32, u32)>,
    limits: &Limits,
) -> Result<Still, MediaError> {
    let bytes = std::fs::read(path).map_err(|source| MediaError::Read {
        path: path.to_owned(),
        source,
    })?;
    let failed = |error: &dyn std::fmt::Display| MediaError::Image {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let (width, height, rgb) = if bytes.starts_with(&JPEG_MAGIC) {
        let fits = |width, height| limits.check_size(path, width, height);
        jpeg::decode(&bytes, fits).map_err(|reason| match reason {
            jpeg::Failure::Size(error) => error,
            jpeg::Failure::Data(reason) => failed(&reason),
        })?
    } else {
        let reader = || ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format();
        let size = reader().map_err(|e| failed(&e))?.into_dimensions();
        let (width, height) = size.map_err(|e| failed(&e))?;
        limits.check_size(path, width, height)?;
        let image = reader()
            .map_err(|e| failed(&e))?
            .decode()
            .map_err(|e| failed(&e))?;
        (width, height, rgb_of(image))
    };
    let (out_width, out_height) = size.unwrap_or((width, height));
    let rgb = if (out_width, out_height) == (width, height) {
        rgb
    } else {
        let mut resized = Vec::new();
        Resizer::new((width, height), (out_width, out_height)).rgb(&rgb, &mut resized);
        resized
    };
    let frames = Frames {
        count: 1,
        height: out_height as usize,
        width: out_width as usize,
        rgb,
    };
    Ok(Still {
        frames,
        width,
        height,
    })
}

fn rgb_of(image: DynamicImage) -> Vec<u8> {
    match image.color() {
        ColorType::L16 => {
            let clipped = image.into_luma16().into_raw();
            clipped
                .into_iter()
                .flat_map(|v| [u8::try_from(v).unwrap_or(u8::MAX); 3])
                .collect()
        }
        // Pillow takes the high byte of deeper samples, `image` rounds.
        ColorType::Rgb16 => image
            .into_rgb16()
            .into_raw()
            .into_iter()
            .map(high_byte)
            .collect(),
        ColorType::Rgba16 => image
            .into_rgba16()
            .pixels()
            .flat_map(|p| [p[0], p[1], p[2]].map(high_byte))
            .collect(),
        ColorType::La16 => image
            .into_luma_alpha16()
            .pixels()
            .flat_map(|p| [high_byte(p[0]); 3])
            .collect(),
        _ => image.into_rgb8().into_raw(),
    }
}

fn high_byte(value: u16) -> u8 {
    value.to_be_bytes()[0]
}
