//! `CloudFormation`'s intrinsic functions, with the local stack's values for what a deployment would have made.

use crate::error::StackError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The region that ARNs and pseudo parameters name.
pub const REGION: &str = "local";
/// The account that ARNs, queue addresses and pseudo parameters name.
pub const ACCOUNT: &str = "000000000000";

/// What references resolve to.
pub struct Scope<'a> {
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, Value>,
    /// The template's `Conditions`.
    pub conditions: Option<&'a Map<String, Value>>,
    /// The template's `Mappings`.
    pub mappings: Option<&'a Map<String, Value>>,
    /// What `Ref` gives for each resource.
    pub refs: BTreeMap<String, String>,
    /// What `GetAtt` gives, by resource and attribute.
    pub attributes: BTreeMap<(String, String), String>,
}

fn unsupported(what: &str, value: &Value) -> StackError {
    StackError::new(format!("the template uses {what} in a way that the local stack does not understand: {value}"))
}

impl Scope<'_> {
    /// The value with every intrinsic function in it carried out. A property that is `AWS::NoValue` is left out.
    pub fn resolve(&self, value: &Value) -> Result<Value, StackError> {
        match value {
            Value::Object(object) => {
                if let Some((name, argument)) = object.iter().next()
                    && object.len() == 1
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.call(name, argument);
                }
                let mut resolved = Map::new();
                for (key, entry) in object {
                    if !is_no_value(entry) {
                        let entry = self.resolve(entry)?;
                        if !is_no_value(&entry) {
                            resolved.insert(key.clone(), entry);
                        }
                    }
                }
                Ok(Value::Object(resolved))
            }
            Value::Array(items) => {
                let resolved = items.iter().map(|item| self.resolve(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(resolved.into_iter().filter(|item| !is_no_value(item)).collect())
            }
            plain => Ok(plain.clone()),
        }
    }

    /// The value as text, as `Sub` and `Join` use it.
    pub fn text(&self, value: &Value) -> Result<String, StackError> {
        match self.resolve(value)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(unsupported("a text", &other)),
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Value, StackError> {
        match (name, argument) {
            ("Ref", Value::String(target)) => self.reference(target),
            ("Fn::GetAtt", Value::Array(path)) => match path.as_slice() {
                [Value::String(resource), Value::String(attribute)] => self.attribute(resource, attribute).map(Value::String),
                _ => Err(unsupported("GetAtt", argument)),
            },
            ("Fn::Sub", Value::String(template)) => self.substitute(template, &Map::new()).map(Value::String),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(template), Value::Object(names)] => self.substitute(template, names).map(Value::String),
                _ => Err(unsupported("Sub", argument)),
            },
            ("Fn::Join", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(separator), list] => Ok(Value::String(self.texts(list)?.join(separator))),
                _ => Err(unsupported("Join", argument)),
            },
            ("Fn::Select", Value::Array(parts)) => match parts.as_slice() {
                [index, list] => {
                    let index: usize = self.text(index)?.parse().map_err(|_| unsupported("Select", argument))?;
                    self.texts(list)?.get(index).cloned().map(Value::String).ok_or_else(|| unsupported("Select", argument))
                }
                _ => Err(unsupported("Select", argument)),
            },
            ("Fn::Split", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(separator), text] => {
                    Ok(self.text(text)?.split(separator.as_str()).map(|part| Value::String(part.to_owned())).collect())
                }
                _ => Err(unsupported("Split", argument)),
            },
            ("Fn::FindInMap", Value::Array(parts)) => match parts.as_slice() {
                [map, first, second] => self
                    .mappings
                    .and_then(|maps| maps.get(&self.text(map).ok()?)?.get(self.text(first).ok()?)?.get(self.text(second).ok()?))
                    .cloned()
                    .ok_or_else(|| unsupported("FindInMap", argument)),
                _ => Err(unsupported("FindInMap", argument)),
            },
            ("Fn::If", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(condition), yes, no] => self.resolve(if self.named_condition(condition)? { yes } else { no }),
                _ => Err(unsupported("If", argument)),
            },
            _ => Err(unsupported(name, argument)),
        }
    }

    fn texts(&self, list: &Value) -> Result<Vec<String>, StackError> {
        match self.resolve(list)? {
            Value::Array(items) => items.iter().map(|item| self.text(item)).collect(),
            // A parameter of a list type holds its items separated by commas.
            Value::String(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            other => Err(unsupported("a list", &other)),
        }
    }

    fn reference(&self, target: &str) -> Result<Value, StackError> {
        Ok(match target {
            "AWS::NoValue" => no_value(),
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => "simdock-local".into(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/simdock-local/local").into(),
            _ => match (self.parameters.get(target), self.refs.get(target)) {
                (Some(parameter), _) => parameter.clone(),
                (None, Some(resource)) => resource.clone().into(),
                (None, None) => {
                    return Err(StackError::new(format!("the template refers to {target}, which it does not declare")));
                }
            },
        })
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<String, StackError> {
        if let Some(value) = self.attributes.get(&(resource.to_owned(), attribute.to_owned())) {
            return Ok(value.clone());
        }
        Err(StackError::new(format!("the local stack knows no attribute {attribute} of {resource}")))
    }

    fn substitute(&self, template: &str, names: &Map<String, Value>) -> Result<String, StackError> {
        let mut result = String::new();
        let mut rest = template;
        while let Some((before, from)) = rest.split_once("${") {
            result.push_str(before);
            let (name, after) =
                from.split_once('}').ok_or_else(|| StackError::new(format!("Sub has an open bracket: {template}")))?;
            match (names.get(name), name.strip_prefix('!'), name.split_once('.')) {
                (Some(value), _, _) => result.push_str(&self.text(value)?),
                (None, Some(literal), _) => {
                    result.push_str("${");
                    result.push_str(literal);
                    result.push('}');
                }
                (None, None, Some((resource, attribute))) => result.push_str(&self.attribute(resource, attribute)?),
                (None, None, None) => result.push_str(&self.text(&self.reference(name)?)?),
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// Whether the condition of that name holds.
    pub fn named_condition(&self, name: &str) -> Result<bool, StackError> {
        let condition = self.conditions.and_then(|conditions| conditions.get(name));
        self.condition(condition.ok_or_else(|| StackError::new(format!("the template has no condition {name}")))?)
    }

    fn condition(&self, condition: &Value) -> Result<bool, StackError> {
        let all = |parts: &[Value]| parts.iter().map(|part| self.condition(part)).collect::<Result<Vec<_>, _>>();
        let (name, argument) =
            condition.as_object().and_then(|object| object.iter().next()).ok_or_else(|| unsupported("a condition", condition))?;
        match (name.as_str(), argument) {
            ("Condition", Value::String(name)) => self.named_condition(name),
            ("Fn::Equals", Value::Array(sides)) => match sides.as_slice() {
                [left, right] => Ok(self.text(left)? == self.text(right)?),
                _ => Err(unsupported("Equals", argument)),
            },
            ("Fn::Not", Value::Array(parts)) => Ok(!all(parts)?.contains(&true)),
            ("Fn::And", Value::Array(parts)) => Ok(!all(parts)?.contains(&false)),
            ("Fn::Or", Value::Array(parts)) => Ok(all(parts)?.contains(&true)),
            _ => Err(unsupported("a condition", condition)),
        }
    }
}

fn no_value() -> Value {
    serde_json::json!({ "Ref": "AWS::NoValue" })
}

fn is_no_value(value: &Value) -> bool {
    *value == no_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(value: &Value) -> Result<Value, StackError> {
        let conditions =
            json!({"Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}, "Idle": {"Fn::Not": [{"Condition": "Live"}]}});
        Scope {
            parameters: BTreeMap::from([("Stage".to_owned(), json!("test"))]),
            conditions: conditions.as_object(),
            mappings: None,
            refs: BTreeMap::from([("Table".to_owned(), "simdock-test-orders".to_owned())]),
            attributes: BTreeMap::from([(("Queue".to_owned(), "Arn".to_owned()), "arn:q".to_owned())]),
        }
        .resolve(value)
    }

    #[test]
    fn references_resolve_to_local_values() {
        let resolved = resolve(&json!({
            "a": {"Ref": "Table"},
            "b": {"Fn::GetAtt": ["Queue", "Arn"]},
            "c": {"Fn::Sub": "${Stage}/${Queue.Arn}/${AWS::Region}/${!literal}"},
            "d": {"Fn::Sub": ["${x}-${Stage}", {"x": {"Ref": "Table"}}]},
            "e": {"Fn::Join": ["-", ["a", {"Ref": "Stage"}, 3]]},
            "f": {"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]},
            "g": {"Fn::If": ["Idle", 1, 2]},
            "h": {"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]},
        }));
        assert_eq!(
            resolved.unwrap(),
            json!({"a": "simdock-test-orders", "b": "arn:q", "c": "test/arn:q/local/${literal}", "d": "simdock-test-orders-test", "e": "a-test-3", "g": 1, "h": "b"})
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (value, expected) in [
            (json!({"Ref": "Nothing"}), "Nothing"),
            (json!({"Fn::ImportValue": "shared-vpc"}), "Fn::ImportValue"),
            (json!({"Fn::GetAtt": ["Queue", "Colour"]}), "Colour"),
            (json!({"Fn::If": ["Unknown", 1, 2]}), "Unknown"),
        ] {
            assert!(resolve(&value).unwrap_err().to_string().contains(expected), "{value}");
        }
    }
}
