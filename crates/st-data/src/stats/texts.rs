//! Reading a few records again, by where they stand: an audit keeps no text.

use std::collections::BTreeMap;
use std::path::Path;

use st_schema::text::{Token, inline, tokens};
use st_schema::{Record, Role};

use super::StatsError;
use super::against::read_against;
use super::audit::{Audit, Map};
use super::report::Place;
use super::text::for_each_word;
use crate::read::{Chunks, Options, Positions, ReadError, for_each_chunk, read_piece};

/// How much of a record is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    Id,
    All,
}

/// Records that were read again, by number of their prints.
#[derive(Default)]
pub(super) struct Texts {
    ids: Map<u32, String>,
    pub(super) records: Map<u32, Record>,
}

impl Texts {
    /// Reads what is wanted.
    pub(super) fn read(
        audit: &Audit,
        wanted: &BTreeMap<u32, Want>,
        options: &Options,
    ) -> Result<Self, StatsError> {
        // By file, then by byte in the unpacked file.
        let mut by_file: BTreeMap<u32, BTreeMap<u64, (u32, Want)>> = BTreeMap::new();
        for (number, want) in wanted {
            let print = &audit.prints[*number as usize];
            let byte = if audit.files[print.file as usize].benchmark {
                u64::from(print.index)
            } else {
                print.byte
            };
            by_file
                .entry(print.file)
                .or_default()
                .insert(byte, (*number, *want));
        }
        let mut texts = Self::default();
        for (file, places) in by_file {
            let file = &audit.files[file as usize];
            if file.benchmark {
                let (items, _) = read_against(Path::new(&file.path))?;
                for (index, item) in (0..).zip(items) {
                    if let Some((number, want)) = places.get(&index) {
                        texts.take(*number, *want, item);
                    }
                }
            } else {
                texts.read_file(Path::new(&file.path), &places, options)?;
            }
        }
        Ok(texts)
    }

    fn read_file(
        &mut self,
        path: &Path,
        places: &BTreeMap<u64, (u32, Want)>,
        options: &Options,
    ) -> Result<(), ReadError> {
        for_each_chunk(
            Chunks::open(path, options)?,
            options.jobs,
            |chunk| {
                let mut positions = Positions::new(&chunk);
                let mut found = Vec::new();
                let end = chunk.first_byte + chunk.data.len() as u64;
                if places.range(chunk.first_byte..end).next().is_none() {
                    return found;
                }
                for piece in &chunk.pieces {
                    let byte = positions.of(piece).byte;
                    if let Some((number, want)) = places.get(&byte)
                        && let Some(Ok(record)) = read_piece(&chunk, piece)
                    {
                        found.push((*number, *want, record));
                    }
                }
                found
            },
            |found| {
                for (number, want, record) in found {
                    self.take(number, want, record);
                }
                Ok(())
            },
        )
    }

    fn take(&mut self, number: u32, want: Want, record: Record) {
        self.ids.insert(number, record.id.as_str().to_owned());
        if want == Want::All {
            self.records.insert(number, record);
        }
    }

    /// Where a record stands.
    pub(super) fn place(&self, audit: &Audit, number: u32) -> Place {
        let print = &audit.prints[number as usize];
        Place {
            file: audit.files[print.file as usize].path.clone(),
            index: u64::from(print.index),
            line: u64::from(print.line),
            id: self.ids.get(&number).cloned().unwrap_or_default(),
        }
    }

    /// A record's first turn of a role, coordinates written out; empty when it has none or was not read.
    pub(super) fn first(&self, number: u32, role: Role) -> String {
        self.records
            .get(&number)
            .and_then(|record| {
                let turns = readable(record);
                let at = record
                    .conversations
                    .iter()
                    .position(|turn| turn.from == role);
                at.map(|at| turns[at].clone())
            })
            .unwrap_or_default()
    }

    /// A turn by its number, coordinates written out.
    pub(super) fn turn(&self, number: u32, turn: usize) -> String {
        self.records
            .get(&number)
            .and_then(|record| readable(record).get(turn).cloned())
            .unwrap_or_default()
    }

    /// The words of the answer to a turn.
    pub(super) fn answer_words(&self, number: u32, turn: usize) -> String {
        let mut text = String::new();
        let turns = self
            .records
            .get(&number)
            .map(|record| &record.conversations);
        let answer = turns.and_then(|turns| {
            let mut after = turns.iter().skip(turn + 1);
            after.find(|turn| turn.from == Role::Gpt)
        });
        if let Some(answer) = answer {
            for_each_word(&answer.value, &mut String::new(), |word| {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            });
        }
        text
    }
}

/// The turns of a conversation as people read them: numbers in place of placeholders, no media placeholder.
fn readable(record: &Record) -> Vec<String> {
    // A record whose numbers do not match is shown with its placeholders.
    let turns = inline(record).unwrap_or_else(|_| record.conversations.clone());
    turns
        .iter()
        .map(|turn| {
            let (mut text, mut from, mut after_number) = (String::new(), 0, false);
            for located in tokens(&turn.value) {
                if let Token::Numbered(_, _, number) = located.token {
                    let gap = &turn.value[from..located.start];
                    text.push_str(gap);
                    if gap.is_empty() && after_number {
                        text.push_str(", ");
                    }
                    text.push_str(number);
                    (from, after_number) = (located.end, true);
                }
            }
            text.push_str(&turn.value[from..]);
            let text = text.replace("<video>", "").replace("<image>", "");
            text.trim().to_owned()
        })
        .collect()
}
