//! Bird songs: one song a row, in milliseconds of a short clip.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::TimeConvention;

use super::{
    Container, Draft, Drafts, Files, Info, Part, RawItem, Reject, Sample, Sides, Source, words,
};

pub(super) struct BirdSongs;

static INFO: Info = Info {
    name: "bird_songs",
    version: 1,
    about: "Which bird sings when, in garden clips of a few seconds.",
    files: &[Files {
        form: "songs",
        pattern: "songs_*.csv",
        container: Container::Csv,
        means: "clip, length_s, start_ms, end_ms, bird; a row a song",
    }],
    sides: &[],
    with: &[],
    time: Some(TimeConvention::MILLISECONDS),
    boxes: None,
    tasks: &[Task::Tvg],
    open_questions: &[],
    example: Sample::new(
        "songs",
        r#"{"clip": "g01", "length_s": "8.0", "start_ms": "2000", "end_ms": "3000", "bird": "robin"}"#,
    ),
};

/// A row of a table is an object of strings.
#[derive(Deserialize)]
struct Song {
    clip: String,
    length_s: String,
    start_ms: String,
    end_ms: String,
    bird: String,
}

impl Source for BirdSongs {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn convert(&self, item: &RawItem<'_>, _: &Sides, out: &mut Drafts<'_>) -> Result<(), Reject> {
        out.split_of_name(item.file_stem())?;
        let song: Song = item.parse()?;
        let number = |text: &str| {
            text.parse::<f64>()
                .map_err(|_| Reject::shape(format!("`{text}` is no number")))
        };
        let span = [number(&song.start_ms)?, number(&song.end_ms)?];
        let id = format!("{}_{}", song.clip, item.row);
        let draft = Draft::video(Task::Tvg, id, format!("{}.mp4", song.clip));
        out.push(draft.lasting(number(&song.length_s)?).ask(
            "tvg",
            vec![
                ("caption", words(format!("a {} sings", song.bird))),
                ("span", vec![Part::Span(span)]),
            ],
        ));
        Ok(())
    }
}
