//! The embedded `DynamoDB`: it serves the functions over HTTP, and the stack itself directly.

use crate::error::{Context, StackError};
use crate::template::TableSpec;
use dynoxide::Database;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::storage::Storage;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Changes that were handed on are kept this long, as `DynamoDB` keeps a stream, in seconds.
const STREAM_RETENTION_SECONDS: u64 = 24 * 3_600;

/// A running engine.
pub struct Engine {
    database: Database,
    url: String,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Engine {
    /// Opens the file, or memory without one, creates the tables that are missing and serves on a free port of the loopback
    /// interface.
    pub fn start(file: Option<&Path>, tables: &[TableSpec]) -> Result<Self, StackError> {
        static MEMORIES: AtomicU64 = AtomicU64::new(0);
        let place = if let Some(path) = file {
            path.to_str().ok_or_else(|| StackError::new("the data directory's path is not UTF-8"))?.to_owned()
        } else {
            // A name of its own, since the index below is made through a second connection.
            let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
            format!("file:simdock-{}-{number}?mode=memory&cache=shared", std::process::id())
        };
        let database = Database::new(&place).context("the data file cannot be opened")?;
        index_streams(&place).context("the data file's streams cannot be indexed")?;
        // Nothing then waits for the disk: a commit survives the end of this process at any point, which is what is promised, though
        // not a power failure.
        database.enable_bulk_loading().context("the data file cannot be set up")?;
        for table in tables {
            ensure_table(&database, table).context(format!("table {}", table.name))?;
        }

        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let served = database.clone();
        // The server works on its own thread, since it blocks it while a statement runs.
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            // It warns of every refused condition, and those are how the product works.
            let _silent = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
            runtime.block_on(async {
                let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await else { return };
                let _ = ready.send(listener.local_addr());
                let stopped = async move {
                    let _ = stopped.await;
                };
                let _ = dynoxide::server::serve_with_shutdown(listener, served, stopped).await;
            });
            // A client that keeps a connection open does not hold up the end.
            runtime.shutdown_timeout(Duration::from_millis(200));
        });
        let thread = thread.context("the DynamoDB engine does not start")?;
        let address =
            address.recv().context("the DynamoDB engine does not start")?.context("the DynamoDB engine has no address")?;
        Ok(Self { database, url: format!("http://{address}"), server: Some((stop, thread)) })
    }

    /// Where SDK clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A handle for work inside this process.
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Stops serving and closes the file, once every handle is dropped.
    pub async fn stop(mut self) {
        if let Some((stop, thread)) = self.server.take() {
            let _ = stop.send(());
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Builds a request from the API's own JSON, which is what the engine's types are shaped after.
pub(crate) fn request<T: DeserializeOwned>(json: Value) -> Result<T, StackError> {
    serde_json::from_value(json).context("a request to the DynamoDB engine")
}

/// Work on the engine, away from the threads that serve.
pub(crate) async fn blocking<T, W>(database: &Database, work: W) -> Result<T, StackError>
where
    T: Send + 'static,
    W: FnOnce(&Database) -> dynoxide::Result<T> + Send + 'static,
{
    let database = database.clone();
    let result = tokio::task::spawn_blocking(move || work(&database)).await.context("the DynamoDB engine")?;
    result.context("the DynamoDB engine")
}

/// The engine finds a stream's newest and next changes by reading all that were ever made, so every write would take longer than
/// the one before. An index by number makes both immediate. Changes are dropped once they are older than `DynamoDB` keeps them.
fn index_streams(place: &str) -> dynoxide::Result<()> {
    let storage = Storage::new(place)?;
    storage.conn().execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS _stream_records_by_number ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         DELETE FROM _stream_records WHERE created_at < unixepoch() - {STREAM_RETENTION_SECONDS};"
    ))?;
    Ok(())
}

fn ensure_table(database: &Database, table: &TableSpec) -> Result<(), StackError> {
    let describe = || -> Result<Value, StackError> {
        let request = request::<DescribeTableRequest>(json!({ "TableName": table.name }))?;
        let description = database.describe_table(request).context("cannot be described")?;
        let description = serde_json::to_value(description).context("cannot be described")?;
        Ok(description.get("Table").cloned().unwrap_or_default())
    };
    let exists = database.get_table_metadata(&table.name).context("cannot be looked up")?.is_some();
    if exists {
        let description = describe()?;
        if description.get("KeySchema") != table.create.get("KeySchema") {
            return Err(StackError::new(
                "has another key in the data directory than in the template; use a new --data directory",
            ));
        }
        let has = |list: &str, name: &Value| {
            let entries = description.get(list).and_then(Value::as_array);
            entries.is_some_and(|entries| entries.iter().any(|entry| entry.get("IndexName") == Some(name)))
        };
        for index in table.create.get("GlobalSecondaryIndexes").and_then(Value::as_array).into_iter().flatten() {
            if !has("GlobalSecondaryIndexes", &index["IndexName"]) {
                let update = request::<UpdateTableRequest>(json!({
                    "TableName": table.name,
                    "AttributeDefinitions": table.create["AttributeDefinitions"],
                    "GlobalSecondaryIndexUpdates": [{ "Create": index }],
                }))?;
                database.update_table(update).context("cannot get its new index")?;
            }
        }
    } else {
        let create = request::<CreateTableRequest>(table.create.clone())?;
        database.create_table(create).context("cannot be created")?;
    }
    for _ in 0..200 {
        let description = describe()?;
        let indexes = description.get("GlobalSecondaryIndexes").and_then(Value::as_array).into_iter().flatten();
        let ready = description["TableStatus"] == "ACTIVE" && indexes.into_iter().all(|index| index["IndexStatus"] == "ACTIVE");
        if ready {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(StackError::new("does not become active"))
}
