//! Annotation files without the records that were found wanting.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::audit::Audit;
use super::findings::{Findings, Kind};
use super::{Listed, StatsError};
use crate::dataset::read_dataset_file;
use crate::read::{Chunks, Form, Options, PieceKind, Positions};
use crate::whole_file;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The files, annotation files first.
    pub files: Vec<PathBuf>,
    /// Records written.
    pub kept: u64,
    /// Records left out.
    pub left_out: u64,
    /// Pieces that were no records, left out too.
    pub no_records: u64,
}

/// Writes every annotation file of the audit, and every dataset file that lists it, into `folder`, without the records
/// that `findings` has under one of `kinds`. Of records that repeat each other the first stays. Records are copied as they
/// are, byte for byte; packed files are written unpacked.
///
/// # Errors
/// When a file cannot be read or written, or an annotation file has changed since it was audited.
pub fn write_clean(
    audit: &Audit,
    findings: &Findings,
    kinds: &[Kind],
    folder: &Path,
    options: &Options,
) -> Result<Cleaned, StatsError> {
    let mut left_out: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for finding in &findings.list {
        let first_of_set = finding.first
            && !matches!(
                finding.kind,
                Kind::Leak | Kind::WrongCount | Kind::Contradiction
            );
        if kinds.contains(&finding.kind) && !first_of_set {
            left_out
                .entry(&finding.place.file)
                .or_default()
                .insert(finding.place.index);
        }
    }
    let mut cleaned = Cleaned::default();
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for (number, file) in (0..).zip(&audit.files) {
        if file.benchmark {
            continue;
        }
        let path = Path::new(&file.path);
        let name = free_name(path, &names);
        let out = folder.join("annotations").join(&name);
        let drop = left_out.get(file.path.as_str());
        let (kept, dropped) = copy(audit, number, drop, &out, options)?;
        if kept + dropped != file.records {
            return Err(StatsError::Changed {
                path: path.to_owned(),
            });
        }
        cleaned.kept += kept;
        cleaned.left_out += dropped;
        cleaned.no_records += file.no_records;
        cleaned.files.push(out);
        names.insert(number, name);
    }
    let files: BTreeMap<&Path, &str> = audit
        .listed
        .iter()
        .filter_map(|(listed, file)| {
            Some((
                listed.input.annotations.as_path(),
                names.get(file)?.as_str(),
            ))
        })
        .collect();
    let datasets: BTreeSet<&PathBuf> = audit
        .listed
        .iter()
        .filter_map(|(listed, _)| listed.dataset_file.as_ref())
        .collect();
    for path in datasets {
        cleaned
            .files
            .push(write_dataset(audit, path, &files, folder)?);
    }
    Ok(cleaned)
}

/// The file's own name, unpacked, with a number before it where it is taken.
fn free_name(path: &Path, taken: &BTreeMap<u32, String>) -> String {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name)
        .to_owned();
    let free = |name: &String| !taken.values().any(|taken| taken == name);
    if free(&name) {
        return name;
    }
    (2..=u32::MAX)
        .map(|number| format!("{number}-{name}"))
        .find(free)
        .unwrap_or(name)
}

/// Copies the records of a file but those to drop; gives how many were kept and dropped.
fn copy(
    audit: &Audit,
    file: u32,
    drop: Option<&BTreeSet<u64>>,
    out: &Path,
    options: &Options,
) -> Result<(u64, u64), StatsError> {
    let path = Path::new(&audit.files[file as usize].path);
    let faulty: BTreeSet<u64> = audit
        .no_records
        .iter()
        .filter(|fault| fault.0 == file)
        .map(|fault| fault.1)
        .collect();
    let mut chunks = Chunks::open(path, options)?;
    let (mut kept, mut dropped, mut index) = (0, 0, 0);
    let mut failed = None;
    let written = write_whole(out, |writer| {
        let mut array = false;
        loop {
            let chunk = match chunks.next_chunk() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    let told = std::io::Error::other(error.to_string());
                    failed = Some(error);
                    return Err(told);
                }
            };
            array = chunk.form == Form::Array;
            let mut positions = Positions::new(&chunk);
            for piece in &chunk.pieces {
                let byte = positions.of(piece).byte;
                if piece.kind != PieceKind::Record || faulty.contains(&byte) {
                    continue;
                }
                let drop = drop.is_some_and(|drop| drop.contains(&index));
                index += 1;
                if drop {
                    dropped += 1;
                    continue;
                }
                let before: &[u8] = match (array, kept) {
                    (true, 0) => b"[\n",
                    (true, _) => b",\n",
                    (false, _) => b"",
                };
                writer.write_all(before)?;
                writer.write_all(chunk.bytes(piece).trim_ascii())?;
                if !array {
                    writer.write_all(b"\n")?;
                }
                kept += 1;
            }
        }
        match (array, kept) {
            (true, 0) => writer.write_all(b"[]\n"),
            (true, _) => writer.write_all(b"\n]\n"),
            (false, _) => Ok(()),
        }
    });
    match failed {
        Some(error) => Err(error.into()),
        None => written.map(|()| (kept, dropped)),
    }
}

/// Writes a dataset file that lists the clean annotation files, media where they were.
fn write_dataset(
    audit: &Audit,
    path: &Path,
    names: &BTreeMap<&Path, &str>,
    folder: &Path,
) -> Result<PathBuf, StatsError> {
    let mut file = read_dataset_file(path)?;
    let entries: Vec<&Listed> = audit
        .listed
        .iter()
        .map(|(listed, _)| listed)
        .filter(|listed| listed.dataset_file.as_deref() == Some(path))
        .collect();
    for (entry, listed) in file.datasets.iter_mut().zip(entries) {
        if let Some(name) = names.get(listed.input.annotations.as_path()) {
            entry.json_path = format!("annotations/{name}");
        }
        if let Some(media) = &listed.input.media {
            let media = std::path::absolute(media).unwrap_or_else(|_| media.clone());
            entry.data_folder = media.to_string_lossy().into_owned();
        }
    }
    let out = folder.join(path.file_name().unwrap_or(path.as_os_str()));
    let text = serde_yaml::to_string(&file).map_err(|source| StatsError::Write {
        path: out.clone(),
        source: std::io::Error::other(source),
    })?;
    write_whole(&out, |writer| writer.write_all(text.as_bytes()))?;
    Ok(out)
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), StatsError> {
    whole_file::write(path, write).map_err(|source| StatsError::Write {
        path: path.to_owned(),
        source,
    })
}
