//! `sttrain info`: what a model consists of and what a record costs, without loading a weight.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;
use serde_json::{Value, json};
use st_model::census::{Census, RecordFlops, RecordSize};
use st_model::config::ModelConfig;
use st_model::model::ClipKind;
use st_model::published::config_from_json;
use st_train::dataset::Roots;
use st_train::recipe::{Recipe, parse};
use st_weights::ModelFolder;

use super::{ExitStatus, print};
use crate::cli::Globals;

/// What is shown.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A model folder, a recipe, or `7b` for the published sizes.
    pub model: PathBuf,
    /// Tokens of template, question and answer in the record whose cost is counted.
    #[arg(long, default_value_t = 120)]
    pub text_tokens: usize,
    /// Labelled tokens of this record.
    #[arg(long, default_value_t = 40)]
    pub labels: usize,
}

/// Prints parts, memory and cost. A folder whose weights are not those of its configuration "needs a look".
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let Subject {
        config,
        folder,
        recipe,
    } = read(&args.model, globals)?;
    let mut model = config.init(&Device::flex())?;
    if let Some(recipe) = &recipe {
        model = st_train::check::as_trained(model, recipe);
    }
    let census = Census::of(&model);
    let stored = folder.as_ref().map(|folder| {
        let shapes = folder
            .names()
            .filter_map(|name| folder.info(name).map(|(_, shape)| (name, shape, false)));
        let needed = model
            .named_parameters()
            .into_iter()
            .map(|one| (one.name, one.shape))
            .collect();
        (
            Census::count(shapes),
            folder.check(&needed).err().map(|error| error.to_string()),
        )
    });
    let records = [ClipKind::Image, ClipKind::Video].map(|kind| {
        let size = RecordSize::new(&config, kind, args.text_tokens, args.labels);
        (kind, size, RecordFlops::new(&config, kind, size))
    });
    if globals.json {
        print(&format!(
            "{}\n",
            document(&config, &census, stored.as_ref(), &records)
        ))?;
    } else {
        print(&table(&census, recipe.is_some(), stored.as_ref(), &records))?;
    }
    let differs = stored
        .is_some_and(|(count, fault)| fault.is_some() || count.parts.len() != census.parts.len());
    Ok(if differs {
        ExitStatus::NeedsALook
    } else {
        ExitStatus::Done
    })
}

type Stored = (Census, Option<String>);
type Record = (ClipKind, RecordSize, RecordFlops);

/// What was named.
struct Subject {
    config: ModelConfig,
    folder: Option<ModelFolder>,
    recipe: Option<Recipe>,
}

fn read(path: &Path, globals: &Globals) -> anyhow::Result<Subject> {
    let mut subject = Subject {
        config: ModelConfig::published_7b(),
        folder: None,
        recipe: None,
    };
    if path == Path::new("7b") {
        return Ok(subject);
    }
    if path.is_dir() {
        let folder = ModelFolder::open(path)?;
        subject.config = config_from_json(folder.config())
            .with_context(|| path.join("config.json").display().to_string())?;
        subject.folder = Some(folder);
        return Ok(subject);
    }
    if path.is_file() {
        let text = fs_err::read_to_string(path)?;
        let recipe = parse(&text, &[]).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}: {}", path.display(), lines.join("; "))
        })?;
        let roots = Roots {
            data: globals.root.clone(),
            runs: "runs".into(),
        };
        let mut missing = Vec::new();
        let config = st_train::check::config(&recipe, &roots, &mut missing);
        let Some(config) = config else {
            bail!("{}: {}", path.display(), missing.join("; "));
        };
        return Ok(Subject {
            config,
            recipe: Some(recipe),
            ..subject
        });
    }
    bail!(
        "{}: neither a model folder nor a recipe; name one, or `7b`",
        path.display()
    )
}

fn document(
    config: &ModelConfig,
    census: &Census,
    stored: Option<&Stored>,
    records: &[Record],
) -> Value {
    let records: Vec<Value> = records
        .iter()
        .map(|(kind, size, flops)| json!({"media": word(*kind), "tokens": size, "forward_flop": flops, "forward_flop_total": flops.total()}))
        .collect();
    json!({
        "config": config,
        "parameters": census.parts,
        "parameters_total": census.total(),
        "bytes": {"f32": census.total() * 4, "bf16": census.total() * 2},
        "stored": stored.map(|(count, fault)| json!({"parameters": count.parts, "unknown": count.unknown, "fault": fault})),
        "records": records,
    })
}

fn word(kind: ClipKind) -> &'static str {
    match kind {
        ClipKind::Image => "image",
        ClipKind::Video => "video",
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn table(census: &Census, of_recipe: bool, stored: Option<&Stored>, records: &[Record]) -> String {
    let mib = |bytes: usize| bytes as f64 / (1_u64 << 20) as f64;
    // Only a recipe says what learns.
    let learns = |text: &str| {
        if of_recipe {
            format!("{text:>16}")
        } else {
            String::new()
        }
    };
    let mut out = String::new();
    // Writing to a text cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "{:<20}{:>8}{:>16}{:>12}{:>12}{}",
        "part",
        "tensors",
        "parameters",
        "MiB in f32",
        "in bf16",
        learns("that learn")
    ));
    for count in &census.parts {
        let (f32, bf16) = (mib(count.parameters * 4), mib(count.parameters * 2));
        line(format!(
            "{:<20}{:>8}{:>16}{f32:>12.1}{bf16:>12.1}{}",
            count.part.title(),
            count.tensors,
            count.parameters,
            learns(&count.trainable.to_string())
        ));
    }
    let (tensors, total) = (
        census
            .parts
            .iter()
            .map(|count| count.tensors)
            .sum::<usize>(),
        census.total(),
    );
    line(format!(
        "{:<20}{tensors:>8}{total:>16}{:>12.1}{:>12.1}{}",
        "all",
        mib(total * 4),
        mib(total * 2),
        learns(&census.trainable().to_string())
    ));
    if let Some((count, fault)) = stored {
        let equal = if count.total() == total {
            "as many as the configuration has"
        } else {
            "NOT as many as the configuration has"
        };
        line(format!(
            "\nthe folder's files hold {} parameters, {equal}",
            count.total()
        ));
        if let Some(fault) = fault {
            line(format!("needs a look: {fault}"));
        }
    }
    line(format!(
        "\n{:<20}{:>8}{:>10}{:>14}{:>14}",
        "a record", "frames", "tokens", "forward GFLOP", "and backward"
    ));
    for (kind, size, flops) in records {
        let giga = flops.total() as f64 / 1e9;
        line(format!(
            "{:<20}{:>8}{:>10}{giga:>14.2}{:>14.2}",
            word(*kind),
            size.frames,
            size.tokens(),
            3.0 * giga
        ));
        let parts = [
            ("vision tower", flops.vision_tower),
            ("projector", flops.projector),
            ("packers", flops.packers),
            ("decoder", flops.decoder),
            ("output layer", flops.output_layer),
        ];
        for (name, flop) in parts {
            let giga = flop as f64 / 1e9;
            line(format!("  {name:<36}{giga:>14.2}"));
        }
    }
    line(
        "\nand backward: three times forward, where everything is trained; frozen parts cost less"
            .to_owned(),
    );
    out
}
