//! Putting records right where that is safe.

use serde_json::Value;
use st_schema::{Axis, Record, Role, Side};

use super::Rule;
use super::geometry::{Group, Values, groups};
use super::media::Facts;
use super::text::{MARKERS, MEDIA, is_control};
use crate::read::FaultKind;

/// Reads a record whose only fault is another project's words for the speakers.
pub(super) fn reshape(bytes: &[u8], kind: &FaultKind) -> Option<Record> {
    let FaultKind::Shape(message) = kind else {
        return None;
    };
    if !message.contains("unknown variant") {
        return None;
    }
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    for turn in value.get_mut("conversations")?.as_array_mut()? {
        let from = turn.get_mut("from")?;
        let word = from.as_str()?.to_lowercase();
        *from = match word.as_str() {
            "human" | "user" => "human".into(),
            "gpt" | "assistant" | "model" | "chatgpt" | "bot" => "gpt".into(),
            "system" => "system".into(),
            _ => return None,
        };
    }
    serde_json::from_value(value).ok()
}

/// Applies one rule's repair.
pub(super) fn apply(record: &mut Record, rule: Rule, facts: Option<&Facts>) {
    match rule {
        Rule::MediaPlaceholder => media_placeholder(record),
        Rule::TextMarker => change_text(record, |text| {
            MARKERS
                .iter()
                .fold(text.to_owned(), |text, marker| text.replace(marker, ""))
                .trim_end()
                .to_owned()
        }),
        Rule::TextMojibake => change_text(record, |text| {
            demojibake(text).unwrap_or_else(|| text.to_owned())
        }),
        Rule::TextControl => change_text(record, |text| {
            text.chars().filter(|&c| !is_control(c)).collect()
        }),
        Rule::VariablesIncomplete => record.variables.complete(),
        Rule::ValueRange => {
            for axis in Axis::ALL {
                for side in Side::ALL {
                    record
                        .variables
                        .get_mut(axis, side)
                        .iter_mut()
                        .for_each(|value| *value = value.clamp(0.0, 1.0));
                }
            }
        }
        Rule::BoxOrder => box_order(record),
        Rule::TubeOrder => tube_order(record),
        Rule::MetaSize | Rule::MetaFps | Rule::MetaFrames => {
            if let Some(facts) = facts {
                facts.write(rule, &mut record.meta);
            }
        }
        // The other rules have no repair, or are put right by being written anew.
        _ => {}
    }
}

fn change_text(record: &mut Record, change: impl Fn(&str) -> String) {
    for turn in &mut record.conversations {
        turn.value = change(&turn.value);
    }
}

fn media_placeholder(record: &mut Record) {
    let due = record.media.placeholder();
    change_text(record, |text| {
        let mut text = text.to_owned();
        for placeholder in MEDIA {
            text = text
                .replace(&format!("{placeholder}\n"), "")
                .replace(&format!("\n{placeholder}"), "")
                .replace(placeholder, "");
        }
        text
    });
    if let Some(turn) = record
        .conversations
        .iter_mut()
        .find(|turn| turn.from == Role::Human)
    {
        // A space beside a placeholder that was taken out goes with it.
        turn.value = format!("{due}\n{}", turn.value.trim_start());
    }
}

/// The record's numbers by their groups, changed and put back; placeholders of one kind are all alike, so the text stays.
fn change_groups(record: &mut Record, change: impl Fn(&mut Vec<Group>)) {
    let mut fresh = record.variables.clone();
    for axis in Axis::ALL {
        for side in Side::ALL {
            fresh.get_mut(axis, side).clear();
        }
    }
    let mut values = Values::new(record);
    for turn in &record.conversations {
        let mut found = groups(turn, &mut values);
        if found
            .iter()
            .any(|group| matches!(group, Group::Malformed(_)))
        {
            return;
        }
        change(&mut found);
        let side = turn.from.side();
        for group in found {
            let (times, corners): (&[f64], &[f64]) = match &group {
                Group::Span(ends) => (ends, &[]),
                Group::Time(time) => (std::slice::from_ref(time), &[]),
                Group::Box(corners) => (&[], corners),
                Group::Point(point) => (&[], point),
                Group::Timed(time, corners) => (std::slice::from_ref(time), corners),
                Group::Malformed(_) => (&[], &[]),
            };
            fresh.get_mut(Axis::Temporal, side).extend(times);
            for pair in corners.chunks(2) {
                fresh.get_mut(Axis::Width, side).push(pair[0]);
                fresh.get_mut(Axis::Height, side).push(pair[1]);
            }
        }
    }
    record.variables = fresh;
}

fn box_order(record: &mut Record) {
    change_groups(record, |groups| {
        for group in groups {
            if let Group::Box([x1, y1, x2, y2]) | Group::Timed(_, [x1, y1, x2, y2]) = group {
                (*x1, *x2) = (x1.min(*x2), x1.max(*x2));
                (*y1, *y2) = (y1.min(*y2), y1.max(*y2));
            }
        }
    });
}

fn tube_order(record: &mut Record) {
    change_groups(record, |groups| {
        let mut timed: Vec<Group> = groups
            .iter()
            .copied()
            .filter(|group| matches!(group, Group::Timed(..)))
            .collect();
        let time = |group: &Group| {
            if let Group::Timed(time, _) = group {
                *time
            } else {
                0.0
            }
        };
        timed.sort_by(|a, b| time(a).total_cmp(&time(b)));
        let mut sorted = timed.into_iter();
        for group in groups
            .iter_mut()
            .filter(|group| matches!(group, Group::Timed(..)))
        {
            if let Some(next) = sorted.next() {
                *group = next;
            }
        }
    });
}

/// The Windows-1252 byte of a character.
fn windows_1252(c: char) -> Option<u8> {
    const HIGH: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match u32::from(c) {
        code @ 0xA0..=0xFF => u8::try_from(code).ok(),
        0x80..=0x9F => u8::try_from(u32::from(c)).ok(),
        _ => {
            let index = HIGH.chars().position(|high| high == c)?;
            u8::try_from(0x80 + index).ok()
        }
    }
}

/// Text in which every run of non-ASCII characters that is UTF-8 read as Windows-1252 is read as UTF-8; `None` when there is none.
pub(super) fn demojibake(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut fixed = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        fixed.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let length = rest.find(|c: char| c.is_ascii()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        rest = after;
        let bytes: Option<Vec<u8>> = run.chars().map(windows_1252).collect();
        match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(read) if !run.is_empty() => {
                changed = true;
                fixed.push_str(&read);
            }
            _ => fixed.push_str(run),
        }
    }
    changed.then_some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mojibake_is_read_again() {
        assert_eq!(
            demojibake("a cafÃ© on the streetâ€™s end").as_deref(),
            Some("a café on the street’s end")
        );
        for sound in [
            "a café",
            "naïve Übergröße",
            "一个孩子",
            "“quoted” – fine…",
            "plain",
        ] {
            assert_eq!(demojibake(sound), None, "{sound}");
        }
    }
}
