//! How the rules that one record can break by itself are broken.

use st_data::validate::Rule;

use crate::clean::{Dice, HEIGHTS, TIMES, WIDTHS, numbers, swap};

/// From a clean record to a faulty one; `None` where this record cannot carry the fault.
pub(crate) type Fault = fn(&str, &mut Dice) -> Option<String>;

/// One fault or more for every rule that a record can break by itself.
pub(crate) fn faults() -> Vec<(Rule, Fault)> {
    vec![
        (Rule::JsonSyntax, |text, _| {
            swap(",\"conversations\"", ",,\"conversations\"")(text)
        }),
        (Rule::JsonUtf8, |text, _| {
            swap("Where is", "Where\u{1}is")(text)
        }),
        (Rule::JsonDepth, |text, _| {
            swap(
                "{\"id\"",
                &format!("{{\"deep\":{}{},\"id\"", "[".repeat(140), "]".repeat(140)),
            )(text)
        }),
        (Rule::JsonDuplicateKey, |text, _| {
            swap("{\"id\"", "{\"id\":\"other\",\"id\"")(text)
        }),
        (Rule::JsonNotFinite, |text, _| {
            swap(
                "\"temporal_input_locations\":[]",
                "\"temporal_input_locations\":[NaN]",
            )(text)
        }),
        (Rule::RecordSize, |text, _| {
            swap("Where", &"Where ".repeat(50_000))(text)
        }),
        (Rule::RecordShape, |text, _| {
            swap("\"from\":\"gpt\",\"value\"", "\"from\":\"gpt\",\"words\"")(text)
        }),
        (Rule::RecordShape, |text, _| {
            swap(
                "\"conversations\":[",
                "\"conversations\":\"none\",\"turns\":[",
            )(text)
        }),
        (Rule::RoleWord, |text, _| {
            swap("\"human\"", "\"user\"")(text)
        }),
        (Rule::RoleOrder, |text, _| {
            swap("\"from\":\"human\"", "\"from\":\"system\"")(text)
        }),
        (Rule::MediaBoth, |text, _| {
            swap("\"video\":", "\"image\":\"x.jpg\",\"video\":")(text)
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("<video>\\n", "")(text).or_else(|| swap("<image>\\n", "")(text))
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("<video>\\nWhere", "<image>\\nWhere")(text)
        }),
        (Rule::MediaPlaceholder, |text, _| {
            swap("Where", "<image> Where")(text)
        }),
        (Rule::TaskUnknown, |text, _| {
            swap("\"stvg\"", "\"stgv\"")(text)
        }),
        (Rule::QuestionEmpty, |text, _| {
            let from = text.find("Where")?;
            let to = from + text[from..].find('"')?;
            Some(format!("{}{}", &text[..from], &text[to..]))
        }),
        (Rule::AnswerEmpty, |text, _| {
            let start = text.find("\"from\":\"gpt\",\"value\":\"")? + 22;
            let end = start + text[start..].find("\"}]")?;
            let empty = format!("{} {}", &text[..start], &text[end..]);
            // Its numbers go with it, or they would be too many.
            let mut value: serde_json::Value = serde_json::from_str(&empty).ok()?;
            for (_, list) in value["variables"].as_object_mut()? {
                *list = serde_json::json!([]);
            }
            Some(value.to_string())
        }),
        (Rule::AnswerTruncated, |text, _| {
            swap(">].\"", ">], a thing at [\"")(text)
        }),
        (Rule::AnswerTruncated, |text, _| {
            swap(">].\"", ">], and,\"")(text)
        }),
        (Rule::TextMarker, |text, _| {
            swap("?\"", "? QA_GT_caption_based_noisy\"")(text)
        }),
        (Rule::TextTemplate, |text, _| {
            swap("Where", "From <s> where")(text)
        }),
        (Rule::TextMojibake, |text, _| {
            swap("Where", "CafÃ© where")(text)
        }),
        (Rule::TextReplaced, |text, _| {
            swap("Where", "Caf\u{fffd} where")(text)
        }),
        (Rule::TextControl, |text, _| {
            swap("Where", "Where\\u0000")(text)
        }),
        (Rule::TextLength, |text, _| {
            swap("Where", &"where ".repeat(22_000))(text)
        }),
        (Rule::TokenMalformed, |text, _| {
            swap("<WIDTH-OUTPUT>", "<WIDTH-OUT>")(text)
        }),
        (Rule::TokenMalformed, |text, _| {
            swap("Where", "<TEMP-012> where")(text)
        }),
        (Rule::TokenSide, |text, _| {
            swap("<WIDTH-OUTPUT>", "<WIDTH-INPUT>")(text)
        }),
        (Rule::VariablesIncomplete, |text, _| {
            swap("\"temporal_input_locations\":[],", "")(text)
        }),
        (Rule::PlaceholderCount, |text, _| {
            numbers(text, WIDTHS, |list| list.truncate(1))
        }),
        (Rule::PlaceholderCount, |text, _| {
            numbers(text, TIMES, |list| list.push(0.5))
        }),
        (Rule::ValueRange, |text, dice| {
            let high = 1.0 + dice.between(1, 900);
            numbers(text, WIDTHS, move |list| *list.last_mut().unwrap() = high)
        }),
        (Rule::ValueRange, |text, _| {
            numbers(text, TIMES, |list| list[0] = -0.25)
        }),
        (Rule::GroupMalformed, |text, _| {
            swap(
                "[<WIDTH-OUTPUT><HEIGHT-OUTPUT>",
                "[<HEIGHT-OUTPUT><WIDTH-OUTPUT>",
            )(text)
        }),
        (Rule::SpanOrder, |text, _| {
            numbers(text, TIMES, |list| list.swap(0, 1))
        }),
        (Rule::BoxOrder, |text, _| {
            numbers(text, WIDTHS, |list| list.swap(0, 1))
        }),
        (Rule::BoxArea, |text, _| {
            numbers(text, WIDTHS, |list| list[1] = list[0])
        }),
        (Rule::TubeOrder, |text, dice| {
            // A time and its box change places with the next.
            let offset = dice.roll(2);
            let text = numbers(text, TIMES, |list| list.swap(2 + offset, 3 + offset))?;
            let pairs = |list: &mut Vec<f64>| {
                list.swap(2 * offset, 2 * offset + 2);
                list.swap(2 * offset + 1, 2 * offset + 3);
            };
            numbers(&numbers(&text, WIDTHS, pairs)?, HEIGHTS, pairs)
        }),
        (Rule::TubeRepeat, |text, _| {
            numbers(text, TIMES, |list| list[3] = list[2])
        }),
        (Rule::TubeSpan, |text, _| {
            numbers(text, TIMES, |list| list[1] = list[2])
        }),
        (Rule::TubeGrid, |text, _| {
            numbers(text, TIMES, |list| {
                list[3] = ((list[2] + list[3]) * 500.0).round() / 1000.0;
            })
        }),
        (Rule::SplitOrder, |text, _| {
            swap("[10,109]", "[109,10]")(text)
        }),
        (Rule::SplitRange, |text, _| {
            swap("\"frames\":200", "\"frames\":109")(text)
        }),
        (Rule::PathUnsafe, |text, _| {
            swap("\":\"videos/", "\":\"../videos/")(text)
                .or_else(|| swap("\":\"images/", "\":\"/images/")(text))
        }),
        (Rule::PathUnsafe, |text, _| {
            swap("\":\"videos/", "\":\"https://videos/")(text)
        }),
        (Rule::MediaMissing, |text, _| {
            swap("\":\"videos/", "\":\"gone/")(text)
        }),
        (Rule::MediaEmpty, |text, _| {
            swap("\":\"videos/", "\":\"empty/")(text)
        }),
        #[cfg(unix)]
        (Rule::MediaLink, |text, _| {
            swap("\":\"videos/", "\":\"outside/")(text)
        }),
    ]
}
