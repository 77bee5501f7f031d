//! `VidSTG`: sentences about one object of a `VidOR` video; the "self collected" part of ST-Align. Boxes come from `VidOR`.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::{BoxConvention, TimeConvention};

use super::vidor::{Object, TRAJECTORIES, Video, category_words, tube_part};
use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, words,
};

pub(super) struct VidStg;

static INFO: Info = Info {
    name: "vidstg",
    version: 1,
    about: "Sentences and questions about one object of a VidOR video, with the frames of the event: ST-Align's stvg, svg and elc.",
    files: &[Files {
        form: "annotations",
        pattern: "*_annotations.json",
        container: Container::Json,
        means: "{vid, used_segment (end inclusive), temporal_gt (end exclusive), captions, questions}; frames from 0",
    }],
    sides: &TRAJECTORIES,
    with: &["vidor"],
    time: Some(TimeConvention::FRAMES_EXCLUSIVE),
    boxes: Some(BoxConvention::XYXY_PIXELS),
    tasks: &[Task::Stvg, Task::Svg, Task::Elc],
    open_questions: &[
        "ST-Align's own wording of questions is not published; these follow its benchmark.",
        "An event of which VidOR has no box is kept for stvg with its times alone, as in the benchmark, and refused for svg and elc.",
    ],
    example: Sample {
        form: "annotations",
        key: None,
        item: r#"{"vid": "9900000012", "fps": 25.0, "frame_count": 6, "used_segment": {"begin_fid": 0, "end_fid": 5}, "width": 480, "height": 640, "subject/objects": [{"tid": 0, "category": "child"}], "used_relation": {}, "temporal_gt": {"begin_fid": 0, "end_fid": 2}, "captions": [{"description": "a child is next to a ball.", "type": "person", "target_id": 0}], "questions": []}"#,
        sides: &[(
            "vidor",
            "9900000012",
            r#"{"video_id": "9900000012", "video_path": "0099/9900000012.mp4", "frame_count": 6, "fps": 25.0, "width": 480, "height": 640, "trajectories": [[{"tid": 0, "bbox": {"xmin": 10, "ymin": 10, "xmax": 90, "ymax": 300}}], [{"tid": 0, "bbox": {"xmin": 12, "ymin": 10, "xmax": 92, "ymax": 300}}]]}"#,
        )],
        durations: &[],
    },
};

/// One segment and relation.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) vid: String,
    pub(super) frame_count: u64,
    pub(super) used_segment: Range,
    pub(super) width: u32,
    pub(super) height: u32,
    #[serde(rename = "subject/objects")]
    pub(super) objects: Vec<Object>,
    pub(super) temporal_gt: Range,
    #[serde(default)]
    pub(super) captions: Vec<Sentence>,
    #[serde(default)]
    pub(super) questions: Vec<Sentence>,
}

/// Frames of the file, from 0.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Range {
    pub(super) begin_fid: u32,
    /// Inclusive in `used_segment`, exclusive in `temporal_gt`.
    pub(super) end_fid: u32,
}

/// A sentence about one object.
#[derive(Debug, Deserialize)]
pub(super) struct Sentence {
    pub(super) description: String,
    pub(super) target_id: i64,
}

impl Item {
    /// The item's `VidOR` annotation, when it is the one that the item was made from.
    pub(super) fn video(&self, sides: &Sides) -> Result<Video, Reject> {
        let video: Video = sides.parse("vidor", &self.vid)?;
        if (video.frame_count, video.width, video.height)
            != (self.frame_count, self.width, self.height)
        {
            let message = format!(
                "VidSTG counts {} frames of {}x{}, VidOR {} of {}x{}",
                self.frame_count,
                self.width,
                self.height,
                video.frame_count,
                video.width,
                video.height
            );
            return Err(Reject::unusable("video-differs", message));
        }
        if self.temporal_gt.end_fid == 0 || self.temporal_gt.begin_fid >= self.temporal_gt.end_fid {
            return Err(Reject::unusable("span-empty", "temporal_gt holds no frame"));
        }
        Ok(video)
    }

    /// The event's boxes of one object.
    pub(super) fn tube(&self, video: &Video, tid: i64) -> Vec<(u32, [f64; 4])> {
        let Range { begin_fid, end_fid } = self.temporal_gt;
        let mut tube = video.tube(tid, begin_fid, end_fid - 1);
        tube.retain(|(_, [x1, y1, x2, y2])| x1 < x2 && y1 < y2);
        tube
    }
}

impl Source for VidStg {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject> {
        out.split_of_name(item.file_stem())?;
        let raw: Item = item.parse()?;
        let video = raw.video(sides)?;
        let id = |kind: char, number: usize| format!("{}_{}_{kind}{number}", raw.vid, item.row);
        for (number, caption) in raw.captions.iter().enumerate() {
            let id = id('c', number);
            sentence(&raw, &video, caption, &id, false, out);
            elc(&raw, &video, caption, &id, out);
        }
        for (number, question) in raw.questions.iter().enumerate() {
            sentence(&raw, &video, question, &id('q', number), true, out);
        }
        Ok(())
    }
}

fn draft(raw: &Item, video: &Video, task: Task, id: &str) -> Draft {
    let Range { begin_fid, end_fid } = raw.used_segment;
    let mut draft = Draft::video(task, format!("{id}_{task}"), &video.path)
        .frames(begin_fid.into(), end_fid.into())
        .size(raw.width, raw.height);
    draft.extent.fps = Some(video.fps);
    draft.file_frames = Some(raw.frame_count);
    draft
}

fn when(raw: &Item) -> (&'static str, Vec<Part>) {
    let Range { begin_fid, end_fid } = raw.temporal_gt;
    let span = [f64::from(begin_fid), f64::from(end_fid)];
    ("when", vec![Part::FromTo { span, lower: false }])
}

/// The stvg and svg records of a sentence or question.
fn sentence(
    raw: &Item,
    video: &Video,
    said: &Sentence,
    id: &str,
    question: bool,
    out: &mut Drafts<'_>,
) {
    let text = said.description.trim();
    let event = if question {
        text.to_owned()
    } else {
        super::draft::within_sentence(text)
    };
    let tube = raw.tube(video, said.target_id);
    let stvg = draft(raw, video, Task::Stvg, id);
    let placed = draft(raw, video, Task::Svg, id);
    if tube.is_empty() {
        out.refuse(
            placed.id,
            Reject::Nothing("the object has no box during the event"),
        );
        let list = if question {
            "stvg_question_no_box"
        } else {
            "stvg_no_box"
        };
        let stvg = stvg.repaired("boxes-missing");
        out.push(stvg.ask(list, vec![("event", words(event)), when(raw)]));
        return;
    }
    let boxes = ("tube", vec![tube_part(&tube)]);
    let list = if question { "stvg_question" } else { "stvg" };
    let slots = vec![("event", words(&event)), when(raw), boxes.clone()];
    out.push(stvg.ask(list, slots));
    let object = raw
        .objects
        .iter()
        .find(|object| object.tid == said.target_id);
    let object = object.map_or_else(
        || "object".into(),
        |object| category_words(&object.category),
    );
    let list = if question {
        "svg_question"
    } else {
        "svg_sentence"
    };
    let slots = vec![
        when(raw),
        ("event", words(event)),
        ("object", words(object)),
        boxes,
    ];
    out.push(placed.ask(list, slots));
}

/// Event localization and captioning: the start and the object's box are given.
fn elc(raw: &Item, video: &Video, said: &Sentence, id: &str, out: &mut Drafts<'_>) {
    let draft = draft(raw, video, Task::Elc, id);
    let tube = raw.tube(video, said.target_id);
    let Range { begin_fid, end_fid } = raw.temporal_gt;
    let Some((_, bbox)) = tube.first().filter(|(frame, _)| *frame == begin_fid) else {
        let message = "the object has no box at the event's start";
        out.refuse(draft.id, Reject::unusable("no-box-at-start", message));
        return;
    };
    let slots = vec![
        ("start", vec![Part::Time(begin_fid.into())]),
        ("box", vec![Part::Box(*bbox)]),
        ("end", vec![Part::Time((end_fid - 1).into())]),
        ("event", words(said.description.trim())),
        ("tube", vec![tube_part(&tube)]),
    ];
    out.push(draft.ask("elc", slots));
}
