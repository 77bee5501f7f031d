//! Parameters of a model by published name: out into checkpoints, and back.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use st_model::model::LlavaSt;
use st_model::weights::published_name;

use crate::checkpoint::Tensors;

/// Values of the parameters that `wanted` names.
#[must_use]
pub fn tensors(model: &LlavaSt, wanted: &dyn Fn(&str) -> bool) -> Tensors {
    let mut visitor = Read {
        path: Vec::new(),
        wanted,
        tensors: Tensors::new(),
    };
    model.visit(&mut visitor);
    visitor.tensors
}

struct Read<'a> {
    path: Vec<String>,
    wanted: &'a dyn Fn(&str) -> bool,
    tensors: Tensors,
}

impl ModuleVisitor for Read<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = published_name(&self.path.join("."));
        if (self.wanted)(&name) {
            self.tensors.insert(name, param.base().into_data());
        }
    }
}

/// Puts values into parameters; those without a value stay.
///
/// # Errors
/// The first tensor that has no parameter or another shape.
pub fn load(model: LlavaSt, mut tensors: Tensors) -> Result<LlavaSt, String> {
    let known = model.named_parameters();
    for (name, data) in &tensors {
        match known.iter().find(|p| p.name == *name) {
            None => return Err(format!("the model has no parameter {name}")),
            Some(p) if p.shape != data.shape().to_vec() => {
                return Err(format!(
                    "{name} is {:?} there and {:?} in the model",
                    data.shape(),
                    p.shape
                ));
            }
            Some(_) => {}
        }
    }
    Ok(model.map_values(&mut |name, _| tensors.remove(name)))
}
