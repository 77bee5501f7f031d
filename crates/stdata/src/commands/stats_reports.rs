//! What `stdata stats` writes beside its tables: a page, a table of features, a description for programs and a card.

use std::path::{Path, PathBuf};

use anyhow::Context;
use st_data::read::Options;
use st_data::stats::{About, Distributed, Listed, Report, card, croissant, html, write_features};
use st_shard::ShardReader;

use crate::globals::Globals;
use crate::progress::Progress;
use crate::whole_file::write_whole;

/// Flags that name files to write.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct Reports {
    /// Write one page with charts and samples that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a row of features for each record
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Write croissant.json, README.md (a dataset card) and features.parquet into DIR, to be published with the annotations
    #[arg(long, value_name = "DIR")]
    card: Option<PathBuf>,
    /// The dataset's name in --card [default: the dataset file's]
    #[arg(long, value_name = "TEXT", requires = "card")]
    name: Option<String>,
    /// Its licence in --card: an SPDX name or an address
    #[arg(long, value_name = "TEXT", requires = "card")]
    license: Option<String>,
    /// Its home in --card
    #[arg(long, value_name = "URL", requires = "card")]
    url: Option<String>,
    /// Who made it, in --card
    #[arg(long, value_name = "TEXT", requires = "card")]
    creator: Option<String>,
    /// Its version in --card, such as 1.0.0
    #[arg(long, value_name = "TEXT", requires = "card")]
    dataset_version: Option<String>,
    /// How it is cited, in --card
    #[arg(long, value_name = "TEXT", requires = "card")]
    cite_as: Option<String>,
}

impl Reports {
    /// Writes what is asked for. Samples of the page show frames where `shards` hold their clips.
    pub(crate) fn write(
        &self,
        report: &Report,
        listed: &[Listed],
        shards: &[PathBuf],
        options: &Options,
        globals: &Globals,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.html {
            let readers: Vec<ShardReader> = shards
                .iter()
                .map(|folder| ShardReader::open(folder))
                .collect::<Result<_, _>>()?;
            write_whole(path, html(report, &readers)?.as_bytes())?;
            globals.say(format!("page:     {}", path.display()));
        }
        if let Some(path) = &self.parquet {
            features(listed, path, None, options, globals)?;
        }
        if let Some(folder) = &self.card {
            self.describe(report, listed, folder, options, globals)?;
        }
        Ok(())
    }

    fn describe(
        &self,
        report: &Report,
        listed: &[Listed],
        folder: &Path,
        options: &Options,
        globals: &Globals,
    ) -> anyhow::Result<()> {
        let path = folder.join("features.parquet");
        features(listed, &path, Some(folder), options, globals)?;
        let read = |path: &Path| {
            Distributed::read(path, folder)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let features = read(&path)?;
        let mut files: Vec<&PathBuf> = listed.iter().map(|one| &one.input.annotations).collect();
        files.sort();
        files.dedup();
        let files: Vec<Distributed> = files
            .into_iter()
            .map(|path| read(path))
            .collect::<anyhow::Result<_>>()?;
        let dataset = listed.first().map_or("dataset", |one| one.dataset.as_str());
        let about = About {
            name: self.name.clone().unwrap_or_else(|| dataset.to_owned()),
            description: None,
            license: self.license.clone(),
            url: self.url.clone(),
            version: self.dataset_version.clone(),
            creator: self.creator.clone(),
            cite_as: self.cite_as.clone(),
        };
        let described = croissant(report, &about, &files, &features);
        write_whole(
            &folder.join("croissant.json"),
            &serde_json::to_vec_pretty(&described)?,
        )?;
        let text = card(report, &about, &files, &features)?;
        write_whole(&folder.join("README.md"), text.as_bytes())?;
        globals.say(format!(
            "card:     {} with croissant.json and features.parquet",
            folder.join("README.md").display()
        ));
        Ok(())
    }
}

fn features(
    listed: &[Listed],
    path: &Path,
    from: Option<&Path>,
    options: &Options,
    globals: &Globals,
) -> anyhow::Result<()> {
    let progress = Progress::start(globals, "bytes", super::stats::total_bytes(listed));
    let rows = write_features(listed, options, path, from, |bytes| progress.add(bytes))?;
    progress.finish();
    globals.say(format!("features: {}, {rows} rows", path.display()));
    Ok(())
}
