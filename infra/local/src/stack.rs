//! The stack: everything that the template declares, running in this process.

use crate::clock::StackClock;
use crate::control;
use crate::data::{Data, Keys};
use crate::engine::Engine;
use crate::error::{Context, StackError};
use crate::event_bus::{EventBus, invocation_queue, invocation_queue_name};
use crate::function::{Function, Handler};
use crate::gateway::Gateway;
use crate::home;
use crate::http::{Request, Response, read_body, refusal, serve};
use crate::operator::{OPERATOR, Operator};
use crate::queues::Queues;
use crate::ses::Mailbox;
use crate::sources::{Gate, Schedule, StreamReader, feed_from_queue, feed_from_stream, feed_invocations};
use crate::sqs;
use crate::state::{Change, State};
use crate::stripe::{self, Stripe};
use crate::template::{FunctionSpec, REGION, TEMPLATE, Template};
use dynoxide::Database;
use futures_util::future::{BoxFuture, join_all};
use hyper::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use simdock_domain::Timestamp;
use simdock_runtime::Config;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The port that is used unless another is asked for.
pub const DEFAULT_PORT: u16 = 8080;

/// How long what is under way may take when the stack stops.
const GRACE: Duration = Duration::from_secs(5);
/// Largest request to the services, in bytes: a mail of 40 MB in base64.
const LARGEST_SERVICE_REQUEST: usize = 60 * 1024 * 1024;

/// Gives the address through which the functions reach something, from its own.
pub type Proxy = Arc<dyn Fn(&str) -> String + Send + Sync>;
/// Builds a function's handler from its package name and its configuration.
pub type Loader = Arc<dyn Fn(String, Config) -> BoxFuture<'static, Result<Handler, StackError>> + Send + Sync>;

/// How to start a stack. The default is one in memory, on a free port, with the demo's stock.
#[derive(Clone, Default)]
pub struct Options {
    /// Port of the API; 0 takes a free one.
    pub port: u16,
    /// Where data is kept; in memory without one.
    pub data: Option<PathBuf>,
    /// Where the clock begins. Without it, where it was when the stack last ran.
    pub clock: Option<Timestamp>,
    /// Stock to put in instead of the demo's: a CSV as the API imports it.
    pub inventory: Option<PathBuf>,
    /// Stripe's address and key, instead of the sandbox's.
    pub stripe: Option<(String, String)>,
    /// Begins with empty tables: no catalogue, stock, partners or keys.
    pub empty: bool,
    /// Sources that are paused from the start, by function package.
    pub paused: Vec<String>,
    /// Begins with all of them paused.
    pub still: bool,
    /// Something between the functions and the engine.
    pub dynamodb_proxy: Option<Proxy>,
    /// Something between the functions and the stand-ins for AWS services and the sandboxes.
    pub services_proxy: Option<Proxy>,
    /// Where handlers come from; the product's own without one.
    pub loader: Option<Loader>,
}

/// What the pages and controls look at.
pub struct Shared {
    pub(crate) base_url: String,
    pub(crate) in_memory: bool,
    pub(crate) clock: StackClock,
    pub(crate) gateway: Gateway,
    pub(crate) queues: Queues,
    pub(crate) mailbox: Mailbox,
    pub(crate) operator: Operator,
    pub(crate) stripe: Stripe,
    pub(crate) schedules: Vec<Arc<Schedule>>,
    pub(crate) pauses: BTreeMap<String, watch::Sender<bool>>,
    state: State,
}

impl Shared {
    pub(crate) fn is_paused(&self, source: &str) -> bool {
        self.pauses.get(source).is_some_and(|paused| *paused.borrow())
    }

    /// Keeps the clock where it is over a restart: what was stored since lies in the past only then.
    pub(crate) async fn keep_clock(&self) -> Result<(), StackError> {
        self.state.write(vec![Change::put("clock", "offset", &self.clock.offset())?]).await
    }
}

/// A running stack.
pub struct Stack {
    shared: Arc<Shared>,
    functions: BTreeMap<String, Function>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    engine: Engine,
    services_url: String,
    data: Data,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Stack {
    /// Starts a stack and returns once it serves.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let data = Data::open(options.data.as_deref())?;
        let api = listen(options.port).await?;
        let services = listen(0).await?;
        let base_url = url(&api)?;
        let services_url = url(&services)?;
        let seen_url = options.services_proxy.as_ref().map_or_else(|| services_url.clone(), |proxy| proxy(&services_url));
        let refunds_at = options.stripe.unwrap_or_else(|| (seen_url.clone(), stripe::KEY.to_owned()));
        let template = Template::parse(TEMPLATE, &parameters(data.keys(), &seen_url, &refunds_at), &seen_url)?;

        let tables = template.tables;
        let file = data.file().map(PathBuf::from);
        let engine =
            tokio::task::spawn_blocking(move || Engine::start(file.as_deref(), &tables)).await.context("the engine")??;
        let state = State::open(data.state_file().as_deref())?;
        let kept = state.get::<i64>("clock", "offset").await?;
        let clock = StackClock::new(match options.clock {
            Some(begin) => begin.seconds_since(StackClock::new(0).now()),
            None => kept.unwrap_or(0),
        });

        let mut queue_specs = template.queues;
        queue_specs.extend(template.functions.iter().filter(|function| !function.rules.is_empty()).map(invocation_queue));
        let queues = Queues::open(queue_specs, state.clone(), clock.clone()).await?;
        let mailbox = Mailbox::open(state.clone(), clock.clone(), EventBus::new(&template.functions, queues.clone())).await?;
        let operator = Operator::new(state.clone(), clock.clone(), &data.keys().carrier_secret)?;
        let stripe = Stripe::new(state.clone(), clock.clone(), &data.keys().stripe_secret)?;

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (mail, sandbox) = (mailbox.clone(), stripe.clone());
        let service = Services { queues: queues.clone(), mailbox: mail, operator: operator.clone(), stripe: sandbox };
        tasks.spawn(serve(services, stopped.clone(), move |request, _| service.clone().handle(request)));

        let dynamodb_url = options.dynamodb_proxy.as_ref().map_or_else(|| engine.url().to_owned(), |proxy| proxy(engine.url()));
        let environments: BTreeMap<_, _> = template
            .functions
            .iter()
            .map(|function| (function.package.clone(), environment(function, &dynamodb_url, &seen_url)))
            .collect();
        if !options.empty {
            crate::seed::seed(&seed_config(&environments, engine.url(), &clock), data.keys(), options.inventory.as_deref())
                .await?;
        }
        let functions = load(template.functions, &environments, &clock, options.loader.as_ref()).await?;

        let schedules = functions
            .iter()
            .flat_map(|function| {
                function.spec.schedules.iter().map(|period| Schedule::new(function.clone(), *period, clock.clone()))
            })
            .map(Arc::new)
            .collect();
        let rests = |package: &String| options.still || options.paused.contains(package);
        let pauses = functions
            .iter()
            .filter(|function| has_source(&function.spec))
            .map(|function| (function.spec.package.clone(), watch::Sender::new(rests(&function.spec.package))))
            .collect();
        let shared = Arc::new(Shared {
            base_url,
            in_memory: data.file().is_none(),
            gateway: Gateway::new(&functions, clock.clone()),
            clock,
            queues,
            mailbox,
            operator,
            stripe,
            schedules,
            pauses,
            state: state.clone(),
        });
        if let Some(unknown) = options.paused.iter().find(|source| !shared.pauses.contains_key(*source)) {
            let known = shared.pauses.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(StackError::new(format!("there is no source {unknown} to pause; there are {known}")));
        }
        shared.keep_clock().await?;

        let pages = Arc::clone(&shared);
        tasks.spawn(serve(api, stopped.clone(), move |request, peer| handle(Arc::clone(&pages), request, peer)));
        feed(&mut tasks, &functions, &shared, (&engine.database(), &state), &stopped);
        let functions = functions.into_iter().map(|function| (function.spec.package.clone(), function)).collect();
        Ok(Self { shared, functions, environments, engine, services_url, data, stop, tasks })
    }

    /// Where the API is, such as `http://127.0.0.1:8080`.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Where the stand-ins for SQS and SES and the sandboxes are.
    pub fn services_url(&self) -> &str {
        &self.services_url
    }

    /// Where the `DynamoDB` engine itself is.
    pub fn engine_url(&self) -> &str {
        self.engine.url()
    }

    /// The keys and secrets.
    pub fn keys(&self) -> &Keys {
        self.data.keys()
    }

    /// The clock.
    pub fn clock(&self) -> &StackClock {
        &self.shared.clock
    }

    /// The queues.
    pub fn queues(&self) -> &Queues {
        &self.shared.queues
    }

    /// The mails that were sent.
    pub fn mailbox(&self) -> &Mailbox {
        &self.shared.mailbox
    }

    /// Every route's method, path and function package.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.shared.gateway.routes()
    }

    /// The environment variables that a function has, by its package; also what its own binary needs to work on this stack.
    pub fn environment(&self, package: &str) -> Option<&BTreeMap<String, String>> {
        self.environments.get(package)
    }

    /// A configuration with the variables of all functions, for work on the tables from outside of them.
    pub fn config(&self) -> Config {
        seed_config(&self.environments, self.engine.url(), &self.shared.clock)
    }

    /// Calls a function with an event, past its triggers.
    pub async fn invoke(&self, package: &str, event: Value) -> Result<Value, StackError> {
        let function = self.functions.get(package).ok_or_else(|| StackError::new(format!("there is no function {package}")))?;
        function.call(event).await.context(package)
    }

    /// What `--ready-file` holds: the keys and secrets, `baseUrl`, `mailbox`, and for clients of AWS services `dynamodbUrl` and
    /// `servicesUrl`.
    pub fn ready(&self) -> Value {
        let mut ready = json!(self.keys());
        ready["baseUrl"] = self.base_url().into();
        ready["mailbox"] = format!("{}/mailbox", self.base_url()).into();
        ready["dynamodbUrl"] = self.engine_url().into();
        ready["servicesUrl"] = self.services_url().into();
        ready
    }

    /// Stops taking requests, lets what is under way finish, and closes the data file.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!("something was still under way when the stack stopped; it is done again at the next start");
            self.tasks.shutdown().await;
        }
        self.engine.stop().await;
    }
}

async fn listen(port: u16) -> Result<TcpListener, StackError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            StackError::new(format!("port {port} is taken; choose another with --port N, or --port 0 for a free one"))
        }
        _ => StackError::new(format!("port {port} cannot be used: {error}")),
    })
}

fn url(listener: &TcpListener) -> Result<String, StackError> {
    Ok(format!("http://{}", listener.local_addr().context("address")?))
}

/// The template's parameters for this machine.
fn parameters(keys: &Keys, services_url: &str, (stripe_url, stripe_key): &(String, String)) -> BTreeMap<String, String> {
    let carriers = json!({ OPERATOR: { "url": services_url, "secret": keys.carrier_secret } });
    BTreeMap::from(
        [
            ("Stage", "local"),
            ("SenderAddress", "orders@simdock.test"),
            ("ManagerAddress", "desk@simdock.test"),
            ("StripeWebhookSecrets", &keys.stripe_secret),
            ("StripeSecretKey", stripe_key),
            ("StripeUrl", stripe_url),
            ("StandardWebhookSecrets", &keys.standard_secret),
            ("Carriers", &carriers.to_string()),
            ("ConsoleSecret", &keys.console_secret),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
}

/// A function's variables: the template's, and those that Lambda and the SDK add, pointed at this machine.
fn environment(function: &FunctionSpec, dynamodb_url: &str, services_url: &str) -> BTreeMap<String, String> {
    let mut variables = function.environment.clone();
    for (name, value) in [
        ("AWS_REGION", REGION),
        // Who asks can be told by it, as by a role's own keys on AWS.
        ("AWS_ACCESS_KEY_ID", &function.package),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url),
        ("AWS_ENDPOINT_URL_SQS", services_url),
        ("AWS_ENDPOINT_URL_SESV2", services_url),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// The variables of all functions together, past any proxy.
fn seed_config(environments: &BTreeMap<String, BTreeMap<String, String>>, engine_url: &str, clock: &StackClock) -> Config {
    let mut variables: BTreeMap<_, _> =
        environments.values().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    variables.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), engine_url.to_owned());
    Config::new(variables, clock.for_functions())
}

/// Builds all functions at once.
async fn load(
    specs: Vec<FunctionSpec>,
    environments: &BTreeMap<String, BTreeMap<String, String>>,
    clock: &StackClock,
    loader: Option<&Loader>,
) -> Result<Vec<Function>, StackError> {
    let loading = specs.into_iter().map(|spec| {
        let config = Config::new(environments.get(&spec.package).cloned().unwrap_or_default(), clock.for_functions());
        let loader = loader.cloned();
        let task = tokio::spawn(async move {
            let handler = match loader {
                Some(loader) => loader(spec.package.clone(), config).await,
                None => crate::functions::load(&spec.package, &config).await,
            };
            handler.context(format!("function {}", spec.package)).map(|handler| Function::new(spec, handler))
        });
        async { task.await.context("a function's start")? }
    });
    join_all(loading).await.into_iter().collect()
}

fn has_source(function: &FunctionSpec) -> bool {
    !(function.queues.is_empty() && function.streams.is_empty() && function.schedules.is_empty() && function.rules.is_empty())
}

/// Starts what feeds the functions.
fn feed(
    tasks: &mut JoinSet<()>,
    functions: &[Function],
    shared: &Arc<Shared>,
    (database, state): (&Database, &State),
    stop: &watch::Receiver<bool>,
) {
    for function in functions {
        let Some(paused) = shared.pauses.get(&function.spec.package) else { continue };
        let gate = Gate { stop: stop.clone(), paused: paused.subscribe() };
        for source in &function.spec.queues {
            tasks.spawn(feed_from_queue(function.clone(), source.clone(), shared.queues.clone(), gate.clone()));
        }
        for source in &function.spec.streams {
            let reader = StreamReader {
                function: function.clone(),
                source: source.clone(),
                queues: shared.queues.clone(),
                database: database.clone(),
                state: state.clone(),
            };
            tasks.spawn(feed_from_stream(reader, gate.clone()));
        }
        if !function.spec.rules.is_empty() {
            let queue = invocation_queue_name(&function.spec);
            tasks.spawn(feed_invocations(function.clone(), queue, shared.queues.clone(), gate.clone()));
        }
    }
    for schedule in &shared.schedules {
        let Some(paused) = shared.pauses.get(schedule.package()) else { continue };
        let gate = Gate { stop: stop.clone(), paused: paused.subscribe() };
        let schedule = Arc::clone(schedule);
        tasks.spawn(async move { schedule.keep(gate).await });
    }
}

/// Answers a request to the API's address: the stack's own pages, then the routes.
async fn handle(stack: Arc<Shared>, request: Request, peer: SocketAddr) -> Response {
    let path = request.uri().path();
    let own = path == "/"
        || path == "/mailbox"
        || path == "/mailbox.json"
        || path.starts_with("/mailbox/")
        || path.starts_with("/_local/");
    if !own {
        return stack.gateway.handle(request, peer).await;
    }
    if !from_this_machine(request.headers()) {
        return refusal(StatusCode::FORBIDDEN, "the stack's own pages are for this machine only");
    }
    match (request.method(), path) {
        (_, path) if path.starts_with("/_local/") => control::handle(&stack, request).await,
        (&Method::GET, "/") => home::show(&stack),
        (&Method::GET, path) => stack.mailbox.page(path).await,
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "this page can only be read"),
    }
}

/// Whether the request was meant for this machine and comes from none of the web pages that a browser has open: any of them could
/// send one here, and could read the answer if its own name resolved to this address.
fn from_this_machine(headers: &HeaderMap) -> bool {
    let local = |value: &str| {
        let authority = value.split_once("://").map_or(value, |(_, authority)| authority);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    };
    [header::HOST, header::ORIGIN].iter().all(|name| headers.get(name).is_none_or(|value| value.to_str().is_ok_and(local)))
}

/// The stand-ins for AWS services, and the sandboxes.
#[derive(Clone)]
struct Services {
    queues: Queues,
    mailbox: Mailbox,
    operator: Operator,
    stripe: Stripe,
}

impl Services {
    async fn handle(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = read_body(body, LARGEST_SERVICE_REQUEST).await else {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or incomplete");
        };
        let path = parts.uri.path();
        if path == stripe::REFUNDS {
            return self.stripe.handle(&parts.method, &parts.headers, parts.uri.query(), &body).await;
        }
        if parts.method != Method::POST {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "the services take POST only");
        }
        if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
            return sqs::handle(&self.queues, target, &body).await;
        }
        if path == "/v2/email/outbound-emails" {
            return self.mailbox.send_email(&body).await;
        }
        match path.strip_prefix("/v1/profiles/").and_then(|rest| rest.split_once('/')) {
            Some((iccid, action)) => self.operator.handle(&parts.headers, iccid, action, &body).await,
            None => refusal(StatusCode::NOT_FOUND, "no service listens here"),
        }
    }
}
