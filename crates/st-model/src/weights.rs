//! Parameters by their published names: listing, strict loading, saving.
//!
//! Modules are built like the checkpoints, so that a module's path is a parameter's name, but for the table in [`published_name`]. No file
//! is touched here: values come from a [`WeightSource`] and go out as an iterator.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bytes, DType, FloatDType, Gradients, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::model::LlavaSt;

/// Named tensors, such as an opened folder of safetensors files.
pub trait WeightSource {
    /// Names of all tensors.
    fn names(&self) -> Vec<String>;

    /// One tensor: element type, shape and bytes.
    fn view(&self, name: &str) -> Option<TensorView<'_>>;
}

/// Finds a tensor by name.
type LookUp<'a> = Box<dyn Fn(&str) -> Option<TensorView<'a>> + 'a>;

/// A [`WeightSource`] made of a list of names and a look-up.
pub struct Views<'a> {
    names: Vec<String>,
    view: LookUp<'a>,
}

impl<'a> Views<'a> {
    /// `view` finds the tensor for each of `names`.
    pub fn new(names: Vec<String>, view: impl Fn(&str) -> Option<TensorView<'a>> + 'a) -> Self {
        Self {
            names,
            view: Box::new(view),
        }
    }
}

impl WeightSource for Views<'_> {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn view(&self, name: &str) -> Option<TensorView<'_>> {
        (self.view)(name)
    }
}

impl WeightSource for safetensors::SafeTensors<'_> {
    fn names(&self) -> Vec<String> {
        safetensors::SafeTensors::names(self)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn view(&self, name: &str) -> Option<TensorView<'_>> {
        self.tensor(name).ok()
    }
}

/// Why weights do not fit a model. All faults of a source are reported together.
#[derive(Debug, thiserror::Error)]
#[error("{} parameters cannot be loaded: {}", .faults.len(), summary(.faults))]
pub struct WeightsError {
    /// One for each parameter, in the model's order, then the source's surplus.
    pub faults: Vec<WeightFault>,
}

/// What is wrong with one parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightFault {
    /// The model needs it and the source lacks it.
    #[error("`{name}` is missing")]
    Missing {
        /// Published name.
        name: String,
    },
    /// The source has it and the model does not.
    #[error("`{name}` is not a parameter of this model")]
    Unexpected {
        /// Name in the source.
        name: String,
    },
    /// Both have it in different shapes.
    #[error("`{name}` has shape {found:?}, the model needs {expected:?}")]
    Shape {
        /// Published name.
        name: String,
        /// Shape in the source.
        found: Vec<usize>,
        /// Shape in the model.
        expected: Vec<usize>,
    },
    /// Not a floating-point type that is read here.
    #[error("`{name}` has element type {found:?}, only F32, F16, BF16 and F64 are read")]
    Type {
        /// Published name.
        name: String,
        /// Type in the source.
        found: Dtype,
    },
}

fn summary(faults: &[WeightFault]) -> String {
    const SHOWN: usize = 8;
    let mut text = faults
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    if faults.len() > SHOWN {
        use std::fmt::Write as _;
        let _ = write!(text, "; and {} more", faults.len() - SHOWN);
    }
    text
}

/// The published name of a parameter at a module path: `a.b.0.weight`.
///
/// ```
/// use st_model::weights::published_name;
/// assert_eq!(published_name("model.mm_projector.fc2.bias"), "model.mm_projector.2.bias");
/// assert_eq!(published_name("model.layers.3.self_attn.q_proj.lora.lora_a"), "model.layers.3.self_attn.q_proj.lora_A.weight");
/// ```
#[must_use]
pub fn published_name(path: &str) -> String {
    // Part of a path, and the published part. A `Sequential` of PyTorch numbers its layers and counts the activation.
    const PARTS: [(&str, &str); 12] = [
        (
            "model.vision_tower.",
            "model.vision_tower.vision_tower.vision_model.",
        ),
        ("model.coordinates.", "model."),
        ("mm_projector.fc1.", "mm_projector.0."),
        ("mm_projector.fc2.", "mm_projector.2."),
        (".to_q.fc1.", ".to_q.0."),
        (".to_q.fc2.", ".to_q.2."),
        (".to_k.fc1.", ".to_k.0."),
        (".to_k.fc2.", ".to_k.2."),
        (".to_v.fc1.", ".to_v.0."),
        (".to_v.fc2.", ".to_v.2."),
        (".lora.lora_a", ".lora_A.weight"),
        (".lora.lora_b", ".lora_B.weight"),
    ];
    let mut name = path.to_owned();
    for (part, published) in PARTS {
        if let Some(place) = name.find(part) {
            name.replace_range(place..place + part.len(), published);
        }
    }
    name
}

/// Name of an adapter's tensor in PEFT's files: `base_model.model.` in front.
#[must_use]
pub fn peft_name(name: &str) -> String {
    format!("base_model.model.{name}")
}

/// The published name behind a name of PEFT's files, with or without the adapter's own name (`.default.`).
#[must_use]
pub fn from_peft_name(name: &str) -> String {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    name.replace(".lora_A.default.", ".lora_A.")
        .replace(".lora_B.default.", ".lora_B.")
}

/// What is known of a parameter without creating its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedParameter {
    /// Published name.
    pub name: String,
    /// Identity in the module tree; optimizers keep their state by it.
    pub id: ParamId,
    /// Published shape.
    pub shape: Vec<usize>,
    /// Whether its gradient is tracked on a device with autodiff.
    pub trainable: bool,
}

impl NamedParameter {
    /// Number of values.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a source has to contain.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// Parameters that are taken from the source, by published name; each has to be there.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Tensors of the source that are knowingly left aside, by the source's name.
    pub ignored: &'a dyn Fn(&str) -> bool,
    /// From the source's name to the published name.
    pub rename: &'a dyn Fn(&str) -> String,
    /// Element type of the loaded parameters; `None` keeps the device's default type.
    pub dtype: Option<FloatDType>,
}

impl Loading<'static> {
    /// All parameters, nothing else, under their published names, in the device's default type.
    #[must_use]
    pub fn all() -> Self {
        Self {
            wanted: &|_| true,
            ignored: &|_| false,
            rename: &str::to_owned,
            dtype: None,
        }
    }

    /// Only the vision tower, from a `SigLIP` checkpoint as published: the head is left aside, and of the layers those that the model
    /// does not use.
    #[must_use]
    pub fn siglip() -> Self {
        Self {
            wanted: &|name| name.starts_with(TOWER),
            ignored: &|name| {
                name.starts_with("vision_model.head.")
                    || name.starts_with("text_model.")
                    || name.starts_with("logit_")
            },
            rename: &|name| {
                name.strip_prefix("vision_model.")
                    .map_or_else(|| name.to_owned(), |rest| format!("{TOWER}{rest}"))
            },
            dtype: None,
        }
    }
}

const TOWER: &str = "model.vision_tower.vision_tower.vision_model.";

impl LlavaSt {
    /// All parameters in module order, without creating values.
    #[must_use]
    pub fn named_parameters(&self) -> Vec<NamedParameter> {
        let mut list = Listing {
            path: Vec::new(),
            frozen: &self.frozen,
            found: Vec::new(),
        };
        self.visit(&mut list);
        list.found
    }

    /// Names and values of all parameters in module order; a value is read when the iterator reaches it.
    #[must_use]
    pub fn named_tensors(&self) -> Box<dyn Iterator<Item = (String, TensorData)>> {
        let mut reader = Reader {
            path: Vec::new(),
            found: Vec::new(),
        };
        self.visit(&mut reader);
        Box::new(reader.found.into_iter().map(|(name, read)| (name, read())))
    }

    /// Gradients by published name, in module order; parameters without a gradient are left out.
    #[must_use]
    pub fn named_gradients(&self, gradients: &Gradients) -> Vec<(String, TensorData)> {
        let mut reader = GradientReader {
            path: Vec::new(),
            gradients,
            found: Vec::new(),
        };
        self.visit(&mut reader);
        reader.found
    }

    /// Takes values from a source, one tensor at a time.
    ///
    /// # Errors
    /// [`WeightsError`] with every parameter that is missing, surplus, of another shape or of a type that is not read.
    pub fn load_named(
        self,
        source: &dyn WeightSource,
        loading: Loading<'_>,
    ) -> Result<Self, WeightsError> {
        let mut names = std::collections::HashMap::new();
        for name in source
            .names()
            .into_iter()
            .filter(|name| !(loading.ignored)(name))
        {
            names.insert((loading.rename)(&name), name);
        }
        let mut faults = Vec::new();
        for parameter in self.named_parameters() {
            if (loading.wanted)(&parameter.name) {
                faults.extend(fault(
                    &parameter,
                    names
                        .remove(&parameter.name)
                        .and_then(|name| source.view(&name)),
                ));
            }
        }
        let mut surplus: Vec<_> = names
            .into_values()
            .filter(|name| !self.unused_tower_layer(name))
            .collect();
        surplus.sort();
        faults.extend(
            surplus
                .into_iter()
                .map(|name| WeightFault::Unexpected { name }),
        );
        if !faults.is_empty() {
            return Err(WeightsError { faults });
        }
        let renamed = source
            .names()
            .into_iter()
            .map(|name| ((loading.rename)(&name), name))
            .collect();
        Ok(self.map(&mut Loader {
            path: Vec::new(),
            source,
            loading,
            renamed,
        }))
    }

    /// A layer of a `SigLIP` checkpoint behind those that are used.
    fn unused_tower_layer(&self, name: &str) -> bool {
        let layer = name
            .strip_prefix("vision_model.encoder.layers.")
            .and_then(|rest| rest.split('.').next());
        let used = self.config.vision.num_hidden_layers;
        layer
            .and_then(|number| number.parse::<usize>().ok())
            .is_some_and(|number| number >= used)
    }

    /// Replaces the values for which `change` gives one; it sees the published name and the shape. Identities and gradient settings stay.
    #[must_use]
    pub fn map_values(self, change: &mut dyn FnMut(&str, &[usize]) -> Option<TensorData>) -> Self {
        self.map(&mut Setter {
            path: Vec::new(),
            change,
        })
    }

    /// Tracks gradients of exactly the parameters for which `trainable` holds, by published name.
    #[must_use]
    pub fn set_trainable(self, trainable: &dyn Fn(&str) -> bool) -> Self {
        let mut switch = Switch {
            path: Vec::new(),
            trainable,
            frozen: std::collections::BTreeSet::new(),
        };
        let mut model = self.map(&mut switch);
        model.frozen = switch.frozen;
        model
    }
}

fn fault(parameter: &NamedParameter, view: Option<TensorView<'_>>) -> Option<WeightFault> {
    let name = parameter.name.clone();
    let Some(view) = view else {
        return Some(WeightFault::Missing { name });
    };
    if view.shape() != parameter.shape {
        return Some(WeightFault::Shape {
            name,
            found: view.shape().to_vec(),
            expected: parameter.shape.clone(),
        });
    }
    let known = matches!(
        view.dtype(),
        Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64
    );
    (!known).then(|| WeightFault::Type {
        name,
        found: view.dtype(),
    })
}

/// One tensor of a source as Burn's data, in the source's element type. `None` for a type that is not read.
#[must_use]
pub fn tensor_data(view: &TensorView<'_>) -> Option<TensorData> {
    // Elements of their own width: a vector of bytes would be copied once more to align it.
    let narrow = || {
        view.data()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| u16::from_ne_bytes(*bytes))
    };
    let wide = || {
        view.data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_ne_bytes(*bytes))
    };
    let (bytes, dtype) = match view.dtype() {
        Dtype::F32 => (Bytes::from_elems::<u32>(wide().collect()), DType::F32),
        Dtype::F16 => (Bytes::from_elems::<u16>(narrow().collect()), DType::F16),
        Dtype::BF16 => (Bytes::from_elems::<u16>(narrow().collect()), DType::BF16),
        Dtype::F64 => (Bytes::from_bytes_vec(view.data().to_vec()), DType::F64),
        _ => return None,
    };
    Some(TensorData::from_bytes(bytes, view.shape().to_vec(), dtype))
}

type Path = Vec<String>;

fn name_at(path: &Path) -> String {
    published_name(&path.join("."))
}

macro_rules! follow_path {
    () => {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
    };
}

struct Listing<'a> {
    path: Path,
    frozen: &'a std::collections::BTreeSet<String>,
    found: Vec<NamedParameter>,
}

impl ModuleVisitor for Listing<'_> {
    follow_path!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = name_at(&self.path);
        let trainable = !self.frozen.contains(&name);
        let shape = param.lazy_shape().as_slice().to_vec();
        self.found.push(NamedParameter {
            name,
            id: param.id,
            shape,
            trainable,
        });
    }
}

struct Reader {
    path: Path,
    found: Vec<(String, Box<dyn FnOnce() -> TensorData>)>,
}

impl ModuleVisitor for Reader {
    follow_path!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let param = param.clone();
        self.found.push((
            name_at(&self.path),
            Box::new(move || param.val().into_data()),
        ));
    }
}

struct GradientReader<'a> {
    path: Path,
    gradients: &'a Gradients,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for GradientReader<'_> {
    follow_path!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.push((name_at(&self.path), gradient.into_data()));
        }
    }
}

struct Loader<'a> {
    path: Path,
    source: &'a dyn WeightSource,
    loading: Loading<'a>,
    renamed: std::collections::HashMap<String, String>,
}

impl ModuleMapper for Loader<'_> {
    follow_path!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = name_at(&self.path);
        if !(self.loading.wanted)(&name) {
            return param;
        }
        let view = self
            .renamed
            .get(&name)
            .and_then(|name| self.source.view(name));
        let Some(data) = view.as_ref().and_then(tensor_data) else {
            return param;
        };
        let device = param.lazy_device();
        let tensor = match self.loading.dtype {
            Some(dtype) => Tensor::from_data(data, (&device, DType::from(dtype))),
            None => Tensor::from_data(data, &device),
        };
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

struct Setter<'a> {
    path: Path,
    change: &'a mut dyn FnMut(&str, &[usize]) -> Option<TensorData>,
}

impl ModuleMapper for Setter<'_> {
    follow_path!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let Some(data) = (self.change)(&name_at(&self.path), shape.as_slice()) else {
            return param;
        };
        assert_eq!(
            data.shape().as_slice(),
            shape.as_slice(),
            "shape of `{}`",
            name_at(&self.path)
        );
        let (id, device) = (param.id, param.lazy_device());
        param.transform_for_load(Tensor::from_data(data, &device), id)
    }
}

struct Switch<'a> {
    path: Path,
    trainable: &'a dyn Fn(&str) -> bool,
    frozen: std::collections::BTreeSet<String>,
}

impl ModuleMapper for Switch<'_> {
    follow_path!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = name_at(&self.path);
        let trainable = (self.trainable)(&name);
        if !trainable {
            self.frozen.insert(name);
        }
        param.set_require_grad(trainable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_published_ones() {
        let cases = [
            (
                "model.vision_tower.encoder.layers.0.mlp.fc1.bias",
                "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
            ),
            (
                "model.vision_resampler.token_packer.devide_attention.to_k.fc1.weight",
                "model.vision_resampler.token_packer.devide_attention.to_k.0.weight",
            ),
            (
                "model.vision_resampler.token_packer_slow.devide_attention.to_q.fc2.bias",
                "model.vision_resampler.token_packer_slow.devide_attention.to_q.2.bias",
            ),
            (
                "model.coordinates.temporal_input_embeddings.weight",
                "model.temporal_input_embeddings.weight",
            ),
            (
                "model.mm_projector.fc1.weight",
                "model.mm_projector.0.weight",
            ),
            ("lm_head.weight", "lm_head.weight"),
        ];
        for (path, name) in cases {
            assert_eq!(published_name(path), name);
        }
    }

    #[test]
    fn peft_names_go_both_ways() {
        let name = "model.layers.0.mlp.up_proj.lora_A.weight";
        assert_eq!(from_peft_name(&peft_name(name)), name);
        assert_eq!(
            from_peft_name("base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight"),
            name
        );
    }
}
