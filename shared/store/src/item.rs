//! Between records and DynamoDB's attribute maps.

use crate::StoreError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// A string attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
#[expect(clippy::needless_pass_by_value, reason = "callers hand in literals and sums")]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A record as an item.
pub fn to_item(record: &impl Serialize) -> Result<Item, StoreError> {
    Ok(serde_dynamo::to_item(record)?)
}

/// An item as a record; attributes that the record does not know are passed over.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// A number attribute's value; 0 where it is absent.
pub fn number_of(item: &Item, name: &str) -> Result<u64, StoreError> {
    match item.get(name) {
        None => Ok(0),
        Some(value) => value
            .as_n()
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| StoreError::Broken(format!("attribute {name} is not a whole number"))),
    }
}

/// A string attribute's value.
pub fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| StoreError::Broken(format!("attribute {name} is not a string")))
}
