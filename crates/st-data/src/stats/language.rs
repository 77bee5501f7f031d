//! Which languages the conversations are in.

use std::fmt::Write as _;

use st_schema::Record;

use super::text::for_each_word;

/// One record in so many is asked for its language, chosen by the hash of its conversation: telling languages apart costs
/// more than all else together, and a sample says enough.
pub(super) const SAMPLE: u32 = 16;

/// The language of a record, ISO 639-3, if it belongs to the sample; "und" when its text is too short to tell.
///
/// `hash` is that of the conversation, so that the same records are asked however a dataset is cut.
pub(super) fn of_sample(record: &Record, hash: u64) -> Option<&'static str> {
    if !hash.is_multiple_of(u64::from(SAMPLE)) {
        return None;
    }
    let (mut text, mut word) = (String::new(), String::new());
    for turn in &record.conversations {
        for_each_word(&turn.value, &mut word, |word| {
            let _ = write!(text, "{word} ");
        });
        if text.len() > 2000 {
            break;
        }
    }
    let info = whatlang::detect(&text);
    Some(
        info.filter(whatlang::Info::is_reliable)
            .map_or("und", |info| info.lang().code()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart_where_there_is_text() {
        let record = |text: &str| -> Record {
            let turns = vec![
                st_schema::Turn::human(format!("<video>\n{text}")),
                st_schema::Turn::gpt("{<TEMP-OUTPUT><TEMP-OUTPUT>}"),
            ];
            let media = st_schema::Media::Video("a.mp4".into());
            Record::new("a", media, turns, st_schema::Variables::default())
        };
        let english = "When does the child in the yellow jacket jump over the fence and run away?";
        assert_eq!(of_sample(&record(english), 0), Some("eng"));
        assert_eq!(of_sample(&record(english), 1), None);
        let german = "Wann springt das Kind in der gelben Jacke über den Zaun und läuft davon?";
        assert_eq!(of_sample(&record(german), 16), Some("deu"));
        assert_eq!(of_sample(&record(""), 0), Some("und"));
    }
}
