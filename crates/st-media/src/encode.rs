//! Writing H.264 videos.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::software::scaling::{Context as Scaler, Flags};
use ffmpeg_next::{Dictionary, Packet, Rational, codec, encoder};
use serde::{Deserialize, Serialize};

use crate::{MediaError, ffmpeg_log};

/// Writes RGB frames as an H.264 mp4 (yuv420p, BT.601 limited range, constant rate factor). One thread and no time
/// stamps of the clock: the same frames give the same bytes.
///
/// The file appears under its name when [`VideoWriter::finish`] returns; until then it is `NAME.tmp` beside it, and is
/// removed when the writer is dropped unfinished.
pub struct VideoWriter {
    path: PathBuf,
    temporary: PathBuf,
    output: Option<Output>,
    encoder: encoder::video::Encoder,
    scaler: Scaler,
    rgb: Frame,
    yuv: Frame,
    /// Frame duration.
    time_base: Rational,
    frames: i64,
}

/// How a video is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EncodeOptions<'a> {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Frames per second as numerator and denominator.
    pub fps: (u32, u32),
    /// x264's constant rate factor, 0 (lossless) to 51; 23 is x264's default.
    pub crf: u8,
    /// Largest distance between key frames.
    pub gop: u32,
    /// x264's preset, from `ultrafast` to `placebo`.
    pub preset: &'a str,
}

impl EncodeOptions<'_> {
    /// x264's defaults (rate factor 23, key frames at most 250 apart) at a size and rate.
    #[must_use]
    pub fn new(width: u32, height: u32, fps: (u32, u32)) -> Self {
        Self {
            width,
            height,
            fps,
            crf: 23,
            gop: 250,
            preset: "medium",
        }
    }
}

impl VideoWriter {
    /// Opens `path` for writing.
    ///
    /// # Errors
    /// When a side is odd or 0, the rate is not positive, FFmpeg was built without libx264, or the folder is not
    /// writable.
    pub fn create(path: &Path, options: &EncodeOptions<'_>) -> Result<Self, MediaError> {
        ffmpeg_log::install();
        ffmpeg_log::clear();
        let failed = |reason: String| MediaError::Encode {
            path: path.to_owned(),
            reason,
        };
        let EncodeOptions {
            width, height, fps, ..
        } = *options;
        if width == 0 || height == 0 || width % 2 == 1 || height % 2 == 1 {
            return Err(failed(format!(
                "both sides must be even and above 0, not {width}x{height}"
            )));
        }
        let rate = (i32::try_from(fps.0), i32::try_from(fps.1));
        let (Ok(rate_up @ 1..), Ok(rate_down @ 1..)) = rate else {
            return Err(failed(format!("{}/{} is no frame rate", fps.0, fps.1)));
        };
        let temporary = temporary(path);
        let parts = open(&temporary, options, Rational::new(rate_down, rate_up));
        let (output, encoder) = parts.map_err(|error| failed(ffmpeg_log::take(error)))?;
        let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::BITEXACT;
        let scaler = Scaler::get(
            Pixel::RGB24,
            width,
            height,
            Pixel::YUV420P,
            width,
            height,
            flags,
        )
        .map_err(|error| failed(ffmpeg_log::take(error)))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            output: Some(output),
            encoder,
            scaler,
            rgb: Frame::new(Pixel::RGB24, width, height),
            yuv: Frame::new(Pixel::YUV420P, width, height),
            time_base: Rational::new(rate_down, rate_up),
            frames: 0,
        })
    }

    /// Appends one frame, `[height, width, 3]`.
    ///
    /// # Errors
    /// When the buffer has another size, or the disk is full.
    pub fn write(&mut self, rgb: &[u8]) -> Result<(), MediaError> {
        let (row, rows) = (3 * self.rgb.width() as usize, self.rgb.height() as usize);
        if rgb.len() != row * rows {
            return Err(self.failed(format!(
                "a frame has {} bytes, not {}",
                rgb.len(),
                row * rows
            )));
        }
        let stride = self.rgb.stride(0);
        for (to, from) in self
            .rgb
            .data_mut(0)
            .chunks_mut(stride)
            .zip(rgb.chunks_exact(row))
        {
            to[..row].copy_from_slice(from);
        }
        ffmpeg_log::clear();
        let result = self.scaler.run(&self.rgb, &mut self.yuv).and_then(|()| {
            self.yuv.set_pts(Some(self.frames));
            self.encoder.send_frame(&self.yuv)
        });
        self.frames += 1;
        result
            .and_then(|()| self.collect())
            .map_err(|error| self.failed(ffmpeg_log::take(error)))
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// When nothing was written or the disk is full.
    pub fn finish(mut self) -> Result<(), MediaError> {
        if self.frames == 0 {
            return Err(self.failed("a video needs at least one frame".to_owned()));
        }
        ffmpeg_log::clear();
        let end = self.encoder.send_eof().and_then(|()| self.collect());
        let end = end.and_then(|()| self.output.as_mut().map_or(Ok(()), Output::write_trailer));
        end.map_err(|error| self.failed(ffmpeg_log::take(error)))?;
        // Closes the file.
        self.output = None;
        let named = std::fs::File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&self.temporary, &self.path));
        named.map_err(|error| self.failed(error.to_string()))
    }

    fn collect(&mut self) -> Result<(), ffmpeg::Error> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            let Some(output) = &mut self.output else {
                return Ok(());
            };
            let stream = output
                .stream(0)
                .ok_or(ffmpeg::Error::StreamNotFound)?
                .time_base();
            packet.set_stream(0);
            packet.set_duration(1);
            packet.rescale_ts(self.time_base, stream);
            packet.write_interleaved(output)?;
        }
        Ok(())
    }

    fn failed(&self, reason: String) -> MediaError {
        MediaError::Encode {
            path: self.path.clone(),
            reason,
        }
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        self.output = None;
        // Gone already after a successful finish; nothing can be done about a failure here.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// The name of an unfinished file.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

fn open(
    path: &Path,
    options: &EncodeOptions<'_>,
    time_base: Rational,
) -> Result<(Output, encoder::video::Encoder), ffmpeg::Error> {
    let codec = encoder::find_by_name("libx264").ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut output = ffmpeg::format::output_as(path, "mp4")?;
    let mut context = codec::Context::new_with_codec(codec).encoder().video()?;
    context.set_width(options.width);
    context.set_height(options.height);
    context.set_format(Pixel::YUV420P);
    context.set_time_base(time_base);
    context.set_frame_rate(Some(time_base.invert()));
    context.set_gop(options.gop);
    context.set_threading(codec::threading::Config::count(1));
    // mp4 keeps the parameter sets in its header.
    context.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::BITEXACT);
    let crf = options.crf.to_string();
    // Without macroblock trees: on widths such as 160, x264's read memory that was never set, and equal frames give
    // unequal bytes.
    let settings: Dictionary<'_> = [
        ("crf", crf.as_str()),
        ("preset", options.preset),
        ("mbtree", "0"),
    ]
    .into_iter()
    .collect();
    let encoder = context.open_as_with(codec, settings)?;
    {
        let mut stream = output.add_stream(codec)?;
        stream.set_time_base(time_base);
        stream.set_avg_frame_rate(time_base.invert());
        stream.set_parameters(&encoder);
    }
    let muxer: Dictionary<'_> = [("fflags", "+bitexact"), ("movflags", "+faststart")]
        .into_iter()
        .collect();
    output.write_header_with(muxer)?;
    Ok((output, encoder))
}
