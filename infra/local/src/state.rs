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
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TABLE: &str = "simdock-local-stack";

/// The stack's own table.
#[derive(Clone)]
pub struct State {
    database: Database,
    /// Where it is kept instead if it ends with the process anyway: each change would be one more transaction of the engine, for nobody.
    memory: Option<Arc<Mutex<Values>>>,
}

/// JSON by kind and id.
type Values = BTreeMap<(String, String), String>;

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

fn locked(memory: &Mutex<Values>) -> MutexGuard<'_, Values> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
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
        Self { database, memory: None }
    }

    /// A state that lasts as long as this process, beside a database that does not last longer.
    pub fn in_memory(database: Database) -> Self {
        Self { database, memory: Some(Arc::default()) }
    }

    /// Makes up to 100 changes, all or none. They are in the file when this returns.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), StackError> {
        if let Some(memory) = &self.memory {
            let mut values = locked(memory);
            for change in changes {
                match change {
                    Change::Put(kind, id, json) => drop(values.insert((kind, id), json)),
                    Change::Delete(kind, id) => drop(values.remove(&(kind, id))),
                }
            }
            return Ok(());
        }
        let transact_items: Vec<_> = changes
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
        if transact_items.is_empty() {
            return Ok(());
        }
        let request = TransactWriteItemsRequest { transact_items, ..TransactWriteItemsRequest::default() };
        self.blocking(move |database| database.transact_write_items(request).map(|_| ())).await
    }

    /// One value.
    pub async fn get<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, StackError> {
        if let Some(memory) = &self.memory {
            let found = locked(memory).get(&(kind.to_owned(), id.to_owned())).cloned();
            return found.map(|json| serde_json::from_str(&json).context("state")).transpose();
        }
        let request =
            request(json!({"TableName": TABLE, "Key": {"kind": {"S": kind}, "id": {"S": id}}, "ConsistentRead": true}))?;
        let found = self.blocking(move |database| database.get_item(request)).await?;
        found.item.as_ref().map(value).transpose()
    }

    /// Every value of a kind with its id, by id.
    pub async fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StackError> {
        let mut values = Vec::new();
        if let Some(memory) = &self.memory {
            for ((_, id), json) in locked(memory).range((kind.to_owned(), String::new())..).take_while(|((of, _), _)| of == kind)
            {
                values.push((id.clone(), serde_json::from_str(json).context("state")?));
            }
            return Ok(values);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[tokio::test]
    async fn both_ways_of_keeping_it_answer_alike() {
        let engine = Engine::start(None, &[State::table()]).unwrap();
        for state in [State::new(engine.database()), State::in_memory(engine.database())] {
            let put = |kind: &str, id: &str, value: u32| Change::put(kind, id, &value).unwrap();
            state.write(vec![]).await.unwrap();
            state.write(vec![put("b", "2", 2), put("b", "1", 1), put("a", "3", 3), put("bb", "4", 4)]).await.unwrap();
            state.write(vec![put("b", "2", 20), Change::delete("a", "3")]).await.unwrap();
            assert_eq!(state.all::<u32>("b").await.unwrap(), [("1".to_owned(), 1), ("2".to_owned(), 20)]);
            assert_eq!((state.get::<u32>("b", "2").await.unwrap(), state.get::<u32>("a", "3").await.unwrap()), (Some(20), None));
        }
    }
}
