//! What queues, streams and the event bus bring: a message that nobody can read comes back alone, and nothing ends the batch.

use crate::api::{Site, draft, num};
use crate::corpus::{config, hunt, mutant_text};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::runtime::Runtime;

fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(format!("{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The messages of a batch that have to come back.
fn failures(answer: &Value) -> Vec<&str> {
    let failed = answer["batchItemFailures"].as_array().unwrap();
    failed.iter().map(|item| item["itemIdentifier"].as_str().unwrap()).collect()
}

/// The inputs are bodies of messages: those that are no job at all come back, and never keep a good one from its work.
#[test]
fn messages_of_queues() {
    let runtime = Runtime::new().unwrap();
    let site = runtime.block_on(Site::still());
    let order = runtime.block_on(site.paid(&draft("eu-5gb-30d")));
    let good = |job: &Value| {
        let mut job = job.clone();
        job["orderNum"] = num(&order).into();
        job.to_string()
    };
    for (function, job) in [
        ("provision", json!({"job": "provision"})),
        ("send-email", json!({"job": "mail"})),
        ("settle-refund", json!({"job": "refund"})),
    ] {
        hunt(file!(), "job", 1, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let batch = json!({"Records": [
                {"messageId": "before", "body": good(&job)},
                {"messageId": "hostile", "body": text},
                {"messageId": "after", "body": good(&job)},
            ]});
            let answer = runtime.block_on(site.stack.invoke(function, batch)).unwrap();
            let failed = failures(&answer);
            assert!(failed.is_empty() || failed == ["hostile"], "{function}: {failed:?} of {text:?}");
            let json: Option<Value> = serde_json::from_str(&text).ok();
            let readable = json.is_some_and(|json| json["job"].is_string() || json["subscriptionId"].is_string());
            assert!(readable || failed == ["hostile"], "{function} is done with {text:?}");
            readable
        });
    }
    runtime.block_on(site.stop());
}

/// Puts a value in the place of a node, by its number in writing order.
fn replace(node: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *node = with.clone();
        return true;
    }
    *left -= 1;
    match node {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Value::Object(fields) => fields.values_mut().any(|field| replace(field, left, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn nodes(node: &Value) -> usize {
    1 + match node {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn weird() -> impl Strategy<Value = Value> {
    prop_oneof![
        mutant_text(&["EP5R8K2M9QW3TX7YB1", "qr", "Bounce", "as", "p", "1795341600", "ana@example.com"]).prop_map(Value::from),
        select(vec![
            json!(null),
            json!([]),
            json!({}),
            json!(-1),
            json!(0.5),
            json!(true),
            json!({"S": "x"}),
            json!({"N": "1e400"}),
            json!({"N": ""}),
            json!({"L": [{"M": {}}]}),
            json!({"M": {"p": {"NULL": true}}}),
            json!({"B": "AA=="}),
            json!({"NS": ["1", "x"]})
        ]),
    ]
}

/// Events with some of their nodes replaced go to a function, which is to answer all the same.
fn replaced(function: &'static str, names: &[&str], part: &[&'static str], holds: impl Fn(&Value)) {
    let runtime = Runtime::new().unwrap();
    let site = runtime.block_on(Site::still());
    let events: Vec<Value> = names.iter().map(|name| event(name)).collect();
    let wrecks = (select(events), proptest::collection::vec((select(part.to_vec()), any::<Index>(), weird()), 0..4));
    let hunted = TestRunner::new(config(file!(), 2)).run(&wrecks, |(mut event, wrecks)| {
        for (place, index, with) in wrecks {
            if let Some(part) = event.pointer_mut(place).filter(|part| !part.is_null()) {
                let mut left = index.index(nodes(part));
                replace(part, &mut left, &with);
            }
        }
        let answer = runtime.block_on(site.stack.invoke(function, event.clone()));
        holds(&answer.unwrap_or_else(|error| panic!("{function}: {error} over {event}")));
        Ok(())
    });
    hunted.unwrap_or_else(|error| panic!("{function}: {error}"));
    runtime.block_on(site.stop());
}

#[test]
fn changes_of_a_stream() {
    let images = ["/Records/0/dynamodb/NewImage", "/Records/0/dynamodb/OldImage"];
    let unreadable_is_done_with = |answer: &Value| assert_eq!(failures(answer), [""; 0]);
    replaced("relay", &["relay-insert", "relay-modify", "relay-malformed"], &images, unreadable_is_done_with);
}

#[test]
fn reports_of_mails() {
    let names = [
        "mail-events-bounce",
        "mail-events-complaint",
        "mail-events-suppressed",
        "mail-events-delivery-delay",
        "mail-events-without-order",
    ];
    replaced("mail-events", &names, &["/detail", "/detail/mail", "/detail/mail/tags"], |answer| assert!(answer.is_null()));
}
