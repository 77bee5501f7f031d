//! The part of Python's pickle that a saved state dictionary needs, and nothing that could run code.
//!
//! `torch.save` writes a pickle program. A full unpickler imports and calls whatever the program names; this one knows
//! a fixed list of names, gives each a fixed meaning, and refuses everything else by name. It calls nothing.

use std::rc::Rc;

use safetensors::Dtype;

/// Nesting deeper than this is refused; a state dictionary needs four.
const MAX_DEPTH: u8 = 32;

/// Why a `PyTorch` file was refused.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The file is not the zip archive that `torch.save` has written since `PyTorch` 1.6.
    #[error("not a PyTorch zip archive ({0}); files of PyTorch before 1.6 have to be saved again")]
    NotZip(String),
    /// The archive lacks an entry, or has it compressed.
    #[error("archive entry `{name}`: {fault}")]
    Entry {
        /// The entry.
        name: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// The pickle ends early or contradicts itself.
    #[error("damaged pickle at byte {at}: {fault}")]
    Damaged {
        /// Offset in the pickle.
        at: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// An instruction that no state dictionary needs.
    #[error("pickle instruction {opcode:#04x} at byte {at} is not on the list of allowed ones")]
    Opcode {
        /// Offset in the pickle.
        at: usize,
        /// The instruction.
        opcode: u8,
    },
    /// A Python name that is not on the list.
    #[error(
        "the pickle asks for Python's `{name}`, which is not on the list of allowed names: nothing was run"
    )]
    Forbidden {
        /// Module and name.
        name: String,
    },
    /// The file holds something other than a dictionary of tensors.
    #[error("`{name}` is not a tensor")]
    NotTensor {
        /// Key in the dictionary, or what was found instead of one.
        name: String,
    },
    /// A tensor reaches outside its storage, or has an impossible shape.
    #[error("tensor `{name}` reaches outside its storage `{storage}`")]
    Bounds {
        /// The tensor.
        name: String,
        /// The storage.
        storage: String,
    },
}

/// The Python names that may stand in the pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", storage) => Self::Storage(match storage {
                "FloatStorage" => Dtype::F32,
                "HalfStorage" => Dtype::F16,
                "BFloat16Storage" => Dtype::BF16,
                "DoubleStorage" => Dtype::F64,
                "LongStorage" => Dtype::I64,
                "IntStorage" => Dtype::I32,
                "ShortStorage" => Dtype::I16,
                "CharStorage" => Dtype::I8,
                "ByteStorage" => Dtype::U8,
                "BoolStorage" => Dtype::BOOL,
                _ => return None,
            }),
            _ => return None,
        })
    }
}

/// A tensor as the pickle describes it: a window on a storage. Sizes in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PickledTensor {
    pub(crate) dtype: Dtype,
    pub(crate) storage: String,
    pub(crate) storage_len: usize,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) stride: Vec<usize>,
}

/// A Python value, as far as it can occur.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    Global(Global),
    Tuple(u8, Rc<Vec<Value>>),
    List(u8, Vec<Value>),
    Dict(u8, Vec<(Value, Value)>),
    Storage(Dtype, Rc<str>, usize),
    Tensor(Rc<PickledTensor>),
}

impl Value {
    fn depth(&self) -> u8 {
        match self {
            Self::Tuple(depth, _) | Self::List(depth, _) | Self::Dict(depth, _) => *depth,
            _ => 0,
        }
    }

    fn usize(&self) -> Option<usize> {
        if let Self::Int(value) = self {
            usize::try_from(*value).ok()
        } else {
            None
        }
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        let Self::Tuple(_, items) = self else {
            return None;
        };
        items.iter().map(Self::usize).collect()
    }
}

/// Runs a pickle and returns the entries of the dictionary that it makes.
pub(crate) fn read_state_dict(
    pickle: &[u8],
) -> Result<Vec<(String, Rc<PickledTensor>)>, PickleError> {
    let Value::Dict(_, items) = Machine::new(pickle).run()? else {
        return Err(PickleError::NotTensor {
            name: "the whole file".to_owned(),
        });
    };
    items
        .into_iter()
        .map(|(key, value)| match (key, value) {
            (Value::Text(name), Value::Tensor(tensor)) => Ok((name.to_string(), tensor)),
            (Value::Text(name), _) => Err(PickleError::NotTensor {
                name: name.to_string(),
            }),
            _ => Err(PickleError::NotTensor {
                name: "an entry without a name".to_owned(),
            }),
        })
        .collect()
}

/// The pickle machine: a stack, marks into it, and numbered notes.
struct Machine<'a> {
    program: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: std::collections::HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    fn new(program: &'a [u8]) -> Self {
        Self {
            program,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: std::collections::HashMap::new(),
        }
    }

    fn damaged(&self, fault: &'static str) -> PickleError {
        PickleError::Damaged { at: self.at, fault }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let end = self
            .at
            .checked_add(count)
            .ok_or_else(|| self.damaged("length overflows"))?;
        let bytes = self
            .program
            .get(self.at..end)
            .ok_or_else(|| self.damaged("ends early"))?;
        self.at = end;
        Ok(bytes)
    }

    /// An unsigned little-endian number of one to four bytes.
    fn number(&mut self, bytes: usize) -> Result<u32, PickleError> {
        Ok(self
            .bytes(bytes)?
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn text(&mut self, count: usize) -> Result<&'a str, PickleError> {
        let bytes = self.bytes(count)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("text is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = &self.program[self.at..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| self.damaged("ends early"))?;
        let line = self.text(end)?;
        self.at += 1;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.damaged("takes from an empty stack"));
        }
        self.stack
            .pop()
            .ok_or_else(|| self.damaged("takes from an empty stack"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn depth_over(&self, items: &[Value]) -> Result<u8, PickleError> {
        let depth = items.iter().map(Value::depth).max().unwrap_or(0) + 1;
        if depth > MAX_DEPTH {
            Err(self.damaged("nested too deep"))
        } else {
            Ok(depth)
        }
    }

    fn push_tuple(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        let depth = self.depth_over(&items)?;
        self.stack.push(Value::Tuple(depth, Rc::new(items)));
        Ok(())
    }

    fn push_popped_tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let mut items = (0..count)
            .map(|_| self.pop())
            .collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push_tuple(items)
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let global = Global::find(module, name).ok_or_else(|| PickleError::Forbidden {
            name: format!("{module}.{name}"),
        })?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn run(mut self) -> Result<Value, PickleError> {
        loop {
            let at = self.at;
            let opcode = self.bytes(1)?[0];
            if opcode == b'.' {
                return self.pop();
            }
            if !(self.constant(opcode)? || self.container(opcode)? || self.named(opcode)?) {
                return Err(PickleError::Opcode { at, opcode });
            }
        }
    }

    /// Instructions that push a constant or do nothing.
    fn constant(&mut self, opcode: u8) -> Result<bool, PickleError> {
        let value = match opcode {
            0x80 => {
                self.bytes(1)?;
                return Ok(true);
            }
            0x95 => {
                self.bytes(8)?;
                return Ok(true);
            }
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'J' => Value::Int(i64::from(self.number(4)?.cast_signed())),
            b'K' => Value::Int(i64::from(self.number(1)?)),
            b'M' => Value::Int(i64::from(self.number(2)?)),
            0x8a => self.long()?,
            b'G' => {
                self.bytes(8)?;
                Value::Float
            }
            b'X' => {
                let count = self.number(4)? as usize;
                Value::Text(self.text(count)?.into())
            }
            0x8c => {
                let count = self.number(1)? as usize;
                Value::Text(self.text(count)?.into())
            }
            _ => return Ok(false),
        };
        self.stack.push(value);
        Ok(true)
    }

    /// `LONG1`: a signed little-endian number of up to eight bytes.
    fn long(&mut self) -> Result<Value, PickleError> {
        let count = self.number(1)? as usize;
        let bytes = self.bytes(count)?;
        let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide.get_mut(..count)
            .ok_or_else(|| self.damaged("number is too large"))?
            .copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    /// Instructions for tuples, lists, dictionaries and notes.
    fn container(&mut self, opcode: u8) -> Result<bool, PickleError> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.push_tuple(Vec::new())?,
            0x85..=0x87 => self.push_popped_tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let items = self.pop_mark()?;
                self.push_tuple(items)?;
            }
            b']' => self.stack.push(Value::List(1, Vec::new())),
            b'}' => self.stack.push(Value::Dict(1, Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend_list(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.extend_dict(items)?;
            }
            b'q' => self.note(1)?,
            b'r' => self.note(4)?,
            0x94 => self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn extend_list(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        let added = self.depth_over(&items)?;
        let at = self.at;
        match self.stack.last_mut() {
            Some(Value::List(depth, list)) => {
                *depth = (*depth).max(added);
                list.extend(items);
                Ok(())
            }
            _ => Err(PickleError::Damaged {
                at,
                fault: "appends to something that is no list",
            }),
        }
    }

    fn extend_dict(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        let added = self.depth_over(&items)?;
        let at = self.at;
        let even = items.len().is_multiple_of(2);
        match self.stack.last_mut() {
            Some(Value::Dict(depth, dict)) if even => {
                *depth = (*depth).max(added);
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    dict.push((key, value));
                }
                Ok(())
            }
            _ => Err(PickleError::Damaged {
                at,
                fault: "sets items of something that is no dictionary",
            }),
        }
    }

    fn note(&mut self, bytes: usize) -> Result<(), PickleError> {
        let number = self.number(bytes)?;
        self.remember(number)
    }

    fn remember(&mut self, number: u32) -> Result<(), PickleError> {
        let value = self
            .stack
            .last()
            .cloned()
            .ok_or_else(|| self.damaged("notes an empty stack"))?;
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), PickleError> {
        let number = self.number(bytes)?;
        match self.memo.get(&number) {
            // A container may have grown since it was noted, and sharing one has no use in a state dictionary.
            Some(Value::List(..) | Value::Dict(..)) => {
                Err(self.damaged("a shared list or dictionary"))
            }
            Some(value) => {
                self.stack.push(value.clone());
                Ok(())
            }
            None => Err(self.damaged("recalls what was never noted")),
        }
    }

    /// Instructions that name something of Python's, or use it.
    fn named(&mut self, opcode: u8) -> Result<bool, PickleError> {
        match opcode {
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push_global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err(self.damaged("a name that is no text"));
                };
                self.push_global(&module, &name)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(&id)?;
                self.stack.push(storage);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.reduce(&function, &arguments)?;
                self.stack.push(value);
            }
            b'b' => {
                // `OrderedDict` carries `_metadata`, which says nothing about the tensors.
                self.pop()?;
                if !matches!(self.stack.last(), Some(Value::Dict(..))) {
                    return Err(self.damaged("sets the state of something that is no dictionary"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `('storage', FloatStorage, key, location, elements)`.
    fn storage(&self, id: &Value) -> Result<Value, PickleError> {
        if let Value::Tuple(_, items) = id
            && let [
                Value::Text(kind),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                _,
                len,
            ] = &items[..]
            && &**kind == "storage"
            && let Some(len) = len.usize()
        {
            return Ok(Value::Storage(*dtype, key.clone(), len));
        }
        Err(self.damaged("not the name of a storage"))
    }

    fn reduce(&self, function: &Value, arguments: &Value) -> Result<Value, PickleError> {
        let (Value::Global(global), Value::Tuple(_, arguments)) = (function, arguments) else {
            return Err(self.damaged("calls something that is no function"));
        };
        match (global, &arguments[..]) {
            (Global::OrderedDict, []) => Ok(Value::Dict(1, Vec::new())),
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            (
                Global::RebuildTensor,
                [
                    Value::Storage(dtype, key, storage_len),
                    offset,
                    shape,
                    stride,
                    ..,
                ],
            ) => {
                let (offset, shape, stride) = (offset.usize(), shape.sizes(), stride.sizes());
                let (Some(offset), Some(shape), Some(stride)) = (offset, shape, stride) else {
                    return Err(self.damaged("a tensor of impossible shape"));
                };
                if shape.len() != stride.len() {
                    return Err(self.damaged("a tensor with more strides than sizes, or fewer"));
                }
                let (dtype, storage, storage_len) = (*dtype, key.to_string(), *storage_len);
                Ok(Value::Tensor(Rc::new(PickledTensor {
                    dtype,
                    storage,
                    storage_len,
                    offset,
                    shape,
                    stride,
                })))
            }
            _ => Err(self.damaged("a call with other arguments than expected")),
        }
    }
}
