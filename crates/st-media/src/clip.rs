//! The frames of a clip, as a plan takes them.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use st_schema::{FramePlan, Frames};

use crate::picture::Shaper;
use crate::resize::Order;
use crate::{Limits, MediaError, Probe, Video};

/// What happens to a clip some of whose frames are missing or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Truncated {
    /// The clip is refused.
    #[default]
    Reject,
    /// The frames of the plan that are there are kept, the others are left out. Nothing is repeated in their place.
    Keep,
}

/// Which frames of a video are wanted, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

/// What a clip holds, apart from the pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipOutline {
    /// For each place of the plan which of the distinct frames it shows; none where the frame is missing.
    pub places: Vec<Option<usize>>,
    /// Frame number in the video, for each distinct frame.
    pub indices: Vec<u64>,
    /// Seconds since the video's first frame, for each distinct frame.
    pub seconds: Vec<f64>,
    /// Facts about the video.
    pub probe: Probe,
}

impl ClipOutline {
    /// Places of the plan that could not be filled.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.places.iter().filter(|place| place.is_none()).count()
    }
}

/// A decoded clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The distinct frames.
    pub frames: Frames,
    /// Which place of the plan shows which of them, and when they are shown.
    pub outline: ClipOutline,
}

impl Clip {
    /// The frames place by place, repeated where the plan repeats them; places without a frame are left out.
    #[must_use]
    pub fn into_frames(self) -> Frames {
        let shown: Vec<usize> = self.outline.places.iter().flatten().copied().collect();
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
    /// As [`ClipRequest::visit`].
    pub fn decode(&self, path: &Path) -> Result<Clip, MediaError> {
        let (mut rgb, mut size) = (Vec::new(), (0, 0));
        let outline = self.visit(path, |picture, shape| {
            rgb.extend_from_slice(picture);
            size = shape;
        })?;
        let frames = Frames {
            count: outline.indices.len(),
            height: size.1 as usize,
            width: size.0 as usize,
            rgb,
        };
        Ok(Clip { frames, outline })
    }

    /// Hands each distinct frame of the clip, `[height, width, 3]`, and its (width, height) to `each`, once, without
    /// holding more than one at a time.
    ///
    /// # Errors
    /// When the video cannot be read, the range lies outside it, or frames are missing and the request does not allow
    /// that. `each` may have seen frames by then.
    pub fn visit(
        &self,
        path: &Path,
        each: impl FnMut(&[u8], (u32, u32)),
    ) -> Result<ClipOutline, MediaError> {
        self.visit_as(Order::Pixels, path, each)
    }

    /// As [`ClipRequest::visit`], with the colours apart: each frame is `[3, height, width]`.
    ///
    /// # Errors
    /// As [`ClipRequest::visit`].
    pub fn visit_planes(
        &self,
        path: &Path,
        each: impl FnMut(&[u8], (u32, u32)),
    ) -> Result<ClipOutline, MediaError> {
        self.visit_as(Order::Planes, path, each)
    }

    fn visit_as(
        &self,
        order: Order,
        path: &Path,
        mut each: impl FnMut(&[u8], (u32, u32)),
    ) -> Result<ClipOutline, MediaError> {
        let mut video = Video::open(path, &self.limits)?;
        let probe = video.probe().clone();
        let plan = self.indices(path, &probe)?;
        let mut wanted: Vec<u64> = plan
            .iter()
            .copied()
            .filter(|index| *index < probe.frames)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();

        let mut shaper = Shaper::new(self.size.or(Some((probe.width, probe.height))));
        let (mut rgb, mut taken) = (Vec::new(), Vec::new());
        let lost = video.visit(&wanted, |index, seconds, picture| {
            rgb.clear();
            let size = shaper.shape(picture, order, &mut rgb)?;
            each(&rgb, size);
            taken.push((index, seconds));
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
        outline(path, &plan, taken, probe)
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

fn outline(
    path: &Path,
    plan: &[u64],
    taken: Vec<(u64, f64)>,
    probe: Probe,
) -> Result<ClipOutline, MediaError> {
    let at: HashMap<u64, usize> = taken.iter().map(|(index, _)| *index).zip(0..).collect();
    let places: Vec<Option<usize>> = plan.iter().map(|index| at.get(index).copied()).collect();
    if places.iter().all(Option::is_none) {
        return Err(MediaError::Empty {
            path: path.to_owned(),
            reason: "none of the wanted frames could be decoded".to_owned(),
        });
    }
    let (indices, seconds) = taken.into_iter().unzip();
    Ok(ClipOutline {
        places,
        indices,
        seconds,
        probe,
    })
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
