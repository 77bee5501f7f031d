//! The tasks that benchmarks score.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use st_schema::Task;

/// A task with a benchmark and a metric; the five of the original's evaluation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvalTask {
    /// Referring expression comprehension: one box in an image.
    Rec,
    /// Temporal video grounding: one span in a video.
    Tvg,
    /// Spatio-temporal video grounding: a span and a box for each of its frames.
    Stvg,
    /// Spatial video grounding: a box for each frame of a span that the question names.
    Svg,
    /// Event localization and captioning: the end, a caption, and a box for each frame.
    Elc,
}

/// A word that names no scored task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not scored; scored tasks are rec, tvg, stvg, svg, elc")]
pub struct UnknownEvalTask(pub String);

impl EvalTask {
    /// Every scored task.
    pub const ALL: [Self; 5] = [Self::Rec, Self::Tvg, Self::Stvg, Self::Svg, Self::Elc];

    /// The task's name in recipes, files and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rec => "rec",
            Self::Tvg => "tvg",
            Self::Stvg => "stvg",
            Self::Svg => "svg",
            Self::Elc => "elc",
        }
    }

    /// The same task among the fifteen of the data.
    #[must_use]
    pub const fn task(self) -> Task {
        match self {
            Self::Rec => Task::Rec,
            Self::Tvg => Task::Tvg,
            Self::Stvg => Task::Stvg,
            Self::Svg => Task::Svg,
            Self::Elc => Task::Elc,
        }
    }

    /// The task that a result file holds, by the folders of the original's layout (`…/rec/…`, `…/tvg/…`,
    /// `…/st-align/…/stvg.json`) or a word of the file's name; `None` when neither says.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let words: Vec<String> = file
            .split(|c: char| !c.is_ascii_alphanumeric())
            .map(str::to_ascii_lowercase)
            .collect();
        if let Some(task) = Self::ALL
            .into_iter()
            .find(|task| words.iter().any(|word| word == task.as_str()))
        {
            return Some(task);
        }
        if path.contains("/rec/") || words.iter().any(|word| word.starts_with("refcoco")) {
            Some(Self::Rec)
        } else if path.contains("/tvg/") || words.iter().any(|word| word == "charades") {
            Some(Self::Tvg)
        } else {
            None
        }
    }
}

impl fmt::Display for EvalTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EvalTask {
    type Err = UnknownEvalTask;

    fn from_str(word: &str) -> Result<Self, UnknownEvalTask> {
        Self::ALL
            .into_iter()
            .find(|task| task.as_str() == word)
            .ok_or_else(|| UnknownEvalTask(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_task() {
        assert_eq!(
            EvalTask::of_path("rec/refcoco/refcoco_testA.json"),
            Some(EvalTask::Rec)
        );
        assert_eq!(
            EvalTask::of_path("x/tvg/charades_sta/charades_sta.json"),
            Some(EvalTask::Tvg)
        );
        assert_eq!(
            EvalTask::of_path("x/st-align/vidstg/svg.json"),
            Some(EvalTask::Svg)
        );
        assert_eq!(
            EvalTask::of_path("runs/tiny/stvg.predictions.jsonl"),
            Some(EvalTask::Stvg)
        );
        assert_eq!(EvalTask::of_path("predictions.jsonl"), None);
    }
}
