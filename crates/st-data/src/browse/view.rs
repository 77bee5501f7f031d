//! A record as it is shown.

use std::path::PathBuf;

use serde::Serialize;
use st_schema::{FramePlan, Media, Record, Role, Severity, Task};

use super::catalogue::{Entry, NONE};
use super::facets::NAMELESS;
use super::{BrowseError, Catalogue, Kind, Story};
use crate::review::{Mark, RecordDigest};
use crate::validate::Rule;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// The record's number.
    pub number: usize,
    /// Its name.
    pub id: String,
    /// Its task, `-` when it names none of ours.
    pub task: &'static str,
    /// Its source, `-` when none is named.
    pub source: String,
    /// Image, video or no record.
    pub kind: &'static str,
    /// The media path as the record spells it.
    pub media: String,
    /// The first question, placeholders as dots; of no record, its first bytes.
    pub question: String,
    /// The frame that stands for the clip, where shards hold it.
    pub frame: Option<usize>,
    /// Width over height of the original picture, where shards hold it.
    pub aspect: Option<f64>,
    /// What a person thought of it.
    pub mark: Option<Mark>,
    /// How many rules found something.
    pub findings: usize,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingView {
    /// The rule.
    pub rule: &'static str,
    /// What it does to the record.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
}

/// The clip of a record in the shards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClipView {
    /// The shards' name.
    pub shards: String,
    /// The clip's id.
    pub id: String,
    /// Width and height of the original picture in pixels.
    pub size: [u32; 2],
    /// Width and height as stored.
    pub stored: [u32; 2],
    /// Average frames per second of the original; 0 when unknown.
    pub fps: f64,
    /// Frames of the original file.
    pub source_frames: u64,
    /// Places of the plan that could not be filled.
    pub missing: u32,
    /// For each stored frame its place as a fraction of the clip.
    pub times: Vec<f64>,
    /// For each stored frame its presentation time in the file, in seconds.
    pub seconds: Vec<f64>,
    /// For each stored frame its number in the file.
    pub indices: Vec<u64>,
}

/// Everything about a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordView {
    /// The line of the list.
    #[serde(flatten)]
    pub item: Item,
    /// The annotation file.
    pub file: String,
    /// The line in the unpacked file, from 1.
    pub line: u32,
    /// First and last frame of the clip in the file.
    pub split: Option<[u64; 2]>,
    /// Frames per second that the record names.
    pub fps: Option<f64>,
    /// Frames of the file that the record names.
    pub frames: Option<u64>,
    /// The conversation; absent for what is no record.
    pub story: Option<Story>,
    /// What rules found.
    pub findings: Vec<FindingView>,
    /// What a person noted.
    pub note: String,
    /// The record's digest in the review file.
    pub digest: Option<RecordDigest>,
    /// The clip, where shards hold it.
    pub clip: Option<ClipView>,
    /// Why there is no clip, where shards were expected to hold it and do not give it.
    pub fault: Option<String>,
    /// Whether the media file itself can be shown.
    pub file_shown: bool,
    /// The record as JSON; of no record, its bytes as text.
    pub json: String,
}

/// Letters of a question that a list shows.
const LETTERS: usize = 180;

impl Catalogue {
    /// A line of the list.
    ///
    /// # Errors
    /// When there is no such record or its file cannot be read.
    pub fn item(&self, number: usize) -> Result<Item, BrowseError> {
        let entry = *self.entry(number)?;
        if let Ok(record) = self.record(&entry)? {
            return Ok(self.item_of(number, &entry, Some(&record), question(&record)));
        }
        let bytes = self.bytes(&entry)?;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LETTERS)]);
        Ok(self.item_of(number, &entry, None, shortened(&text)))
    }

    fn item_of(
        &self,
        number: usize,
        entry: &Entry,
        record: Option<&Record>,
        question: String,
    ) -> Item {
        let held = (entry.clip != NONE)
            .then(|| self.clip(entry.clip))
            .flatten();
        let clip = held.map(|(shards, at)| &shards.reader.entries()[at]);
        let aspect = |[width, height]: [u32; 2]| f64::from(width.max(1)) / f64::from(height.max(1));
        let source = self.source_names[usize::from(entry.source)].as_str();
        let at = u32::try_from(number).unwrap_or(u32::MAX);
        Item {
            number,
            id: record
                .map(|record| record.id.to_string())
                .unwrap_or_default(),
            task: entry.task.map_or(NAMELESS, Task::as_str),
            source: if source.is_empty() { NAMELESS } else { source }.to_owned(),
            kind: Kind::from(entry.shape).as_str(),
            media: record
                .map(|record| record.media.path().to_owned())
                .unwrap_or_default(),
            question,
            frame: clip.map(|clip| clip.frames as usize / 2),
            aspect: clip.map(|clip| aspect([clip.source_width, clip.source_height])),
            mark: self.kept().marks.get(&at).copied(),
            findings: self.rule_sets[entry.rules as usize].len(),
        }
    }

    /// Everything about a record.
    ///
    /// # Errors
    /// When there is no such record or its file cannot be read. Damaged shards are told in the view.
    pub fn view(&self, number: usize) -> Result<RecordView, BrowseError> {
        let entry = *self.entry(number)?;
        let item = self.item(number)?;
        let source = &self.sources[usize::from(entry.file)];
        let record = self.record(&entry)?;
        let (clip, fault) = match self.clip_view(&entry) {
            Ok(clip) => (clip, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut view = RecordView {
            item,
            file: source.name.clone(),
            line: entry.line,
            split: None,
            fps: None,
            frames: None,
            story: None,
            findings: Vec::new(),
            note: String::new(),
            digest: None,
            clip,
            fault,
            file_shown: false,
            json: String::new(),
        };
        let record = match record {
            Ok(record) => record,
            Err(fault) => {
                view.json = String::from_utf8_lossy(&self.bytes(&entry)?).into_owned();
                view.findings = self.findings(&entry, |_| Some(fault.to_string()));
                return Ok(view);
            }
        };
        let digest = RecordDigest::of(&record);
        if let Some(remark) = self.kept().review.get(&digest) {
            view.note.clone_from(&remark.note);
            view.item.mark = Some(remark.mark);
        }
        view.digest = Some(digest);
        view.split = record.meta.split;
        (view.fps, view.frames) = (record.meta.fps, record.meta.frames);
        view.story = Some(Story::of(&record));
        view.file_shown = self.media_file(number).is_ok();
        view.json = serde_json::to_string_pretty(&record).unwrap_or_default();
        let judged = source.judge.record(record);
        view.findings = self.findings(&entry, |rule| {
            let mut of_rule = judged.findings.iter().filter(|one| one.rule == rule);
            of_rule.next().map(|one| one.message.clone())
        });
        Ok(view)
    }

    /// The rules that found something, with what they say now, else with what they are about.
    fn findings(
        &self,
        entry: &Entry,
        message: impl Fn(Rule) -> Option<String>,
    ) -> Vec<FindingView> {
        let severities = &self.sources[usize::from(entry.file)].judge.severities;
        let rules = &self.rule_sets[entry.rules as usize];
        let view = |rule: &Rule| FindingView {
            rule: rule.id(),
            severity: severities.of(*rule),
            message: message(*rule).unwrap_or_else(|| rule.info().summary.to_owned()),
        };
        rules.iter().map(view).collect()
    }

    fn clip_view(&self, entry: &Entry) -> Result<Option<ClipView>, BrowseError> {
        if entry.clip == NONE {
            return Ok(None);
        }
        let Some((shards, number)) = self.clip(entry.clip) else {
            return Ok(None);
        };
        let clip = &shards.reader.entries()[number];
        let facts = shards.reader.facts(number)?;
        let plan = FramePlan {
            frames: shards.reader.manifest().settings.frames as usize,
        };
        let times = facts
            .places
            .iter()
            .map(|place| plan.fraction(*place as usize));
        Ok(Some(ClipView {
            shards: shards.name.clone(),
            id: clip.clip.to_string(),
            size: [clip.source_width, clip.source_height],
            stored: [clip.width, clip.height],
            fps: clip.fps,
            source_frames: clip.source_frames,
            missing: clip.missing,
            times: times.collect(),
            seconds: facts.seconds,
            indices: facts.indices,
        }))
    }

    /// A stored frame of a record's clip, a JPEG; `None` where shards hold no such frame.
    ///
    /// # Errors
    /// When there is no such record or the shards are damaged.
    pub fn frame(&self, number: usize, frame: usize) -> Result<Option<Vec<u8>>, BrowseError> {
        let entry = self.entry(number)?;
        if entry.clip == NONE {
            return Ok(None);
        }
        let Some((shards, clip)) = self.clip(entry.clip) else {
            return Ok(None);
        };
        let jpegs = shards.reader.jpegs(clip)?;
        Ok(jpegs.get(frame).map(|jpeg| jpeg.to_vec()))
    }

    /// The media file of a record, without links, and what it holds.
    ///
    /// # Errors
    /// When there is no such record, or its file is not there, does not lie in the data root, or is of no kind that a browser
    /// shows.
    pub fn media_file(&self, number: usize) -> Result<(PathBuf, &'static str), BrowseError> {
        let entry = self.entry(number)?;
        let Ok(record) = self.record(entry)? else {
            return Err(BrowseError::NoRecord(number));
        };
        let folder = &self.sources[usize::from(entry.file)].media;
        let path = folder.join(record.media.path());
        let real = fs_err::canonicalize(&path).map_err(|source| BrowseError::Io {
            path: path.clone(),
            source,
        })?;
        let outside = || BrowseError::Outside {
            path: path.clone(),
            root: self.root.clone(),
        };
        let kind = content_type(&record.media, &path).ok_or_else(outside)?;
        if real.starts_with(&self.root) && real.is_file() {
            Ok((real, kind))
        } else {
            Err(outside())
        }
    }
}

/// What a browser is told of a media file; nothing for a file whose name is not that of a medium.
fn content_type(media: &Media, path: &std::path::Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match (media, ending.as_str()) {
        (Media::Image(_), "jpg" | "jpeg") => Some("image/jpeg"),
        (Media::Image(_), "png") => Some("image/png"),
        (Media::Image(_), "webp") => Some("image/webp"),
        (Media::Image(_), "gif") => Some("image/gif"),
        (Media::Video(_), "mp4" | "m4v" | "mov") => Some("video/mp4"),
        (Media::Video(_), "webm" | "mkv") => Some("video/webm"),
        (Media::Video(_), "avi") => Some("video/x-msvideo"),
        _ => None,
    }
}

/// What a list shows for a coordinate.
const DOT: &str = "·";

/// The first question on one line, without coordinates.
fn question(record: &Record) -> String {
    let human = record
        .conversations
        .iter()
        .find(|turn| turn.from == Role::Human);
    let Some(turn) = human.or(record.conversations.first()) else {
        return String::new();
    };
    let mut text = turn.value.replace(record.media.placeholder(), "");
    for axis in st_schema::Axis::ALL {
        for side in st_schema::Side::ALL {
            text = text.replace(axis.placeholder(side), DOT);
        }
    }
    // A span and a box, in the brackets that the format has.
    text = text.replace(&format!("{{{DOT}{DOT}}}"), "(time)");
    text = text.replace(&format!("[{DOT}{DOT}{DOT}{DOT}]"), "(box)");
    shortened(&text)
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LETTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
