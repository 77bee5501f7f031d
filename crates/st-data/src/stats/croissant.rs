//! `MLCommons` Croissant 1.0 (<https://docs.mlcommons.org/croissant/docs/croissant-spec.html>): what a dataset is made of, for
//! programs. Annotation files stand with their checksums; the records are described by the columns of the features file.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::parquet::COLUMNS;
use super::report::Report;

/// What nobody can count: what a dataset is called and who may use it how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence or two; made from the counts where it is absent.
    pub description: Option<String>,
    /// The licence: an SPDX name or an address.
    pub license: Option<String>,
    /// Where it can be had.
    pub url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Who made it.
    pub creator: Option<String>,
    /// How it is cited.
    pub cite_as: Option<String>,
}

/// A file of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distributed {
    /// Its path from the folder of `croissant.json`, or as it stands where there is none.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Distributed {
    /// Reads a file's length and checksum. `folder` is where `croissant.json` will stand.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path, folder: &Path) -> std::io::Result<Self> {
        let mut file = fs_err::File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self {
            path: shown_from(path, folder),
            bytes,
            sha256: format!("{:x}", hash.finalize()),
        })
    }

    fn encoding(&self) -> &'static str {
        let ending = |wanted: &str| {
            let path = Path::new(&self.path);
            path.extension()
                .is_some_and(|end| end.eq_ignore_ascii_case(wanted))
        };
        if ending("gz") {
            "application/gzip"
        } else if ending("zst") {
            "application/zstd"
        } else if ending("jsonl") || ending("ndjson") {
            "application/jsonlines"
        } else if ending("parquet") {
            "application/x-parquet"
        } else {
            "application/json"
        }
    }

    fn object(&self, about: &str) -> Value {
        json!({
            "@type": "cr:FileObject",
            "@id": self.path,
            "name": self.path,
            "description": about,
            "contentUrl": self.path,
            "contentSize": format!("{} B", self.bytes),
            "encodingFormat": self.encoding(),
            "sha256": self.sha256,
        })
    }
}

/// A path from `folder` on where it lies inside, else as it stands.
pub(super) fn shown_from(path: &Path, folder: &Path) -> String {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let shown: PathBuf = match real(path).strip_prefix(real(folder)) {
        Ok(relative) => relative.to_owned(),
        Err(_) => path.to_owned(),
    };
    shown.to_string_lossy().replace('\\', "/")
}

/// The description: `annotations` as they stand on disk, the records by the columns of `features`.
#[must_use]
pub fn croissant(
    report: &Report,
    about: &About,
    annotations: &[Distributed],
    features: &Distributed,
) -> Value {
    let mut distribution: Vec<Value> = annotations
        .iter()
        .map(|file| file.object("Records in the ST-Align format: conversations with placeholders, numbers beside them."))
        .collect();
    distribution.push(features.object(
        "One row for each record: where it stands, what it is about, its spans, boxes and tubes.",
    ));
    let fields: Vec<Value> = COLUMNS
        .iter()
        .map(|column| {
            json!({
                "@type": "cr:Field",
                "@id": format!("records/{}", column.name),
                "name": column.name,
                "description": column.about,
                "dataType": column.data_type(),
                "source": { "fileObject": { "@id": features.path }, "extract": { "column": column.name } },
            })
        })
        .collect();
    let mut document = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description.clone().unwrap_or_else(|| description(report)),
        "isLiveDataset": false,
        "keywords": ["video", "spatio-temporal grounding", "multimodal", "instruction tuning"],
        "distribution": distribution,
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": "records",
            "name": "records",
            "description": "One row for each record of the annotation files.",
            "field": fields,
        }],
    });
    let named = [
        ("license", &about.license),
        ("url", &about.url),
        ("version", &about.version),
        ("citeAs", &about.cite_as),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            document[name] = json!(value);
        }
    }
    if let Some(creator) = &about.creator {
        document["creator"] = json!({ "@type": "sc:Organization", "name": creator });
    }
    document
}

/// What the counts say, in a sentence.
pub(super) fn description(report: &Report) -> String {
    let mut tasks: Vec<&str> = report
        .groups
        .iter()
        .filter_map(|group| group.task.map(st_schema::Task::as_str))
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    let totals = &report.totals;
    format!(
        "{} records about {} clips of {} media files for spatio-temporal grounding, in the ST-Align format of LLaVA-ST (arXiv:2501.08282). Tasks: {}.",
        totals.records,
        totals.clips,
        totals.media,
        tasks.join(", ")
    )
}

/// The context that the specification prescribes.
fn context() -> Value {
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "equivalentProperty": "cr:equivalentProperty",
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "extract": "cr:extract",
        "field": "cr:field",
        "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "parentField": "cr:parentField",
        "path": "cr:path",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform"
    })
}
