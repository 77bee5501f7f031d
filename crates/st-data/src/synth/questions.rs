//! The fifteen tasks: what is asked about a scene, and the exact answer.
//!
//! Grounding questions are worded as the original's evaluation words them (phrase 0 of its lists, and its closing
//! sentences, with the spaces that its formatting leaves around coordinates), so that the benchmark asks what training
//! taught. Training may use the other phrasings too.

use st_schema::Task;

use super::conversation::{Conversation, Writer};
use super::dice::Dice;
use super::scene::{Object, Scene};
use super::{MediaKind, SynthOptions};

/// Phrase 0 is the benchmark's.
const REC: [[&str; 2]; 4] = [
    ["Where can I find ", " in this image?"],
    ["What part of this image contains ", "?"],
    ["Where does ", " appear in this image?"],
    ["Where is ", " situated within this image?"],
];
const SVG: [&str; 8] = [
    "During the span of ",
    "In the time range ",
    "During the period ",
    "Within the time frame of ",
    "In the time period ",
    "During ",
    "Between ",
    "At ",
];
const TR: [[&str; 2]; 2] = [
    [
        "What was going on within the time frame of ",
        " in the video?",
    ],
    [
        "Describe what took place during the period ",
        " in the video.",
    ],
];
/// Closing sentences of the three ST-Align tasks.
pub(super) const STVG_TAIL: &str = "Please firstly give the timestamps, and then give the spatial bounding box \
                                    corresponding to each timestamp in the time period.";
pub(super) const SVG_TAIL: &str =
    "Please give the spatial bounding box corresponding to each timestamp in the time period.";
pub(super) const ELC_TAIL: &str = "Please firstly give the end timestamp, then give the event associated with the \
                                   object/subject, finally give the spatial bounding box corresponding to each \
                                   timestamp in the time period.";

/// Charades-style caption of an object's time in view. The original lower-cases it and takes full stops off its ends.
pub(super) fn tvg_caption(object: &Object) -> String {
    format!("{} is visible", object.a_name())
}

/// The ST-Align benchmark's question before its closing sentence.
pub(super) fn stvg_question(object: &Object) -> String {
    format!(
        "At which time interval in the video can we see {} occurring? ",
        object.a_name()
    )
}

/// "where is a red circle? "; the time stands before it.
pub(super) fn svg_question(object: &Object) -> String {
    format!("where is {}? ", object.a_name())
}

/// The event of a localisation and captioning answer: "a red circle moves left".
pub(super) fn elc_caption(object: &Object) -> String {
    format!("{} {}", object.a_name(), object.event())
}

/// Everything a question is made from.
pub(super) struct Asker<'a> {
    pub(super) scene: &'a Scene,
    pub(super) options: &'a SynthOptions,
    pub(super) dice: &'a mut Dice,
}

impl Asker<'_> {
    /// The objects that each record of `task` asks about, as places among the scene's asked ones, in random order: up to
    /// `turns` in a record, every object once. A task about the whole scene has one record with no object of its own.
    pub(super) fn parts(&mut self, task: Task) -> Vec<Vec<usize>> {
        let whole = matches!(
            task,
            Task::Dgc
                | Task::Igc
                | Task::Dvc
                | Task::VideoCaption
                | Task::Conversation
                | Task::VideoQa
                | Task::Classification
        );
        if whole {
            return vec![Vec::new()];
        }
        let objects = self.scene.asked().len();
        let order = self.dice.sample(objects, objects);
        order
            .chunks(self.options.turns)
            .map(<[_]>::to_vec)
            .collect()
    }

    /// A conversation of `task` about the scene's objects at `places`, of [`Asker::parts`].
    pub(super) fn ask(&mut self, task: Task, places: &[usize]) -> Conversation {
        let mut conversation = Conversation::about(self.scene.kind);
        match task {
            Task::Rec => self.each(&mut conversation, places, Self::rec),
            Task::Reg => self.each(&mut conversation, places, Self::reg),
            Task::Tvg => self.each(&mut conversation, places, Self::tvg),
            Task::Tr => self.each(&mut conversation, places, Self::tr),
            Task::Stvg => self.each(&mut conversation, places, Self::stvg),
            Task::Svg => self.each(&mut conversation, places, Self::svg),
            Task::Elc => self.each(&mut conversation, places, Self::elc),
            Task::Tgc => self.each(&mut conversation, places, Self::tgc),
            Task::Dgc => self.dgc(&mut conversation),
            Task::Igc => self.igc(&mut conversation),
            Task::Dvc => self.dvc(&mut conversation),
            Task::VideoCaption => self.video_caption(&mut conversation),
            Task::Conversation => self.conversation(&mut conversation),
            Task::VideoQa => self.video_qa(&mut conversation),
            Task::Classification => self.classification(&mut conversation),
        }
        conversation
    }

    /// One question about each object at `places`, in their order.
    fn each(
        &mut self,
        talk: &mut Conversation,
        places: &[usize],
        question: fn(&mut Self, &mut Conversation, &Object),
    ) {
        let scene = self.scene;
        let objects = scene.asked();
        for &place in places {
            question(self, talk, objects[place]);
        }
    }

    fn phrase<P: Copy>(&mut self, phrases: &[P]) -> P {
        phrases[self.dice.below(self.options.phrases.min(phrases.len()))]
    }

    fn rec(&mut self, talk: &mut Conversation, object: &Object) {
        let [before, after] = self.phrase(&REC);
        talk.ask(|w| {
            w.text(before).text(&object.name()).text(after);
        });
        talk.answer(|w| {
            w.bbox(object.bbox(0)).text(".");
        });
    }

    #[expect(clippy::unused_self, reason = "one signature for all questions")]
    fn reg(&mut self, talk: &mut Conversation, object: &Object) {
        talk.ask(|w| {
            w.text("What object can be observed within the region ")
                .bbox(object.bbox(0))
                .text(" in the image?");
        });
        talk.answer(|w| {
            w.text(&object.a_name()).text(".");
        });
    }

    fn tvg(&mut self, talk: &mut Conversation, object: &Object) {
        let span = self.scene.span(object);
        talk.ask(|w| {
            w.text("Give you a textual query: '").text(&tvg_caption(object)).text(
                "'. When does the described content occur in the video? Please return the start and end timestamps.",
            );
        });
        talk.answer(|w| {
            w.text("The described content occurs in ")
                .span(span)
                .text(".");
        });
    }

    fn tr(&mut self, talk: &mut Conversation, object: &Object) {
        let [before, after] = self.phrase(&TR);
        let span = self.scene.span(object);
        talk.ask(|w| {
            w.text(before).span(span).text(after);
        });
        talk.answer(|w| {
            w.text(&elc_caption(object)).text(".");
        });
    }

    fn stvg(&mut self, talk: &mut Conversation, object: &Object) {
        let span = self.scene.span(object);
        talk.ask(|w| {
            w.text(&stvg_question(object)).text(STVG_TAIL);
        });
        talk.answer(|w| {
            w.text("During the span of ").span(span).text(". ");
            self.tube(w, object);
        });
    }

    fn svg(&mut self, talk: &mut Conversation, object: &Object) {
        let before = self.phrase(&SVG);
        let span = self.scene.span(object);
        talk.ask(|w| {
            w.text(before)
                .text(" ")
                .span(span)
                .text(" , ")
                .text(&svg_question(object))
                .text(SVG_TAIL);
        });
        talk.answer(|w| self.tube(w, object));
    }

    fn elc(&mut self, talk: &mut Conversation, object: &Object) {
        let [start, end] = self.scene.span(object);
        talk.ask(|w| {
            w.text(" Starts in ")
                .time(start)
                .text(" , what happened about the subject/object within the specified region  ")
                .bbox(object.bbox(object.first))
                .text("? ")
                .text(ELC_TAIL);
        });
        talk.answer(|w| {
            w.text("Ends in ")
                .time(end)
                .text(", ")
                .text(&elc_caption(object))
                .text(". ");
            self.tube(w, object);
        });
    }

    /// "Object bounding box: t:[…] t:[…]." with a box for every planned frame in view.
    fn tube(&self, w: &mut Writer, object: &Object) {
        w.text("Object bounding box:");
        for frame in self.scene.planned_in_view(object) {
            w.text(" ")
                .time(self.scene.time(frame))
                .text(":")
                .bbox(object.bbox(frame));
        }
        w.text(".");
    }

    fn tgc(&mut self, talk: &mut Conversation, object: &Object) {
        let span = self.scene.span(object);
        talk.ask(|w| {
            w.text("What does ")
                .text(&object.a_name())
                .text(" do, and when?");
        });
        talk.answer(|w| {
            w.text("In ")
                .span(span)
                .text(" it ")
                .text(&object.event())
                .text(".");
        });
    }

    fn dgc(&mut self, talk: &mut Conversation) {
        talk.ask(|w| {
            w.text(
                "Can you provide a thorough description of this image? Please output with interleaved bounding boxes \
                 for the corresponding phrases.",
            );
        });
        talk.answer(|w| self.list_with_boxes(w));
    }

    fn igc(&mut self, talk: &mut Conversation) {
        talk.ask(|w| {
            w.text("What is in the image?");
        });
        talk.answer(|w| self.list_with_boxes(w));
        talk.ask(|w| {
            w.text("Which one is the furthest to the left?");
        });
        if let Some(object) = self.leftmost() {
            talk.answer(|w| {
                w.text(&object.a_name())
                    .text(" ")
                    .bbox(object.bbox(0))
                    .text(".");
            });
        }
    }

    fn list_with_boxes(&self, w: &mut Writer) {
        let objects = self.scene.asked();
        for (place, object) in objects.iter().enumerate() {
            w.text(separator(place, objects.len()))
                .text(&object.a_name())
                .text(" ")
                .bbox(object.bbox(0));
        }
        w.text(".");
    }

    fn leftmost(&self) -> Option<&Object> {
        let centre = |object: &Object| object.pose(0).0[0];
        self.scene
            .asked()
            .into_iter()
            .min_by(|a, b| centre(a).total_cmp(&centre(b)))
    }

    fn dvc(&mut self, talk: &mut Conversation) {
        let scene = self.scene;
        talk.ask(|w| {
            w.text("Detail the events of the video.");
        });
        talk.answer(|w| {
            for (place, object) in by_appearance(scene).into_iter().enumerate() {
                w.text(if place > 0 { " " } else { "" });
                w.span(scene.span(object))
                    .text(", ")
                    .text(&elc_caption(object))
                    .text(".");
            }
        });
    }

    fn video_caption(&mut self, talk: &mut Conversation) {
        let scene = self.scene;
        talk.ask(|w| {
            w.text("Give a short account of this clip.");
        });
        talk.answer(|w| {
            let objects = by_appearance(scene);
            for (place, object) in objects.iter().enumerate() {
                w.text(separator(place, objects.len()))
                    .text(&elc_caption(object));
            }
            w.text(".");
        });
    }

    fn conversation(&mut self, talk: &mut Conversation) {
        const COUNTS: [&str; 10] = [
            "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
        ];
        let scene = self.scene;
        let place = match scene.kind {
            MediaKind::Image => "image",
            MediaKind::Video => "video",
        };
        talk.ask(|w| {
            w.text("How many objects are in the ").text(place).text("?");
        });
        talk.answer(|w| {
            w.text(COUNTS.get(scene.objects.len()).unwrap_or(&"many"))
                .text(".");
        });
        talk.ask(|w| {
            w.text("Which ones?");
        });
        talk.answer(|w| {
            for (place, object) in scene.objects.iter().enumerate() {
                w.text(separator(place, scene.objects.len()))
                    .text(&object.a_name());
            }
            w.text(".");
        });
    }

    /// Multiple choice; the wrong ones have colours that the clip lacks.
    fn video_qa(&mut self, talk: &mut Conversation) {
        const LETTERS: [&str; 4] = ["(A) ", "(B) ", "(C) ", "(D) "];
        let objects: Vec<Object> = self.scene.asked().into_iter().cloned().collect();
        let absent: Vec<&str> = super::shape::COLORS[..self.options.colors]
            .iter()
            .map(|color| color.name)
            .filter(|name| {
                self.scene
                    .objects
                    .iter()
                    .all(|object| object.color.name != *name)
            })
            .collect();
        let right = &objects[self.dice.below(objects.len())];
        let mut choices: Vec<String> = self
            .dice
            .sample(absent.len(), LETTERS.len() - 1)
            .into_iter()
            .map(|color| format!("{} {}", absent[color], right.shape.name()))
            .collect();
        let place = self.dice.inside(0, choices.len());
        choices.insert(place, right.name());
        talk.ask(|w| {
            w.text("Which of these is in the video?");
            for (letter, choice) in LETTERS.iter().zip(&choices) {
                w.text("\n").text(letter).text(choice);
            }
        });
        talk.answer(|w| {
            w.text(LETTERS[place]).text(&choices[place]);
        });
    }

    fn classification(&mut self, talk: &mut Conversation) {
        if self.scene.kind == MediaKind::Image {
            talk.ask(|w| {
                w.text("Which shape is the furthest to the left?");
            });
            if let Some(object) = self.leftmost() {
                talk.answer(|w| {
                    w.text(object.shape.name()).text(".");
                });
            }
        } else {
            let objects = self.scene.asked().len();
            let places = self.dice.sample(objects, self.options.turns);
            self.each(talk, &places, |_, talk, object| {
                talk.ask(|w| {
                    w.text("What does ").text(&object.a_name()).text(" do?");
                });
                talk.answer(|w| {
                    w.text(&object.event()).text(".");
                });
            });
        }
    }
}

/// What stands before item `place` of a list of `count`.
const fn separator(place: usize, count: usize) -> &'static str {
    if place == 0 {
        ""
    } else if place + 1 == count {
        " and "
    } else {
        ", "
    }
}

fn by_appearance(scene: &Scene) -> Vec<&Object> {
    let mut objects = scene.asked();
    objects.sort_by_key(|object| (object.first, object.last));
    objects
}
