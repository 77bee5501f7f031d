//! Rules about numbers: spans, boxes, tubes, the clip's frame range.

use st_schema::text::{Token, tokens};
use st_schema::{Axis, FramePlan, Record, Role, Side, Turn, Variables, round_half_even};

use super::{Notebook, Rule};

/// Half a step of three decimals on each side of a comparison, and a little for the arithmetic.
const ROUNDING: f64 = 0.001_001;

/// What stands together in a turn's text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Group {
    /// `{TEMP TEMP}`.
    Span([f64; 2]),
    /// `[WIDTH HEIGHT WIDTH HEIGHT]`.
    Box([f64; 4]),
    /// `TEMP:[WIDTH HEIGHT WIDTH HEIGHT]`.
    Timed(f64, [f64; 4]),
    /// A time on its own.
    Time(f64),
    /// `(WIDTH, HEIGHT)`, a point.
    Point([f64; 2]),
    /// Anything else, by its first byte.
    Malformed(usize),
}

/// The clip's frame range against itself and the file's length.
pub(super) fn split(record: &Record, notebook: &mut Notebook<'_>) {
    let Some([first, last]) = record.meta.split else {
        return;
    };
    if last < first {
        notebook.add(Rule::SplitOrder, || {
            format!("the split [{first}, {last}] ends before it starts")
        });
    } else if let Some(frames) = record.meta.frames
        && last >= frames
    {
        notebook.add(Rule::SplitRange, || {
            format!("the split ends at frame {last}; `meta` says that the file has {frames}")
        });
    }
}

/// The numbers, once they are as many as the placeholders. `placed` are the placeholders of all turns, in order.
pub(super) fn numbers(
    record: &Record,
    plan: FramePlan,
    placed: &mut [Placed],
    notebook: &mut Notebook<'_>,
) {
    let mut outside = false;
    for (axis, side, numbers) in record.variables.iter() {
        if let Some(value) = numbers.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            outside = true;
            notebook.add(Rule::ValueRange, || {
                format!("{value} in `{}`", Variables::name(axis, side))
            });
        }
    }
    let waits = [
        Rule::TokenMalformed,
        Rule::TokenSide,
        Rule::PlaceholderCount,
        Rule::AnswerTruncated,
    ];
    if outside || record.variables.is_empty() || waits.into_iter().any(|rule| notebook.has(rule)) {
        return;
    }
    let mut values = Values::new(record);
    let mut asked = Asked::default();
    let (mut groups, mut rest) = (Vec::new(), placed);
    for (number, turn) in record.conversations.iter().enumerate() {
        let here = rest.iter().take_while(|one| one.turn == number).count();
        let (placed, after) = rest.split_at_mut(here);
        rest = after;
        for one in placed.iter_mut() {
            one.value = values.next(one.axis, turn.from.side());
        }
        groups.clear();
        form_groups(&turn.value, placed, &mut groups);
        shapes(number, &groups, notebook);
        if turn.from == Role::Human {
            asked = Asked::of(&groups);
        } else {
            tube(number, &groups, asked, record, plan, notebook);
        }
    }
}

/// Hands out a record's numbers in text order.
pub(super) struct Values<'a> {
    record: &'a Record,
    taken: [[usize; 2]; 3],
}

impl<'a> Values<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        Self {
            record,
            taken: [[0; 2]; 3],
        }
    }

    fn next(&mut self, axis: Axis, side: Side) -> f64 {
        let index = &mut self.taken[axis as usize][side as usize];
        let value = self.record.variables.get(axis, side).get(*index).copied();
        *index += 1;
        // Counts were compared before.
        value.unwrap_or(f64::NAN)
    }
}

/// A placeholder in a record's text, with its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Which turn, from 0.
    pub(super) turn: usize,
    /// First byte in the turn.
    pub(super) start: usize,
    /// One past its last byte.
    pub(super) end: usize,
    pub(super) axis: Axis,
    /// Not a number until it is looked up.
    pub(super) value: f64,
}

/// Reads a turn's groups.
pub(super) fn groups(turn: &Turn, values: &mut Values<'_>) -> Vec<Group> {
    let text = turn.value.as_str();
    let placed: Vec<Placed> = tokens(text)
        .filter_map(|located| match located.token {
            Token::Placeholder(axis, side) => Some(Placed {
                turn: 0,
                start: located.start,
                end: located.end,
                axis,
                value: values.next(axis, side),
            }),
            _ => None,
        })
        .collect();
    let mut groups = Vec::new();
    form_groups(text, &placed, &mut groups);
    groups
}

fn form_groups(text: &str, placed: &[Placed], groups: &mut Vec<Group>) {
    let mut rest = placed;
    while let Some(first) = rest.first() {
        let (group, taken) = group(text, rest, first);
        groups.push(group);
        rest = &rest[taken.max(1)..];
    }
}

fn group(text: &str, rest: &[Placed], first: &Placed) -> (Group, usize) {
    match text[..first.start].trim_end().chars().next_back() {
        Some('{') => match take(text, rest, [Axis::Temporal; 2], '}') {
            Some(ends) => (Group::Span(ends), 2),
            None => (Group::Malformed(first.start), run(text, rest)),
        },
        Some('[') => match take(text, rest, CORNERS, ']') {
            Some(corners) => (Group::Box(corners), 4),
            None => (Group::Malformed(first.start), run(text, rest)),
        },
        Some('(') if first.axis == Axis::Width => {
            match take(text, rest, [Axis::Width, Axis::Height], ')') {
                Some(point) => (Group::Point(point), 2),
                None => (Group::Malformed(first.start), run(text, rest)),
            }
        }
        _ if first.axis == Axis::Temporal => {
            let next = rest.get(1).map_or("", |next| &text[first.end..next.start]);
            let opens = next
                .trim()
                .strip_prefix(':')
                .is_some_and(|after| after.trim() == "[");
            match opens.then(|| take(text, &rest[1..], CORNERS, ']')) {
                Some(Some(corners)) => (Group::Timed(first.value, corners), 5),
                Some(None) => (Group::Malformed(first.start), 1 + run(text, &rest[1..])),
                None => (Group::Time(first.value), 1),
            }
        }
        _ => (Group::Malformed(first.start), 1),
    }
}

const CORNERS: [Axis; 4] = [Axis::Width, Axis::Height, Axis::Width, Axis::Height];

/// The values of the next placeholders when they are of these axes, stand together and are closed.
fn take<const N: usize>(
    text: &str,
    rest: &[Placed],
    axes: [Axis; N],
    close: char,
) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for (index, axis) in axes.into_iter().enumerate() {
        let placed = rest.get(index).filter(|placed| placed.axis == axis)?;
        let stop = rest.get(index + 1).map_or(text.len(), |next| next.start);
        let after = text[placed.end..stop].trim_start();
        let joined = if index + 1 == N {
            after.starts_with(close)
        } else {
            after.is_empty() || after.trim() == ","
        };
        if !joined {
            return None;
        }
        values[index] = placed.value;
    }
    Some(values)
}

/// How many placeholders stand together without other text.
fn run(text: &str, rest: &[Placed]) -> usize {
    let joined = |pair: &[Placed]| matches!(text[pair[0].end..pair[1].start].trim(), "" | ",");
    1 + rest.windows(2).take_while(|pair| joined(pair)).count()
}

fn shapes(number: usize, groups: &[Group], notebook: &mut Notebook<'_>) {
    for group in groups {
        match *group {
            Group::Malformed(at) => notebook.add(Rule::GroupMalformed, || {
                format!(
                    "turn {number}, byte {at}: placeholders that are neither span, box nor time"
                )
            }),
            Group::Span([start, end]) if end < start => {
                notebook.add(Rule::SpanOrder, || {
                    format!("turn {number}: the span {{{start},{end}}} ends before it starts")
                });
            }
            Group::Box(corners) | Group::Timed(_, corners) => {
                corners_in_order(number, corners, notebook);
            }
            Group::Span(_) | Group::Time(_) | Group::Point(_) => {}
        }
    }
}

fn corners_in_order(number: usize, corners: [f64; 4], notebook: &mut Notebook<'_>) {
    let (width, height) = (corners[2] - corners[0], corners[3] - corners[1]);
    if width < 0.0 || height < 0.0 {
        notebook.add(Rule::BoxOrder, || {
            format!("turn {number}: the box {corners:?} has its corners in wrong order")
        });
    } else if width == 0.0 || height == 0.0 {
        notebook.add(Rule::BoxArea, || {
            format!("turn {number}: the box {corners:?} has no area")
        });
    }
}

/// What a question says about time.
#[derive(Clone, Copy, Default)]
struct Asked {
    span: Option<[f64; 2]>,
    start: Option<f64>,
}

impl Asked {
    fn of(groups: &[Group]) -> Self {
        let span = groups.iter().find_map(|group| {
            if let Group::Span(span) = group {
                Some(*span)
            } else {
                None
            }
        });
        let start = groups.iter().find_map(|group| {
            if let Group::Time(time) = group {
                Some(*time)
            } else {
                None
            }
        });
        Self { span, start }
    }
}

fn tube(
    number: usize,
    groups: &[Group],
    asked: Asked,
    record: &Record,
    plan: FramePlan,
    notebook: &mut Notebook<'_>,
) {
    let said = Asked::of(groups);
    let ends = said.start;
    let span = said
        .span
        .or(asked.span)
        .or(asked.start.zip(ends).map(|(start, end)| [start, end]));
    let span = span.filter(|[start, end]| start <= end);
    let clip = record.meta.split.or(record
        .meta
        .frames
        .map(|frames| [0, frames.saturating_sub(1)]));
    let clip = clip.filter(|[first, last]| first < last);
    let times: Vec<f64> = groups
        .iter()
        .filter_map(|group| {
            if let Group::Timed(time, _) = group {
                Some(*time)
            } else {
                None
            }
        })
        .collect();
    order(number, &times, notebook);
    for &time in &times {
        if let Some([start, end]) = span
            && !(start - ROUNDING..=end + ROUNDING).contains(&time)
            && !notebook.has(Rule::TubeSpan)
        {
            notebook.add(Rule::TubeSpan, || {
                format!("turn {number}: time {time} lies outside the span {{{start},{end}}}")
            });
        }
        if let Some(clip) = clip
            && !on_grid(time, clip, plan)
            && !notebook.has(Rule::TubeGrid)
        {
            notebook.add(Rule::TubeGrid, || {
                format!(
                    "turn {number}: time {time} falls on no frame of a plan of {} over {clip:?}",
                    plan.frames
                )
            });
        }
    }
}

fn order(number: usize, times: &[f64], notebook: &mut Notebook<'_>) {
    if times.windows(2).all(|pair| pair[0] < pair[1]) {
        return;
    }
    if let Some(&[before, time]) = times.windows(2).find(|pair| pair[1] < pair[0]) {
        notebook.add(Rule::TubeOrder, || {
            format!("turn {number}: time {time} comes after {before}")
        });
    }
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    if let Some(&[time, _]) = sorted.windows(2).find(|pair| pair[1] <= pair[0]) {
        notebook.add(Rule::TubeRepeat, || {
            format!("turn {number}: time {time} has two boxes")
        });
    }
}

/// Whether a time is that of a frame which the plan takes.
#[expect(
    clippy::cast_precision_loss,
    reason = "frame numbers are far below 2^53"
)]
fn on_grid(time: f64, [first, last]: [u64; 2], plan: FramePlan) -> bool {
    let length = (last - first) as f64;
    let steps = plan.frames.saturating_sub(1) as f64;
    if steps == 0.0 {
        return time == 0.0;
    }
    let nearest = (time * steps).round();
    [-1.0, 0.0, 1.0].into_iter().any(|offset| {
        let step = (nearest + offset).clamp(0.0, steps);
        (round_half_even(step / steps * length) / length - time).abs() <= ROUNDING
    })
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small frame numbers")]
mod tests {
    use super::*;

    #[test]
    fn times_of_planned_frames_are_on_the_grid() {
        for clip in [[0, 829], [100, 1379], [0, 37], [5, 6]] {
            for frame in FramePlan::REFERENCE.indices(clip[0], clip[1]) {
                let time = st_schema::round3((frame - clip[0]) as f64 / (clip[1] - clip[0]) as f64);
                assert!(
                    on_grid(time, clip, FramePlan::REFERENCE),
                    "{time} of {clip:?}"
                );
            }
        }
        assert!(!on_grid(0.015, [0, 999], FramePlan::REFERENCE));
    }
}
