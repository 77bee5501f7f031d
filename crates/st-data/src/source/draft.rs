//! What an adapter makes of an item: conversations in the source's own units.

use std::borrow::Cow;

use st_schema::units::{BoxConvention, Extent, TimeConvention};
use st_schema::{Media, Record, Seconds, Task};

use super::Reject;

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words.
    Text(String),
    /// One time, in the draft's time unit.
    Time(f64),
    /// A span `{start end}`, in the draft's time unit.
    Span([f64; 2]),
    /// "From … to …" as the original writes it: one of the recipe's span words, then the span.
    FromTo {
        /// The span, in the draft's time unit.
        span: [f64; 2],
        /// Whether the words stand within a sentence.
        lower: bool,
    },
    /// One box, in the draft's box convention.
    Box([f64; 4]),
    /// "(x, y)", a point in the draft's box convention.
    Point([f64; 2]),
    /// `time:[box] time:[box] …`; a time is a frame of the draft's time unit. Boxes off the frame plan are left out.
    Tube(Vec<(f64, [f64; 4])>),
    /// Text with a span, such as an event of a dense caption; an event whose span cannot be used is left out and noted.
    Events(Vec<Event>),
}

/// One event of a dense caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in the draft's time unit.
    pub span: [f64; 2],
    /// What, without a full stop.
    pub caption: String,
}

/// A turn's text in pieces.
pub type Parts = Vec<Part>;

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Exchange {
    /// The words are a template of the recipe, chosen by a seeded hash of the record's name; slots are filled.
    Template {
        /// Which list of templates.
        list: &'static str,
        /// What goes into `{name}` slots.
        slots: Vec<(&'static str, Parts)>,
    },
    /// The words are the source's.
    Said {
        /// The question, without media placeholder.
        human: Parts,
        /// The answer.
        gpt: Parts,
    },
}

/// A record in the making, in the source's own units. The framework converts, words and judges it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The record's name; empty means file and row.
    pub id: String,
    /// What it teaches.
    pub task: Task,
    /// The media file.
    pub media: Media,
    /// The clip's length, as far as the source tells it.
    pub extent: Extent,
    /// Width and height of the picture in pixels.
    pub size: Option<[u32; 2]>,
    /// Frames in the file.
    pub file_frames: Option<u64>,
    /// The stretch of the original video, in seconds, that the media file was cut to; for the record only.
    pub cut: Option<[f64; 2]>,
    /// What times are; the source's own unless set.
    pub time: Option<TimeConvention>,
    /// What boxes are; the source's own unless set.
    pub boxes: Option<BoxConvention>,
    /// The turns, two at a time.
    pub exchanges: Vec<Exchange>,
    /// What the adapter put right, by name.
    pub repairs: Vec<&'static str>,
    /// What no other record of the source may contradict.
    pub claim: Option<Claim>,
    /// The clip's length in seconds where nothing else tells it, and the name under which that is noted as a repair.
    pub assumed: Option<(f64, &'static str)>,
}

/// What a record says of its media file that only one record, or only records that agree, may say: the first one in the
/// files' order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is said, as a hash; `None` when no second record may speak of the file at all.
    pub value: Option<u64>,
    /// Why a later record that says otherwise is refused.
    pub reason: &'static str,
}

impl Draft {
    /// An empty draft about one media file.
    #[must_use]
    pub fn new(task: Task, id: impl Into<String>, media: Media) -> Self {
        Self {
            id: id.into(),
            task,
            media,
            extent: Extent::default(),
            size: None,
            file_frames: None,
            cut: None,
            time: None,
            boxes: None,
            exchanges: Vec::new(),
            repairs: Vec::new(),
            claim: None,
            assumed: None,
        }
    }

    /// About a video.
    #[must_use]
    pub fn video(task: Task, id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(task, id, Media::Video(path.into()))
    }

    /// About an image.
    #[must_use]
    pub fn image(task: Task, id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(task, id, Media::Image(path.into()))
    }

    /// The clip's length in seconds.
    #[must_use]
    pub fn lasting(mut self, seconds: f64) -> Self {
        self.extent.duration = Some(Seconds(seconds));
        self
    }

    /// The clip's length in seconds, should neither the source nor a table of lengths tell it; counted as a repair.
    #[must_use]
    pub fn assumed(mut self, seconds: f64, name: &'static str) -> Self {
        self.assumed = Some((seconds, name));
        self
    }

    /// The clip's first and last frame, both inclusive, from 0.
    #[must_use]
    pub fn frames(mut self, first: u64, last: u64) -> Self {
        self.extent.frames = Some([first, last]);
        self
    }

    /// The picture's width and height in pixels.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some([width, height]);
        self
    }

    /// Times of another kind than the source's usual one.
    #[must_use]
    pub fn timed(mut self, time: TimeConvention) -> Self {
        self.time = Some(time);
        self
    }

    /// Boxes of another kind than the source's usual one.
    #[must_use]
    pub fn boxed(mut self, boxes: BoxConvention) -> Self {
        self.boxes = Some(boxes);
        self
    }

    /// The stretch of the original video, in seconds, that the media file was cut to. Where files are named by the original
    /// alone, one name can stand for one cut only: a later record with another one is refused as `cut-conflict`.
    #[must_use]
    pub fn cut_from(mut self, cut: [f64; 2]) -> Self {
        let [start, end] = cut.map(f64::to_bits);
        self.cut = Some(cut);
        self.claim = Some(Claim {
            value: Some(start.rotate_left(32) ^ end),
            reason: "cut-conflict",
        });
        self
    }

    /// Only the first record about a media file stays; later ones are refused under this name.
    #[must_use]
    pub fn only_one_per_media(mut self, reason: &'static str) -> Self {
        self.claim = Some(Claim {
            value: None,
            reason,
        });
        self
    }

    /// Notes something that was put right, under a name in words-with-hyphens.
    #[must_use]
    pub fn repaired(mut self, name: &'static str) -> Self {
        self.repairs.push(name);
        self
    }

    /// Adds a question and answer worded by the recipe's list `list`; every slot of its templates must be given.
    #[must_use]
    pub fn ask(mut self, list: &'static str, slots: Vec<(&'static str, Parts)>) -> Self {
        self.exchanges.push(Exchange::Template { list, slots });
        self
    }

    /// Adds a question and answer in the source's words.
    #[must_use]
    pub fn say(mut self, human: Parts, gpt: Parts) -> Self {
        self.exchanges.push(Exchange::Said { human, gpt });
        self
    }

    /// Adds a question and answer of plain words.
    #[must_use]
    pub fn say_text(self, human: impl Into<String>, gpt: impl Into<String>) -> Self {
        self.say(vec![Part::Text(human.into())], vec![Part::Text(gpt.into())])
    }
}

/// One slot of plain words.
#[must_use]
pub fn words(text: impl Into<String>) -> Parts {
    vec![Part::Text(text.into())]
}

/// Cuts a text at marks and puts pieces there: `marks` gives for each mark the piece that stands for it. A pair
/// "From START to END" of two [`Part::Time`] marks becomes [`Part::FromTo`], in either case.
#[must_use]
pub fn with_marks(text: &str, marks: &[(&str, Part)]) -> Parts {
    let mut parts = Parts::new();
    let mut rest = text;
    while let Some((at, mark, part)) = first_mark(rest, marks) {
        parts.push(Part::Text(rest[..at].to_owned()));
        parts.push(part.clone());
        rest = &rest[at + mark.len()..];
    }
    parts.push(Part::Text(rest.to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    join_spans(parts)
}

fn first_mark<'m>(text: &str, marks: &'m [(&str, Part)]) -> Option<(usize, &'m str, &'m Part)> {
    marks
        .iter()
        .filter(|(mark, _)| !mark.is_empty())
        .filter_map(|(mark, part)| text.find(*mark).map(|at| (at, *mark, part)))
        .min_by_key(|(at, mark, _)| (*at, std::cmp::Reverse(mark.len())))
}

/// Makes one span of "From", time, "to", time.
fn join_spans(parts: Parts) -> Parts {
    let mut joined = Parts::with_capacity(parts.len());
    for part in parts {
        joined.push(part);
        let [
            ..,
            Part::Text(before),
            Part::Time(start),
            Part::Text(between),
            Part::Time(end),
        ] = joined.as_slice()
        else {
            continue;
        };
        if !matches!(between.trim(), "to" | "-") {
            continue;
        }
        let trimmed = before.trim_end();
        let lower = match trimmed.get(trimmed.len().saturating_sub(4)..) {
            Some("From") => false,
            Some("from") => true,
            _ => continue,
        };
        let words = trimmed[..trimmed.len() - 4].to_owned();
        let span = [*start, *end];
        joined.truncate(joined.len() - 4);
        if !words.is_empty() {
            joined.push(Part::Text(words));
        }
        joined.push(Part::FromTo { span, lower });
    }
    joined
}

/// What an adapter makes.
#[derive(Debug)]
pub(super) enum Made {
    Draft(Box<Draft>),
    Record(Box<Record>),
}

/// Where an adapter puts its drafts and the parts of an item that become none.
#[derive(Debug)]
pub struct Drafts<'a> {
    pub(super) made: Vec<Result<Made, (String, Reject)>>,
    pub(super) notes: Vec<Cow<'static, str>>,
    splits: &'a Splits,
}

/// Which splits of the sources are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Splits {
    /// Every split.
    All,
    /// These, by the names that adapters give them: train, val, test, testA, testB.
    Only(Vec<String>),
}

impl Default for Splits {
    fn default() -> Self {
        Self::Only(vec!["train".into()])
    }
}

impl Splits {
    fn want(&self, split: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == split),
        }
    }
}

impl<'a> Drafts<'a> {
    pub(super) const fn new(splits: &'a Splits) -> Self {
        Self {
            made: Vec::new(),
            notes: Vec::new(),
            splits,
        }
    }

    /// Says which split the item belongs to; to be called before anything is pushed.
    ///
    /// # Errors
    /// When that split is not wanted: the item is left out, not refused.
    pub fn split(&self, split: &str) -> Result<(), Reject> {
        if self.splits.want(split) {
            Ok(())
        } else {
            Err(Reject::OtherSplit(split.to_owned()))
        }
    }

    /// The same for sources whose files are named by split: a part of the name begins with `train`, `val` or `test`.
    /// Names without one are wanted.
    ///
    /// # Errors
    /// As [`Self::split`].
    pub fn split_of_name(&self, name: &str) -> Result<(), Reject> {
        let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
        let found = parts.find_map(|part| {
            let starts = |word: &&&str| part.starts_with(**word);
            ["train", "val", "test"].iter().find(starts)
        });
        found.map_or(Ok(()), |split| self.split(split))
    }

    /// Counts something to know about the data that is neither a repair nor a refusal, such as which of several shapes was
    /// found. The same words are counted together.
    pub fn note(&mut self, what: impl Into<Cow<'static, str>>) {
        self.notes.push(what.into());
    }

    /// Adds a draft.
    pub fn push(&mut self, draft: Draft) {
        self.made.push(Ok(Made::Draft(Box::new(draft))));
    }

    /// Adds a record that is in our format already; it is judged and gets its provenance as any other.
    pub fn push_record(&mut self, record: Record) {
        self.made.push(Ok(Made::Record(Box::new(record))));
    }

    /// Adds a part of the item that becomes no record, under the name that the record would have had.
    pub fn refuse(&mut self, id: impl Into<String>, reject: Reject) {
        self.made.push(Err((id.into(), reject)));
    }
}

/// Cuts `<12.3>` out of a text: times in the draft's unit. Two that stand together, or "From <1.0> to <2.0>", become a span.
#[must_use]
pub fn with_times(text: &str) -> Parts {
    let mut parts = Parts::new();
    let mut copied = 0;
    for (at, _) in text.match_indices('<') {
        let Some(length) = text[at..].find('>') else {
            break;
        };
        let inner = text[at + 1..at + length].trim();
        let plain = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if let Some(time) = plain.then(|| inner.parse().ok()).flatten() {
            parts.push(Part::Text(text[copied..at].to_owned()));
            parts.push(Part::Time(time));
            copied = at + length + 1;
        }
    }
    parts.push(Part::Text(text[copied..].to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    join_spans(join_pairs(parts))
}

/// Makes one span of two times with nothing but spaces between them.
fn join_pairs(parts: Parts) -> Parts {
    let mut joined = Parts::with_capacity(parts.len());
    for part in parts {
        joined.push(part);
        if let [.., Part::Time(start), Part::Text(between), Part::Time(end)] = joined.as_slice()
            && between.trim().is_empty()
        {
            let span = [*start, *end];
            joined.truncate(joined.len() - 3);
            joined.push(Part::FromTo { span, lower: false });
        }
    }
    joined
}

/// A sentence as part of another one: without full stop, and with a small letter where it begins with an article or the
/// like.
#[must_use]
pub(super) fn within_sentence(sentence: &str) -> String {
    let sentence = sentence.trim().trim_end_matches('.').trim_end();
    let (first, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
    let plain = ["A", "An", "The", "There", "Two", "Three", "Some", "Someone"];
    if plain.contains(&first) {
        format!("{} {rest}", first.to_lowercase())
            .trim_end()
            .to_owned()
    } else {
        sentence.to_owned()
    }
}
