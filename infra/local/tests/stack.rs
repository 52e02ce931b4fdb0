//! The stack with functions made for the test: what starts them, what they are given, and what survives a restart. The SDK's own
//! clients speak to the stand-ins.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_local::{Depth, Loader, Options, Stack, event_handler, http_handler};
use simdock_runtime::Service;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Every event that a function got, with the function's name.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, Value)>>>);

impl Seen {
    fn of(&self, function: &str) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|(name, _)| name == function).map(|(_, event)| event.clone()).collect()
    }

    /// The events of a function once something holds of them.
    async fn until(&self, function: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..1_000 {
            let events = self.of(function);
            if holds(&events) {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{function} only got {:?}", self.of(function));
    }
}

/// Order numbers of the changes in stream events, in their order.
fn changed(events: &[Value]) -> Vec<String> {
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    records.map(|record| record["dynamodb"]["Keys"]["orderNum"]["S"].as_str().unwrap().to_owned()).collect()
}

fn bodies(events: &[Value]) -> Vec<String> {
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    records.map(|record| record["body"].as_str().unwrap().to_owned()).collect()
}

/// Functions that note what they got. Messages and orders whose text holds `poison` fail.
fn loader(seen: &Seen) -> Loader {
    let seen = seen.clone();
    Arc::new(move |package, _| {
        let seen = seen.clone();
        Box::pin(async move {
            Ok(match package.as_str() {
                "create-order" => http_handler(|_| async { panic!("on purpose") }),
                "read" => http_handler(|request: lambda_http::Request| async move {
                    lambda_http::Response::new(lambda_http::Body::from(request.uri().to_string()))
                }),
                _ => event_handler(move |event: lambda_http::LambdaEvent<Value>| {
                    let event = event.payload;
                    seen.0.lock().unwrap().push((package.clone(), event.clone()));
                    let failures: Vec<_> = event["Records"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|record| record.to_string().contains("poison"))
                        .map(|record| {
                            record["dynamodb"]["SequenceNumber"].as_str().or(record["messageId"].as_str()).unwrap().to_owned()
                        })
                        .map(|id| json!({ "itemIdentifier": id }))
                        .collect();
                    async move { Ok::<_, String>(json!({ "batchItemFailures": failures })) }
                }),
            })
        })
    })
}

async fn start(seen: &Seen, options: Options) -> Stack {
    Stack::start(Options { empty: true, loader: Some(loader(seen)), ..options }).await.unwrap()
}

async fn in_memory(seen: &Seen) -> Stack {
    start(seen, Options { paused: vec!["sweep".to_owned()], ..Options::default() }).await
}

fn scratch_directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("simdock-stack-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

async fn call(method: Method, url: String, body: impl Into<Bytes>) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).body(Full::new(body.into())).unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn post(stack: &Stack, path: &str, body: &Value) -> Value {
    let (status, body) = call(Method::POST, format!("{}{path}", stack.base_url()), body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn sqs(stack: &Stack) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&stack.config().sdk(Service::Sqs).unwrap())
}

fn dynamodb(stack: &Stack) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap())
}

/// Writes what the stream's filter lets pass.
async fn put_order(client: &aws_sdk_dynamodb::Client, order: &str) {
    put_quiet_order(client, order).item("nw", AttributeValue::Bool(true)).send().await.unwrap();
}

/// The write of what it does not.
fn put_quiet_order(client: &aws_sdk_dynamodb::Client, order: &str) -> PutItemFluentBuilder {
    client.put_item().table_name("simdock-local-orders").item("orderNum", AttributeValue::S(order.to_owned()))
}

fn depth(stack: &Stack, queue: &str) -> Depth {
    stack.queues().depths().into_iter().find(|depth| depth.name == queue).unwrap()
}

#[tokio::test]
async fn the_gateway_answers_for_what_functions_do_not() {
    let stack = in_memory(&Seen::default()).await;
    let base = stack.base_url();
    let get = |path: &str| call(Method::GET, format!("{base}{path}"), "");
    let seen = format!("{}/v1/orders/EP1?x=1", base.replace("http:", "https:"));
    assert_eq!(get("/v1/orders/EP1?x=1").await, (StatusCode::OK, seen), "API Gateway is only there by HTTPS");
    assert_eq!(get("/v1/nothing").await, (StatusCode::NOT_FOUND, "{\"message\":\"Not Found\"}".to_owned()));
    let (status, body) = call(Method::POST, format!("{base}/v1/orders"), "{}").await;
    assert_eq!((status, body.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "{\"message\":\"Internal Server Error\"}"));
    let (status, _) = call(Method::POST, format!("{base}/v1/orders"), vec![b'x'; 11 * 1024 * 1024]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get("/v1/orders").await.0, StatusCode::OK, "a crash of one function leaves the others running");
    let (status, page) = get("/").await;
    assert!(status.is_success() && page.contains("/v1/webhooks/payments/{provider}"), "{page}");
    stack.stop().await;
}

#[tokio::test]
async fn messages_reach_their_function_and_the_failed_ones_come_back() {
    let seen = Seen::default();
    let stack = in_memory(&seen).await;
    let client = sqs(&stack);
    let queue = stack.environment("relay").unwrap()["PROVISION_QUEUE_URL"].clone();
    let entry = |id: &str| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(format!("{{\"order\": \"{id}\"}}")).build().unwrap()
    };
    let sent =
        client.send_message_batch().queue_url(&queue).entries(entry("good")).entries(entry("poison")).send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (2, 0));
    client.send_message().queue_url(&queue).message_body("later").delay_seconds(600).send().await.unwrap();

    let events = seen.until("provision", |events| bodies(events).len() >= 2).await;
    let record = &events[0]["Records"][0];
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:local:000000000000:simdock-local-provision");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert!(!bodies(&events).contains(&"later".to_owned()));

    // The queue grants five receives, and one more look finds that they are used up.
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        post(&stack, "/_local/clock", &json!({"advance": "PT10M"})).await;
    }
    for _ in 0..200 {
        if depth(&stack, "simdock-local-provision-dead").visible == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(depth(&stack, "simdock-local-provision-dead").visible, 1);
    let got = bodies(&seen.of("provision"));
    let count = |text: &str| got.iter().filter(|body| body.contains(text)).count();
    assert_eq!((count("good"), count("later"), count("poison")), (1, 1, 5));

    let missing =
        client.send_message().queue_url(format!("{}/000000000000/other", stack.services_url())).message_body("x").send().await;
    assert!(missing.unwrap_err().into_service_error().is_queue_does_not_exist());
    stack.stop().await;
}

#[tokio::test]
async fn changes_reach_the_relay_in_order_and_a_bad_one_is_set_aside() {
    let seen = Seen::default();
    let stack = in_memory(&seen).await;
    let client = dynamodb(&stack);
    put_quiet_order(&client, "quiet").send().await.unwrap();
    for order in ["EP1", "poison", "EP2"] {
        put_order(&client, order).await;
    }
    seen.until("relay", |events| changed(events).contains(&"EP2".to_owned())).await;
    for _ in 0..1_000 {
        if depth(&stack, "simdock-local-relay-failures").visible > 0 && changed(&seen.of("relay")).last().unwrap() == "EP2" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let failures = stack.queues().receive("simdock-local-relay-failures", 10).await.unwrap();
    assert_eq!(failures.len(), 1);
    let notice: Value = serde_json::from_str(&failures[0].body).unwrap();
    assert_eq!(
        (&notice["DDBStreamBatchInfo"]["batchSize"], &notice["requestContext"]["approximateInvokeCount"]),
        (&json!(1), &json!(6))
    );
    assert!(!failures[0].body.contains("poison"));
    let order = changed(&seen.of("relay"));
    assert_eq!(order.first().unwrap(), "EP1");
    assert!(!order.contains(&"quiet".to_owned()));
    let record = &seen.of("relay")[0]["Records"][0];
    assert_eq!((&record["eventName"], &record["dynamodb"]["NewImage"]["orderNum"]["S"]), (&json!("INSERT"), &json!("EP1")));
    stack.stop().await;
}

#[tokio::test]
async fn a_restart_neither_loses_nor_repeats() {
    let directory = scratch_directory("restart");
    let options = || Options { data: Some(directory.clone()), paused: vec!["sweep".to_owned()], ..Options::default() };
    let seen = Seen::default();
    let stack = start(&seen, options()).await;
    let key = stack.keys().partner_key.clone();
    put_order(&dynamodb(&stack), "EP1").await;
    seen.until("relay", |events| changed(events) == ["EP1"]).await;
    post(&stack, "/_local/pause", &json!({"source": "relay", "paused": true})).await;
    post(&stack, "/_local/pause", &json!({"source": "provision", "paused": true})).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    put_order(&dynamodb(&stack), "EP2").await;
    let queue = stack.environment("relay").unwrap()["PROVISION_QUEUE_URL"].clone();
    sqs(&stack).send_message().queue_url(queue).message_body("waiting").send().await.unwrap();
    post(&stack, "/_local/clock", &json!({"advance": "P30D"})).await;
    let shown = stack.clock().now();
    let second = Stack::start(Options { empty: true, loader: Some(loader(&seen)), ..options() }).await;
    assert!(second.err().unwrap().to_string().contains("another stack"));
    stack.stop().await;

    let seen = Seen::default();
    let stack = start(&seen, options()).await;
    seen.until("relay", |events| changed(events) == ["EP2"]).await;
    seen.until("provision", |events| bodies(events) == ["waiting"]).await;
    assert_eq!(stack.keys().partner_key, key);
    assert!(stack.clock().now() >= shown);
    stack.stop().await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn the_clock_runs_what_falls_due_before_it_answers() {
    let seen = Seen::default();
    let stack = start(&seen, Options { clock: Some("2026-11-22T10:30:00Z".parse().unwrap()), ..Options::default() }).await;
    seen.until("sweep", |events| events.len() == 1).await;
    let answer = post(&stack, "/_local/clock", &json!({"advance": "PT20M"})).await;
    assert!(answer["now"].as_str().unwrap().starts_with("2026-11-22T10:50:0"), "{answer}");
    let runs = seen.of("sweep");
    assert_eq!(runs.len(), 2);
    assert!(runs[1]["time"].as_str().unwrap().starts_with("2026-11-22T10:50:0"));
    let answer = post(&stack, "/_local/sweep", &json!({})).await;
    assert_eq!(answer, json!({"ran": [{"function": "sweep", "succeeded": true}]}));
    assert_eq!(seen.of("sweep").len(), 3);

    for (path, body) in [
        ("/_local/clock", "{\"advance\": \"20 minutes\"}"),
        ("/_local/clock", "{\"now\": \"2020-01-01T00:00:00Z\"}"),
        ("/_local/clock", "{}"),
        ("/_local/pause", "{\"source\": \"read\", \"paused\": true}"),
        ("/_local/operator", "{\"mode\": \"explode\"}"),
        ("/_local/operator/events", "{}"),
        ("/_local/operator/events", "{\"iccid\": \"8949\", \"repeat\": 0}"),
        ("/_local/operator/events", "{\"iccid\": \"8949\", \"eventId\": 1}"),
    ] {
        let (status, answer) = call(Method::POST, format!("{}{path}", stack.base_url()), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn the_sandbox_operators_events_reach_the_api() {
    let stack = in_memory(&Seen::default()).await;
    let path = "/v1/sims/8949100012345678902/events";
    let (status, body) = call(Method::POST, format!("{}{path}", stack.base_url()), "{}").await;
    let event = json!({"iccid": "8949100012345678902", "type": "installed", "repeat": 2});
    let answer = post(&stack, "/_local/operator/events", &event).await;
    assert_eq!(answer, json!({"status": status.as_u16(), "body": serde_json::from_str::<Value>(&body).unwrap()}));
    stack.stop().await;
}

#[tokio::test]
async fn mail_is_kept_and_its_fate_becomes_an_event() {
    let seen = Seen::default();
    let stack = in_memory(&seen).await;
    let client = aws_sdk_sesv2::Client::new(&stack.config().sdk(Service::SesV2).unwrap());
    let set = stack.environment("send-email").unwrap()["SES_CONFIGURATION_SET"].clone();
    let send = |to: &str| {
        let raw = format!(
            "From: orders@simdock.test\r\nTo: {to}\r\nSubject: Your eSIM\r\n\r\nHello <you>\r\nhttps://esimsetup.apple.com/x\r\n"
        );
        let raw = RawMessage::builder().data(Blob::new(raw)).build().unwrap();
        client
            .send_email()
            .from_email_address("Simdock <orders@simdock.test>")
            .destination(Destination::builder().to_addresses(to).build())
            .content(EmailContent::builder().raw(raw).build())
            .configuration_set_name(&set)
            .email_tags(MessageTag::builder().name("orderNum").value("EP1").build().unwrap())
            .email_tags(MessageTag::builder().name("mail").value("qr").build().unwrap())
            .send()
    };
    let id = send("ana@example.com").await.unwrap().message_id().unwrap().to_owned();
    send("bounce@simulator.test").await.unwrap();
    assert!(send("throttle@simulator.test").await.unwrap_err().into_service_error().is_too_many_requests_exception());
    assert!(send("refused@simulator.test").await.unwrap_err().into_service_error().is_message_rejected());

    let base = stack.base_url();
    let list: Value = serde_json::from_str(&call(Method::GET, format!("{base}/mailbox.json"), "").await.1).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let mail = &list[1];
    assert_eq!(
        (&mail["id"], &mail["to"], &mail["subject"], &mail["orderNum"], &mail["mail"]),
        (&json!(id), &json!("ana@example.com"), &json!("Your eSIM"), &json!("EP1"), &json!("qr"))
    );
    let (_, raw) = call(Method::GET, format!("{base}/mailbox/{id}.eml"), "").await;
    assert!(raw.starts_with("From: orders@simdock.test\r\n"));
    let (_, page) = call(Method::GET, format!("{base}/mailbox/{id}"), "").await;
    assert!(page.contains("Hello &lt;you&gt;") && page.contains("<a href=\"https://esimsetup.apple.com/x\""), "{page}");

    let events = seen.until("mail-events", |events| !events.is_empty()).await;
    let detail = &events[0]["detail"];
    assert_eq!((&events[0]["source"], &events[0]["detail-type"]), (&json!("aws.ses"), &json!("Email Bounced")));
    assert_eq!((&detail["eventType"], &detail["bounce"]["bounceType"]), (&json!("Bounce"), &json!("Permanent")));
    assert_eq!((&detail["mail"]["tags"]["orderNum"], &detail["mail"]["tags"]["mail"]), (&json!(["EP1"]), &json!(["qr"])));
    stack.stop().await;
}

#[tokio::test]
async fn pages_are_for_this_machine_only() {
    let stack = in_memory(&Seen::default()).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for (header, value) in [("Origin", "https://example.com"), ("Host", "example.com")] {
        let request =
            Request::post(format!("{}/_local/sweep", stack.base_url())).header(header, value).body(Full::default()).unwrap();
        assert_eq!(client.request(request).await.unwrap().status(), StatusCode::FORBIDDEN, "{header}");
    }
    stack.stop().await;
}
