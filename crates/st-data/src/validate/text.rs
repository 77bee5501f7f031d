//! Rules about fields and words.

use std::ops::Range;

use st_schema::text::{Token, token_at};
use st_schema::{Record, Role, Turn, Variables};

use super::geometry::Placed;
use super::{Notebook, Rule};

/// Left over from how texts were made; cut out by the original's trainer.
pub(super) const MARKERS: [&str; 1] = ["QA_GT_caption_based_noisy"];

/// Parts of templates, of chat formats, and the reference's mark for a span that it could not write.
const TEMPLATES: [&str; 11] = [
    "<error>",
    "<s>",
    "<e>",
    "<bbox>",
    "<bboxes>",
    "<region>",
    "<event>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<vid_patch>",
];

pub(super) const MEDIA: [&str; 2] = ["<image>", "<video>"];

/// Rules about fields other than the conversation.
pub(super) fn fields(record: &Record, notebook: &mut Notebook<'_>) {
    for other in ["image", "video"] {
        if record
            .extra
            .get(other)
            .is_some_and(|value| !value.is_null())
        {
            notebook.add(Rule::MediaBoth, || {
                format!("`{}` and `{other}` both name a file", record.media.kind())
            });
        }
    }
    for name in ["task", "type"] {
        if let Some(word) = record.extra.get(name).and_then(serde_json::Value::as_str) {
            notebook.add(Rule::TaskUnknown, || {
                format!("`{word}` in `{name}` is no task")
            });
        }
    }
    if let Some(reason) = unsafe_path(record.media.path()) {
        notebook.add(Rule::PathUnsafe, || {
            format!("the path `{}` {reason}", record.media.path())
        });
    }
    if !record.variables.is_empty() || record.variables.missing().count() < 6 {
        let missing: Vec<&str> = record.variables.missing().collect();
        if !missing.is_empty() {
            notebook.add(Rule::VariablesIncomplete, || {
                format!("`variables` lacks {}", missing.join(", "))
            });
        }
    }
}

fn unsafe_path(path: &str) -> Option<&'static str> {
    if path.trim().is_empty() {
        Some("is empty")
    } else if path.starts_with(['/', '\\'])
        || path
            .get(1..3)
            .is_some_and(|start| start == ":\\" || start == ":/")
    {
        Some("is absolute")
    } else if path.contains("://") {
        Some("is a URL")
    } else if path.contains('\0') {
        Some("holds a zero byte")
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Some("leads out of the media folder")
    } else {
        None
    }
}

/// What one pass over the angle brackets of all turns finds.
struct Counted<'a> {
    media: usize,
    placeholders: [[usize; 2]; 3],
    placed: &'a mut Vec<Placed>,
}

/// Rules about the turns. Fills `placed` with the placeholders of all turns, in order.
pub(super) fn conversation(
    record: &Record,
    context_tokens: usize,
    placed: &mut Vec<Placed>,
    notebook: &mut Notebook<'_>,
) {
    roles(&record.conversations, notebook);
    placed.clear();
    let mut counted = Counted {
        media: 0,
        placeholders: [[0; 2]; 3],
        placed,
    };
    let mut length = 0;
    for (number, turn) in record.conversations.iter().enumerate() {
        words(number, turn, notebook);
        angles(number, turn, &mut counted, notebook);
        length += turn.value.len().div_ceil(4);
    }
    if !notebook.has(Rule::MediaBoth) {
        media_placeholder(record, counted.media, notebook);
    }
    if length > context_tokens {
        notebook.add(Rule::TextLength, || {
            format!("about {length} tokens; the context holds {context_tokens}")
        });
    }
    if !notebook.has(Rule::TokenMalformed) && !notebook.has(Rule::TokenSide) {
        counts(record, &counted.placeholders, notebook);
    }
}

fn roles(turns: &[Turn], notebook: &mut Notebook<'_>) {
    let spoken = turns
        .iter()
        .position(|turn| turn.from != Role::System)
        .unwrap_or(turns.len());
    if spoken == turns.len() {
        notebook.add(Rule::RoleOrder, || "there is no turn".into());
        return;
    }
    let due = |index: usize| {
        if index.is_multiple_of(2) {
            Role::Human
        } else {
            Role::Gpt
        }
    };
    let wrong = turns[spoken..]
        .iter()
        .enumerate()
        .find(|(index, turn)| turn.from != due(*index));
    if let Some((index, turn)) = wrong {
        notebook.add(Rule::RoleOrder, || {
            format!(
                "turn {} is {}, not {}",
                spoken + index,
                turn.from.as_str(),
                due(index).as_str()
            )
        });
    } else if (turns.len() - spoken) % 2 == 1 {
        notebook.add(Rule::RoleOrder, || "the last question has no answer".into());
    }
}

fn media_placeholder(record: &Record, found: usize, notebook: &mut Notebook<'_>) {
    let due = record.media.placeholder();
    let first = record
        .conversations
        .iter()
        .find(|turn| turn.from == Role::Human);
    if found != 1 {
        notebook.add(Rule::MediaPlaceholder, || {
            format!("{found} media placeholders instead of one {due}")
        });
    } else if first.is_some_and(|turn| !turn.value.starts_with(due)) {
        notebook.add(Rule::MediaPlaceholder, || {
            format!("the first human turn does not begin with {due}")
        });
    }
}

/// Rules about plain words in one turn.
fn words(number: usize, turn: &Turn, notebook: &mut Notebook<'_>) {
    let text = &turn.value;
    if is_blank(text) {
        match turn.from {
            Role::Gpt => notebook.add(Rule::AnswerEmpty, || format!("turn {number} says nothing")),
            Role::Human => notebook.add(Rule::QuestionEmpty, || {
                format!("turn {number} asks nothing")
            }),
            Role::System => {}
        }
    } else if turn.from == Role::Gpt
        && let Some(reason) = broken_off(text)
    {
        notebook.add(Rule::AnswerTruncated, || format!("turn {number} {reason}"));
    }
    // Markers hold an underscore, which is rarer than any of their letters.
    if memchr::memchr(b'_', text.as_bytes()).is_some()
        && let Some(marker) = MARKERS.iter().find(|marker| text.contains(**marker))
    {
        notebook.add(Rule::TextMarker, || {
            format!("turn {number} holds `{marker}`")
        });
    }
    // Without an early end the compiler looks at many bytes at once.
    let special = text.bytes().fold(0, |found, byte| {
        let low = u8::from(byte < 0x20) & u8::from(byte != b'\n') & u8::from(byte != b'\t');
        found | low | u8::from(byte >= 0x7f)
    });
    if special != 0 {
        characters(number, text, notebook);
    }
}

fn is_blank(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || MEDIA.contains(&text)
}

fn broken_off(text: &str) -> Option<&'static str> {
    let end = text.trim_end();
    if end.ends_with([',', ':', ';', '(', '[', '{', '<']) {
        return Some("breaks off");
    }
    let open = |opening: u8, closing: u8| {
        memchr::memrchr2(opening, closing, text.as_bytes())
            .is_some_and(|at| text.as_bytes()[at] == opening)
    };
    (open(b'[', b']') || open(b'{', b'}')).then_some("ends inside a bracket")
}

/// Whether a character has no place in a text.
pub(super) fn is_control(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || c == '\u{feff}'
}

fn characters(number: usize, text: &str, notebook: &mut Notebook<'_>) {
    if super::repair::demojibake(text).is_some() {
        notebook.add(Rule::TextMojibake, || {
            format!("turn {number} holds UTF-8 that was read as Windows-1252")
        });
    } else if let Some(c) = text.chars().find(|&c| is_control(c)) {
        notebook.add(Rule::TextControl, || {
            format!(
                "turn {number} holds the control character U+{:04X}",
                u32::from(c)
            )
        });
    }
    if text.contains('\u{fffd}') {
        notebook.add(Rule::TextReplaced, || format!("turn {number} holds U+FFFD"));
    }
}

/// Looks at everything that begins with an angle bracket.
fn angles(number: usize, turn: &Turn, counted: &mut Counted<'_>, notebook: &mut Notebook<'_>) {
    let text = turn.value.as_str();
    for at in memchr::memchr_iter(b'<', text.as_bytes()) {
        let rest = &text[at..];
        match rest.as_bytes().get(1) {
            // A coordinate token, most often.
            Some(b'T' | b'W' | b'H') => {
                if let Some((length, token)) = token_at(rest) {
                    coordinate(number, turn, at..at + length, token, counted, notebook);
                }
            }
            Some(b'i' | b'v')
                if MEDIA
                    .iter()
                    .any(|placeholder| rest.starts_with(placeholder)) =>
            {
                counted.media += 1;
            }
            _ => {
                if let Some(marker) = TEMPLATES.iter().find(|marker| rest.starts_with(**marker))
                    && !notebook.has(Rule::TextTemplate)
                {
                    notebook.add(Rule::TextTemplate, || {
                        format!("turn {number} holds `{marker}`")
                    });
                }
            }
        }
    }
}

fn coordinate(
    number: usize,
    turn: &Turn,
    at: Range<usize>,
    token: Token<'_>,
    counted: &mut Counted<'_>,
    notebook: &mut Notebook<'_>,
) {
    let Token::Placeholder(axis, side) = token else {
        if !notebook.has(Rule::TokenMalformed) {
            let word = &turn.value[at.clone()];
            notebook.add(Rule::TokenMalformed, || {
                format!(
                    "turn {number}, byte {}: `{word}` is no placeholder",
                    at.start
                )
            });
        }
        return;
    };
    counted.placeholders[axis as usize][side as usize] += 1;
    counted.placed.push(Placed {
        turn: number,
        start: at.start,
        end: at.end,
        axis,
        value: f64::NAN,
    });
    if side != turn.from.side() && !notebook.has(Rule::TokenSide) {
        notebook.add(Rule::TokenSide, || {
            format!(
                "turn {number}, byte {}: {} in a {} turn",
                at.start,
                axis.placeholder(side),
                turn.from.as_str()
            )
        });
    }
}

fn counts(record: &Record, placeholders: &[[usize; 2]; 3], notebook: &mut Notebook<'_>) {
    for (axis, side, numbers) in record.variables.iter() {
        let expected = placeholders[axis as usize][side as usize];
        if expected != numbers.len() {
            notebook.add(Rule::PlaceholderCount, || {
                let (name, placeholder) = (Variables::name(axis, side), axis.placeholder(side));
                format!(
                    "{expected} {placeholder} in the text, {} numbers in `{name}`",
                    numbers.len()
                )
            });
        }
    }
}
