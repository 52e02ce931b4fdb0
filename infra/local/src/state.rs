//! What the stack itself has to remember, as JSON by kind and id: queued messages, mails, positions in streams, what the sandboxes
//! did. It has a file of its own beside the tables': as items of a table each would be one more transaction of the engine, which
//! parses, sizes and meters it, and every order makes a dozen.

use crate::error::{Context, StackError};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

/// As the tables' file: nothing waits for the disk.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS state (kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;";

/// What an error is about.
const STATE: &str = "the stack's own data";

/// The stack's memory.
#[derive(Clone)]
pub struct State(Arc<Mutex<Place>>);

/// Where it is kept.
enum Place {
    /// In a file.
    File(Connection),
    /// In this process, by kind and id.
    Memory(BTreeMap<(String, String), String>),
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
        Ok(Self::Put(kind.into(), id.into(), serde_json::to_string(value).context(STATE)?))
    }

    /// Removes a value.
    pub fn delete(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self::Delete(kind.into(), id.into())
    }
}

impl State {
    /// What the file holds; nothing yet, and for this process only, without one.
    pub fn open(file: Option<&Path>) -> Result<Self, StackError> {
        let open = |file: &Path| -> rusqlite::Result<Place> {
            let connection = Connection::open(file)?;
            connection.execute_batch(SCHEMA)?;
            Ok(Place::File(connection))
        };
        let place = file.map_or_else(|| Ok(Place::Memory(BTreeMap::new())), open);
        Ok(Self(Arc::new(Mutex::new(place.context("the stack's own data cannot be opened")?))))
    }

    /// Makes changes, all or none. They are in the file when this returns.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), StackError> {
        match &mut *self.0.lock().await {
            // Whoever looks into an empty queue has nothing to write, and one change is a transaction of its own.
            Place::File(connection) if changes.len() < 2 => {
                changes.into_iter().try_for_each(|change| apply(connection, change)).context(STATE)
            }
            Place::File(connection) => {
                let transaction = connection.transaction().context(STATE)?;
                changes.into_iter().try_for_each(|change| apply(&transaction, change)).context(STATE)?;
                transaction.commit().context(STATE)
            }
            Place::Memory(values) => {
                for change in changes {
                    match change {
                        Change::Put(kind, id, json) => values.insert((kind, id), json),
                        Change::Delete(kind, id) => values.remove(&(kind, id)),
                    };
                }
                Ok(())
            }
        }
    }

    /// One value.
    pub async fn get<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, StackError> {
        let found: Option<String> = match &*self.0.lock().await {
            Place::File(connection) => {
                let mut select = connection.prepare_cached("SELECT json FROM state WHERE kind = ? AND id = ?").context(STATE)?;
                select.query_row([kind, id], |row| row.get(0)).optional().context(STATE)?
            }
            Place::Memory(values) => values.get(&(kind.to_owned(), id.to_owned())).cloned(),
        };
        found.map(|json| serde_json::from_str(&json).context(STATE)).transpose()
    }

    /// Every value of a kind with its id, by id.
    pub async fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StackError> {
        let found: Vec<(String, String)> = match &*self.0.lock().await {
            Place::File(connection) => {
                let mut select =
                    connection.prepare_cached("SELECT id, json FROM state WHERE kind = ? ORDER BY id").context(STATE)?;
                let rows = select.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?))).context(STATE)?;
                rows.collect::<rusqlite::Result<_>>().context(STATE)?
            }
            Place::Memory(values) => {
                let from_the_first = values.range((kind.to_owned(), String::new())..);
                let of_that_kind = from_the_first.take_while(|((other, _), _)| other == kind);
                of_that_kind.map(|((_, id), json)| (id.clone(), json.clone())).collect()
            }
        };
        found.into_iter().map(|(id, json)| Ok((id, serde_json::from_str(&json).context(STATE)?))).collect()
    }
}

fn apply(connection: &Connection, change: Change) -> rusqlite::Result<()> {
    match change {
        Change::Put(kind, id, json) => {
            connection.prepare_cached("INSERT OR REPLACE INTO state VALUES (?, ?, ?)")?.execute(params![kind, id, json])?
        }
        Change::Delete(kind, id) => {
            connection.prepare_cached("DELETE FROM state WHERE kind = ? AND id = ?")?.execute(params![kind, id])?
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_there_when_it_is_opened_again() {
        let directory = crate::ids::scratch_directory();
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("stack.db");
        let put = |kind: &str, id: &str, value: u32| Change::put(kind, id, &value).unwrap();
        for place in [None, Some(file.as_path())] {
            let mut state = State::open(place).unwrap();
            state.write(vec![]).await.unwrap();
            state.write(vec![put("b", "2", 2), put("b", "1", 1), put("a", "3", 3), put("bb", "4", 4)]).await.unwrap();
            state.write(vec![put("b", "2", 20), Change::delete("a", "3")]).await.unwrap();
            if place.is_some() {
                drop(state);
                state = State::open(place).unwrap();
            }
            assert_eq!(state.all::<u32>("b").await.unwrap(), [("1".to_owned(), 1), ("2".to_owned(), 20)]);
            assert_eq!((state.get::<u32>("b", "2").await.unwrap(), state.get::<u32>("a", "3").await.unwrap()), (Some(20), None));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
