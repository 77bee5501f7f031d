//! VTG-IT: times spelled by tokens such as `<TIME_ONE>`, and its ancestor `TimeIT` with plain numbers; seconds of whole videos,
//! whose length the files do not give.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::spelled::{plain, spans};
use super::{
    Container, Draft, Drafts, Event, Files, Info, Part, RawItem, Reject, Sample, Sides, Source,
};

static INFO: Info = Info {
    name: "vtg_it",
    version: 1,
    about: "Moments and dense captions of YouTube videos, times spelled by tokens.",
    files: &[Files {
        form: "answers",
        pattern: "*.json",
        container: Container::Json,
        means: "a list of {video, QA[{q, a}]}; times as digit tokens, or plain numbers in TimeIT",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::SECONDS),
    boxes: None,
    tasks: &[Task::Tvg, Task::Dvc],
    open_questions: &[
        "A lone zero for a start is taken as 0.0, as Grounded-VideoLLM does.",
        "Lengths of videos are not in the files: durations.csv must give them.",
    ],
    example: Sample {
        form: "answers",
        key: None,
        item: r#"{"video": "yttemporal/videos/video-ytTemporal4", "QA": [{"q": "When does 'the crowd claps' take place?", "a": "The given query happens in <TIME_ZERO><TIME_ZERO><TIME_THREE><TIME_ONE><TIME_DOT><TIME_TWO> - <TIME_ZERO><TIME_ZERO><TIME_FOUR><TIME_SEVEN><TIME_DOT><TIME_ZERO> seconds."}], "source": "YT-Temporal"}"#,
        sides: &[],
        durations: &[("ytTemporal4", 60.0)],
    },
};

pub(super) struct VtgIt;

impl Source for VtgIt {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        convert(item, out)
    }
}

#[derive(Deserialize)]
struct Item {
    video: String,
    #[serde(rename = "QA")]
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    q: String,
    a: String,
}

fn convert(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let Item { video, pairs } = item.parse()?;
    // `…/videos/video-<id>`, without an ending; the id may begin with a hyphen.
    let name = video.rsplit('/').next().unwrap_or(&video);
    let path = format!("{}.mp4", name.strip_prefix("video-").unwrap_or(name));
    for (index, pair) in pairs.iter().enumerate() {
        let id = format!("{name}_{}_{index}", item.row);
        match draft(&id, &path, pair) {
            Ok(draft) => drafts.push(draft),
            Err(reject) => drafts.refuse(id, reject),
        }
    }
    Ok(())
}

fn draft(id: &str, path: &str, pair: &Pair) -> Result<Draft, Reject> {
    let spelled = pair.a.contains("<TIME_");
    let answer = plain(&pair.a);
    let found = spans(&answer, spelled);
    if found.is_empty() || answer.contains("<TIME_") {
        return Err(Reject::unusable(
            "no-span",
            format!("no span in `{answer}`"),
        ));
    }
    let about = |task| Draft::video(task, id, path);
    let mut made = if found.iter().any(|one| one.caption.is_some()) {
        let said = found
            .iter()
            .filter_map(|one| Some((one.span, one.caption.clone()?)));
        let events = said
            .map(|(span, caption)| Event { span, caption })
            .collect();
        about(Task::Dvc).say(vec![pair.q.trim().into()], vec![Part::Events(events)])
    } else if let [one] = found.as_slice() {
        let (before, after) = (&answer[..one.place.start], &answer[one.place.end..]);
        let gpt = vec![before.into(), Part::Span(one.span), after.trim_end().into()];
        about(Task::Tvg).say(vec![pair.q.trim().into()], gpt)
    } else {
        return Err(Reject::unusable(
            "no-captions",
            "several spans without captions",
        ));
    };
    if found.iter().any(|one| one.bare_zero) {
        made = made.repaired("bare-zero");
    }
    // A time that cannot be read takes its event with it, and that is told.
    if found.len() < answer.matches(" seconds").count() {
        made = made.repaired("event-unreadable");
    }
    Ok(made)
}
