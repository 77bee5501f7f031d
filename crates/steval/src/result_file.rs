//! A result file that grows line by line and survives being cut off anywhere.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::write::write_atomically;

/// What a run's answers depend on; it lies beside the result file, so that nothing is continued with other settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunSettings {
    /// Name of the benchmark.
    pub(crate) benchmark: String,
    /// Records that this file is to hold.
    pub(crate) records: usize,
    /// Number of the first of them.
    pub(crate) first: usize,
    /// Everything else, by name.
    pub(crate) settings: serde_json::Map<String, Value>,
}

impl RunSettings {
    /// The names of settings that differ.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut names: Vec<&String> = self.settings.keys().chain(other.settings.keys()).collect();
        names.sort();
        names.dedup();
        let mut found: Vec<String> = names
            .into_iter()
            .filter(|name| self.settings.get(*name) != other.settings.get(*name))
            .map(|name| {
                let show = |run: &Self| {
                    run.settings
                        .get(name)
                        .map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                format!("{name} was {} and is {}", show(other), show(self))
            })
            .collect();
        for (name, now, then) in [
            ("records", self.records, other.records),
            ("first", self.first, other.first),
        ] {
            if now != then {
                found.push(format!("{name} was {then} and is {now}"));
            }
        }
        found
    }
}

/// What every line has.
#[derive(Deserialize)]
struct Numbered {
    index: usize,
}

/// A result file that is open for the next lines.
#[derive(Debug)]
pub(crate) struct ResultFile {
    path: PathBuf,
    file: std::fs::File,
    /// Whole lines that it holds.
    pub(crate) done: usize,
}

impl ResultFile {
    /// Opens or creates `path`: whole lines are kept, a line that was cut off is removed.
    ///
    /// # Errors
    /// When the file holds another run's answers, or cannot be read or written.
    pub(crate) fn open(path: &Path, run: &RunSettings) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let settings = path.with_extension("run.json");
        match fs_err::read(&settings) {
            Ok(bytes) => {
                let then: RunSettings = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{}: not a run's settings", settings.display()))?;
                let differences = run.differences(&then);
                if !differences.is_empty() {
                    bail!(
                        "{} holds another run's answers ({}); name another --out, or remove it",
                        path.display(),
                        differences.join("; ")
                    );
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if path.exists() {
                    bail!(
                        "{} is there without {}; name another --out, or remove it",
                        path.display(),
                        settings.display()
                    );
                }
                write_atomically(&settings, &serde_json::to_vec_pretty(run)?)?;
            }
            Err(error) => return Err(error.into()),
        }
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let done = Self::keep_whole_lines(path, &mut file, run.first)?;
        if done > run.records {
            bail!(
                "{} has {done} lines for {} records; remove it to start again",
                path.display(),
                run.records
            );
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            done,
        })
    }

    fn keep_whole_lines(
        path: &Path,
        file: &mut std::fs::File,
        first: usize,
    ) -> anyhow::Result<usize> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let (mut kept, mut done) = (0, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice::<Numbered>(line) {
                Ok(numbered) if numbered.index == first + done => {}
                Ok(numbered) => bail!(
                    "{} line {}: record {} where record {} belongs; was the file put together by hand? remove it to start again",
                    path.display(),
                    done + 1,
                    numbered.index,
                    first + done
                ),
                // A block that the system lost when the machine went down: all from here on is made again.
                Err(_) => break,
            }
            kept += line.len();
            done += 1;
        }
        if kept < bytes.len() {
            file.set_len(kept as u64)
                .with_context(|| format!("cannot cut {}", path.display()))?;
        }
        file.seek(SeekFrom::Start(kept as u64))?;
        Ok(done)
    }

    /// Adds lines in one write.
    pub(crate) fn append(&mut self, lines: &[Value]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        self.file
            .write_all(&bytes)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.done += lines.len();
        Ok(())
    }

    /// Makes sure that all lines are on the disk.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.file
            .sync_all()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(model: &str) -> RunSettings {
        let settings = json!({"model": model}).as_object().unwrap().clone();
        RunSettings {
            benchmark: "b".into(),
            records: 3,
            first: 0,
            settings,
        }
    }

    #[test]
    fn a_cut_line_is_made_again_and_the_rest_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tvg.jsonl");
        let mut file = ResultFile::open(&path, &settings("a")).unwrap();
        file.append(&[json!({"index": 0}), json!({"index": 1})])
            .unwrap();
        drop(file);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let file = ResultFile::open(&path, &settings("a")).unwrap();
            assert_eq!(
                file.done,
                whole[..cut].split(|byte| *byte == b'\n').count() - 1
            );
        }
    }

    #[test]
    fn another_runs_answers_are_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tvg.jsonl");
        drop(ResultFile::open(&path, &settings("a")).unwrap());
        let error = ResultFile::open(&path, &settings("b"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("model was \"a\" and is \"b\""), "{error}");
        std::fs::write(&path, "{\"index\":7}\n").unwrap();
        let error = ResultFile::open(&path, &settings("a"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("record 7 where record 0"), "{error}");
    }
}
