//! An answer's content from the model's text, as fractions.

use st_schema::answer::{self, AnswerError, compat};
use st_schema::{Bin, Task};

use crate::score::Unparsed;
use crate::strict::Answer;
use crate::task::EvalTask;

/// Reads what the task needs: coordinate tokens, or, where there is none, decimals in the same brackets.
///
/// # Errors
/// When there is no text, or nothing in it that the task can be scored by.
pub fn read(task: EvalTask, text: &str) -> Result<Answer, Unparsed> {
    read_task(task.task(), text).map_err(|why| match (why, task) {
        (Unparsed::NoSpan, EvalTask::Rec) => Unparsed::NoBox,
        (Unparsed::NoSpan, EvalTask::Svg) => Unparsed::NoTube,
        (why, _) => why,
    })
}

/// The same for any of the fifteen tasks; [`Unparsed::NoSpan`] stands for whatever coordinates are missing.
///
/// # Errors
/// When there is no text, or a task that asks for coordinates has none.
pub fn read_task(task: Task, text: &str) -> Result<Answer, Unparsed> {
    match answer::parse(task, text) {
        Ok(parsed) => Ok(Answer {
            span: parsed
                .span
                .map(|(start, end)| [fraction(start), fraction(end)]),
            bbox: parsed.boxes.first().map(|region| region.bbox.map(fraction)),
            regions: parsed
                .boxes
                .iter()
                .map(|region| (region.phrase.clone(), region.bbox.map(fraction)))
                .collect(),
            tube: parsed
                .tube
                .iter()
                .map(|(time, corners)| (fraction(*time), corners.map(fraction)))
                .collect(),
            end: parsed.ends_in.map(fraction),
            caption: parsed.caption,
        }),
        Err(AnswerError::Empty) => Err(Unparsed::Empty),
        Err(AnswerError::NoCoordinates) => decimals(text).ok_or(if has_tokens(text) {
            Unparsed::Malformed
        } else {
            Unparsed::NoSpan
        }),
    }
}

fn has_tokens(text: &str) -> bool {
    ["<TEMP-", "<WIDTH-", "<HEIGHT-"]
        .into_iter()
        .any(|token| text.contains(token))
}

/// An answer written in decimals, as other models do.
fn decimals(text: &str) -> Option<Answer> {
    if has_tokens(text) {
        return None;
    }
    let answer = Answer {
        span: compat::span(text),
        bbox: compat::bounding_box(text),
        tube: compat::tube(text),
        end: compat::ends_in(text),
        ..Answer::default()
    };
    let found = answer.span.is_some()
        || answer.bbox.is_some()
        || !answer.tube.is_empty()
        || answer.end.is_some();
    found.then_some(answer)
}

fn fraction(bin: Bin) -> f64 {
    bin.fraction().get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elc_answer_has_end_caption_and_tube() {
        let text = "Ends in <TEMP-070>, the dog, wet, runs. Object bounding box: <TEMP-026>:[<WIDTH-000><HEIGHT-005><WIDTH-056><HEIGHT-053>]";
        let answer = read(EvalTask::Elc, text).unwrap();
        assert_eq!(answer.end, Some(70.0 / 99.0));
        assert_eq!(answer.caption.as_deref(), Some("the dog, wet, runs."));
        assert_eq!(
            answer.tube,
            [(26.0 / 99.0, [0.0, 5.0 / 99.0, 56.0 / 99.0, 53.0 / 99.0])]
        );
    }

    #[test]
    fn decimals_count_and_nonsense_is_named() {
        assert_eq!(
            read(EvalTask::Rec, "[0.1, 0.2, 0.3, 0.4]").unwrap().bbox,
            Some([0.1, 0.2, 0.3, 0.4])
        );
        assert_eq!(read(EvalTask::Rec, "there"), Err(Unparsed::NoBox));
        assert_eq!(read(EvalTask::Tvg, " "), Err(Unparsed::Empty));
        assert_eq!(
            read(EvalTask::Tvg, "{<TEMP-010><TEMP-150>}"),
            Err(Unparsed::Malformed)
        );
    }
}
