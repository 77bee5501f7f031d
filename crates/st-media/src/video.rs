//! A video file whose frames can be taken by number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Dictionary, Packet, codec, decoder, media};
use serde::{Deserialize, Serialize};

use crate::index::{PacketIndex, PacketInfo, Run, declared_packets};
use crate::probe::{Probe, Truncation};
use crate::{MediaError, Orientation, Picture, ffmpeg_log};

/// What one file may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Pixels in a frame, inclusive.
    pub pixels: u64,
    /// Time for reading and decoding one file; no limit when absent.
    pub time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels: 1 << 26,
            time: None,
        }
    }
}

impl Limits {
    pub(crate) fn check_time(&self, path: &Path, begun: Instant) -> Result<(), MediaError> {
        match self.time {
            Some(limit) if begun.elapsed() > limit => Err(MediaError::TooSlow {
                path: path.to_owned(),
                seconds: limit.as_secs_f64(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_size(
        &self,
        path: &Path,
        width: u32,
        height: u32,
    ) -> Result<(), MediaError> {
        if u64::from(width) * u64::from(height) > self.pixels {
            return Err(MediaError::TooLarge {
                path: path.to_owned(),
                width,
                height,
                limit: self.pixels,
            });
        }
        Ok(())
    }
}

/// How frames are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// One frame for each shown packet, in order of time.
    Packets,
    /// The container's times cannot be relied on: frames were counted by decoding all of them.
    Decoded(u64),
}

/// A video file, indexed: [`Video::visit`] hands out frames by number.
pub struct Video {
    path: PathBuf,
    limits: Limits,
    begun: Instant,
    stream: usize,
    time_base: f64,
    numbering: Numbering,
    index: PacketIndex,
    probe: Probe,
    /// Open file and unused decoder, kept for the first pass.
    opened: Option<(Input, decoder::Video)>,
}

impl std::fmt::Debug for Video {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("Video");
        text.field("path", &self.path).field("probe", &self.probe);
        text.finish_non_exhaustive()
    }
}

/// Frames that were wanted and did not come, each with FFmpeg's reason.
pub(crate) type Lost = BTreeMap<u64, String>;

impl Video {
    /// Opens `path` and reads all its packets once. The clock of [`Limits::time`] starts here.
    ///
    /// # Errors
    /// When the file cannot be read, has no video stream, no decoder or no frame, or exceeds `limits`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, MediaError> {
        let begun = Instant::now();
        let mut input = open_input(path)?;
        let stream = choose_stream(&input).ok_or_else(|| MediaError::NoVideo {
            path: path.to_owned(),
        })?;
        let decoder = open_decoder(path, &input, stream)?;
        let (width, height, codec) = (decoder.width(), decoder.height(), codec_name(&decoder));
        limits.check_size(path, width, height)?;
        let index = PacketIndex::read(path, &mut input, stream, limits, begun)?;
        let reliable =
            has_reliable_times(input.format().name(), &codec) && index.has_distinct_times();
        let (orientation, fps, time_base) = facts(&input, stream);
        let (width, height) = orientation.displayed(width, height);
        let declared = declared_packets(&input, stream);
        let mut video = Self {
            path: path.to_owned(),
            limits: limits.clone(),
            begun,
            stream,
            time_base,
            numbering: Numbering::Packets,
            index,
            probe: Probe {
                codec,
                width,
                height,
                orientation,
                frames: 0,
                fps,
                duration: 0.0,
                truncation: None,
            },
            opened: Some((input, decoder)),
        };
        if !reliable {
            video.numbering = Numbering::Decoded(video.count()?);
        }
        video.complete_probe(declared)?;
        Ok(video)
    }

    /// Facts about the stream.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Hands the wanted frames (ascending, no repeats) to `each` as (frame number, seconds since the first frame,
    /// picture), every one once.
    ///
    /// Returns the frames that are damaged or missing, with FFmpeg's reason; `each` does not see them.
    ///
    /// # Errors
    /// When the file can no longer be read, takes too long, or `each` fails.
    pub fn visit(
        &mut self,
        wanted: &[u64],
        mut each: impl FnMut(u64, f64, &Picture<'_>) -> Result<(), MediaError>,
    ) -> Result<BTreeMap<u64, String>, MediaError> {
        let opened = self.opened.take();
        let mut pass = Pass::new(self, opened, wanted, &mut each)?;
        if let Numbering::Decoded(_) = self.numbering {
            pass.decode_all()?;
            return Ok(pass.lost());
        }
        pass.decode_runs(&self.index.runs(wanted))?;
        if pass.is_incomplete() {
            // Rare: the decoder leant on something that was left out. Once more, leaving nothing out.
            let left = pass.left();
            let mut again = Pass::new(self, None, &left, &mut each)?;
            again.decode_all()?;
            return Ok(again.lost());
        }
        Ok(pass.lost())
    }

    /// Seeks to the first packet; false when another one comes first, or none.
    fn rewind(&self, input: &mut Input) -> bool {
        // Long before any first packet, in microseconds.
        const START: i64 = -1_000_000_000_000;
        let mut packet = Packet::empty();
        if input.seek(START, ..).is_err() {
            return false;
        }
        while packet.read(input).is_ok() {
            if packet.stream() == self.stream {
                let is_first = self.index.packets.first() == Some(&PacketInfo::of(&packet));
                return is_first && input.seek(START, ..).is_ok();
            }
        }
        false
    }

    fn count(&self) -> Result<u64, MediaError> {
        let mut ignore = |_: u64, _: f64, _: &Picture<'_>| Ok(());
        let mut pass = Pass::new(self, None, &[], &mut ignore)?;
        pass.decode_all()?;
        Ok(pass.seen)
    }

    fn complete_probe(&mut self, declared: u64) -> Result<(), MediaError> {
        let frames = match self.numbering {
            Numbering::Packets => self.index.frames.len() as u64,
            Numbering::Decoded(count) => count,
        };
        let cut = self.index.cut.clone();
        if frames == 0 {
            let reason = cut
                .or_else(ffmpeg_log::peek)
                .unwrap_or_else(|| "it has no packets".to_owned());
            return Err(MediaError::Empty {
                path: self.path.clone(),
                reason,
            });
        }
        let packets = self.index.packets.len() as u64;
        // The container's own index lists packets; those that an edit list drops are no frames.
        let missing = declared.saturating_sub(packets);
        if let Some(reason) =
            cut.or_else(|| (missing > 0).then(|| "the file ends early".to_owned()))
        {
            self.probe.truncation = Some(Truncation {
                declared: frames + missing,
                reason,
            });
        }
        self.probe.frames = frames;
        if let (Some((first, _)), Some((last, _))) =
            (self.index.frames.first(), self.index.frames.last())
        {
            self.probe.duration = self.seconds(last - first);
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 ticks")]
    fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 * self.time_base
    }
}

/// One way through the file with a decoder.
struct Pass<'a, F> {
    video: &'a Video,
    input: Input,
    decoder: decoder::Video,
    each: &'a mut F,
    wanted: Vec<u64>,
    done: Vec<bool>,
    /// Frames that came out, wanted or not.
    seen: u64,
    frame: Frame,
    /// Packets (positions in decoding order) that could not be decoded cleanly, with the reason.
    damage: BTreeMap<usize, String>,
    lost: Lost,
}

impl<'a, F> Pass<'a, F>
where
    F: FnMut(u64, f64, &Picture<'_>) -> Result<(), MediaError>,
{
    /// Starts at the first packet, with what is `opened` already if that can be wound back.
    fn new(
        video: &'a Video,
        opened: Option<(Input, decoder::Video)>,
        wanted: &[u64],
        each: &'a mut F,
    ) -> Result<Self, MediaError> {
        let wound = opened.filter(|_| video.numbering == Numbering::Packets);
        let wound = wound.and_then(|(mut input, decoder)| {
            let is_back = video.rewind(&mut input);
            is_back.then_some((input, decoder))
        });
        let (input, decoder) = if let Some(opened) = wound {
            opened
        } else {
            let input = open_input(&video.path)?;
            let decoder = open_decoder(&video.path, &input, video.stream)?;
            (input, decoder)
        };
        ffmpeg_log::clear();
        Ok(Self {
            video,
            input,
            decoder,
            each,
            wanted: wanted.to_vec(),
            done: vec![false; wanted.len()],
            seen: 0,
            frame: Frame::empty(),
            damage: BTreeMap::new(),
            lost: Lost::new(),
        })
    }

    /// Decodes `runs` and nothing else; pictures that nothing depends on are skipped unless wanted.
    fn decode_runs(&mut self, runs: &[Run]) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        let mut position = 0;
        for (at, run) in runs.iter().enumerate() {
            if at > 0 {
                self.drain()?;
                self.decoder.flush();
            }
            while position <= run.end {
                if !self.read(&mut packet)? {
                    return self.drain();
                }
                if position >= run.start {
                    let skip = if self.is_wanted(packet.pts()) {
                        Discard::Default
                    } else {
                        Discard::NonReference
                    };
                    self.decoder.skip_frame(skip);
                    self.send(&packet, position)?;
                }
                position += 1;
            }
        }
        self.drain()
    }

    /// Decodes everything, skipping nothing.
    fn decode_all(&mut self) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        let mut position = 0;
        while self.read(&mut packet)? {
            self.send(&packet, position)?;
            position += 1;
            if self.done.iter().all(|done| *done) && !self.done.is_empty() {
                return Ok(());
            }
        }
        self.drain()
    }

    /// Reads the next packet of the stream; false at the end.
    fn read(&mut self, packet: &mut Packet) -> Result<bool, MediaError> {
        loop {
            self.video
                .limits
                .check_time(&self.video.path, self.video.begun)?;
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.video.stream => return Ok(true),
                Ok(()) => {}
                // Anything but the end is in the index as the reason for the cut.
                Err(_) => return Ok(false),
            }
        }
    }

    fn send(&mut self, packet: &Packet, position: usize) -> Result<(), MediaError> {
        ffmpeg_log::clear();
        if let Err(error) = self.decoder.send_packet(packet) {
            self.damage.insert(position, ffmpeg_log::take(error));
        }
        self.receive()
    }

    fn drain(&mut self) -> Result<(), MediaError> {
        if self.decoder.send_eof().is_ok() {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), MediaError> {
        while self.decoder.receive_frame(&mut self.frame).is_ok() {
            let number = self.seen;
            self.seen += 1;
            self.take_frame(number)?;
        }
        Ok(())
    }

    fn take_frame(&mut self, number: u64) -> Result<(), MediaError> {
        let pts = self.frame.timestamp().or_else(|| self.frame.pts());
        let position =
            pts.and_then(|pts| Some(self.video.index.frames[self.video.index.frame_at(pts)?].1));
        if self.frame.is_corrupt() || self.frame.has_decode_errors() {
            let reason = ffmpeg_log::peek()
                .unwrap_or_else(|| "the decoder had to conceal errors".to_owned());
            self.damage.entry(position.unwrap_or(0)).or_insert(reason);
        }
        let number = match self.video.numbering {
            Numbering::Decoded(_) => Some(number),
            Numbering::Packets => pts
                .and_then(|pts| self.video.index.frame_at(pts))
                .map(|at| at as u64),
        };
        let Some(at) = number.and_then(|number| self.wanted.binary_search(&number).ok()) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.done[at], true) {
            return Ok(());
        }
        if let Some(reason) = self.damage_of(position) {
            self.lost.insert(self.wanted[at], reason);
            return Ok(());
        }
        let video = self.video;
        video
            .limits
            .check_size(&video.path, self.frame.width(), self.frame.height())?;
        let picture = Picture::new(&self.frame, video.probe.orientation, &video.path);
        let start = video.index.frames.first().map_or(0, |(first, _)| *first);
        let seconds = video.seconds(pts.unwrap_or(start) - start);
        (self.each)(self.wanted[at], seconds, &picture)
    }

    /// Why the picture of the packet at `position` may be wrong: a fault in its group of pictures up to itself.
    fn damage_of(&self, position: Option<usize>) -> Option<String> {
        let Some(position) = position else {
            return self.damage.values().next().cloned();
        };
        if self.damage.is_empty() {
            return None;
        }
        let start = self.video.index.group_start(position);
        self.damage
            .range(start..=position)
            .next()
            .map(|(_, reason)| reason.clone())
    }

    fn is_wanted(&self, pts: Option<i64>) -> bool {
        let frame = pts.and_then(|pts| self.video.index.frame_at(pts));
        frame.is_some_and(|frame| self.wanted.binary_search(&(frame as u64)).is_ok())
    }

    /// Whether a wanted frame failed to come although no damage explains it.
    fn is_incomplete(&self) -> bool {
        self.left().iter().any(|frame| {
            let position = usize::try_from(*frame)
                .ok()
                .and_then(|at| Some(self.video.index.frames.get(at)?.1));
            position.is_some_and(|position| self.damage_of(Some(position)).is_none())
        })
    }

    fn left(&self) -> Vec<u64> {
        self.wanted
            .iter()
            .zip(&self.done)
            .filter(|(_, done)| !**done)
            .map(|(frame, _)| *frame)
            .collect()
    }

    /// The wanted frames that did not come or came damaged.
    fn lost(mut self) -> Lost {
        for frame in self.left() {
            let position = usize::try_from(frame)
                .ok()
                .and_then(|at| Some(self.video.index.frames.get(at)?.1));
            let reason = position.and_then(|position| self.damage_of(Some(position)));
            let reason = reason.or_else(|| self.video.index.cut.clone());
            let reason = reason.unwrap_or_else(|| "the decoder gave no picture".to_owned());
            self.lost.insert(frame, reason);
        }
        self.lost
    }
}

fn open_input(path: &Path) -> Result<Input, MediaError> {
    ffmpeg_log::install();
    // FFmpeg would say less about a missing file, wait for ever at a pipe, and take a name with a colon for a protocol.
    let kind = std::fs::metadata(path).map(|found| found.is_file());
    let kind = kind.and_then(|is_file| {
        let other = || std::io::Error::other("it is no regular file");
        is_file.then_some(()).ok_or_else(other)
    });
    kind.and_then(|()| std::fs::File::open(path))
        .map_err(|source| MediaError::Read {
            path: path.to_owned(),
            source,
        })?;
    ffmpeg_log::clear();
    let mut name = std::ffi::OsString::from("file:");
    name.push(path);
    let options: Dictionary<'_> = [("protocol_whitelist", "file")].into_iter().collect();
    ffmpeg::format::input_with_dictionary(Path::new(&name), options).map_err(|error| {
        MediaError::Open {
            path: path.to_owned(),
            reason: ffmpeg_log::take(error),
        }
    })
}

/// The first video stream that is not a cover picture, those marked as default before others.
fn choose_stream(input: &Input) -> Option<usize> {
    let is_video = |stream: &ffmpeg::format::stream::Stream<'_>| {
        stream.parameters().medium() == media::Type::Video
            && !stream.disposition().contains(Disposition::ATTACHED_PIC)
    };
    let default = input
        .streams()
        .find(|s| is_video(s) && s.disposition().contains(Disposition::DEFAULT));
    default
        .or_else(|| input.streams().find(is_video))
        .map(|stream| stream.index())
}

fn open_decoder(path: &Path, input: &Input, stream: usize) -> Result<decoder::Video, MediaError> {
    ffmpeg_log::clear();
    let missing = || MediaError::NoVideo {
        path: path.to_owned(),
    };
    let stream = input.stream(stream).ok_or_else(missing)?;
    let codec = format!("{:?}", stream.parameters().id()).to_lowercase();
    let failed = |error| MediaError::Decoder {
        path: path.to_owned(),
        codec,
        reason: ffmpeg_log::take(error),
    };
    let open = || {
        let mut context = codec::Context::from_parameters(stream.parameters())?;
        // One thread: packets are decoded as they are sent, which skipping relies on; files run side by side instead.
        context.set_threading(codec::threading::Config::count(1));
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        decoder.video()
    };
    open().map_err(failed)
}

fn codec_name(decoder: &decoder::Video) -> String {
    decoder
        .codec()
        .map_or("unknown", |codec| codec.id().name())
        .to_owned()
}

fn facts(input: &Input, stream: usize) -> (Orientation, f64, f64) {
    let Some(stream) = input.stream(stream) else {
        return (Orientation::default(), 0.0, 0.0);
    };
    let matrix = stream
        .side_data()
        .find(|data| data.kind() == SideData::DisplayMatrix);
    let orientation = matrix
        .map(|data| Orientation::from_display_matrix(data.data()))
        .unwrap_or_default();
    let ratio = |r: ffmpeg::Rational| {
        if r.denominator() == 0 {
            0.0
        } else {
            f64::from(r.numerator()) / f64::from(r.denominator())
        }
    };
    (
        orientation,
        ratio(stream.avg_frame_rate()),
        ratio(stream.time_base()),
    )
}

/// Containers that store a presentation time for each picture, and codecs that make one picture of each packet.
fn has_reliable_times(format: &str, codec: &str) -> bool {
    let container = format
        .split(',')
        .any(|name| matches!(name, "mov" | "mp4" | "matroska" | "webm" | "flv"));
    // VP8 has packets that show nothing.
    container && codec != "vp8"
}
