//! A decoded picture and its way to RGB.

#![expect(
    clippy::inline_always,
    reason = "rows must be compiled within the caller's vector instructions"
)]

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::software::scaling::{Context as Scaler, Flags};
use ffmpeg_next::util::color::{Range, Space};

use crate::color::{ChromaRow, YuvToRgb, matrix};
use crate::resize::Order;
use crate::{MediaError, Orientation, Resizer};

/// A picture as the decoder gave it: planes in the stream's pixel format, not yet turned as it is displayed.
pub struct Picture<'a> {
    frame: &'a Frame,
    orientation: Orientation,
    path: &'a Path,
}

impl<'a> Picture<'a> {
    pub(crate) fn new(frame: &'a Frame, orientation: Orientation, path: &'a Path) -> Self {
        Self {
            frame,
            orientation,
            path,
        }
    }

    /// Stored width and height in pixels, before turning.
    #[must_use]
    pub fn stored_size(&self) -> (u32, u32) {
        (self.frame.width(), self.frame.height())
    }

    /// Displayed width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.orientation
            .displayed(self.frame.width(), self.frame.height())
    }

    /// The decoder's planes one after the other, rows without padding (for yuv420p: Y, U, V).
    #[must_use]
    pub fn planes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for plane in 0..self.frame.planes() {
            let (width, height) = self.plane_size(plane);
            for row in self
                .frame
                .data(plane)
                .chunks(self.frame.stride(plane))
                .take(height)
            {
                bytes.extend_from_slice(&row[..width.min(row.len())]);
            }
        }
        bytes
    }

    /// The picture in RGB as it is displayed, `[height, width, 3]`, at its own size.
    ///
    /// # Errors
    /// When FFmpeg cannot convert the pixel format.
    pub fn rgb(&self) -> Result<Vec<u8>, MediaError> {
        let mut rgb = Vec::new();
        Shaper::new(None).shape(self, Order::Pixels, &mut rgb)?;
        Ok(rgb)
    }

    /// Bytes in a row and rows of a plane.
    fn plane_size(&self, plane: usize) -> (usize, usize) {
        let wide = match self.frame.format().descriptor() {
            Some(descriptor) if plane == 1 || plane == 2 => {
                (descriptor.log2_chroma_w(), descriptor.log2_chroma_h())
            }
            _ => (0, 0),
        };
        let width = (self.frame.width() as usize).div_ceil(1 << wide.0);
        let height = (self.frame.height() as usize).div_ceil(1 << wide.1);
        (width * self.bytes_per_sample(), height)
    }

    fn bytes_per_sample(&self) -> usize {
        let name = self
            .frame
            .format()
            .descriptor()
            .map_or("", |descriptor| descriptor.name());
        if name.ends_with("le") || name.ends_with("be") {
            2
        } else {
            1
        }
    }

    fn is_full_range(&self) -> bool {
        self.frame.color_range() == Range::JPEG || is_jpeg_format(self.frame.format())
    }
}

fn is_jpeg_format(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P | Pixel::YUVJ411P
    )
}

/// Turns pictures into RGB, turned as displayed, resized when a size is given. Keeps its tables between pictures.
#[derive(Default)]
pub(crate) struct Shaper {
    size: Option<(u32, u32)>,
    resizer: Option<(Resizer, (u32, u32))>,
    chroma: ChromaRow,
    scaler: Option<(Scaler, Frame, Key)>,
    unturned: Vec<u8>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
struct Key {
    format: Pixel,
    size: (u32, u32),
    space: Space,
    full_range: bool,
}

impl Shaper {
    pub(crate) fn new(size: Option<(u32, u32)>) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// Appends the RGB bytes of `picture` to `out`, laid as `order` says, and returns their width and height.
    pub(crate) fn shape(
        &mut self,
        picture: &Picture<'_>,
        order: Order,
        out: &mut Vec<u8>,
    ) -> Result<(u32, u32), MediaError> {
        let shown = picture.size();
        let size = self.size.unwrap_or(shown);
        let planar = matches!(picture.frame.format(), Pixel::YUV420P | Pixel::YUVJ420P);
        self.prepare(shown, size);
        if planar && picture.orientation.is_upright() {
            self.shape_planar(picture, order, out);
            return Ok(size);
        }
        let (width, height) = picture.stored_size();
        let mut rgb = std::mem::take(&mut self.unturned);
        rgb.clear();
        if planar {
            rgb_of_planar(picture, &mut self.chroma, &mut rgb);
        } else {
            self.convert(picture, &mut rgb)?;
        }
        let turned = (!picture.orientation.is_upright()).then(|| {
            picture
                .orientation
                .apply(&rgb, width as usize, height as usize)
        });
        let upright = turned.as_deref().unwrap_or(&rgb);
        match &mut self.resizer {
            Some((resizer, _)) => resizer.rgb_as(order, upright, out),
            None => append(upright, order, out),
        }
        self.unturned = rgb;
        Ok(size)
    }

    fn prepare(&mut self, input: (u32, u32), output: (u32, u32)) {
        if input == output {
            self.resizer = None;
        } else if self.resizer.as_ref().is_none_or(|(_, of)| *of != input) {
            self.resizer = Some((Resizer::new(input, output), input));
        }
    }

    fn shape_planar(&mut self, picture: &Picture<'_>, order: Order, out: &mut Vec<u8>) {
        let Some((resizer, _)) = &mut self.resizer else {
            self.unturned.clear();
            rgb_of_planar(picture, &mut self.chroma, &mut self.unturned);
            append(&self.unturned, order, out);
            return;
        };
        let rows = PlanarRows::new(picture);
        let chroma = &mut self.chroma;
        resizer.planar(
            order,
            out,
            #[inline(always)]
            |y, row| {
                let (luma, u, v) = rows.at(y);
                rows.factors.row(luma, u, v, chroma, row);
            },
        );
    }

    /// Any other format: swscale at the picture's own size, with its slow and exact settings.
    fn convert(&mut self, picture: &Picture<'_>, out: &mut Vec<u8>) -> Result<(), MediaError> {
        let frame = picture.frame;
        let key = Key {
            format: frame.format(),
            size: picture.stored_size(),
            space: frame.color_space(),
            full_range: picture.is_full_range(),
        };
        let failed = |error: ffmpeg::Error| MediaError::PixelFormat {
            path: picture.path.to_owned(),
            format: frame
                .format()
                .descriptor()
                .map_or("unknown", |d| d.name())
                .to_owned(),
            reason: crate::ffmpeg_log::take(error),
        };
        if self.scaler.as_ref().is_none_or(|(_, _, of)| *of != key) {
            self.scaler = Some((scaler(key).map_err(failed)?, Frame::empty(), key));
        }
        let Some((scaler, rgb, _)) = &mut self.scaler else {
            return Ok(());
        };
        scaler.run(frame, rgb).map_err(failed)?;
        let width = 3 * key.size.0 as usize;
        for row in rgb.data(0).chunks(rgb.stride(0)).take(key.size.1 as usize) {
            out.extend_from_slice(&row[..width]);
        }
        Ok(())
    }
}

fn scaler(key: Key) -> Result<Scaler, ffmpeg::Error> {
    let (width, height) = key.size;
    let flags = Flags::BICUBIC | Flags::FULL_CHR_H_INT | Flags::ACCURATE_RND | Flags::BITEXACT;
    let mut scaler = Scaler::get(
        key.format,
        width,
        height,
        Pixel::RGB24,
        width,
        height,
        flags,
    )?;
    let table = matrix(key.space);
    let unity = 1 << 16;
    #[expect(
        unsafe_code,
        reason = "matrix and range can be set through FFmpeg's C interface only"
    )]
    // SAFETY: the context is open; both tables hold the four numbers that FFmpeg copies.
    unsafe {
        ffmpeg::ffi::sws_setColorspaceDetails(
            scaler.as_mut_ptr(),
            table.as_ptr(),
            i32::from(key.full_range),
            table.as_ptr(),
            1,
            0,
            unity,
            unity,
        );
    }
    Ok(scaler)
}

/// The planes of a 4:2:0 picture, row by row.
struct PlanarRows<'a> {
    planes: [(&'a [u8], usize); 3],
    factors: YuvToRgb,
}

impl<'a> PlanarRows<'a> {
    fn new(picture: &Picture<'a>) -> Self {
        let frame = picture.frame;
        Self {
            planes: [0, 1, 2].map(|plane| (frame.data(plane), frame.stride(plane))),
            factors: YuvToRgb::new(matrix(frame.color_space()), picture.is_full_range()),
        }
    }

    #[inline(always)]
    fn at(&self, y: usize) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let row = |plane: usize, y: usize| {
            let (data, stride) = self.planes[plane];
            &data[stride * y..]
        };
        (row(0, y), row(1, y / 2), row(2, y / 2))
    }
}

/// Appends pixels, `[height, width, 3]`, laid as `order` says.
fn append(rgb: &[u8], order: Order, out: &mut Vec<u8>) {
    match order {
        Order::Pixels => out.extend_from_slice(rgb),
        Order::Planes => {
            for color in 0..3 {
                out.extend(rgb.iter().skip(color).step_by(3));
            }
        }
    }
}

fn rgb_of_planar(picture: &Picture<'_>, chroma: &mut ChromaRow, out: &mut Vec<u8>) {
    let (width, height) = picture.stored_size();
    let (width, height) = (width as usize, height as usize);
    let rows = PlanarRows::new(picture);
    let mut planar = vec![0; 3 * width];
    for y in 0..height {
        let (red, rest) = planar.split_at_mut(width);
        let (green, blue) = rest.split_at_mut(width);
        let (luma, u, v) = rows.at(y);
        rows.factors.row(
            luma,
            u,
            v,
            chroma,
            crate::color::PlanarRow { red, green, blue },
        );
        out.extend((0..width).flat_map(|x| [planar[x], planar[width + x], planar[2 * width + x]]));
    }
}
