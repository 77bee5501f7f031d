//! What a media file is, whatever a source calls it.
//!
//! The sources of ST-Align and its benchmarks share a few pools of media and name them each in its own way. The ids of the
//! pools tell that two files are one, without the files: COCO's image numbers (`RefCOCO`, MUSE, LVIS), the numbers of
//! Flickr videos (`VidOR`, `VidSTG`, NExT-QA, `IntentQA`, `DiDeMo`, all from YFCC100M), `YouTube`'s ids (`ActivityNet`,
//! `InternVid`, Panda, COIN, `YouCook2`, Kinetics, …), Charades' five letters, SA-1B's numbers.

use std::path::Path;

/// The pool's name and the id in it, such as "coco:900101"; `None` when the name tells nothing, as "000017.mp4" does.
#[must_use]
pub fn identity(path: &str, source: &str, image: bool) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = without_ending(name);
    let folder = path.rsplit('/').nth(1).unwrap_or("");
    let source: String = source
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let found = coco(stem, folder, image)
        .or_else(|| numbered(stem, "sa_", 1..=9).map(|number| format!("sa1b:{number}")))
        .or_else(|| clevrer(stem, path, &source))
        .or_else(|| webvid(stem, folder, &source))
        .or_else(|| flickr(stem, name, &source, image))
        .or_else(|| something(stem, name, &source))
        .or_else(|| charades(stem))
        .or_else(|| youtube(stem, &source).map(|id| format!("youtube:{id}")));
    found.or_else(|| distinctive(stem).then(|| format!("name:{stem}")))
}

fn without_ending(name: &str) -> &str {
    // Only an ending that is one: DiDeMo and VTG-IT have names without, and ids may hold dots.
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && (2..=4).contains(&ending.len())
                && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && Path::new(name).extension().is_some() =>
        {
            stem
        }
        _ => name,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number after a prefix, without leading zeros.
fn numbered<'a>(
    stem: &'a str,
    prefix: &str,
    digits: std::ops::RangeInclusive<usize>,
) -> Option<&'a str> {
    let number = stem.strip_prefix(prefix)?;
    (is_number(number) && digits.contains(&number.len())).then(|| plain(number))
}

/// A number without its leading zeros.
fn plain(number: &str) -> &str {
    let short = number.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }
}

/// `COCO_train2014_000000900101`, also with the `_<n>` that refs files add, and `train2017/000000900101`.
fn coco(stem: &str, folder: &str, image: bool) -> Option<String> {
    let number = if let Some(rest) = stem.strip_prefix("COCO_") {
        rest.split('_').find(|part| is_number(part))?
    } else if is_number(stem)
        && stem.len() == 12
        && (image || folder.contains("2014") || folder.contains("2017"))
    {
        stem
    } else {
        return None;
    };
    Some(format!("coco:{}", plain(number)))
}

fn clevrer(stem: &str, path: &str, source: &str) -> Option<String> {
    let number = numbered(stem, "video_", 5..=5)?;
    let known = source.contains("clevrer") || path.to_ascii_lowercase().contains("clevrer");
    // Without a word of CLEVRER it is a sequence number that anybody may use.
    known.then(|| format!("clevrer:{number}"))
}

/// `<page_dir>/<videoid>` with a `page_dir` such as `027701_027750`.
fn webvid(stem: &str, folder: &str, source: &str) -> Option<String> {
    let page = folder.split_once('_').is_some_and(|(from, to)| {
        [from, to]
            .iter()
            .all(|end| is_number(end) && end.len() == 6)
    });
    let known = page || source.contains("webvid");
    (known && is_number(stem)).then(|| format!("webvid:{}", plain(stem)))
}

/// Numbers of Flickr videos and photos: `<4 digits>/<id>`, flat `<id>`, `<user>@N01_<id>_<secret>`.
fn flickr(stem: &str, name: &str, source: &str, image: bool) -> Option<String> {
    if name.contains("@N") {
        let number = name
            .split('_')
            .find(|part| is_number(part) && part.len() >= 8)?;
        return Some(format!("flickr:{number}"));
    }
    let vidor = [
        "vidor", "vidstg", "nextqa", "intentqa", "stvg", "svg", "elc",
    ];
    let known = vidor.iter().any(|word| source.contains(word)) && stem.len() >= 6;
    // Flickr's numbers of its videos' years have ten or eleven digits, those of Flickr30k's photos seven and more.
    let digits = if image { 7..=11 } else { 10..=11 };
    let alike = digits.contains(&stem.len()) && !stem.starts_with('0');
    (is_number(stem) && (known || alike)).then(|| format!("flickr:{stem}"))
}

fn something(stem: &str, name: &str, source: &str) -> Option<String> {
    let known =
        source.contains("sthsth") || source.contains("ssv2") || source.contains("something");
    let webm = Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "webm");
    ((known || webm) && is_number(stem) && stem.len() <= 6).then(|| format!("ssv2:{}", plain(stem)))
}

/// Five capitals and digits, at least one of each kind or known otherwise.
fn charades(stem: &str) -> Option<String> {
    let fits = stem.len() == 5
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && stem.bytes().any(|byte| byte.is_ascii_uppercase());
    fits.then(|| format!("charades:{stem}"))
}

/// Sources whose names hold `YouTube` ids and nothing else of eleven characters.
const YOUTUBE: [&str; 22] = [
    "activitynet",
    "anet",
    "internvid",
    "panda",
    "coin",
    "youcook",
    "kinetics",
    "vtimellm",
    "moment",
    "queryd",
    "hirest",
    "vtgit",
    "ytt",
    "hcstvg",
    "hdvila",
    "vcg",
    "videoinstruct",
    "videochatgpt",
    "qvhighlights",
    "howto",
    "finevideo",
    "grounded",
];

/// `<id>`, `v_<id>`, `video-<id>`, `<id>_<start>_<end>`, `<n>_<id>`, `<id>_split_<n>`.
fn youtube<'a>(stem: &'a str, source: &str) -> Option<&'a str> {
    let sure = YOUTUBE.iter().any(|word| source.contains(word));
    let marked = stem
        .strip_prefix("v_")
        .or_else(|| stem.strip_prefix("video-"));
    if let Some(id) = marked.filter(|id| looks_like_youtube(id, true)) {
        return Some(id);
    }
    if looks_like_youtube(stem, sure) {
        return Some(stem);
    }
    // A cut of it: the id, then numbers of seconds or of the cut.
    if let (Some(id), Some(rest)) = (stem.get(..11), stem.get(11..))
        && let Some(parts) = rest.strip_prefix('_')
        && parts
            .split('_')
            .all(|part| part == "split" || part.parse::<f64>().is_ok())
        && looks_like_youtube(id, sure)
    {
        return Some(id);
    }
    let (number, id) = stem.split_once('_')?;
    (is_number(number) && looks_like_youtube(id, sure)).then_some(id)
}

/// Whether a text can be a `YouTube` id. Unless it is `sure` to be one by its place, it must have capitals and small
/// letters, which all but one in a hundred and fifty true ids have.
fn looks_like_youtube(text: &str, sure: bool) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() != 11 || !text.bytes().all(allowed) {
        return false;
    }
    let has = |test: fn(&u8) -> bool| text.bytes().any(|byte| test(&byte));
    let capitals = has(u8::is_ascii_uppercase);
    let small = has(u8::is_ascii_lowercase);
    (capitals && small) || (sure && (capitals || small))
}

/// Whether a name is too peculiar to be met twice by chance: letters and at least four digits, ten characters and more,
/// and no series such as `clip_0000017`.
fn distinctive(stem: &str) -> bool {
    let digits = stem.bytes().filter(u8::is_ascii_digit).count();
    let letters = stem.bytes().filter(u8::is_ascii_alphabetic).count();
    let word = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let series = word
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-');
    stem.len() >= 10 && digits >= 4 && letters >= 2 && !series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_identity_in_every_naming() {
        let same = [
            vec![
                (
                    "coco/train2014/COCO_train2014_000000900101.jpg",
                    "refcoco",
                    true,
                ),
                ("COCO_train2014_000000900101_1.jpg", "refcocog", true),
                ("train2017/000000900101.jpg", "muse", true),
            ],
            vec![
                ("vidor/0099/9900000011.mp4", "vidstg", false),
                ("9900000011.mp4", "", false),
                ("9900000011", "next_qa", false),
                ("00000001@N01_9900000011_aaaaaaaaaa.mov", "didemo", false),
            ],
            vec![
                ("v_inVenTanet1.mp4", "vcg_plus_112k", false),
                ("activitynet/videos/v_inVenTanet1.webm", "", false),
                ("clips/inVenTanet1.mp4", "internvid_10m_flt", false),
                ("yttemporal/videos/video-inVenTanet1", "vtg_it", false),
                ("inVenTanet1_20_64.mp4", "hirest", false),
                ("55_inVenTanet1.mp4", "hc_stvg", false),
                (
                    "inVenTanet1/inVenTanet1_split_0.mp4",
                    "youcook2_caption",
                    false,
                ),
                ("inVenTanet1_000012_000022.mp4", "kinetics", false),
            ],
            vec![
                ("QQ0A1.mp4", "agqa", false),
                ("Charades_v1_480/QQ0A1.mp4", "star", false),
            ],
            vec![
                ("sa_99000001.jpg", "grand", true),
                ("images/sa_99000001.jpg", "", true),
            ],
            vec![
                ("000001_000050/990000101.mp4", "webvid_qa", false),
                ("990000101.mp4", "WebVid-10M", false),
            ],
            vec![
                (
                    "pexels/zz_Invent_2024-01-17_9x.mp4",
                    "sharegpt4video",
                    false,
                ),
                ("zz_Invent_2024-01-17_9x.mp4", "", false),
            ],
        ];
        let mut all = Vec::new();
        for names in same {
            let found: Vec<_> = names
                .iter()
                .map(|(path, source, image)| identity(path, source, *image))
                .collect();
            assert!(found[0].is_some(), "{names:?}");
            assert!(
                found.iter().all(|one| *one == found[0]),
                "{names:?}: {found:?}"
            );
            all.push(found[0].clone());
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn numbers_of_a_series_are_no_identity() {
        for (path, image) in [
            ("train/videos/000001.mp4", false),
            ("video_00001.mp4", false),
            ("bench/000000.jpg", true),
            ("clip_0000017.mp4", false),
            ("mountainbik.mp4", false),
            ("frame-000123.png", true),
            ("demo.mp4", false),
            ("00001.mp4", false),
        ] {
            assert_eq!(identity(path, "synth", image), None, "{path}");
        }
        assert_ne!(
            identity("000001_000050/9900000011.mp4", "", false),
            identity("9900000011.mp4", "", false)
        );
    }
}
