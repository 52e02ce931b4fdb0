//! The size of an item by the rules that `DynamoDB` bills and limits by ("DynamoDB item sizes and formats" in its developer
//! guide): names and texts in UTF-8, a number by its significant digits, and an overhead for each list, map and element.

use serde_json::Value;

/// Bytes of an item in `DynamoDB`'s JSON.
pub fn item_size(item: &Value) -> usize {
    item.as_object().into_iter().flatten().map(|(name, value)| name.len() + value_size(value)).sum()
}

/// Bytes of one attribute's value, its name not counted.
pub fn value_size(value: &Value) -> usize {
    let (kind, content) = value.as_object().and_then(|value| value.iter().next()).expect("an attribute's value");
    match (kind.as_str(), content) {
        ("S", Value::String(text)) => text.len(),
        ("N", Value::String(digits)) => number_size(digits),
        ("BOOL" | "NULL", _) => 1,
        ("L", Value::Array(elements)) => 3 + elements.iter().map(|element| 1 + value_size(element)).sum::<usize>(),
        ("M", Value::Object(entries)) => {
            3 + entries.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => panic!("no size known for {kind}"),
    }
}

/// One byte per two significant digits, one more, and another below zero. Zeros at either end are trimmed.
fn number_size(digits: &str) -> usize {
    let significant = digits.trim_start_matches('-').trim_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(digits.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_follow_the_rules() {
        assert_eq!(item_size(&json!({ "a": { "S": "ñ" }, "bc": { "N": "1795343400" } })), 1 + 2 + 2 + 5);
        assert_eq!(value_size(&json!({ "N": "-1450" })), 4);
        assert_eq!(value_size(&json!({ "N": "0" })), 1);
        assert_eq!(value_size(&json!({ "L": [{ "BOOL": true }, { "M": { "x": { "S": "yz" } } }] })), 3 + 2 + 1 + 3 + 1 + 1 + 2);
    }
}
