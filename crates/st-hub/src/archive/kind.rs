//! Which files of a repository are archives, and which are parts of one.

use std::collections::BTreeMap;

/// How an archive is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// tar.
    Tar,
    /// tar, compressed with gzip.
    TarGz,
    /// zip.
    Zip,
}

/// An archive, in one file or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSet {
    /// Its path without the endings that say how it is packed: `media/a` for `media/a.tar.gz.part-00`.
    pub stem: String,
    /// How it is read.
    pub kind: ArchiveKind,
    /// Its files, in order.
    pub parts: Vec<String>,
    /// The first part that is missing between others, if one is.
    pub missing: Option<String>,
}

/// Files of one archive, with their part numbers.
type Numbered<'a> = Vec<(Option<u64>, &'a str)>;

/// Groups the archives among `paths`. Files that are none are left out.
#[must_use]
pub fn sets<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<ArchiveSet> {
    let mut groups: BTreeMap<(&str, bool), Numbered<'_>> = BTreeMap::new();
    for path in paths {
        let (whole, number) = split_part(path);
        if kind_of(whole).is_some() {
            groups
                .entry((whole, number.is_some()))
                .or_default()
                .push((number, path));
        }
    }
    let mut found = Vec::new();
    for ((whole, _), mut parts) in groups {
        let Some((stem, kind)) = kind_of(whole) else {
            continue;
        };
        parts.sort_unstable();
        found.push(ArchiveSet {
            stem: stem.to_owned(),
            kind,
            missing: gap(whole, &parts),
            parts: parts.into_iter().map(|(_, path)| path.to_owned()).collect(),
        });
    }
    found
}

/// What is missing in a row of part numbers, which starts at 0 or 1.
fn gap(whole: &str, parts: &[(Option<u64>, &str)]) -> Option<String> {
    let numbers: Vec<u64> = parts.iter().filter_map(|(number, _)| *number).collect();
    let first = *numbers.first()?;
    let expected = first.min(1)..;
    let missing = expected
        .zip(&numbers)
        .find(|(expected, number)| expected != *number)?
        .0;
    Some(format!("part {missing} of {whole}"))
}

fn kind_of(path: &str) -> Option<(&str, ArchiveKind)> {
    [
        (".tar.gz", ArchiveKind::TarGz),
        (".tgz", ArchiveKind::TarGz),
        (".tar", ArchiveKind::Tar),
        (".zip", ArchiveKind::Zip),
    ]
    .into_iter()
    .find_map(|(ending, kind)| {
        let stem = path.strip_suffix(ending)?;
        (!stem.is_empty() && !stem.ends_with('/')).then_some((stem, kind))
    })
}

/// `a.tar.part-03`, `a.zip.003`, `a.tar.gz.ad`, `a.tar_03` are part 3 of what stands before. Letters count as `split` counts.
fn split_part(path: &str) -> (&str, Option<u64>) {
    // `a.tar.gz` is whole, although `gz` could be a number of `split`.
    if kind_of(path).is_some() {
        return (path, None);
    }
    let Some(at) = path.rfind(['.', '_']) else {
        return (path, None);
    };
    let (whole, ending) = (&path[..at], &path[at + 1..]);
    let lower = ending.to_ascii_lowercase();
    let named = lower
        .strip_prefix("part")
        .map(|rest| rest.trim_start_matches(['-', '_']));
    let number = named.unwrap_or(&lower);
    if let Some(number) = part_number(number)
        && kind_of(whole).is_some()
    {
        return (whole, Some(number));
    }
    // `a.tar.part_03`: the number stands behind a second separator.
    if let Some(before) = whole
        .strip_suffix(".part")
        .or_else(|| whole.strip_suffix("_part"))
        && let Some(number) = part_number(&lower)
        && kind_of(before).is_some()
    {
        return (before, Some(number));
    }
    (path, None)
}

fn part_number(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let is_split =
        matches!(text.len(), 2 | 3) && text.bytes().all(|byte| byte.is_ascii_lowercase());
    is_split.then(|| {
        text.bytes()
            .fold(0, |sum, byte| sum * 26 + u64::from(byte - b'a'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_their_parts_are_found() {
        let found = sets([
            "a.json",
            "m/vidor.tar",
            "m/coco.tar.gz.ab",
            "m/coco.tar.gz.aa",
            "x.zip.002",
            "x.zip.001",
            "x.zip.010",
            "y.tar.part-00",
            "y.tar.part-01",
            "w.tar.gz",
            "z.tgz.part_0",
            "v.mp4",
            ".zip",
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|set| {
                (
                    set.stem.as_str(),
                    set.kind,
                    set.parts.len(),
                    set.missing.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("m/coco", ArchiveKind::TarGz, 2, None),
                ("m/vidor", ArchiveKind::Tar, 1, None),
                ("w", ArchiveKind::TarGz, 1, None),
                ("x", ArchiveKind::Zip, 3, Some("part 3 of x.zip")),
                ("y", ArchiveKind::Tar, 2, None),
                ("z", ArchiveKind::TarGz, 1, None),
            ]
        );
        assert_eq!(found[0].parts, ["m/coco.tar.gz.aa", "m/coco.tar.gz.ab"]);
    }

    #[test]
    fn a_row_that_starts_late_misses_its_start() {
        let found = sets(["a.tar.02", "a.tar.03"]);
        assert_eq!(found[0].missing.as_deref(), Some("part 1 of a.tar"));
        assert_eq!(sets(["a.tar.00", "a.tar.01"])[0].missing, None);
    }
}
