//! `VidOR`: every object of a video with a box in every frame; what `VidSTG` takes its boxes from.

use std::collections::BTreeMap;

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::{BoxConvention, TimeConvention};

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Side, SideKey, Sides,
    Source, words,
};

pub(super) struct VidOr;

const FILES: [Files; 2] = [
    annotations("training/*/*.json"),
    annotations("validation/*/*.json"),
];

const fn annotations(pattern: &'static str) -> Files {
    Files {
        form: "video",
        pattern,
        container: Container::JsonDocument,
        means: "one video: {frame_count, subject/objects, trajectories (a list of boxes for each frame), …}",
    }
}

/// The same files as a table of trajectories, for sources that name `VidOR` objects.
pub(super) const TRAJECTORIES: [Side; 2] = [
    trajectories("training/*/*.json"),
    trajectories("validation/*/*.json"),
];

const fn trajectories(pattern: &'static str) -> Side {
    Side {
        name: "vidor",
        pattern,
        container: Container::JsonDocument,
        key: SideKey::FileStem,
        fields: &[],
        needed: true,
    }
}

static INFO: Info = Info {
    name: "vidor",
    version: 1,
    about: "Objects of a video with a box in every frame, and relations between them; VidSTG takes its boxes from here.",
    files: &FILES,
    sides: &[],
    with: &[],
    time: Some(TimeConvention::FRAMES_INCLUSIVE),
    boxes: Some(BoxConvention::XYXY_PIXELS),
    tasks: &[Task::Svg],
    open_questions: &[
        "ST-Align takes sentences from VidSTG; on its own, VidOR gives one record for each object that is the only one of its category.",
    ],
    example: Sample::new(
        "video",
        r#"{"video_id": "9900000012", "video_path": "0099/9900000012.mp4", "frame_count": 3, "fps": 25.0, "width": 480, "height": 640, "subject/objects": [{"tid": 1, "category": "ball/sports_ball"}], "trajectories": [[], [{"tid": 1, "bbox": {"xmin": 205, "ymin": 500, "xmax": 265, "ymax": 560}, "generated": 0, "tracker": "none"}], [{"tid": 1, "bbox": {"xmin": 210, "ymin": 500, "xmax": 270, "ymax": 560}, "generated": 1, "tracker": "linear"}]], "relation_instances": []}"#,
    ),
};

/// One video's annotation.
#[derive(Debug, Deserialize)]
pub(super) struct Video {
    #[serde(rename = "video_id")]
    pub(super) id: String,
    /// `<folder>/<id>.mp4`.
    #[serde(rename = "video_path")]
    pub(super) path: String,
    pub(super) frame_count: u64,
    pub(super) fps: f64,
    pub(super) width: u32,
    pub(super) height: u32,
    #[serde(rename = "subject/objects", default)]
    pub(super) objects: Vec<Object>,
    /// The boxes of each frame, frame 0 first.
    #[serde(default)]
    trajectories: Vec<Vec<Tracked>>,
}

/// A declared object.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) tid: i64,
    pub(super) category: String,
}

#[derive(Debug, Deserialize)]
struct Tracked {
    tid: i64,
    bbox: Corners,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Corners {
    xmin: f64,
    ymin: f64,
    xmax: f64,
    ymax: f64,
}

impl Video {
    /// The boxes of object `tid` in frames `first` to `last`, both inclusive: frame and left, top, right, bottom in pixels.
    pub(super) fn tube(&self, tid: i64, first: u32, last: u32) -> Vec<(u32, [f64; 4])> {
        (0..)
            .zip(&self.trajectories)
            .filter(|(frame, _)| (first..=last).contains(frame))
            .filter_map(|(frame, boxes)| {
                let one = boxes.iter().find(|tracked| tracked.tid == tid)?;
                let Corners {
                    xmin,
                    ymin,
                    xmax,
                    ymax,
                } = one.bbox;
                Some((frame, [xmin, ymin, xmax, ymax]))
            })
            .collect()
    }
}

/// A category as words: `ball/sports_ball` is `ball`.
pub(super) fn category_words(category: &str) -> String {
    let first = category.split('/').next().unwrap_or(category);
    first.replace('_', " ")
}

/// Boxes as a part of a turn.
pub(super) fn tube_part(tube: &[(u32, [f64; 4])]) -> Part {
    Part::Tube(
        tube.iter()
            .map(|(frame, bbox)| (f64::from(*frame), *bbox))
            .collect(),
    )
}

impl Source for VidOr {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        out.split(if item.file.contains("validation/") {
            "val"
        } else {
            "train"
        })?;
        let video: Video = item.parse()?;
        let last = video.frame_count.checked_sub(1);
        let last = last.ok_or(Reject::shape("a video of no frames"))?;
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &video.objects {
            *uses.entry(&object.category).or_default() += 1;
        }
        for object in &video.objects {
            let id = format!("{}_{}", video.id, object.tid);
            let tube = video.tube(object.tid, 0, u32::MAX);
            let ([(begin, _), ..], [.., (end, _)]) = (tube.as_slice(), tube.as_slice()) else {
                out.refuse(id, Reject::Nothing("the object has no box in any frame"));
                continue;
            };
            if uses.get(object.category.as_str()) != Some(&1) {
                let message = format!("several objects are a {}", object.category);
                out.refuse(id, Reject::unusable("category-not-unique", message));
                continue;
            }
            let span = [f64::from(*begin), f64::from(*end)];
            let event = format!("the {}", category_words(&object.category));
            let mut draft = Draft::video(Task::Svg, id, &video.path)
                .frames(0, last)
                .size(video.width, video.height);
            draft.extent.fps = Some(video.fps);
            draft.file_frames = Some(video.frame_count);
            out.push(draft.ask(
                "svg",
                vec![
                    ("when", vec![Part::FromTo { span, lower: false }]),
                    ("event", words(event)),
                    ("tube", vec![tube_part(&tube)]),
                ],
            ));
        }
        Ok(())
    }
}
