//! Stands between functions and what they ask of AWS, and writes down what each request was, when, by whom, and what it cost.

use crate::wire::{self, HttpClient};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running meter. It serves for as long as the process runs.
#[derive(Clone, Debug)]
pub struct Meter {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asked: the access key, which in the local stack is the function's package.
    pub by: String,
    /// `DynamoDB_20120810.PutItem`, `AmazonSQS.SendMessageBatch`; empty for services that name it otherwise.
    pub target: String,
    /// When the meter had the whole request.
    pub begun: Instant,
    /// When the meter had the whole answer.
    pub ended: Instant,
    /// What it cost.
    pub cost: Cost,
    /// Whether the engine refused it because of a condition.
    pub refused: bool,
    /// The request as it was sent.
    pub request: Bytes,
    /// The answer.
    pub answer: Bytes,
}

/// What requests to `DynamoDB` cost, in its capacity units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Write units of tables.
    pub writes: f64,
    /// Write units of their indexes.
    pub index_writes: f64,
    /// Read units, of tables and indexes.
    pub reads: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.writes += other.writes;
        self.index_writes += other.index_writes;
        self.reads += other.reads;
    }
}

impl<'a> std::iter::Sum<&'a Call> for Cost {
    fn sum<I: Iterator<Item = &'a Call>>(calls: I) -> Self {
        let mut sum = Self::default();
        calls.for_each(|call| sum += call.cost);
        sum
    }
}

impl Call {
    /// The operation, if it is one of `DynamoDB`'s.
    pub fn operation(&self) -> Option<&str> {
        self.target.strip_prefix(wire::TARGET_PREFIX)
    }

    /// Whether a text stands in the request or its answer.
    pub fn mentions(&self, text: &str) -> bool {
        let holds = |bytes: &Bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        holds(&self.request) || holds(&self.answer)
    }
}

/// How many of these requests had to wait for each other: the most of them of which each began after another had ended.
pub fn in_sequence<'a>(calls: impl IntoIterator<Item = &'a Call>) -> usize {
    let mut calls: Vec<&Call> = calls.into_iter().collect();
    calls.sort_by_key(|call| call.ended);
    let mut last: Option<Instant> = None;
    let mut chain = 0;
    for call in calls {
        if last.is_none_or(|last| call.begun >= last) {
            chain += 1;
            last = Some(call.ended);
        }
    }
    chain
}

impl Meter {
    /// Starts a meter that holds each request back for so long before it lets it pass: requests that are sent at once then overlap
    /// for certain, however fast they are answered.
    pub fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a listener");
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let written = Arc::clone(&calls);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let client = wire::client();
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let (client, written) = (client.clone(), Arc::clone(&written));
                    tokio::spawn(async move {
                        let service = service_fn(|request| pass(&client, &written, delay, request));
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            });
        });
        Self { address, calls }
    }

    /// Where to send what is meant for the service at `url`, which is on this machine.
    pub fn in_front_of(&self, url: &str) -> String {
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap_or_default();
        format!("http://{}/{port}", self.address)
    }

    /// What came by since the last time.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pass(
    client: &HttpClient,
    calls: &Mutex<Vec<Call>>,
    delay: Duration,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let begun = Instant::now();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by = header(AUTHORIZATION.as_str()).split(['=', '/']).nth(1).unwrap_or_default().to_owned();
    let target = header("x-amz-target").to_owned();
    let metered = match target.strip_prefix(wire::TARGET_PREFIX) {
        Some(_) => {
            let mut asked: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
            asked["ReturnConsumedCapacity"] = "INDEXES".into();
            Bytes::from(asked.to_string())
        }
        None => body.clone(),
    };

    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).trim_start_matches('/').to_owned();
    let (port, path) = path.split_once('/').unwrap_or((&path, ""));
    parts.uri = format!("http://{}:{port}/{path}", Ipv4Addr::LOCALHOST).parse().map_err(io::Error::other)?;
    parts.headers.remove(HOST);
    parts.headers.remove(CONTENT_LENGTH);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let answer = client.request(Request::from_parts(parts, Full::new(metered))).await.map_err(io::Error::other)?;
    let (head, answer) = answer.into_parts();
    let answer = answer.collect().await.map_err(io::Error::other)?.to_bytes();

    let (cost, refused) = match target.strip_prefix(wire::TARGET_PREFIX) {
        Some(operation) => {
            let told = serde_json::from_slice(&answer).unwrap_or_default();
            if head.status.is_success() { (cost(operation, &told), false) } else { cost_of_refusal(operation, &body, &told) }
        }
        None => (Cost::default(), false),
    };
    let call = Call { by, target, begun, ended: Instant::now(), cost, refused, request: body, answer: answer.clone() };
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    Ok(Response::from_parts(head, Full::new(answer)))
}

/// What an answer says that its request consumed.
fn cost(operation: &str, answer: &Value) -> Cost {
    let told = &answer["ConsumedCapacity"];
    let tables: &[Value] = told.as_array().map_or(std::slice::from_ref(told), Vec::as_slice);
    let mut sum = Cost::default();
    for table in tables {
        let units = |part: &Value| part["CapacityUnits"].as_f64().unwrap_or_default();
        let indexes = table["GlobalSecondaryIndexes"].as_object();
        let indexes: f64 = indexes.into_iter().flatten().map(|(_, index)| units(index)).sum();
        match operation {
            "GetItem" | "BatchGetItem" | "Query" | "Scan" => sum.reads += units(&table["Table"]) + indexes,
            // An answer to a transaction that was sent before under the same token is a read.
            _ if table["ReadCapacityUnits"].is_number() => sum.reads += units(&table["Table"]) + indexes,
            _ => {
                sum.writes += units(&table["Table"]);
                sum.index_writes += indexes;
            }
        }
    }
    sum
}

/// A write whose condition does not hold is paid for as well, though no answer says so: one unit for an item of up to a kilobyte,
/// two for each item of a transaction, and no index writes.
fn cost_of_refusal(operation: &str, request: &Bytes, answer: &Value) -> (Cost, bool) {
    let kind = answer["__type"].as_str().unwrap_or_default();
    let reasons = answer["CancellationReasons"].as_array().into_iter().flatten();
    let refused = kind.ends_with("ConditionalCheckFailedException")
        || reasons.into_iter().any(|reason| reason["Code"] == "ConditionalCheckFailed");
    let writes = match operation {
        _ if !refused => 0,
        "TransactWriteItems" => {
            let request: Value = serde_json::from_slice(request).unwrap_or_else(|_| json!({}));
            2 * u32::try_from(request["TransactItems"].as_array().map_or(0, Vec::len)).unwrap_or(u32::MAX)
        }
        _ => 1,
    };
    (Cost { writes: writes.into(), ..Cost::default() }, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    async fn put(meter: &Meter, engine: &Engine, operation: &str, body: Value) -> Call {
        wire::call(&wire::client(), &meter.in_front_of(engine.url()), operation, &body).await;
        meter.take().pop().expect("a call")
    }

    fn order(engine: &Engine, num: &str, note: usize) -> Value {
        let text = |text: &str| json!({ "S": text });
        let item = json!({ "orderNum": text(num), "no": text(&"x".repeat(note)), "partnerId": text("p"), "listKey": text(num) });
        json!({ "TableName": engine.table("OrdersTable"), "Item": item })
    }

    /// The rules that the figures rest on are the engine's: whole kilobytes, twice in a transaction, indexes apart.
    #[tokio::test]
    async fn the_engine_counts_as_dynamodb_does() {
        let (meter, engine) = (Meter::start(Duration::ZERO), Engine::start().await);
        let cost = |writes, index_writes, reads| Cost { writes, index_writes, reads };
        let mut small = order(&engine, "EP1", 1);
        assert_eq!(put(&meter, &engine, "PutItem", small.clone()).await.cost, cost(1.0, 1.0, 0.0));
        assert_eq!(put(&meter, &engine, "PutItem", order(&engine, "EP2", 1500)).await.cost, cost(2.0, 1.0, 0.0));
        // Its place in the index stays.
        assert_eq!(put(&meter, &engine, "PutItem", order(&engine, "EP2", 1501)).await.cost, cost(2.0, 0.0, 0.0));
        let both = json!({ "TransactItems": [{ "Put": order(&engine, "EP3", 1) }, { "Put": order(&engine, "EP4", 1500) }] });
        assert_eq!(put(&meter, &engine, "TransactWriteItems", both).await.cost, cost(6.0, 2.0, 0.0));
        let get = |strong: bool| json!({ "TableName": engine.table("OrdersTable"), "Key": { "orderNum": { "S": "EP2" } }, "ConsistentRead": strong });
        assert_eq!(put(&meter, &engine, "GetItem", get(true)).await.cost, cost(0.0, 0.0, 1.0));
        assert_eq!(put(&meter, &engine, "GetItem", get(false)).await.cost, cost(0.0, 0.0, 0.5));

        small["ConditionExpression"] = "attribute_not_exists(orderNum)".into();
        let refused = put(&meter, &engine, "PutItem", small.clone()).await;
        assert_eq!((refused.refused, refused.cost), (true, cost(1.0, 0.0, 0.0)));
        let both = json!({ "TransactItems": [{ "Put": small }, { "Put": order(&engine, "EP5", 1) }] });
        let refused = put(&meter, &engine, "TransactWriteItems", both).await;
        assert_eq!((refused.refused, refused.cost), (true, cost(4.0, 0.0, 0.0)));
    }

    #[test]
    fn what_overlaps_counts_once() {
        let zero = Instant::now();
        let call = |begun, ended| Call {
            by: String::new(),
            target: String::new(),
            begun: zero + Duration::from_millis(begun),
            ended: zero + Duration::from_millis(ended),
            cost: Cost::default(),
            refused: false,
            request: Bytes::new(),
            answer: Bytes::new(),
        };
        assert_eq!(in_sequence(&[call(0, 2), call(1, 5), call(2, 3), call(4, 6), call(6, 7)]), 4);
        assert_eq!(in_sequence(&[]), 0);
    }
}
