//! Decoded pictures as a plain buffer.

/// Pictures of one size, `rgb` laid out `[count, height, width, 3]` in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// How many pictures.
    pub count: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `count * height * width * 3` bytes, red, green, blue.
    pub rgb: Vec<u8>,
}

/// Why a buffer is not what its sizes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramesError {
    /// The buffer's length does not fit the sizes.
    #[error("{count} frames of {width}x{height} need {expected} bytes, the buffer has {found}")]
    Length {
        /// Pictures.
        count: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Bytes needed (saturating).
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

impl Frames {
    /// Checks the buffer's length against the sizes.
    ///
    /// # Errors
    /// When `rgb` is not `count * height * width * 3` bytes long.
    pub fn new(
        count: usize,
        height: usize,
        width: usize,
        rgb: Vec<u8>,
    ) -> Result<Self, FramesError> {
        let expected = count
            .saturating_mul(height)
            .saturating_mul(width)
            .saturating_mul(3);
        if rgb.len() == expected {
            Ok(Self {
                count,
                height,
                width,
                rgb,
            })
        } else {
            Err(FramesError::Length {
                count,
                height,
                width,
                expected,
                found: rgb.len(),
            })
        }
    }

    /// The bytes of picture `index`, `[height, width, 3]`.
    ///
    /// # Panics
    /// When `index >= count`.
    #[must_use]
    pub fn frame(&self, index: usize) -> &[u8] {
        let size = self.height * self.width * 3;
        &self.rgb[index * size..(index + 1) * size]
    }
}
