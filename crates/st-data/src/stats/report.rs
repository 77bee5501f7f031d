//! What the statistics say, ready to be shown: every section a plain value, the same on any number of threads.
//!
//! Lists of findings are cut to [`EXAMPLES`] each; the counts beside them are complete, and `findings.jsonl` has all.

use serde::Serialize;
use st_schema::{Record, Task};

use super::{Distribution, Group, Tally};

/// Findings of one kind that a report shows.
pub const EXAMPLES: usize = 100;

/// Version of the report's JSON.
pub const VERSION: u32 = 2;

/// Everything that `stdata stats` knows about a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The whole, each file counted once.
    pub totals: Totals,
    /// The dataset files, by name.
    pub datasets: Vec<DatasetRow>,
    /// The annotation files, by path.
    pub files: Vec<FileRow>,
    /// Counts and measures by dataset, task and source.
    pub groups: Vec<GroupRow>,
    /// What 100 bins lose.
    pub quantization: Quantization,
    /// Words, captions, objects, languages.
    pub text: TextSection,
    /// Records that say the same.
    pub duplicates: Duplicates,
    /// Answers that contradict each other.
    pub contradictions: Contradictions,
    /// Media under several names.
    pub shared_media: SharedMedia,
    /// Against the table of arXiv:2501.08282; empty when no dataset is named like a stage.
    pub composition: Vec<CompositionRow>,
    /// Training records that know a benchmark; empty when there is no benchmark to hold against.
    pub leakage: Leakage,
    /// What an epoch holds.
    pub mixture: Mixture,
    /// Some records of every group, chosen by hash.
    pub samples: Vec<Sample>,
}

/// The whole, each file counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// Pieces of the files that are no records.
    pub no_records: u64,
    /// Records whose numbers do not match their placeholders; not measured.
    pub wrong_counts: u64,
    /// The first of them.
    pub wrong_count_examples: Vec<Place>,
    /// Different clips: file and frame range.
    pub clips: u64,
    /// Different media files, by path.
    pub media: u64,
    /// Seconds of video of all different clips whose length is known.
    pub seconds: u64,
    /// Different clips whose length is known.
    pub clips_with_length: u64,
    /// Different clips found in shards, when shards were given.
    pub clips_in_shards: Option<u64>,
    /// Questions, the human's turns.
    pub questions: u64,
    /// Words of questions and answers.
    pub words: u64,
    /// Text tokens of questions and answers, when a tokenizer was given.
    pub tokens: Option<u64>,
    /// The tokenizer's file name.
    pub tokenizer: Option<String>,
    /// Records whose id came before. Sources number on their own, so this need not be a fault.
    pub repeated_ids: u64,
}

/// A dataset file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetRow {
    /// Its name, such as "stage3".
    pub name: String,
    /// Records in the annotation files that it lists.
    pub listed: u64,
    /// Records that training sees: what the sampling strategies take.
    pub taken: u64,
}

/// An annotation file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileRow {
    /// Its path.
    pub path: String,
    /// Its records.
    pub records: u64,
    /// Pieces of it that are no records.
    pub no_records: u64,
    /// Whether it is a benchmark to hold against, and not counted in the rest.
    pub benchmark: bool,
}

/// What belongs together: records of one dataset, task and source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRow {
    /// The dataset file, such as "stage3".
    pub dataset: String,
    /// The task that the records name; `None` when it is none of ours.
    pub task: Option<Task>,
    /// The dataset file's word for the source, else the record's, else "".
    pub source: String,
    /// Different clips.
    pub clips: u64,
    /// Different media files.
    pub media: u64,
    /// Seconds of video of the different clips whose length is known.
    pub seconds: u64,
    /// Text tokens, when a tokenizer was given.
    pub tokens: Option<u64>,
    /// Records per clip.
    pub records_per_clip: Tally,
    /// What was measured.
    #[serde(flatten)]
    pub group: Group,
}

/// What 100 bins lose, over the coordinates of answers; the best that arg-max decoding can reach.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Quantization {
    /// Bins on each axis.
    pub bins: usize,
    /// Spans of answers.
    pub spans: Bound,
    /// Boxes of answers, those of tubes included.
    pub boxes: Bound,
    /// The same by task.
    pub tasks: Vec<TaskBound>,
    /// The numbers of answers and questions on each axis.
    pub axes: Vec<AxisRow>,
}

/// The bound of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskBound {
    /// The task.
    pub task: Option<Task>,
    /// Spans of answers.
    pub spans: Bound,
    /// Boxes of answers.
    pub boxes: Bound,
}

/// The intersection over union that quantized coordinates have with the true ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bound {
    /// Spans or boxes.
    pub count: u64,
    /// Those of no extent, which no answer can hit; in the means as 0.
    pub empty: u64,
    /// Mean IoU when every coordinate goes to its nearest bin; `None` without any.
    pub nearest: Option<f64>,
    /// Mean IoU of the best choice of bins: the upper bound.
    pub best: Option<f64>,
    /// The lowest upper bound of a single span or box.
    pub worst: Option<f64>,
    /// Share whose upper bound reaches an IoU: threshold and share.
    pub reach: Vec<(f64, f64)>,
    /// The upper bounds as a histogram.
    pub spread: Distribution,
}

/// The numbers on one axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AxisRow {
    /// "temporal", "width" or "height".
    pub axis: String,
    /// Numbers.
    pub count: u64,
    /// Different numbers, of those with at most three decimals.
    pub distinct: u64,
    /// Numbers with more than three decimals, which the format does not store.
    pub finer: u64,
    /// Numbers that are 0: clipped, or at the edge.
    pub zeros: u64,
    /// Numbers that are 1.
    pub ones: u64,
    /// Numbers below 0 or above 1.
    pub outside: u64,
    /// Numbers nearest to each bin.
    pub bins: Vec<u64>,
}

/// Words, captions, objects, languages.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextSection {
    /// Different words, lower case, of questions and answers.
    pub vocabulary: u64,
    /// The most frequent.
    pub words: Vec<Counted>,
    /// Different answers of at least two words, without case, punctuation and coordinates.
    pub answers: u64,
    /// The most frequent.
    pub frequent_answers: Vec<Counted>,
    /// Different phrases that boxes are given for.
    pub objects: u64,
    /// The most frequent.
    pub frequent_objects: Vec<Counted>,
    /// Records by language (ISO 639-3; "und" when the text is too short to tell), of a sample by hash.
    pub languages: Vec<Counted>,
    /// Records whose language was asked for.
    pub language_sample: u64,
    /// The share of records that were to be asked, chosen by hash.
    pub language_share: f64,
}

/// A text and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The text.
    pub text: String,
    /// How often.
    pub count: u64,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The annotation file.
    pub file: String,
    /// Its number among the file's records, from 0.
    pub index: u64,
    /// The line it starts on, from 1, in the unpacked file.
    pub line: u64,
    /// Its id.
    pub id: String,
}

/// How records repeat each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Same clip, conversation and numbers; only the id may differ.
    Exact,
    /// Same clip and numbers; the texts differ in case, punctuation or spaces.
    SameText,
    /// Same clip, nearly the same text and numbers.
    Near,
    /// Nearly the same long text about another clip.
    CopiedText,
}

/// Records that say the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// Records beyond the first of their set: same clip, conversation and numbers.
    pub exact: u64,
    /// Records beyond the first: the same but for case, punctuation and spaces.
    pub same_text: u64,
    /// Records beyond the first: nearly the same text and numbers about the same clip.
    pub near: u64,
    /// Records whose long text nearly repeats one about another clip.
    pub copied_text: u64,
    /// Questions about a clip that were asked and answered in the same words and numbers before, in whatever record.
    pub repeated_answers: u64,
    /// The first sets.
    pub sets: Vec<DuplicateSet>,
}

/// Records that say the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DuplicateSet {
    /// How they repeat each other.
    pub likeness: Likeness,
    /// The lowest similarity to the first record, `0..=1`, estimated.
    pub similarity: f64,
    /// The first records, in file order.
    pub records: Vec<Place>,
    /// Records of the set.
    pub size: u64,
    /// The first record's first question.
    pub question: String,
    /// The first record's first answer.
    pub answer: String,
}

/// Answers that contradict each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Contradictions {
    /// Questions with answers that cannot all be right.
    pub questions: u64,
    /// Records with such an answer.
    pub records: u64,
    /// The first.
    pub examples: Vec<Contradiction>,
}

/// One question with answers that cannot all be right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contradiction {
    /// The records, in file order.
    pub records: Vec<Place>,
    /// The question.
    pub question: String,
    /// The answers of `records`, coordinates written out.
    pub answers: Vec<String>,
}

/// Why two media files are taken for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The same path.
    SamePath,
    /// The same id in the sources' namings, such as a COCO or `YouTube` id.
    SameId,
    /// The same bytes on disk.
    SameBytes,
    /// The same frames, by perceptual hash and correlation.
    SameFrames,
    /// Nearly the same long question and answer.
    SameText,
}

/// Media under several names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SharedMedia {
    /// Media that have several paths.
    pub media: u64,
    /// Media that several sources use, by one path or several.
    pub between_sources: u64,
    /// Which sources share how many, most first.
    pub sources: Vec<SourcePair>,
    /// The first media with several paths.
    pub examples: Vec<SharedFile>,
}

/// Two sources and how many media files they share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePair {
    /// The sources' names, sorted.
    pub sources: [String; 2],
    /// Media files that both use.
    pub media: u64,
}

/// One media file under several names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedFile {
    /// What it is known by, such as "coco:900101"; empty when frames alone tell.
    pub identity: String,
    /// How the paths were found to be one.
    pub evidence: Vec<Evidence>,
    /// Its paths, sorted.
    pub paths: Vec<String>,
    /// Sources that use it, sorted.
    pub sources: Vec<String>,
    /// Records about it.
    pub records: u64,
}

/// A row of the paper's table beside what is on disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompositionRow {
    /// The stage, 1 to 3.
    pub stage: u8,
    /// The task.
    pub task: Option<Task>,
    /// Records in the paper's table, rounded there to thousands; `None` for rows that the paper lacks.
    pub paper: Option<u64>,
    /// Records that the dataset files take.
    pub taken: u64,
    /// The paper's sources that were found.
    pub found: Vec<String>,
    /// The paper's sources that were not.
    pub missing: Vec<String>,
    /// Sources on disk that the paper's row does not name, with records.
    pub surplus: Vec<Counted>,
}

/// Training records that know a benchmark.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Leakage {
    /// The benchmarks held against.
    pub benchmarks: Vec<BenchmarkRow>,
    /// Training records that share media with, or repeat, a benchmark item.
    pub records: u64,
    /// The first of them.
    pub examples: Vec<Leak>,
    /// Overlaps that were counted once on the published files, for sources that are here.
    pub known: Vec<KnownOverlap>,
}

/// One benchmark file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchmarkRow {
    /// The file.
    pub file: String,
    /// Its items.
    pub items: u64,
    /// Its media files.
    pub media: u64,
    /// Its media files that training knows.
    pub leaked_media: u64,
    /// Training records that share media with it or repeat it.
    pub records: u64,
    /// Those records by source.
    pub sources: Vec<Counted>,
    /// Those records by evidence; a record can have several.
    pub evidence: Vec<(Evidence, u64)>,
}

/// A training record that knows a benchmark item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leak {
    /// The training record.
    pub record: Place,
    /// Its media path.
    pub media: String,
    /// The benchmark item; the first, when there are several.
    pub item: Place,
    /// Its media path.
    pub item_media: String,
    /// How it was found.
    pub evidence: Vec<Evidence>,
    /// In words, such as "coco:900101" or "frames correlate by 0.993".
    pub detail: String,
}

/// An overlap that was counted on the published files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownOverlap {
    /// The training source.
    pub source: String,
    /// What it overlaps with.
    pub with: String,
    /// The fact.
    pub fact: String,
    /// Records of that source here.
    pub records: u64,
}

/// What an epoch holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Mixture {
    /// By dataset, task and source: what the sampling strategies take.
    pub rows: Vec<MixtureRow>,
    /// The strategies that `--set` changed: name and strategy.
    pub changed: Vec<(String, String)>,
    /// The speed that hours are computed from, as given.
    pub speed: Option<String>,
}

/// What an epoch takes of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MixtureRow {
    /// The dataset file.
    pub dataset: String,
    /// The task.
    pub task: Option<Task>,
    /// The source.
    pub source: String,
    /// Records in the files.
    pub listed: u64,
    /// Records of an epoch.
    pub taken: u64,
    /// Share of the dataset's epoch.
    pub share: f64,
    /// Words of an epoch.
    pub words: u64,
    /// Text tokens of an epoch, when a tokenizer was given.
    pub tokens: Option<u64>,
    /// Hours of one GPU for an epoch, when a speed was given.
    pub gpu_hours: Option<f64>,
}

/// A record to look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Where it stands.
    pub place: Place,
    /// The dataset that lists it; the first, when there are several.
    pub dataset: String,
    /// The source.
    pub source: String,
    /// The media's path, data folder included.
    pub media: String,
    /// The clip's name in shards.
    pub clip: String,
    /// What was found: "exact", "near", "contradiction", "leak", `wrong_count` and so on.
    pub flags: Vec<String>,
    /// The record.
    pub record: Record,
}
