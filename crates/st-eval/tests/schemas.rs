//! `schemas/result.schema.json` is that of the type, and lines of every task fit it and are read back.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[path = "../../../tests/schema_file.rs"]
mod schema_file;

use serde_json::{Number, Value, json};
use st_eval::result_line::{DataType, ResultLine, ResultTruth};
use st_eval::{Prediction, VideoTruth};

fn schema() -> Value {
    schema_file::schema::<ResultLine>("result")
}

#[test]
fn the_schema_is_that_of_the_type() {
    schema_file::assert_current("result", &schema());
}

fn line(truth: Option<ResultTruth>, bbox: Option<[f64; 4]>) -> ResultLine {
    ResultLine {
        data_type: Some(DataType::Video),
        video_path: Some("media/a.mp4".to_owned()),
        gt: truth,
        gt_bbox: bbox.map(|one| Some(one.map(|value| Number::from_f64(value).unwrap()))),
        split: Some([3, 40]),
        width: Some(640.into()),
        height: Some(360.into()),
        outputs: "{<TEMP-010><TEMP-020>}".to_owned(),
        index: 7,
        ..ResultLine::default()
    }
}

#[test]
fn lines_of_every_task_fit_and_are_read_back() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let tube = |tvg: Option<[Number; 2]>, caption: Option<&str>| ResultTruth::Tube {
        tvg,
        svg: [("12".to_owned(), json!([1, 2, 30.5, 40]))]
            .into_iter()
            .collect(),
        caption: caption.map(str::to_owned),
    };
    let frames = Some([5.into(), 9.into()]);
    let lines = [
        line(None, Some([0.1, 0.2, 0.3, 0.4])),
        line(Some(ResultTruth::Span(Some([0.25, 0.5]))), None),
        line(Some(tube(frames.clone(), None)), None),
        line(Some(tube(None, None)), None),
        line(Some(tube(frames, Some("a dog runs"))), None),
        ResultLine {
            error: Some("the video cannot be read".to_owned()),
            ..ResultLine::default()
        },
    ];
    for line in lines {
        let mut value = json!(line);
        assert!(validator.is_valid(&value), "{value:#}");
        let text = value.to_string();
        let read = Prediction::parse(&text).unwrap();
        assert_eq!(read.index, Some(line.index as u64));
        let truth = read.gt.flatten();
        assert_eq!(truth.is_some(), line.gt.is_some());
        assert_eq!(
            matches!(truth, Some(VideoTruth::Span(_))),
            matches!(line.gt, Some(ResultTruth::Span(_)))
        );
        value["surplus"] = true.into();
        assert!(
            !validator.is_valid(&value),
            "an unknown field must not pass"
        );
    }
}
