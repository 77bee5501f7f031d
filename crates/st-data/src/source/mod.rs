//! Raw annotations of every source of ST-Align to records.
//!
//! A [`Source`] says what its files look like and what its numbers mean ([`Info`]), and turns one raw item into
//! [`Draft`]s in its own units. Everything else is shared: reading containers, converting units (`st_schema::units`),
//! wording tasks ([`Phrases`]), judging, provenance, and the account in which nothing is lost ([`Account`]).
//!
//! ```
//! use st_data::source;
//!
//! let found = source::find("charades_sta")?;
//! assert_eq!(found.info().name, "charades_sta");
//! assert!(source::find("charades").is_err());
//! # Ok::<(), source::SourceError>(())
//! ```
//!
//! `docs/adding-a-source.md` adds one from scratch.

mod account;
mod assemble;
pub mod benchmark;
mod composition;
mod container;
mod draft;
mod explain;
mod inputs;
mod item;
mod phrases;
mod reject;
mod run;
mod sides;
#[cfg(test)]
mod tests;
mod write;

// One line for each adapter, sorted.
mod agqa;
mod anet_rtl;
mod charades_sta;
mod clevrer;
mod coin;
mod didemo;
mod egoqa;
mod flickr30k_entities;
mod grand;
mod grounded_videollm;
mod hc_stvg;
mod hirest;
mod intent_qa;
mod internvid_10m_flt;
mod internvid_g;
mod kinetics;
mod moment_10m;
mod muse;
mod next_qa;
mod panda_70m;
mod queryd;
mod refcoco;
mod refcoco_mdetr_eval;
mod sharegpt4video;
mod st_align_benchmark;
mod st_align_dataset;
mod star;
mod sthsth_v2;
mod textvr;
mod vcg_plus_112k;
mod videochat2_conv;
mod videochatgpt_100k;
mod vidor;
mod vidstg;
mod vitt;
mod vtg_it;
mod vtimellm_stage2;
mod webvid_10m;
mod webvid_caption;
mod webvid_qa;
mod youcook2;
mod youcook2_caption;

// What several adapters share.
mod clock;
mod dialogue;
mod gesm;
mod referring;
mod slots;
mod spelled;
mod videochat2;

pub use account::{Account, Example, FileAccount, table};
pub use composition::{
    Part as CompositionPart, Row, compose, composition_table, read_composition, stage_file,
    write_stages,
};
pub use container::{Container, literal};
pub use draft::{
    Claim, Draft, Drafts, Event, Exchange, Part, Parts, Splits, with_marks, with_times, words,
};
pub use explain::{Explained, ExplainedFiles, explain, explanation, patterns};
pub use inputs::{Inputs, MainFile};
pub use item::{Payload, RawItem, stem};
pub use phrases::{Phrases, Piece, Template};
pub use reject::{Reject, SourceError};
pub use run::{Collected, Rejected, Settings, Sink, normalize};
pub use sides::{Durations, Sides};
pub use write::{RecordFiles, RefusedLine, Target, task_file};

use st_schema::Task;
use st_schema::units::{BoxConvention, TimeConvention};

/// Every source, one line each, sorted by name.
pub static ALL: &[&dyn Source] = &[
    &agqa::Agqa,
    &anet_rtl::AnetRtl,
    &charades_sta::CharadesSta,
    &clevrer::Clevrer,
    &coin::Coin,
    &didemo::DiDeMo,
    &egoqa::EgoQa,
    &flickr30k_entities::Flickr30kEntities,
    &grand::Grand,
    &grounded_videollm::GroundedVideoLlm,
    &hc_stvg::HcStvg,
    &hirest::HiRest,
    &intent_qa::IntentQa,
    &internvid_10m_flt::Internvid10mFlt,
    &internvid_g::InternvidG,
    &kinetics::Kinetics,
    &moment_10m::Moment10m,
    &muse::Muse,
    &next_qa::NextQa,
    &panda_70m::Panda70m,
    &queryd::QuerYd,
    &refcoco::REFCOCO_SET,
    &refcoco_mdetr_eval::RefcocoMdetrEval,
    &refcoco::REFCOCO_PLUS_SET,
    &refcoco::REFCOCOG_SET,
    &sharegpt4video::Sharegpt4video,
    &st_align_benchmark::StAlignBenchmark,
    &st_align_dataset::StAlignDataset,
    &star::Star,
    &sthsth_v2::SthsthV2,
    &textvr::TextVr,
    &vcg_plus_112k::VcgPlus112k,
    &videochat2_conv::Videochat2Conv,
    &videochatgpt_100k::Videochatgpt100k,
    &vidor::VidOr,
    &vidstg::VidStg,
    &vitt::Vitt,
    &vtg_it::VtgIt,
    &vtimellm_stage2::VTimeLlmStage2,
    &webvid_10m::Webvid10m,
    &webvid_caption::WebvidCaption,
    &webvid_qa::WebvidQa,
    &youcook2::Youcook2,
    &youcook2_caption::Youcook2Caption,
];

/// What a source is: everything about it but the conversion.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its name, also of its folder; lower case with underscores.
    pub name: &'static str,
    /// The adapter's version, in every record's provenance; raised when the same input gives other records.
    pub version: u32,
    /// What the annotations are, in one sentence.
    pub about: &'static str,
    /// The shapes of annotation files, tried in order.
    pub files: &'static [Files],
    /// Tables beside them.
    pub sides: &'static [Side],
    /// Other sources' folders that `--all` searches for the tables too.
    pub with: &'static [&'static str],
    /// What times are, unless a draft says otherwise; `None` where there are none.
    pub time: Option<TimeConvention>,
    /// What boxes are, unless a draft says otherwise; `None` where there are none.
    pub boxes: Option<BoxConvention>,
    /// What it teaches.
    pub tasks: &'static [Task],
    /// What the format's known facts leave open, and what the adapter does about it.
    pub open_questions: &'static [&'static str],
    /// The name of a form and one item of it, for `--explain`; text as it stands in the file.
    pub example: Sample,
}

/// An item for `--explain`.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Which of the source's forms.
    pub form: &'static str,
    /// The item's name, in maps.
    pub key: Option<&'static str>,
    /// JSON, or text for sources of lines and texts.
    pub item: &'static str,
    /// Table, entry and JSON value, for what the item needs of tables.
    pub sides: &'static [(&'static str, &'static str, &'static str)],
    /// Lengths of media files in seconds, where the item needs one.
    pub durations: &'static [(&'static str, f64)],
}

impl Sample {
    /// An item that needs nothing else.
    #[must_use]
    pub const fn new(form: &'static str, item: &'static str) -> Self {
        Self {
            form,
            key: None,
            item,
            sides: &[],
            durations: &[],
        }
    }

    /// An entry of a map that needs nothing else.
    #[must_use]
    pub const fn named(form: &'static str, key: &'static str, item: &'static str) -> Self {
        Self {
            form,
            key: Some(key),
            item,
            sides: &[],
            durations: &[],
        }
    }
}

/// One shape of annotation files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    /// The shape's name, which the adapter meets as [`RawItem::form`].
    pub form: &'static str,
    /// What such files are called: the last parts of the path, with `*` for any characters of one part.
    pub pattern: &'static str,
    /// How they hold their items.
    pub container: Container,
    /// What the shape means, in the ledger's words; units where they differ from the source's.
    pub means: &'static str,
}

/// A table beside the annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The table's name.
    pub name: &'static str,
    /// What its files are called, as in [`Files::pattern`].
    pub pattern: &'static str,
    /// How they hold their entries.
    pub container: Container,
    /// How an entry is named.
    pub key: SideKey,
    /// Which fields are kept; all when empty.
    pub fields: &'static [&'static str],
    /// Whether the source cannot do without.
    pub needed: bool,
}

/// How the entries of a table are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideKey {
    /// By their names in a map.
    Entry,
    /// By a field, a string or a number.
    Field(&'static str),
    /// By their text: a list of names.
    Line,
    /// By the file's name without ending; one file is one entry, read when it is asked for.
    FileStem,
}

/// One dataset whose raw annotations can be read.
pub trait Source: Sync {
    /// What it is.
    fn info(&self) -> &'static Info;

    /// Turns one raw item into drafts: pure, in the source's own units. What becomes no draft is refused by name.
    ///
    /// # Errors
    /// When nothing more can be made of the item.
    fn convert(
        &self,
        item: &RawItem<'_>,
        sides: &Sides,
        out: &mut Drafts<'_>,
    ) -> Result<(), Reject>;
}

/// The source of this name.
///
/// # Errors
/// When there is none; says which one is most like it.
pub fn find(name: &str) -> Result<&'static dyn Source, SourceError> {
    if let Some(source) = ALL.iter().find(|source| source.info().name == name) {
        return Ok(*source);
    }
    let nearest = ALL
        .iter()
        .map(|source| source.info().name)
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other);
    Err(SourceError::Unknown {
        name: name.to_owned(),
        nearest,
    })
}
