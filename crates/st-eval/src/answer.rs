//! An answer's content from the model's text.

use crate::compat;
use crate::strict::Answer;
use crate::task::EvalTask;

/// Reads what the task needs from the model's text: coordinate tokens, or decimals in the same brackets.
#[must_use]
pub fn read(task: EvalTask, text: &str) -> Answer {
    let numbers = compat::normalize(text);
    match task {
        EvalTask::Rec => Answer {
            bbox: compat::bounding_box(&numbers),
            ..Answer::default()
        },
        EvalTask::Tvg => Answer {
            span: compat::span(&numbers),
            ..Answer::default()
        },
        EvalTask::Stvg | EvalTask::Svg => Answer {
            span: compat::span(&numbers),
            tube: exact_tube(text, &numbers),
            ..Answer::default()
        },
        EvalTask::Elc => Answer {
            end: compat::ends_in(&numbers),
            tube: exact_tube(text, &numbers),
            caption: caption(text).map(str::to_owned),
            ..Answer::default()
        },
    }
}

/// Boxes by time from the tokens' own numbers, which are exact; decimals are taken as they stand.
fn exact_tube(text: &str, numbers: &str) -> Vec<(f64, [f64; 4])> {
    if text.contains("<TEMP-") {
        let scale = |bin: f64| bin / 99.0;
        compat::tube(&compat::tokens(text))
            .into_iter()
            .map(|(time, corners)| (scale(time), corners.map(scale)))
            .collect()
    } else {
        compat::tube(numbers)
    }
}

/// What stands between `Ends in …,` and `Object bounding box:`.
fn caption(text: &str) -> Option<&str> {
    let before_boxes = text.split("Object bounding box").next()?;
    let caption = match before_boxes.split_once("Ends in") {
        Some((_, after)) => after.split_once(',').map_or("", |(_, caption)| caption),
        None => before_boxes,
    };
    Some(caption.trim()).filter(|caption| !caption.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elc_answer_has_end_caption_and_tube() {
        let text = "Ends in <TEMP-070>, the dog, wet, runs. Object bounding box: <TEMP-026>:[<WIDTH-000><HEIGHT-005><WIDTH-056><HEIGHT-053>]";
        let answer = read(EvalTask::Elc, text);
        assert!((answer.end.unwrap() - 70.0 / 99.0).abs() < 1e-5);
        assert_eq!(answer.caption.as_deref(), Some("the dog, wet, runs."));
        assert_eq!(
            answer.tube,
            [(26.0 / 99.0, [0.0, 5.0 / 99.0, 56.0 / 99.0, 53.0 / 99.0])]
        );
    }
}
