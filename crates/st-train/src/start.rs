//! The weights a run starts from: a model folder, an adapter folder over it, tables grown for new tokens.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use st_model::lora::LoraConfig;
use st_model::model::LlavaSt;
use st_model::weights::{Loading, Views, from_peft_name};
use st_weights::{AdapterFolder, Dtype, ModelFolder, TensorView, grow_rows};

use crate::prepare::PrepareError;
use crate::recipe::Part;

/// How the vocabulary changes between the folder and the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// Tokens the folder's tokenizer knows, coordinates apart.
    pub known: usize,
    /// Tokens the run needs, coordinates apart.
    pub wanted: usize,
}

/// Tables with one row for each token.
const TABLES: [&str; 2] = ["model.embed_tokens.weight", "lm_head.weight"];

/// Weights of a model folder and of an adapter folder over it.
pub(crate) struct Start {
    path: PathBuf,
    folder: ModelFolder,
    adapter: Option<AdapterFolder>,
    tables: BTreeMap<&'static str, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Start {
    /// Opens the folders and grows the tables.
    ///
    /// # Errors
    /// Where a file is missing or damaged.
    pub(crate) fn open(
        path: &Path,
        adapter: Option<&Path>,
        vocabulary: Vocabulary,
    ) -> Result<Self, PrepareError> {
        let mut start = Self {
            path: path.to_owned(),
            folder: ModelFolder::open(path)?,
            adapter: adapter.map(AdapterFolder::open).transpose()?,
            tables: BTreeMap::new(),
        };
        for name in TABLES {
            let Some(view) = start.view(name) else {
                continue;
            };
            let [height, width] = view.shape()[..] else {
                continue;
            };
            if height == vocabulary.wanted && vocabulary.known == vocabulary.wanted {
                continue;
            }
            let known = vocabulary.known.min(height);
            let bytes = grow_rows(name, &view, known, vocabulary.wanted).map(Cow::into_owned)?;
            let grown = (view.dtype(), vec![vocabulary.wanted, width], bytes);
            start.tables.insert(name, grown);
        }
        Ok(start)
    }

    /// Loads strictly all but the `fresh` parts, which must not be there or are left aside; the adapter's change is merged.
    ///
    /// # Errors
    /// Every tensor that is missing, surplus or misshapen.
    pub(crate) fn load(&self, model: LlavaSt, fresh: &[Part]) -> Result<LlavaSt, PrepareError> {
        let fault = |path: &Path, reason: String| PrepareError::Weights {
            path: path.to_owned(),
            reason,
        };
        let loading = Loading {
            wanted: &|name| !Part::any(fresh, name),
            ignored: &|name| Part::any(fresh, name),
            ..Loading::all()
        };
        let source = Views::new(self.names(), |name| self.view(name));
        let model = model
            .load_named(&source, loading)
            .map_err(|e| fault(&self.path, e.to_string()))?;
        let Some(adapter) = &self.adapter else {
            return Ok(model);
        };
        let config = adapter.config();
        let lora = LoraConfig {
            r: config.r,
            // The factor of a rank-stabilised adapter is `alpha / sqrt(r)`; ours is always `alpha / r`.
            lora_alpha: config.scale() * real(config.r),
            lora_dropout: 0.0,
            target_modules: config.target_modules.clone(),
        };
        let names = adapter.adapter().names();
        let source = Views::new(
            names.iter().map(|name| (*name).to_owned()).collect(),
            |name| adapter.adapter().view(name),
        );
        let loading = Loading {
            wanted: &|name| Part::of(name) == Part::Lora,
            rename: &from_peft_name,
            ..Loading::all()
        };
        let both = model
            .with_lora(&lora)
            .load_named(&source, loading)
            .map_err(|e| fault(adapter.dir(), e.to_string()))?;
        Ok(both.into_merged_lora())
    }

    fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self.folder.names().map(str::to_owned).collect();
        names.extend(self.others().map(|(name, _)| name));
        names.into_iter().collect()
    }

    fn others(&self) -> impl Iterator<Item = (String, TensorView<'_>)> {
        self.adapter.iter().flat_map(AdapterFolder::others)
    }

    fn view(&self, name: &str) -> Option<TensorView<'_>> {
        if let Some((dtype, shape, bytes)) = self.tables.get(name) {
            return TensorView::new(*dtype, shape.clone(), bytes).ok();
        }
        let own = self.others().find(|(other, _)| other == name);
        own.map(|(_, view)| view).or_else(|| self.folder.view(name))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rank is far below 2^52")]
fn real(rank: usize) -> f64 {
    rank as f64
}
