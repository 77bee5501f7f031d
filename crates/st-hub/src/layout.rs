//! Where a repository's files belong below the data root.

use crate::name;

/// Folders that a path of another machine may start with and that say nothing here.
const EMPTY_WORDS: [&str; 4] = ["data", "dataset", "datasets", "media"];

/// The folder below the data root for the media that a dataset file expects in `named`: `media/` and the same path, where
/// that is one below a folder; `media/SOURCE` where it belongs to another machine (absolute, or with `..`).
///
/// ```
/// use st_hub::layout::media_folder;
/// assert_eq!(media_folder("data/charades/videos", "charades_sta"), "media/charades/videos");
/// assert_eq!(media_folder("/mnt/me/charades", "charades_sta"), "media/charades_sta");
/// ```
#[must_use]
pub fn media_folder(named: &str, source: &str) -> String {
    let plain: Vec<&str> = named
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let start = plain
        .iter()
        .take_while(|part| EMPTY_WORDS.contains(part))
        .count();
    let inside = plain[start..].join("/");
    let elsewhere =
        named.starts_with('/') || named.starts_with('~') || name::check(&inside).is_err();
    if !elsewhere {
        return format!("media/{inside}");
    }
    if name::check(source).is_ok() {
        format!("media/{source}")
    } else {
        "media".to_owned()
    }
}

/// Whether a file name speaks of a stage: `stage3`, `stage_3` or `stage-3`, and not of a stage 30.
#[must_use]
pub fn speaks_of_stage(name: &str, stage: u8) -> bool {
    let name = name.to_ascii_lowercase();
    let digit = stage.to_string();
    name.match_indices("stage").any(|(at, word)| {
        let rest = name[at + word.len()..].trim_start_matches(['_', '-']);
        rest.strip_prefix(&digit)
            .is_some_and(|after| !after.starts_with(|next: char| next.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_below_the_root() {
        for (named, folder) in [
            ("videos/a", "media/videos/a"),
            ("./data/media/vidor/", "media/vidor"),
            ("media", "media/s"),
            (".", "media/s"),
            ("../x", "media/s"),
            ("a/../../x", "media/s"),
            ("/abs/x", "media/s"),
            ("~/x", "media/s"),
            ("C:\\x", "media/s"),
        ] {
            assert_eq!(media_folder(named, "s"), folder, "{named}");
        }
        assert_eq!(media_folder("/x", "../s"), "media");
    }

    #[test]
    fn stages_are_told_apart() {
        assert!(speaks_of_stage("stage3_data.yaml", 3) && speaks_of_stage("x-Stage_3", 3));
        assert!(!speaks_of_stage("stage30.yaml", 3) && !speaks_of_stage("stage2.yaml", 3));
    }
}
