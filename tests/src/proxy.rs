//! Stands between an SDK and an engine and does what `DynamoDB` may do and the engines never do: transactions that meet are in
//! conflict, requests are throttled, lost, or answered into a connection that is gone.

use crate::engine::{Engine, local_keys};
use crate::rig::{ByEvent, Edge, Meddled, Mishap, Plan, function};
use crate::wire::{self, HttpClient};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::http::request::Parts as RequestParts;
use hyper::http::response::Parts;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, RwLockWriteGuard, oneshot};
use tokio::task::JoinHandle;

/// How long an engine may take to answer. After that the connection is closed, and what the request was about is free again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What goes wrong, and how often: chances are from 0 to 1 per request, and at most one of them comes true.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// How long a request takes on its way to the engine. A transaction is in flight all that time.
    pub delay: Duration,
    /// Whether what touches an item of a transaction in flight is turned away.
    pub conflicts: bool,
    /// Whether a transaction's client token is taken off, as an engine does that forgot it over a restart.
    pub forget_tokens: bool,
    /// The chance of [`Fault::Throttle`].
    pub throttle: f64,
    /// The chance of [`Fault::Lose`].
    pub lose: f64,
    /// The chance of [`Fault::Fail`].
    pub fail: f64,
    /// The chance of [`Fault::FailAfter`].
    pub fail_after: f64,
    /// The chance of [`Fault::Cut`].
    pub cut: f64,
}

/// Something that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is throttled.
    Throttle,
    /// The connection closes before the engine sees it.
    Lose,
    /// It is answered 500 before the engine sees it.
    Fail,
    /// It is carried out, and answered 500.
    FailAfter,
    /// It is carried out, and the connection closes before its answer has arrived.
    Cut,
    /// It is carried out and never answered. Only by [`Proxy::next`], since whoever asked waits for seconds.
    Stall,
}

/// What came by.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Requests, by operation.
    pub operations: BTreeMap<String, u64>,
    /// Requests whose conditions the engine refused.
    pub refused: u64,
    /// Requests turned away because of a transaction in flight.
    pub conflicts: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// A running proxy. It ends with the runtime that it was started on.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that waits at the proxy.
#[derive(Debug)]
pub struct Hold {
    arrived: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Gate {
    operation: String,
    arrived: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    engine: String,
    client: HttpClient,
    /// The attributes of each table's key.
    keys: HashMap<String, Vec<String>>,
    /// Says what goes wrong, instead of chances.
    plan: Option<Arc<Plan>>,
    /// Shared by what the engine works on; whoever has it alone sees the tables stand still.
    still: RwLock<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    random: fastrand::Rng,
    script: HashMap<String, VecDeque<Fault>>,
    gates: Vec<Gate>,
    in_flight: HashSet<String>,
    stats: Stats,
}

/// What a proxy answers.
pub type Body = BoxBody<Bytes, io::Error>;

impl Default for Faults {
    /// Ten milliseconds, conflicts, and nothing else.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            conflicts: true,
            forget_tokens: false,
            throttle: 0.0,
            lose: 0.0,
            fail: 0.0,
            fail_after: 0.0,
            cut: 0.0,
        }
    }
}

impl Faults {
    fn pick(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        let mut roll = random.f64();
        let chances = [
            (self.throttle, Fault::Throttle),
            (self.lose, Fault::Lose),
            (self.fail, Fault::Fail),
            (self.fail_after, Fault::FailAfter),
            (self.cut, Fault::Cut),
        ];
        for (chance, fault) in chances {
            if roll < chance {
                return Some(fault);
            }
            roll -= chance;
        }
        None
    }
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Throttle, Self::Lose, Self::Fail, Self::FailAfter, Self::Cut, Self::Stall];

    /// What it is called in counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Lose => "lose",
            Self::Fail => "fail",
            Self::FailAfter => "fail after",
            Self::Cut => "cut",
            Self::Stall => "stall",
        }
    }
}

impl Proxy {
    /// Starts a proxy in front of an engine. The same seed makes the same chances.
    pub async fn start(engine: &Engine, seed: u64, faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let keys = engine.tables().iter().map(|table| (table.name.clone(), table.key.clone())).collect();
        Self::on(listener, engine.url(), keys, None, seed, faults)
    }

    /// Starts a proxy in front of the engine at `url`, whose tables have these keys; a plan says what goes wrong with which request of
    /// which function.
    pub fn planned(url: &str, keys: HashMap<String, Vec<String>>, plan: Arc<Plan>) -> Self {
        Self::on(listener(), url, keys, Some(plan), 0, Faults::default())
    }

    /// In front of the engine at `url`, with the tables of a local stack: it lets all through until it is told otherwise.
    pub fn in_front_of(url: &str) -> Self {
        let faults = Faults { delay: Duration::ZERO, conflicts: false, ..Faults::default() };
        Self::on(listener(), url, local_keys(), None, 0, faults)
    }

    fn on(
        listener: TcpListener,
        engine: &str,
        keys: HashMap<String, Vec<String>>,
        plan: Option<Arc<Plan>>,
        seed: u64,
        faults: Faults,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            client: wire::client(),
            keys,
            plan,
            still: RwLock::default(),
            state: Mutex::new(State {
                faults,
                random: fastrand::Rng::with_seed(seed),
                script: HashMap::new(),
                gates: Vec::new(),
                in_flight: HashSet::new(),
                stats: Stats::default(),
            }),
        });
        let serving = Arc::clone(&shared);
        let serve = move |request| {
            let shared = Arc::clone(&serving);
            async move { shared.serve(request).await }
        };
        Self { url, task: tokio::spawn(accept(listener, serve)), shared }
    }

    /// Where SDK clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes what goes wrong from now on.
    pub fn set(&self, faults: Faults) {
        self.shared.state().faults = faults;
    }

    /// Has the next requests of an operation go wrong, one after the other; chances do not apply to them.
    pub fn next(&self, operation: &str, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().script.entry(operation.to_owned()).or_default().extend(faults);
    }

    /// Stops the next request of an operation before it is in flight, until it is released.
    pub fn hold(&self, operation: &str) -> Hold {
        let (arrive, arrived) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.shared.state().gates.push(Gate { operation: operation.to_owned(), arrived: arrive, release: released });
        Hold { arrived, release }
    }

    /// Waits until the engine has answered what it works on, and keeps everything else from it for as long as the answer is held.
    pub async fn still(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.still.write().await
    }

    /// What came by so far.
    pub fn stats(&self) -> Stats {
        self.shared.state().stats.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hold {
    /// Waits for the request.
    pub async fn arrived(&mut self) {
        (&mut self.arrived).await.expect("the proxy runs");
    }

    /// Lets the request go on.
    pub fn release(self) {
        // A client that no longer waits does not mind.
        let _ = self.release.send(());
    }
}

/// A listener on a free port, for whoever cannot wait for one.
pub fn listener() -> TcpListener {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    TcpListener::from_std(listener).expect("a listener")
}

/// Answers the requests of all connections. One that has arrived is carried out, whether or not its sender still waits.
pub async fn accept<S, F>(listener: TcpListener, serve: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, io::Error>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let serve = serve.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = tokio::spawn(serve(request));
                async move { answer.await.map_err(io::Error::other)? }
            });
            // An error is how a connection is closed without an answer.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The function that signed a request, by its package: the local stack gives each a key of that name.
pub fn caller(headers: &HeaderMap) -> &str {
    let signature = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    signature.split(['=', '/']).nth(1).unwrap_or_default()
}

/// What an operation is about to write.
struct Writes {
    transaction: bool,
    items: Vec<String>,
}

/// Items of a transaction, for as long as it is in flight.
struct InFlight<'a> {
    shared: &'a Shared,
    items: Vec<String>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for item in &self.items {
            state.in_flight.remove(item);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.trim_start_matches(wire::TARGET_PREFIX).to_owned();
        let mut json: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;

        let gate = {
            let mut state = self.state();
            *state.stats.operations.entry(operation.clone()).or_default() += 1;
            let waiting = state.gates.iter().position(|gate| gate.operation == operation);
            waiting.map(|place| state.gates.remove(place))
        };
        if let Some(gate) = gate {
            let _ = gate.arrived.send(());
            let _ = gate.release.await;
        }

        let (faults, fault, mut dice) = if let Some(plan) = &self.plan {
            let kind = format!("{}/{operation}", function(caller(&parts.headers)));
            let Mishap { fault, delay, dice } = plan.request(Edge::Tables, &kind);
            (Faults { delay, ..Faults::default() }, fault, dice)
        } else {
            let mut state = self.state();
            let scripted = state.script.get_mut(&operation).and_then(VecDeque::pop_front);
            let faults = state.faults;
            let fault = scripted.or_else(|| faults.pick(&mut state.random));
            if let Some(fault) = fault {
                *state.stats.faults.entry(fault.name()).or_default() += 1;
            }
            (faults, fault, state.random.fork())
        };
        match fault {
            Some(Fault::Throttle) => return Ok(throttled(&operation, &json, &mut dice)),
            Some(Fault::Lose) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Fail) => return Ok(internal_error()),
            Some(Fault::FailAfter | Fault::Cut | Fault::Stall) | None => {}
        }

        let writes = self.writes(&operation, &json);
        let in_flight = if faults.conflicts {
            match self.enter(writes) {
                Ok(in_flight) => in_flight,
                Err(conflict) => return Ok(*conflict),
            }
        } else {
            None
        };
        tokio::time::sleep(faults.delay).await;

        parts.uri = self.engine.parse().map_err(io::Error::other)?;
        parts.headers.remove(HOST);
        let meddled = match self.plan.as_ref().and_then(|plan| plan.bug()) {
            Some(bug) => bug.meddle(function(caller(&parts.headers)), &operation, &mut json),
            None => Meddled::Not,
        };
        if let Meddled::Answered(instead) = meddled {
            return Ok(answer(StatusCode::OK, &instead));
        }
        let forgotten =
            faults.forget_tokens && json.as_object_mut().is_some_and(|json| json.remove("ClientRequestToken").is_some());
        let by_event = ByEvent::of(caller(&parts.headers));
        let body = if forgotten || matches!(meddled, Meddled::Changed) {
            parts.headers.remove(CONTENT_LENGTH);
            Bytes::from(json.to_string())
        } else {
            body
        };
        let moving = self.still.read().await;
        let carried_out = async {
            match (&by_event, &self.plan) {
                (Some(call), Some(plan)) => self.forward_by_event(call, plan, parts, json).await,
                _ => self.forward(Request::from_parts(parts, Full::new(body))).await,
            }
        };
        let (head, body) = tokio::time::timeout(PATIENCE, carried_out).await??;
        drop(moving);
        if head.status == StatusCode::BAD_REQUEST && refused(&body) {
            self.state().stats.refused += 1;
        }
        drop(in_flight);
        match fault {
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::FailAfter) => Ok(internal_error()),
            Some(Fault::Cut) if dice.bool() => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Cut) => Ok(half(head, &body)),
            Some(Fault::Throttle | Fault::Lose | Fault::Fail) | None => Ok(Response::from_parts(head, whole(body))),
        }
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), io::Error> {
        let answer = self.client.request(request).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        Ok((head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
    }

    /// Carries out a request of a call that knows payments by their events.
    async fn forward_by_event(
        &self,
        call: &ByEvent,
        plan: &Plan,
        mut parts: RequestParts,
        mut json: Value,
    ) -> Result<(Parts, Bytes), io::Error> {
        let (booked, mut events) = call.booked(&plan.events).await;
        let books = call.write(&mut json);
        parts.headers.remove(CONTENT_LENGTH);
        let (mut head, body) = self.forward(Request::from_parts(parts, Full::new(Bytes::from(json.to_string())))).await?;
        if booked || head.status != StatusCode::OK {
            return Ok((head, body));
        }
        if books {
            call.book(&mut events);
        }
        let body = call.read(&body);
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove("x-amz-crc32");
        Ok((head, body))
    }

    /// Lets a transaction into flight, or turns a request away that would meet one.
    fn enter(&self, writes: Writes) -> Result<Option<InFlight<'_>>, Box<Response<Body>>> {
        let mut state = self.state();
        let meets: Vec<bool> = writes.items.iter().map(|item| state.in_flight.contains(item)).collect();
        if meets.contains(&true) {
            state.stats.conflicts += 1;
            if let Some(plan) = &self.plan {
                plan.count(if writes.transaction { "transaction meets transaction" } else { "write meets transaction" });
            }
            let conflict = "Transaction is ongoing for the item";
            return Err(Box::new(if writes.transaction {
                cancelled(meets.iter().map(|meets| meets.then_some(("TransactionConflict", conflict))))
            } else {
                error(StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#TransactionConflictException", conflict)
            }));
        }
        if !writes.transaction {
            return Ok(None);
        }
        state.in_flight.extend(writes.items.iter().cloned());
        Ok(Some(InFlight { shared: self, items: writes.items }))
    }

    fn writes(&self, operation: &str, json: &Value) -> Writes {
        let transaction = operation == "TransactWriteItems";
        let items = match operation {
            "TransactWriteItems" => {
                let items = json["TransactItems"].as_array().into_iter().flatten();
                items.filter_map(|item| item.as_object()?.values().next()).map(|write| self.item(write)).collect()
            }
            "PutItem" | "UpdateItem" | "DeleteItem" => vec![self.item(json)],
            _ => Vec::new(),
        };
        Writes { transaction, items }
    }

    /// Names the item of a write: its table and key.
    fn item(&self, write: &Value) -> String {
        let table = write["TableName"].as_str().unwrap_or_default();
        let holder = if write["Item"].is_null() { &write["Key"] } else { &write["Item"] };
        let key = self.keys.get(table).into_iter().flatten().map(|part| holder[part].to_string());
        format!("{table} {}", key.collect::<Vec<_>>().join(" "))
    }
}

/// Throttling as each operation tells of it, in one of its ways.
fn throttled(operation: &str, json: &Value, dice: &mut fastrand::Rng) -> Response<Body> {
    let exceeded = "The level of configured provisioned throughput for the table was exceeded.";
    match (operation, dice.u8(..3)) {
        ("TransactWriteItems", 0) => {
            let items = json["TransactItems"].as_array().map_or(0, Vec::len);
            let place = dice.usize(..items.max(1));
            let throttled = ("ThrottlingError", "Throughput exceeds the current capacity of your table or index.");
            cancelled((0..items).map(|item| (item == place).then_some(throttled)))
        }
        ("BatchGetItem", 0) => answer(StatusCode::OK, &json!({ "Responses": {}, "UnprocessedKeys": json["RequestItems"] })),
        (_, 1) => error(StatusCode::BAD_REQUEST, "com.amazon.coral.availability#ThrottlingException", "Rate exceeded"),
        _ => error(StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", exceeded),
    }
}

/// An answer that breaks off in its middle.
pub fn half(head: Parts, body: &Bytes) -> Response<Body> {
    let half = Ok(Frame::data(body.slice(..body.len() / 2)));
    let cut = stream::iter([half, Err(io::ErrorKind::ConnectionReset.into())]);
    let mut response = Response::from_parts(head, StreamBody::new(cut).boxed());
    response.headers_mut().insert(CONTENT_LENGTH, body.len().max(1).into());
    response
}

fn refused(body: &Bytes) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
    let kind = json["__type"].as_str().unwrap_or_default();
    kind.ends_with("ConditionalCheckFailedException")
        || json["CancellationReasons"].as_array().into_iter().flatten().any(|reason| reason["Code"] == "ConditionalCheckFailed")
}

/// A cancelled transaction, with a reason or none for each of its items.
fn cancelled<'a>(reasons: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Response<Body> {
    let reasons: Vec<Value> = reasons
        .map(|reason| match reason {
            Some((code, message)) => json!({ "Code": code, "Message": message }),
            None => json!({ "Code": "None" }),
        })
        .collect();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    answer(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": reasons,
            "Message": message,
        }),
    )
}

fn internal_error() -> Response<Body> {
    error(StatusCode::INTERNAL_SERVER_ERROR, "com.amazonaws.dynamodb.v20120810#InternalServerError", "Internal server error")
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    answer(status, &json!({ "__type": kind, "message": message }))
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(wire::CONTENT_TYPE));
    response
}

/// An answer's whole body.
pub fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}
