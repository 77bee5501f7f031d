//! GESM (Momentor): the events of a video, `{timestamps, captions}`.

use serde::Deserialize;
use st_schema::Task;

use super::{Draft, Drafts, Event, Part, RawItem, Reject};

#[derive(Deserialize)]
struct Gesm {
    timestamps: Vec<[f64; 2]>,
    captions: Vec<String>,
}

/// Every event of a video with its span.
///
/// # Errors
/// When there are no events, or not a caption for each span.
pub(super) fn gesm(video: &str, item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Gesm {
        timestamps,
        captions,
    } = item.parse()?;
    if timestamps.len() != captions.len() {
        return Err(Reject::shape(format!(
            "{} timestamps for {} captions",
            timestamps.len(),
            captions.len()
        )));
    }
    let events = timestamps.into_iter().zip(captions);
    let events: Vec<Event> = events
        .map(|(span, caption)| Event { span, caption })
        .collect();
    if events.is_empty() {
        return Err(Reject::Nothing("no events"));
    }
    drafts.push(
        Draft::video(Task::Dvc, video, format!("{video}.mp4"))
            .ask("dvc", vec![("events", vec![Part::Events(events)])]),
    );
    Ok(())
}
