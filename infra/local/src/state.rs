//! What the stack itself has to remember, as JSON in one more table of the same file: queued messages, mails, positions in
//! streams, what the sandboxes did.

use crate::engine::request;
use crate::error::{Context, StackError};
use crate::template::TableSpec;
use dynoxide::actions::transact_write_items::{TransactDelete, TransactPut, TransactWriteItem, TransactWriteItemsRequest};
use dynoxide::{AttributeValue, Database, Item};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::HashMap;

const TABLE: &str = "simdock-local-stack";

/// The stack's own table.
#[derive(Clone)]
pub struct State {
    database: Database,
}

/// One change of the state.
pub enum Change {
    /// Sets the value of `(kind, id)`.
    Put(String, String, String),
    /// Removes `(kind, id)`.
    Delete(String, String),
}

impl Change {
    /// Sets a value.
    pub fn put(kind: impl Into<String>, id: impl Into<String>, value: &impl Serialize) -> Result<Self, StackError> {
        Ok(Self::Put(kind.into(), id.into(), serde_json::to_string(value).context("state")?))
    }

    /// Removes a value.
    pub fn delete(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self::Delete(kind.into(), id.into())
    }
}

fn key(kind: &str, id: &str) -> Item {
    HashMap::from([("kind".to_owned(), AttributeValue::S(kind.to_owned())), ("id".to_owned(), AttributeValue::S(id.to_owned()))])
}

fn value<T: DeserializeOwned>(item: &Item) -> Result<T, StackError> {
    match item.get("json") {
        Some(AttributeValue::S(json)) => serde_json::from_str(json).context("state"),
        _ => Err(StackError::new("the stack's own table holds something that it did not write")),
    }
}

impl State {
    /// The table to create.
    pub fn table() -> TableSpec {
        let create = json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}, {"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        });
        TableSpec { name: TABLE.to_owned(), create, streamed: false }
    }

    /// The state in a database that has the table.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes up to 100 changes, all or none. They are in the file when this returns.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), StackError> {
        if changes.is_empty() {
            return Ok(());
        }
        let transact_items = changes
            .into_iter()
            .map(|change| match change {
                Change::Put(kind, id, json) => {
                    let mut item = key(&kind, &id);
                    item.insert("json".to_owned(), AttributeValue::S(json));
                    let put = TransactPut { table_name: TABLE.to_owned(), item, ..TransactPut::default() };
                    TransactWriteItem { put: Some(put), ..TransactWriteItem::default() }
                }
                Change::Delete(kind, id) => {
                    let delete =
                        TransactDelete { table_name: TABLE.to_owned(), key: key(&kind, &id), ..TransactDelete::default() };
                    TransactWriteItem { delete: Some(delete), ..TransactWriteItem::default() }
                }
            })
            .collect();
        let request = TransactWriteItemsRequest { transact_items, ..TransactWriteItemsRequest::default() };
        self.blocking(move |database| database.transact_write_items(request).map(|_| ())).await
    }

    /// One value.
    pub async fn get<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, StackError> {
        let request =
            request(json!({"TableName": TABLE, "Key": {"kind": {"S": kind}, "id": {"S": id}}, "ConsistentRead": true}))?;
        let found = self.blocking(move |database| database.get_item(request)).await?;
        found.item.as_ref().map(value).transpose()
    }

    /// Every value of a kind with its id, by id.
    pub async fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StackError> {
        let mut values = Vec::new();
        let mut start = None;
        loop {
            let mut query = json!({
                "TableName": TABLE,
                "KeyConditionExpression": "kind = :kind",
                "ExpressionAttributeValues": {":kind": {"S": kind}},
            });
            if let Some(key) = start.take() {
                query["ExclusiveStartKey"] = key;
            }
            let query = request(query)?;
            let page = self.blocking(move |database| database.query(query)).await?;
            for item in page.items.unwrap_or_default() {
                let Some(AttributeValue::S(id)) = item.get("id") else { continue };
                values.push((id.clone(), value(&item)?));
            }
            match page.last_evaluated_key {
                Some(key) => start = Some(serde_json::to_value(key).context("state")?),
                None => return Ok(values),
            }
        }
    }

    /// Work on the engine, away from the threads that serve.
    pub(crate) async fn blocking<T, W>(&self, work: W) -> Result<T, StackError>
    where
        T: Send + 'static,
        W: FnOnce(&Database) -> dynoxide::Result<T> + Send + 'static,
    {
        let database = self.database.clone();
        let result = tokio::task::spawn_blocking(move || work(&database)).await.context("the DynamoDB engine")?;
        result.context("the DynamoDB engine")
    }
}
