//! Momentor's thresholds, and its slots: `{moment}`, `{content}`, … in a text, filled from `variables`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Drafts, Part, Parts, Reject};

/// The authors' thresholds (DCDmllm/Momentor, `scripts/convert_data.py`): a score must be above.
pub(super) const THRESHOLDS: [(&str, f64); 10] = [
    ("segment_caption_data", 0.145),
    ("instance_segment_caption_data", 0.146),
    ("instance_caption_data", 0.126),
    ("appearance_data", 0.129),
    ("qa_data", 0.177),
    ("instance_qa_data", 0.159),
    ("cross_segment_qa_data", 0.211),
    ("hypo_scene_data", 0.888),
    ("comp_ret_data", 0.195),
    ("segment_locate_data", 1.067),
];

/// What a slot is filled with; told apart by its shape.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Variable {
    /// Start and end in seconds.
    Span([f64; 2]),
    /// A second, and a point of the picture then.
    Point(f64, [f64; 2]),
    /// Several spans.
    Spans(Vec<[f64; 2]>),
    /// Words.
    Text(String),
}

/// A text whose `{name}` slots are filled.
///
/// # Errors
/// When a slot has no value, a brace no partner, or a point lies outside the picture.
pub(super) fn filled(
    text: &str,
    variables: &BTreeMap<String, Variable>,
    drafts: &mut Drafts<'_>,
) -> Result<Parts, Reject> {
    let mut parts = Parts::new();
    let mut rest = text.trim();
    while let Some((words, after)) = rest.split_once('{') {
        let (name, next) = after
            .split_once('}')
            .ok_or_else(|| Reject::shape(format!("a brace in `{text}` has no partner")))?;
        parts.push(words.into());
        match variables.get(name) {
            None => {
                let message = format!("`{{{name}}}` has no value in variables");
                return Err(Reject::unusable("slot-empty", message));
            }
            Some(Variable::Text(words)) => parts.push(words.as_str().into()),
            Some(Variable::Span(span)) => parts.push(Part::Span(*span)),
            Some(Variable::Spans(spans)) => list(&mut parts, spans),
            Some(Variable::Point(time, point)) => {
                point_at(&mut parts, *time, *point)?;
                drafts.note("click_position: shares of the picture, as all lie in 0 to 1");
            }
        }
        rest = next;
    }
    parts.push(rest.into());
    Ok(parts)
}

/// "{…}, {…} and {…}".
fn list(parts: &mut Parts, spans: &[[f64; 2]]) {
    for (index, span) in spans.iter().enumerate() {
        if index > 0 {
            parts.push(
                if index + 1 == spans.len() {
                    " and "
                } else {
                    ", "
                }
                .into(),
            );
        }
        parts.push(Part::Span(*span));
    }
}

/// "<time> (<x>, <y>)". Whether points are shares of the picture is not confirmed: only what can be shares is taken.
fn point_at(parts: &mut Parts, time: f64, point: [f64; 2]) -> Result<(), Reject> {
    if !point.iter().all(|side| (0.0..=1.0).contains(side)) {
        return Err(Reject::unusable(
            "point-unit-unknown",
            format!(
                "the point {point:?} is no share of the picture, and the file does not say what it is"
            ),
        ));
    }
    parts.extend([Part::Time(time), " ".into(), Part::Point(point)]);
    Ok(())
}
