//! The frames of a clip, as a plan takes them.

use std::path::Path;

use st_schema::{FramePlan, Frames};

use crate::picture::Shaper;
use crate::{Limits, MediaError, Probe, Video};

/// What happens to a clip some of whose frames are missing or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Truncated {
    /// The clip is refused.
    #[default]
    Reject,
    /// The frames of the plan that are there are kept, the others are left out. Nothing is repeated in their place.
    Keep,
}

/// Which frames of a video are wanted, and how.
#[derive(Debug, Clone, Default)]
pub struct ClipRequest {
    /// Which frames are taken of the range.
    pub plan: FramePlan,
    /// First and last frame, inclusive; the whole video when absent.
    pub split: Option<[u64; 2]>,
    /// Width and height in pixels of the result; the video's own when absent.
    pub size: Option<(u32, u32)>,
    /// What happens when frames are missing.
    pub truncated: Truncated,
    /// What the file may cost.
    pub limits: Limits,
}

/// A decoded clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The distinct frames, in order of time.
    pub frames: Frames,
    /// For each place of the plan which of `frames` it shows; none where the frame is missing.
    pub places: Vec<Option<usize>>,
    /// Frame number in the video, for each of `frames`.
    pub indices: Vec<u64>,
    /// Presentation time in seconds, for each of `frames`.
    pub seconds: Vec<f64>,
    /// Facts about the video.
    pub probe: Probe,
}

impl Clip {
    /// Places of the plan that could not be filled.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.places.iter().filter(|place| place.is_none()).count()
    }

    /// The frames place by place, repeated where the plan repeats them; places without a frame are left out.
    #[must_use]
    pub fn into_frames(self) -> Frames {
        let shown: Vec<usize> = self.places.iter().flatten().copied().collect();
        if shown.iter().copied().eq(0..self.frames.count) {
            return self.frames;
        }
        let rgb = shown
            .iter()
            .flat_map(|place| self.frames.frame(*place))
            .copied()
            .collect();
        Frames {
            count: shown.len(),
            rgb,
            ..self.frames
        }
    }
}

impl ClipRequest {
    /// Decodes the clip from the video at `path`.
    ///
    /// # Errors
    /// When the video cannot be read, the range lies outside it, or frames are missing and the request does not allow
    /// that.
    pub fn decode(&self, path: &Path) -> Result<Clip, MediaError> {
        let video = Video::open(path, &self.limits)?;
        let probe = video.probe().clone();
        let plan = self.indices(path, &probe)?;
        let mut wanted: Vec<u64> = plan
            .iter()
            .copied()
            .filter(|index| *index < probe.frames)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();

        let mut taken = Taken::default();
        let mut shaper = Shaper::new(self.size.or(Some((probe.width, probe.height))));
        let lost = video.visit(&wanted, |index, seconds, picture| {
            taken.size = shaper.shape(picture, &mut taken.rgb)?;
            taken.frames.push((index, seconds));
            Ok(())
        })?;
        if let (Truncated::Reject, Some((frame, reason))) =
            (self.truncated, lost.into_iter().next())
        {
            return Err(MediaError::Damaged {
                path: path.to_owned(),
                frame,
                reason,
            });
        }
        taken.into_clip(path, &plan, probe)
    }

    /// The plan's frame numbers; those beyond the end of the file only when that is allowed.
    fn indices(&self, path: &Path, probe: &Probe) -> Result<Vec<u64>, MediaError> {
        let declared = probe.declared_frames();
        let [first, last] = self.split.unwrap_or([0, declared - 1]);
        if first > last
            || first >= declared
            || (last >= declared && self.truncated == Truncated::Reject)
        {
            return Err(MediaError::Range {
                path: path.to_owned(),
                first,
                last,
                frames: declared,
            });
        }
        let plan = self.plan.indices(first, last);
        if self.truncated == Truncated::Reject && plan.iter().any(|index| *index >= probe.frames) {
            let path = path.to_owned();
            return Err(MediaError::Truncated {
                path,
                readable: probe.frames,
                declared,
            });
        }
        Ok(plan)
    }
}

#[derive(Default)]
struct Taken {
    rgb: Vec<u8>,
    size: (u32, u32),
    frames: Vec<(u64, f64)>,
}

impl Taken {
    /// Brings the frames into the order of their numbers; a second pass over the file may have broken it.
    fn sort(&mut self) {
        if self.frames.is_sorted_by_key(|(index, _)| *index) {
            return;
        }
        let size = 3 * self.size.0 as usize * self.size.1 as usize;
        let mut order: Vec<usize> = (0..self.frames.len()).collect();
        order.sort_by_key(|at| self.frames[*at].0);
        let rgb = order
            .iter()
            .flat_map(|at| &self.rgb[at * size..(at + 1) * size]);
        self.rgb = rgb.copied().collect();
        self.frames = order.iter().map(|at| self.frames[*at]).collect();
    }

    fn into_clip(mut self, path: &Path, plan: &[u64], probe: Probe) -> Result<Clip, MediaError> {
        self.sort();
        let (indices, seconds): (Vec<u64>, Vec<f64>) = self.frames.into_iter().unzip();
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let frames = Frames {
            count: indices.len(),
            height,
            width,
            rgb: self.rgb,
        };
        let place = |index: &u64| indices.binary_search(index).ok();
        let places: Vec<Option<usize>> = plan.iter().map(place).collect();
        if places.iter().all(Option::is_none) {
            let reason = "none of the wanted frames could be decoded".to_owned();
            return Err(MediaError::Empty {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(Clip {
            frames,
            places,
            indices,
            seconds,
            probe,
        })
    }
}

/// Decodes the frames that `plan` takes of frames `split` (first and last, inclusive; the whole video when absent),
/// resized to `size` (width, height) when given. The result has as many frames as the plan.
///
/// # Errors
/// When the video cannot be read, the range lies outside it, or a wanted frame is missing or damaged.
pub fn decode_clip(
    path: &Path,
    plan: FramePlan,
    split: Option<[u64; 2]>,
    size: Option<(u32, u32)>,
) -> Result<Frames, MediaError> {
    let request = ClipRequest {
        plan,
        split,
        size,
        ..ClipRequest::default()
    };
    Ok(request.decode(path)?.into_frames())
}
