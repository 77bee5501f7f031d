//! Python literals in table cells: lists, tuples, dictionaries, strings, numbers, `True`, `False`, `None`. Nothing is run.

use serde_json::{Map, Number, Value};

/// Brackets may be nested this deep.
const DEPTH: usize = 32;

/// The value of a Python literal.
///
/// # Errors
/// When the text is no literal; says what was met at which byte.
///
/// ```
/// let value = st_data::source::literal("[('a', \"it's\"), None, 1.5]")?;
/// assert_eq!(value, serde_json::json!([["a", "it's"], null, 1.5]));
/// # Ok::<(), String>(())
/// ```
pub fn literal(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(DEPTH)?;
    parser.space();
    if parser.at == text.len() {
        Ok(value)
    } else {
        Err(parser.wrong("the end"))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn wrong(&self, wanted: &str) -> String {
        let met: String = self.rest().chars().take(12).collect();
        format!(
            "no Python literal: {wanted} expected at byte {}, found `{met}`",
            self.at
        )
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.space();
        if depth == 0 {
            return Err(self.wrong("less nesting"));
        }
        match self.peek() {
            Some('[') => self.sequence(']', depth),
            Some('(') => self.sequence(')', depth),
            Some('{') => self.dictionary(depth),
            Some('\'' | '"') => self.string().map(Value::String),
            Some('-' | '+' | '.' | '0'..='9') => self.number(),
            _ => self.word(),
        }
    }

    fn sequence(&mut self, close: char, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(close) {
                return Ok(Value::Array(items));
            }
            items.push(self.value(depth - 1)?);
            self.space();
            if !self.eat(',') && self.peek() != Some(close) {
                return Err(self.wrong("`,` or the closing bracket"));
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = Map::new();
        loop {
            self.space();
            if self.eat('}') {
                return Ok(Value::Object(entries));
            }
            let key = match self.value(depth - 1)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            self.space();
            if !self.eat(':') {
                return Err(self.wrong("`:`"));
            }
            let value = self.value(depth - 1)?;
            entries.insert(key, value);
            self.space();
            if !self.eat(',') && self.peek() != Some('}') {
                return Err(self.wrong("`,` or `}`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.peek().ok_or_else(|| self.wrong("a string"))?;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(next) = self.peek() else {
                return Err(self.wrong("a closing quote"));
            };
            self.at += next.len_utf8();
            match next {
                _ if next == quote => return Ok(text),
                '\\' => text.push(self.escape()?),
                _ => text.push(next),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let next = self.peek().ok_or_else(|| self.wrong("an escape"))?;
        self.at += next.len_utf8();
        let digits = match next {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            '\\' | '\'' | '"' => return Ok(next),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(self.wrong("a known escape")),
        };
        let code = self
            .rest()
            .get(..digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32)
            .ok_or_else(|| self.wrong("hexadecimal digits"))?;
        self.at += digits;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E' | '_'))
            .unwrap_or(rest.len());
        let token = rest[..length].replace('_', "");
        let number = if let Ok(whole) = token.parse::<i64>() {
            Number::from(whole)
        } else {
            token
                .parse::<f64>()
                .ok()
                .and_then(Number::from_f64)
                .ok_or_else(|| self.wrong("a number"))?
        };
        self.at += length;
        Ok(Value::Number(number))
    }

    fn word(&mut self) -> Result<Value, String> {
        let words = [
            ("None", Value::Null),
            ("True", Value::Bool(true)),
            ("False", Value::Bool(false)),
        ];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("a value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("[]", json!([])),
            (
                "['a', \"b'c\", 'd\\'e', 'f\\x41\\u00e9']",
                json!(["a", "b'c", "d'e", "fAé"]),
            ),
            ("(1, -2.5, 1e3,)", json!([1, -2.5, 1000.0])),
            (
                "{'a': [True, False, None]}",
                json!({"a": [true, false, null]}),
            ),
            (" 12 ", json!(12)),
        ] {
            assert_eq!(literal(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        for text in [
            "",
            "[",
            "[1",
            "[1 2]",
            "'a",
            "a",
            "__import__('os')",
            "[1]]",
            "{1}",
            "'\\q'",
            "1+1",
            "nan",
        ] {
            assert!(literal(text).is_err(), "{text}");
        }
        assert!(literal(&"[".repeat(100_000)).is_err());
    }
}
