//! What a synthetic dataset is made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use st_schema::{FramePlan, Task};

use super::shape::{COLORS, Shape};
use super::{MediaKind, SynthError};

/// Everything that decides a synthetic dataset's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthOptions {
    /// Training images.
    pub images: usize,
    /// Training videos.
    pub videos: usize,
    /// Validation clips: as many images, and a quarter as many videos.
    pub validation: usize,
    /// Benchmark clips: as many images and as many videos.
    pub benchmark: usize,
    /// The same seed gives the same annotations, to the byte.
    pub seed: u64,
    /// Width and height in pixels, both even.
    pub size: [u32; 2],
    /// Frames of a video.
    pub frames: u64,
    /// Frames per second of a video.
    pub fps: u32,
    /// Objects appear and vanish on a frame of a plan of this many frames, and answers have a box for each of them.
    pub plan: usize,
    /// Least and most objects in a clip; benchmark clips have at least two.
    pub objects: [usize; 2],
    /// Shortest and longest time in view, in steps of the plan.
    pub span: [usize; 2],
    /// Share of videos with one more object that is in view all along and never asked for.
    pub distractors: f64,
    /// How many colours; all objects of a clip differ in colour.
    pub colors: usize,
    /// How many shapes.
    pub shapes: usize,
    /// How many phrasings of a question; 1 keeps to the one the benchmark uses.
    pub phrases: usize,
    /// Records of a clip, each of another task.
    pub questions: usize,
    /// Most questions in one record, each about another object; the clip's further objects get records of their own.
    pub turns: usize,
    /// Share of each task.
    pub tasks: TaskShares,
    /// Make exactly this many training records, whatever clips that takes, and no media.
    pub records: Option<u64>,
    /// Write no media.
    pub annotations_only: bool,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self {
            images: 2000,
            videos: 500,
            validation: 64,
            benchmark: 200,
            seed: 0,
            size: [160, 120],
            frames: 39,
            fps: 8,
            plan: 20,
            objects: [2, 3],
            span: [1, 6],
            distractors: 0.3,
            colors: 6,
            shapes: 6,
            phrases: 4,
            questions: 2,
            turns: 3,
            tasks: TaskShares::default(),
            records: None,
            annotations_only: false,
        }
    }
}

impl SynthOptions {
    /// Refuses what cannot be made.
    ///
    /// # Errors
    /// Names the option, its value and what it may be.
    pub fn check(&self) -> Result<(), SynthError> {
        let [low, high] = self.objects;
        let [short, long] = self.span;
        let [width, height] = self.size;
        let extra = usize::from(self.distractors > 0.0);
        let wants = |kind, clips| clips > 0 && self.tasks.of(kind).iter().all(|(_, w)| *w <= 0.0);
        let faults = [
            (width % 2 != 0 || height % 2 != 0 || width.min(height) < 32 || width.max(height) > 4096)
                .then(|| format!("size {width}x{height}: both sides must be even, from 32 to 4096")),
            (self.plan < 3).then(|| format!("plan {}: at least 3 frames", self.plan)),
            (self.frames < self.plan as u64)
                .then(|| format!("frames {}: at least as many as the plan's {}", self.frames, self.plan)),
            (self.fps == 0 || self.fps > 240).then(|| format!("fps {}: from 1 to 240", self.fps)),
            (short == 0 || short > long || long + 2 > self.plan)
                .then(|| format!("span {short}-{long}: from 1 up, and two steps less than the plan's {}", self.plan)),
            (self.colors < 2 || self.colors > COLORS.len())
                .then(|| format!("colors {}: from 2 to {}", self.colors, COLORS.len())),
            (self.shapes == 0 || self.shapes > Shape::ALL.len())
                .then(|| format!("shapes {}: from 1 to {}", self.shapes, Shape::ALL.len())),
            (low == 0 || low > high || high.max(2) + extra > self.colors).then(|| {
                format!(
                    "objects {low}-{high}: from 1 up, and every object of a clip needs its own of {} colours{}",
                    self.colors,
                    if extra == 1 { " (a distractor takes one)" } else { "" }
                )
            }),
            (!(0.0..=1.0).contains(&self.distractors))
                .then(|| format!("distractors {}: from 0 to 1", self.distractors)),
            (self.phrases == 0 || self.questions == 0 || self.turns == 0)
                .then(|| "phrases, questions and turns: at least 1".to_owned()),
            (self.records.is_some() && !self.annotations_only)
                .then(|| "records needs annotations-only: so many clips are not rendered".to_owned()),
            (self.records.is_some() && self.images + self.videos == 0)
                .then(|| "records needs images or videos: they say in what proportion".to_owned()),
            wants(MediaKind::Image, self.images)
                .then(|| "tasks: no share for an image task; use 0 images or add one, such as rec=1".to_owned()),
            wants(MediaKind::Video, self.videos)
                .then(|| "tasks: no share for a video task; use 0 videos or add one, such as tvg=1".to_owned()),
        ];
        match faults.into_iter().flatten().next() {
            Some(fault) => Err(SynthError::Options(fault)),
            None => Ok(()),
        }
    }

    /// The frame plan that answers are written for.
    #[must_use]
    pub fn frame_plan(&self) -> FramePlan {
        FramePlan { frames: self.plan }
    }
}

/// How often each task is asked, within its kind of media. Zero means never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskShares(Vec<(Task, f64)>);

/// Defaults: grounding first, every task of the format present.
const IMAGE_SHARES: [(Task, f64); 6] = [
    (Task::Rec, 0.5),
    (Task::Reg, 0.15),
    (Task::Dgc, 0.15),
    (Task::Igc, 0.08),
    (Task::Conversation, 0.06),
    (Task::Classification, 0.06),
];
const VIDEO_SHARES: [(Task, f64); 11] = [
    (Task::Tvg, 0.2),
    (Task::Stvg, 0.2),
    (Task::Svg, 0.1),
    (Task::Elc, 0.1),
    (Task::VideoCaption, 0.08),
    (Task::Dvc, 0.08),
    (Task::Tr, 0.08),
    (Task::Tgc, 0.06),
    (Task::VideoQa, 0.05),
    (Task::Conversation, 0.03),
    (Task::Classification, 0.02),
];

impl Default for TaskShares {
    fn default() -> Self {
        let mut shares: Vec<(Task, f64)> = IMAGE_SHARES.to_vec();
        shares.extend(VIDEO_SHARES);
        Self(shares)
    }
}

impl TaskShares {
    /// The tasks that clips of `kind` can ask, with their shares.
    #[must_use]
    pub fn of(&self, kind: MediaKind) -> Vec<(Task, f64)> {
        let possible: &[(Task, f64)] = match kind {
            MediaKind::Image => &IMAGE_SHARES,
            MediaKind::Video => &VIDEO_SHARES,
        };
        let images = IMAGE_SHARES.len();
        let own = if *self == Self::default() {
            match kind {
                MediaKind::Image => &self.0[..images],
                MediaKind::Video => &self.0[images..],
            }
        } else {
            &self.0[..]
        };
        let shares = own.iter().copied();
        shares
            .filter(|(task, _)| possible.iter().any(|(other, _)| other == task))
            .collect()
    }
}

impl FromStr for TaskShares {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::default());
        }
        let mut shares = Vec::new();
        for part in text.split(',') {
            let (name, share) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not task=share, such as rec=0.6"))?;
            let task: Task = name.trim().parse().map_err(|error| {
                format!(
                    "{error}; the tasks are {}",
                    Task::ALL.map(Task::as_str).join(", ")
                )
            })?;
            let share: f64 = share
                .trim()
                .parse()
                .map_err(|_| format!("`{share}` is no number"))?;
            if !share.is_finite() || share < 0.0 {
                return Err(format!(
                    "the share of {name} must be 0 or more, not {share}"
                ));
            }
            if shares.iter().any(|(other, _)| *other == task) {
                return Err(format!("{name} is named twice"));
            }
            shares.push((task, share));
        }
        Ok(Self(shares))
    }
}

impl fmt::Display for TaskShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("default");
        }
        for (place, (task, share)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}={share}", task.as_str())?;
        }
        Ok(())
    }
}

impl TryFrom<String> for TaskShares {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TaskShares> for String {
    fn from(shares: TaskShares) -> Self {
        shares.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_what_they_write() {
        for text in ["default", "rec=0.6,tvg=0.25"] {
            assert_eq!(text.parse::<TaskShares>().unwrap().to_string(), text);
        }
        for wrong in ["rec", "rec=x", "nope=1", "rec=1,rec=2", "rec=-1"] {
            assert!(wrong.parse::<TaskShares>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_task_has_a_share_by_default() {
        let shares = TaskShares::default();
        for task in Task::ALL {
            let asked = [MediaKind::Image, MediaKind::Video].iter().any(|kind| {
                shares
                    .of(*kind)
                    .iter()
                    .any(|(other, share)| *other == task && *share > 0.0)
            });
            assert!(asked, "{} is never asked", task.as_str());
        }
    }

    #[test]
    fn impossible_options_are_refused() {
        assert!(SynthOptions::default().check().is_ok());
        let refuse = |change: fn(&mut SynthOptions), word: &str| {
            let mut options = SynthOptions::default();
            change(&mut options);
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refuse(|o| o.size = [161, 120], "161x120");
        refuse(|o| o.objects = [2, 9], "objects 2-9");
        refuse(|o| o.span = [0, 3], "span 0-3");
        refuse(|o| o.records = Some(5), "annotations-only");
        refuse(|o| o.tasks = "tvg=1".parse().unwrap(), "image task");
    }
}
