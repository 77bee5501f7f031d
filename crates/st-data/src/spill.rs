//! A map of hashes to small values in memory of a fixed size, for telling what was seen before among any number of records.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// Entries that are held in memory: as many as a table of 2^19 places takes, 9 MB.
const IN_MEMORY: usize = (1 << 19) / 8 * 7;

/// What belongs to a key.
pub(crate) type Value = (u32, u32);

/// Values by keys that are hashes.
///
/// The latest are in a table; when it is full they go to a temporary file (in the system's folder for such, `TMPDIR`), sorted, 16
/// bytes each, and a filter of 2 bytes each, at most 64 MiB, keeps most lookups away from the file.
#[derive(Debug)]
pub(crate) struct SpillingMap {
    recent: HashMap<u64, Value, BuildHasherDefault<AsIs>>,
    limit: usize,
    spilled: Option<Spilled>,
}

impl Default for SpillingMap {
    fn default() -> Self {
        Self::with_limit(IN_MEMORY)
    }
}

impl SpillingMap {
    /// Holds up to `limit` entries in memory.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            recent: HashMap::default(),
            limit,
            spilled: None,
        }
    }

    /// Whether there is a temporary file.
    #[cfg(test)]
    pub(crate) const fn has_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// The latest value of a key.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(crate) fn get(&mut self, key: u64) -> io::Result<Option<Value>> {
        if let Some(value) = self.recent.get(&key) {
            return Ok(Some(*value));
        }
        match &mut self.spilled {
            Some(spilled) => spilled.get(key),
            None => Ok(None),
        }
    }

    /// Sets a key's value.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(crate) fn insert(&mut self, key: u64, value: Value) -> io::Result<()> {
        self.recent.insert(key, value);
        if self.recent.len() < self.limit {
            return Ok(());
        }
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            None => self.spilled.insert(Spilled::new()?),
        };
        let mut entries: Vec<(u64, Value)> = self.recent.drain().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        spilled.append(&entries)
    }
}

/// Bytes of one entry in the file: key, answer, exact value.
const ENTRY: usize = 16;
/// Entries in a block, the least that is read.
const BLOCK: usize = 256;
/// Words of the filter at most: 64 MiB.
const WORDS: usize = 1 << 23;
/// Keys for each word of the filter while it grows: 16 bits a key.
const KEYS: usize = 4;

/// Sorted runs of entries in a temporary file that has no name and is gone with the program.
#[derive(Debug)]
struct Spilled {
    file: File,
    /// For each run where it starts in the file and the first key of each of its blocks.
    runs: Vec<(u64, Vec<u64>)>,
    /// Four bits of one word for each key: a key whose bits are not all set is in no run. The words are a power of two.
    filter: Vec<u64>,
    keys: usize,
    end: u64,
}

impl Spilled {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            runs: Vec::new(),
            filter: Vec::new(),
            keys: 0,
            end: 0,
        })
    }

    fn append(&mut self, entries: &[(u64, Value)]) -> io::Result<()> {
        self.keys += entries.len();
        let words = (self.keys / KEYS).next_power_of_two().min(WORDS);
        if words > self.filter.len() {
            self.widen(words)?;
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        let mut out = BufWriter::with_capacity(1 << 16, &self.file);
        for (key, (answer, exact)) in entries {
            out.write_all(&key.to_le_bytes())?;
            out.write_all(&answer.to_le_bytes())?;
            out.write_all(&exact.to_le_bytes())?;
            let (word, bits) = bits_of(*key, self.filter.len());
            self.filter[word] |= bits;
        }
        out.flush()?;
        drop(out);
        let firsts = entries.iter().step_by(BLOCK).map(|(key, _)| *key);
        self.runs.push((self.end, firsts.collect()));
        self.end += (entries.len() * ENTRY) as u64;
        Ok(())
    }

    /// A filter of more words, from the keys of the file.
    fn widen(&mut self, words: usize) -> io::Result<()> {
        self.filter = vec![0; words];
        self.file.seek(SeekFrom::Start(0))?;
        let mut source = BufReader::with_capacity(1 << 16, (&self.file).take(self.end));
        let mut entry = [0; ENTRY];
        for _ in 0..self.end / ENTRY as u64 {
            source.read_exact(&mut entry)?;
            let (word, bits) = bits_of(read(&entry).0, words);
            self.filter[word] |= bits;
        }
        Ok(())
    }

    fn get(&mut self, key: u64) -> io::Result<Option<Value>> {
        let (word, bits) = bits_of(key, self.filter.len());
        if self.filter[word] & bits != bits {
            return Ok(None);
        }
        // The latest run knows best.
        let mut end = self.end;
        for (start, firsts) in self.runs.iter().rev() {
            let run_end = std::mem::replace(&mut end, *start);
            let Some(block) = firsts.partition_point(|first| *first <= key).checked_sub(1) else {
                continue;
            };
            let from = start + (block * BLOCK * ENTRY) as u64;
            let length = (run_end - from).min((BLOCK * ENTRY) as u64);
            let mut bytes = Vec::with_capacity(BLOCK * ENTRY);
            self.file.seek(SeekFrom::Start(from))?;
            (&self.file).take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (entries, _) = bytes.as_chunks::<ENTRY>();
            let found = entries.binary_search_by_key(&key, |entry| read(entry).0);
            if let Ok(at) = found {
                return Ok(Some(read(&entries[at]).1));
            }
        }
        Ok(None)
    }
}

fn read(entry: &[u8; ENTRY]) -> (u64, Value) {
    let [k0, k1, k2, k3, k4, k5, k6, k7, value @ ..] = *entry;
    let [a0, a1, a2, a3, exact @ ..] = value;
    (
        u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]),
        (
            u32::from_le_bytes([a0, a1, a2, a3]),
            u32::from_le_bytes(exact),
        ),
    )
}

/// Which of so many words of the filter a key belongs to, and its bits there; keys are hashes, so their own bits serve.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is a small number"
)]
fn bits_of(key: u64, words: usize) -> (usize, u64) {
    let word = (key % words as u64) as usize;
    let bits = [40, 46, 52, 58].map(|shift| 1 << (key >> shift & 63));
    (word, bits.iter().fold(0_u64, |all, bit| all | bit))
}

/// The keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a table of the standard library would hold, however few entries are kept in memory.
    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten() {
        for limit in [1, 7, 300, usize::MAX] {
            let mut map = SpillingMap::with_limit(limit);
            let mut plain: HashMap<u64, Value> = HashMap::new();
            for number in 0..3000_u64 {
                // A third of the keys come again with another value.
                let key = (number % 2000 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let value = (u32::try_from(number).unwrap(), 7);
                assert_eq!(map.get(key).unwrap(), plain.get(&key).copied());
                map.insert(key, value).unwrap();
                plain.insert(key, value);
                assert!(map.recent.len() < limit.max(2));
            }
            for (key, value) in plain {
                assert_eq!(map.get(key).unwrap(), Some(value));
                assert_eq!(map.get(key ^ 1).unwrap(), None);
            }
        }
    }
}
