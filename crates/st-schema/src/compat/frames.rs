//! The frames that the reference asks its video reader for, in training, in inference and from folders of frames.

/// Why the reference cannot read a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A plan of one frame, or a frame rate that rounds to 0.
    #[error("ZeroDivisionError: division by zero")]
    ZeroDivision,
    /// A frame before the file's first, counted from its end.
    #[error("IndexError: Invalid negative indices")]
    Negative,
    /// A frame after the file's last.
    #[error("IndexError: Out of bound indices")]
    OutOfBounds,
}

/// What the reader is asked for; present also where it then refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Frame numbers as asked; fractions and negative numbers are possible.
    pub indices: Vec<f64>,
    /// Frame numbers as read: fractions cut, negative ones counted from the end; or why not.
    pub read: Result<Vec<u64>, ReadError>,
}

/// A training read's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRead {
    /// The frames.
    pub asked: Asked,
    /// Seconds that the clip lasts, by the file's average frame rate.
    pub video_time: f64,
    /// Each frame's time in words, `0.00s,0.87s`.
    pub frame_time: String,
}

/// What a training read depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingOptions {
    /// Frames asked for.
    pub num_frames: usize,
    /// Upper bound, 0 for none. Where it bites, the start of the split is forgotten.
    pub frames_upbound: usize,
    /// Whether the upper bound is used even when the plan has fewer frames.
    pub force_sample: bool,
    /// Divides the frame rate before it is rounded.
    pub video_fps: f64,
}

/// `load_video`: inference and the demo.
///
/// # Errors
/// When the plan has one frame.
pub fn load_video(
    n_frames: u64,
    split: Option<[f64; 2]>,
    num_frames: usize,
) -> Result<Asked, ReadError> {
    let [first, last] = split.unwrap_or_else(|| whole(n_frames));
    let indices = plan(first, last, num_frames)?;
    let read = resolve(&indices, n_frames);
    Ok(Asked { indices, read })
}

/// `process_video_with_decord`: training.
///
/// # Errors
/// When the plan has one frame, or the frame rate divided by `video_fps` rounds to 0.
pub fn process_video(
    n_frames: u64,
    avg_fps: f64,
    split: Option<[f64; 2]>,
    options: TrainingOptions,
) -> Result<TrainingRead, ReadError> {
    let [first, last] = split.unwrap_or_else(|| whole(n_frames));
    let duration = last - first + 1.0;
    let rounded_fps = (avg_fps / options.video_fps).round_ties_even();
    let mut indices = plan(first, last, options.num_frames)?;
    if rounded_fps == 0.0 && !indices.is_empty() {
        return Err(ReadError::ZeroDivision);
    }
    let mut fps = rounded_fps;
    if options.frames_upbound > 0
        && (indices.len() > options.frames_upbound || options.force_sample)
    {
        indices = linspace(duration - 1.0, options.frames_upbound);
        fps = avg_fps;
    }
    let times: Vec<String> = indices
        .iter()
        .map(|index| format!("{:.2}s", index / fps))
        .collect();
    let read = resolve(&indices, n_frames);
    Ok(TrainingRead {
        asked: Asked { indices, read },
        video_time: duration / avg_fps,
        frame_time: times.join(","),
    })
}

/// A folder of `n_files` frames: which of the sorted files are taken, 10 of them unless `frames_upbound` is forced.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in a list of files"
)]
pub fn frame_folder(n_files: usize, frames_upbound: usize, force_sample: bool) -> Vec<usize> {
    let taken = if force_sample { frames_upbound } else { 10 };
    let last = count(u64::try_from(n_files).unwrap_or(u64::MAX)) - 1.0;
    linspace(last, taken)
        .into_iter()
        .map(|index| index as usize)
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "frame counts are far below 2^53"
)]
fn count(frames: u64) -> f64 {
    frames as f64
}

fn whole(n_frames: u64) -> [f64; 2] {
    [0.0, count(n_frames) - 1.0]
}

fn plan(first: f64, last: f64, num_frames: usize) -> Result<Vec<f64>, ReadError> {
    if num_frames == 1 {
        return Err(ReadError::ZeroDivision);
    }
    let plan = crate::FramePlan { frames: num_frames };
    Ok((0..num_frames)
        .map(|i| first + (plan.fraction(i) * (last - first)).round_ties_even())
        .collect())
}

/// `numpy.linspace(0, stop, number, dtype=int)`: spread evenly, then cut down to whole numbers.
fn linspace(stop: f64, number: usize) -> Vec<f64> {
    let divisions = count(u64::try_from(number.saturating_sub(1)).unwrap_or(u64::MAX));
    let stride = stop / divisions;
    (0..number)
        .map(|i| {
            if i > 0 && i + 1 == number {
                return stop.floor();
            }
            let i = count(u64::try_from(i).unwrap_or(u64::MAX));
            if i == 0.0 { 0.0 } else { (i * stride).floor() }
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked against the file's length first"
)]
fn resolve(indices: &[f64], n_frames: u64) -> Result<Vec<u64>, ReadError> {
    let frames = count(n_frames);
    let mut resolved = Vec::with_capacity(indices.len());
    for index in indices {
        let whole = index.trunc();
        resolved.push(if whole < 0.0 { whole + frames } else { whole });
    }
    if resolved.iter().any(|index| *index < 0.0) {
        Err(ReadError::Negative)
    } else if resolved.iter().any(|index| *index >= frames) {
        Err(ReadError::OutOfBounds)
    } else {
        Ok(resolved.into_iter().map(|index| index as u64).collect())
    }
}
