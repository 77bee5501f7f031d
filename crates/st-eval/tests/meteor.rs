//! METEOR with small resources of our own, against what METEOR 1.5 says with the same ones.
//!
//! The numbers are those of `java -jar meteor-1.5.jar tests refs -l en -norm -s english.words -d synonym -a paraphrase-en.gz`
//! on the texts below; its list of prefixes is the published one, of which only `Dr` matters here.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use st_eval::captions::{Meteor, Pair};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const RESOURCES: [(&str, &str); 4] = [
    ("function/english.words", "the\na\nof\nin\nby\n"),
    ("nonbreaking/english.prefixes", "# titles\nDr\n"),
    (
        "synonym/english.synsets",
        "car\n1 2\nauto\n2\nchild\n3\nkid\n3 4\n",
    ),
    ("synonym/english.exceptions", "child\nchildren\n"),
];

const PARAPHRASES: &str =
    "0.5\nby the sea\nalong the beach\n0.4\nin front of\nbefore\n0.2\nquick\nfast\n";

/// Reference, hypothesis, score.
const ITEMS: [(&str, &str, f64); 7] = [
    (
        "the children ran by the sea",
        "a kid runs along the beach",
        0.110_569_105_691_056_92,
    ),
    (
        "a red car stood in front of the house",
        "the red auto is standing before a house",
        0.302_556_924_454_532_97,
    ),
    (
        "Dr. Smith's well-known dog, 1,000 times",
        "dr smith 's well known dogs , 1,000 time",
        0.361_143_342_669_906_6,
    ),
    (
        "the dog chases the cat the dog sees",
        "the cat chases the dog the cat sees",
        0.365_873_395_259_098_34,
    ),
    (
        "quick autos of the kids",
        "the child has a fast car",
        0.317_055_845_534_469_36,
    ),
    ("nothing in common", "wholly other words", 0.0),
    (
        "one two three four five six",
        "six five four three two one",
        0.4,
    ),
];
const CORPUS: f64 = 0.297_964_671_188_292_3;

fn pairs() -> Vec<Pair> {
    // As they are: METEOR's program does not know the PTB tokens of the caption evaluation.
    let pairs = ITEMS.iter().map(|(reference, hypothesis, _)| Pair {
        references: vec![(*reference).to_owned()],
        hypothesis: (*hypothesis).to_owned(),
    });
    pairs.collect()
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn write_paraphrases(path: &Path) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(PARAPHRASES.as_bytes()).unwrap();
    write(path, &packed.finish().unwrap());
}

fn check(folder: &Path) {
    let pairs = pairs();
    let meteor = Meteor::load(folder, &pairs).unwrap();
    let (corpus, scores) = meteor.score(&pairs);
    for ((_, hypothesis, expected), score) in ITEMS.iter().zip(&scores) {
        assert!(
            (score - expected).abs() < 1e-12,
            "{hypothesis}: {score}, METEOR has {expected}"
        );
    }
    assert!(
        (corpus - CORPUS).abs() < 1e-12,
        "{corpus}, METEOR has {CORPUS}"
    );
    // The best of several references counts.
    let several = Pair {
        references: vec![ITEMS[5].0.to_owned(), ITEMS[3].0.to_owned()],
        hypothesis: ITEMS[3].1.to_owned(),
    };
    assert!((meteor.score(&[several]).1[0] - ITEMS[3].2).abs() < 1e-12);
}

#[test]
fn scores_are_meteors_from_files_and_from_the_archive() {
    let folder = std::env::temp_dir().join(format!("st-eval-meteor-{}", std::process::id()));
    let files = folder.join("files");
    for (name, text) in RESOURCES {
        write(&files.join("resources").join(name), text.as_bytes());
    }
    write_paraphrases(&files.join("data/paraphrase-en.gz"));
    check(&files);

    let packed = folder.join("packed");
    write_paraphrases(&packed.join("paraphrase-en.gz"));
    let mut archive = ZipWriter::new(std::fs::File::create(packed.join("meteor-1.5.jar")).unwrap());
    for (name, text) in RESOURCES {
        archive
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    check(&packed);

    std::fs::remove_file(packed.join("paraphrase-en.gz")).unwrap();
    let error = Meteor::load(&packed, &pairs()).err().unwrap().to_string();
    assert!(error.contains("paraphrase-en.gz"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
