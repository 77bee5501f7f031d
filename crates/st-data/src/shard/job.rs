//! Making one clip.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use st_media::{ClipOutline, ClipRequest, Limits, MediaError, Truncated};
use st_schema::{ClipId, FramePlan};
use st_shard::{
    ClipEntry, ClipFacts, ClipKind, FrameEncoder, Outcome, Payload, Reject, Settings, ShardError,
    encode_jpeg,
};

use super::ShardingError;

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JobLimits {
    /// Pixels in a frame, inclusive.
    pub pixels: u64,
    /// Seconds for one clip; no limit when absent.
    pub seconds: Option<f64>,
}

impl Default for JobLimits {
    /// 64 Mi pixels and ten minutes.
    fn default() -> Self {
        Self {
            pixels: 1 << 26,
            seconds: Some(600.0),
        }
    }
}

/// One clip to be made: everything that a worker needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The clip's name.
    pub clip: ClipId,
    /// Image or video.
    pub kind: ClipKind,
    /// The media file's name within the dataset.
    pub media: String,
    /// The media file on this machine.
    pub file: PathBuf,
    /// First and last frame, inclusive; the whole file when absent.
    pub split: Option<[u64; 2]>,
    /// Records that look at the clip.
    pub records: u64,
    /// The first of them.
    pub first_record: String,
    /// Frames, size, quality, policy.
    pub settings: Settings,
    /// What it may cost.
    pub limits: JobLimits,
}

impl Job {
    /// The ledger's entry for this clip.
    #[must_use]
    pub fn reject(&self, reason: &str, detail: &str) -> Reject {
        // The ledger must not depend on where the files lie on this machine.
        let file = self.file.display().to_string();
        Reject {
            clip: self.clip.clone(),
            media: self.media.clone(),
            split: self.split,
            reason: reason.to_owned(),
            detail: detail.replace(&file, &self.media),
            records: self.records,
            first_record: self.first_record.clone(),
        }
    }

    /// Makes the clip here and now.
    ///
    /// # Errors
    /// When a frame cannot be encoded; faults of the file are rejects.
    pub fn make(&self) -> Result<Outcome, ShardError> {
        let made = match self.kind {
            ClipKind::Image => self.image(),
            ClipKind::Video => self.video(),
        };
        match made {
            Ok(payload) => payload.map(Outcome::Stored),
            Err(error) => Ok(Outcome::Rejected(self.reject(error.kind(), &story(&error)))),
        }
    }

    fn size(&self) -> (u32, u32) {
        (self.settings.width, self.settings.height)
    }

    fn limits(&self) -> Limits {
        let time = self
            .limits
            .seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Limits {
            pixels: self.limits.pixels,
            time,
        }
    }

    fn image(&self) -> Result<Result<Payload, ShardError>, MediaError> {
        let still = st_media::load_still(&self.file, Some(self.size()), &self.limits())?;
        let facts = ClipFacts {
            source_width: still.width,
            source_height: still.height,
            fps: 0.0,
            source_frames: 1,
            places: vec![0],
            indices: vec![0],
            seconds: vec![0.0],
            missing: 0,
            ..self.facts()
        };
        let (width, height) = self.size();
        let jpeg = encode_jpeg(&still.frames.rgb, width, height, self.settings.quality);
        Ok(jpeg.and_then(|jpeg| Payload::new(&facts, &[jpeg], &[0], (width, height))))
    }

    fn video(&self) -> Result<Result<Payload, ShardError>, MediaError> {
        let request = ClipRequest {
            plan: FramePlan {
                frames: self.settings.frames as usize,
            },
            split: self.split,
            size: Some(self.size()),
            truncated: if self.settings.truncated == "keep" {
                Truncated::Keep
            } else {
                Truncated::Reject
            },
            limits: self.limits(),
        };
        let mut jpegs = Vec::with_capacity(self.settings.frames as usize);
        let (width, height) = self.size();
        let mut encoder = match FrameEncoder::new(width, height, self.settings.quality) {
            Ok(encoder) => encoder,
            Err(error) => return Ok(Err(error)),
        };
        let outline = request.visit_planes(&self.file, |planes, _| {
            jpegs.push(encoder.encode_planes(planes));
        })?;
        let (facts, shown) = self.facts_of(&outline);
        let jpegs: Result<Vec<Vec<u8>>, ShardError> = jpegs.into_iter().collect();
        Ok(jpegs.and_then(|jpegs| Payload::new(&facts, &jpegs, &shown, self.size())))
    }

    fn facts_of(&self, clip: &ClipOutline) -> (ClipFacts, Vec<usize>) {
        let filled = clip
            .places
            .iter()
            .zip(0..)
            .filter_map(|(shown, place)| Some(((*shown)?, place)));
        let (shown, places): (Vec<usize>, Vec<u32>) = filled.unzip();
        let facts = ClipFacts {
            source_width: clip.probe.width,
            source_height: clip.probe.height,
            fps: clip.probe.fps,
            source_frames: clip.probe.frames,
            places,
            indices: shown.iter().map(|at| clip.indices[*at]).collect(),
            seconds: shown.iter().map(|at| clip.seconds[*at]).collect(),
            missing: u32::try_from(clip.missing()).unwrap_or(u32::MAX),
            ..self.facts()
        };
        (facts, shown)
    }

    fn facts(&self) -> ClipFacts {
        ClipFacts {
            clip: self.clip.clone(),
            kind: self.kind,
            media: self.media.clone(),
            split: self.split,
            source_width: 0,
            source_height: 0,
            fps: 0.0,
            source_frames: 0,
            places: Vec::new(),
            indices: Vec::new(),
            seconds: Vec::new(),
            missing: 0,
        }
    }
}

/// An error with its causes.
fn story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Something that makes clips one after the other.
pub trait ClipMaker: Send {
    /// Makes one clip.
    ///
    /// # Errors
    /// When not the file but the maker itself is at fault.
    fn make(&mut self, job: &Job) -> Result<Outcome, ShardingError>;
}

/// Makes clips in this process. A file that crashes FFmpeg takes the program with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

impl ClipMaker for InProcess {
    fn make(&mut self, job: &Job) -> Result<Outcome, ShardingError> {
        Ok(job.make()?)
    }
}

/// What a worker process answers: one line of this, then as many payload bytes as the entry says.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Stored(ClipEntry),
    Rejected(Reject),
    Failed(String),
}

/// The worker's side: reads jobs, one JSON line each, until the input ends, and answers each.
///
/// # Errors
/// When the pipes break or a line is no job.
pub fn serve(input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    for line in input.lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let (answer, bytes) = match job.make() {
            Ok(Outcome::Stored(payload)) => (Answer::Stored(payload.entry), payload.bytes),
            Ok(Outcome::Rejected(reject)) => (Answer::Rejected(reject), Vec::new()),
            Err(error) => (Answer::Failed(error.to_string()), Vec::new()),
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(())
}
