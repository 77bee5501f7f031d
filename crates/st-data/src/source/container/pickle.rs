//! A reader of pickles that only builds plain values: lists, tuples, dictionaries, text, numbers, `None`, booleans.
//!
//! A pickle is a program. This reader knows the instructions that build plain data, of protocols 0 to 5, and refuses every
//! other one: it never imports, never calls and never makes an object. Values that are shared are copied, up to a limit, so
//! that a small file cannot become a huge value.

use serde_json::{Map, Number, Value};

/// Why bytes are no pickle of plain values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PickleError {
    /// The instruction would import or call something.
    #[error(
        "byte {at}: the pickle wants to {what}; only plain lists, dictionaries, text and numbers are read, nothing is run"
    )]
    Refused {
        /// Where.
        at: usize,
        /// What it would do.
        what: &'static str,
    },
    /// The instruction is none.
    #[error("byte {at}: {code:#04x} is no pickle instruction")]
    Unknown {
        /// Where.
        at: usize,
        /// The byte.
        code: u8,
    },
    /// The bytes end too early, or an instruction lacks what it works on.
    #[error("byte {at}: {what}")]
    Malformed {
        /// Where.
        at: usize,
        /// What is missing.
        what: &'static str,
    },
    /// The value contains itself, is nested too deep, or grows too large when shared parts are copied.
    #[error("the pickle's value is nested too deep or too large")]
    TooLarge,
}

/// Values may be nested this deep.
const DEPTH: usize = 64;
/// Shared parts may make the value this many times larger than what the file holds.
const GROWTH: usize = 64;

/// A value while it is built; containers refer to others by number.
#[derive(Clone, Debug)]
enum Node {
    Plain(Value),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
}

/// The value that a pickle holds.
pub(super) fn read(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: std::collections::HashMap::new(),
    };
    let root = machine.run()?;
    let mut left = machine
        .nodes
        .len()
        .saturating_mul(GROWTH)
        .saturating_add(1000);
    machine.build(root, DEPTH, &mut left)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: std::collections::HashMap<usize, usize>,
}

impl Machine<'_> {
    fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { at: self.at, what }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], PickleError> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(self.malformed("the pickle is cut off"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of `count` bytes, at most 8.
    fn length(&mut self, count: usize) -> Result<usize, PickleError> {
        let mut number = 0u64;
        for (place, &byte) in self.take(count)?.iter().enumerate() {
            number |= u64::from(byte) << (8 * place);
        }
        usize::try_from(number).map_err(|_| self.malformed("a length that no machine holds"))
    }

    /// A text argument up to the line end.
    fn line(&mut self) -> Result<&str, PickleError> {
        let rest = &self.bytes[self.at..];
        let malformed = self.malformed("a line without end, or not ASCII");
        let stop = memchr::memchr(b'\n', rest).ok_or(malformed.clone())?;
        self.at += stop + 1;
        std::str::from_utf8(&rest[..stop]).map_err(|_| malformed)
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn push_value(&mut self, value: Value) {
        self.push(Node::Plain(value));
    }

    fn pop(&mut self) -> Result<usize, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.malformed("an instruction without its value"));
        }
        self.stack
            .pop()
            .ok_or(self.malformed("an instruction without its value"))
    }

    fn pop_mark(&mut self) -> Result<Vec<usize>, PickleError> {
        let mark = self.marks.pop().ok_or(self.malformed("no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<usize, PickleError> {
        let last = self.stack.last().copied();
        last.ok_or(self.malformed("an instruction without its value"))
    }

    fn text(&mut self, count: usize) -> Result<(), PickleError> {
        let malformed = self.malformed("text that is not UTF-8");
        let text = std::str::from_utf8(self.take(count)?)
            .map_err(|_| malformed)?
            .to_owned();
        self.push_value(Value::String(text));
        Ok(())
    }

    /// Runs to STOP and gives the value's number.
    fn run(&mut self) -> Result<usize, PickleError> {
        loop {
            let at = self.at;
            let code = self.byte()?;
            if code == b'.' {
                return self.pop();
            }
            if !self.scalar(code)? && !self.container(code)? && !self.memo(code)? {
                return Err(match refused(code) {
                    Some(what) => PickleError::Refused { at, what },
                    None => PickleError::Unknown { at, code },
                });
            }
        }
    }

    /// Numbers and text.
    fn scalar(&mut self, code: u8) -> Result<bool, PickleError> {
        match code {
            0x80 => drop(self.byte()?),
            0x95 => drop(self.length(8)?),
            b'N' => self.push_value(Value::Null),
            0x88 => self.push_value(Value::Bool(true)),
            0x89 => self.push_value(Value::Bool(false)),
            b'K' => {
                let number = self.byte()?;
                self.push_value(number.into());
            }
            b'M' => {
                let number = self.length(2)?;
                self.push_value(number.into());
            }
            b'J' => {
                let bytes = self.take(4)?;
                let number = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                self.push_value(number.into());
            }
            0x8a => {
                let count = usize::from(self.byte()?);
                self.long(count)?;
            }
            0x8b => {
                let count = self.length(4)?;
                self.long(count)?;
            }
            b'I' | b'L' => self.written_number()?,
            b'F' => {
                let malformed = self.malformed("a number that is none");
                let number: Option<f64> = self.line()?.trim().parse().ok();
                self.float(number.ok_or(malformed)?)?;
            }
            b'G' => {
                let bytes = self.take(8)?;
                let mut eight = [0; 8];
                eight.copy_from_slice(bytes);
                self.float(f64::from_be_bytes(eight))?;
            }
            b'U' | b'C' | 0x8c => {
                let count = usize::from(self.byte()?);
                self.text(count)?;
            }
            b'T' | b'B' | b'X' => {
                let count = self.length(4)?;
                self.text(count)?;
            }
            0x8d | 0x8e => {
                let count = self.length(8)?;
                self.text(count)?;
            }
            b'S' => self.quoted()?,
            b'V' => self.escaped()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn float(&mut self, number: f64) -> Result<(), PickleError> {
        let number =
            Number::from_f64(number).ok_or(self.malformed("a number that is not finite"))?;
        self.push_value(Value::Number(number));
        Ok(())
    }

    fn long(&mut self, count: usize) -> Result<(), PickleError> {
        let malformed = self.malformed("a number beyond 64 bits");
        let bytes = self.take(count)?;
        if count > 8 {
            return Err(malformed);
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut eight = [if negative { 0xff } else { 0 }; 8];
        eight[..count].copy_from_slice(bytes);
        self.push_value(i64::from_le_bytes(eight).into());
        Ok(())
    }

    /// INT and LONG of protocol 0; `I01` and `I00` are booleans.
    fn written_number(&mut self) -> Result<(), PickleError> {
        let malformed = self.malformed("a number that is none");
        let text = self.line()?.trim().to_owned();
        let value = match text.as_str() {
            "01" => Value::Bool(true),
            "00" => Value::Bool(false),
            text => {
                let digits = text.strip_suffix('L').unwrap_or(text);
                digits.parse::<i64>().map_err(|_| malformed)?.into()
            }
        };
        self.push_value(value);
        Ok(())
    }

    /// STRING: a Python 2 string as Python writes it.
    fn quoted(&mut self) -> Result<(), PickleError> {
        let malformed = self.malformed("text that is none");
        let value = super::literal::literal(self.line()?.trim()).map_err(|_| malformed.clone())?;
        if !value.is_string() {
            return Err(malformed);
        }
        self.push_value(value);
        Ok(())
    }

    /// UNICODE: raw-unicode-escape up to the line end.
    fn escaped(&mut self) -> Result<(), PickleError> {
        let malformed = self.malformed("text that is none");
        let rest = &self.bytes[self.at..];
        let stop = memchr::memchr(b'\n', rest).ok_or(malformed.clone())?;
        let line = &rest[..stop];
        self.at += stop + 1;
        let mut text = String::new();
        let mut left = line;
        while let Some((&byte, after)) = left.split_first() {
            let digits = match (byte, after.first()) {
                (b'\\', Some(b'u')) => 4,
                (b'\\', Some(b'U')) => 8,
                _ => {
                    // Bytes above 0x7f are Latin-1.
                    text.push(char::from(byte));
                    left = after;
                    continue;
                }
            };
            let code = after
                .get(1..=digits)
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                .and_then(char::from_u32)
                .ok_or(malformed.clone())?;
            text.push(code);
            left = &after[1 + digits..];
        }
        self.push_value(Value::String(text));
        Ok(())
    }

    /// Lists, tuples, dictionaries.
    fn container(&mut self, code: u8) -> Result<bool, PickleError> {
        match code {
            b'(' => self.marks.push(self.stack.len()),
            b']' | b')' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'l' | b't' => {
                let items = self.pop_mark()?;
                self.push(Node::List(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..code {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Node::List(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                let entries = self.pairs(&items)?;
                self.push(Node::Dict(entries));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pairs(&self, items: &[usize]) -> Result<Vec<(usize, usize)>, PickleError> {
        if !items.len().is_multiple_of(2) {
            return Err(self.malformed("a key without a value"));
        }
        Ok(items
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }

    fn append(&mut self, items: &[usize]) -> Result<(), PickleError> {
        let malformed = self.malformed("append to what is no list");
        let list = self.top()?;
        match &mut self.nodes[list] {
            Node::List(list) => list.extend_from_slice(items),
            _ => return Err(malformed),
        }
        Ok(())
    }

    fn set(&mut self, items: &[usize]) -> Result<(), PickleError> {
        let pairs = self.pairs(items)?;
        let malformed = self.malformed("an entry for what is no dictionary");
        let dict = self.top()?;
        match &mut self.nodes[dict] {
            Node::Dict(entries) => entries.extend(pairs),
            _ => return Err(malformed),
        }
        Ok(())
    }

    /// The store of values that come again.
    fn memo(&mut self, code: u8) -> Result<bool, PickleError> {
        let malformed = self.malformed("a stored value that is not there");
        let number = match code {
            b'q' | b'h' => usize::from(self.byte()?),
            b'r' | b'j' => self.length(4)?,
            b'p' | b'g' => self.line()?.trim().parse().map_err(|_| malformed.clone())?,
            0x94 => self.memo.len(),
            _ => return Ok(false),
        };
        if matches!(code, b'h' | b'j' | b'g') {
            let node = *self.memo.get(&number).ok_or(malformed)?;
            self.stack.push(node);
        } else {
            let top = self.top()?;
            self.memo.insert(number, top);
        }
        Ok(true)
    }

    /// The JSON value of a node; `left` bounds how many nodes may be copied.
    fn build(&self, node: usize, depth: usize, left: &mut usize) -> Result<Value, PickleError> {
        if depth == 0 || *left == 0 {
            return Err(PickleError::TooLarge);
        }
        *left -= 1;
        Ok(match &self.nodes[node] {
            Node::Plain(value) => value.clone(),
            Node::List(items) => Value::Array(
                items
                    .iter()
                    .map(|&item| self.build(item, depth - 1, left))
                    .collect::<Result<_, _>>()?,
            ),
            Node::Dict(entries) => {
                let mut map = Map::new();
                for &(key, value) in entries {
                    let key = match self.build(key, depth - 1, left)? {
                        Value::String(key) => key,
                        other => other.to_string(),
                    };
                    map.insert(key, self.build(value, depth - 1, left)?);
                }
                Value::Object(map)
            }
        })
    }
}

/// What the instructions that are never followed would do.
const fn refused(code: u8) -> Option<&'static str> {
    match code {
        b'c' | 0x93 => Some("import something"),
        b'R' => Some("call something"),
        b'i' | b'o' | 0x81 | 0x92 => Some("make an object"),
        b'b' => Some("set an object's state"),
        b'P' | b'Q' => Some("fetch an object from elsewhere"),
        0x82..=0x84 => Some("use a registered extension"),
        0x8f..=0x91 => Some("make a set"),
        0x96 => Some("make a byte array"),
        0x97 | 0x98 => Some("use a buffer from elsewhere"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_protocol_gives_the_same_value() {
        // Python: pickle.dumps([{'a': [1, 2.5, None, True], 'b': (u'é', -3)}], protocol)
        let zero: &[u8] =
            b"(lp0\n(dp1\nVa\np2\n(lp3\nI1\naF2.5\naNaI01\nasVb\np4\n(V\xe9\np5\nI-3\ntp6\nsa.";
        let two: &[u8] = b"\x80\x02]q\x00}q\x01(X\x01\x00\x00\x00aq\x02]q\x03(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x04X\x02\x00\x00\x00\xc3\xa9q\x05J\xfd\xff\xff\xff\x86q\x06ua.";
        let four: &[u8] = b"\x80\x04\x95$\x00\x00\x00\x00\x00\x00\x00]\x94}\x94(\x8c\x01a\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88e\x8c\x01b\x94\x8c\x02\xc3\xa9\x94J\xfd\xff\xff\xff\x86\x94ua.";
        let expected = json!([{"a": [1, 2.5, null, true], "b": ["é", -3]}]);
        for bytes in [zero, two, four] {
            assert_eq!(read(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn a_pickle_that_calls_is_refused() {
        // os.system("true"), by import and call, by stack global, by instance, by object.
        let calls: [&[u8]; 6] = [
            b"cos\nsystem\n(S'true'\ntR.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
            b"(S'true'\nios\nsystem\n.",
            b"(cos\nsystem\nS'true'\no.",
            b"\x80\x02cos\nsystem\n)\x81.",
            b"\x80\x02P1\n.",
        ];
        for bytes in calls {
            let error = read(bytes).unwrap_err();
            assert!(matches!(error, PickleError::Refused { .. }), "{error}");
        }
    }

    #[test]
    fn a_value_that_holds_itself_or_grows_is_refused() {
        // a = []; a.append(a)
        assert_eq!(read(b"]q\x00h\x00a."), Err(PickleError::TooLarge));
        let mut bomb = b"]q\x00".to_vec();
        for number in 1..40 {
            bomb.extend(b"](h");
            bomb.push(number - 1);
            bomb.push(b'h');
            bomb.push(number - 1);
            bomb.extend([b'e', b'q', number]);
        }
        bomb.push(b'.');
        assert_eq!(read(&bomb), Err(PickleError::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
