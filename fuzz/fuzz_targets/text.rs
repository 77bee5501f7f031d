//! Any text given to the readers of answers, questions and dataset files is a value or an error: no panic, no endless time. What
//! is encoded into placeholders and numbers comes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use st_schema::answer::{self, compat as answer_compat};
use st_schema::text::{self, compat as text_compat};
use st_schema::{DatasetFile, Media, Record, Side, Task, Turn};

fuzz_target!(|words: &str| {
    for task in Task::ALL {
        let _ = answer::parse(task, words);
    }
    let normal = answer_compat::normalize(words);
    let _ = answer_compat::span(&normal);
    let _ = answer_compat::bounding_box(&normal);
    let _ = answer_compat::tube(&normal);
    let _ = answer_compat::demo_boxes(&normal);
    let _ = answer_compat::demo_events(&normal);
    let _ = (
        answer_compat::starts_in(&normal),
        answer_compat::ends_in(&normal),
    );
    for side in Side::ALL {
        let _ = text_compat::format(words, side);
        let _ = text_compat::format_demo(words, side);
    }
    let _ = text_compat::parse_demo_inputs(words);
    let _ = words.parse::<DatasetFile>();

    let turns = [Turn::human(words), Turn::gpt(words)];
    let Ok((encoded, variables)) = text::encode(&turns) else {
        return;
    };
    let record = Record::new("a", Media::Video("a.mp4".into()), encoded, variables);
    // Words that look like half a token can swallow the next one; then the counts differ, which is an error, not a loss.
    if let Ok(mut inlined) = text::inline(&record) {
        let again = text::extract(&mut inlined).expect("numbers that were written are read");
        assert_eq!(again, record.variables);
        assert_eq!(inlined, record.conversations);
    }
});
