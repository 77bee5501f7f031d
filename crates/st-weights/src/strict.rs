//! Comparing what a folder holds with what a model needs.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::Dtype;

/// How many examples of each kind of difference a message names.
const EXAMPLES: usize = 5;

/// All differences between the tensors of a folder and those of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StrictReport {
    /// Names that the model needs and the folder lacks.
    pub missing: Vec<String>,
    /// Names that the folder has and the model does not know.
    pub unexpected: Vec<String>,
    /// Name, shape in the folder, shape in the model.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Name and element type of tensors that are not floating point.
    pub wrong_dtype: Vec<(String, Dtype)>,
}

impl StrictReport {
    /// Compares what is there (name, element type, shape) with what is needed (name, shape).
    pub fn compare<'a>(
        found: impl IntoIterator<Item = (&'a str, Dtype, &'a [usize])>,
        needed: &BTreeMap<String, Vec<usize>>,
    ) -> Self {
        let mut report = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        for (name, dtype, shape) in found {
            seen.insert(name);
            let Some(wanted) = needed.get(name) else {
                report.unexpected.push(name.to_owned());
                continue;
            };
            if shape != wanted.as_slice() {
                report
                    .misshapen
                    .push((name.to_owned(), shape.to_vec(), wanted.clone()));
            }
            if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                report.wrong_dtype.push((name.to_owned(), dtype));
            }
        }
        report.missing = needed
            .keys()
            .filter(|name| !seen.contains(name.as_str()))
            .cloned()
            .collect();
        report
    }

    /// Whether there is no difference.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Writes `label (count): a, b, … and n more`.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    first: &mut bool,
    label: &str,
    items: &[T],
    show: impl Fn(&T) -> String,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let examples: Vec<String> = items.iter().take(EXAMPLES).map(show).collect();
    write!(
        f,
        "{}{} {label}: {}",
        if *first { "" } else { "; " },
        items.len(),
        examples.join(", ")
    )?;
    if items.len() > EXAMPLES {
        write!(f, ", and {} more", items.len() - EXAMPLES)?;
    }
    *first = false;
    Ok(())
}

impl fmt::Display for StrictReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        list(f, &mut first, "missing", &self.missing, |name| {
            format!("`{name}`")
        })?;
        list(f, &mut first, "unexpected", &self.unexpected, |name| {
            format!("`{name}`")
        })?;
        list(
            f,
            &mut first,
            "of another shape",
            &self.misshapen,
            |(name, found, wanted)| format!("`{name}` is {found:?} where the model has {wanted:?}"),
        )?;
        list(
            f,
            &mut first,
            "of a dtype that is not F32, F16 or BF16",
            &self.wrong_dtype,
            |(name, dtype)| format!("`{name}` ({dtype})"),
        )?;
        if first {
            f.write_str("no difference")
        } else {
            Ok(())
        }
    }
}
