//! `AdamW` and Muon by parameter name, with groups, global clipping and a state that is plain named tensors.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer as _,
};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::recipe::{OptimizerPlan, Part};

/// The gradients of one step, by parameter name, flattened: `[entries]` each, in 32 bits whatever the weights have.
#[derive(Debug, Default)]
pub struct NamedGradients(BTreeMap<String, Tensor<1>>);

impl NamedGradients {
    /// Adds the gradients of one backward pass, times `factor`.
    pub fn add<M: Module>(&mut self, model: &M, mut grads: GradientsParams, name_of: NameOf) {
        let mut visitor = Collect {
            path: Vec::new(),
            name_of,
            grads: &mut grads,
            into: &mut self.0,
        };
        model.visit(&mut visitor);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(before) => before + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// Names and entries of all gradients.
    pub fn entries(&self) -> impl Iterator<Item = (String, usize)> {
        let count = |one: &Tensor<1>| one.shape().num_elements();
        self.0
            .iter()
            .map(move |(name, one)| (name.clone(), count(one)))
    }

    /// Zeros for every name that has no gradient yet.
    pub fn fill(&mut self, entries: &BTreeMap<String, usize>, device: &Device) {
        for (name, count) in entries {
            self.0
                .entry(name.clone())
                .or_insert_with(|| Tensor::zeros([*count], (device, DType::F32)));
        }
    }

    /// Every gradient changed, in the order of the names.
    #[must_use]
    pub fn map(self, mut change: impl FnMut(Tensor<1>) -> Tensor<1>) -> Self {
        let changed = self.0.into_iter().map(|(name, one)| (name, change(one)));
        Self(changed.collect())
    }

    /// Squared norm of each parameter's gradient, in the order of the names.
    ///
    /// The squares are summed on the device in one row and read once.
    #[must_use]
    pub fn squared_norms(&self) -> Vec<(String, f64)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let sums: Vec<Tensor<1>> = self.0.values().map(|g| g.clone().square().sum()).collect();
        let values = Tensor::cat(sums, 0)
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>();
        self.0.keys().cloned().zip(values).collect()
    }

    /// Multiplies all gradients.
    pub fn scale(&mut self, factor: f64) {
        for grad in self.0.values_mut() {
            *grad = grad.clone().mul_scalar(factor);
        }
    }

    /// Scales gradients of this norm down to `limit`, as torch's `clip_grad_norm_` does; none is no limit.
    pub fn clip(&mut self, norm: f64, limit: Option<f64>) {
        let factor = limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0));
        if factor < 1.0 {
            self.scale(factor);
        }
    }

    /// The gradient of one parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.0.get(name)
    }
}

/// Turns a path of the module into a published name.
pub type NameOf = fn(&str) -> String;

struct Collect<'a> {
    path: Vec<String>,
    name_of: NameOf,
    grads: &'a mut GradientsParams,
    into: &'a mut BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return;
        };
        let entries = grad.shape().num_elements();
        let grad: Tensor<1> = grad.reshape([entries]).cast(DType::F32);
        let name = (self.name_of)(&self.path.join("."));
        let sum = match self.into.remove(&name) {
            Some(before) => before + grad,
            None => grad,
        };
        self.into.insert(name, sum);
    }
}

/// How one parameter is stepped.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The part it belongs to.
    pub part: Part,
    /// Learning rate before schedule and phase.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Muon's momentum; none is `AdamW`.
    pub muon: Option<f64>,
}

/// The rule of the parameter of this published name and shape.
#[must_use]
pub fn rule(plan: &OptimizerPlan, name: &str, dims: &[usize]) -> Rule {
    let part = Part::of(name);
    let matrix = dims.len() >= 2;
    let group = plan.groups.iter().rev().find(|g| Part::any(&g.parts, name));
    let hidden = matches!(
        part,
        Part::VisionTower | Part::Projector | Part::Packers | Part::Decoder
    );
    let table = name.contains("embedding") || dims.len() != 2;
    if let (Some(muon), None, true, false) = (&plan.muon, group, hidden, table) {
        let (lr, weight_decay) = (muon.lr, muon.weight_decay);
        return Rule {
            part,
            lr,
            weight_decay,
            muon: Some(muon.momentum),
        };
    }
    let decay = group
        .and_then(|g| g.weight_decay)
        .unwrap_or(plan.weight_decay);
    Rule {
        part,
        lr: group.map_or(plan.lr, |g| g.lr),
        weight_decay: if matrix { decay } else { 0.0 },
        muon: None,
    }
}

/// The state of one parameter: flattened moments.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each parameter; the tensors behind the handles are far larger"
)]
enum Moments {
    AdamW(AdaptiveMomentumState<1>),
    Muon(Tensor<1>),
}

/// The optimizer of a run.
///
/// Its arithmetic is in 32 bits. A weight of another type is rounded from a 32-bit original that is kept here: at the rates of the
/// published stages a step is smaller than the distance of two 16-bit numbers, and would be lost.
#[derive(Default)]
pub struct Optimizer {
    state: BTreeMap<String, Moments>,
    /// Originals of weights that are not 32-bit numbers, flattened.
    originals: BTreeMap<String, Tensor<1>>,
}

impl Optimizer {
    /// One step of all parameters that have a gradient.
    ///
    /// `factor` multiplies all learning rates. Parameters without a gradient keep their value and state to the bit.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        grads: NamedGradients,
        plan: &OptimizerPlan,
        factor: f64,
        name_of: NameOf,
    ) -> M {
        let mut mapper = Step {
            path: Vec::new(),
            name_of,
            grads: grads.0,
            plan,
            factor,
            state: &mut self.state,
            originals: &mut self.originals,
        };
        model.map(&mut mapper)
    }

    /// The state as named tensors: `<name>.moment_1`, `.moment_2`, `.time` or `.velocity`, and `.original` of 16-bit weights; all of
    /// one axis.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, TensorData> {
        let mut all = BTreeMap::new();
        for (name, original) in &self.originals {
            all.insert(format!("{name}.original"), original.to_data());
        }
        for (name, moments) in &self.state {
            match moments {
                Moments::AdamW(state) => {
                    let time = i64::try_from(state.time).unwrap_or(i64::MAX);
                    all.insert(format!("{name}.time"), TensorData::new(vec![time], [1]));
                    all.insert(format!("{name}.moment_1"), state.moment_1.to_data());
                    all.insert(format!("{name}.moment_2"), state.moment_2.to_data());
                }
                Moments::Muon(velocity) => {
                    all.insert(format!("{name}.velocity"), velocity.to_data());
                }
            }
        }
        all
    }

    /// The reverse of [`tensors`](Self::tensors).
    ///
    /// # Errors
    /// The name of a tensor that has no place or no partner.
    pub fn from_tensors(
        mut tensors: BTreeMap<String, TensorData>,
        device: &Device,
    ) -> Result<Self, String> {
        let (mut state, mut originals) = (BTreeMap::new(), BTreeMap::new());
        let options = (device, DType::F32);
        while let Some((key, data)) = tensors.pop_first() {
            let Some((name, kind)) = key.rsplit_once('.') else {
                return Err(key);
            };
            let moments = match kind {
                "original" => {
                    originals.insert(name.to_owned(), Tensor::from_data(data, options));
                    continue;
                }
                "velocity" => Moments::Muon(Tensor::from_data(data, options)),
                "moment_1" => {
                    let mut take = |kind: &str| tensors.remove(&format!("{name}.{kind}"));
                    let (Some(second), Some(time)) = (take("moment_2"), take("time")) else {
                        return Err(key);
                    };
                    let time = time
                        .iter::<i64>()
                        .next()
                        .and_then(|t| usize::try_from(t).ok());
                    let Some(time) = time else { return Err(key) };
                    Moments::AdamW(AdaptiveMomentumState {
                        time,
                        moment_1: Tensor::from_data(data, options),
                        moment_2: Tensor::from_data(second, options),
                        max_moment_2: None,
                    })
                }
                _ => return Err(key),
            };
            state.insert(name.to_owned(), moments);
        }
        Ok(Self { state, originals })
    }
}

struct Step<'a> {
    path: Vec<String>,
    name_of: NameOf,
    grads: BTreeMap<String, Tensor<1>>,
    plan: &'a OptimizerPlan,
    factor: f64,
    state: &'a mut BTreeMap<String, Moments>,
    originals: &'a mut BTreeMap<String, Tensor<1>>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = (self.name_of)(&self.path.join("."));
        let Some(grad) = self.grads.remove(&name) else {
            return param;
        };
        let (id, tensor, mapper) = param.consume();
        let require_grad = tensor.is_require_grad();
        let autodiff = tensor.is_autodiff();
        let rounded = tensor.inner();
        let (dims, dtype) = (rounded.dims(), rounded.dtype());
        let plain = match self.originals.remove(&name) {
            Some(original) => original.reshape(dims),
            None => rounded.cast(DType::F32),
        };
        let rule = rule(self.plan, &name, &dims);
        let before = self.state.remove(&name);
        let (flat, state) = if let Some(momentum) = rule.muon {
            let velocity = match before {
                Some(Moments::Muon(velocity)) => Some(velocity),
                _ => None,
            };
            let shape = [dims[0], dims.iter().skip(1).product()];
            let (flat, velocity) =
                muon_step(&rule, momentum, self.factor, plain, grad, velocity, shape);
            (flat, Moments::Muon(velocity))
        } else {
            let before = match before {
                Some(Moments::AdamW(state)) => Some(AdamWState { momentum: state }),
                _ => None,
            };
            let entries: usize = dims.iter().product();
            let adamw = adamw(self.plan, rule.weight_decay);
            let lr = rule.lr * self.factor;
            let (flat, state) = adamw.step(lr, plain.reshape([entries]), grad, before);
            let Some(state) = state else {
                return Param::from_mapped_value(id, flat.reshape(dims), mapper);
            };
            (flat, Moments::AdamW(state.momentum))
        };
        self.state.insert(name.clone(), state);
        let mut tensor: Tensor<D> = flat.clone().reshape(dims);
        if dtype != DType::F32 {
            tensor = tensor.cast(dtype);
            self.originals.insert(name, flat);
        }
        if autodiff {
            tensor = tensor.autodiff();
        }
        if require_grad {
            tensor = tensor.require_grad();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "Burn's AdamW is configured in f32"
)]
fn adamw(plan: &OptimizerPlan, weight_decay: f64) -> AdamW {
    AdamWConfig::new()
        .with_beta_1(plan.betas[0] as f32)
        .with_beta_2(plan.betas[1] as f32)
        .with_epsilon(plan.eps as f32)
        .with_weight_decay(weight_decay as f32)
        .build()
}

/// One Muon step: Nesterov momentum, the orthogonal factor by Newton and Schulz, decoupled decay. Returns the flat parameter and
/// the velocity. Burn's own `Muon` keeps its velocity private, so that it cannot be written to a checkpoint by name.
fn muon_step<const D: usize>(
    rule: &Rule,
    momentum: f64,
    factor: f64,
    tensor: Tensor<D>,
    grad: Tensor<1>,
    velocity: Option<Tensor<1>>,
    [rows, columns]: [usize; 2],
) -> (Tensor<1>, Tensor<1>) {
    let velocity = match velocity {
        Some(before) => before.mul_scalar(momentum) + grad.clone(),
        None => grad.clone(),
    };
    let ahead = velocity.clone().mul_scalar(momentum) + grad;
    let update = orthogonal(ahead.reshape([rows, columns])).reshape([rows * columns]);
    #[expect(clippy::cast_precision_loss, reason = "sizes of a weight matrix")]
    let stretch = (rows as f64 / columns as f64).max(1.0).sqrt();
    let lr = rule.lr * factor;
    let flat = tensor
        .reshape([rows * columns])
        .mul_scalar(1.0 - lr * rule.weight_decay);
    (flat - update.mul_scalar(lr * stretch), velocity)
}

/// Roughly the nearest matrix with all singular values 1: five quintic Newton-Schulz steps with Jordan's coefficients.
fn orthogonal(matrix: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    let tall = rows > columns;
    let x = if tall { matrix.transpose() } else { matrix };
    let norm = x.clone().square().sum().sqrt().clamp_min(1e-7);
    let mut x = x / norm.unsqueeze();
    for _ in 0..5 {
        let gram = x.clone().matmul(x.clone().transpose());
        let poly = gram.clone().mul_scalar(-4.775) + gram.clone().matmul(gram).mul_scalar(2.0315);
        x = x.clone().mul_scalar(3.4445) + poly.matmul(x);
    }
    if tall { x.transpose() } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Distribution;

    fn plan(muon: bool) -> OptimizerPlan {
        OptimizerPlan {
            lr: 0.01,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip_norm: None,
            muon: muon.then_some(crate::recipe::MuonPlan {
                lr: 0.02,
                momentum: 0.95,
                weight_decay: 0.0,
            }),
            groups: Vec::new(),
        }
    }

    fn train(
        linear: Linear,
        optimizer: &mut Optimizer,
        plan: &OptimizerPlan,
        steps: u64,
        from: u64,
    ) -> Linear {
        let device = linear.weight.val().device();
        let mut linear = linear;
        for step in from..from + steps {
            device.seed(step);
            let x = Tensor::<2>::random([16, 6], Distribution::Normal(0.0, 1.0), &device);
            let loss = (linear.forward(x.clone()) - x).square().mean();
            let mut grads = NamedGradients::default();
            grads.add(
                &linear,
                GradientsParams::from_grads(loss.backward(), &linear),
                str::to_owned,
            );
            linear = optimizer.step(linear, grads, plan, 1.0, str::to_owned);
        }
        linear
    }

    fn values(linear: &Linear) -> Vec<f32> {
        linear.weight.val().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn resuming_from_tensors_is_bit_equal() {
        for muon in [false, true] {
            let device = Device::default().autodiff();
            device.seed(1);
            let start = LinearConfig::new(6, 6).init(&device);
            let plan = plan(muon);
            let mut optimizer = Optimizer::default();
            let unbroken = train(start.clone(), &mut optimizer, &plan, 6, 0);
            let mut optimizer = Optimizer::default();
            let half = train(start, &mut optimizer, &plan, 3, 0);
            let mut resumed =
                Optimizer::from_tensors(optimizer.tensors(), &Device::default()).unwrap();
            let resumed = train(half, &mut resumed, &plan, 3, 3);
            assert_eq!(values(&unbroken), values(&resumed), "muon {muon}");
        }
    }

    #[test]
    fn newton_schulz_brings_singular_values_near_one() {
        let device = Device::default();
        device.seed(3);
        let x = Tensor::<2>::random([4, 8], Distribution::Normal(0.0, 1.0), &device);
        let y = orthogonal(x);
        let gram = y
            .clone()
            .matmul(y.transpose())
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        for i in 0..4 {
            assert!((0.4..1.6).contains(&gram[i * 4 + i]), "{gram:?}");
        }
    }

    #[test]
    fn muon_takes_hidden_matrices_only() {
        let plan = plan(true);
        let is_muon = |name: &str, dims: &[usize]| rule(&plan, name, dims).muon.is_some();
        assert!(is_muon("model.layers.0.mlp.up_proj.weight", &[8, 4]));
        assert!(!is_muon("model.layers.0.input_layernorm.weight", &[8]));
        assert!(!is_muon("model.embed_tokens.weight", &[8, 4]));
        assert!(!is_muon("lm_head.weight", &[8, 4]));
        assert!(!is_muon(
            "model.vision_tower.vision_tower.vision_model.embeddings.position_embedding.weight",
            &[8, 4]
        ));
    }
}
