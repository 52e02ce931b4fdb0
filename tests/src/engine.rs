//! An engine for the tables: dynoxide inside this process, or any other at an address.

use crate::wire::{self, HttpClient};
use dynoxide::Database;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What is deployed; the tables are the ones it declares.
pub const TEMPLATE: &str = include_str!("../../infra/template.yaml");
/// Names the engine to test against: an address, or a folder for dynoxide's files; without it, dynoxide in memory.
const VARIABLE: &str = "SIMDOCK_TEST_DYNAMODB";

/// An engine with empty tables of its own.
#[derive(Debug)]
pub struct Engine {
    url: String,
    tables: Vec<Table>,
    client: HttpClient,
    stop: Option<oneshot::Sender<()>>,
}

/// A table of an engine.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its logical id in the template, `OrdersTable`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The attributes of its key.
    pub key: Vec<String>,
}

impl Engine {
    /// Whether it is the embedded one, which tells what every request consumes; others tell it of some.
    pub fn is_embedded(&self) -> bool {
        self.stop.is_some()
    }

    /// Starts an engine, or takes the one that the environment names, and creates tables that no other test sees.
    pub async fn start() -> Self {
        static ENGINES: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("t{}-{}", std::process::id(), ENGINES.fetch_add(1, Ordering::Relaxed));
        let (url, stop) = match std::env::var(VARIABLE) {
            Ok(url) if url.starts_with("http") => (url, None),
            Ok(folder) if !folder.is_empty() => {
                let file = PathBuf::from(folder).join(format!("{prefix}.db"));
                embedded(Database::new(file.to_str().expect("a path in UTF-8")).expect("a database file"))
            }
            _ => embedded(Database::memory().expect("a database in memory")),
        };
        let mut engine = Self { url, tables: Vec::new(), client: wire::client(), stop };
        for (id, mut create) in declared_tables() {
            let name = format!("{prefix}-{id}");
            create["TableName"] = name.as_str().into();
            engine.call("CreateTable", &create).await;
            let key = create["KeySchema"].as_array().expect("a key schema").iter();
            let key = key.map(|part| part["AttributeName"].as_str().expect("a name").to_owned()).collect();
            engine.tables.push(Table { id, name, key });
        }
        for table in &engine.tables {
            engine.wait_until_active(&table.name).await;
        }
        engine
    }

    async fn wait_until_active(&self, table: &str) {
        for _ in 0..200 {
            if self.call("DescribeTable", &json!({ "TableName": table })).await["Table"]["TableStatus"] == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("table {table} does not become active");
    }

    /// Where SDK clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The name of a table by its id in the template.
    pub fn table(&self, id: &str) -> &str {
        &self.tables.iter().find(|table| table.id == id).unwrap_or_else(|| panic!("no table {id}")).name
    }

    /// Asks the engine directly; panics if it refuses.
    pub async fn call(&self, operation: &str, body: &Value) -> Value {
        let (status, answer) = wire::call(&self.client, &self.url, operation, body).await;
        assert!(status.is_success(), "{operation} {body}: {status} {answer}");
        answer
    }

    /// Reads an item as it is stored; `key` and the answer are `DynamoDB`'s JSON. Null if there is none.
    pub async fn item(&self, table: &str, key: Value) -> Value {
        let get = json!({ "TableName": self.table(table), "Key": key, "ConsistentRead": true });
        self.call("GetItem", &get).await["Item"].take()
    }

    /// Every item of a table, as stored.
    pub async fn scan(&self, table: &str) -> Vec<Value> {
        wire::scan(&self.client, &self.url, self.table(table)).await
    }

    /// Changes an item behind the store's back: `expression` is an update expression, `values` its values.
    pub async fn update(&self, table: &str, key: Value, expression: &str, names: Value, values: Value) {
        let mut update = json!({ "TableName": self.table(table), "Key": key, "UpdateExpression": expression });
        for (name, part) in [("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)] {
            if part.as_object().is_some_and(|part| !part.is_empty()) {
                update[name] = part;
            }
        }
        self.call("UpdateItem", &update).await;
    }

    /// Puts an item behind the store's back.
    pub async fn put(&self, table: &str, item: Value) {
        self.call("PutItem", &json!({ "TableName": self.table(table), "Item": item })).await;
    }
}

/// dynoxide on a thread and runtime of its own, since it blocks while it works. It ends when the sender is dropped.
fn embedded(database: Database) -> (String, Option<oneshot::Sender<()>>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            ready.send(listener.local_addr().expect("an address")).expect("the test waits");
            let stopped = async {
                let _ = stopped.await;
            };
            dynoxide::server::serve_with_shutdown(listener, database, stopped).await.expect("the engine serves");
        });
        runtime.shutdown_background();
    });
    let address = address.recv().expect("the engine starts");
    (format!("http://{address}"), Some(stop))
}

/// The tables that the template declares, by id, as `CreateTable` takes them but for the name. They have no streams, which nobody
/// reads here: dynoxide goes through all changes that a stream ever had to number the next.
fn declared_tables() -> BTreeMap<String, Value> {
    let documents = Yaml::load_from_str(TEMPLATE).expect("the template is YAML");
    let resources = documents[0]["Resources"].as_mapping().expect("resources");
    let tables = resources.iter().filter(|(_, resource)| resource["Type"].as_str() == Some("AWS::DynamoDB::Table"));
    tables
        .map(|(id, resource)| {
            let mut create = Map::new();
            for (name, value) in resource["Properties"].as_mapping().expect("properties") {
                let name = name.as_str().expect("a name");
                if matches!(name, "BillingMode" | "AttributeDefinitions" | "KeySchema" | "GlobalSecondaryIndexes") {
                    create.insert(name.to_owned(), plain(value));
                }
            }
            (id.as_str().expect("an id").to_owned(), Value::Object(create))
        })
        .collect()
}

/// The attributes of the tables' keys, by the names that the tables have in a local stack.
pub fn local_keys() -> HashMap<String, Vec<String>> {
    let documents = Yaml::load_from_str(TEMPLATE).expect("the template is YAML");
    let resources = plain(&documents[0]["Resources"]);
    let tables = resources.as_object().expect("resources").values().filter(|resource| resource["Type"] == "AWS::DynamoDB::Table");
    let key = |schema: &Value| {
        let parts = schema.as_array().expect("a key schema").iter();
        parts.map(|part| part["AttributeName"].as_str().expect("a name").to_owned()).collect()
    };
    tables
        .map(|table| {
            let name = table["Properties"]["TableName"].as_str().expect("a name").replace("${Stage}", "local");
            (name, key(&table["Properties"]["KeySchema"]))
        })
        .collect()
}

/// YAML as JSON, without its tags: `!Ref x` is `x`.
pub fn plain(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Value(Scalar::Boolean(flag)) => (*flag).into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str().expect("a text").to_owned(), plain(value)));
            Value::Object(entries.collect())
        }
        Yaml::Tagged(_, value) => plain(value),
        other => panic!("{other:?} in the template"),
    }
}
