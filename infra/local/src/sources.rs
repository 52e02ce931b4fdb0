//! Event source mappings: what feeds functions from queues, table streams and schedules.

use crate::clock::StackClock;
use crate::engine::{blocking, request};
use crate::error::{Context, StackError};
use crate::event_bus::matches;
use crate::function::Function;
use crate::ids::uuid;
use crate::queues::{NewMessage, Queues, Received};
use crate::state::{Change, State};
use crate::template::{ACCOUNT, QueueSource, REGION, StreamSource};
use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, watch};

/// The pause before a stream without news is looked at again, doubled every time up to a limit.
const FIRST_STREAM_POLL: Duration = Duration::from_millis(5);
const LONGEST_STREAM_POLL: Duration = Duration::from_millis(80);
/// The pause after something did not work, doubled with every further try up to a limit.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// Bytes of changes in one event, at most; Lambda's own limit.
const LARGEST_STREAM_BATCH: usize = 6 * 1024 * 1024;

/// Says whether a source may go on: not while it is paused, and never again once the stack stops.
#[derive(Clone)]
pub struct Gate {
    /// True once the stack stops.
    pub stop: watch::Receiver<bool>,
    /// True while the source is paused.
    pub paused: watch::Receiver<bool>,
}

impl Gate {
    /// Waits for the end of a pause; false when the stack stops.
    async fn open(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            open = self.paused.wait_for(|paused| !*paused) => open.is_ok(),
        }
    }

    /// Waits for something, or for a reason to look at the gate again.
    async fn unless_closed<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => None,
            _ = self.paused.wait_for(|paused| *paused) => None,
            value = something => Some(value),
        }
    }
}

/// Feeds a function from a queue until the stack stops. Messages that are not done come back after the visibility timeout.
pub async fn feed_from_queue(function: Function, source: QueueSource, queues: Queues, gate: Gate) {
    let name = source.queue.clone();
    let (batch_size, concurrency) = (source.batch_size, source.concurrency);
    consume(&name, batch_size, concurrency, queues.clone(), gate, move |batch| {
        let (function, queues, source) = (function.clone(), queues.clone(), source.clone());
        async move {
            let event = sqs_event(&source.queue, &batch);
            let Ok(response) = function.call(event).await else { return };
            let failed = if source.partial_responses { failed_items(&response) } else { Some(Vec::new()) };
            let Some(failed) = failed else {
                tracing::error!(function = function.spec.package, "not a batch response, so the batch comes back whole");
                return;
            };
            let done: Vec<_> =
                batch.iter().filter(|message| !failed.contains(&message.id)).map(|message| message.receipt.clone()).collect();
            if let Err(error) = queues.delete(&source.queue, &done).await {
                tracing::error!(%error, queue = source.queue, "messages are done but still there");
            }
        }
    })
    .await;
}

/// Calls a function with the events in its invocation queue until the stack stops.
pub async fn feed_invocations(function: Function, queue: String, queues: Queues, gate: Gate) {
    let name = queue.clone();
    consume(&name, 1, 10, queues.clone(), gate, move |batch| {
        let (function, queues, queue) = (function.clone(), queues.clone(), queue.clone());
        async move {
            for message in batch {
                let event = serde_json::from_str(&message.body).unwrap_or_default();
                if function.call(event).await.is_ok()
                    && let Err(error) = queues.delete(&queue, &[message.receipt]).await
                {
                    tracing::error!(%error, queue, "an event is done but still there");
                }
            }
        }
    })
    .await;
}

async fn consume<W, F>(queue: &str, batch_size: usize, concurrency: usize, queues: Queues, mut gate: Gate, work: W)
where
    W: Fn(Vec<Received>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(concurrency));
    while gate.open().await {
        let permit = gate.unless_closed(Arc::clone(&permits).acquire_owned()).await;
        let Some(Ok(permit)) = permit else { continue };
        match queues.receive(queue, batch_size).await {
            Ok(batch) if batch.is_empty() => {
                drop(permit);
                gate.unless_closed(queues.wait(queue)).await;
            }
            Ok(batch) => {
                let work = work(batch);
                tokio::spawn(async move {
                    work.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::error!(%error, queue, "the queue cannot be read");
                tokio::time::sleep(FIRST_BACKOFF).await;
            }
        }
    }
    // What is under way may finish.
    let all = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let _ = permits.acquire_many(all).await;
}

fn sqs_event(queue: &str, batch: &[Received]) -> Value {
    let records = batch
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id,
                "receiptHandle": message.receipt,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": message.sent_ms.to_string(),
                    "SenderId": ACCOUNT,
                    "ApproximateFirstReceiveTimestamp": message.first_received_ms.to_string(),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"),
                "awsRegion": REGION,
            })
        })
        .collect();
    event(records)
}

/// The items that a batch response names; none if it is no batch response. An empty answer means that all is done.
fn failed_items(response: &Value) -> Option<Vec<String>> {
    match response.get("batchItemFailures") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.get("itemIdentifier")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned)).collect()
        }
        Some(_) => None,
    }
}

/// Feeds a function from a table's stream until the stack stops. The position reached is kept after every batch, so a change is
/// handed over at least once, and again only if the stack ended in between.
pub async fn feed_from_stream(mut reader: StreamReader, mut gate: Gate) {
    let mut backoff = FIRST_BACKOFF;
    while gate.open().await {
        // Begins again at the position kept, after a pause as after an error.
        match reader.read(&mut gate).await {
            Ok(()) => backoff = FIRST_BACKOFF,
            Err(error) => {
                tracing::error!(%error, table = reader.source.table, "the stream cannot be read");
                gate.unless_closed(tokio::time::sleep(backoff)).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }
}

/// What reads a table's stream for a function.
pub struct StreamReader {
    /// Whom it calls.
    pub function: Function,
    /// What the template says of the stream.
    pub source: StreamSource,
    /// Where it tells what was given up.
    pub queues: Queues,
    /// Where the stream is.
    pub database: Database,
    /// Where it keeps the position that it reached.
    pub state: State,
}

impl StreamReader {
    async fn read(&mut self, gate: &mut Gate) -> Result<(), StackError> {
        let list = request::<ListStreamsRequest>(json!({ "TableName": self.source.table }))?;
        let streams = blocking(&self.database, move |database| database.list_streams(list)).await?;
        let streams = serde_json::to_value(streams).context("streams")?;
        let arn = streams.pointer("/Streams/0/StreamArn").and_then(Value::as_str).unwrap_or_default().to_owned();
        let describe = DescribeStreamRequest { stream_arn: arn.clone(), ..DescribeStreamRequest::default() };
        let stream = blocking(&self.database, move |database| database.describe_stream(describe)).await?.stream_description;
        // The engine keeps a table's changes in one shard, which never closes.
        let shard = stream.shards.into_iter().next().map(|shard| shard.shard_id).unwrap_or_default();

        let position = self.state.get::<String>("stream", &shard).await?;
        let first = GetShardIteratorRequest {
            stream_arn: arn.clone(),
            shard_id: shard.clone(),
            shard_iterator_type: if position.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" }.to_owned(),
            sequence_number: position,
        };
        let mut iterator = blocking(&self.database, move |database| database.get_shard_iterator(first)).await?.shard_iterator;
        let mut poll = FIRST_STREAM_POLL;
        while let Some(current) = iterator.take() {
            if *gate.stop.borrow() || *gate.paused.borrow() {
                return Ok(());
            }
            let get = GetRecordsRequest { shard_iterator: current, limit: Some(self.source.batch_size) };
            let page = blocking(&self.database, move |database| database.get_records(get)).await?;
            iterator = page.next_shard_iterator;
            if page.records.is_empty() {
                gate.unless_closed(tokio::time::sleep(poll)).await;
                poll = (poll * 2).min(LONGEST_STREAM_POLL);
                continue;
            }
            poll = FIRST_STREAM_POLL;
            let reached = page.records.last().map(|record| record.dynamodb.sequence_number.clone()).unwrap_or_default();
            let mut changes = Vec::new();
            for mut record in page.records {
                if is_wanted(&mut record, &self.source.patterns)? {
                    changes.push(record);
                }
            }
            if !self.hand_over(changes, &arn, &shard, gate).await? {
                return Ok(());
            }
            self.state.write(vec![Change::put("stream", &shard, &reached)?]).await?;
        }
        Ok(())
    }

    /// Calls the function until every change is done or given up; false if the stack stopped first.
    async fn hand_over(&self, changes: Vec<Record>, arn: &str, shard: &str, gate: &mut Gate) -> Result<bool, StackError> {
        let mut batches: VecDeque<(Vec<Record>, u32)> = small_enough(changes).into_iter().map(|batch| (batch, 0)).collect();
        while let Some((mut batch, failures)) = batches.pop_front() {
            let outcome = self.function.call(stream_event(&batch, arn)?).await;
            let failed_at = match outcome {
                Ok(response) if self.source.partial_responses => match failed_items(&response) {
                    Some(failed) => batch.iter().position(|change| failed.contains(&change.dynamodb.sequence_number)),
                    None => Some(0),
                },
                Ok(_) => None,
                Err(_) => Some(0),
            };
            let Some(failed_at) = failed_at else { continue };
            if failed_at > 0 {
                // What comes before the first failure is done, and what follows begins anew.
                batches.push_front((batch.split_off(failed_at), 0));
                continue;
            }
            if self.source.bisect && batch.len() > 1 {
                // Cutting a batch in two is no retry: it finds out which change it is.
                let second = batch.split_off(batch.len() / 2);
                batches.push_front((second, failures));
                batches.push_front((batch, failures));
                continue;
            }
            if self.source.retries.is_some_and(|retries| failures >= retries) {
                self.give_up(&batch, failures + 1, arn, shard).await?;
                continue;
            }
            let backoff = (FIRST_BACKOFF * 2_u32.saturating_pow(failures)).min(LONGEST_BACKOFF);
            batches.push_front((batch, failures + 1));
            gate.unless_closed(tokio::time::sleep(backoff)).await;
            if *gate.stop.borrow() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells the failure queue where the changes are that nobody will see any more, as Lambda does: not what they say.
    async fn give_up(&self, batch: &[Record], calls: u32, arn: &str, shard: &str) -> Result<(), StackError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        tracing::error!(function = self.function.spec.package, changes = batch.len(), "changes given up");
        let Some(queue) = &self.source.on_failure else { return Ok(()) };
        let notice = json!({
            "requestContext": {
                "requestId": uuid(),
                "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.function.spec.name),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": calls,
            },
            "version": "1.0",
            "DDBStreamBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": first.dynamodb.sequence_number,
                "endSequenceNumber": last.dynamodb.sequence_number,
                "batchSize": batch.len(),
                "streamArn": arn,
            },
        });
        self.queues.send(queue, vec![NewMessage { body: notice.to_string(), delay_seconds: None }]).await.map(|_| ())
    }
}

/// Whether a pattern matches a record. Most are for nobody, so of the images only those attributes become JSON that a pattern names.
fn is_wanted(record: &mut Record, patterns: &[Value]) -> Result<bool, StackError> {
    if patterns.is_empty() {
        return Ok(true);
    }
    let images = [("NewImage", record.dynamodb.new_image.take()), ("OldImage", record.dynamodb.old_image.take())];
    let mut looked_at = serde_json::to_value(&*record).context("stream record")?;
    for (name, image) in &images {
        let Some(image) = image else { continue };
        let named = patterns.iter().filter_map(|pattern| pattern.get("dynamodb")?.get(name)?.as_object()).flat_map(Map::keys);
        let seen = named.filter_map(|attribute| Some((attribute, image.get(attribute)?)));
        looked_at["dynamodb"][name] = serde_json::to_value(seen.collect::<BTreeMap<_, _>>()).context("stream record")?;
    }
    let [(_, new_image), (_, old_image)] = images;
    (record.dynamodb.new_image, record.dynamodb.old_image) = (new_image, old_image);
    Ok(patterns.iter().any(|pattern| matches(pattern, &looked_at)))
}

fn stream_event(batch: &[Record], arn: &str) -> Result<Value, StackError> {
    let record = |change| {
        let mut record = serde_json::to_value(change).context("stream record")?;
        record["eventSourceARN"] = arn.into();
        record["awsRegion"] = REGION.into();
        Ok(record)
    };
    Ok(event(batch.iter().map(record).collect::<Result<_, StackError>>()?))
}

/// What queues and streams hand over; `json!` would copy the records.
fn event(records: Vec<Value>) -> Value {
    Value::from_iter([("Records", records)])
}

/// Cuts a batch so that every event fits into an invocation.
fn small_enough(changes: Vec<Record>) -> Vec<Vec<Record>> {
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut room = 0;
    for change in changes {
        let size = usize::try_from(change.dynamodb.size_bytes).unwrap_or(0);
        match batches.last_mut() {
            Some(batch) if size <= room => {
                room -= size;
                batch.push(change);
            }
            _ => {
                room = LARGEST_STREAM_BATCH.saturating_sub(size);
                batches.push(vec![change]);
            }
        }
    }
    batches
}

/// A function that is started in a fixed period of the stack's clock.
pub struct Schedule {
    function: Function,
    period_ms: i64,
    clock: StackClock,
    /// When it is to run next. Held while it runs, so that runs do not overlap.
    due_ms: Mutex<i64>,
}

impl Schedule {
    /// A schedule whose first run is due at once, so that a restarted stack picks up what is overdue.
    pub fn new(function: Function, period: Duration, clock: StackClock) -> Self {
        let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        Self { function, period_ms, clock, due_ms: Mutex::new(0) }
    }

    /// What the function is called in controls.
    pub fn package(&self) -> &str {
        &self.function.spec.package
    }

    /// Runs it now and says whether it succeeded.
    pub async fn run(&self) -> bool {
        let _running = self.due_ms.lock().await;
        self.start().await
    }

    /// Runs it if its time has come; returns when it has finished.
    pub async fn run_if_due(&self) {
        let mut due_ms = self.due_ms.lock().await;
        let now_ms = self.clock.now_ms();
        if now_ms >= *due_ms {
            *due_ms = now_ms.saturating_add(self.period_ms);
            self.start().await;
        }
    }

    async fn start(&self) -> bool {
        let event = json!({
            "version": "0",
            "id": uuid(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": self.clock.now().to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{}", self.function.spec.name)],
            "detail": {},
        });
        self.function.call(event).await.is_ok()
    }

    /// Runs it whenever it is due, until the stack stops.
    pub async fn keep(&self, mut gate: Gate) {
        let mut moves = self.clock.moves();
        while gate.open().await {
            self.run_if_due().await;
            let wait = *self.due_ms.lock().await - self.clock.now_ms();
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
            gate.unless_closed(async {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = moves.changed() => {}
                }
            })
            .await;
        }
    }
}
