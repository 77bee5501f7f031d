//! Phrases that boxes are given for.

use st_schema::text::{Token, tokens};
use st_schema::{Axis, Record, Role, Task};

use super::text::for_each_word;

/// Most words of a phrase that is taken for an object.
const WORDS: usize = 6;

/// Words that end a phrase when one looks backwards from its box, and that it does not begin with.
const JOINTS: [&str; 22] = [
    "a", "an", "the", "and", "or", "of", "in", "on", "at", "with", "by", "near", "to", "is", "are",
    "there", "from", "under", "behind", "while", "box", "object",
];

/// Calls `each` with every phrase that stands directly before a box in an answer ("a red cross \[box\]" gives "red cross"),
/// and with the whole answer of a region caption of at most six words.
pub(super) fn for_each(record: &Record, mut each: impl FnMut(&str)) {
    let (mut word, mut words) = (String::new(), Vec::new());
    for turn in &record.conversations {
        if turn.from != Role::Gpt {
            continue;
        }
        let mut end = 0;
        for located in tokens(&turn.value) {
            if let Token::Placeholder(Axis::Width, _) = located.token
                && let Some(text) = before_bracket(&turn.value[end..located.start])
            {
                phrase(text, &mut word, &mut words, &mut each);
            }
            end = located.end;
        }
        if record.task == Some(Task::Reg) && end == 0 {
            words.clear();
            for_each_word(&turn.value, &mut word, |word| words.push(word.to_owned()));
            if words.len() <= WORDS {
                give(&words, &mut each);
            }
        }
    }
}

/// The text of a gap that ends in an opening bracket.
fn before_bracket(gap: &str) -> Option<&str> {
    let text = gap.trim_end().strip_suffix('[')?.trim_end();
    // A colon belongs to a time or a heading, not to an object.
    (!text.ends_with(':')).then_some(text)
}

fn phrase(text: &str, word: &mut String, words: &mut Vec<String>, each: &mut impl FnMut(&str)) {
    let from = text
        .rfind(['.', ',', ';', ':', '!', '?', ']', '}', '\n'])
        .map_or(0, |at| at + 1);
    words.clear();
    for_each_word(&text[from..], word, |word| words.push(word.to_owned()));
    let joint = words
        .iter()
        .rposition(|word| JOINTS.contains(&word.as_str()));
    let start = joint.map_or(0, |at| at + 1);
    if words.len() - start <= WORDS {
        give(&words[start..], each);
    }
}

/// Gives a phrase without its article.
fn give(words: &[String], each: &mut impl FnMut(&str)) {
    let skip = words
        .iter()
        .take_while(|word| JOINTS.contains(&word.as_str()))
        .count();
    if words.len() > skip {
        each(&words[skip..].join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_stand_before_their_boxes() {
        let bracket = "[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]";
        let found = |task: Task, answer: &str| {
            let turns = vec![
                st_schema::Turn::human("<image>\nWhat?"),
                st_schema::Turn::gpt(answer),
            ];
            let media = st_schema::Media::Image("a.jpg".into());
            let mut record = Record::new("a", media, turns, st_schema::Variables::default());
            record.task = Some(task);
            let mut found = Vec::new();
            for_each(&record, |object| found.push(object.to_owned()));
            found
        };
        let answer = format!("There is a red cross {bracket} and the Blue Ring {bracket}.");
        assert_eq!(found(Task::Dgc, &answer), ["red cross", "blue ring"]);
        assert_eq!(found(Task::Reg, "A blue ring."), ["blue ring"]);
        assert!(found(Task::Rec, &format!("{bracket}.")).is_empty());
        let tube = format!("Object bounding box: <TEMP-OUTPUT>:{bracket}");
        assert!(found(Task::Stvg, &tube).is_empty());
    }
}
