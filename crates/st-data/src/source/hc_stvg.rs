//! HC-STVG: a person's description and boxes from a frame on; frames at 20 a second, counted from 1.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::{BoxConvention, EndConvention, TimeConvention, TimeUnit};

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, stem,
    words,
};

pub(super) struct HcStvg;

/// Frames per second that `st_frame` counts in (tzhhhh123/HC-STVG: README.md).
const FPS: f64 = 20.0;
/// How far `st_time` and `st_frame` may disagree, in seconds, before one of them must be of another unit.
const DISAGREEMENT: f64 = 0.5;

static INFO: Info = Info {
    name: "hc_stvg",
    version: 1,
    about: "A sentence about a person of a 20 s clip, with a box for every frame of the event; not in ST-Align.",
    files: &[Files {
        form: "clips",
        pattern: "*.json",
        container: Container::JsonMapAt(&[]),
        means: "clip to {bbox[[x, y, w, h]], st_frame, st_time, img_num, caption, width, height}; st_frame counts from 1",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention {
        unit: TimeUnit::Frames { first: 1 },
        end: EndConvention::Exclusive,
    }),
    boxes: Some(BoxConvention::XYWH_PIXELS),
    tasks: &[Task::Stvg],
    open_questions: &[
        "img_num does not always match the file: it is taken as the clip's length, and a tube beyond it is refused.",
    ],
    example: Sample::named(
        "clips",
        "55_inVhcstvg01.mp4",
        r#"{"bbox": [[100, 50, 80, 200], [102, 50, 80, 201], [104, 51, 79, 201], [106, 51, 79, 202]], "st_time": 0.1, "ed_time": 0.3, "img_num": 400, "caption": "The man in a grey coat stands up.", "width": 640, "height": 360, "st_frame": 3}"#,
    ),
};

#[derive(Deserialize)]
struct Clip {
    bbox: Vec<[f64; 4]>,
    st_time: f64,
    img_num: u64,
    caption: String,
    width: u32,
    height: u32,
    st_frame: u32,
}

impl Source for HcStvg {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        let video = item.key()?;
        let clip: Clip = item.parse()?;
        let start = f64::from(clip.st_frame);
        if clip.bbox.is_empty() || clip.img_num == 0 {
            return Err(Reject::Nothing("no boxes, or a clip of no frames"));
        }
        if ((start - 1.0) / FPS - clip.st_time).abs() > DISAGREEMENT {
            let message = format!(
                "st_frame {start} at 20 fps is not st_time {}; another frame rate?",
                clip.st_time
            );
            return Err(Reject::unusable("unit-doubtful", message));
        }
        let tube: Vec<(f64, [f64; 4])> = (clip.st_frame..)
            .map(f64::from)
            .zip(clip.bbox.iter().copied())
            .collect();
        let end = tube.last().map_or(start, |(frame, _)| frame + 1.0);
        let mut draft = Draft::video(Task::Stvg, stem(video), video)
            .frames(0, clip.img_num - 1)
            .size(clip.width, clip.height);
        draft.extent.fps = Some(FPS);
        draft.file_frames = Some(clip.img_num);
        let when = Part::FromTo {
            span: [start, end],
            lower: false,
        };
        out.push(draft.ask(
            "stvg",
            vec![
                ("event", words(super::draft::within_sentence(&clip.caption))),
                ("when", vec![when]),
                ("tube", vec![Part::Tube(tube)]),
            ],
        ));
        Ok(())
    }
}
