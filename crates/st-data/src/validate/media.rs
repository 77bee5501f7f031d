//! Rules about the media file itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use st_media::{ClipRequest, Limits, Truncated};
use st_schema::{FramePlan, Media, Meta, Record};

use super::{Notebook, Rule};
use crate::inventory::link::LinkRoots;

/// How closely media files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaDepth {
    /// Whether the file is there, lies inside the folder and has bytes.
    Presence,
    /// Also what the file says about itself.
    Facts,
    /// Also every frame of the clip is decoded.
    Decode,
}

/// Files whose state is remembered, so that memory stays flat; beyond that some are looked at again.
const REMEMBERED: usize = 1 << 17;

/// Looks at media files under one folder; each file once while few enough come between.
#[derive(Debug)]
pub struct MediaCheck {
    folder: PathBuf,
    /// The folder without links, when it exists.
    real: Option<PathBuf>,
    /// Where links may lead, because `stdata media link` made them.
    linked: LinkRoots,
    depth: MediaDepth,
    seen: Mutex<HashMap<String, Arc<OnceLock<State>>>>,
}

/// What a look at a file showed.
#[derive(Clone, Debug)]
enum State {
    Missing,
    Outside(PathBuf),
    Empty,
    Unreadable(String),
    Present(Option<Facts>),
}

/// What a file says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Facts {
    width: u32,
    height: u32,
    fps: Option<f64>,
    frames: Option<u64>,
}

impl Facts {
    /// Writes what `rule` is about into a record's `meta`.
    pub(super) fn write(self, rule: Rule, meta: &mut Meta) {
        match rule {
            Rule::MetaSize => (meta.width, meta.height) = (Some(self.width), Some(self.height)),
            Rule::MetaFps => meta.fps = self.fps.map(st_schema::round3).or(meta.fps),
            Rule::MetaFrames => meta.frames = self.frames.or(meta.frames),
            _ => {}
        }
    }
}

impl MediaCheck {
    /// A check of files under `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, depth: MediaDepth) -> Self {
        let real = fs_err::canonicalize(&folder).ok();
        Self {
            linked: LinkRoots::of(&folder),
            folder,
            real,
            depth,
            seen: Mutex::default(),
        }
    }

    /// Whether the folder is there; without it no file can be looked at.
    #[must_use]
    pub fn folder_exists(&self) -> bool {
        self.real.is_some()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn look(
        &self,
        record: &Record,
        plan: FramePlan,
        notebook: &mut Notebook<'_>,
    ) -> Option<Facts> {
        let real = self.real.as_deref()?;
        let place = {
            // A thread that panicked ends the run; the map itself stays sound.
            let mut seen = self
                .seen
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
            Arc::clone(seen.entry(record.media.path().to_owned()).or_default())
        };
        let state = place.get_or_init(|| self.file(real, &record.media));
        let path = record.media.path();
        match state {
            State::Missing => notebook.add(Rule::MediaMissing, || {
                format!("`{path}` does not exist in {}", self.folder.display())
            }),
            State::Outside(target) => {
                notebook.add(Rule::MediaLink, || {
                    format!(
                        "`{path}` leads to {}, out of the media folder",
                        target.display()
                    )
                });
            }
            State::Empty => notebook.add(Rule::MediaEmpty, || format!("`{path}` has no bytes")),
            State::Unreadable(reason) => {
                notebook.add(Rule::MediaUnreadable, || format!("`{path}`: {reason}"));
            }
            State::Present(facts) => {
                let facts = *facts;
                if let Some(facts) = facts {
                    compare(record, facts, notebook);
                }
                if self.depth == MediaDepth::Decode
                    && !notebook.has(Rule::SplitRange)
                    && !notebook.has(Rule::SplitOrder)
                {
                    self.decode(record, plan, notebook);
                }
                return facts;
            }
        }
        None
    }

    fn file(&self, real: &Path, media: &Media) -> State {
        let path = self.folder.join(media.path());
        let Ok(target) = fs_err::canonicalize(&path) else {
            return State::Missing;
        };
        if !target.starts_with(real) && !self.linked.hold(&target) {
            return State::Outside(target);
        }
        match fs_err::metadata(&target) {
            Err(error) => return State::Unreadable(error.to_string()),
            Ok(metadata) if metadata.is_file() && metadata.len() == 0 => return State::Empty,
            Ok(metadata) if !metadata.is_file() => return State::Unreadable("is no file".into()),
            Ok(_) => {}
        }
        if self.depth < MediaDepth::Facts {
            return State::Present(None);
        }
        match facts(&target, media) {
            Ok(facts) => State::Present(Some(facts)),
            Err(error) => State::Unreadable(error.to_string()),
        }
    }

    fn decode(&self, record: &Record, plan: FramePlan, notebook: &mut Notebook<'_>) {
        let path = self.folder.join(record.media.path());
        if let Media::Video(_) = record.media {
            let request = ClipRequest {
                plan,
                split: record.meta.split,
                size: None,
                truncated: Truncated::Reject,
                limits: Limits::default(),
            };
            if let Err(error) = request.decode(&path) {
                notebook.add(Rule::MediaUnreadable, || {
                    format!("`{}`: {error}", record.media.path())
                });
            }
        }
    }
}

fn facts(path: &Path, media: &Media) -> Result<Facts, st_media::MediaError> {
    match media {
        Media::Video(_) => {
            let probe = st_media::probe(path)?;
            Ok(Facts {
                width: probe.width,
                height: probe.height,
                fps: (probe.fps > 0.0).then_some(probe.fps),
                frames: Some(probe.frames),
            })
        }
        Media::Image(_) => {
            let still = st_media::load_still(path, None, &Limits::default())?;
            Ok(Facts {
                width: still.width,
                height: still.height,
                fps: None,
                frames: None,
            })
        }
    }
}

fn compare(record: &Record, facts: Facts, notebook: &mut Notebook<'_>) {
    let meta = &record.meta;
    let differs = |said: Option<u32>, is: u32| said.is_some_and(|said| said != is);
    if differs(meta.width, facts.width) || differs(meta.height, facts.height) {
        notebook.add(Rule::MetaSize, || {
            let said = |side: Option<u32>| side.map_or("?".into(), |side| side.to_string());
            format!(
                "`meta` says {}x{}, the file is {}x{}",
                said(meta.width),
                said(meta.height),
                facts.width,
                facts.height
            )
        });
    }
    if let (Some(said), Some(is)) = (meta.fps, facts.fps)
        && (said - is).abs() > is * 0.01
    {
        notebook.add(Rule::MetaFps, || {
            format!("`meta` says {said} frames a second, the file has {is:.3}")
        });
    }
    if let Some(is) = facts.frames {
        if meta.frames.is_some_and(|said| said != is) {
            notebook.add(Rule::MetaFrames, || {
                format!(
                    "`meta` says {} frames, the file has {is}",
                    meta.frames.unwrap_or(0)
                )
            });
        }
        if let Some([_, last]) = meta.split
            && last >= is
            && !notebook.has(Rule::SplitRange)
            && !notebook.has(Rule::SplitOrder)
        {
            notebook.add(Rule::SplitRange, || {
                format!("the split ends at frame {last}; the file has {is}")
            });
        }
    }
}
