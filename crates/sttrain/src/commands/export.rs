//! `sttrain export`: a model folder that `transformers` and the original's code load, or an adapter folder for PEFT.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use st_model::census::Part;
use st_model::published::{config_from_json, config_to_json};
use st_model::tokenizer::Tokenizer;
use st_model::weights::peft_name;
use st_train::prepare::run_facts;
use st_weights::{
    ADAPTER_FILE, AdapterConfig, AtomicDir, Dtype, ModelFolder, SafetensorsFile, TensorSpec,
    WeightsError, from_f32, save_file, save_folder_with, save_json, save_torch, to_f32,
};

use super::{ExitStatus, print};
use crate::cli::Globals;

/// Element type of the written weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Type {
    /// 32 bits.
    F32,
    /// 16 bits, range of `f32`.
    Bf16,
    /// 16 bits, as the original's inference uses.
    F16,
}

impl From<Type> for Dtype {
    fn from(value: Type) -> Self {
        match value {
            Type::F32 => Self::F32,
            Type::Bf16 => Self::BF16,
            Type::F16 => Self::F16,
        }
    }
}

/// What is written.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A model folder (`runs/NAME/model`); with `--adapter` a checkpoint (`runs/NAME/checkpoints/step-000200`).
    pub from: PathBuf,
    /// The folder to write; it must not exist or be empty.
    #[arg(long)]
    pub out: PathBuf,
    /// Element type of the written weights.
    #[arg(long, default_value = "bf16")]
    pub dtype: Type,
    /// Largest shard in GiB.
    #[arg(long, default_value_t = 5)]
    pub shard: usize,
    /// Write the adapters alone, as PEFT does, with what else was trained beside them.
    #[arg(long)]
    pub adapter: bool,
    /// Name of the base model that goes into the adapter's configuration.
    #[arg(long, requires = "adapter")]
    pub base: Option<String>,
}

/// Writes the folder.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let count = if args.adapter {
        adapter(args)?
    } else {
        model(args)?
    };
    let out = args.out.display();
    if globals.json {
        print(&format!(
            "{}\n",
            serde_json::json!({"out": args.out, "tensors": count})
        ))?;
    } else if !globals.quiet {
        print(&format!("{out}: {count} tensors\n"))?;
    }
    Ok(ExitStatus::Done)
}

fn model(args: &Args) -> anyhow::Result<usize> {
    let folder = ModelFolder::open(&args.from)?;
    let config = config_from_json(folder.config())
        .with_context(|| folder.dir().join("config.json").display().to_string())?;
    let mut json = config_to_json(&config);
    let dtype = Dtype::from(args.dtype);
    json["torch_dtype"] = match args.dtype {
        Type::F32 => "float32",
        Type::Bf16 => "bfloat16",
        Type::F16 => "float16",
    }
    .into();
    let tokenizer = Tokenizer::from_json(&folder.tokenizer()?)?.published_files()?;
    let files: Vec<(&str, &[u8])> = tokenizer
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    let specs: Vec<TensorSpec> = folder
        .names()
        .filter_map(|name| {
            folder
                .info(name)
                .map(|(_, shape)| TensorSpec::new(name, dtype, shape))
        })
        .collect();
    save_folder_with(&args.out, &json, &files, &specs, args.shard << 30, |spec| {
        let view = folder
            .view(&spec.name)
            .ok_or_else(|| absent(folder.dir(), &spec.name))?;
        convert(&spec.name, &view, dtype)
    })?;
    Ok(specs.len())
}

/// The same bytes where the type is the same already.
fn convert<'a>(
    name: &str,
    view: &st_weights::TensorView<'a>,
    dtype: Dtype,
) -> Result<Cow<'a, [u8]>, WeightsError> {
    if view.dtype() == dtype {
        return Ok(Cow::Borrowed(view.data()));
    }
    Ok(Cow::Owned(from_f32(name, &to_f32(name, view)?, dtype)?))
}

fn absent(dir: &Path, name: &str) -> WeightsError {
    WeightsError::Config {
        path: dir.to_owned(),
        fault: format!("`{name}` has gone while the folder was read"),
    }
}

fn adapter(args: &Args) -> anyhow::Result<usize> {
    let path = args.from.join("trainable.safetensors");
    let file = SafetensorsFile::open(&path)
        .context("an adapter is exported from a checkpoint, runs/NAME/checkpoints/step-NNNNNN")?;
    let dtype = Dtype::from(args.dtype);
    let (mut adapters, mut others) = (Vec::new(), Vec::new());
    for name in file.names() {
        let Some((_, shape)) = file.info(name) else {
            continue;
        };
        let list = if Part::of(name) == Some(Part::Adapters) {
            &mut adapters
        } else {
            &mut others
        };
        list.push(TensorSpec::new(peft_name(name), dtype, shape));
    }
    if adapters.is_empty() {
        bail!(
            "{}: no adapters in this checkpoint; leave --adapter out to export a whole model",
            path.display()
        );
    }
    let data = |spec: &TensorSpec| {
        let name = st_weights::plain_name(&spec.name);
        let view = file.view(name).ok_or_else(|| absent(&args.from, name))?;
        convert(name, &view, dtype)
    };
    let target = AtomicDir::create(&args.out)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    save_file(target.path().join(ADAPTER_FILE), &adapters, &metadata, data)?;
    if !others.is_empty() {
        save_torch(target.path().join("non_lora_trainables.bin"), &others, data)?;
    }
    // runs/NAME/checkpoints/step-NNNNNN
    let run = args.from.ancestors().nth(2).unwrap_or(Path::new("."));
    let facts = run_facts(run)?;
    let lora = facts
        .lora
        .context("the run of this checkpoint trains no adapters")?;
    let config = AdapterConfig {
        r: lora.r,
        lora_alpha: lora.lora_alpha,
        lora_dropout: lora.lora_dropout,
        target_modules: lora.target_modules,
        base_model_name_or_path: args.base.clone(),
        bias: "none".to_owned(),
        fan_in_fan_out: false,
        use_rslora: false,
    };
    config.save(target.path())?;
    save_json(
        target.path().join("config.json"),
        &config_to_json(&facts.model),
    )?;
    target.commit()?;
    Ok(adapters.len() + others.len())
}
