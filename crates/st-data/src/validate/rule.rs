//! The rules, one constant table: names, severities, words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use st_schema::Severity;

/// What a rule says about itself; `docs/rules.md` is made from this table.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// The stable name.
    pub id: &'static str,
    /// What happens to a record unless the dataset file says otherwise.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: &'static str,
    /// A faulty piece of a record.
    pub example: &'static str,
    /// What a repair does; none where only a person can tell.
    pub repair: Option<&'static str>,
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $summary:literal $example:literal $repair:expr;)*) => {
        /// A rule, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $summary] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What the rule says about itself.
            #[must_use]
            pub const fn info(self) -> RuleInfo {
                match self {
                    $(Self::$name => RuleInfo {
                        id: $id,
                        severity: Severity::$severity,
                        summary: $summary,
                        example: $example,
                        repair: $repair,
                    },)*
                }
            }
        }
    };
}

rules! {
    JsonSyntax "json-syntax" Reject "The value is not JSON." r#"{"id": "a", }"# None;
    JsonTruncated "json-truncated" Reject "The file ends, or a line ends inside a string, before the value does." r#"{"id": "a", "vid"# None;
    JsonJunk "json-junk" Reject "Bytes between records that are no value." r"[{…}, oops, {…}]" None;
    JsonUtf8 "json-utf8" Reject "The bytes are not UTF-8." r#"{"id": "\xff"}"# None;
    JsonDepth "json-depth" Reject "Brackets are nested deeper than 127." r#"{"x": [[[[…]]]]}"# None;
    JsonDuplicateKey "json-duplicate-key" Reject "An object has one name twice; which value is meant cannot be known." r#"{"id": "a", "id": "b"}"# None;
    JsonNotFinite "json-not-finite" Reject "A number is NaN or infinite." r#""temporal_output_locations": [NaN]"# None;
    JsonBom "json-bom" Repair "The file begins with a byte order mark, at which Python's `json.load` stops." r"EF BB BF [" Some("the mark is left out");
    JsonConcatenated "json-concatenated" Repair "A second array follows the first, at which Python's `json.load` stops." r"[{…}][{…}]" Some("the arrays become one");
    JsonComma "json-comma" Repair "A comma between two records is missing or too many." r"[{…} {…},]" Some("commas are set anew");
    JsonUnclosed "json-unclosed" Repair "The array is never closed: records may be missing." r"[{…}, {…}" Some("the array is closed; what is missing stays missing");
    FileEmpty "file-empty" Warn "The file holds no value." "" None;
    FileDamaged "file-damaged" Reject "Reading or unpacking stops within the file; all records before it are judged." "a .gz that was cut off" None;
    RecordSize "record-size" Reject "The record has more bytes than the limit for one record (16 MiB)." r#"{"id": "aaaa…"}"# None;
    RecordShape "record-shape" Reject "A field is missing or of the wrong type." r#"{"id": "a", "image": ["b", "c"]}"# None;
    RoleWord "role-word" Repair "A speaker is named in another project's word." r#"{"from": "user", "value": "…"}"# Some("user and similar become human, assistant and similar become gpt");
    RoleOrder "role-order" Reject "Turns do not alternate from human to gpt, or there is none." r"gpt, human" None;
    MediaBoth "media-both" Reject "Both an image and a video are named; the original's trainer would take the image." r#"{"image": "a.jpg", "video": "a.mp4"}"# None;
    MediaPlaceholder "media-placeholder" Repair "The first human turn does not begin with the media's placeholder, or a second one stands somewhere." r"What is in <video>?" Some("every media placeholder is taken out and the right one put first");
    TaskUnknown "task-unknown" Warn "The task is none of the fifteen." r#"{"task": "stgv"}"# None;
    QuestionEmpty "question-empty" Reject "A human turn asks nothing." r#"{"from": "human", "value": "<video>\n"}"# None;
    AnswerEmpty "answer-empty" Reject "A gpt turn says nothing." r#"{"from": "gpt", "value": " "}"# None;
    AnswerTruncated "answer-truncated" Reject "An answer breaks off: an open bracket, or a comma, colon or bracket at its end." r"{<TEMP-OUTPUT><TEMP-OUTPUT>}. Object bounding box: <TEMP-OUTPUT>:[" None;
    TextMarker "text-marker" Repair "A marker of how the text was made was left in." r"What happens? QA_GT_caption_based_noisy" Some("the marker is taken out, as the original's trainer does");
    TextTemplate "text-template" Reject "A part of a template was never filled in, or a chat or error marker was left in." r"From <s> to <e>" None;
    TextMojibake "text-mojibake" Repair "UTF-8 text was once read as Windows-1252." r"cafÃ©" Some("the bytes are read as UTF-8 again");
    TextReplaced "text-replaced" Warn "A character was lost and replaced by U+FFFD." "caf\u{FFFD}" None;
    TextControl "text-control" Repair "A control character other than line end and tab stands in the text." r"a\u0000b" Some("the character is taken out");
    TextLength "text-length" Warn "The conversation is longer than the model's context, by a cautious estimate." r"an answer of 200,000 words" None;
    TokenMalformed "token-malformed" Reject "A coordinate token is none of the six placeholders." r"<TEMP-OUT>, <TEMP-012>, <TEMP-INPUT0.5>" None;
    TokenSide "token-side" Reject "An output placeholder stands in a human turn, or an input placeholder in another." r"human: When is <TEMP-OUTPUT>?" None;
    VariablesIncomplete "variables-incomplete" Repair "One of the six lists is missing, at which the original's trainer stops." r#""variables": {"temporal_input_locations": []}"# Some("the missing lists are added, empty");
    PlaceholderCount "placeholder-count" Reject "An axis and side has more or fewer numbers than placeholders." r"{<TEMP-OUTPUT><TEMP-OUTPUT>} with [0.1]" None;
    ValueRange "value-range" Reject "A number lies outside [0, 1]." r#""temporal_output_locations": [1.2]"# Some("the number is cut to [0, 1], as the original's writer does with boxes");
    GroupMalformed "group-malformed" Reject "Placeholders in brackets are neither a span {TEMP TEMP} nor a box [WIDTH HEIGHT WIDTH HEIGHT] nor a point (WIDTH, HEIGHT)." r"[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT>]" None;
    SpanOrder "span-order" Reject "A span ends before it starts." r"{0.9, 0.1}" None;
    BoxOrder "box-order" Reject "A box's second corner lies left of or above its first." r"[0.9, 0.1, 0.2, 0.8]" Some("the corners are put in order");
    BoxArea "box-area" Reject "A box has no area." r"[0.2, 0.1, 0.2, 0.8]" None;
    TubeOrder "tube-order" Repair "The times of a tube do not rise." r"0.3:[…] 0.2:[…]" Some("times and their boxes are sorted; a time that is there twice stays a fault");
    TubeRepeat "tube-repeat" Reject "A tube has one time twice." r"0.3:[…] 0.3:[…]" None;
    TubeSpan "tube-span" Warn "A time of a tube lies outside the span that the turn, or the question, names." r"{0.1,0.2} 0.5:[…]" None;
    TubeGrid "tube-grid" Warn "A time of a tube falls on no frame of the frame plan, so the model never sees that frame." r"0.015:[…] in a clip of 1000 frames" None;
    SplitOrder "split-order" Reject "The clip's last frame comes before its first." r#""split": [80, 20]"# None;
    SplitRange "split-range" Reject "The clip ends after the file does." r#""split": [0, 900], "frames": 830"# None;
    PathUnsafe "path-unsafe" Reject "The media path is empty, absolute, a URL, or leads out of the media folder." r#""video": "../a.mp4""# None;
    MediaFolder "media-folder" Warn "The media folder does not exist: no media file was looked at." r"data_folder: media/vidor" None;
    MediaMissing "media-missing" Reject "The media file does not exist." r#""video": "gone.mp4""# None;
    MediaLink "media-link" Reject "The media file is a link that leads out of the media folder, and `stdata media link` did not make it." r"a.mp4 -> /elsewhere/a.mp4" None;
    MediaEmpty "media-empty" Reject "The media file has no bytes." r"an empty a.mp4" None;
    MediaUnreadable "media-unreadable" Reject "The media file, or a frame of the clip, cannot be decoded (`--media` reads the file's facts, `--deep` decodes the clip)." r"a.mp4 that holds text" None;
    MetaSize "meta-size" Repair "Width or height differ from the file's." r#""width": 640 for a file of 1280x720"# Some("the file's size is written");
    MetaFps "meta-fps" Repair "The frame rate differs from the file's by more than one part in a hundred." r#""fps": 25 for a file of 29.97"# Some("the file's frame rate is written");
    MetaFrames "meta-frames" Repair "The frame count differs from the file's." r#""frames": 830 for a file of 829"# Some("the file's frame count is written");
    DuplicateExact "duplicate-exact" Reject "Clip, questions, answers and numbers are those of an earlier record." "the same record twice" None;
    DuplicateText "duplicate-text" Warn "The same as an earlier record but for case, spaces and punctuation." r#""A dog." and "a dog""# None;
    ReviewBad "review-bad" Reject "A person marked the record bad in the review file (`stdata browse`)." r#"{"record": "4f0c…", "mark": "bad"}"# None;
    ReviewFix "review-fix" Warn "A person marked the record as one to be fixed in the review file." r#"{"record": "4f0c…", "mark": "fix"}"# None;
    AnswerConflict "answer-conflict" Warn "An earlier record asks the same about the same clip and gives other coordinates." r"{0.1,0.2} and {0.5,0.9}" None;
}

impl Rule {
    /// The stable name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.info().id
    }

    /// The rule of this name.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Self::find(&id)
            .ok_or_else(|| serde::de::Error::custom(format_args!("there is no rule `{id}`")))
    }
}

impl schemars::JsonSchema for Rule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let ids: Vec<&str> = Self::ALL.iter().map(|rule| rule.id()).collect();
        schemars::json_schema!({ "type": "string", "enum": ids })
    }
}

/// How severe each rule is for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Severities(Vec<Severity>);

/// Why a dataset file's rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeverityError {
    /// A name that is no rule.
    #[error("there is no rule `{0}`; docs/rules.md lists them")]
    Unknown(String),
    /// `repair` for a rule that has no repair.
    #[error("rule `{0}` has no repair; choose off, warn or reject")]
    NoRepair(String),
}

impl Default for Severities {
    fn default() -> Self {
        Self(Rule::ALL.iter().map(|rule| rule.info().severity).collect())
    }
}

impl Severities {
    /// Changes the severities that a dataset file names.
    ///
    /// # Errors
    /// When a name is no rule, or `repair` is asked of a rule without one.
    pub fn with(mut self, changes: &BTreeMap<String, Severity>) -> Result<Self, SeverityError> {
        for (id, &severity) in changes {
            let rule = Rule::find(id).ok_or_else(|| SeverityError::Unknown(id.clone()))?;
            if severity == Severity::Repair && rule.info().repair.is_none() {
                return Err(SeverityError::NoRepair(id.clone()));
            }
            self.0[rule as usize] = severity;
        }
        Ok(self)
    }

    /// The severity of a rule.
    #[must_use]
    pub fn of(&self, rule: Rule) -> Severity {
        self.0[rule as usize]
    }
}

/// `docs/rules.md`, made from the table.
#[must_use]
pub fn documentation() -> String {
    let mut text = String::from(include_str!("rules_head.md"));
    for rule in Rule::ALL {
        let info = rule.info();
        let severity = format!("{:?}", info.severity).to_lowercase();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n### {}\n\n{} Severity: {severity}.",
            info.id, info.summary
        );
        if let Some(repair) = info.repair {
            let _ = writeln!(text, "Repair: {repair}.");
        }
        if !info.example.is_empty() {
            let _ = writeln!(text, "\n    {}", info.example);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert!(ids.iter().all(|id| {
            id.chars()
                .all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
        }));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Rule::ALL.len());
        for (index, rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(*rule as usize, index);
            assert!(
                rule.info().severity != Severity::Repair || rule.info().repair.is_some(),
                "{}",
                rule.id()
            );
        }
    }

    #[test]
    fn severities_change_by_name() {
        let changes = |id: &str, severity| BTreeMap::from([(id.to_owned(), severity)]);
        let severities = Severities::default()
            .with(&changes("box-area", Severity::Warn))
            .unwrap();
        assert_eq!(severities.of(Rule::BoxArea), Severity::Warn);
        assert!(matches!(
            Severities::default().with(&changes("box-aera", Severity::Warn)),
            Err(SeverityError::Unknown(_))
        ));
        assert!(matches!(
            Severities::default().with(&changes("box-area", Severity::Repair)),
            Err(SeverityError::NoRepair(_))
        ));
    }

    /// Run with `UPDATE=1` to write the page anew.
    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
        if std::env::var_os("UPDATE").is_some() {
            fs_err::write(path, documentation()).unwrap();
        }
        assert_eq!(
            fs_err::read_to_string(path).unwrap(),
            documentation(),
            "run the test with UPDATE=1"
        );
    }
}
