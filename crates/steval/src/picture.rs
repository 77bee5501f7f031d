//! Answers drawn over the frames that they are about.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use st_eval::strict::{Answer, Truth};
use st_eval::{EvalTask, Prediction};
use st_media::ClipRequest;
use st_media::remote::Client;
use st_schema::{FramePlan, Frames};

use crate::draw::{BLUE, Canvas, GREEN, GREY, INK, RED};

/// Frames of a clip with the time of each, a fraction of the clip.
pub(crate) struct Strip {
    /// The frames.
    pub(crate) frames: Frames,
    /// Where each lies in the clip.
    pub(crate) times: Vec<f64>,
}

/// Where a media file of a result line lies: as named, or below one of the folders.
pub(crate) fn find_media(name: &str, folders: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let named = PathBuf::from(name);
    let found = std::iter::once(named.clone())
        .chain(folders.iter().map(|folder| folder.join(&named)))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("{name}: no such file; is --root the one that the answers were made with?"),
    }
}

/// Loads an image or `count` frames of a clip.
pub(crate) fn load(
    media: &Client,
    path: &Path,
    task: EvalTask,
    split: Option<[u64; 2]>,
    count: usize,
) -> anyhow::Result<Strip> {
    if task == EvalTask::Rec {
        let frames =
            st_media::load_image(path, None).with_context(|| path.display().to_string())?;
        return Ok(Strip {
            frames,
            times: vec![0.0],
        });
    }
    let plan = FramePlan { frames: count };
    let request = ClipRequest {
        plan,
        split,
        ..ClipRequest::default()
    };
    let clip = media.decode(path, &request)?;
    let frames = clip.into_frames();
    let times = (0..frames.count)
        .map(|index| {
            FramePlan {
                frames: frames.count,
            }
            .fraction(index)
        })
        .collect();
    Ok(Strip { frames, times })
}

/// How long before and after its time a box of the question is shown, a fraction of the clip.
const ASKED_REACH: f64 = 0.05;

/// What is drawn over a clip.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// Right boxes by time.
    pub(crate) truth: Vec<(f64, [f64; 4])>,
    /// The right span.
    pub(crate) truth_span: Option<[f64; 2]>,
    /// The answer's boxes by time.
    pub(crate) answer: Vec<(f64, [f64; 4])>,
    /// The answer's span.
    pub(crate) answer_span: Option<[f64; 2]>,
    /// Boxes and spans that the question names.
    pub(crate) asked: Vec<[f64; 4]>,
    /// The span, or the start, that the question names.
    pub(crate) asked_span: Option<[f64; 2]>,
    /// How far a box may be from a frame in time to be drawn on it.
    pub(crate) reach: f64,
}

impl Overlay {
    /// Truth and answer of a result line.
    pub(crate) fn of(task: EvalTask, record: &Prediction, answer: &Answer) -> anyhow::Result<Self> {
        let truth = Truth::of(task, record)?;
        let mut overlay = Self {
            reach: 0.5,
            ..Self::default()
        };
        match truth {
            Truth::Box(corners) => {
                overlay.truth.push((0.0, corners));
                overlay
                    .answer
                    .extend(answer.bbox.map(|corners| (0.0, corners)));
            }
            Truth::Span(span) => {
                overlay.truth_span = Some(span);
                overlay.answer_span = answer.span;
            }
            Truth::Tube(tube) => {
                let frames = tube.frames.len();
                overlay.reach = 0.5
                    / FramePlan {
                        frames: frames.max(2),
                    }
                    .fraction(1)
                    .recip()
                    .max(1.0)
                    + 1e-9;
                overlay.truth = tube
                    .boxes
                    .iter()
                    .map(|(index, corners)| (tube.frames.fraction(*index), *corners))
                    .collect();
                overlay.answer.clone_from(&answer.tube);
                overlay.truth_span = tube.span.or_else(|| tube.asked[..].try_into().ok());
                overlay.answer_span = match task {
                    EvalTask::Elc => answer
                        .end
                        .zip(tube.span)
                        .map(|(end, [start, _])| [start, end]),
                    EvalTask::Svg => None,
                    _ => answer.span,
                };
            }
        }
        Ok(overlay)
    }

    /// One frame with its boxes.
    pub(crate) fn draw(&self, canvas: &mut Canvas, time: f64, line: usize) {
        // A box that the question ties to a time is shown around that time only.
        let asked_now = self
            .asked_span
            .is_none_or(|[start, end]| (start - ASKED_REACH..=end + ASKED_REACH).contains(&time));
        for corners in self.asked.iter().filter(|_| asked_now) {
            canvas.bounding_box(*corners, line, BLUE);
        }
        for (boxes, color) in [(&self.truth, GREEN), (&self.answer, RED)] {
            if let Some(corners) = nearest(boxes, time, self.reach) {
                canvas.bounding_box(corners, line, color);
            }
        }
    }

    /// The spans of the time line, truth first.
    pub(crate) fn spans(&self) -> Vec<([f64; 2], crate::draw::Rgb)> {
        [
            (self.asked_span, BLUE),
            (self.truth_span, GREEN),
            (self.answer_span, RED),
        ]
        .into_iter()
        .filter_map(|(span, color)| Some((span?, color)))
        .collect()
    }
}

/// The box nearest in time, when it is within reach.
pub(crate) fn nearest(boxes: &[(f64, [f64; 4])], time: f64, reach: f64) -> Option<[f64; 4]> {
    boxes
        .iter()
        .map(|(at, corners)| ((at - time).abs(), corners))
        .filter(|(distance, _)| *distance <= reach)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, corners)| *corners)
}

/// An image with its boxes, scaled up so that lines and letters stay fine.
pub(crate) fn still(strip: &Strip, overlay: &Overlay, side: usize) -> Canvas {
    let mut canvas = Canvas::of_frame(&strip.frames, 0).fitted(side, side);
    overlay.draw(&mut canvas, 0.0, 2);
    canvas
}

/// The strip's frames that tell most: the ends of the clip, start, middle and end of the truth, the middle of the answer, and
/// others at even steps until there are `count`.
pub(crate) fn telling(strip: &Strip, overlay: &Overlay, count: usize) -> Strip {
    let ends = |boxes: &[(f64, [f64; 4])]| Some([boxes.first()?.0, boxes.last()?.0]);
    let truth = overlay.truth_span.or_else(|| ends(&overlay.truth));
    let answer = overlay.answer_span.or_else(|| ends(&overlay.answer));
    let middle = |[start, end]: [f64; 2]| f64::midpoint(start, end);
    let mut wanted: Vec<f64> = truth
        .into_iter()
        .flat_map(|span| [middle(span), span[0], span[1]])
        .collect();
    wanted.extend(answer.map(middle));
    wanted.extend([0.0, 1.0]);
    wanted.extend((0..count).map(|step| FramePlan { frames: count }.fraction(step)));
    let mut picks: Vec<usize> = Vec::new();
    for time in wanted {
        let distance = |index: &usize| (strip.times[*index] - time).abs();
        let nearest = (0..strip.times.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(index) = nearest
            && picks.len() < count
            && !picks.contains(&index)
        {
            picks.push(index);
        }
    }
    picks.sort_unstable();
    let rgb = picks
        .iter()
        .flat_map(|index| strip.frames.frame(*index))
        .copied()
        .collect();
    Strip {
        times: picks.iter().map(|index| strip.times[*index]).collect(),
        frames: Frames {
            count: picks.len(),
            rgb,
            ..strip.frames
        },
    }
}

/// Frames side by side over one time line.
pub(crate) fn contact_strip(strip: &Strip, overlay: &Overlay, tile: usize) -> Canvas {
    const GAP: usize = 4;
    const LINE: usize = 22;
    let tiles: Vec<Canvas> = (0..strip.frames.count)
        .map(|index| {
            let mut canvas = Canvas::of_frame(&strip.frames, index).fitted(tile, tile);
            overlay.draw(&mut canvas, strip.times[index], 2);
            canvas.label(
                3,
                canvas.height.saturating_sub(15),
                1,
                INK,
                &format!("{:.2}", strip.times[index]),
            );
            canvas
        })
        .collect();
    let (width, height) = (
        tiles
            .iter()
            .map(|tile| tile.width + GAP)
            .sum::<usize>()
            .saturating_sub(GAP),
        tiles[0].height,
    );
    let mut sheet = Canvas::new(width.max(1), height + GAP + LINE, GREY);
    let mut x = 0;
    for tile in &tiles {
        sheet.paste(tile, x, 0);
        x += tile.width + GAP;
    }
    sheet.fill(0, height, width, GAP, INK);
    sheet.time_line([0, height + GAP, width, LINE], &overlay.spans(), None);
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_event_is_among_the_frames() {
        let frames = Frames {
            count: 40,
            height: 1,
            width: 1,
            rgb: (0..40).flat_map(|shade| [shade; 3]).collect(),
        };
        let times: Vec<f64> = (0..40)
            .map(|index| FramePlan { frames: 40 }.fraction(index))
            .collect();
        let overlay = Overlay {
            truth_span: Some([0.11, 0.14]),
            ..Overlay::default()
        };
        let strip = telling(&Strip { frames, times }, &overlay, 6);
        assert_eq!(strip.frames.count, 6);
        assert!(
            strip.times.iter().any(|time| (0.11..=0.14).contains(time)),
            "{:?}",
            strip.times
        );
        assert!(strip.times.is_sorted() && strip.times[0].abs() < 1e-9);
        let shade = f64::from(strip.frames.rgb[3]) / 39.0;
        assert!((shade - strip.times[1]).abs() < 1e-9);
    }
}
