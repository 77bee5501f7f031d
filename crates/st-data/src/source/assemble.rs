//! A draft becomes a record: units converted, words filled in, provenance noted.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use st_schema::units::{BoxConvention, TimeConvention, TimeUnit, UnitError};
use st_schema::{Axis, FramePlan, Record, Role, Seconds, Side, Turn, Variables, round3};

use super::draft::{Draft, Event, Exchange, Part, Parts};
use super::phrases::{Phrases, Piece, Template};
use super::{Durations, Info, Reject};

/// Names of what this module puts right.
const END_CLIPPED: &str = "end-clipped";
const BOX_CLIPPED: &str = "box-clipped";
const EVENT_DROPPED: &str = "event-dropped";
const TUBE_BOX_DROPPED: &str = "tube-box-dropped";

/// Seconds by which a cut file may differ from its cut: cuts that copy streams begin at key frames.
const CUT_TOLERANCE: f64 = 2.0;

/// Where an item stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) file: &'a str,
    pub(super) row: u64,
    pub(super) key: Option<&'a str>,
}

/// Everything that drafts of a source are assembled with.
pub(super) struct Assembler<'a> {
    pub(super) info: &'a Info,
    pub(super) phrases: &'a Phrases,
    pub(super) durations: &'a Durations,
    pub(super) plan: FramePlan,
}

/// A record and what was put right for it.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) record: Record,
    pub(super) repairs: Vec<&'static str>,
}

impl Assembler<'_> {
    /// The record of a draft.
    pub(super) fn record(&self, draft: Draft, origin: Origin<'_>) -> Result<Assembled, Reject> {
        let mut draft = draft;
        let seconds = self.length(&draft);
        fits_cut(&draft, seconds)?;
        if draft.extent.duration.is_none() {
            draft.extent.duration = seconds.map(Seconds);
        }
        if let (None, Some((seconds, name))) = (draft.extent.duration, draft.assumed) {
            draft.extent.duration = Some(Seconds(seconds));
            draft.repairs.push(name);
        }
        let mut writer = Writer {
            assembler: self,
            draft: &draft,
            time: draft.time.or(self.info.time),
            boxes: draft.boxes.or(self.info.boxes),
            planned: None,
            turn: 0,
            side: Side::Input,
            text: String::new(),
            variables: Variables::default(),
            repairs: draft.repairs.clone(),
        };
        let mut turns = Vec::with_capacity(2 * draft.exchanges.len());
        for (number, exchange) in draft.exchanges.iter().enumerate() {
            writer.turn = number;
            let (human, gpt) = writer.exchange(exchange)?;
            let human = if number == 0 {
                format!("{}\n{human}", draft.media.placeholder())
            } else {
                human
            };
            turns.push(Turn::new(Role::Human, human));
            turns.push(Turn::new(Role::Gpt, gpt));
        }
        let Writer {
            variables,
            mut repairs,
            ..
        } = writer;
        repairs.sort_unstable();
        repairs.dedup();
        Ok(Assembled {
            record: self.finish(draft, turns, variables, &repairs, origin),
            repairs,
        })
    }

    /// The media file's length in seconds, where it is listed, or where it is needed and the file is there.
    fn length(&self, draft: &Draft) -> Option<f64> {
        let path = draft.media.path();
        let in_seconds = draft
            .time
            .or(self.info.time)
            .is_some_and(|time| !matches!(time.unit, TimeUnit::Frames { .. } | TimeUnit::Fraction));
        // Looking into a file takes time: only for what the annotations leave open.
        let open = draft.extent.duration.is_none() || draft.cut.is_some();
        match self.durations.of(path) {
            None if in_seconds && open => self.durations.probed(path),
            known => known,
        }
    }

    fn finish(
        &self,
        draft: Draft,
        turns: Vec<Turn>,
        variables: Variables,
        repairs: &[&'static str],
        origin: Origin<'_>,
    ) -> Record {
        let mut record = Record::new(draft.id, draft.media, turns, variables);
        record.source = Some(self.info.name.to_owned());
        record.task = Some(draft.task);
        record.meta.split = draft.extent.frames;
        record.meta.fps = draft.extent.fps;
        record.meta.frames = draft.file_frames;
        if let Some([width, height]) = draft.size {
            (record.meta.width, record.meta.height) = (Some(width), Some(height));
        }
        if let Some(Seconds(seconds)) = draft.extent.duration {
            record.meta.extra.insert("duration".into(), json!(seconds));
        }
        if let Some(cut) = draft.cut {
            record.meta.extra.insert("cut_seconds".into(), json!(cut));
        }
        self.stamp(&mut record, repairs, origin);
        record
    }

    /// Says where a record comes from.
    pub(super) fn stamp(&self, record: &mut Record, repairs: &[&'static str], origin: Origin<'_>) {
        let mut provenance = Map::new();
        provenance.insert("source".into(), self.info.name.into());
        provenance.insert("file".into(), origin.file.into());
        provenance.insert("row".into(), origin.row.into());
        if let Some(key) = origin.key {
            provenance.insert("key".into(), key.into());
        }
        provenance.insert("adapter".into(), self.info.version.into());
        if !repairs.is_empty() {
            provenance.insert("repairs".into(), json!(repairs));
        }
        record
            .extra
            .insert("provenance".into(), Value::Object(provenance));
    }
}

/// A file that was cut from a longer one lasts as long as the annotation's cut: else it is another cut of that video.
fn fits_cut(draft: &Draft, seconds: Option<f64>) -> Result<(), Reject> {
    match (draft.cut, seconds) {
        (Some([start, end]), Some(seconds)) if (end - start - seconds).abs() > CUT_TOLERANCE => {
            let message = format!(
                "{} lasts {seconds:.2} s, the cut from {start} s to {end} s does not",
                draft.media.path()
            );
            Err(Reject::unusable("cut-mismatch", message))
        }
        _ => Ok(()),
    }
}

/// Writes the turns of one draft.
struct Writer<'a> {
    assembler: &'a Assembler<'a>,
    draft: &'a Draft,
    time: Option<TimeConvention>,
    boxes: Option<BoxConvention>,
    planned: Option<HashSet<u64>>,
    turn: usize,
    side: Side,
    text: String,
    variables: Variables,
    repairs: Vec<&'static str>,
}

impl Writer<'_> {
    fn exchange(&mut self, exchange: &Exchange) -> Result<(String, String), Reject> {
        let mut texts = [String::new(), String::new()];
        for (index, side) in [Side::Input, Side::Output].into_iter().enumerate() {
            self.side = side;
            self.text = String::new();
            match exchange {
                Exchange::Said { human, gpt } => self.parts([human, gpt][index])?,
                Exchange::Template { list, slots } => {
                    let id = self.draft.id.as_str();
                    let templates = self.assembler.phrases.choose(list, id, self.turn);
                    let templates = templates.ok_or_else(|| {
                        Reject::unusable(
                            "no-template",
                            format!("the templates have no list `{list}`"),
                        )
                    })?;
                    self.template(&templates[index], slots)?;
                }
            }
            texts[index] = std::mem::take(&mut self.text);
        }
        let [human, gpt] = texts;
        Ok((human, gpt))
    }

    fn template(
        &mut self,
        template: &Template,
        slots: &[(&'static str, Parts)],
    ) -> Result<(), Reject> {
        for piece in &template.pieces {
            match piece {
                Piece::Words(words) => self.text.push_str(words),
                Piece::Slot(name) => {
                    let (_, parts) =
                        slots.iter().find(|(slot, _)| slot == name).ok_or_else(|| {
                            Reject::unusable(
                                "no-template",
                                format!("a template wants `{{{name}}}`, which this source has not"),
                            )
                        })?;
                    self.parts(parts)?;
                }
            }
        }
        Ok(())
    }

    fn parts(&mut self, parts: &[Part]) -> Result<(), Reject> {
        parts.iter().try_for_each(|part| self.part(part))
    }

    fn part(&mut self, part: &Part) -> Result<(), Reject> {
        match part {
            Part::Text(text) => self.text.push_str(text),
            Part::Time(time) => {
                let value = self.fraction(*time)?;
                self.number(Axis::Temporal, value);
            }
            Part::Span(span) => {
                let ends = self.span(*span)?;
                self.write_span(ends);
            }
            Part::FromTo { span, lower } => {
                let ends = self.span(*span)?;
                self.worded_span(ends, *lower);
            }
            Part::Box(raw) => {
                let bbox = self.bbox(*raw)?;
                self.write_box(bbox);
            }
            Part::Point(raw) => self.point(*raw)?,
            Part::Tube(boxes) => self.tube(boxes)?,
            Part::Events(events) => self.events(events)?,
        }
        Ok(())
    }

    fn number(&mut self, axis: Axis, value: f64) {
        self.text.push_str(axis.placeholder(self.side));
        self.variables.get_mut(axis, self.side).push(round3(value));
    }

    fn write_span(&mut self, [start, end]: [f64; 2]) {
        self.text.push('{');
        self.number(Axis::Temporal, start);
        self.number(Axis::Temporal, end);
        self.text.push('}');
    }

    fn worded_span(&mut self, ends: [f64; 2], lower: bool) {
        let words = self
            .assembler
            .phrases
            .span_words(&self.draft.id, self.turn)
            .to_owned();
        if lower {
            let mut chars = words.chars();
            self.text
                .extend(chars.next().into_iter().flat_map(char::to_lowercase));
            self.text.push_str(chars.as_str());
        } else {
            self.text.push_str(&words);
        }
        self.text.push(' ');
        self.write_span(ends);
    }

    fn write_box(&mut self, corners: [f64; 4]) {
        self.text.push('[');
        let axes = [Axis::Width, Axis::Height, Axis::Width, Axis::Height];
        for (axis, value) in axes.into_iter().zip(corners) {
            self.number(axis, value);
        }
        self.text.push(']');
    }

    fn no_convention(what: &'static str) -> Reject {
        Reject::unusable("no-convention", format!("the source declares no {what}"))
    }

    /// A missing length is told with what to do about it.
    fn unit(&self, what: String, error: UnitError) -> Reject {
        if error == UnitError::NoDuration {
            Reject::DurationUnknown {
                media: self.draft.media.path().to_owned(),
            }
        } else {
            Reject::Unit {
                what: what.into(),
                error,
            }
        }
    }

    fn span(&mut self, raw: [f64; 2]) -> Result<[f64; 2], Reject> {
        let convention = self.time.ok_or_else(|| Self::no_convention("time unit"))?;
        let span = convention
            .span(raw, &self.draft.extent)
            .map_err(|error| self.unit(format!("span [{}, {}]", raw[0], raw[1]), error))?;
        if span.clipped {
            self.repairs.push(END_CLIPPED);
        }
        Ok([span.value.start(), span.value.end()])
    }

    fn fraction(&mut self, raw: f64) -> Result<f64, Reject> {
        let convention = self.time.ok_or_else(|| Self::no_convention("time unit"))?;
        let time = convention
            .time(raw, &self.draft.extent)
            .map_err(|error| self.unit(format!("time {raw}"), error))?;
        if time.clipped {
            self.repairs.push(END_CLIPPED);
        }
        Ok(time.value.get())
    }

    fn bbox(&mut self, raw: [f64; 4]) -> Result<[f64; 4], Reject> {
        let convention = self
            .boxes
            .ok_or_else(|| Self::no_convention("box convention"))?;
        let size = self.draft.size.map(|sides| sides.map(f64::from));
        let bbox = convention
            .bbox(raw, size)
            .map_err(|error| self.unit(format!("box {raw:?}"), error))?;
        if bbox.clipped {
            self.repairs.push(BOX_CLIPPED);
        }
        Ok(bbox.value.to_array())
    }

    fn point(&mut self, raw: [f64; 2]) -> Result<(), Reject> {
        let convention = self
            .boxes
            .ok_or_else(|| Self::no_convention("box convention"))?;
        let size = self.draft.size.map(|sides| sides.map(f64::from));
        let [x, y] = convention
            .point(raw, size)
            .map_err(|error| self.unit(format!("point {raw:?}"), error))?;
        self.text.push('(');
        self.number(Axis::Width, x.get());
        self.text.push_str(", ");
        self.number(Axis::Height, y.get());
        self.text.push(')');
        Ok(())
    }

    /// Boxes at the frames that the plan takes; one without area is left out and noted.
    fn tube(&mut self, boxes: &[(f64, [f64; 4])]) -> Result<(), Reject> {
        let Some([first, last]) = self.draft.extent.frames else {
            return Err(self.unit("tube".into(), UnitError::NoFrames));
        };
        if self.planned.is_none() {
            let indices = self.assembler.plan.indices(first, last);
            self.planned = Some(indices.into_iter().collect());
        }
        let mut written = 0;
        for &(frame, raw) in boxes {
            let index = self.time.and_then(|time| time.frame(frame));
            let planned = index.zip(self.planned.as_ref());
            if !planned.is_some_and(|(index, planned)| planned.contains(&index.0)) {
                continue;
            }
            match self.bbox(raw) {
                Ok(bbox) if has_area(bbox) => {
                    if written > 0 {
                        self.text.push(' ');
                    }
                    written += 1;
                    let time = self.fraction(frame)?;
                    self.number(Axis::Temporal, time);
                    self.text.push(':');
                    self.write_box(bbox);
                }
                Ok(_)
                | Err(Reject::Unit {
                    error:
                        UnitError::BoxEmpty(_) | UnitError::BoxOutside(_) | UnitError::BoxReversed(_),
                    ..
                }) => {
                    self.repairs.push(TUBE_BOX_DROPPED);
                }
                Err(other) => return Err(other),
            }
        }
        if written == 0 {
            return Err(Reject::Nothing("no box on a frame of the frame plan"));
        }
        Ok(())
    }

    fn events(&mut self, events: &[Event]) -> Result<(), Reject> {
        let mut written = 0;
        let mut last = None;
        for event in events {
            let ends = match self.span(event.span) {
                Ok(ends) => ends,
                Err(reject @ Reject::Unit { .. }) => {
                    self.repairs.push(EVENT_DROPPED);
                    last = Some(reject);
                    continue;
                }
                Err(other) => return Err(other),
            };
            if written > 0 {
                self.text.push(' ');
            }
            written += 1;
            self.worded_span(ends, false);
            self.text.push_str(", ");
            self.text
                .push_str(event.caption.trim().trim_end_matches('.').trim_end());
            self.text.push('.');
        }
        if written == 0 {
            return Err(last.unwrap_or(Reject::Nothing("no events")));
        }
        Ok(())
    }
}

/// Whether something is left of a box once it is rounded.
fn has_area(bbox: [f64; 4]) -> bool {
    let [x1, y1, x2, y2] = bbox.map(round3);
    x1 < x2 && y1 < y2
}
