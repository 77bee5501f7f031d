//! The distinct clips of all records.

use std::collections::HashMap;
use std::path::PathBuf;

use st_schema::{ClipId, ClipKey, Media, Record};
use st_shard::{Settings, ShardPlan};

use super::{ShardInput, ShardingError};

/// One clip to be made, and who wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedClip {
    /// What the clip is, by its name within the dataset.
    pub key: ClipKey,
    /// The media file on this machine.
    pub file: PathBuf,
    /// Records that look at it.
    pub records: u64,
    /// The first of them: annotation file, line and record's id.
    pub first_record: String,
}

/// The distinct clips of a dataset, in the order in which records first name them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClipPlan {
    /// The clips.
    pub clips: Vec<PlannedClip>,
    /// Records that were read.
    pub records: u64,
    /// Pieces of annotation files that are no records: file, position and reason.
    pub unreadable: Vec<String>,
    places: HashMap<ClipId, usize>,
}

impl ClipPlan {
    /// Reads all inputs.
    ///
    /// # Errors
    /// When an input cannot be read, or two files would have the same name within shards.
    pub fn read(inputs: &[ShardInput]) -> Result<Self, ShardingError> {
        let mut plan = Self::default();
        for input in inputs {
            input.for_each(|located| match located {
                Ok((position, record)) => plan.add(input, position.line, &record),
                Err(fault) => {
                    let place = format!("{}: {fault}", input.annotations.display());
                    plan.unreadable.push(place);
                    Ok(())
                }
            })?;
        }
        Ok(plan)
    }

    /// Adds the clip of one record, which stands in `line` of its file.
    ///
    /// # Errors
    /// When another file has the clip's name.
    pub fn add(
        &mut self,
        input: &ShardInput,
        line: u64,
        record: &Record,
    ) -> Result<(), ShardingError> {
        self.records += 1;
        let (Media::Image(path) | Media::Video(path)) = &record.media;
        let file = input.folder.join(path);
        let key = ClipKey::within(&input.data_folder, record);
        let id = key.id();
        if let Some(at) = self.places.get(&id) {
            let known = &mut self.clips[*at];
            known.records += 1;
            if known.file != file {
                let (Media::Image(name) | Media::Video(name)) = key.media;
                let one = known.file.clone();
                return Err(ShardingError::Ambiguous {
                    name,
                    one,
                    other: file,
                });
            }
            return Ok(());
        }
        self.places.insert(id, self.clips.len());
        let annotations = input
            .annotations
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        self.clips.push(PlannedClip {
            key,
            file,
            records: 1,
            first_record: format!("{annotations} line {line}: {}", record.id),
        });
        Ok(())
    }

    /// The plan that `st-shard` writes by.
    #[must_use]
    pub fn shard_plan(&self, settings: Settings) -> ShardPlan {
        let clips = self.clips.iter().map(|clip| clip.key.id()).collect();
        ShardPlan { clips, settings }
    }
}
