//! XML as JSON values: an element is a string when it holds only text, else an object of lists by child name.

use serde_json::{Map, Value};

/// Elements may be nested this deep.
const DEPTH: usize = 64;

/// The document's root element.
pub(super) fn document(text: &str) -> Result<Value, String> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 1 << 20,
    };
    let document = roxmltree::Document::parse_with_options(text, options)
        .map_err(|error| format!("not XML: {error}"))?;
    element(document.root_element(), DEPTH)
}

fn element(node: roxmltree::Node<'_, '_>, depth: usize) -> Result<Value, String> {
    if depth == 0 {
        return Err("elements are nested too deep".into());
    }
    let mut children: Map<String, Value> = Map::new();
    for child in node.children().filter(roxmltree::Node::is_element) {
        let value = element(child, depth - 1)?;
        let list = children
            .entry(child.tag_name().name())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(value);
        }
    }
    if children.is_empty() {
        Ok(Value::String(
            node.text().unwrap_or_default().trim().to_owned(),
        ))
    } else {
        Ok(Value::Object(children))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_lists() {
        let text = "<a><b>1</b><b> 2 </b><c><d/></c></a>";
        let expected = serde_json::json!({"b": ["1", "2"], "c": [{"d": [""]}]});
        assert_eq!(document(text).unwrap(), expected);
        assert!(document("<a>").is_err());
        let deep = "<a>".repeat(80) + &"</a>".repeat(80);
        assert!(document(&deep).is_err());
        let bomb = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
        assert!(document(bomb).is_err());
    }
}
