//! Dialogues as sources write them: `LLaVA`'s turns, and questions with lettered options.

use serde::Deserialize;

use super::{Parts, Reject, words};

/// One turn of a `LLaVA` dialogue.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    from: String,
    value: String,
}

/// Questions and answers in turn; media placeholders are taken out of the questions, wherever they stand.
///
/// # Errors
/// When the turns do not go from human to gpt and back, or there is none.
pub(super) fn exchanges(turns: &[Said]) -> Result<Vec<[String; 2]>, Reject> {
    if turns.is_empty() || turns.len() % 2 == 1 {
        return Err(Reject::shape(format!(
            "{} turns, where questions and answers should come in pairs",
            turns.len()
        )));
    }
    turns
        .chunks_exact(2)
        .map(|pair| {
            if [pair[0].from.as_str(), pair[1].from.as_str()] != ["human", "gpt"] {
                return Err(Reject::shape(format!(
                    "`{}` then `{}`, where human and gpt should speak in turn",
                    pair[0].from, pair[1].from
                )));
            }
            let question = pair[0].value.replace("<video>", "").replace("<image>", "");
            Ok([question.trim().to_owned(), pair[1].value.trim().to_owned()])
        })
        .collect()
}

/// Fills the templates of `video_qa_options`: the question, "(A) …" lines, and the right one of them.
///
/// # Errors
/// When there are no options or more than 26, or `right` names none.
pub(super) fn lettered(
    question: &str,
    options: &[String],
    right: usize,
) -> Result<Vec<(&'static str, Parts)>, Reject> {
    if options.is_empty() || options.len() > 26 {
        return Err(Reject::shape(format!("{} options", options.len())));
    }
    let lines = ('A'..='Z').zip(options);
    let lines: Vec<String> = lines
        .map(|(letter, option)| format!("({letter}) {}", option.trim()))
        .collect();
    let answer = lines.get(right).ok_or_else(|| {
        Reject::unusable(
            "no-such-option",
            format!("answer {right} of {} options, counted from 0", lines.len()),
        )
    })?;
    Ok(vec![
        ("question", words(sentence(question))),
        ("options", words(lines.join("\n"))),
        ("answer", words(answer.as_str())),
    ])
}

/// A question that begins with a capital letter and ends with a mark.
fn sentence(question: &str) -> String {
    let question = question.trim();
    let mut chars = question.chars();
    let mut text: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    text.push_str(chars.as_str());
    if !text.ends_with(['?', '.', '!']) {
        text.push('?');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(turns: &[(&str, &str)]) -> Vec<Said> {
        let said = |(from, value): &(&str, &str)| Said {
            from: (*from).into(),
            value: (*value).into(),
        };
        turns.iter().map(said).collect()
    }

    #[test]
    fn media_marks_go_and_roles_alternate() {
        let turns = said(&[("human", "What?\n<video>"), ("gpt", " This. ")]);
        assert_eq!(exchanges(&turns).unwrap(), [["What?", "This."]]);
        for wrong in [
            &[][..],
            &[("human", "a")],
            &[("gpt", "a"), ("human", "b")],
            &[("human", "a"), ("gpt", "b"), ("human", "c")],
        ] {
            assert!(exchanges(&said(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn options_get_letters() {
        let options = ["run".to_owned(), "bark, then sit".to_owned()];
        let slots = lettered("what does it do", &options, 1).unwrap();
        let expected = [
            ("question", words("What does it do?")),
            (
                "options",
                words(
                    "(A) run
(B) bark, then sit",
                ),
            ),
            ("answer", words("(B) bark, then sit")),
        ];
        assert_eq!(slots, expected);
        assert!(lettered("a", &options, 2).is_err());
        assert!(lettered("a", &[], 0).is_err());
    }
}
