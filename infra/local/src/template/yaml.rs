//! A template's YAML as the JSON that `CloudFormation` reads too: short tags become their long form, `!Ref x` is `{"Ref": "x"}`.

use crate::error::{Context, StackError};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads one YAML document.
pub fn parse(text: &str) -> Result<Value, StackError> {
    let documents = Yaml::load_from_str(text).context("the template is not YAML")?;
    match documents.as_slice() {
        [document] => value(document),
        _ => Err(StackError::new(format!("the template holds {} YAML documents instead of one", documents.len()))),
    }
}

fn value(node: &Yaml<'_>) -> Result<Value, StackError> {
    match node {
        Yaml::Value(scalar) => Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(flag) => json!(flag),
            Scalar::Integer(number) => json!(number),
            Scalar::FloatingPoint(number) => json!(number.into_inner()),
            Scalar::String(text) => json!(text),
        }),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, entry) in entries {
                let key = match value(key)? {
                    Value::String(key) => key,
                    Value::Number(key) => key.to_string(),
                    other => return Err(StackError::new(format!("the template has the key {other}, which is no text"))),
                };
                object.insert(key, value(entry)?);
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tag, inner) => {
            let inner = value(inner)?;
            match (tag.suffix.as_str(), inner) {
                (name @ ("Ref" | "Condition"), inner) => Ok(json!({ name: inner })),
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) =
                        path.split_once('.').ok_or_else(|| StackError::new(format!("!GetAtt {path} names no attribute")))?;
                    Ok(json!({ "Fn::GetAtt": [resource, attribute] }))
                }
                (name, inner) => Ok(json!({ format!("Fn::{name}"): inner })),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            Err(StackError::new("the template uses a YAML feature that CloudFormation does not know"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_their_long_form() {
        let parsed = parse(
            "A: !Ref Table\nB: !GetAtt Queue.Arn\nC: !Sub 'x-${Stage}'\nD: !Join ['-', [a, !Ref B]]\nE: !If [Live, 1, !Ref AWS::NoValue]\nF: !Not [!Condition Live]\n",
        )
        .unwrap();
        assert_eq!(
            parsed,
            json!({
                "A": {"Ref": "Table"},
                "B": {"Fn::GetAtt": ["Queue", "Arn"]},
                "C": {"Fn::Sub": "x-${Stage}"},
                "D": {"Fn::Join": ["-", ["a", {"Ref": "B"}]]},
                "E": {"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]},
                "F": {"Fn::Not": [{"Condition": "Live"}]},
            })
        );
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        assert!(parse("a: [").is_err());
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
    }
}
