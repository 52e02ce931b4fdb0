//! The binaries that AWS Lambda starts, started as Lambda starts them: they poll the Lambda Runtime API (version 2018-06-01) for
//! events, on the tables and queues of a local stack.

mod cargo;

use bytes::Bytes;
use cargo::cargo;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use simdock_local::{Options, Stack};
use simdock_payments::{Secret, sign_stripe};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

const PATIENCE: Duration = Duration::from_secs(20);

/// One end of an invocation: the request id, and the event or what became of it.
type Message = (String, Value);

/// A function's process, and the Runtime API that it talks to.
struct Lambda {
    process: Child,
    events: mpsc::Sender<Message>,
    answers: mpsc::Receiver<Message>,
}

impl Lambda {
    /// Starts the binary of `package` with these variables and no others but Lambda's own.
    async fn start(package: &str, variables: &BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, queue) = mpsc::channel(1);
        let (answered, answers) = mpsc::channel(1);
        tokio::spawn(runtime_api(listener, Arc::new(Mutex::new(queue)), answered));
        let folder = std::env::current_exe().expect("this test's path");
        let folder = folder.ancestors().nth(3).expect("the target folder").join("debug");
        let process = Command::new(folder.join(format!("simdock-{package}")))
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Self { process, events, answers }
    }

    /// Has it work an event; panics if it answers with an error.
    async fn invoke(&mut self, request_id: &str, event: Value) -> Value {
        self.work(request_id, event, "response").await
    }

    /// Has it work an event, and gives what became of it.
    async fn work(&mut self, request_id: &str, event: Value, outcome: &str) -> Value {
        self.events.send((request_id.to_owned(), event)).await.expect("the Runtime API is there");
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await.expect("an answer in time");
        let (path, answer) = answer.expect("the Runtime API is there");
        assert_eq!(path, format!("/2018-06-01/runtime/invocation/{request_id}/{outcome}"), "{answer}");
        answer
    }

    /// Ends it and gives what it wrote to standard output.
    fn end(mut self) -> String {
        self.process.kill().expect("it ends");
        output(self.process).1
    }

    /// Waits until it ended by itself, and gives how and what it wrote to standard error.
    async fn ended(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        while self.process.try_wait().expect("the process").is_none() {
            if begun.elapsed() > PATIENCE {
                let _ = self.process.kill();
                panic!("it goes on");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (status, _, errors) = output(self.process);
        (status, errors)
    }
}

fn output(process: Child) -> (ExitStatus, String, String) {
    let output = process.wait_with_output().expect("the process");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status, text(output.stdout), text(output.stderr))
}

/// Serves one function: hands out events, and takes what became of them together with the path that it was sent to.
async fn runtime_api(listener: TcpListener, events: Arc<Mutex<mpsc::Receiver<Message>>>, answers: mpsc::Sender<Message>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (events, answers) = (Arc::clone(&events), answers.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (events, answers) = (Arc::clone(&events), answers.clone());
            async move {
                let path = request.uri().path().to_owned();
                if request.method() == Method::POST {
                    let body = request.into_body().collect().await.expect("a whole answer").to_bytes();
                    let _ = answers.send((path, serde_json::from_slice(&body).expect("JSON"))).await;
                    let taken = Response::builder().status(StatusCode::ACCEPTED).body(Full::<Bytes>::default());
                    return Ok::<_, Infallible>(taken.expect("a response"));
                }
                assert_eq!(path, "/2018-06-01/runtime/invocation/next");
                // Lambda, too, leaves the request open until there is an event.
                let Some((request_id, event)) = events.lock().await.recv().await else { std::future::pending().await };
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time") + PATIENCE;
                let response = Response::builder()
                    .header("Content-Type", "application/json")
                    .header("Lambda-Runtime-Aws-Request-Id", request_id)
                    .header("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string())
                    .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:simdock")
                    .header(
                        "Lambda-Runtime-Trace-Id",
                        "Root=1-6b02bd20-50fb19ad5d1697bf89eb3538;Parent=50fb19ad5d1697bf;Sampled=0",
                    )
                    .body(Full::from(event.to_string()));
                Ok(response.expect("a response"))
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn stack() -> Stack {
    cargo(&["build", "--quiet", "--locked", "-p", "simdock-create-order", "-p", "simdock-provision"]);
    Stack::start(Options { paused: vec!["provision".to_owned()], ..Options::default() }).await.expect("a stack")
}

fn variables(stack: &Stack, package: &str) -> BTreeMap<String, String> {
    stack.environment(package).expect("a function").clone()
}

async fn call(stack: &Stack, request: hyper::http::request::Builder, body: String) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.body(Full::from(body)).expect("a request")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK, "{}", stack.base_url());
    serde_json::from_slice(&response.into_body().collect().await.expect("a body").to_bytes()).expect("JSON")
}

/// Holds that a function logged JSON lines, that those of its invocation say which and for what order, and that none gives away
/// what is nobody's business.
fn check_the_log(log: &str, function: &str, request_id: &str, num: &str, stack: &Stack, code: &str) {
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    assert!(!lines.is_empty(), "{function} says nothing");
    for line in &lines {
        let span = &line["span"];
        assert_eq!(
            (&span["function"], &span["requestId"], &span["orderNum"]),
            (&json!(function), &json!(request_id), &json!(num)),
            "{line}"
        );
    }
    let keys = stack.keys();
    for secret in
        [&keys.partner_key, &keys.stripe_secret, &keys.standard_secret, &keys.carrier_secret, "ana@example.com", "LPA:", code]
    {
        assert!(!log.contains(secret), "{function} gives away a secret: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binaries_work_events_from_the_runtime_api() {
    let stack = stack().await;
    let mut create_order = Lambda::start("create-order", &variables(&stack, "create-order")).await;
    let mut event: Value = serde_json::from_str(include_str!("../../events/create-order.json")).expect("an event");
    event["headers"]["authorization"] = format!("Bearer {}", stack.keys().partner_key).into();
    let body: Value = serde_json::from_str(event["body"].as_str().expect("a body")).expect("JSON");
    event["body"] =
        json!({ "planId": "sandbox-1gb-7d", "count": 1, "payment": "card", "subscriber": body["subscriber"] }).to_string().into();
    let request_id = event["requestContext"]["requestId"].as_str().expect("an id").to_owned();

    let answer = create_order.invoke("8e03978e-40d5-43e8-bc93-6894a57f9324", event.clone()).await;
    assert_eq!((&answer["statusCode"], &answer["isBase64Encoded"]), (&json!(201), &json!(false)), "{answer}");
    let order: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!((&order["status"], &order["count"]), (&json!(-1), &json!(1)));
    let num = order["orderNum"].as_str().expect("an order number").to_owned();
    let again = create_order.invoke("3a1f0f6e-9c53-4c5e-8c1c-0d3f4e6b7a90", event).await;
    assert_eq!((&again["statusCode"], &again["headers"]["idempotency-replayed"]), (&json!(200), &json!("true")), "{again}");

    let paid = json!({
        "id": "evt_1", "type": "payment_intent.succeeded",
        "data": { "object": { "id": "pi_1", "amount_received": 500, "currency": "eur", "metadata": { "orderNum": num } } },
    });
    let secret = Secret::stripe(&stack.keys().stripe_secret).expect("a secret");
    let signature = sign_stripe(stack.clock().now(), paid.to_string().as_bytes(), &secret);
    let webhook =
        Request::post(format!("{}/v1/webhooks/payments/stripe", stack.base_url())).header("Stripe-Signature", signature);
    assert_eq!(call(&stack, webhook, paid.to_string()).await["result"], "paid");

    let provision_variables = variables(&stack, "provision");
    let queue = variables(&stack, "relay")["PROVISION_QUEUE_URL"].rsplit('/').next().expect("a queue").to_owned();
    let begun = Instant::now();
    let message = loop {
        assert!(begun.elapsed() < PATIENCE, "the relay queues nothing");
        if let Some(message) = stack.queues().receive(&queue, 1).await.expect("a queue").pop() {
            break message;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let mut event: Value = serde_json::from_str(include_str!("../../events/provision.json")).expect("an event");
    event["Records"][0]["body"] = message.body.into();
    let mut provision = Lambda::start("provision", &provision_variables).await;
    let invocation = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
    let answer = provision.invoke(invocation, event.clone()).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let get = Request::get(format!("{}/v1/orders/{num}", stack.base_url()));
    let get = get.header("Authorization", format!("Bearer {}", stack.keys().partner_key));
    let order = call(&stack, get, String::new()).await;
    assert_eq!((&order["fulfilment"], &order["cards"][0]["status"]), (&json!("completed"), &json!("ready")), "{order}");
    let code = order["cards"][0]["code"].as_str().expect("a code");

    check_the_log(&create_order.end(), "create-order", &request_id, &num, &stack, code);
    check_the_log(&provision.end(), "provision", invocation, &num, &stack, code);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_is_refused_and_the_next_one_taken() {
    let stack = stack().await;
    let mut create_order = Lambda::start("create-order", &variables(&stack, "create-order")).await;
    for request_id in ["5f9b1c0a-2e2f-4c55-9d5e-7a4c9f1f2a3b", "6a0c2d1b-3f30-4d66-8e6f-8b5dac202b4c"] {
        let refused = create_order.work(request_id, json!({ "rawPath": 1 }), "error").await;
        assert!(refused["errorMessage"].as_str().is_some_and(|message| message.contains("expected a string")), "{refused}");
    }
    create_order.end();
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binary_without_its_configuration_ends_and_says_what_is_missing() {
    let stack = stack().await;
    for (package, variable, value) in [
        ("create-order", "ORDERS_TABLE", None),
        ("create-order", "AWS_REGION", Some("")),
        ("provision", "SIMS_TABLE", None),
        ("provision", "CARRIERS", Some(r#"{"sandbox": {"url": "https://example.com", "secret": "whsec_not!base64"}}"#)),
    ] {
        let mut variables = variables(&stack, package);
        match value {
            None => variables.remove(variable),
            Some(value) => variables.insert(variable.to_owned(), value.to_owned()),
        };
        let (status, errors) = Lambda::start(package, &variables).await.ended().await;
        assert!(!status.success(), "{package} runs without {variable}");
        assert!(errors.contains(&format!("environment variable {variable} ")), "{package} says: {errors}");
        assert!(!errors.contains("not!base64"), "{package} gives away a secret: {errors}");
    }
    stack.stop().await;
}
