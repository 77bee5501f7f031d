//! Writes turns with placeholders and keeps the numbers beside them.

use st_schema::{Axis, Media, Record, Side, Task, Turn, Variables, round3};

use super::MediaKind;
use super::scene::Scene;

/// A conversation in the making.
pub(super) struct Conversation {
    marker: &'static str,
    turns: Vec<Turn>,
    variables: Variables,
}

/// One turn in the making: text, and coordinates as placeholders.
pub(super) struct Writer<'a> {
    text: String,
    side: Side,
    variables: &'a mut Variables,
}

impl Conversation {
    pub(super) fn about(kind: MediaKind) -> Self {
        let marker = match kind {
            MediaKind::Image => "<image>\n",
            MediaKind::Video => "<video>\n",
        };
        Self {
            marker,
            turns: Vec::new(),
            variables: Variables::default(),
        }
    }

    /// The human's turn; the first one gets the media marker.
    pub(super) fn ask(&mut self, write: impl FnOnce(&mut Writer)) {
        let text = if self.turns.is_empty() {
            self.marker.to_owned()
        } else {
            String::new()
        };
        let text = self.write(text, Side::Input, write);
        self.turns.push(Turn::human(text));
    }

    /// The model's turn.
    pub(super) fn answer(&mut self, write: impl FnOnce(&mut Writer)) {
        let text = self.write(String::new(), Side::Output, write);
        self.turns.push(Turn::gpt(text));
    }

    fn write(&mut self, text: String, side: Side, write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer {
            text,
            side,
            variables: &mut self.variables,
        };
        write(&mut writer);
        writer.text
    }

    /// The record, with what is known of its media.
    pub(super) fn into_record(
        self,
        id: String,
        task: Task,
        media: Media,
        scene: &Scene,
        fps: u32,
    ) -> Record {
        let mut record = Record::new(id, media, self.turns, self.variables);
        record.source = Some(super::SOURCE.to_owned());
        record.task = Some(task);
        record.meta.width = Some(scene.size[0]);
        record.meta.height = Some(scene.size[1]);
        if scene.kind == MediaKind::Video {
            record.meta.split = Some([0, scene.frames - 1]);
            record.meta.fps = Some(f64::from(fps));
            record.meta.frames = Some(scene.frames);
        }
        record
    }
}

impl Writer<'_> {
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn number(&mut self, axis: Axis, value: f64) {
        self.text.push_str(axis.placeholder(self.side));
        self.variables.get_mut(axis, self.side).push(round3(value));
    }

    /// One time.
    pub(super) fn time(&mut self, time: f64) -> &mut Self {
        self.number(Axis::Temporal, time);
        self
    }

    /// `{start end}`.
    pub(super) fn span(&mut self, [start, end]: [f64; 2]) -> &mut Self {
        self.text.push('{');
        self.time(start).time(end);
        self.text.push('}');
        self
    }

    /// `[x1 y1 x2 y2]`.
    pub(super) fn bbox(&mut self, [x1, y1, x2, y2]: [f64; 4]) -> &mut Self {
        self.text.push('[');
        self.number(Axis::Width, x1);
        self.number(Axis::Height, y1);
        self.number(Axis::Width, x2);
        self.number(Axis::Height, y2);
        self.text.push(']');
        self
    }
}
